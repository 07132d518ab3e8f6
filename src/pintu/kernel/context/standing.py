"""How an entity stood between two rows of its chain: folded forward. Pure.

One place for whoever reads rows back: history, which tells any moment, and subscriptions, which
tell what was there before a change.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import orjson

from pintu.kernel.context.late import is_late, last_write_holds
from pintu.kernel.context.members import instances
from pintu.kernel.context.record import PAST_VERBS, Record, Times
from pintu.kernel.context.times import DEFAULT, time_key

Doc = dict[str, Any]
MEMBERS: Final = frozenset({"id", "type", "scope", "expiresAt"})


class Row(Protocol):
    """What is read of a row of the log."""

    @property
    def id(self) -> str:
        """Whose it is."""
        ...

    @property
    def types(self) -> tuple[str, ...]:
        """What the entity was then."""
        ...

    @property
    def verb(self) -> str:
        """What was done."""
        ...

    @property
    def at_us(self) -> int:
        """When."""
        ...

    @property
    def source(self) -> str:
        """By whom."""
        ...

    @property
    def payload(self) -> bytes:
        """What was written."""
        ...


class Standing(msgspec.Struct, array_like=True, gc=False):
    """An entity at one time; `doc` None: it was not there. Changed in place by `apply`."""

    doc: Doc | None = None
    created_us: int = 0
    modified_us: int = 0
    times: Times = {}

    def apply(self, row: Row) -> None:
        """The next row of its chain happened."""
        verb = row.verb
        if verb in PAST_VERBS:
            return
        if verb == "deleted":
            self.doc, self.times, self.created_us, self.modified_us = None, {}, 0, 0
            return
        payload: Doc = orjson.loads(row.payload)
        if verb == "created":
            self.doc, self.times = payload, {}
            self.created_us = self.modified_us = row.at_us
        elif verb == "replaced":
            self.doc, self.times = payload, {DEFAULT: [row.at_us, row.at_us]}
            self.created_us = self.created_us or row.at_us  # what came before may be unknown
            self.modified_us = row.at_us
        else:
            self._update(row, payload)

    def _update(self, row: Row, payload: Doc) -> None:
        doc = self.doc
        if doc is None:  # what came before is not known any more
            types = list(row.types)
            doc = self.doc = {"id": row.id, "type": types[0] if len(types) == 1 else types}
            self.created_us = row.at_us
        told = not last_write_holds(row.source)
        changed = False
        for name, written in payload.items():
            was, value = doc.get(name), written
            if is_single(was) and is_single(value) and name not in MEMBERS:
                changed = self._write(row, name, value, told) or changed
                continue
            if value is None:
                doc.pop(name, None)
            elif name in MEMBERS or was is None or not told:
                doc[name] = value
            else:
                value = doc[name] = _newest(was, value)
            changed = changed or value == written
            if name not in MEMBERS:
                self._stamp(name, (was, value), row.at_us)
        if changed or not payload:
            self.modified_us = row.at_us

    def _write(self, row: Row, name: str, value: Doc, told: bool) -> bool:
        """The common case: one instance over another; whether it was not late."""
        assert self.doc is not None
        if told and is_late(self.doc[name], value):
            return False
        self.doc[name] = value
        times = self.times
        known = times.get(name) or times.get(DEFAULT)
        times[name] = [known[0] if known else self.created_us, row.at_us]
        return True

    def _stamp(self, name: str, pair: tuple[Any, Any], at_us: int) -> None:
        old = {} if pair[0] is None else {one.get("datasetId"): one for one in instances(pair[0])}
        new = {} if pair[1] is None else {one.get("datasetId"): one for one in instances(pair[1])}
        times = self.times
        known_us = times.get(DEFAULT, [self.created_us])[0]
        alone = len(new) == 1 and old.keys() == new.keys()  # it was written, whatever it says
        for dataset in old.keys() - new.keys():
            times.pop(time_key(name, dataset), None)
        for dataset, one in new.items():
            key = time_key(name, dataset)
            if dataset not in old:
                times[key] = [at_us, at_us]
            elif old[dataset] is not one and (alone or old[dataset] != one):
                times[key] = [times.get(key, [known_us])[0], at_us]

    def record(self, id: str, number: int) -> Record | None:
        """As a store would have told it then."""
        doc = self.doc
        if doc is None:
            return None
        return Record(
            number, id, types_of(doc),
            orjson.dumps(doc), self.created_us, self.modified_us,
            orjson.dumps(self.times) if self.times else None,
        )  # fmt: skip


def is_single(attribute: Any) -> bool:
    """Whether an attribute is one instance, of no data set."""
    return attribute.__class__ is dict and "datasetId" not in attribute


def types_of(doc: Doc) -> tuple[str, ...]:
    """The sorted types of a stored document."""
    types = doc["type"]
    return (types,) if isinstance(types, str) else tuple(sorted(types))


def _newest(was: Any, value: Any) -> Any:
    """What was written, but for readings that came after newer ones: they changed the past
    alone."""
    old = {one.get("datasetId"): one for one in instances(was)}
    kept = []
    for one in instances(value):
        known = old.get(one.get("datasetId"))
        kept.append(known if known is not None and is_late(known, one) else one)
    return kept if isinstance(value, list) and len(kept) > 1 else kept[0]
