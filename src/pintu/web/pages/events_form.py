"""A plan for an event as a form has it: one line a zone, a check, a post."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.events import Check, EventPlan, Post, Zone
from pintu.web.pages.warnings_form import wall_time

_BAR = re.compile(r"\s*[|｜]\s*")
LONGEST: Final = 20_000


def plan_from(form: Mapping[str, Any], *, tenant: str, zone: str) -> EventPlan:
    """The plan a form tells; BadRequestData says which line."""
    title = {lang: said for lang in ("zh", "en") if (said := _text(form, f"title_{lang}"))}
    begins, ends = (_moment(form, name, zone) for name in ("begins", "ends"))
    return EventPlan(
        id=_text(form, "id"),
        tenant=tenant,
        title=title,
        from_us=begins,
        until_us=ends,
        zones=tuple(_zone(parts) for parts in _lines(form, "zones", 4)),
        checks=tuple(_check(parts) for parts in _lines(form, "checks", 5)),
        posts=tuple(_post(parts, begins, ends) for parts in _lines(form, "posts", 2)),
        least=_text(form, "least") or "low",  # type: ignore[arg-type]
    )


def typed(plan: EventPlan, zone: str) -> dict[str, str]:
    """The fields of the form as a plan has them; zones of several parts keep their first."""
    zones = []
    for one in plan.zones:
        rings = one.area["coordinates"]
        ring = rings[0] if one.area["type"] == "Polygon" else rings[0][0]
        corners = " ".join(f"{y},{x}" for x, y, *_ in ring[:-1])
        zones.append(f"{one.name} | {_first(one.title)} | {one.steps} | {corners}")
    return {
        "id": plan.id,
        "title_zh": plan.title.get("zh", ""),
        "title_en": plan.title.get("en", ""),
        "begins": wall_time(plan.from_us, zone),
        "ends": wall_time(plan.until_us, zone),
        "zones": "\n".join(zones),
        "checks": "\n".join(
            f"{one.name} | {_first(one.title)} | {one.zone} | {one.every_min} | {1 + one.two}"
            for one in plan.checks
        ),
        "posts": "\n".join(f"{one.person} | {one.post}" for one in plan.posts),
        "least": plan.least,
    }


def _first(title: dict[str, str]) -> str:
    return title.get("zh") or next(iter(title.values()), "")


def _lines(form: Mapping[str, Any], name: str, parts: int) -> Iterator[list[str]]:
    for number, line in enumerate(_text(form, name).splitlines(), 1):
        if line.strip():
            found = _BAR.split(line.strip())
            if len(found) != parts:
                raise BadRequestData(f"Line {number} of {name} has {len(found)} parts, not {parts}")
            yield found


def _zone(parts: list[str]) -> Zone:
    name, title, steps, corners = parts
    ring = []
    for one in corners.split():
        latitude, _, longitude = one.replace("，", ",").partition(",")
        ring.append([_number(longitude), _number(latitude)])
    if len(ring) < 3:
        raise BadRequestData(f"Zone {name} needs three corners at least")
    area = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return Zone(name=name, title={"zh": title}, area=area, steps=int(_number(steps)))


def _check(parts: list[str]) -> Check:
    name, title, zone, every, persons = parts
    minutes, two = int(_number(every)), _number(persons) > 1
    return Check(name=name, title={"zh": title}, zone=zone, every_min=minutes, two=two)


def _post(parts: list[str], begins: int, ends: int) -> Post:
    return Post(person=parts[0], post=parts[1], since_us=begins, until_us=ends)


def _number(said: str) -> float:
    try:
        found = float(said)
    except ValueError as error:
        raise BadRequestData(f"{said[:40]!r} is not a number") from error
    if not math.isfinite(found):
        raise BadRequestData(f"{said[:40]!r} is not a number")
    return found


def _text(form: Mapping[str, Any], name: str) -> str:
    return str(form.get(name, "")).strip()[:LONGEST]


def _moment(form: Mapping[str, Any], name: str, zone: str) -> int:
    said = _text(form, name)
    try:
        read = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRequestData(f"Field {name} {said[:40]!r} is not a time") from error
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(zone))
    return round(read.astimezone(UTC).timestamp() * 1_000_000)
