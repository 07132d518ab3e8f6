"""Work orders: one for one piece of work, each deed once, closed when the sensor agrees."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.operations.orders.words import Crew, Order

from .conftest import ALERT, CREW_1, CREW_2, DUTY, FOREMAN, LAMP, Room


async def crew(room: Room, id: str = "lamps-1", person: str = "c1") -> None:
    """A crew of one."""
    made = Crew(id=id, tenant="demo", name={"zh": "照明一班（演示）", "en": "Lamps 1 (demo)"})
    await room.orders.desk.save_crew(FOREMAN, made, [person])


async def assigned(room: Room, **more: Any) -> Order:
    """An order that the first crew has."""
    await crew(room)
    order = await room.open(**more)
    return await room.orders.deed(FOREMAN, order.id, "assign", "a1", crew="lamps-1")


async def test_an_order_is_opened_once(room: Room) -> None:
    """The same key is the same order; the same work for another cause joins it, as bad as the
    worse of both."""
    await room.alarm("open")
    first = await room.open()
    again = await room.open()
    more = await room.orders.open_order(
        DUTY, "demo", "repair_lamp", LAMP, cause="incident:7", severity="high", key="k2"
    )
    assert first == again
    assert (first.number, (ALERT, "incident:7"), "high") == (
        more.number,
        more.causes,
        more.severity,
    )
    assert [more] == await room.orders.list_for("incident:7")
    told = await room.entity(first.entity)
    assert told is not None
    assert "open" == told["status"]["value"]
    assert [120.2, 30.2] == told["location"]["value"]["coordinates"]
    deeds = await room.journal.list_deeds(subject=first.subject)
    assert ["opened", "joined"] == [one.verb for one in deeds]
    with pytest.raises(StateConflict, match="was used for something else"):
        await room.open(cause="incident:8")


async def test_a_deed_is_done_once_however_often_it_is_sent(room: Room) -> None:
    """A phone that sends its queue three times has confirmed, arrived and reported once each; what
    it did twenty minutes ago was done then, whatever its clock says."""
    await room.alarm("open")
    order = await assigned(room)
    room.clock.pass_minutes(30)
    queue = [("confirm", "p1", 1500.0), ("arrive", "p2", 600.0), ("report", "p3", 60.0)]
    for _ in range(3):
        for verb, key, ago_s in queue:
            order = await room.orders.deed(CREW_1, order.id, verb, key, ago_s=ago_s)
    start = order.opened_us
    minutes = [(at - start) // 60_000_000 for at in (order.confirmed_us, order.arrived_us)]
    assert ("reported", [5, 20]) == (order.state, minutes)
    deeds = [one.verb for one in await room.journal.list_deeds(subject=order.subject)]
    assert ["opened", "assigned", "confirmed", "arrived", "reported"] == deeds
    with pytest.raises(BadRequestData, match="seven days"):
        await room.orders.deed(CREW_1, order.id, "note", "p4", "x", ago_s=-86_400.0)


async def test_the_sensor_that_raised_it_must_agree(room: Room) -> None:
    """Reported work stays open while its alarm stands; nobody closes it without a reason; when the
    alarm is cleared it closes and says by what."""
    await room.alarm("open")
    order = await assigned(room)
    order = await room.orders.deed(CREW_1, order.id, "report", "r1", "lamp exchanged")
    assert "reported" == order.state
    with pytest.raises(StateConflict, match="what raised it does not agree") as told:
        await room.orders.deed(FOREMAN, order.id, "close", "c1")
    assert [ALERT] == told.value.extra["standing"]
    assert "reported" == (await room.orders.settle(order)).state
    await room.alarm("cleared")
    closed = await room.orders.settle(order)
    assert ("closed", "sensor") == (closed.state, closed.proof)
    deeds = await room.journal.list_deeds(subject=order.subject)
    assert ("settled", "sensor") == (deeds[-1].verb, deeds[-1].who)


async def test_another_alarm_about_its_thing_keeps_it_open(room: Room) -> None:
    """A lamp that is lit again and flickers is not repaired; a deleted alert proves nothing."""
    await room.alarm("cleared")
    order = await assigned(room)
    await room.alarm("open", id=ALERT + "-flicker")
    order = await room.orders.deed(CREW_1, order.id, "report", "r1")
    assert "reported" == order.state
    assert (ALERT + "-flicker",) == (await room.orders.verdict(order)).standing
    gone = await room.open(key="k3", cause=ALERT + "-gone", severity="low")
    assert "standing" == (await room.orders.verdict(gone)).why
    await room.alarm("cleared", id=ALERT + "-flicker")
    assert "unknown" == (await room.orders.verdict(gone)).why


async def test_only_a_foreman_overrides_and_says_why(room: Room) -> None:
    """Against its sensor an order is closed by a foreman or supervisor, with a reason."""
    await room.alarm("open")
    order = await assigned(room)
    with pytest.raises(Forbidden, match="foreman"):
        await room.orders.deed(DUTY, order.id, "override", "o1", "the sensor is broken")
    with pytest.raises(BadRequestData, match="needs a reason"):
        await room.orders.deed(FOREMAN, order.id, "override", "o2", "  ")
    closed = await room.orders.deed(FOREMAN, order.id, "override", "o3", "the sensor is broken")
    assert ("closed", "override", "the sensor is broken") == (
        closed.state,
        closed.proof,
        closed.reason,
    )


async def test_a_missing_effect_is_proven_by_an_effect(room: Room) -> None:
    """What a command without effect opened closes by a command that has its effect since."""
    order = await assigned(room, cause="command:17")
    order = await room.orders.deed(CREW_1, order.id, "report", "r1")
    assert "no_effect" == (await room.orders.verdict(order)).why
    room.clock.pass_minutes(5)
    room.effect_us = room.clock.now_us()
    closed = await room.orders.settle(order)
    assert ("closed", "sensor") == (closed.state, closed.proof)


async def test_a_crew_has_its_own_orders_only(room: Room) -> None:
    """Another crew's order does not exist for it, and it cannot do a foreman's deeds."""
    await crew(room, "lamps-2", "c2")
    order = await assigned(room)
    with pytest.raises(ResourceNotFound):
        await room.orders.deed(CREW_2, order.id, "confirm", "x1")
    for verb in ("assign", "close", "cancel", "override", "release"):
        with pytest.raises(Forbidden, match=f"A crew cannot {verb}"):
            await room.orders.deed(CREW_1, order.id, verb, "x2", "why", crew="lamps-2")
    with pytest.raises(BadRequestData, match="no such deed"):
        await room.orders.deed(CREW_1, order.id, "explode", "x3")
    with pytest.raises(BadRequestData, match="by hand"):
        await room.orders.deed(FOREMAN, order.id, "settle", "x4")
    with pytest.raises(ResourceNotFound):
        await room.orders.deed(FOREMAN, "17'; DROP", "confirm", "x5")


async def test_suspended_time_is_not_counted(room: Room) -> None:
    """While an order waits for parts its clock stands still; it goes on as what it was."""
    order = await assigned(room, severity="critical")
    order = await room.orders.deed(CREW_1, order.id, "confirm", "s1")
    before = room.orders.service.deadlines(order)["finish"]
    order = await room.orders.deed(CREW_1, order.id, "suspend", "s2", "no spare part")
    assert {"finish": 0, "arrive": 0} == room.orders.service.deadlines(order)
    room.clock.pass_minutes(600)
    order = await room.orders.deed(CREW_1, order.id, "resume", "s3")
    assert "confirmed" == order.state
    assert before + 600 * 60_000_000 == room.orders.service.deadlines(order)["finish"]


async def test_reopened_work_begins_anew(room: Room) -> None:
    """A repair that did not hold goes back to the foreman; the time it was closed is not
    counted."""
    order = await assigned(room)
    closed = await room.orders.deed(FOREMAN, order.id, "override", "o1", "seen by the foreman")
    room.clock.pass_minutes(10_000)
    again = await room.orders.deed(FOREMAN, closed.id, "reopen", "o2", "dark again")
    assert ("open", "", 0, "") == (again.state, again.crew, again.closed_us, again.proof)
    assert room.orders.service.share(again, room.clock.now_us()) < 0.01


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"severity": "apocalyptic"}, "is none of"),
        ({"what": " "}, "1 to 500"),
        ({"target": "lamp"}, "not an entity id"),
        ({"key": ""}, "idempotency key"),
    ],
)
async def test_words_that_cannot_be_are_refused(room: Room, asked: Any, told: str) -> None:
    """An order that nobody could do is not opened."""
    words = {"what": "inspect", "target": LAMP, "severity": "low", "key": "k"} | asked
    with pytest.raises(BadRequestData, match=told):
        await room.orders.open_order(
            DUTY, "demo", words["what"], words["target"],
            cause="incident:1", severity=words["severity"], key=words["key"],
        )  # fmt: skip
    with pytest.raises(Forbidden):
        await room.orders.open_order(
            CREW_1, "demo", "inspect", LAMP, cause="", severity="low", key="k"
        )


async def test_an_incident_is_over_when_its_alarms_are(room: Room) -> None:
    """What an incident opened closes when every alarm of the incident is cleared."""
    other = ALERT + "-of-a-neighbour"

    async def alarms_of(cause: str) -> list[str]:
        return [ALERT, other] if cause == "incident:1" else []

    room.look.alarms_of = alarms_of
    await room.alarm("cleared")
    await room.alarm("open", id=other, about=LAMP + "8")
    order = await assigned(room, cause="incident:1")
    order = await room.orders.deed(CREW_1, order.id, "report", "r1")
    assert ("reported", (other,)) == (order.state, (await room.orders.verdict(order)).standing)
    await room.alarm("cleared", id=other, about=LAMP + "8")
    assert "sensor" == (await room.orders.settle(order)).proof


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
async def test_a_deed_never_lands_on_another_crews_order(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order moves while the old crew's deed is under way: it is refused. What the old crew did
    before, and never heard the answer of, is done all the same and tells nothing of the new one."""
    order = await assigned(room)
    await crew(room, "lamps-2", "c2")
    await room.orders.deed(CREW_1, order.id, "confirm", "k-confirm")
    may = room.orders.allow

    async def moves(*asked: Any) -> None:
        await may(*asked)
        monkeypatch.setattr(room.orders, "allow", may)
        await room.orders.deed(FOREMAN, order.id, "release", "f1")
        await room.orders.deed(FOREMAN, order.id, "assign", "f2", crew="lamps-2")

    monkeypatch.setattr(room.orders, "allow", moves)
    with pytest.raises(StateConflict, match="another crew"):
        await room.orders.deed(CREW_1, order.id, "report", "k-report")
    assert "assigned" == (await room.orders.get(order.id)).state
    again = await room.orders.deed(CREW_1, order.id, "confirm", "k-confirm")
    assert ("", 0, ()) == (again.crew, again.confirmed_us, again.causes)
    with pytest.raises(ResourceNotFound):
        await room.orders.deed(CREW_1, order.id, "report", "k-report")
