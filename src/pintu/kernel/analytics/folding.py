"""Rows of a pack folded up to a moment without reading those that later ones make good. Pure.

Of rows that write single instances only the first of a form is seen in how the entity stands
afterwards (when an attribute came), and those that were observed last: whatever was observed before
them cannot be the present value, in whichever order it came. A few searches through the text tell
whether rows are that plain; where they are not, every row is applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Final

from pintu.kernel.analytics.packs import Form, Pack
from pintu.kernel.context.late import last_write_holds
from pintu.kernel.context.standing import MEMBERS, Standing
from pintu.kernel.store.port import VERB_NUMBER, VERBS, Change

_UPDATED: Final = VERB_NUMBER["updated"]
FEW: Final = 4
"""So many rows are applied sooner than looked at."""


def fold(standing: Standing, told: Pack, id: str, until_us: int) -> int:
    """Apply the rows up to the first one after a moment; how many that were."""
    ats: list[int] = []
    for at in accumulate(told.ats):
        if at > until_us:
            break
        ats.append(at)
    ends = list(accumulate(told.lengths[: len(ats)], initial=0))
    which = (told.which or [0] * len(ats))[: len(ats)]
    for row in _matter(told, ats, which, ends):
        form = told.forms[which[row]]
        payload = told.text[ends[row] : ends[row + 1]]
        standing.apply(
            Change(
                0, 0, id, form.types, VERBS[form.verb], ats[row], form.source, form.changed,
                payload, 0,
            )
        )  # fmt: skip
    return len(ats)


def _matter(told: Pack, ats: list[int], which: list[int], ends: list[int]) -> Sequence[int]:
    """The rows that are seen in how the entity stands after all of these, in order."""
    if len(ats) <= FEW:
        return range(len(ats))
    updates = [_updates(form) for form in told.forms]
    found: list[int] = []
    for plain, run in groupby(range(len(ats)), lambda row: updates[which[row]]):
        rows = list(run)
        if not plain or len(rows) <= FEW:
            found += rows
            continue
        timed = _timed(told, which, rows, ends)
        found += rows if timed is None else _seen(told, ats, which, rows, timed=timed)
    return found


def _updates(form: Form) -> bool:
    return form.verb == _UPDATED and not MEMBERS.intersection(form.changed or MEMBERS)


def _timed(told: Pack, which: list[int], rows: list[int], ends: list[int]) -> bool | None:
    """Whether each instance of a run tells its time of observing (True), or none does (False);
    None when the run is not that plain: attributes of several instances, deleted ones, values and
    attributes with members of their own.

    The text is the store's own: it was written without a space.
    """
    text, start, end = told.text, ends[rows[0]], ends[rows[-1] + 1]
    written = sum(len(told.forms[which[row]].changed or ()) for row in rows)
    if text.count(b'":{', start, end) != written:
        return None
    if text.find(b'"datasetId":', start, end) >= 0 or text.find(b'":null', start, end) >= 0:
        return None
    if text.find(b'": ', start, end) >= 0:
        return None
    timed = text.count(b'"observedAt":', start, end)
    if timed and (timed != written or told.told is None):
        return None
    return bool(timed)


def _seen(
    told: Pack, ats: list[int], which: list[int], rows: list[int], *, timed: bool
) -> list[int]:
    """Of a plain run: the first row of each form, and for each attribute those observed last, to
    the second; where no time is told, or nobody is held to it, the last written."""
    forms = {which[row] for row in rows}
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(which[row], row)
    kept = set(first.values())
    free = [last_write_holds(told.forms[number].source) for number in forms]
    if not timed or all(free):
        kept.update({which[row]: row for row in rows}.values())
        return sorted(kept)
    if any(free):
        return rows  # some are held to their time and some are not: one after the other
    ago = told.told or []
    seconds = [ats[row] // 1_000_000 - ago[row] for row in rows]
    newest: dict[int, int] = {}
    for row, second in zip(rows, seconds, strict=True):
        if second >= newest.get(which[row], second):
            newest[which[row]] = second
    by_name: dict[str, int] = {}
    for number, second in newest.items():
        for name in told.forms[number].changed or ():
            by_name[name] = max(second, by_name.get(name, second))
    least = {n: min(by_name[name] for name in told.forms[n].changed or ()) for n in forms}
    kept.update(
        row for row, second in zip(rows, seconds, strict=True) if second >= least[which[row]]
    )
    return sorted(kept)
