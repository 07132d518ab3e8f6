"""A dry run of a mapping on the sample that was seen: what would be new, changed or the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.words import Condition, Question
from pintu.kernel.intake.doors.words import SourceFile, TableSeen
from pintu.kernel.intake.mapping import Doubt, compile_mapping
from pintu.kernel.intake.mapping.words import BadRecord, Field, Mapping, Row, Words
from pintu.kernel.store.port import settled
from pintu.web.api.states import value_of
from pintu.web.pages import labels
from pintu.web.pages.connect_places import (
    Places,
    judged,
    places_of_entities,
    places_of_rows,
)
from pintu.web.visit import Visit

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One column of what the sample becomes."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One record as it would be; `before` holds what it would replace."""

    state: str  # new | changed | same
    cells: dict[str, str]
    before: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a dry run found."""

    rows: list[Tried]
    columns: list[Heading]
    bad: list[BadRecord]
    persons: bool = False
    masked: tuple[str, ...] = ()  # columns whose values nobody can judge: the sample masks them
    doubts: list[Doubt] = field(default_factory=list)
    places: Places = field(default_factory=Places)

    @property
    def tried(self) -> int:
        """Records of the sample."""
        return len(self.rows) + len(self.bad)

    def _count(self, state: str) -> int:
        return sum(1 for one in self.rows if one.state == state)

    @property
    def new(self) -> int:
        """Records nobody had."""
        return self._count("new")

    @property
    def changed(self) -> int:
        """Records that differ from what is there."""
        return self._count("changed")

    @property
    def same(self) -> int:
        """Records that are there already."""
        return self._count("same")


def known_words() -> Words:
    """The vocabulary as mappings need it; read when somebody first maps."""
    from pintu.vocabulary.mapping_words import mapping_words

    return mapping_words()


async def try_mapping(
    rooms: Rooms, visit: Visit, mapping: Mapping, source: SourceFile, table: TableSeen
) -> Trial:
    """Map the sample and compare it with what the city has; nothing is kept."""
    masked = masked_fields(mapping, table)
    if masked:
        mapping = as_masked(mapping, masked)
    mapper = compile_mapping(mapping, known_words(), source=source.name)
    records = list(enumerate(table.sample, start=1))
    number = rooms.store.tenant(source.tenant) or 0
    if mapping.target == "table":
        rows, bad = mapper.rows(records)
        found = await _try_rows(rooms, visit, mapping, rows, masked)
        points = places_of_rows(rows, mapping)
        places = await judged(rooms, number, points, mapping)
        doubts = mapper.doubts(records)
        found = replace(found, bad=bad, doubts=doubts, places=places)
        return replace(found, masked=tuple(masked))
    updates, bad = mapper.context(records, rooms.clock.now_us())
    names = list(dict.fromkeys(one.to for one in mapping.fields))
    known = known_words().attributes(mapping.type)
    tried = []
    for update in updates:
        record = await settled(rooms.store.retrieve(number, update.entity["id"]))
        before = orjson.loads(record.body) if record is not None else None
        tried.append(_compared(update.entity, before, names, visit))
    headings = [
        Heading(name=one, title=visit.words.pick(known[one].labels) if one in known else one)
        for one in names
    ]
    points = places_of_entities([one.entity for one in updates])
    return Trial(
        rows=tried,
        columns=[Heading(name="id", title="id"), *headings],
        bad=bad,
        doubts=mapper.doubts(records),
        places=await judged(rooms, number, points, mapping),
    )


def masked_fields(mapping: Mapping, table: TableSeen) -> list[str]:
    """The fields of a table mapping that are read from columns of persons, which a look masks."""
    if mapping.target != "table":
        return []
    masked = {
        one.name
        for one in table.columns
        if one.person and any("*" in str(row.get(one.name, "")) for row in table.sample)
    }
    return [
        one.to
        for one in mapping.fields
        if masked & ({one.source} if isinstance(one.source, str) else set(one.source))
    ]


def as_masked(mapping: Mapping, masked: list[str]) -> Mapping:
    """The mapping with those fields taken as they are: `19********` is no date, the person's is."""
    fields = [
        Field(to=one.to, source=one.source, title=one.title, person=one.person, key=one.key)
        if one.to in masked and isinstance(one.source, str)
        else one
        for one in mapping.fields
    ]
    return msgspec.structs.replace(mapping, fields=fields)


def _once(headings: list[Heading]) -> list[Heading]:
    return list({one.name: one for one in headings}.values())


def _compared(
    entity: dict[str, Any], before: dict[str, Any] | None, names: list[str], visit: Visit
) -> Tried:
    """One entity beside what is stored under its id."""
    now = {one: _part(entity, one) for one in names}
    cells = {one: _said(value, visit) for one, value in now.items()}
    cells["id"] = entity["id"]
    if before is None:
        return Tried(state="new", cells=cells)
    was = {
        one: _said(_part(before, one), visit)
        for one, value in now.items()
        if value is not None and _part(before, one) != value
    }
    return Tried(state="changed" if was else "same", cells=cells, before=was)


def _said(value: Any, visit: Visit) -> str:
    """A value as it would be kept: numbers with every digit they have."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return labels.said(value, visit.words)[:200]


def _part(entity: dict[str, Any], path: str) -> Any:
    """The value of an attribute, or of a member of it: `address.streetAddress`."""
    name, *members = path.split(".")
    value = value_of(entity, name)
    for member in members:
        value = value.get(member) if isinstance(value, dict) else None
    return value


async def _try_rows(
    rooms: Rooms,
    visit: Visit,
    mapping: Mapping,
    rows: list[Row],
    masked: list[str],
) -> Trial:
    keys = [one.to for one in mapping.fields if one.key]
    there = await _rows_there(rooms, visit, mapping, keys, rows)
    tried = []
    for row in rows:
        cells = {name: _said(value, visit) for name, value in row.values.items()}
        old = there.get(tuple(str(row.values.get(one)) for one in keys)) if keys else None
        if old is None:
            tried.append(Tried(state="new", cells=cells))
            continue
        said = {one: _said(old.get(one), visit) for one in row.values}
        was = {
            name: text for name, text in said.items() if text != cells[name] and name not in masked
        }
        tried.append(Tried(state="changed" if was else "same", cells=cells, before=was))
    headings = [
        Heading(name=one.to, title=visit.words.title(one.title) or one.to) for one in mapping.fields
    ]
    persons = any(one.person for one in mapping.fields)
    return Trial(rows=tried, columns=_once(headings), bad=[], persons=persons)


async def _rows_there(
    rooms: Rooms, visit: Visit, mapping: Mapping, keys: list[str], rows: list[Row]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows a data set has already under these keys; none when there is no data set yet."""
    if not keys or not rows:
        return {}
    wanted = [row.values.get(keys[0]) for row in rows]
    question = Question(where=(Condition(keys[0], "in", wanted),), limit=1_000)
    try:
        found = await rooms.exchange.ask(visit.actor, mapping.data_set, question)
    except PintuError:
        return {}
    return {tuple(str(one.get(key)) for key in keys): one for one in found.rows}
