"""Plays: proposed, approved by people, done step by step, taken back exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.playbooks import running
from pintu.kernel.operations.rules import Bound, Interlock, Rule, TwoPersons

from .conftest import Home
from .plays_book import BOOK, CAUSE, begun, book, lit
from .plays_town import (
    DUTY,
    FOREMAN,
    SQUARE,
    SUPERVISOR,
    Town,
    lamp,
    lost_patience,
    states,
    until,
)

Open = Callable[..., Any]


@pytest.fixture
async def open_town(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Opens a city with four lamps and a playbook, again for what a restart sees."""
    monkeypatch.setattr(running, "GATHER_S", 0.01)  # four lamps need no gathering
    towns: list[Town] = []

    async def make(told: dict[str, Any] | None = None, **more: Any) -> Town:
        town = Town(home(), tmp_path, **more)
        towns.append(town)
        if len(towns) == 1:
            town.configuration.save("playbooks", "full", told or BOOK, by="test")
            await town.put(*[lamp(number, 0.1 * number) for number in range(1, 5)])
        await town.start()
        return town

    yield make
    for town in towns:
        await town.end()


# --- proposing ------------------------------------------------------------------------------------
async def test_a_proposal_names_what_it_would_do_and_does_nothing(open_town: Open) -> None:
    """Its things are counted, nobody is told anything; a dry run keeps nothing at all."""
    town = await open_town()
    dry = await town.plays.dry_run(DUTY, "full", CAUSE, tenant="demo")
    assert (True, 4, "proposed") == (dry.dry, dry.steps[0].targets, dry.state)
    assert [] == await town.plays.list_for(CAUSE)
    play = await town.plays.propose(DUTY, "full", CAUSE, tenant="demo", area=SQUARE)
    assert ["waiting", "waiting"] == [one.state for one in play.groups]
    assert 4 == play.steps[0].targets
    again = await town.plays.propose(SUPERVISOR, "full", CAUSE, tenant="demo")
    assert play.id == again.id
    assert [] == town.sent
    with pytest.raises(ResourceNotFound):
        await town.plays.propose(DUTY, "nothing", CAUSE, tenant="demo")


async def test_only_what_lies_in_the_area_or_is_named_is_meant(open_town: Open) -> None:
    """An area selects by place, names by name."""
    town = await open_town()
    west = {"type": "Point", "coordinates": [120.001, 30.005]}
    told = book(step={"targets": {"type": "Streetlight", "reach_m": 120}})
    town.configuration.save("playbooks", "near", told, by="test")
    near = await town.plays.dry_run(DUTY, "near", CAUSE, tenant="demo", area=west)
    assert 2 == near.steps[0].targets
    named = await town.plays.dry_run(DUTY, "full", CAUSE, tenant="demo", targets=[lamp(3)["id"]])
    assert 1 == named.steps[0].targets


async def test_the_built_in_playbooks_can_be_read(open_town: Open) -> None:
    """A city without any of its own has two."""
    town = await open_town()
    names = {one.name for one in town.plays.list_playbooks() if one.built_in}
    assert {"corridor_lighting", "storm"} == names


# --- approving ------------------------------------------------------------------------------------
async def test_an_approved_group_is_done_and_the_other_waits(open_town: Open) -> None:
    """Lamps burn, the ledger knows why, the crew was not sent."""
    town = await open_town()
    id = await begun(town, "light")
    await until(partial(lit, town, 100, 100, 100, 100))
    play = await town.plays.get(id)
    assert ("running", "waiting") == (play.state, play.groups[1].state)
    entries = await town.commands.for_cause(f"play:{id}")
    assert {(DUTY.id, "grant command")} == {
        (one.command.actor, one.basis.partition(": ")[2]) for one in entries
    }
    assert {} == town.orders.done
    await town.plays.approve(DUTY, id, "crew")
    await until(partial(states, town, CAUSE, "done"))
    assert [f"{id}/1"] == list(town.orders.done)


async def test_an_approval_given_twice_is_a_conflict_and_does_nothing_twice(
    open_town: Open,
) -> None:
    """By the same person or another: four lamps, four commands."""
    town = await open_town()
    id = await begun(town, "light")
    for actor in (DUTY, SUPERVISOR):
        with pytest.raises(StateConflict, match="already"):
            await town.plays.approve(actor, id, "light")
    await until(partial(lit, town, 100, 100, 100, 100))
    assert 4 == len(await town.commands.recent())


async def test_an_approval_after_its_time_is_a_conflict(open_town: Open) -> None:
    """Whether the timer was there first or not; the play expires."""
    town = await open_town(book(within_s=600.0))
    id = await begun(town)
    town.clock.on(1_801)
    with pytest.raises(StateConflict, match=r"over|expired"):
        await town.plays.approve(DUTY, id, "light")
    await until(partial(states, town, CAUSE, "expired"))
    with pytest.raises(StateConflict):
        await town.plays.approve(DUTY, id, "crew")
    assert [] == town.sent
    deeds = [one.verb for one in await town.journal.list_deeds(subject=f"play:{id}")]
    assert ["proposed", "expired", "expired"] == deeds


async def test_two_persons_are_two_persons(open_town: Open) -> None:
    """One asks twice: one person. One of them must have the role."""
    town = await open_town(book(persons=2, role="supervisor"))
    id = await begun(town, "light")
    with pytest.raises(StateConflict, match="second person"):
        await town.plays.approve(DUTY, id, "light")
    assert [] == town.sent
    with pytest.raises(Forbidden):
        await town.plays.approve(FOREMAN, id, "light")  # may not command
    await town.plays.approve(SUPERVISOR, id, "light")
    await until(partial(lit, town, 100, 100, 100, 100))


async def test_where_harm_is_possible_a_group_takes_two(open_town: Open) -> None:
    """The command's own rule says so, whatever the playbook says."""
    dark = TwoPersons(bound=Bound(argument="level", below=20), targets=3)
    rules = {("street_lights", "DimLamp"): Rule(two_persons=(dark,))}
    town = await open_town(book(step={"arguments": {"level": 0}}), rules=rules)
    id = await begun(town, "light")
    assert (2, "waiting") == (
        (await town.plays.get(id)).groups[0].persons,
        (await town.plays.get(id)).groups[0].state,
    )
    await town.plays.approve(SUPERVISOR, id, "light")
    await until(partial(lit, town, 0, 0, 0, 0))


async def test_refused_groups_end_a_play(open_town: Open) -> None:
    """Nothing is left of it, nothing was sent."""
    town = await open_town()
    id = await begun(town)
    await town.plays.refuse(DUTY, id, "light", "too early")
    await town.plays.refuse(DUTY, id, "crew", "too early")
    assert "refused" == (await town.plays.get(id)).state
    assert [] == town.sent


# --- what goes wrong ------------------------------------------------------------------------------
async def test_a_device_that_acknowledges_and_does_nothing_is_heard_of(open_town: Open) -> None:
    """The step has its answers; the ledger says what was not measured, and others hear it."""
    town = await open_town()
    heard: list[Deed] = []
    town.journal.listen(lambda deed: heard.append(deed) if deed.verb == "missed" else None)
    town.lame.add(lamp(2)["id"])
    await begun(town, "light")
    await lost_patience(town, lambda: heard)
    (deed,) = heard
    assert (lamp(2)["id"], "DimLamp") == (deed.detail["target"], deed.detail["name"])
    assert deed.detail["cause"].startswith("play:")


async def test_a_deaf_device_leaves_a_step_short_and_the_play_goes_on(open_town: Open) -> None:
    """Or ends it, or takes it back, as the playbook says."""
    town = await open_town()
    town.deaf.add(lamp(1)["id"])
    id = await begun(town, "light", "crew")
    await lost_patience(town, partial(states, town, CAUSE, "done"))
    step = (await town.plays.get(id)).steps[0]
    assert ("partly", 3, 1) == (step.state, step.reached, step.failed)


async def test_a_failure_may_take_everything_back(open_town: Open) -> None:
    """`on_failure = "back"`: what was done is undone by itself."""
    town = await open_town(book(step={"on_failure": "back", "enough": 1.0}))
    town.deaf.add(lamp(1)["id"])
    await begun(town, "light")
    await lost_patience(town, partial(states, town, CAUSE, "undone"))
    assert await lit(town, 10, 20, 30, 40)


async def test_an_interlock_keeps_its_device_out(open_town: Open) -> None:
    """Said in the proposal, kept when it is done."""
    lock = Interlock(name="maintenance", q='condition=="maintenance"', why={"en": "work"})
    town = await open_town(rules={("street_lights", "DimLamp"): Rule(interlocks=(lock,))})
    await town.put({"id": lamp(3)["id"], "type": "Streetlight", "condition": "maintenance"})
    dry = await town.plays.dry_run(DUTY, "full", CAUSE, tenant="demo")
    assert dry.steps[0].detail.startswith("1 interlocked")
    await begun(town, "light")
    await until(partial(lit, town, 100, 100, 30, 100))
    assert lamp(3)["id"] not in {one.target for one in town.sent}


# --- taking back ----------------------------------------------------------------------------------
async def test_an_undo_puts_everything_back_exactly(open_town: Open) -> None:
    """The hash after it is the hash before it; orders are called off, in reverse."""
    town = await open_town()
    await begun(town, "light", "crew")
    await until(partial(states, town, CAUSE, "done"))
    await until(partial(lit, town, 100, 100, 100, 100))
    before = await town.plays.hash_before(CAUSE)
    assert before != await town.plays.state_hash(CAUSE)
    await town.plays.undo(CAUSE, "person:duty", "all clear")
    await until(partial(states, town, CAUSE, "undone"))
    await until(partial(lit, town, 10, 20, 30, 40))
    assert before == await town.plays.state_hash(CAUSE)
    assert list(town.orders.undone) == [f"ref-{key}" for key in town.orders.done]
    verbs = [one.verb for one in await town.journal.list_deeds(limit=50) if one.room == "plays"]
    assert ["step_undo_began", "step_put_back"] * 2 == [
        one for one in verbs if ("undo_began" in one and one != "undo_began") or "put_back" in one
    ]
    assert [] == await town.plays.undo(CAUSE, "person:duty", "again")


async def test_what_was_only_proposed_is_withdrawn(open_town: Open) -> None:
    """Nothing was told, nothing is put back."""
    town = await open_town()
    id = await begun(town)
    await town.plays.undo(CAUSE, "detector", "false alarm")
    assert "undone" == (await town.plays.get(id)).state
    assert [] == town.sent
    with pytest.raises(StateConflict):
        await town.plays.approve(DUTY, id, "light")


async def test_two_causes_hold_one_lamp_and_the_last_lets_go(open_town: Open) -> None:
    """Undoing the first leaves the second's wish; undoing both leaves what was."""
    town = await open_town()
    half = book(step={"arguments": {"level": 50}})
    town.configuration.save("playbooks", "half", half, by="test")
    first = await town.plays.propose(DUTY, "full", "warning:1", tenant="demo")
    await town.plays.approve(DUTY, first.id, "light")
    await until(partial(lit, town, 100, 100, 100, 100))
    second = await town.plays.propose(DUTY, "half", "incident:2", tenant="demo")
    await town.plays.approve(DUTY, second.id, "light")
    await until(partial(lit, town, 50, 50, 50, 50))
    await town.plays.undo("warning:1", "detector", "over")
    await until(partial(states, town, "warning:1", "undone"))
    assert await lit(town, 50, 50, 50, 50)
    await town.plays.undo("incident:2", "detector", "over")
    await until(partial(lit, town, 10, 20, 30, 40))


async def test_narrowing_puts_back_what_lies_outside(open_town: Open) -> None:
    """Two lamps stay lit, two are what they were; the play goes on."""
    town = await open_town()
    await begun(town, "light")
    await until(partial(lit, town, 100, 100, 100, 100))
    west = [[[120.0, 30.0], [120.0025, 30.0], [120.0025, 30.01], [120.0, 30.01], [120.0, 30.0]]]
    (play,) = await town.plays.narrow(CAUSE, {"type": "Polygon", "coordinates": west})
    assert "running" == play.state
    await until(partial(lit, town, 100, 100, 30, 40))
    await town.plays.undo(CAUSE, "detector", "over")
    await until(partial(lit, town, 10, 20, 30, 40))


async def test_the_stop_halts_a_play_and_a_person_lets_it_go_on(open_town: Open) -> None:
    """What the stop took back is asked for again, once."""
    town = await open_town()
    town.deaf |= {lamp(number)["id"] for number in range(1, 5)}
    id = await begun(town, "light")
    await until(lambda: len(town.sent) >= 4)
    await town.commands.stop_all(DUTY, "people on the line", tenant="demo")
    await until(partial(states, town, CAUSE, "halted"))
    with pytest.raises(StateConflict, match="stopped"):
        await town.plays.go_on(DUTY, id)
    town.deaf.clear()
    await town.commands.release(DUTY, tenant="demo")
    await town.commands.release(SUPERVISOR, tenant="demo")
    await town.plays.go_on(DUTY, id)
    await until(partial(lit, town, 100, 100, 100, 100))


# --- restarts -------------------------------------------------------------------------------------
async def test_a_restart_goes_on_without_asking_twice(open_town: Open) -> None:
    """The second life sends nothing that the first one asked for."""
    town = await open_town()
    town.deaf |= {lamp(number)["id"] for number in range(1, 5)}
    id = await begun(town, "light", "crew")
    await until(lambda: len(town.sent) >= 4)
    await town.end()
    again = await open_town()
    for command in again.commands.to_send(frozenset({"street_lights"})):
        again._take(command)
    await until(partial(states, again, CAUSE, "done"))
    await until(partial(lit, again, 100, 100, 100, 100))
    entries = await again.commands.for_cause(f"play:{id}")
    assert 4 == len(entries) == len({one.command.target for one in entries})
