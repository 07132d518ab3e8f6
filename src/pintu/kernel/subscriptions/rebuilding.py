"""Changes read back from the log made whole again: the documents before and after them.

A row of the log says what was written, not what was there. Each entity's chain is walked back to
the last row that has its whole document and forward again; whoever reads the log in order gets the
next row of the entity from what the one before left.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import orjson

from pintu.kernel.context.changes import NOT_ATTRIBUTES
from pintu.kernel.context.late import is_late, last_write_holds
from pintu.kernel.context.members import instances
from pintu.kernel.context.record import PAST_VERBS, Record, Times
from pintu.kernel.context.times import DEFAULT, time_key
from pintu.kernel.store.port import Change, settled

Doc = dict[str, Any]

MOST_ROWS: Final = 5_000
"""Rows of one entity that are walked back; past them the present stands in for what they said."""

STEP: Final = 200
KEPT: Final = 2_000
"""Entities whose latest document is remembered between two rows."""


class Chain(Protocol):
    """What rebuilding needs of a store."""

    def history(self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000) -> Any:
        """An entity's changes, newest first."""
        ...

    def retrieve(self, tenant: int, id: str) -> Any:
        """An entity as it is."""
        ...


class State(msgspec.Struct, frozen=True, gc=False):
    """An entity between two rows; `doc` None when there is none."""

    doc: Doc | None
    created_us: int
    times: Times


NOTHING: Final = State(None, 0, {})


class Rebuilder:
    """Makes rows whole; lives on the loop."""

    def __init__(self, store: Chain, *, most_rows: int = MOST_ROWS) -> None:
        self._store = store
        self._most = most_rows
        self._known: dict[tuple[int, str], tuple[int, State]] = {}
        self.walked = 0  # rows that were read again

    async def rebuild(self, change: Change) -> Change:
        """The change as those who listened when it happened got it. Raises Unavailable while the
        store is away."""
        key = change.tenant, change.id
        at, state = self._known.pop(key, (-1, NOTHING))
        if at != change.previous or at < 0:
            state = await self._before(change)
        after = applied(state, change)
        if len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[key] = (change.position, after)
        told = after if after.doc is not None else state
        return msgspec.structs.replace(
            change,
            before=None if state.doc is None else orjson.dumps(state.doc),
            body=None if after.doc is None else orjson.dumps(after.doc),
            created_us=told.created_us,
            times=orjson.dumps(told.times) if told.times else None,
        )

    async def _before(self, change: Change) -> State:
        """The entity before a row of its chain."""
        if change.verb == "created" or not change.previous:
            return NOTHING
        rows: list[Change] = []
        position = change.position
        while len(rows) < self._most:
            page: list[Change] = await settled(
                self._store.history(change.tenant, change.id, before=position, limit=STEP)
            )
            self.walked += len(page)
            for row in page:
                rows.append(row)
                if row.verb in ("created", "deleted"):
                    return _replayed(NOTHING, rows)
            if len(page) < STEP:
                break
            position = page[-1].position
        return _replayed(await self._present(change), rows)

    async def _present(self, change: Change) -> State:
        """What is there now, for what no row that is left says."""
        record: Record | None = await settled(self._store.retrieve(change.tenant, change.id))
        if record is None:
            return NOTHING
        return State(orjson.loads(record.body), record.created_us, {})


async def rebuilt(store: Chain, change: Change) -> Change:
    """One row made whole, by itself."""
    return await Rebuilder(store).rebuild(change)


def _replayed(state: State, rows: list[Change]) -> State:
    """The state after some rows, newest first."""
    for row in reversed(rows):
        state = applied(state, row)
    return state


def applied(state: State, row: Change) -> State:
    """The state after a row."""
    verb = row.verb
    if verb in PAST_VERBS:
        return state
    if verb == "deleted":
        return NOTHING
    payload: Doc = orjson.loads(row.payload)
    if verb == "created":
        return State(payload, row.at_us, {})
    if verb == "replaced":
        return State(payload, state.created_us or row.at_us, {DEFAULT: [row.at_us, row.at_us]})
    doc = dict(state.doc or {"id": row.id, "type": _types(row)})
    times = dict(state.times)
    known_us = times.get(DEFAULT, [state.created_us])[0]
    for name, value in payload.items():
        was = doc.get(name)
        if value is None:
            doc.pop(name, None)
        else:
            doc[name] = value if name in NOT_ATTRIBUTES else _without_late(was, value, row)
        if name not in NOT_ATTRIBUTES:
            _stamp(times, name, (was, doc.get(name)), row.at_us, known_us)
    return State(doc, state.created_us, times)


def _types(row: Change) -> Any:
    return row.types[0] if len(row.types) == 1 else sorted(row.types)


def _without_late(was: Any, value: Any, row: Change) -> Any:
    """What was written, but for readings a source handed in after newer ones: they changed the
    past alone."""
    if was is None or last_write_holds(row.source):
        return value
    old = {one.get("datasetId"): one for one in instances(was)}
    kept = []
    for one in instances(value):
        known = old.get(one.get("datasetId"))
        kept.append(known if known is not None and is_late(known, one) else one)
    return kept if isinstance(value, list) else kept[0]


def _stamp(times: Times, name: str, pair: tuple[Any, Any], at_us: int, known_us: int) -> None:
    """Note which instances came, changed or went."""
    old = {} if pair[0] is None else {one.get("datasetId"): one for one in instances(pair[0])}
    new = {} if pair[1] is None else {one.get("datasetId"): one for one in instances(pair[1])}
    for dataset in old.keys() - new.keys():
        times.pop(time_key(name, dataset), None)
    for dataset, one in new.items():
        key = time_key(name, dataset)
        if dataset not in old:
            times[key] = [at_us, at_us]
        elif old[dataset] != one or (len(new) == 1 and old.keys() == new.keys()):
            times[key] = [times.get(key, [known_us])[0], at_us]
