"""Somebody says a value is wrong; its owner answers; what is corrected is corrected everywhere."""

from __future__ import annotations

import asyncio

import pytest

from pintu.kernel.errors import BadRequestData, Forbidden, StateConflict
from pintu.kernel.linkage.objections import DAY_US
from pintu.kernel.linkage.words import Ref
from tests.kernel.linkage.conftest import HEALTH, SCHOOL, Scene, hand

WRONG, RIGHT = "2018-03-05", "2018-05-03"
CHILD = Ref("patients", "h1")
PUPIL = Ref("pupils", "s1")
GUARDIAN = hand("", "resident", person="guardian")


async def two_places(scene: Scene) -> None:
    """One child in both tables, linked, with one wrong birthday in both."""
    row = {"xm": "赵演示", "csrq": WRONG, "zz": "听澜路12号3幢2单元501室"}
    await scene.load(HEALTH, {"h1": row, "h2": {"xm": "钱演示", "csrq": "2018-01-01"}})
    await scene.load(SCHOOL, {"s1": row}, source="school/1")
    await scene.linkage.merge("children", [CHILD, PUPIL], hand())


async def both(scene: Scene) -> tuple[str, str]:
    return (
        await scene.value("patients", "h1", "csrq"),
        await scene.value("pupils", "s1", "csrq"),
    )


async def test_it_goes_to_the_authority_and_comes_back_to_every_copy(scene: Scene) -> None:
    """Told at the school's copy, it goes to health, whose word holds for birthdays; accepted, both
    places have the new value, keep their sources, and the log has a row of each deed."""
    await two_places(scene)
    room = scene.linkage.objections
    made = await room.object(PUPIL, "csrq", RIGHT, "户口本上是五月三日", GUARDIAN)
    assert ("patients", "h1", "health", "open") == (
        made.data_set,
        made.key,
        made.owner,
        made.state,
    )
    assert scene.clock.us + 15 * DAY_US == made.due_us
    done = await room.accept(made.number, RIGHT, "核对出生医学证明后更正", hand())
    assert "accepted" == done.state and (PUPIL,) == done.also
    assert (RIGHT, RIGHT) == await both(scene)
    told = (await scene.rows.told("patients", ["h1"], "csrq"))["h1"]
    assert ("hospital/1", True) == (told.source, told.corrected)
    assert "school/1" == (await scene.rows.told("pupils", ["s1"], "csrq"))["s1"].source
    assert ["merge", "object", "correct"] == scene.log.deeds()
    assert "2018-01-01" == await scene.value("patients", "h2", "csrq")


async def test_a_stale_load_does_not_win_until_its_source_changed(scene: Scene) -> None:
    """The next load brings the old value and loses; once the source brings another, that holds and
    the correction is over, also when the old value comes back later."""
    await two_places(scene)
    room = scene.linkage.objections
    made = await room.object(PUPIL, "csrq", RIGHT, "户口本上是五月三日", GUARDIAN)
    await room.accept(made.number, RIGHT, "核对后更正", hand())
    stale = {"xm": "赵演示", "csrq": WRONG, "zz": "新地址街1号"}
    for _ in range(2):
        await scene.load(SCHOOL, {"s1": stale}, source="school/1")
        assert RIGHT == await scene.value("pupils", "s1", "csrq")
    assert "新地址街1号" == await scene.value("pupils", "s1", "zz")
    await scene.load(SCHOOL, {"s1": {**stale, "csrq": "2018-05-04"}}, source="school/1")
    assert "2018-05-04" == await scene.value("pupils", "s1", "csrq")
    await scene.load(SCHOOL, {"s1": stale}, source="school/1")
    assert WRONG == await scene.value("pupils", "s1", "csrq")
    assert RIGHT == await scene.value("patients", "h1", "csrq")


async def test_who_answers(scene: Scene) -> None:
    """Only a steward, owner or deputy of the authority's organisation answers, never whoever
    objected, and nobody twice."""
    await two_places(scene)
    room = scene.linkage.objections
    made = await room.object(PUPIL, "csrq", RIGHT, "户口本上是五月三日", hand())
    with pytest.raises(Forbidden):
        await room.accept(made.number, RIGHT, "好", hand("education"))
    with pytest.raises(Forbidden):
        await room.accept(made.number, RIGHT, "好", hand(role="clerk"))
    with pytest.raises(Forbidden, match="your own"):
        await room.accept(made.number, RIGHT, "好", hand())
    other = await room.object(PUPIL, "csrq", RIGHT, "户口本上是五月三日", GUARDIAN)
    refused = await room.refuse(other.number, "与出生医学证明一致", hand())
    assert "refused" == refused.state
    assert (WRONG, WRONG) == await both(scene)
    with pytest.raises(StateConflict, match="answered already"):
        await room.accept(other.number, RIGHT, "好的", hand())


async def test_a_term_that_passed_shows(scene: Scene) -> None:
    """An objection nobody answered is late, once its term is over, and can still be answered."""
    await two_places(scene)
    room = scene.linkage.objections
    made = await room.object(PUPIL, "csrq", RIGHT, "户口本上是五月三日", GUARDIAN)
    await scene.timers.start()
    scene.clock.us = made.due_us + 1
    for _ in range(400):
        if "late" == (await room.get(made.number)).state:
            break
        await asyncio.sleep(0.01)
    assert ["late"] == [one.state for one in await room.list_all(owner="health")]
    await room.accept(made.number, RIGHT, "核对后更正", hand())
    assert (RIGHT, RIGHT) == await both(scene)


async def test_what_cannot_be_objected_to(scene: Scene) -> None:
    """An objection needs a reason, and somebody who can answer it."""
    room = scene.linkage.objections
    with pytest.raises(BadRequestData, match="needs its reason"):
        await room.object(PUPIL, "csrq", RIGHT, " ", GUARDIAN)
    with pytest.raises(BadRequestData, match="has no owner"):
        await room.object(Ref("orphans", "1"), "csrq", RIGHT, "不对", GUARDIAN)


async def test_a_number_takes_a_number(scene: Scene) -> None:
    """A corrected value fits its column; NaN and infinities are no numbers of anybody."""
    await scene.load(HEALTH, {"h1": {"xm": "赵演示", "height": 110}})
    for bad in ("a", "nan", "inf", "-Infinity", [1], {"a": 1}):
        with pytest.raises(BadRequestData):
            await scene.rows.correct(("patients", "h1", "height"), bad, {"by": "s"})
    was = await scene.rows.correct(("patients", "h1", "height"), "121.5", {"by": "s"})
    assert (110, False) == (was.value, was.corrected)
    assert 121.5 == await scene.value("patients", "h1", "height")


async def test_corrected_back_to_what_the_source_says(scene: Scene) -> None:
    """Corrected to what its source says, a value is held against nothing any more."""
    await scene.load(HEALTH, {"h1": {"xm": "赵演示", "csrq": WRONG}})
    place = ("patients", "h1", "csrq")
    await scene.rows.correct(place, RIGHT, {"by": "s"})
    await scene.rows.correct(place, WRONG, {"by": "s"})
    told = (await scene.rows.told("patients", ["h1"], "csrq"))["h1"]
    assert (WRONG, False) == (told.value, told.corrected)
    await scene.load(HEALTH, {"h1": {"xm": "赵演示", "csrq": WRONG}})
    assert WRONG == await scene.value("patients", "h1", "csrq")


async def test_of_two_answers_at_once_only_one_corrects(scene: Scene) -> None:
    """Two stewards accept at the same moment with different values: one hears that it was
    answered, and what is in the tables is what the answer says."""
    await two_places(scene)
    room = scene.linkage.objections
    made = await room.object(CHILD, "csrq", RIGHT, "户口本上是五月三日", GUARDIAN)
    told = await asyncio.gather(
        room.accept(made.number, RIGHT, "核对后更正", hand()),
        room.accept(made.number, "2018-06-06", "核对后更正", hand(person="colleague")),
        room.refuse(made.number, "核对后无误", hand(person="third")),
        return_exceptions=True,
    )
    assert 2 == sum(isinstance(one, StateConflict) for one in told)
    kept = await room.get(made.number)
    assert "accepted" == kept.state
    assert (kept.value, kept.value) == await both(scene)
