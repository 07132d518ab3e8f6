"""What a table shows under an agreement: fields, masks, rows, one person, counts, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Mask
from pintu.kernel.errors import BadRequestData, Forbidden, TooManyRequests
from pintu.kernel.exchange import Condition, Question
from pintu.kernel.exchange.agreements.words import Limits
from tests.kernel.exchange.conftest import HandClock
from tests.kernel.exchange.gate.conftest import (
    SCHOOL,
    Office,
    close_office,
    open_office,
    person,
)  # fmt: skip

S1 = (Condition("school", "=", "S1"),)
PLAIN = {"name": Mask(), "school": Mask()}


async def test_fields_masks_and_rows(office: Office) -> None:
    """Only what is agreed, as it is agreed, of the rows that are."""
    why = office.shelf.put(where=S1)
    answer = await office.exchange.answer(SCHOOL, "people", Question(count=True), why)
    expected = [
        {"vaccinated": one["vaccinated"], "born": one["born"][:4]}
        for one in map(person, range(40))
        if one["school"] == "S1"
    ]
    assert (expected, 20) == (
        [dict(sorted(row.items(), reverse=True)) for row in answer.rows.rows],
        answer.rows.total,
    )
    assert answer.receipt is not None
    assert "ag-1/1" == answer.agreement


@pytest.mark.parametrize(
    "question",
    [
        Question(columns=("name",)),
        Question(where=(Condition("name", "=", "某1"),)),
        Question(order=("idno",)),
        Question(group=("school",)),
        Question(columns=("nothing",)),
    ],
)
async def test_what_is_not_agreed_is_not_there(office: Office, question: Question) -> None:
    """The same words for a column that is hidden and for one that never was."""
    why = office.shelf.put()
    with pytest.raises(BadRequestData, match="is not in this data set"):
        await office.exchange.ask(SCHOOL, "people", question, why)


@pytest.mark.parametrize(
    "question",
    [
        Question(where=(Condition("born", "<", "2012"),)),
        Question(order=("born",)),
        Question(group=("born",)),
        Question(measure="born", aggregate="min"),
        Question(where=(Condition("vaccinated", "filled"),)),
    ],
)
async def test_nothing_is_asked_through_a_mask(office: Office, question: Question) -> None:
    """A filter, an order, a group or a measure would tell what is under it."""
    why = office.shelf.put()
    with pytest.raises(Forbidden, match="through a mask"):
        await office.exchange.ask(SCHOOL, "people", question, why)


async def test_one_person_at_a_time(office: Office) -> None:
    """By one value of the agreed column, which is itself not shown; nothing in bulk."""
    why = office.shelf.put(subject="idno", where=S1)
    one, other = person(7), person(8)

    async def asked(*where: Condition, **more: Any) -> Any:
        question = Question(where=where, **more)
        return (await office.exchange.ask(SCHOOL, "people", question, why)).rows

    assert [{"vaccinated": True, "born": one["born"][:4]}] == await asked(
        Condition("idno", "=", one["idno"])
    )
    assert [] == await asked(Condition("idno", "=", other["idno"]))  # of another school
    bulk: tuple[tuple[Condition, ...], ...] = (
        (),
        (Condition("idno", "in", [one["idno"]]),),
        (Condition("idno", "contains", "33"),),
        (Condition("idno", "=", one["idno"]), Condition("idno", "=", other["idno"])),
        (Condition("idno", "=", [one["idno"], other["idno"]]),),
        (Condition("idno", "=", ""),),
    )
    for where in bulk:
        with pytest.raises(Forbidden, match="one person"):
            await asked(*where)
    with pytest.raises(Forbidden):
        await asked(Condition("idno", "=", one["idno"]), limit=0, group=("vaccinated",))
    with pytest.raises(Forbidden):
        await office.exchange.profile(SCHOOL, "people", why)


async def test_how_often_one_person_and_how_many(office: Office) -> None:
    """Looks at one by one member of staff, and different persons a day, there or not; the limit
    is named."""
    limits = Limits(calls_a_minute=0, looks_at_one=2, subjects_a_day=3)
    why = office.shelf.put(subject="idno", limits=limits)

    async def look(idno: str) -> None:
        where = (Condition("idno", "=", idno),)
        await office.exchange.ask(SCHOOL, "people", Question(where=where), why)

    for _ in range(2):
        await look(person(1)["idno"])
    with pytest.raises(TooManyRequests, match="2 looks a day at one person"):
        await look(person(1)["idno"])
    await look("nobody")
    await look(person(2)["idno"])
    with pytest.raises(TooManyRequests, match="3 different persons a day"):
        await look(person(3)["idno"])
    office.clock.us += 86_400_000_000
    await look(person(3)["idno"])


async def test_rows_a_call_and_a_day(office: Office) -> None:
    """More than a call's is refused, a usual page is cut; a day's is refused as a whole."""
    limits = Limits(calls_a_minute=0, rows_a_call=15, rows_a_day=40)
    why = office.shelf.put(limits=limits)
    with pytest.raises(Forbidden, match="at most 15 rows"):
        await office.exchange.ask(SCHOOL, "people", Question(limit=5000), why)
    for _ in range(2):
        assert 15 == len((await office.exchange.ask(SCHOOL, "people", Question(), why)).rows)
    with pytest.raises(TooManyRequests, match="40 rows a day"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    assert 10 == len((await office.exchange.ask(SCHOOL, "people", Question(limit=10), why)).rows)


async def test_a_day_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was used is written down, and counted on by the next process."""
    clock = HandClock()
    first = await open_office(tmp_path, clock)
    limits = Limits(calls_a_minute=0, rows_a_day=45)
    why = first.shelf.put(limits=limits)
    await first.exchange.ask(SCHOOL, "people", Question(), why)
    await close_office(first)
    second = await open_office(tmp_path, clock)
    why = second.shelf.put(limits=limits)
    with pytest.raises(TooManyRequests, match="45 rows a day"):
        await second.exchange.ask(SCHOOL, "people", Question(), why)
    await close_office(second)


async def test_counts_of_few_are_not_told(office: Office) -> None:
    """One grouping, of all agreed fields, of k or more, rounded; nothing beside it."""
    fields = {"school": Mask(), "born": Mask(kind="truncate", keep=4)}
    why = office.shelf.put(fields=fields, k=4)
    question = Question(group=("school", "born"), count=True)
    answer = await office.exchange.ask(SCHOOL, "people", question, why)
    groups: dict[tuple[str, str], int] = {}
    for one in map(person, range(40)):
        key = (one["school"], one["born"][:4])
        groups[key] = groups.get(key, 0) + 1
    expected = {key: n - n % 4 for key, n in groups.items() if n >= 4}
    assert expected == {(row["school"], row["born"]): row["count"] for row in answer.rows}
    refused = [
        Question(),
        Question(limit=0, count=True),
        Question(group=("school",)),
        Question(group=("school", "born"), where=S1),
        Question(group=("school", "born"), aggregate="max", measure="born"),
        Question(group=("school", "born@year")),
    ]
    for question in refused:
        with pytest.raises(Forbidden):
            await office.exchange.ask(SCHOOL, "people", question, why)


async def test_a_profile_measures_what_is_seen_as_it_is(office: Office) -> None:
    """Of the agreed rows, without the newest moment of the others."""
    why = office.shelf.put(fields={**PLAIN, "born": Mask(kind="truncate", keep=4)}, where=S1)
    told = await office.exchange.profile(SCHOOL, "people", why)
    assert (20, {"name", "school"}) == (told["rows"], set(told["columns"]))


async def test_copies_that_may_be_kept_are_counted(office: Office) -> None:
    """So that they can be asked back."""
    why = office.shelf.put(retention_days=30)
    await office.exchange.ask(SCHOOL, "people", Question(limit=7), why)
    assert [("ag-1/1", 7)] == office.shelf.copies


async def test_pseudonyms_of_two_agreements_do_not_meet(office: Office) -> None:
    """The same person has another one under another agreement, and always the same under one."""
    fields = {"idno": Mask(kind="pseudonym")}
    why = office.shelf.put(fields=fields)
    asked = [await office.exchange.ask(SCHOOL, "people", Question(), why) for _ in range(2)]
    assert asked[0].rows == asked[1].rows
    first = office.shelf.known["ag-1"]
    office.shelf.known["ag-2"] = type(first)(
        id="ag-2", version=1, terms=first.terms, state="active"
    )
    other = type(why)(agreement="ag-2", purpose=why.purpose, reason=why.reason)
    rows = (await office.exchange.ask(SCHOOL, "people", Question(), other)).rows
    told = {row["idno"] for row in rows}
    assert set() == told & {row["idno"] for row in asked[0].rows}
    assert 40 == len(told)
