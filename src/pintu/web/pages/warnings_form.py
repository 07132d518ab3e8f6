"""From the fields of a form to a message of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.warnings import Area, Info, Message, PublicWarning, Reference
from pintu.kernel.operations.warnings.entity import INCIDENT
from pintu.web.api.warnings import read_back
from pintu.web.pages.warnings_words import (
    CATEGORIES,
    CERTAINTIES,
    RESPONSES,
    SEVERITIES,
    URGENCIES,
)

LANGUAGES: Final = (("zh-CN", "_zh"), ("en-US", "_en"))
LONGEST: Final = 4_000
SCOPES: Final = ("Public", "Restricted")
STATUSES: Final = ("Actual", "Exercise")


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are, and the moment: `name` as messages name us, `zone` of the times in the form."""

    name: str
    zone: str
    now_us: int


def message_from(
    form: Mapping[str, Any], sender: Sender, before: PublicWarning | None = None
) -> Message:
    """The message a form tells: a new warning, or with `before` its Update or Cancel.

    What is written here goes through the same reader as what comes from elsewhere, so that nothing
    leaves that others could not read. BadRequestData says which field.
    """
    kind = _one(form, "kind", ("Alert", "Update", "Cancel"))
    if (before is None) != (kind == "Alert"):
        raise BadRequestData("An update or a cancellation needs the warning it is about")
    if before is not None and before.message.sender != sender.name:
        raise BadRequestData("Only who sent a warning changes or ends it")
    sent = _iso(sender.now_us // 1_000_000, sender.zone)
    message = Message(
        identifier=f"{sender.now_us // 1000}-{kind.lower()}",
        sender=sender.name,
        sent=sent,
        status=_one(form, "status", STATUSES),
        msg_type=kind,
        scope=_one(form, "scope", SCOPES),
        restriction=_text(form, "restriction"),
        note=_text(form, "note"),
        references=_references(before),
        incidents=_incidents(form, before),
        infos=() if kind == "Cancel" else tuple(_infos(form, sender)),
    )
    if kind == "Cancel" and before is not None:
        message = msgspec.structs.replace(message, status=before.message.status,
                                          scope=before.message.scope)  # fmt: skip
    if message.scope == "Restricted" and not message.restriction:
        raise BadRequestData("A restricted warning says who may know of it")
    return read_back(message)


def _incidents(form: Mapping[str, Any], before: PublicWarning | None) -> tuple[str, ...]:
    if before is not None:
        return before.message.incidents
    told = _text(form, "incident")[:40]
    return (told,) if INCIDENT.fullmatch(told) else ()


def _references(before: PublicWarning | None) -> tuple[Reference, ...]:
    if before is None:
        return ()
    one = before.message
    return (Reference(sender=one.sender, identifier=one.identifier, sent=one.sent),)


def _infos(form: Mapping[str, Any], sender: Sender) -> list[Info]:
    begins, ends = (_local(form, name, sender.zone) for name in ("begins", "ends"))
    if ends is None:
        raise BadRequestData("A warning says until when it holds")
    found = []
    for language, suffix in LANGUAGES:
        headline, event = _text(form, f"headline{suffix}"), _text(form, f"event{suffix}")
        if not headline and not event:
            continue
        found.append(
            Info(
                language=language,
                categories=(_one(form, "category", tuple(CATEGORIES)),),
                event=event or headline,
                responses=tuple(one for one in RESPONSES if form.get(f"does_{one}")),
                urgency=_one(form, "urgency", tuple(URGENCIES)),
                severity=_one(form, "severity", tuple(SEVERITIES)),
                certainty=_one(form, "certainty", tuple(CERTAINTIES)),
                onset=begins or "",
                expires=ends,
                sender_name=_text(form, "issuer"),
                headline=headline,
                description=_text(form, f"description{suffix}"),
                instruction=_text(form, f"instruction{suffix}"),
                areas=(area_from(form, suffix),),
            )
        )
    if not found:
        raise BadRequestData("A warning needs a headline in one language at least")
    return found


def area_from(form: Mapping[str, Any], suffix: str = "_zh") -> Area:
    """The place a form names: a polygon of `latitude,longitude` points, or a circle."""
    described = _text(form, f"area{suffix}") or _text(form, "area_zh") or _text(form, "area_en")
    if not described:
        raise BadRequestData("A warning says in words which area it is for")
    points = tuple(_point(one) for one in _text(form, "polygon").split())
    circle = _text(form, "circle").split()
    if points and len(points) < 3:
        raise BadRequestData("An area needs three corners at least")
    if circle and len(circle) != 2:
        raise BadRequestData("A circle is written as latitude,longitude and its radius in km")
    if not points and not circle:
        raise BadRequestData("A warning needs an area: draw it, or name a centre and a radius")
    return Area(
        description=described,
        polygons=((*points, points[0]),) if points else (),
        circles=((*_point(circle[0]), _number(circle[1])),) if circle else (),
    )


def _point(said: str) -> tuple[float, float]:
    parts = said.replace("，", ",").split(",")
    if len(parts) != 2:
        raise BadRequestData(f"Place {said[:40]!r} is not latitude,longitude")
    return _number(parts[0]), _number(parts[1])


def _number(said: str) -> float:
    try:
        return float(said)
    except ValueError as error:
        raise BadRequestData(f"{said[:40]!r} is not a number") from error


def _text(form: Mapping[str, Any], name: str) -> str:
    return str(form.get(name, "")).strip()[:LONGEST]


def _one(form: Mapping[str, Any], name: str, among: tuple[str, ...]) -> str:
    said = _text(form, name) or among[0]
    if said not in among:
        raise BadRequestData(f"Field {name} {said[:40]!r} is not one of {', '.join(among)}")
    return said


def _local(form: Mapping[str, Any], name: str, zone: str) -> str | None:
    """A time of the form (`2026-09-08T20:00`, the city's wall clock) with its zone."""
    said = _text(form, name)
    if not said:
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRequestData(f"Field {name} {said[:40]!r} is not a time") from error
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(zone))
    return read.isoformat(timespec="seconds")


def _iso(seconds: int, zone: str) -> str:
    told = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone))
    return told.isoformat(timespec="seconds")


def wall_time(at_us: int, zone: str) -> str:
    """A moment as an input of a form has it."""
    return _iso(at_us // 1_000_000, zone)[:16]
