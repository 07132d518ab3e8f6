"""What the context knows of an order's thing: where it is, what is raised about it, when it was
last measured."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson

from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.jsonld import CORE
from pintu.kernel.operations.orders.closing import OVER, Alarm, Evidence
from pintu.kernel.operations.orders.words import Order
from pintu.kernel.store.port import Store, settled

ALERT: Final = "Alert"
ABOUT: Final = ("alertTarget", "alertSource")
MOST: Final = 100
ASKABLE: Final = re.compile(r"[A-Za-z][^\"\\\s]{1,500}")
"""Ids that can stand in a query as they are."""


Effect = Callable[[str, str], Awaitable[int]]


class Look(Protocol):
    """How the orders room sees the city."""

    async def thing(self, tenant: str, id: str) -> tuple[tuple[float, float] | None, str]:
        """Where a thing is (longitude, latitude) and what it is called; (None, "") when nobody
        knows."""

    async def evidence(self, order: Order) -> Evidence:
        """What is known of an order's thing now."""


class ContextLook:
    """Sees it in the store; `effect_us` says when a command to a thing last had its effect."""

    def __init__(self, store: Store, effect_us: Effect | None = None) -> None:
        self._store, self._effect_us = store, effect_us
        self.alarms_of: Callable[[str], Awaitable[list[str]]] | None = None
        """The alerts of a cause that is an incident."""

    async def _entity(self, tenant: str, id: str) -> dict[str, Any] | None:
        number = self._store.tenant(tenant)
        if number is None or not id:
            return None
        record = await settled(self._store.retrieve(number, id))
        return None if record is None else orjson.loads(record.body)

    async def thing(self, tenant: str, id: str) -> tuple[tuple[float, float] | None, str]:
        """Where a thing is and what it is called."""
        entity = await self._entity(tenant, id)
        return (None, "") if entity is None else (place_of(entity), name_of(entity))

    async def evidence(self, order: Order) -> Evidence:
        """The alarms that raised it, any other that is open about its thing, its last reading."""
        found: dict[str, Alarm] = {}
        for id in order.alarms:
            entity = await self._entity(order.tenant, id)
            found[id] = Alarm(id=id, status="") if entity is None else alarm_of(entity)
        for id in await self._raised(order):
            if id not in found and (entity := await self._entity(order.tenant, id)) is not None:
                found[id] = alarm_of(entity)
        for alarm in await self.open_about(order.tenant, order.target):
            found.setdefault(alarm.id, alarm)
        thing = await self._entity(order.tenant, order.target)
        asked = self._effect_us
        return Evidence(
            alarms=tuple(found.values()),
            measured_us=0 if thing is None else measured_us(thing),
            effect_us=0 if asked is None else await asked(order.tenant, order.target),
        )

    async def _raised(self, order: Order) -> list[str]:
        if self.alarms_of is None:
            return []
        causes = [one for one in order.causes if one.startswith("incident:")]
        return [id for one in causes for id in await self.alarms_of(one)]

    async def open_about(self, tenant: str, id: str) -> list[Alarm]:
        """The alerts about a thing that are not over."""
        number = self._store.tenant(tenant)
        if number is None or not ASKABLE.fullmatch(id):
            return []
        about = "|".join(f'{name}=="{id}"' for name in ABOUT)
        q = parse_q(f'({about});status!="cleared"', CORE)
        types = TypeSelection((frozenset((ALERT,)),))
        asked = Selection(tenant=number, types=types, q=q, limit=MOST)
        page = await settled(self._store.select(asked))
        found = [alarm_of(orjson.loads(record.body)) for record in page.records]
        return [one for one in found if one.status not in OVER]


# --- pure -----------------------------------------------------------------------------------------
def _value(entity: dict[str, Any], name: str) -> Any:
    told = entity.get(name)
    if isinstance(told, list):
        told = told[0] if told else None
    if not isinstance(told, dict):
        return None
    return next((told[k] for k in ("value", "object", "languageMap") if k in told), None)


def alarm_of(entity: dict[str, Any]) -> Alarm:
    """An Alert as the room needs it."""
    what = _value(entity, "subCategory") or _value(entity, "category")
    return Alarm(
        id=str(entity["id"]),
        status=str(_value(entity, "status") or "open"),
        what=str(what or ""),
        since_us=instant(_value(entity, "dateIssued")),
        changed_us=instant(_value(entity, "validTo")),
    )


def about_of(entity: dict[str, Any]) -> str:
    """What an Alert is about: an entity's id, "" when it says nothing."""
    for name in ABOUT:
        told = _value(entity, name)
        if isinstance(told, list):
            told = told[0] if told else None
        if isinstance(told, str) and told:
            return told
    return ""


def place_of(entity: dict[str, Any]) -> tuple[float, float] | None:
    """(longitude, latitude) of an entity's location: a point, or the middle of a line's corners."""
    shape = _value(entity, "location")
    if not isinstance(shape, dict):
        return None
    points = list(_points(shape.get("coordinates")))
    if not points:
        return None
    longitude = sum(one[0] for one in points) / len(points)
    latitude = sum(one[1] for one in points) / len(points)
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return round(longitude, 6), round(latitude, 6)


def _points(told: Any) -> list[tuple[float, float]]:
    if not isinstance(told, list) or not told:
        return []
    if all(isinstance(one, int | float) for one in told):
        return [(float(told[0]), float(told[1]))] if len(told) >= 2 else []
    return [point for part in told[:10_000] for point in _points(part)]


def name_of(entity: dict[str, Any]) -> str:
    """What a thing is called, "" when it has no name."""
    name = _value(entity, "name")
    if isinstance(name, dict):
        name = name.get("zh") or name.get("zh-CN") or next(iter(name.values()), "")
    return name if isinstance(name, str) else ""


def measured_us(entity: dict[str, Any]) -> int:
    """When anything of a thing was last observed; 0 when nothing measures it."""
    times = [
        instant(part.get("observedAt"))
        for told in entity.values()
        for part in (told if isinstance(told, list) else [told])
        if isinstance(part, dict)
    ]
    return max(times, default=0)


def instant(told: Any) -> int:
    """µs of a time as NGSI-LD writes it; 0 for what is none."""
    if isinstance(told, dict):
        told = told.get("@value")
    if not isinstance(told, str):
        return 0
    try:
        moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1e6)
