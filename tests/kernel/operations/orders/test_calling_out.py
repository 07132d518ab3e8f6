"""Who is called out: a crew that was given work, the duty officer when nobody takes it; and an
incident's alarms as an order's proof."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pintu.city import City
from pintu.kernel.operations.calling_out import CallingOut
from pintu.kernel.operations.opening import OperationsRoom
from pintu.kernel.operations.orders import Crew
from pintu.kernel.operations.orders.changing import missing
from pintu.kernel.operations.orders.rows import save
from pintu.settings import Settings

LAMP = "urn:ngsi-ld:Streetlight:street_lights:L00017"


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    """A whole city without its pieces, and a crew of one."""
    opened = await City.open(Settings(data=tmp_path, pieces=False))
    room = opened.rooms.operations
    assert room is not None
    assert room.orders is not None
    crew = Crew(id="lamps-1", tenant="", name={"zh": "照明一班（演示）", "en": "Lamps 1"})
    person = await opened.rooms.identity.people.create_person("cui", "秦演示")
    await room.orders.desk.save_crew("test", crew, [person.id])
    yield opened
    await opened.close()


async def test_a_crew_hears_of_its_work_once(city: City) -> None:
    """Giving an order to a crew sends each of its people one message, which names no person."""
    room = city.rooms.operations
    assert room is not None
    assert room.orders is not None
    order = await room.orders.open_order(
        "test", "", "repair_lamp", LAMP, cause="incident:1", severity="high", key="k"
    )
    for _ in range(2):
        await room.orders.deed("test", order.id, "assign", "a", crew="lamps-1")
    await said(room)
    deeds = await room.journal.list_deeds(subject=order.subject)
    told = [one for one in deeds if one.verb == "notified"]
    assert [("order", 1)] == [(one.detail["message"], one.detail["people"]) for one in told]


async def test_nobody_answering_rings_the_duty_phone(city: City) -> None:
    """A critical order that nobody takes in its time rings, about that order, once."""
    room = city.rooms.operations
    assert room is not None
    assert room.orders is not None
    assert room.duty is not None
    order = await room.orders.open_order(
        "test", "", "secure", LAMP, cause="incident:1", severity="critical", key="k"
    )
    now_us = order.opened_us - 3_600_000_000
    old = {"opened_us": now_us, "changed_us": now_us}
    await room.orders.tables.run(lambda c: save(c, type(order)(**{**fields(order), **old})))
    for _ in range(2):
        await room.orders.overdue(order.id)
    await said(room)
    assert [(order.subject, "critical")] == [
        (one.subject, one.severity) for one in room.duty.ringing("")
    ]
    assert missing(order, "finish", 1).level == 1


async def said(room: OperationsRoom) -> None:
    """Until everybody was called who is to be called."""
    for part in room.parts:
        if isinstance(part, CallingOut):
            await part.stop()


def fields(order: object) -> dict[str, object]:
    """What an order holds."""
    return {name: getattr(order, name) for name in type(order).__struct_fields__}  # type: ignore[attr-defined]
