"""What an auditor asks of the log: rows by who, whom, what, when, under which agreement; newest
first, a page at a time, within a deadline.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypedDict

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.audit.digests import Digests, year_of
from pintu.kernel.audit.places import COLUMNS, SPAN, numbers_in, word
from pintu.kernel.audit.rows import Numbered, Row, read_row
from pintu.kernel.audit.schema import PLACE
from pintu.kernel.audit.sealing import Sealer
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, DeadlineExceeded
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import OpenTables

MOST: Final = 1_000
"""Rows of one page."""

CHUNK: Final = 500
ENTRIES: Final = 2_000
"""Entries of one word that are read at once."""

DEADLINE_S: Final = 5.0
NOBODY: Final = "-"
BEGINNING: Final = 2020
"""No log is older: years in which digests are looked for."""


class Wanted(TypedDict, total=False):
    """What a row must be; what is not told may be anything."""

    what: str
    actor: str
    person: str
    organisation: str
    owner: str
    data_set: str
    agreement: str  # ID, or ID/VERSION
    purpose: str
    subject: str  # the lasting digest of a person
    outcome: Literal["", "answered", "refused"]
    since_us: int
    until_us: int  # not of it
    party: str  # an organisation that asked or owns: all that a department's auditor sees
    before: int  # rows with smaller numbers: the next page
    limit: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search made ready: alternatives of words that must all be there, and what else is looked
    at in a row."""

    words: tuple[tuple[int, ...], ...]
    wanted: Wanted
    subjects: frozenset[str]

    def fits(self, row: Row) -> bool:
        """Is it one of the rows that are wanted?"""
        wanted = self.wanted
        if row.what == "counts" and any(word("what", "counts") not in one for one in self.words):
            return False  # it is about nobody
        for column in COLUMNS:
            value = wanted.get(column, "")
            if not value or value == getattr(row, column):
                continue
            if column != "agreement" or row.agreement.partition("/")[0] != value:
                return False
        if self.subjects and not self.subjects.intersection(row.subjects):
            return False
        outcome = wanted.get("outcome", "")
        if outcome and (row.what == "refused") != (outcome == "refused"):
            return False
        if outcome == "answered" and row.what not in ("read", "write"):
            return False
        party = wanted.get("party", "")
        if party and party not in (row.organisation, row.owner):
            return False
        return wanted.get("since_us", 0) <= row.at_us < wanted.get("until_us", 1 << 62)


class Search:
    """Looks in the places, then reads the rows themselves."""

    def __init__(
        self, store: Store, tables: OpenTables, sealer: Sealer, digests: Digests, clock: Clock
    ) -> None:
        self._store = store
        self._tables = tables
        self._sealer = sealer
        self._digests = digests
        self._clock = clock

    async def run(self, wanted: Wanted) -> list[Numbered]:
        """A page of rows, newest first. BadRequestData for what cannot be asked, DeadlineExceeded
        when too much would have to be looked through: ask for a shorter time.
        """
        unknown = wanted.keys() - Wanted.__annotations__.keys()
        limit = wanted.get("limit", 50)
        if unknown or not 0 < limit <= MOST:
            raise BadRequestData(
                f"A search of the log has no {', '.join(sorted(unknown)) or limit}"
            )
        asked = self._asked(wanted)
        ends = time.monotonic() + DEADLINE_S
        low, high = await self._between(wanted)
        found: list[Numbered] = []
        while high > low and len(found) < limit:
            if time.monotonic() > ends:
                raise DeadlineExceeded("The search looks through too much: ask for a shorter time")
            numbers, high = await self._next(asked, low, high, limit - len(found))
            for number, body in await self._bodies(numbers):
                row = read_row(body)
                if asked.fits(row) and len(found) < limit:
                    found.append(Numbered(number=number, row=row))
        return found

    def _asked(self, wanted: Wanted) -> _Asked:
        words: list[tuple[int, ...]] = []
        for column in COLUMNS:
            value = wanted.get(column, "")
            if value:
                words.append((word(column, str(value)),))
        subjects: list[str] = []
        if "subject" in wanted:
            years = range(BEGINNING, year_of(self._clock.now_us()) + 2)
            subjects = self._digests.ever(wanted["subject"], years) or [NOBODY]
            words.append(tuple(word("subject", one) for one in subjects))
        if wanted.get("outcome") == "refused":
            words.append((word("what", "refused"),))
        if wanted.get("party"):
            party = wanted["party"]
            words.append((word("organisation", party), word("owner", party)))
        return _Asked(tuple(words), wanted, frozenset(subjects))

    # --- by time ----------------------------------------------------------------------------------
    async def _between(self, wanted: Wanted) -> tuple[int, int]:
        """(low, high): numbers after low and before high may be wanted."""
        head = self._store.notes_head()
        low, high = 0, min(wanted.get("before", head + 1), head + 1)
        slack = 10_000_000  # rows of one moment are not in the order of their times
        if wanted.get("since_us"):
            low = await self.number_at(wanted["since_us"] - slack)
        if wanted.get("until_us"):
            high = min(high, 2 + await self.number_at(wanted["until_us"] + slack))
        return low, high

    async def number_at(self, at_us: int) -> int:
        """The last row that is older than a time, or so; 0: none."""
        low, high = 0, self._store.notes_head()
        while low < high:
            middle = (low + high + 1) // 2
            [(_, body)] = await settled(self._store.notes(middle - 1, 1))
            if read_row(body).at_us < at_us:
                low = middle
            else:
                high = middle - 1
        return low

    # --- by word ----------------------------------------------------------------------------------
    async def _next(self, asked: _Asked, low: int, high: int, limit: int) -> tuple[list[int], int]:
        """(numbers to be read, newest first; below which number to go on, `low`: there are no
        more)."""
        head = self._sealer.head
        sealed = 0 if head is None or self._sealer.trouble else head.size
        if not asked.words or high > sealed + 1:
            # what is not sealed yet has no places: a second's rows
            first = max(low, high - 1 - CHUNK, sealed if asked.words else low)
            return list(range(high - 1, first, -1)), first + 1 if first > low else low
        find = partial(_numbers, words=asked.words, low=low, high=high, limit=min(limit, CHUNK))
        return await self._tables.read(find)

    async def _bodies(self, numbers: list[int]) -> list[tuple[int, bytes]]:
        """Rows by their numbers, which fall; those that lie together are read together."""
        found: list[tuple[int, bytes]] = []
        at = 0
        while at < len(numbers):
            end = at + 1
            while end < len(numbers) and numbers[end] == numbers[end - 1] - 1:
                end += 1
            rows = await settled(self._store.notes(numbers[end - 1] - 1, end - at))
            found += reversed(rows)
            at = end
        return found


def _numbers(
    connection: Connection,
    *,
    words: tuple[tuple[int, ...], ...],
    low: int,
    high: int,
    limit: int,
) -> tuple[list[int], int]:
    """Numbers that have one of each alternative, newest first; below which number to go on."""
    counted: list[tuple[int, tuple[int, ...]]] = []
    for ones in words:
        some = _entries(ones, low, high).limit(ENTRIES).subquery()
        count = sa.select(sa.func.count()).select_from(some)
        counted.append((connection.execute(count).scalar_one(), ones))
    counted.sort()
    (_, rarest), *others = counted
    numbers, left = _expanded(connection, rarest, low, high)
    for _, ones in others:
        if numbers:
            there, reach = _expanded(connection, ones, numbers[-1] - 1, numbers[0] + 1)
            known = set(there)
            # behind where the entries of the other word end nothing is known: those are looked at
            numbers = [one for one in numbers if one in known or one < reach]
    if len(numbers) > limit:
        return numbers[:limit], numbers[limit - 1]
    return numbers, left


def _entries(words: tuple[int, ...], low: int, high: int) -> sa.Select[tuple[int, bytes]]:
    """Entries with numbers between, newest first."""
    spans = PLACE.c.number.between(low + 1 - SPAN, high - 1)
    found = sa.select(PLACE.c.number, PLACE.c.others).where(PLACE.c.word.in_(words), spans)
    return found.order_by(PLACE.c.number.desc())


def _expanded(
    connection: Connection, words: tuple[int, ...], low: int, high: int
) -> tuple[list[int], int]:
    """(numbers between that have one of the words, newest first; below which there may be more)."""
    rows: list[Any] = list(connection.execute(_entries(words, low, high).limit(ENTRIES)))
    left = low
    if len(rows) == ENTRIES:
        left = max(low, rows[-1][0])
        # of another word there may be entries that begin before and reach behind
        rows += connection.execute(_entries(words, left, left + 1))
    found = {
        number
        for first, others in rows
        for number in numbers_in(first, others)
        if left <= number < high and number > low
    }
    return sorted(found, reverse=True), left
