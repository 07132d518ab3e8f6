"""Warnings under attack: exercises that end what is earnest, corners without end, hands that fail,
what closes an incident, and signatures."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.warnings import Area, Message
from pintu.kernel.operations.warnings.geometry import shape_of
from pintu.kernel.operations.warnings.words import instant_us
from tests.kernel.operations.test_warnings import (
    ONE_STORE,
    WRITER,
    Room,
    issued,
    message,
    room,
    take,
)

__all__ = ["room"]
LATER = "2026-09-08T17:00:00+08:00"


@ONE_STORE
@pytest.mark.parametrize("other", [{"status": "Exercise"}, {"scope": "Restricted"}])
@pytest.mark.parametrize("kind", ["Cancel", "Update"])
async def test_nothing_that_is_meant_otherwise_ends_a_warning(
    room: Room, kind: str, other: dict[str, str]
) -> None:
    """An exercise, or what is told to a few, leaves what everybody was told in earnest: also when a
    person hands it in alone, and when it comes first."""
    first = message()
    false = message("A-2", msg_type=kind, refers=(first,), sent=LATER, **other)
    await room.warnings.take(WRITER, false, "demo")
    warning = await issued(room, first)
    again = message("A-3", msg_type=kind, refers=(first,), sent=LATER, **other)
    taken = await room.warnings.take(WRITER, again, "demo")
    await room.warnings.following.settled()
    assert warning == await room.warnings.get(warning.id)
    assert not {"undo", "clear", "narrow"} & {what for what, _, _ in room.asked}
    assert ("issued" if kind == "Update" else "kept") == taken.effect


@ONE_STORE
async def test_the_all_clear_of_what_expired_is_said_once(room: Room) -> None:
    """An authority that cancels what is over already tells nobody anew."""
    first = message(expires="2026-09-08T15:59:00+08:00")
    warning = await issued(room, first)
    assert "expired" == warning.state
    gone = message("A-2", msg_type="Cancel", refers=(first,), sent=LATER)
    assert "cancelled" == (await take(room, gone))[0]
    assert [] == room.asked


@ONE_STORE
async def test_a_hand_that_breaks_ends_nobodys_all_clear(room: Room) -> None:
    """What nobody foresaw is written down, and what comes behind it is done."""

    async def breaks(warning: Any, key: str) -> None:
        raise KeyError("nobody foresaw this")

    room.warnings.following.hands["start"].insert(0, breaks)
    warning = await issued(room, message())
    assert "tell" in [what for what, _, _ in room.asked]
    assert "left_undone" in await room.verbs(warning.id)


@ONE_STORE
async def test_the_end_of_a_warning_waits_for_a_person_whoever_proposes_it(room: Room) -> None:
    """The same moment again is the same proposal; only who sent it may end it."""
    warning = await issued(room, message(incidents=("20260908-0001",)))
    assert [warning] == await room.warnings.for_incident("demo", "20260908-0001")
    told = {"sender": "met@example.cn", "at_us": room.clock.at_us, "note": "over"}
    first = await room.warnings.propose_end(warning.id, "timer", **told)
    again = await room.warnings.propose_end(warning.id, "timer", **told)
    assert ("proposed", "known", first.number) == (first.effect, again.effect, again.number)
    assert (await room.warnings.get(warning.id)).in_force
    assert "cancelled" == (await room.warnings.approve(WRITER, first.number)).effect


def test_corners_without_end_cost_no_time() -> None:
    """Ten thousand that cross one another, slivers and combs over each other: more are warned, not
    fewer, and within a moment."""
    chance = random.Random(7)
    star = [(30 + chance.random(), 120 + chance.random()) for _ in range(9_999)]
    slivers = []
    for _ in range(2_500):
        a, b = (30 + chance.random(), 120.0), (30 + chance.random(), 121.0)
        slivers.append((a, b, (b[0] + 1e-5, b[1]), a))
    began = time.process_time()
    whole = shape_of([Area(description="", polygons=((*star, star[0]),))])
    crossed = shape_of([Area(description="", polygons=tuple(slivers))])
    assert 3 > time.process_time() - began
    assert whole is not None
    assert crossed is not None
    assert 0.9 < whole.area <= 1


def test_a_circle_over_the_edge_of_the_world_stays_on_it() -> None:
    """What goes over 180 degrees comes back on the other side; a pole is no place to fall off."""
    edge = shape_of([Area(description="", circles=((0.0, 179.9, 100.0),))])
    pole = shape_of([Area(description="", circles=((89.9, 0.0, 20_040.0),))])
    assert edge is not None
    assert pole is not None
    assert ("MultiPolygon", (-180.0, 180.0)) == (edge.geom_type, edge.bounds[::2])
    assert (-180.0, -90.0, 180.0, 90.0) == pole.bounds


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_of_no_year_anybody_lives_in_is_refused(said: str) -> None:
    """It would be a time that nothing can write."""
    with pytest.raises(BadRequestData, match="no year"):
        instant_us(said)


def test_whether_a_signature_was_checked_is_no_part_of_what_is_said() -> None:
    """The same message, checked and unchecked, is the same."""
    from pintu.kernel.operations.warnings.rows import digest

    said: Message = message()
    assert digest(said) == digest(msgspec.structs.replace(said, verified=True))
