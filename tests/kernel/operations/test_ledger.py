"""The ledger's rules: interlocks, second persons, rates, the stop, many at once, what is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Actor
from pintu.kernel.errors import (
    ConfigurationError,
    Forbidden,
    StateConflict,
    TooManyRequests,
)
from pintu.kernel.intake.words import CommandReport
from pintu.kernel.operations import Ask, Patience, pacing
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.rules import (
    Bound,
    Interlock,
    Rate,
    Rule,
    TwoPersons,
    needs_two,
    read_rule,
)
from pintu.kernel.operations.schema import TABLES
from pintu.kernel.tables.register import migrate

from .conftest import Home
from .plays_town import DUTY, SUPERVISOR, Town, lamp, until

SLOW = Patience(attempts=3, send_s=60, answer_s=60, effect_s=60, second_s=60)
QUICK = Patience(attempts=2, send_s=0.3, answer_s=0.1, effect_s=0.1, second_s=0.2)
READER = Actor(id="person:r", kind="person", person="r", grants=frozenset({"respond:demo"}))
CABINET = "urn:ngsi-ld:StreetlightControlCabinet:street_lights:C1"
BY_HAND = Interlock(
    name="by_hand", q='workingMode=="manual"', over="refCabinet", why={"en": "work"}
)
DARK = TwoPersons(bound=Bound(argument="level", below=20))
Open = Callable[..., Any]


@pytest.fixture
async def open_town(home: Home, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a city whose lamps are deaf: what becomes of a command, the test tells."""
    towns: list[Town] = []

    async def make(rule: Rule = Rule(), patience: Patience = SLOW) -> Town:  # noqa: B008
        rules = {("street_lights", "DimLamp"): rule}
        town = Town(home(), tmp_path, rules=rules, patience=patience)
        towns.append(town)
        town.deaf |= {lamp(number)["id"] for number in range(200)}
        await town.start()
        return town

    yield make
    for town in towns:
        await town.end()


def ask(number: int = 1, level: int = 50, key: str = "") -> Ask:
    """A wish for one lamp."""
    return Ask(
        piece="street_lights",
        name="DimLamp",
        target=lamp(number)["id"],
        arguments={"level": level},
        key=key or f"{number}/{level}",
    )


async def dim(town: Town, level: int = 50, number: int = 1, actor: Actor = DUTY) -> Any:
    """One command."""
    one = ask(number, level)
    return await town.commands.request(
        actor, one.piece, one.name, one.target, one.arguments, key=one.key, tenant="demo"
    )


async def report(town: Town, id: str, *states: Any) -> None:
    """What the device's process says."""
    for state in states:
        await town.commands.report(CommandReport(id, state), "process:field")


async def state(town: Town, id: str) -> str:
    """Where a command stands."""
    return (await town.commands.get(id)).state


# --- two persons ----------------------------------------------------------------------------------
async def test_what_can_harm_waits_for_a_second_person(open_town: Open) -> None:
    """Nothing is sent before; the same person is not a second one; others hear of both."""
    town = await open_town(Rule(two_persons=(DARK,)))
    heard: list[tuple[str, str]] = []
    town.journal.listen(lambda deed: heard.append((deed.verb, deed.who)))
    bright = await dim(town, 50)
    dark = await dim(town, 0)
    assert ["desired", "held"] == [await state(town, one.id) for one in (bright, dark)]
    assert [bright.id] == [one.id for one in town.sent]
    given = town.commands.to_send(frozenset({"street_lights"}))
    assert dark.id not in {one.id for one in given}
    with pytest.raises(StateConflict, match="second person"):
        await town.commands.allow(DUTY, dark.id)
    with pytest.raises(Forbidden):
        await town.commands.allow(READER, dark.id)
    assert "desired" == (await town.commands.allow(SUPERVISOR, dark.id)).state
    with pytest.raises(StateConflict):
        await town.commands.allow(SUPERVISOR, dark.id)
    assert dark.id in {one.id for one in town.sent}
    assert [("asked", DUTY.id), ("held", DUTY.id), ("allowed", SUPERVISOR.id)] == heard


async def test_what_nobody_allows_lapses(open_town: Open) -> None:
    """After its time, and never sent."""
    town = await open_town(Rule(two_persons=(DARK,)), QUICK)
    held = await dim(town, 0)
    await until(lambda: not town.commands.waiting())
    assert "timed_out" == await state(town, held.id)
    assert [] == town.sent


def test_how_many_are_meant_decides_too() -> None:
    """Forty lamps are one person's, fifty are two's; another argument than the rule's is free."""
    rule = Rule(two_persons=(TwoPersons(bound=Bound(argument="on", values=(False,)), targets=50),))
    assert [False, True, False] == [
        needs_two(rule, {"on": False}, 49),
        needs_two(rule, {"on": False}, 50),
        needs_two(rule, {"on": True}, 50),
    ]


# --- interlocks -----------------------------------------------------------------------------------
async def test_a_shut_interlock_refuses(open_town: Open) -> None:
    """Over a relationship; what it looks at and cannot find is shut; a lamp of no cabinet is
    free."""
    town = await open_town(Rule(interlocks=(BY_HAND,)))
    link: dict[str, Any] = {"refCabinet": {"type": "Relationship", "object": CABINET}}
    await town.put(lamp(1, **link), lamp(2))
    with pytest.raises(StateConflict, match="not known"):
        await dim(town)
    await dim(town, number=2)
    with pytest.raises(StateConflict, match="not known"):
        await dim(town, number=3)
    cabinet = {"id": CABINET, "type": "StreetlightControlCabinet"}
    await town.put({**cabinet, "workingMode": "manual"})
    with pytest.raises(StateConflict, match=r"by_hand.*work"):
        await dim(town)
    await town.put({**cabinet, "workingMode": "automatic"})
    await dim(town)
    assert [lamp(2)["id"], lamp(1)["id"]] == [one.target for one in town.sent]


async def test_an_interlock_that_shuts_meanwhile_stops_what_is_sent_again(open_town: Open) -> None:
    """At a retry, for a process that connects again, and when a second person allows."""
    lock = Interlock(name="works", q='condition=="works"', why={"en": "work"})
    town = await open_town(Rule(interlocks=(lock,), two_persons=(DARK,)), QUICK)
    await town.put(lamp(1))
    held = await dim(town, 0)
    sent = await dim(town, 60)
    await report(town, sent.id, "sent")
    await town.put({"id": lamp(1)["id"], "type": "Streetlight", "condition": "works"})
    with pytest.raises(StateConflict, match="works"):
        await town.commands.allow(SUPERVISOR, held.id)
    assert [] == town.commands.to_send(frozenset({"street_lights"}))
    await until(lambda: not town.commands.waiting())
    steps = await town.commands.history(sent.id)
    assert ("failed", "interlock") == (steps[-1].state, steps[-1].who)
    assert [1] == [one.attempt for one in town.sent]


def test_rules_that_cannot_be_are_told_at_once() -> None:
    """A query that is none, a word nobody knows, a rate of nothing."""
    lock = {"name": "x", "why": {"en": "x"}}
    wrong: list[dict[str, Any]] = [
        {"interlocks": [{**lock, "q": "((("}]},
        {"interlock": []},
        {"rate": {"most": 0, "per_s": 1}},
    ]
    for told in wrong:
        with pytest.raises(ConfigurationError):
            read_rule(told)
    assert Rule() == read_rule({})


# --- rates and many -------------------------------------------------------------------------------
async def test_a_device_is_not_told_more_often_than_its_rate(open_town: Open) -> None:
    """A repeated key is no more; another lamp has its own count; time passes."""
    town = await open_town(Rule(rate=Rate(most=2, per_s=60)))
    for level in (10, 20, 20):
        await dim(town, level)
    with pytest.raises(TooManyRequests, match="2 times"):
        await dim(town, 30)
    await dim(town, 30, number=2)
    town.clock.on(61)
    await dim(town, 30)


async def test_many_are_one_transaction_and_one_command_each(open_town: Open) -> None:
    """In the order asked; what is refused is named and holds nobody up; again is the same."""
    town = await open_town(Rule(rate=Rate(most=1, per_s=60)))
    await dim(town, 10, number=3)
    bad = Ask(piece="street_lights", name="dim lamp", target="x:y", arguments={}, key="bad")
    asked = [ask(1), ask(2), ask(3), bad, ask(4)]
    many = await town.commands.request_many(DUTY, asked, tenant="demo")
    assert [True, True, False, False, True] == [one is not None for one in many.commands]
    assert {"3/50": TooManyRequests, "bad": "BadRequestData"}.keys() == {
        one.key for one, _ in many.refused
    }
    again = await town.commands.request_many(DUTY, asked, tenant="demo")
    assert many.commands == again.commands
    assert 4 == len(town.sent)
    deeds = await town.journal.list_deeds(limit=10)
    assert [1, 3] == [one.detail["count"] for one in deeds if one.verb == "asked"]


async def test_a_process_is_given_a_window_at_a_time(
    open_town: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next as it tells of the first; those taken back are not given."""
    monkeypatch.setattr(pacing, "WINDOW", 2)
    town = await open_town()
    many = await town.commands.request_many(DUTY, [ask(n) for n in range(6)], tenant="demo")
    ids = [one.id for one in many.commands if one is not None]
    assert ids[:2] == [one.id for one in town.sent]
    assert ids[:2] == [one.id for one in town.commands.to_send(frozenset({"street_lights"}))]
    await town.commands.cancel(DUTY, ids[2])
    await report(town, ids[0], "sent")
    await report(town, ids[1], "sent")
    sent = [one.id for one in town.sent if await state(town, one.id) != "cancelled"]
    assert [*ids[:2], *ids[3:5]] == sent


async def test_reports_of_many_share_their_commits(open_town: Open) -> None:
    """Every step is there once, in order, of each command."""
    town = await open_town()
    many = await town.commands.request_many(DUTY, [ask(n) for n in range(200)], tenant="demo")
    ids = [one.id for one in many.commands if one is not None]
    for word in ("sent", "acknowledged", "confirmed"):
        await asyncio.gather(*(report(town, id, word) for id in ids))
    histories = await town.commands.histories(ids)
    assert {("request", "send", "acknowledge", "confirm")} == {
        tuple(step.event for step in steps) for steps in histories.values()
    }
    assert {"confirmed": 200} == await town.commands.counts("demo", 0)


# --- the stop -------------------------------------------------------------------------------------
async def test_one_person_stops_everything_and_two_release_it(open_town: Open) -> None:
    """What no device answered is taken back, what acted goes on; it stands over a restart."""
    town = await open_town(Rule(two_persons=(DARK,)))
    held, desired, sent, acted = [await dim(town, level) for level in (0, 30, 40, 50)]
    await report(town, sent.id, "sent")
    await report(town, acted.id, "sent", "acknowledged")
    with pytest.raises(Forbidden):
        await town.commands.stop_all(READER, "no", tenant="demo")
    stop = await town.commands.stop_all(DUTY, "people on the line", tenant="demo")
    assert stop == await town.commands.stop_all(SUPERVISOR, "again", tenant="demo")
    assert ["cancelled"] * 3 + ["acknowledged"] == [
        await state(town, one.id) for one in (held, desired, sent, acted)
    ]
    await report(town, acted.id, "confirmed")
    for tried in (dim(town, 70), town.commands.allow(SUPERVISOR, held.id)):
        with pytest.raises(StateConflict):
            await tried
    await town.end()
    again = await open_town()
    with pytest.raises(StateConflict, match="people on the line"):
        await dim(again, 80)
    await again.commands.release(DUTY, tenant="demo")
    with pytest.raises(StateConflict, match="second person"):
        await again.commands.release(DUTY, tenant="demo")
    assert 0 < (await again.commands.release(SUPERVISOR, tenant="demo")).released_us
    await dim(again, 90)
    with pytest.raises(StateConflict, match="Nothing is stopped"):
        await again.commands.release(DUTY, tenant="demo")
    verbs = [one.verb for one in await again.journal.list_deeds() if one.subject[:5] == "stop:"]
    assert ["stopped", "release_asked", "released"] == verbs


async def test_a_wish_to_release_grows_old(open_town: Open) -> None:
    """After ten minutes the second person is a first one again."""
    town = await open_town()
    await town.commands.stop_all(DUTY, "x", tenant="demo")
    await town.commands.release(DUTY, tenant="demo")
    town.clock.on(601)
    assert 0 == (await town.commands.release(SUPERVISOR, tenant="demo")).released_us
    assert town.commands.stops.of("demo") is not None


# --- what others hear -----------------------------------------------------------------------------
async def test_others_hear_what_had_no_effect(open_town: Open) -> None:
    """Acknowledged and nothing measured is another thing than silence; who failed says why."""
    town = await open_town(patience=QUICK)
    heard: dict[str, Deed] = {}
    town.journal.listen(lambda deed: heard.update({deed.verb: deed}))
    lame = await dim(town, 10)
    await report(town, lame.id, "sent", "acknowledged")
    await dim(town, 20, number=2)
    broken = await dim(town, 30, number=3)
    await town.commands.report(CommandReport(broken.id, "failed", "burnt"), "process:field")
    await until(lambda: {"missed", "unanswered", "failed"} <= heard.keys())
    assert "burnt" == heard["failed"].reason
    missed = heard["missed"]
    assert (f"command:{lame.id}", lamp(1)["id"], "DimLamp") == (
        missed.subject,
        missed.detail["target"],
        missed.detail["name"],
    )


# --- old ledgers ----------------------------------------------------------------------------------
async def test_a_ledger_of_the_first_version_goes_on(home: Home, tmp_path: Path) -> None:
    """Its commands are there, with their steps, and new ones beside them."""
    tables = home()
    old = tables.open(TABLES.place, TABLES.name)
    migrate(old, TABLES, up_to=1)
    row = (
        "INSERT INTO command VALUES ('c1', 'demo', 'street_lights', 'DimLamp', 'urn:x:1', '{}',"
        " 'person:old', 'admin', 'k', '', 'confirmed', 1, 5, 6)"
    )
    step = (
        "INSERT INTO step(command, event, state, attempt, who, at_us, detail)"
        " VALUES ('c1', 'request', 'desired', 1, 'person:old', 5, '')"
    )
    old.run_now(lambda c: [c.exec_driver_sql(one) for one in (row, step)])
    old.close()
    tables.close()
    town = Town(home(), tmp_path)
    try:
        entry = await town.commands.get("c1")
        assert ("confirmed", "") == (entry.state, entry.cause)
        assert 1 == len(await town.commands.history("c1"))
        assert "c1" != (await dim(town)).id
    finally:
        await town.end()
