"""The command ledger: asked for once, every step written down, always an end."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    StateConflict,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from pintu.kernel.identity import ThinGate
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.operations import FINAL, STATES, TABLE, Commands, Patience, commands
from pintu.kernel.operations.states import EVENTS, after
from pintu.kernel.timers import Timers

from .conftest import Home

FOREMAN = Actor(id="token:foreman", kind="person", grants=frozenset({"command:demo"}))
LAMP = "urn:ngsi-ld:Streetlight:street_lights:L00017"
QUICK = Patience(attempts=3, send_s=0.3, answer_s=0.05, effect_s=0.2)
SLOW = Patience(attempts=3, send_s=60, answer_s=60, effect_s=60)


class Life:
    """One life of a city's ledger."""

    def __init__(self, home: Home, patience: Patience, clock: Clock | None = None) -> None:
        clock = clock or CityClock()
        self.tables = home()
        self.timers = Timers(self.tables, clock)
        self.commands = Commands(
            self.tables, self.timers, clock, ThinGate(), patience={"street_lights": patience}
        )
        self.sent: list[Command] = []
        self.commands.on_dispatch(self.sent.append)

    async def dim(
        self, key: str = "k1", level: int = 40, actor: Actor = FOREMAN, **more: Any
    ) -> Command:
        return await self.commands.request(
            actor,
            "street_lights",
            "DimLamp",
            LAMP,
            {"level": level},
            key=key,
            tenant="demo",
            **more,
        )

    async def report(self, command: Command, *states: str) -> None:
        for state in states:
            await self.commands.report(CommandReport(command.id, state), "process:field")  # type: ignore[arg-type]

    async def state(self, command: Command) -> str:
        return (await self.commands.get(command.id)).state

    async def end(self) -> None:
        await self.timers.stop()
        self.tables.close()


@pytest.fixture
async def open_life(home: Home) -> AsyncIterator[Callable[..., Life]]:
    """Opens the ledger of one city."""
    lives: list[Life] = []

    def make(patience: Patience = SLOW, clock: CityClock | None = None) -> Life:
        lives.append(Life(home, patience, clock))
        return lives[-1]

    yield make
    for life in lives:
        await life.end()


async def until(holds: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.005)


# --- the table ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("state", "event"), sorted(itertools.product(STATES, EVENTS)))
def test_what_the_table_does_not_know_is_a_conflict(state: Any, event: Any) -> None:
    """Every combination of state and event is in the table or refused."""
    if (state, event) in TABLE:
        assert TABLE[state, event] == after(state, event)
    else:
        with pytest.raises(StateConflict, match=f"A command that is {state} cannot"):
            after(state, event)


def test_final_states_have_no_way_out_and_every_state_has_a_way_there() -> None:
    """No command can hang for ever; what is told after the end changes nothing."""
    assert FINAL == {state for state, event in TABLE if event == "late"}
    assert {state: state for state in FINAL} == {
        state: after for (state, _), after in TABLE.items() if state in FINAL
    }
    for state in set(STATES) - FINAL:
        assert TABLE[state, "give_up"] in FINAL


@pytest.mark.parametrize("state", STATES)
async def test_the_ledger_obeys_the_table(open_life: Callable[..., Life], state: str) -> None:
    """A command brought into each state takes exactly the steps the table has."""
    ways: dict[str, tuple[str, ...]] = {
        "held": ("hold",),
        "desired": (),
        "sent": ("send",),
        "acknowledged": ("send", "acknowledge"),
        "confirmed": ("send", "acknowledge", "confirm"),
        "failed": ("send", "fail"),
        "timed_out": ("send", "give_up"),
        "cancelled": ("send", "cancel"),
    }
    life = open_life()
    for number, event in enumerate(EVENTS):
        command = await life.dim(key=f"{state}{number}")
        for step in ways[state]:
            await life.commands._step(command.id, step, "test")  # type: ignore[arg-type]
        assert state == await life.state(command)
        if (state, event) in TABLE:  # type: ignore[comparison-overlap]
            entry = await life.commands._step(command.id, event, "test")
            assert TABLE[state, event] == entry.state  # type: ignore[index]
        else:
            with pytest.raises(StateConflict):
                await life.commands._step(command.id, event, "test")
            assert state == await life.state(command)


# --- asking ---------------------------------------------------------------------------------------
async def test_a_command_goes_from_a_wish_to_a_measured_effect(
    open_life: Callable[..., Life],
) -> None:
    """Every step says who, when and why it was permitted."""
    life = open_life()
    told: list[tuple[str, str]] = []
    stop = life.commands.listen(lambda entry, step: told.append((entry.state, step.who)))
    command = await life.dim()
    assert [command] == life.sent
    await life.report(command, "sent", "acknowledged", "confirmed")
    steps = await life.commands.history(command.id)
    assert [
        ("request", "desired", "token:foreman", "grant command"),
        ("send", "sent", "process:field", ""),
        ("acknowledge", "acknowledged", "process:field", ""),
        ("confirm", "confirmed", "process:field", ""),
    ] == [(step.event, step.state, step.who, step.detail) for step in steps]
    assert [state for state, _ in told] == [step.state for step in steps]
    assert all(step.at_us >= command.created_us for step in steps)
    assert life.timers.due(commands.TIMER, command.id) is None
    stop()


async def test_the_same_key_is_the_same_command(open_life: Callable[..., Life]) -> None:
    """Asked twice, sent once; the key with another body is a conflict; another actor has own
    keys.
    """
    life = open_life()
    first = await life.dim()
    assert first == await life.dim()
    assert 1 == len(life.sent)
    with pytest.raises(StateConflict, match="'k1'"):
        await life.dim(level=50)
    other = Actor(id="token:other", grants=frozenset({"admin"}))
    assert first.id != (await life.dim(level=50, actor=other)).id


async def test_the_same_key_at_the_same_time_is_one_command(open_life: Callable[..., Life]) -> None:
    """Two clicks are one command."""
    life = open_life()
    asked = await asyncio.gather(*(life.dim() for _ in range(8)))
    assert 1 == len({command.id for command in asked}) == len(life.sent)


async def test_who_may_not_command_is_refused(open_life: Callable[..., Life]) -> None:
    """By name of the grant; nothing is written down. Cancelling asks the gate too."""
    life = open_life()
    with pytest.raises(Unauthorized, match="command:demo"):
        await life.dim(actor=Actor(id="anonymous", kind="anonymous", local=True))
    reader = Actor(id="token:reader", grants=frozenset({"read:demo", "command:other"}))
    with pytest.raises(Forbidden, match="command:demo"):
        await life.dim(actor=reader)
    assert [] == await life.commands.recent()
    command = await life.dim()
    with pytest.raises(Forbidden, match="command:demo"):
        await life.commands.cancel(reader, command.id)


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"piece": "../x"}, BadRequestData, "Piece"),
        ({"name": "dim lamp"}, BadRequestData, "DimLamp"),
        ({"target": "L17"}, BadRequestData, "not an entity id"),
        ({"arguments": {"level": float("nan")}}, BadRequestData, "not JSON"),
        ({"arguments": {"level": "x" * 20_000}}, TooLarge, "16384"),
        ({"key": ""}, BadRequestData, "idempotency key"),
    ],
)
async def test_what_cannot_be_a_command_is_refused(
    open_life: Callable[..., Life], change: dict[str, Any], error: type[Exception], why: str
) -> None:
    """And the error names it."""
    asked: dict[str, Any] = {
        "piece": "street_lights",
        "name": "DimLamp",
        "target": LAMP,
        "arguments": {},
        "key": "k",
        **change,
    }
    with pytest.raises(error, match=why):
        await open_life().commands.request(FOREMAN, **asked, tenant="demo")


async def test_too_many_that_wait_are_refused(
    open_life: Callable[..., Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of commands ends at a bound."""
    monkeypatch.setattr(commands, "MAX_WAITING", 2)
    life = open_life()
    await life.dim("a")
    await life.dim("b")
    with pytest.raises(TooManyRequests):
        await life.dim("c")


# --- patience -------------------------------------------------------------------------------------
async def test_without_an_answer_it_is_sent_again_and_then_given_up(
    open_life: Callable[..., Life],
) -> None:
    """Three attempts, later each time, then timed out: never silence."""
    life = open_life(QUICK)
    await life.timers.start()
    command = await life.dim()
    for attempt in (1, 2, 3):
        await until(lambda attempt=attempt: len(life.sent) == attempt)  # type: ignore[misc]
        assert attempt == life.sent[-1].attempt
        await life.report(command, "sent")
    await until(lambda: not life.commands.waiting())
    steps = await life.commands.history(command.id)
    assert ["request", "send", "retry", "send", "retry", "send", "give_up"] == [
        s.event for s in steps
    ]
    assert ("timed_out", "timer", "no answer after 3 attempts") == (
        steps[-1].state,
        steps[-1].who,
        steps[-1].detail,
    )
    waits = [b.at_us - a.at_us for a, b in itertools.pairwise(steps) if a.event == "send"]
    patience = [QUICK.answer_s * 2**number * 1e6 for number in range(3)]
    assert [True] * 3 == [wait > wanted for wait, wanted in zip(waits, patience, strict=True)]


async def test_nobody_there_to_take_it_ends_too(open_life: Callable[..., Life]) -> None:
    """A piece that is not running lets a command time out and says so."""
    life = open_life(QUICK)
    await life.timers.start()
    command = await life.dim()
    await until(lambda: not life.commands.waiting())
    assert (
        "no process took it for piece street_lights"
        == (await life.commands.history(command.id))[-1].detail
    )


async def test_an_effect_that_is_never_measured_is_no_success(
    open_life: Callable[..., Life],
) -> None:
    """Acknowledged is not confirmed."""
    life = open_life(QUICK)
    await life.timers.start()
    command = await life.dim()
    await life.report(command, "sent", "acknowledged")
    await until(lambda: not life.commands.waiting())
    assert "timed_out" == await life.state(command)


async def test_patience_is_in_real_seconds_on_a_fast_clock(open_life: Callable[..., Life]) -> None:
    """A wire is no faster in a city whose clock runs a thousand times as fast."""
    life = open_life(QUICK, CityClock(0, time.time_ns() // 1000, 1000.0))
    await life.timers.start()
    begin = time.monotonic()
    await life.dim()
    await until(lambda: not life.commands.waiting())
    assert 0.25 < time.monotonic() - begin


async def test_a_report_that_comes_twice_is_no_news(open_life: Callable[..., Life]) -> None:
    """A link sends again after a reconnect; the ledger notes a step once. Late ones are
    conflicts.
    """
    life = open_life()
    command = await life.dim()
    await life.report(
        command, "sent", "sent", "acknowledged", "sent", "acknowledged", "confirmed", "confirmed"
    )
    assert 4 == len(await life.commands.history(command.id))
    with pytest.raises(StateConflict):
        await life.report(command, "failed")
    with pytest.raises(StateConflict, match="cannot report"):
        await life.report(command, "cancelled")
    with pytest.raises(ResourceNotFound):
        await life.commands.report(CommandReport("nothing", "sent"), "x")


async def test_cancelled_before_the_answer(open_life: Callable[..., Life]) -> None:
    """And not after it."""
    life = open_life()
    command = await life.dim()
    await life.report(command, "sent")
    assert "cancelled" == (await life.commands.cancel(FOREMAN, command.id, "wrong lamp")).state
    with pytest.raises(StateConflict):
        await life.report(command, "acknowledged")
    second = await life.dim("k2")
    await life.report(second, "sent", "acknowledged")
    with pytest.raises(StateConflict):
        await life.commands.cancel(FOREMAN, second.id)


async def test_a_restart_goes_on_where_it_was(open_life: Callable[..., Life]) -> None:
    """What no device answered is sent again to the process that connects; patience goes on."""
    before = open_life(SLOW)
    desired, sent, acknowledged, done = [await before.dim(key) for key in "abcd"]
    await before.report(sent, "sent")
    await before.report(acknowledged, "sent", "acknowledged")
    await before.report(done, "sent", "acknowledged", "confirmed")
    await before.end()
    after_restart = open_life(SLOW)
    again = after_restart.commands.to_send(frozenset({"street_lights"}))
    assert [desired.id, sent.id] == [command.id for command in again]
    assert [] == after_restart.commands.to_send(frozenset({"other"}))
    assert 4 == after_restart.timers.count()  # one is the ledger's own, to forget
    await after_restart.report(acknowledged, "confirmed")
    assert "confirmed" == await after_restart.state(acknowledged)


async def test_a_crash_between_ledger_and_timer_leaves_no_command_without_end(
    open_life: Callable[..., Life],
) -> None:
    """A command whose timer was never set gets one at the start."""
    before = open_life(QUICK)
    command = await before.dim()
    await before.timers.cancel("operations.command", command.id)
    await before.end()
    after_restart = open_life(QUICK)
    await after_restart.timers.start()
    await until(lambda: not after_restart.commands.waiting())
    assert "timed_out" == await after_restart.state(command)


# --- reading --------------------------------------------------------------------------------------
async def test_the_ledger_is_read_by_target_and_newest_first(
    open_life: Callable[..., Life],
) -> None:
    """Bounded pages; a tenant sees its own."""
    life = open_life()
    asked = [await life.dim(f"k{number}") for number in range(5)]
    found = await life.commands.for_target(LAMP, tenant="demo", limit=3)
    assert [command.id for command in reversed(asked)][:3] == [entry.command.id for entry in found]
    assert [] == await life.commands.for_target(LAMP)
    older = await life.commands.recent(tenant="demo", before_us=asked[2].created_us)
    assert [asked[1].id, asked[0].id] == [entry.command.id for entry in older]
    with pytest.raises(ResourceNotFound):
        await life.commands.history("nothing")
