"""Rows of one entity in a window of the log, in columns, folded as far as a clock has come. Pure.

What a step passes is folded together: of rows that later ones make good no text is read (`folding`
and `folding_columns` know which those are), and the state at the step's end is the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Protocol

from pintu.kernel.analytics.columns import Body, differences
from pintu.kernel.analytics.columns import rows_of as filed_rows
from pintu.kernel.analytics.folding import _timed as timed_in
from pintu.kernel.analytics.folding import _updates as updates
from pintu.kernel.analytics.folding import fold
from pintu.kernel.analytics.folding_columns import fold_columns
from pintu.kernel.analytics.packs import Pack, pack_of, rows_of
from pintu.kernel.analytics.texts import DOUBLE, NUMBER, marks
from pintu.kernel.context.late import last_write_holds
from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.store.port import VERBS, Change

if TYPE_CHECKING:
    from pintu.kernel.context.standing import Standing

ALWAYS: Final = 2**62


class Strip(Protocol):
    """One entity's rows, oldest first; `due` is when each is told: its time, or that of a row
    before it where the clock was set back."""

    id: str
    due: list[int]
    ats: list[int]
    at: int  # the first row that was not folded

    def types_of(self, row: int) -> tuple[str, ...]:
        """What the entity was, as a row says."""
        ...

    def fold(self, standing: Standing, end: int) -> bool:
        """Apply the rows before `end`; False when none of them could change anything."""
        ...

    def changes(self, tenant: int) -> list[Change]:
        """The rows, as the log had them."""
        ...


class PackStrip:
    """Rows of a pack."""

    def __init__(self, id: str, pack: Pack, after_us: int = 0) -> None:
        self.id, self.at = id, 0
        self._pack = pack
        self.ats = list(accumulate(pack.ats))
        self.due = told_at(self.ats, after_us)
        self._ends = list(accumulate(pack.lengths, initial=0))
        self._past = all(VERBS[form.verb] in PAST_VERBS for form in pack.forms)
        self._seconds = self._observed()

    def _observed(self) -> list[int] | None:
        """The second that each row tells of, where all write the same attributes, one plain
        instance of each; its own number where the last write counts. None where rows differ."""
        pack, rows = self._pack, list(range(len(self.ats)))
        form = pack.forms[pack.which[0] if pack.which else 0]
        if len(set(pack.which)) > 1 or not updates(form):
            return None
        timed = timed_in(pack, pack.which or [0] * len(rows), rows, self._ends)
        if timed is None:
            return None
        if not timed or last_write_holds(form.source):
            return rows
        assert pack.told is not None
        return [at // 1_000_000 - ago for at, ago in zip(self.ats, pack.told, strict=True)]

    def types_of(self, row: int) -> tuple[str, ...]:
        """What the entity was, as a row says."""
        pack = self._pack
        return pack.forms[pack.which[row] if pack.which else 0].types

    def fold(self, standing: Standing, end: int) -> bool:
        """Apply the rows before `end`; False when none of them could change anything."""
        start, self.at = self.at, end
        if self._past:
            return False
        pack, seconds = self._pack, self._seconds
        if seconds is not None and standing.doc is not None:
            # nobody asks when an attribute came, so only rows that were observed last are seen
            newest = max(seconds[start:end])
            for row in range(start, end):
                if seconds[row] >= newest:
                    standing.apply(self._row(row))
            return True
        part = Pack(
            pack.forms, pack.which[start:end], [], [self.ats[start], *pack.ats[start + 1 : end]],
            {}, None if pack.told is None else pack.told[start:end], pack.lengths[start:end],
            pack.text[self._ends[start] : self._ends[end]],
        )  # fmt: skip
        fold(standing, part, self.id, ALWAYS)
        return True

    def _row(self, row: int) -> Change:
        pack, text = self._pack, self._pack.text[self._ends[row] : self._ends[row + 1]]
        form = pack.forms[pack.which[row] if pack.which else 0]
        return Change(
            0, 0, self.id, form.types, VERBS[form.verb], self.ats[row], form.source, form.changed,
            text, 0,
        )  # fmt: skip

    def changes(self, tenant: int) -> list[Change]:
        """The rows, as the log had them."""
        return rows_of(self._pack, (tenant, self.id))


class BodyStrip:
    """Rows of a day file."""

    def __init__(self, id: str, body: Body, after_us: int = 0) -> None:
        self.id, self.at = id, 0
        self._body = body
        self.ats = list(accumulate(body.ats))
        self.due = told_at(self.ats, after_us)
        self._columns = [
            [_values(kind, one) for kind, one in zip(marks(form.template), holes, strict=True)]
            for form, holes in zip(body.forms, body.holes, strict=True)
        ]
        self._done = [0] * len(body.forms)  # rows of each form that were folded
        self._past = all(VERBS[form.verb] in PAST_VERBS for form in body.forms)

    def types_of(self, row: int) -> tuple[str, ...]:
        """What the entity was, as a row says."""
        body = self._body
        return body.forms[body.which[row] if body.which else 0].types

    def fold(self, standing: Standing, end: int) -> bool:
        """Apply the rows before `end`; False when none of them could change anything."""
        start, self.at = self.at, end
        if self._past:
            return False
        body = self._body
        which = body.which[start:end]
        holes: list[list[Any]] = []
        for number, columns in enumerate(self._columns):
            low = self._done[number]
            high = low + (which.count(number) if which else end - start)
            self._done[number] = high
            told = zip(marks(body.forms[number].template), body.holes[number], columns, strict=True)
            holes.append([_part(kind, kept, values[low:high], low) for kind, kept, values in told])
        part = Body(body.forms, which, [], differences(self.ats[start:end]), {}, holes)
        fold_columns(standing, part, self.id, ALWAYS)
        return True

    def changes(self, tenant: int) -> list[Change]:
        """The rows, as the log had them."""
        return filed_rows(self._body, tenant, self.id)


def _values(kind: int, column: Any) -> list[Any]:
    """What stood in a hole, row by row."""
    if kind == DOUBLE:
        return list(column)
    return list(accumulate(column[1] if kind == NUMBER else column))


def _part(kind: int, kept: Any, values: list[Any], low: int) -> Any:
    """A part of a column as it is kept."""
    if kind == DOUBLE:
        return values
    if kind != NUMBER:
        return differences(values)
    scale = kept[0] if isinstance(kept[0], int) else kept[0][low : low + len(values)]
    return [scale, differences(values)]


def told_at(ats: list[int], after_us: int) -> list[int]:
    """When each row is told: never before a row that came before it."""
    return list(accumulate(ats, max, initial=after_us))[1:]


def due_before(strip: Strip, at_us: int) -> int:
    """The first row of a strip that is told after a moment."""
    return bisect_right(strip.due, at_us, strip.at)


def cut(pack: Pack, start: int, end: int) -> Pack:
    """The rows from `start` to before `end` of a pack, as a pack."""
    if start == 0 and end == len(pack.positions):
        return pack
    before = sum(pack.positions[:start])
    first = before + pack.positions[start]
    previous = {n - start: at for n, at in pack.previous.items() if start <= n < end}
    previous.setdefault(0, before)
    if not previous[0]:
        del previous[0]
    from_byte = sum(pack.lengths[:start])
    lengths = pack.lengths[start:end]
    return Pack(
        pack.forms, pack.which[start:end], [first, *pack.positions[start + 1 : end]],
        [sum(pack.ats[: start + 1]), *pack.ats[start + 1 : end]], previous,
        None if pack.told is None else pack.told[start:end], lengths,
        pack.text[from_byte : from_byte + sum(lengths)],
    )  # fmt: skip


def within(pack: Pack, span: tuple[int, int], id: str) -> Pack | None:
    """The rows of a pack that were written from a moment to before another; None: none was."""
    low, high = span
    ats = list(accumulate(pack.ats))
    wanted = [low <= at < high for at in ats]
    count = sum(wanted)
    if not count:
        return None
    start = wanted.index(True)
    if all(wanted[start : start + count]):
        return cut(pack, start, start + count)
    # the clock was set back meanwhile
    rows = rows_of(pack, (0, id))
    return pack_of([row for row, inside in zip(rows, wanted, strict=True) if inside])


def between_positions(pack: Pack, low: int, high: int) -> Pack | None:
    """The rows of a pack at positions from `low` to before `high`."""
    positions = list(accumulate(pack.positions))
    start, end = bisect_left(positions, low), bisect_left(positions, high)
    return cut(pack, start, end) if start < end else None


def strips_of(rows: Sequence[Change]) -> list[PackStrip]:
    """Rows of the log, by entity."""
    by_id: dict[str, list[Change]] = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    return [PackStrip(id, pack_of(some)) for id, some in by_id.items()]
