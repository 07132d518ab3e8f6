"""A compiled mapping: records in, updates or rows out, and what could not be read with its reason.

Pure, and the hot path of every load: some microseconds a record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping import values
from pintu.kernel.intake.mapping.by_columns import TOGETHER, ByColumns, Cell, by_columns
from pintu.kernel.intake.mapping.compiling import (
    Put,
    checked_words,
    constant_of,
    converter,
    getter,
    id_maker,
    putter,
)
from pintu.kernel.intake.mapping.doubts import Doubt, doubts_of
from pintu.kernel.intake.mapping.paths import Get, steps_of
from pintu.kernel.intake.mapping.reasons import wrong
from pintu.kernel.intake.mapping.times import parts_reader, time_reader
from pintu.kernel.intake.mapping.values import Convert
from pintu.kernel.intake.mapping.words import BadRecord, Field, Row, WordOfAttribute, Words
from pintu.kernel.intake.mapping.words import Mapping as MappingFile
from pintu.kernel.intake.words import Update

AHEAD_US: Final = 300_000_000  # a clock may go wrong by five minutes
Record = dict[str, Any]
Records = Iterable[tuple[int, Record]]
Step = tuple[str, Get | None, frozenset[str], Convert, Put, bool]


class Mapper:
    """What `compile_mapping` makes; keeps nothing of the records it is given."""

    __slots__ = (
        "_cells", "_constants", "_id", "_key", "_observed", "_steps", "_together", "_words",
        "mapping", "source",
    )  # fmt: skip

    def __init__(self, mapping: MappingFile, words: Words, source: str) -> None:
        self.mapping, self.source = mapping, source
        self._steps: list[Step] = []
        self._cells: list[Cell] = []
        self._constants: list[tuple[Field, Any, Put]] = []
        self._words: dict[str, WordOfAttribute] = {}
        self._together: ByColumns | None = None
        self._id: Callable[[Any], str] = lambda _record: ""
        self._observed: Callable[[Any], str | None] = lambda _record: None
        self._key = [one.to for one in mapping.fields if one.key]
        if mapping.target == "context":
            self._compile_context(words)
        else:
            self._compile_table()

    def context(self, records: Records, now_us: int) -> tuple[list[Update], list[BadRecord]]:
        """An update a record, and the records that give none. A record whose values are all missing
        says nothing and is in neither list. `now_us`: later than five minutes after it nothing was
        observed."""
        updates: list[Update] = []
        bad: list[BadRecord] = []
        make_id, observed, steps = self._id, self._observed, self._steps
        constants, kind, mode = self._constants, self.mapping.type, self.mapping.mode
        latest, name = iso(now_us + AHEAD_US), ""
        for line, record in records:
            try:
                name = ""
                entity: dict[str, Any] = {"id": make_id(record), "type": kind}
                at = observed(record)
                if at is not None and at > latest:
                    raise _ahead(at, now_us)
                for name, get, missing, convert, put, required in steps:
                    value = record.get(name)
                    if value is None and get is not None:
                        value = get(record)
                    if value is None or (value.__class__ is str and value in missing):
                        if required:
                            raise _empty()
                        continue
                    try:
                        found = convert(value)
                    except BadInput:
                        if not _says_nothing(value, missing) or required:
                            raise
                        continue
                    if found is not None and found != "":
                        put(entity, found, at)
                    elif required:
                        raise _empty()
            except BadInput as error:
                bad.append(refused(line, record, name, error))
                continue
            if len(entity) > 2:
                for _, value, put in constants:
                    put(entity, value, at)
                updates.append(Update(entity, mode))
        return updates, bad

    def rows(self, records: Records) -> tuple[list[Row], list[BadRecord]]:
        """A row a record, every column in it (None: nobody knows), and the records that give none.
        A point is `[lon, lat]`, a time ISO 8601 in UTC. The key joins the key columns' values with
        `|`; empty when the mapping names none."""
        if self._together is None:
            return self._each(records)
        rows: list[Row] = []
        bad: list[BadRecord] = []
        told = list(records)
        for start in range(0, len(told), TOGETHER):
            part = told[start : start + TOGETHER]
            found = self._together.rows(part)
            if found is None:
                found, wrong = self._each(part)
                bad += wrong
            rows += found
        return rows, bad

    def _each(self, records: Records) -> tuple[list[Row], list[BadRecord]]:
        rows: list[Row] = []
        bad: list[BadRecord] = []
        name, cells, key = "", self._cells, self._key
        constants = [(one.to, value) for one, value, _ in self._constants]
        for line, record in records:
            row: dict[str, Any] = {}
            try:
                for name, to, get, missing, convert, required in cells:
                    value = record.get(name)
                    if value is None and get is not None:
                        value = get(record)
                    if value is None or (value.__class__ is str and value in missing):
                        if required:
                            raise _empty()
                        row[to] = None
                        continue
                    try:
                        found = convert(value)
                    except BadInput:
                        if not _says_nothing(value, missing) or required:
                            raise
                        found = None
                    row[to] = None if found == "" else found
                for to, value in constants:
                    row[to] = value
                rows.append(Row(_key_of(row, key) if key else "", row))
            except BadInput as error:
                bad.append(refused(line, record, name, error))
        return rows, bad

    def keys(self, records: Iterable[dict[str, Any]]) -> list[str]:
        """The keys of rows of a table data set, of records that may say nothing but their key; one
        that does not say it is left out."""
        cells = [one for one in self._cells if one[1] in self._key]
        found = []
        for record in records:
            row: dict[str, Any] = {}
            try:
                for name, to, get, missing, convert, _ in cells:
                    value = record.get(name)
                    if value is None and get is not None:
                        value = get(record)
                    if value is None or (value.__class__ is str and value in missing):
                        break
                    row[to] = convert(value)
            except BadInput:
                continue
            if len(row) == len(self._key) > 0:
                found.append(_key_of(row, self._key))
        return found

    def ids(self, records: Iterable[dict[str, Any]]) -> list[str]:
        """The entity ids of records that may say nothing else; one that tells none is left out."""
        found = []
        for record in records:
            with contextlib.suppress(BadInput):
                found.append(self._id(record))
        return found

    def read(self, field: Field, value: Any) -> Any:
        """One value as this mapping converts it, for a page that shows what would come out;
        BadRequestData says why nothing does."""
        return converter(field, self._words.get(field.to), self.mapping)(value)

    def doubts(self, records: Records) -> list[Doubt]:
        """What looks wrong though it can be read: a unit a thousand off, columns that are not
        there, ids that come twice. For a dry run, and for the first chunk of a load."""
        return doubts_of(self.mapping, self._words, list(records), self._id)

    # --- compiling --------------------------------------------------------------------------------
    def _compile_context(self, words: Words) -> None:
        mapping = self.mapping
        self._words, mistakes = checked_words(mapping, words)
        missing = frozenset(mapping.missing)
        for one in mapping.fields:
            word = self._words.get(one.to)
            if word is None:
                continue
            try:
                convert = self._converter(one, word, words)
                put = putter(one, word, self.source)
                if not one.source:
                    self._constants.append((one, constant_of(one, convert), put))
                    continue
            except ConfigurationError as error:
                mistakes += error.mistakes
                continue
            self._steps.append(
                (_label(one), _way(one.source), missing.union(one.missing), convert, put,
                 one.required)
            )  # fmt: skip
        if mistakes:
            raise ConfigurationError(mistakes)
        prefix = f"urn:ngsi-ld:{mapping.type}:{self.source}:"
        self._id = id_maker(mapping.id, prefix, missing)
        if mapping.observed_at:
            self._observed = _observed(mapping)

    def _converter(self, one: Field, word: WordOfAttribute, words: Words) -> Convert:
        if word.codes:
            labels = words.code_labels(self.mapping.type, one.to)
            return values.code(one.codes, word.codes, labels)
        return converter(one, word, self.mapping)

    def _compile_table(self) -> None:
        mistakes: list[str] = []
        missing = frozenset(self.mapping.missing)
        for one in self.mapping.fields:
            try:
                convert = converter(one, None, self.mapping)
                if one.kind == "point":
                    convert = _position(convert)
                if not one.source:
                    constant = constant_of(one, convert)
                    self._constants.append((one, constant, lambda _entity, _value, _at: None))
                    continue
            except ConfigurationError as error:
                mistakes += error.mistakes
                continue
            self._cells.append(
                (_label(one), one.to, _way(one.source), missing.union(one.missing), convert,
                 one.required or one.key)
            )  # fmt: skip
        if mistakes:
            raise ConfigurationError(mistakes)
        told = [(one.to, value) for one, value, _ in self._constants]
        plain = frozenset(
            one.to
            for one in self.mapping.fields
            if one.kind == "number" and one.low is None and one.high is None and not one.codes
        )
        self._together = by_columns(self._cells, plain, told, self._key)


def compile_mapping(mapping: MappingFile, words: Words, *, source: str) -> Mapper:
    """A mapping made ready; ConfigurationError names every word, unit and code that does not fit,
    and every column of a person a context mapping uses. `source` is the middle of entity ids."""
    return Mapper(mapping, words, source)


def refused(line: int, record: Mapping[str, Any], name: str, error: BadInput) -> BadRecord:
    """A record that cannot be mapped, with its reason in both languages."""
    zh = str(error.extra.get("zh", ""))
    return BadRecord(
        line,
        dict(record),
        f"{name}: {error.detail}" if name else error.detail,
        name,
        (f"{name}：{zh}" if name else zh) if zh else "",
    )


def _way(source: str | list[str]) -> Get | None:
    """How a value is got that is in no column of the label's name; None: it is nowhere else."""
    return None if isinstance(source, str) and len(steps_of(source)) == 1 else getter(source)


def _label(field: Field) -> str:
    return field.source if isinstance(field.source, str) else ", ".join(field.source)


def _position(convert: Convert) -> Convert:
    def read(value: Any) -> Any:
        found = convert(value)
        return None if found is None else found["coordinates"]

    return read


def _key_of(row: dict[str, Any], key: list[str]) -> str:
    if len(key) == 1:
        return str(row[key[0]])
    return "|".join(str(row[one]).replace("%", "%25").replace("|", "%7C") for one in key)


def _says_nothing(value: Any, missing: frozenset[str]) -> bool:
    """A value that means missing when it is looked at closely: blanks around it, or NaN."""
    if value.__class__ is str:
        return value.strip() in missing
    if value.__class__ is list:
        return any(_says_nothing(one, missing) for one in value)
    return bool(value != value)


def _observed(mapping: MappingFile) -> Callable[[Any], str]:
    columns = mapping.observed_at
    get = getter(columns)
    form, missing = mapping.observed_format, frozenset(mapping.missing)
    read: Callable[[Any], str] = (
        time_reader(form, mapping.zone)
        if isinstance(columns, str)
        else parts_reader(len(columns), form, mapping.zone)
    )
    label = columns if isinstance(columns, str) else ", ".join(columns)

    def observed(record: Any) -> str:
        value = get(record)
        if value is None or (value.__class__ is str and value in missing):
            raise wrong(f"It has no time: {label} is empty", f"没有时间：“{label}”为空")
        return read(value)

    return observed


def _empty() -> BadInput:
    return wrong("It is empty, and must not be", "为空，而此项必填")


def _ahead(at: str, now_us: int) -> BadInput:
    return wrong(
        f"Time {at} lies ahead of now ({iso(now_us)}): is the source's clock, or its zone, wrong?",
        f"时间 {at} 晚于现在（{iso(now_us)}）：来源的时钟或时区是否有误？",
    )
