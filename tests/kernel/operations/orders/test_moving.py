"""Orders that move by themselves: deadlines, cleared alarms, missing effects, plays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from pintu.kernel.operations.journal import Deed, create_journal, enter, journal_tables
from pintu.kernel.operations.orders.hand import OrderHand
from pintu.kernel.operations.orders.watching import MOST_OF_ONE, Watch
from pintu.kernel.operations.orders.words import Order
from pintu.kernel.tables import PrivateTables

from .conftest import CREW_1, FOREMAN, LAMP, Room
from .test_orders import assigned

METADATA = sa.MetaData()
journal_tables(METADATA)
LEDGER = PrivateTables(name="ledger_of_a_test", metadata=METADATA, migrations=(create_journal,))


@pytest.fixture
async def watch(room: Room) -> AsyncIterator[Watch]:
    """What runs by itself, running."""
    made = Watch(room.orders, room.journal, room.timers, room.feed, room.store)
    await room.timers.start()
    await made.start()
    yield made
    await made.stop()


async def until(holds: Callable[[], Awaitable[Any]], timeout_s: float = 5.0) -> Any:
    """Wait until something holds; what it then is."""
    end_s = time.monotonic() + timeout_s
    while not (found := await holds()):
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.01)
    return found


async def test_a_cleared_alarm_closes_what_was_reported(room: Room, watch: Watch) -> None:
    """Nobody has to press anything when the sensor agrees."""
    await room.alarm("open")
    order = await assigned(room)
    await room.orders.deed(CREW_1, order.id, "report", "r1")
    await room.alarm("cleared")

    async def closed() -> bool:
        return (await room.orders.get(order.id)).state == "closed"

    await until(closed)


async def test_an_alarm_that_goes_by_itself_calls_nobody_out(room: Room, watch: Watch) -> None:
    """An order that nobody has begun closes with its alarm; one that a crew has taken does not."""
    await room.alarm("open")
    order = await room.open()
    other = await room.open(key="k2", cause="incident:1", severity="low")
    assert order.number == other.number
    await room.alarm("cleared")

    async def closed() -> bool:
        return (await room.orders.get(order.id)).proof == "sensor"

    await until(closed)


async def test_a_crew_that_never_answers_is_escalated_once_a_deadline(room: Room) -> None:
    """Each deadline that passes escalates once, however often it is looked at; a new crew has its
    own time."""
    order = await assigned(room, severity="critical")
    for minutes in (4, 2, 1, 1):
        room.clock.pass_minutes(minutes)
        order = await room.orders.overdue(order.id)
    assert (1, ("confirm",)) == (order.level, order.missed)
    order = await room.orders.deed(FOREMAN, order.id, "assign", "a2", crew="lamps-1")
    room.clock.pass_minutes(500)
    order = await room.orders.overdue(order.id)
    assert 4 == order.level
    deeds = await room.journal.list_deeds(subject=order.subject)
    missed = [one.detail["deadline"] for one in deeds if one.verb == "escalated"]
    assert ["confirm", "arrive", "confirm", "finish"] == sorted(missed[:1]) + sorted(missed[1:])


async def test_a_deadline_fires_by_its_timer(room: Room, watch: Watch) -> None:
    """The timer of an order is set by its opening and moves with it."""
    order = await room.open(severity="critical", cause="incident:1")
    assert order.opened_us + 5 * 60_000_000 == room.timers.due("operations.order", order.id)
    room.clock.pass_minutes(6)

    async def escalated() -> bool:
        return (await room.orders.get(order.id)).level == 1

    await until(escalated)
    done = await room.orders.deed(FOREMAN, order.id, "cancel", "x", "planned work")

    async def forgotten() -> bool:
        return room.timers.due("operations.order", done.id) is None

    await until(forgotten)


def missed(number: int, target: str = LAMP) -> Deed:
    """What the ledger says of a command without its effect."""
    return Deed(
        subject=f"command:{number}",
        verb="missed",
        who="timer",
        at_us=0,
        tenant="demo",
        number=number,
        detail={"target": target, "name": "DimLamp", "cause": "play:9"},
    )


async def test_a_missing_effect_opens_an_order_once(room: Room) -> None:
    """Also when the city went down between the ledger's deed and the order, and the deed is heard
    again at the next start."""
    opened = room.cities.register(LEDGER)
    room.journal.join(opened)
    deed = Deed(**{f: getattr(missed(1), f) for f in Deed.__struct_fields__ if f != "at_us"},
                at_us=room.clock.now_us())  # fmt: skip
    await opened.run(lambda c: enter(c, deed))
    for _ in range(2):
        watch = Watch(room.orders, room.journal, room.timers, room.feed, room.store)
        await watch.start()
        await watch.stop()
        room.timers._handlers.clear()
    found = await room.orders.list_for("command:1")
    assert [("repair_lamp", LAMP, ("command:1", "play:9"))] == [
        (one.kind, one.target, one.causes) for one in found
    ]
    assert found == await room.orders.list_for("play:9")


async def test_a_dead_feeder_is_not_a_thousand_orders(room: Room, watch: Watch) -> None:
    """After some orders of one play the rest is gathered in one."""
    for number in range(MOST_OF_ONE + 30):
        await watch._open(missed(number, f"{LAMP}-{number}"))
    found = await room.orders.list_for("play:9")
    assert MOST_OF_ONE + 1 == len(found)
    assert "urn:ngsi-ld:ResponsePlan:operations:9" == found[0].target
    assert 30 == len(found[0].causes) - 1


@dataclass(frozen=True)
class Run:
    """A play, as its hand sees it."""

    id: str = "9"
    tenant: str = "demo"
    cause: str = "warning:3"


async def test_a_play_opens_and_calls_off(room: Room) -> None:
    """Once a key; what others need too stays, what is done stays done."""
    hand = OrderHand(room.orders)
    given = {"what": "secure", "severity": "high"}
    ref = await hand.do(Run(), given, key="9/1", targets=[LAMP])
    assert ref == await hand.do(Run(), given, key="9/1", targets=[LAMP])
    for _ in range(2):
        await hand.undo(Run(), ref, key="9/1/undo", reason="the warning was cancelled")
    order: Order = await room.orders.get(ref)
    assert ("cancelled", "the warning was cancelled") == (order.state, order.reason)
    ref = await hand.do(Run(), given, key="9/2", targets=[LAMP])
    await room.orders.open_order(
        FOREMAN, "demo", "secure", LAMP, cause="incident:4", severity="low", key="mine"
    )
    await hand.undo(Run(), ref, key="9/2/undo", reason="")
    assert "open" == (await room.orders.get(ref)).state
