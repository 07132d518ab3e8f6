"""What waits in quarantine and tells of persons: behind the gate, as the data set's own rows are.

Whether a held message does is told by the mapping that could not read it, by the data set it was
for, and, where neither marks a person, by what its columns are called and look like. Where nobody
can tell any more (its mapping is gone) it is held to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.errors import Forbidden, ResourceNotFound, Unavailable
from pintu.kernel.exchange.asked import reading
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.intake.mapping import person_marks

if TYPE_CHECKING:
    from pintu.kernel.access import Receipt
    from pintu.kernel.intake import Held
    from pintu.web.rooms import Rooms
    from pintu.web.visit import Visit

FIELD: Final = "quarantine"
"""What rows of the log say was looked at: a message as it came, not columns of it."""

LINES: Final = 20
CONNECTED: Final = ("doors", "loads")
"""What sources that people connected are called after: messages and loads."""

SOMEBODY: Final = Column(name=FIELD, person="account")


class Whose:
    """Which held messages tell of persons, and of which data set; for the time of one request."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._known: dict[tuple[str, str], tuple[bool, DataSet]] = {}

    def persons(self, held: Held) -> DataSet | None:
        """The data set a message about persons was for; None when it tells of nobody."""
        key = (held.source, held.meta.get("mapping", ""))
        if key not in self._known:
            self._known[key] = self._find(*key)
        marked, found = self._known[key]
        connected = held.source.partition("/")[0] in CONNECTED
        return found if marked or (connected and _tells_of_persons(held)) else None

    def _find(self, full: str, named: str) -> tuple[bool, DataSet]:
        """Whether messages of a source are marked as ones of persons, and what they are for."""
        piece, _, source = full.partition("/")
        if piece not in CONNECTED:
            sets = [one for one in self._rooms.exchange.catalogue.list_sets()
                    if one.persons and one.name.startswith(f"{piece}.")]  # fmt: skip
            return bool(sets), sets[0] if sets else _set_of(full, "")
        saved = self._rooms.configuration.find("sources", source)
        told: dict[str, Any] = saved.content if saved is not None else {}
        nobodys = _set_of(source, str(told.get("owner", "")))
        names = [named] if named else [str(one) for one in told.get("mappings", [])]
        if saved is None or not names:
            return saved is None, nobodys
        for name in names:
            mapping = self._rooms.configuration.find("mappings", name)
            if mapping is None:
                return True, nobodys
            found = self._data_set(str(mapping.content.get("data_set", "")))
            marks = [one.get("person") for one in mapping.content.get("fields", [])]
            if any(marks) or (found is not None and found.persons):
                return True, _with_persons(found) if found is not None else nobodys
        return False, nobodys

    def _data_set(self, name: str) -> DataSet | None:
        try:
            return self._rooms.exchange.catalogue.get(name) if name else None
        except ResourceNotFound:
            return None


async def look(visit: Visit, held: Held, data_set: DataSet) -> Receipt:
    """Let somebody see a message about persons as it came: the row of the log is durable when this
    returns. Raises what the gate says; Forbidden under an agreement, which knows columns only."""
    rooms = visit.rooms
    projection = rooms.exchange.decide(visit.actor, data_set, visit.why)
    if projection.agreement or projection.own:
        raise Forbidden("A message as it came is seen by those who own its data set")
    if not isinstance(rooms.gate, ExchangeGate):
        raise Unavailable("The log is not there: what must be written down is not answered")
    told = Told(body=held.body, rows=max(1, held.body.count(b"\n")), fields=(FIELD,))
    return await rooms.gate.record(visit.actor, reading(data_set, visit.why), projection, told)


def _set_of(name: str, owner: str) -> DataSet:
    """What stands for the data set of a message of which nobody knows where it was to go."""
    return DataSet(name=name, provider="table", owner=owner, columns=[SOMEBODY])


def _with_persons(found: DataSet) -> DataSet:
    """A data set whose mapping marks persons is one of persons, whatever its own file says."""
    if found.persons:
        return found
    told = _set_of(found.name, found.owner)
    return DataSet(
        name=told.name, provider=found.provider, owner=told.owner, tenant=found.tenant,
        columns=[*found.columns, SOMEBODY],
    )  # fmt: skip


def _tells_of_persons(held: Held) -> bool:
    """Whether the columns of a message are called or look like ones of persons."""
    columns: dict[str, list[str]] = {}
    lines = held.body.split(b"\n", LINES)[:LINES] if held.kind == "records" else [held.body]
    for line in lines:
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        record = told.get("record", told) if isinstance(told, dict) else told
        for one in record if isinstance(record, list) else [record]:
            if isinstance(one, dict):
                for name, value in one.items():
                    columns.setdefault(str(name), []).append(str(value)[:100])
    return any(one.mark and one.sure for one in person_marks(columns).values())
