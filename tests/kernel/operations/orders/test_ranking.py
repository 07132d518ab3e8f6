"""Queues and ways: orders are ranked, workers never; a short way through what is urgent first."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData, Forbidden
from pintu.kernel.operations.orders.desk import fitting
from pintu.kernel.operations.orders.ranking import Ranked, rank
from pintu.kernel.operations.orders.routes import distance_m, length_m, nearest, plan, two_opt
from pintu.kernel.operations.orders.service import ServiceClock
from pintu.kernel.operations.orders.words import Crew, Order, Shift

from .conftest import CREW_1, FOREMAN, START_US, Room

CLOCK = ServiceClock()


def order(number: int, severity: str = "medium", **more: Any) -> Order:
    told = {"tenant": "demo", "kind": "inspect", "what": {}, "target": "a:b"}
    times = {"opened_us": START_US, "changed_us": START_US}
    return msgspec.convert({**told, **times, "number": number, "severity": severity, **more}, Order)


def test_a_queue_is_ranked_by_what_is_wrong() -> None:
    """Worse before better, late before fresh, escalated before quiet; what rests comes last."""
    orders = [
        order(1, "low"),
        order(2, "critical", state="suspended"),
        order(3, "critical"),
        order(4, "medium", level=3),
        order(5, "medium"),
        order(6, "high", state="reported"),
        order(7, "medium", opened_us=START_US - 30 * 86_400_000_000),
    ]
    found = rank(orders, CLOCK, START_US)
    assert [3, 7, 4, 5, 1, 2, 6] == [one.order.number for one in found]
    assert [one.order for one in found] == [
        one.order for one in rank(reversed(orders), CLOCK, START_US)
    ]


def test_no_worker_is_in_a_rank() -> None:
    """Whose order it is changes nothing, and a place in a queue knows nobody."""
    mine = rank([order(1, crew="lamps-1")], CLOCK, START_US)[0]
    theirs = rank([order(1, crew="lamps-2")], CLOCK, START_US)[0]
    assert mine.points == theirs.points
    names = set(Ranked.__struct_fields__) | set(Order.__struct_fields__)
    assert set() == {one for one in names if "person" in one or "worker" in one or "actor" in one}


def places(count: int, seed: int = 3) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    return [(120.1 + chance.random() / 5, 30.1 + chance.random() / 5) for _ in range(count)]


def test_two_opt_never_makes_a_way_longer() -> None:
    """Every place once, shorter than always going to the nearest."""
    start = (120.2, 30.2)
    for seed in range(5):
        some = places(40, seed)
        first = nearest(some, start)
        better = two_opt(some, first, start)
        assert sorted(better) == list(range(40))
        assert length_m(some, better, start) <= length_m(some, first, start)


def test_a_way_goes_to_the_urgent_first() -> None:
    """The critical one far away comes before the low one next door; without a place no stop."""
    near, far = [120.2, 30.2], [120.4, 30.4]
    queue = rank(
        [
            order(1, "low", place=near),
            order(2, "critical", place=far),
            order(3, "low"),
            order(4, "low", place=far, state="suspended"),
        ],
        CLOCK,
        START_US,
    )
    route = plan(queue, (120.2, 30.2), exact=False)
    assert [2, 1] == [one.order.number for one in route.stops]
    assert [3] == [one.number for one in route.placeless]
    assert 2 * route.stops[0].metres == pytest.approx(route.metres, abs=2)
    assert 29_000 < distance_m((120.2, 30.2), (120.4, 30.4)) < 30_000
    assert () == plan([], None).stops


async def test_shifts_say_who_works(room: Room) -> None:
    """Two shifts of one crew never overlap; a crew that works and is equipped is named first."""
    desk = room.orders.desk
    for id, kinds in (("lamps-1", ("repair_lamp",)), ("lamps-2", ()), ("pumps", ("pump",))):
        crew = Crew(id=id, tenant="demo", name={"zh": "班组（演示）"}, kinds=kinds)
        await desk.save_crew(FOREMAN, crew, ["c1"] if id == "lamps-1" else [])
    now_us = room.clock.now_us()
    hour = 3_600_000_000
    await desk.add_shift(FOREMAN, Shift(crew="lamps-2", since_us=now_us, until_us=now_us + hour))
    with pytest.raises(BadRequestData, match="at that time already"):
        late = Shift(crew="lamps-2", since_us=now_us + hour - 1, until_us=now_us + 2 * hour)
        await desk.add_shift(FOREMAN, late)
    with pytest.raises(BadRequestData, match="36 hours"):
        await desk.add_shift(FOREMAN, Shift(crew="pumps", since_us=9, until_us=8))
    assert {"lamps-1", "lamps-2", "pumps"} == await desk.on_shift("demo"), "none planned: on call"
    for id in ("lamps-1", "pumps"):
        tomorrow = now_us + 24 * hour
        late = Shift(crew=id, since_us=tomorrow, until_us=tomorrow + hour)
        await desk.add_shift(FOREMAN, late)
    working = await desk.on_shift("demo")
    assert {"lamps-2"} == working
    found = fitting(await desk.list_crews("demo"), working, order(1, kind="repair_lamp"))
    assert [("lamps-2", True, True), ("lamps-1", False, True), ("pumps", False, False)] == [
        (one.id, works, fits) for one, works, fits in found
    ]


async def test_who_is_in_a_crew_is_told_to_few(room: Room) -> None:
    """A member and a foreman may know, the journal and the city never hear it."""
    desk = room.orders.desk
    crew = Crew(id="lamps-1", tenant="demo", name={"zh": "照明一班（演示）"})
    await desk.save_crew(FOREMAN, crew, ["c1", "c9"])
    assert ["c1", "c9"] == await desk.members(CREW_1, "lamps-1")
    with pytest.raises(Forbidden):
        await desk.save_crew(CREW_1, crew, [])
    with pytest.raises(BadRequestData, match="not a name"):
        await desk.save_crew(FOREMAN, Crew(id="A b", tenant="demo", name={"zh": "班"}))
    told = [str(one) for one in await room.journal.list_deeds(subject="crew:lamps-1")]
    assert ([], 1) == ([one for one in told if "c9" in one], len(told))
