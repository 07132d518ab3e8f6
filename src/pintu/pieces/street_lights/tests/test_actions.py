"""A command is a promise with evidence: sent, acknowledged, confirmed by what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pintu.kit import BadInput, Changed, Command, Unavailable, Update
from pintu.kit.testing import FakeClock
from pintu.pieces.street_lights.actions import dim_lamp, shows, switch_lamp
from pintu.pieces.street_lights.connectors.mqtt import Answer
from pintu.pieces.street_lights.model import lamp_id


def reading(level: float, power: float, changed: tuple[str, ...] | None = None) -> Changed:
    entity = {
        "illuminanceLevel": {"value": level},
        "activePower": {"value": power},
        "ratedPower": {"value": 100},
    }
    return Changed(lamp_id("L1"), ("Streetlight",), "updated", 0, "", entity, changed)


@dataclass
class Wire:
    """A gateway that answers at once, or not at all."""

    answer: Answer | None
    sent: list[tuple[str, str, int]] = field(default_factory=list)

    async def send(self, command_id: str, lamp: str, level: int) -> asyncio.Future[Answer]:
        if self.answer is None:
            raise Unavailable("Connector mqtt has no connection to its broker now")
        self.sent.append((command_id, lamp, level))
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(self.answer)
        return future


@dataclass
class Hands:
    """Hands that remember, beside a lamp that then reads as told."""

    wire: Wire
    then: Changed
    states: list[str] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    clock: Any = field(default_factory=FakeClock)

    def connector(self, name: str) -> Wire:
        return self.wire

    async def report(self, state: str, detail: str = "") -> None:
        self.states.append(state)

    async def until(
        self, entity_id: str, holds: Callable[[Changed], bool], timeout_s: float
    ) -> Changed | None:
        return self.then if holds(self.then) else None

    async def hand_in(self, updates: list[Update]) -> None:
        self.updates.extend(updates)


def command(name: str = "DimLamp", target: str = lamp_id("L1"), **arguments: Any) -> Command:
    return Command("c1", "demo", "street_lights", name, target, arguments, "foreman", 0)


async def test_a_lamp_that_obeys_is_confirmed_by_its_power() -> None:
    """sent, acknowledged, confirmed; and the level asked for is in the shared context."""
    hands = Hands(Wire(Answer("c1", True)), reading(0.4, 43.6))
    await dim_lamp(command(level=40), hands)
    assert hands.states == ["sent", "acknowledged", "confirmed"]
    assert hands.wire.sent == [("c1", "L1", 40)]
    assert [one.entity["desiredIlluminanceLevel"]["value"] for one in hands.updates] == [0.4]


async def test_a_lamp_that_says_yes_and_does_not_is_not_confirmed() -> None:
    """Its controller shows the level, its power does not: the ledger's patience decides."""
    hands = Hands(Wire(Answer("c1", True)), reading(0.4, 100.0))
    await dim_lamp(command(level=40), hands)
    assert hands.states == ["sent", "acknowledged"]


async def test_a_gateway_that_refuses_ends_the_command() -> None:
    """failed, with its reason."""
    hands = Hands(Wire(Answer("c1", False, "no such lamp here")), reading(0.4, 43.6))
    await switch_lamp(command("SwitchLamp", on=True), hands)
    assert hands.states == ["sent", "failed"]


async def test_without_a_connection_nothing_is_reported() -> None:
    """The command stays desired and is tried again."""
    hands = Hands(Wire(None), reading(0.4, 43.6))
    with pytest.raises(Unavailable):
        await dim_lamp(command(level=40), hands)
    assert hands.states == []


@pytest.mark.parametrize("level", [-1, 101, 50.5, "50", True, None])
async def test_a_level_that_is_none_is_refused(level: object) -> None:
    """Before anything is sent."""
    hands = Hands(Wire(Answer("c1", True)), reading(0.4, 43.6))
    with pytest.raises(BadInput):
        await dim_lamp(command(level=level), hands)
    assert hands.wire.sent == []


async def test_only_our_lamps_are_dimmed() -> None:
    """Another piece's entity is none of ours."""
    hands = Hands(Wire(Answer("c1", True)), reading(0.4, 43.6))
    with pytest.raises(BadInput):
        await dim_lamp(command(target="urn:ngsi-ld:Camera:security_map:L1", level=1), hands)


def test_only_a_reading_confirms() -> None:
    """A change of something else does not, an old level does not, darkness means almost no
    power."""
    assert not shows(reading(0.4, 43.6, ("condition",)), 0.4)
    assert shows(reading(0.4, 43.6, ("activePower",)), 0.4)
    assert not shows(reading(0.5, 53.0), 0.4)
    assert shows(reading(0.0, 0.4), 0.0)
    assert not shows(reading(0.0, 97.0), 0.0)
