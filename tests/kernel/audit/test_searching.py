"""An auditor finds rows by who, whom, what and when: those that a look at every row finds."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Numbered, searching
from pintu.kernel.audit.searching import Wanted
from pintu.kernel.errors import BadRequestData

from .conftest import Desk

PEOPLE = ("person:1", "person:2", "token:a")
PLACES = ("health", "school", "police")
SETS = ("vaccinations", "pupils")


async def fill(desk: Desk, count: int, seed: int = 5) -> None:
    """Rows of all kinds."""
    chance = random.Random(seed)
    for start in range(0, count, 100):
        await asyncio.gather(
            *(desk.audit.enter(entry(desk, chance)) for _ in range(min(100, count - start)))
        )


def entry(desk: Desk, chance: random.Random) -> Entry:
    """Anything."""
    what: Any = chance.choice(("read", "read", "write", "refused", "agreement", "counts"))
    agreement = chance.choice(("", "AG-1/1", "AG-1/2", "AG-12/1"))
    return Entry(
        what=what,
        actor=chance.choice(PEOPLE),
        organisation=chance.choice(PLACES),
        owner=chance.choice(PLACES),
        data_set=chance.choice(SETS),
        agreement=agreement,
        purpose=chance.choice(("enrolment", "treatment", "")),
        subjects=tuple(
            desk.audit.digest(f"person {chance.randrange(9)}") for _ in range(chance.randrange(3))
        ),
    )


def naive(rows: list[Numbered], wanted: dict[str, Any], digests: set[str]) -> list[int]:
    """Every row looked at."""
    found = []
    for one in rows:
        row = one.row
        fits = all(
            getattr(row, name) == wanted[name]
            for name in ("what", "actor", "organisation", "owner", "data_set", "purpose")
            if name in wanted
        )
        agreement = wanted.get("agreement")
        fits &= agreement is None or agreement in (row.agreement, row.agreement.split("/")[0])
        fits &= "subject" not in wanted or bool(digests.intersection(row.subjects))
        fits &= wanted.get("party", row.owner) in (row.owner, row.organisation)
        fits &= wanted.get("outcome") != "refused" or row.what == "refused"
        fits &= wanted.get("outcome") != "answered" or row.what in ("read", "write")
        fits &= wanted.get("since_us", 0) <= row.at_us < wanted.get("until_us", 1 << 62)
        if fits and row.what == "counts" and wanted.keys() & WORDS:
            fits = False  # counts are about nobody
        if fits:
            found.append(one.number)
    return found[::-1]


WORDS = {"actor", "organisation", "owner", "data_set", "agreement", "purpose", "subject", "party"}


@pytest.mark.parametrize("entries", [searching.ENTRIES, 7])
async def test_a_search_finds_what_a_look_at_every_row_finds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    """Sealed rows and those of the last second, by any mix of what can be asked, page by page; also
    where a word has more entries than are read at once."""
    monkeypatch.setattr(searching, "ENTRIES", entries)
    for number in range(20):
        await fill(desk, 5 if number % 3 else 95, seed=number)
        await desk.audit.sealer.seal()
    await fill(desk, 40, seed=60)
    rows = [one for one in await desk.audit.rows(0, 10_000) if one.row.what != "counts"]
    times = sorted(one.row.at_us for one in rows)
    chance = random.Random(11)
    choices: dict[str, Any] = {
        "what": ("read", "refused", "agreement"),
        "actor": PEOPLE,
        "organisation": (*PLACES, "nobody"),
        "owner": PLACES,
        "data_set": SETS,
        "agreement": ("AG-1", "AG-1/2", "AG-12", "AG-3"),
        "purpose": ("enrolment", "treatment"),
        "subject": [desk.audit.digest(f"person {n}") for n in range(10)],
        "outcome": ("answered", "refused"),
        "party": PLACES,
        "since_us": times,
        "until_us": times,
    }
    for _ in range(50):
        names = chance.sample(list(choices), chance.randrange(1, 5))
        wanted: dict[str, Any] = {name: chance.choice(choices[name]) for name in names}
        digests = {desk.audit.in_year(wanted["subject"])} if "subject" in wanted else set()
        expected = naive(rows, wanted, digests)
        assert expected[:1_000] == await numbers(desk, {**wanted, "limit": 1_000}), wanted
        if len(expected) > 7 and wanted.keys() & {*WORDS, "what", "outcome"}:
            paged = await numbers(desk, {**wanted, "limit": 7})
            more = await numbers(desk, {**wanted, "limit": 7, "before": paged[-1]})
            assert expected[:14] == [*paged, *more], wanted


async def numbers(desk: Desk, wanted: Any) -> list[int]:
    """The numbers of rows found, without those of counts."""
    asked: Wanted = wanted
    found = await desk.audit.search(**asked)
    return [one.number for one in found if one.row.what != "counts"]


async def test_without_words_the_newest_rows_come_first(desk: Desk) -> None:
    """All of them, page by page, however few there are."""
    assert [] == await desk.audit.search()
    await fill(desk, 130)
    found = [one.number for one in await desk.audit.search(limit=100)]
    assert list(range(130, 30, -1)) == found
    assert list(range(30, 0, -1)) == [
        one.number for one in await desk.audit.search(limit=100, before=31)
    ]


async def test_what_cannot_be_asked_is_refused(desk: Desk) -> None:
    """A page has an end, and a mistyped word does not find everything."""
    wrong: Any = {"organization": "health"}
    for asked in ({"limit": 0}, {"limit": 100_000}, wrong):
        with pytest.raises(BadRequestData):
            await desk.audit.search(**asked)


async def test_a_person_is_found_in_rows_of_every_year(desk: Desk) -> None:
    """Rows of two years hold two digests of one person: nobody else can join them."""
    person = desk.audit.digest("320101199001011234")
    await desk.audit.enter(Entry(what="read", subjects=(person,)))
    desk.clock.at_us += 40 * 86_400_000_000
    await desk.audit.enter(Entry(what="read", subjects=(person,)))
    first, second = await desk.audit.rows(0, 10)
    assert first.row.subjects != second.row.subjects
    assert person not in (*first.row.subjects, *second.row.subjects)
    assert [2, 1] == [one.number for one in await desk.audit.search(subject=person)]
    await desk.audit.sealer.seal()
    assert [2, 1] == [one.number for one in await desk.audit.search(subject=person)]
    assert [] == await desk.audit.search(subject=desk.audit.digest("somebody else"))
