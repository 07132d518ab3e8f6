"""Is this the log that was sealed? Every row is hashed again, every head compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pintu_verify.merkle import Growing, leaf_of
from pintu_verify.notes import Head, Key
from pintu_verify.sources import Piece
from pintu_verify.times import told

TOLERANCE_US = 5_000_000
"""Rows are numbered when they are durable and timed when they are handed in: those of one moment
may be this much out of order."""

MOST = 20
"""Findings that are told one by one."""


@dataclass
class Found:
    """What a check found: sentences that say what is wrong, and what was seen."""

    wrong: list[str] = field(default_factory=list)
    more: int = 0
    rows: int = 0
    heads: int = 0
    cosigned: int = 0
    unsealed: int = 0
    first_us: int | None = None
    last_us: int | None = None
    set_back: list[str] = field(default_factory=list)
    newest: Head | None = None

    def say(self, sentence: str) -> None:
        """One thing that is wrong."""
        if len(self.wrong) < MOST:
            self.wrong.append(sentence)
        else:
            self.more += 1


class LogCheck:
    """Goes through a log once, row by row."""

    def __init__(
        self, keys: Sequence[Key], witnesses: Sequence[Key] = (), *, tolerance_us: int
    ) -> None:
        """`keys`: of the log, one of which must have signed each head."""
        self.found = Found()
        self._keys = keys
        self._witnesses = witnesses
        self._tolerance_us = tolerance_us
        self._tree = Growing()
        self._heads: dict[int, list[Head]] = {}
        self._known: set[str] = set()
        self._latest_us = 0  # of a row
        self._sealed_us: int | None = None  # of the newest head passed
        self._next = 1

    def take_heads(self, pieces: Iterable[Piece]) -> None:
        """Heads from outside: what a witness, a neighbour or an auditor kept."""
        for one in pieces:
            if isinstance(one, Head):
                self._meet(one)

    def run(self, pieces: Iterable[Piece]) -> Found:
        """Everything; what is wrong is in the answer's `wrong`."""
        found = self.found
        self._pass(0)
        for one in pieces:
            if isinstance(one, Head):
                self._meet(one)
                self._pass(one.size, only=one)
            else:
                self._row(*one)
        for size in sorted(self._heads):
            if size > self._tree.size:
                signed_at = told(self._heads[size][0].at_us)
                found.say(
                    f"Rows are missing at the end: a head signed on {signed_at} covers {size} "
                    f"rows, the log has {self._tree.size}. It was cut, rewound, or is an old backup"
                )
        found.rows = self._tree.size
        found.unsealed = found.rows - (found.newest.size if found.newest else 0)
        return found

    # --- heads ------------------------------------------------------------------------------------
    def _meet(self, head: Head) -> None:
        """A head: is it the log's, and does it wait for its row?"""
        if head.text in self._known:
            return
        self._known.add(head.text)
        self.found.heads += 1
        if not any(head.signed_by(key) for key in self._keys):
            self.found.say(
                f"The head over {head.size} rows of {head.origin!r} is not signed by the key "
                "that was given"
            )
            return
        seconds = [at for key in self._witnesses if (at := head.cosigned_by(key)) is not None]
        self.found.cosigned += bool(seconds)
        self._heads.setdefault(head.size, []).append(head)
        if head.size < self._tree.size:
            self.found.say(f"The head over {head.size} rows comes after row {self._tree.size}")

    def _pass(self, size: int, only: Head | None = None) -> None:
        """The log has so many rows now: are the heads of that size over these rows?"""
        if size != self._tree.size:
            return
        for head in self._heads.get(size, ()):
            if only is not None and head is not only:
                continue
            if head.root != self._tree.root():
                self.found.say(
                    f"The first {size} rows are not those that were sealed on {told(head.at_us)}: "
                    "a row was changed, dropped, moved or put in, or the log was forked before it"
                )
                continue
            if self.found.newest is None or head.size >= self.found.newest.size:
                self.found.newest = head
            if head.at_us is not None:
                self._pass_time(size, head.at_us)

    def _pass_time(self, size: int, at_us: int) -> None:
        if self._latest_us > at_us + self._tolerance_us:
            self.found.say(
                f"A row before row {size} says {told(self._latest_us)}, later than the head that "
                f"sealed it on {told(at_us)}"
            )
        if self._sealed_us is not None and at_us < self._sealed_us - self._tolerance_us:
            self.found.say(
                f"The head over {size} rows says {told(at_us)}, earlier than a head over fewer rows"
            )
        self._sealed_us = max(self._sealed_us or 0, at_us)

    # --- rows -------------------------------------------------------------------------------------
    def _row(self, number: int, body: bytes) -> None:
        found = self.found
        if number != self._next:
            if number > self._next:
                last = number - 1
                missing = (
                    f"Row {last} is" if last == self._next else f"Rows {self._next}-{last} are"
                )
                found.say(f"{missing} missing")
            else:
                found.say(f"Row {number} comes after row {self._next - 1}: the order is not kept")
        self._next = number + 1
        self._tree.add(leaf_of(body))
        self._time(number, body)
        self._pass(self._tree.size)

    def _time(self, number: int, body: bytes) -> None:
        found = self.found
        try:
            row = json.loads(body)
            at_us = row["at_us"]
            if type(at_us) is not int:
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            found.say(f"Row {number} is no row of a log: it has no time")
            return
        if found.first_us is None:
            found.first_us = at_us
        found.last_us = at_us
        if row.get("what") == "node" and row.get("deed") == "clock":
            found.set_back.append(
                f"Row {number} says that the city's clock was set back on {told(at_us)}"
            )
            self._latest_us, self._sealed_us = at_us, None
        if at_us < self._latest_us - self._tolerance_us:
            found.say(
                f"Row {number} says {told(at_us)}, a row before it says {told(self._latest_us)}: "
                "it was dated back"
            )
        elif self._sealed_us is not None and at_us < self._sealed_us - self._tolerance_us:
            found.say(
                f"Row {number} says {told(at_us)}, and the rows before it were sealed on "
                f"{told(self._sealed_us)}: it was dated back"
            )
        self._latest_us = max(self._latest_us, at_us)


def sentences(found: Found, tolerance_us: int) -> list[str]:
    """What is told of a log, wrong or right."""
    lines = [f"WRONG: {one}." for one in found.wrong]
    if found.more:
        lines.append(f"… and {found.more} more of these.")
    lines += [f"Note: {one}." for one in found.set_back]
    span = f"from {told(found.first_us)} to {told(found.last_us)}" if found.rows else "none"
    lines.append(f"{found.rows} rows ({span}) were hashed, {found.heads} heads looked at.")
    if found.newest is not None:
        what = "These rows are" if not found.wrong else "Rows are as they were"
        lines.append(
            f"{what} sealed up to row {found.newest.size}: root "
            f"{found.newest.root.hex()}, signed on {told(found.newest.at_us)}."
        )
    if found.cosigned:
        lines.append(f"{found.cosigned} heads carry the countersignature of a witness you named.")
    if found.unsealed and found.newest is not None:
        lines.append(f"The last {found.unsealed} rows are behind the newest head: not proved yet.")
    if not found.wrong:
        seconds = tolerance_us / 1_000_000
        sealed = found.newest.size if found.newest is not None else 0
        which = f"Up to row {sealed} no" if found.unsealed else "No"
        lines.append(
            f"{which} row was changed, dropped, moved or dated back by more than {seconds:g} s."
        )
    return lines
