"""What happens between two awaits: nothing is told what it must not be told, however commands, the
stop, interlocks and people cross each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Actor
from pintu.kernel.errors import Forbidden, StateConflict
from pintu.kernel.intake.words import CommandReport
from pintu.kernel.operations import Ask, Patience, pacing, stepping
from pintu.kernel.operations.rules import Bound, Interlock, Rule, TwoPersons
from pintu.kernel.tables import open_tables

from .plays_book import BOOK, CAUSE, begun, book, lit
from .plays_town import DUTY, SUPERVISOR, Town, lamp, states, until

SLOW = Patience(attempts=3, send_s=60, answer_s=60, effect_s=60, second_s=60)
QUICK = Patience(attempts=3, send_s=60, answer_s=0.1, effect_s=60)
PROGRAM = Actor(id="token:7", kind="service", grants=frozenset({"command:demo"}))
LOCK = Interlock(name="works", q='condition=="works"', why={"en": "work"})
Open = Callable[..., Any]


@pytest.fixture
async def open_town(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a city of four lamps; `deaf` lamps do what the test tells."""
    towns: list[Town] = []

    async def make(
        rule: Rule = Rule(),  # noqa: B008
        *,
        patience: Patience = SLOW,
        deaf: bool = True,
        told: dict[str, Any] | None = None,
    ) -> Town:
        rules = {("street_lights", "DimLamp"): rule}
        tables = open_tables(tmp_path, "sqlite:")
        town = Town(tables, tmp_path, rules=rules, patience=patience)
        towns.append(town)
        town.deaf |= {lamp(number)["id"] for number in range(200)} if deaf else set()
        town.configuration.save("playbooks", "full", told or BOOK, by="test")
        await town.put(*[lamp(number, 0.1 * number) for number in range(1, 5)])
        await town.start()
        return town

    yield make
    for town in towns:
        await town.end()


def ask(number: int = 1, level: int = 50) -> Ask:
    """A wish for one lamp."""
    return Ask(
        piece="street_lights",
        name="DimLamp",
        target=lamp(number)["id"],
        arguments={"level": level},
        key=f"{number}/{level}",
    )


async def dim(town: Town, *asks: Ask, actor: Actor = DUTY) -> list[str]:
    """Commands, by id."""
    many = await town.commands.request_many(actor, asks, tenant="demo")
    return [one.id for one in many.commands if one is not None]


async def report(town: Town, id: str, *told: Any) -> None:
    """What the device's process says."""
    for one in told:
        await town.commands.report(CommandReport(id, one), "process:field")


async def state(town: Town, id: str) -> str:
    """Where a command stands."""
    return (await town.commands.get(id)).state


# --- the stop -------------------------------------------------------------------------------------
async def test_nothing_overtakes_the_stop(open_town: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for while it is written, standing in line, being allowed: none of it goes out, and what
    a process was given it is told to forget."""
    monkeypatch.setattr(pacing, "WINDOW", 2)
    town = await open_town(Rule(two_persons=(TwoPersons(bound=Bound(argument="level", below=5)),)))
    recalled: list[str] = []
    town.commands.on_recall(lambda one: recalled.append(one.id))
    given = await dim(town, *[ask(number) for number in range(1, 5)])
    (held,) = await dim(town, ask(1, 0))
    coming = asyncio.create_task(dim(town, *[ask(number, 60) for number in range(1, 5)]))
    allowing = asyncio.create_task(town.commands.allow(SUPERVISOR, held))
    await asyncio.sleep(0)
    await town.commands.stop_all(DUTY, "people on the line", tenant="demo")
    await asyncio.gather(coming, allowing, return_exceptions=True)
    assert given[:2] == [one.id for one in town.sent]
    assert set(given) <= set(recalled)
    assert [] == town.commands.waiting()
    assert [] == town.commands.to_send(frozenset({"street_lights"}))


async def test_what_stands_in_line_is_looked_at_when_its_turn_comes(
    open_town: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interlock that shut meanwhile fails it; nobody overtakes what is told the same lamp."""
    monkeypatch.setattr(pacing, "WINDOW", 1)
    monkeypatch.setattr(stepping, "FRESH_S", 0.0)
    town = await open_town(Rule(interlocks=(LOCK,)))
    first, shut, last = await dim(town, ask(1), ask(2), ask(3))
    await until(lambda: len(town.sent) == 1)
    await town.put({"id": lamp(2)["id"], "type": "Streetlight", "condition": "works"})
    await report(town, first, "sent")
    await until(lambda: len(town.sent) == 2)
    assert [first, last] == [one.id for one in town.sent]
    assert "failed" == await state(town, shut)


async def test_every_cabinet_of_a_lamp_is_looked_at(open_town: Open) -> None:
    """Not the first one alone."""
    over = Interlock(name="by_hand", q='mode=="manual"', over="refCabinet", why={"en": "work"})
    town = await open_town(Rule(interlocks=(over,)))
    cabinets = [f"urn:ngsi-ld:Cabinet:{number}" for number in (1, 2)]
    await town.put(
        lamp(1, refCabinet={"type": "Relationship", "object": cabinets}),
        {"id": cabinets[0], "type": "Cabinet", "mode": "automatic"},
        {"id": cabinets[1], "type": "Cabinet", "mode": "manual"},
    )
    many = await town.commands.request_many(DUTY, [ask(1)], tenant="demo")
    assert "by_hand" in many.refused[0][1].detail
    assert [] == town.sent


# --- two persons ----------------------------------------------------------------------------------
async def test_a_program_is_nobodys_second_person(open_town: Open) -> None:
    """What it asked for takes two persons; it allows nothing and releases no stop."""
    town = await open_town(Rule(two_persons=(TwoPersons(bound=Bound(argument="level", below=20)),)))
    (mine,) = await dim(town, ask(1, 0))
    (its,) = await dim(town, ask(2, 0), actor=PROGRAM)
    with pytest.raises(StateConflict, match="program"):
        await town.commands.allow(PROGRAM, mine)
    assert "held" == (await town.commands.allow(DUTY, its)).state
    with pytest.raises(StateConflict, match="second person"):
        await town.commands.allow(DUTY, its)
    assert "desired" == (await town.commands.allow(SUPERVISOR, its)).state
    await town.commands.stop_all(DUTY, "x", tenant="demo")
    with pytest.raises(StateConflict, match="program"):
        await town.commands.release(PROGRAM, tenant="demo")


async def test_many_small_calls_of_one_person_are_one_large_one(open_town: Open) -> None:
    """The third lamp that one person darkens waits, as three at once would; another's do not."""
    dark = TwoPersons(bound=Bound(argument="level", below=20), targets=3)
    town = await open_town(Rule(two_persons=(dark,)))
    for number in (1, 2, 3):
        await dim(town, ask(number, 0))
        await dim(town, ask(number, 80))
    await dim(town, ask(4, 0), actor=SUPERVISOR)
    entries = await town.commands.recent(tenant="demo")
    assert [lamp(3)["id"]] == [one.command.target for one in entries if one.state == "held"]


# --- what devices say -----------------------------------------------------------------------------
async def test_what_a_device_says_after_the_end_is_written_down_once(open_town: Open) -> None:
    """It changes nothing and is no success; others hear that it acted."""
    town = await open_town()
    heard: list[str] = []
    town.journal.listen(lambda deed: heard.append(deed.verb))
    (id,) = await dim(town, ask())
    await report(town, id, "sent")
    await town.commands.cancel(DUTY, id)
    for _ in range(3):
        with pytest.raises(StateConflict):
            await report(town, id, "acknowledged")
    steps = [(one.event, one.state, one.detail) for one in await town.commands.history(id)]
    assert [("cancel", "cancelled", ""), ("late", "cancelled", "acknowledged")] == steps[-2:]
    assert ["asked", "cancelled", "acted_late"] == heard


async def test_a_process_tells_of_its_own_pieces_only(open_town: Open) -> None:
    """Another's command is none of its business; the rest of its reports stands."""
    town = await open_town()
    first, second = await dim(town, ask(1), ask(2))
    reports = [CommandReport(id, "acknowledged") for id in (first, "nothing", second)]
    found = await town.commands.report_many(reports, "x", frozenset({"traffic"}))
    assert [Forbidden, "ResourceNotFound", Forbidden] == [
        type(one) if isinstance(one, Forbidden) else type(one).__name__ for one in found
    ]
    done = await town.commands.report_many(reports, "x", frozenset({"street_lights"}))
    assert ["acknowledged", "", "acknowledged"] == [getattr(one, "state", "") for one in done]


async def test_what_was_asked_for_later_is_not_undone_by_a_retry(open_town: Open) -> None:
    """The older command that nobody answered ends; the lamp stays as it was told last."""
    town = await open_town(patience=QUICK)
    (older,) = await dim(town, ask(1, 50))
    await report(town, older, "sent")
    (newer,) = await dim(town, ask(1, 90))
    await report(town, newer, "sent", "acknowledged")
    await until(partial(_is, town, older, "cancelled"))
    steps = await town.commands.history(older)
    assert "a later command took its place" == steps[-1].detail
    assert [older, newer] == [one.id for one in town.sent]


async def _is(town: Town, id: str, wanted: str) -> bool:
    return wanted == await state(town, id)


# --- plans ----------------------------------------------------------------------------------------
async def test_an_undo_leaves_what_somebody_set_since(open_town: Open) -> None:
    """And puts back what they set before, though no reading had shown it yet."""
    town = await open_town(deaf=False)
    town.lame.add(lamp(3)["id"])
    await dim(town, ask(3, 70))
    await begun(town, "light")
    await until(partial(lit, town, 100, 100, 30, 100))
    await dim(town, ask(2, 55))
    await until(partial(lit, town, 100, 55, 30, 100))
    town.lame.clear()
    await town.plays.undo(CAUSE, "person:duty", "over")
    await until(partial(states, town, CAUSE, "undone"))
    await until(partial(lit, town, 10, 55, 70, 40))


async def test_a_play_goes_on_once(open_town: Open) -> None:
    """Two persons press at one moment: one of them hears that it goes on already."""
    town = await open_town()
    id = await begun(town, "light")
    await until(lambda: len(town.sent) == 4)
    await town.commands.stop_all(DUTY, "x", tenant="demo")
    await until(partial(states, town, CAUSE, "halted"))
    for actor in (DUTY, SUPERVISOR):
        await town.commands.release(actor, tenant="demo")
    both = (town.plays.go_on(actor, id) for actor in (DUTY, SUPERVISOR))
    told = await asyncio.gather(*both, return_exceptions=True)
    assert 1 == sum(isinstance(one, StateConflict) for one in told)
    await until(lambda: len(town.sent) == 8)
    await asyncio.sleep(0.05)
    assert 8 == len(await town.commands.for_cause(f"play:{id}"))


WEST = {
    "type": "Polygon",
    "coordinates": [
        [[120.0, 30.0], [120.0025, 30.0], [120.0025, 30.01], [120.0, 30.01], [120.0, 30.0]]
    ],
}
EAST = {
    "type": "Polygon",
    "coordinates": [
        [[120.0015, 30.0], [120.01, 30.0], [120.01, 30.01], [120.0015, 30.01], [120.0015, 30.0]]
    ],
}


async def test_a_larger_area_asks_people_for_what_came_into_it(open_town: Open) -> None:
    """Before the first yes it is more of the same; afterwards a group of its own. What went out of
    the area is put back, and everything is at the end."""
    town = await open_town(deaf=False, told=book(persons=2))
    id = await begun(town, area=WEST)
    await town.plays.approve(DUTY, id, "light")
    (play,) = await town.plays.narrow(CAUSE, EAST)
    assert (3, (), "waiting") == (
        play.steps[0].targets,
        play.groups[0].approved_by,
        play.groups[0].state,
    )
    for actor in (DUTY, SUPERVISOR):
        await town.plays.approve(actor, id, "light")
    await until(partial(lit, town, 10, 100, 100, 100))
    (play,) = await town.plays.narrow(CAUSE, WEST)
    assert ["light", "crew", "light_wider2"] == [one.name for one in play.groups]
    assert 1 == play.steps[2].targets
    await until(partial(lit, town, 10, 100, 30, 40))
    for actor in (DUTY, SUPERVISOR):
        await town.plays.approve(actor, id, "light_wider2")
    await until(partial(lit, town, 100, 100, 30, 40))
    await town.plays.undo(CAUSE, "person:duty", "over")
    await until(partial(lit, town, 10, 20, 30, 40))


async def test_plans_follow_their_incident_into_another(open_town: Open) -> None:
    """Also after a crash came between; they end with the one it is part of."""
    town = await open_town(deaf=False)
    id = await begun(town, "light")
    other = "urn:ngsi-ld:Incident:operations:9"
    into = {"type": "Relationship", "object": other}
    await town.put(
        {"id": "urn:ngsi-ld:Incident:operations:7", "type": "Incident", "mergedInto": into},
        {"id": other, "type": "Incident"},
    )
    await town.plays._merged("demo", CAUSE)
    assert [id] == [one.id for one in await town.plays.list_for("incident:9")]
    await town.plays.undo("incident:9", "person:duty", "over")
    await until(partial(states, town, "incident:9", "undone"))


async def test_a_cause_of_another_tenant_is_another_cause(open_town: Open) -> None:
    """Its play is not told of."""
    town = await open_town()
    mine = await begun(town)
    grants = frozenset({"respond:other"})
    stranger = Actor(id="person:x", kind="person", person="x", grants=grants)
    theirs = await town.plays.propose(stranger, "full", CAUSE, tenant="other")
    assert (mine != theirs.id, "other") == (True, theirs.tenant)
