"""A day's rows as a Parquet file: columns of positions, times, numbers, and templates by number.

A row is what a pack holds of it, one column a kind of hole. Nothing is lost: an entity's rows come
back equal. The file is written beside, synced, read back once, then renamed; its name ends in its
checksum, because of what a damaged one makes Parquet's reader do: it may end the whole process.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pintu.kernel.analytics.columns import (
    Body,
    Form,
    observed,
    scales_of,
    sums,
)
from pintu.kernel.analytics.texts import DOUBLE, NUMBER, marks

GROUP_ROWS: Final = 16_384
"""Rows read together: an entity's day is in one or two groups."""
FILE_ROWS: Final = 2_000_000
CHECK_DIGITS: Final = 8

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
SCHEMA: Final = pa.schema(
    [
        ("id", _DICTIONARY),
        ("position", pa.int64()),
        (
            "gap",
            pa.int64(),
        ),  # µs since the row before of the entity, in a group; else since 1970
        ("previous", pa.int64()),  # minus the position of the entity's row before, in this file
        ("form", _DICTIONARY),  # JSON: [types, verb, source, changed]
        ("template", pa.dictionary(pa.int32(), pa.binary())),
        ("base", pa.binary()),  # how the entity stood before this row; of a pack's first one
        ("decimals", pa.list_(pa.int64())),
        ("scales", pa.list_(pa.int8())),
        ("floats", pa.list_(pa.float64())),
        ("times", pa.list_(pa.int64())),
    ]
)
NAMED: Final = ["id", "form", "template"]
_DELTA = "DELTA_BINARY_PACKED"
_OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 9,
    "use_dictionary": ["id", "form", "template", "scales.list.element", "previous"],
    "column_encoding": {
        "position": _DELTA,
        "gap": "BYTE_STREAM_SPLIT",  # jitter of µs: two bytes are noise, the others nearly constant
        "decimals.list.element": _DELTA,
        "times.list.element": _DELTA,
        "floats.list.element": "BYTE_STREAM_SPLIT",
    },
    "write_statistics": ["id"],
    "store_schema": False,
}


class Written(msgspec.Struct, kw_only=True):
    """What a file holds, as it is recorded."""

    path: str
    low: str
    high: str
    first: int
    last: int
    rows: int
    bytes: int
    since_us: int
    until_us: int
    observed_us: int
    observed_to_us: int
    types: list[list[str]]


class Columns:
    """Rows on their way into a group of a file."""

    def __init__(self) -> None:
        self.id: list[str] = []
        self.position: list[int] = []
        self.gap: list[int] = []
        self.previous: list[int] = []
        self.form: list[str] = []
        self._last = ("", 0, 0)  # the row added last: entity, position, time
        self.template: list[bytes] = []
        self.base: list[bytes | None] = []
        self.holes: dict[str, tuple[list[int], list[Any]]] = {
            name: ([0], []) for name in ("decimals", "scales", "floats", "times")
        }

    def __len__(self) -> int:
        return len(self.position)

    def add(self, id: str, body: Body, base: bytes | None) -> None:
        """The rows of one entity's pack."""
        positions = list(accumulate(body.positions))
        self.id += [id] * len(positions)
        self.base += [base, *[None] * (len(positions) - 1)]
        self.position += positions
        last_id, last, at = self._last
        if last_id != id:
            last = at = 0
        self.gap += (body.ats[0] - at, *body.ats[1:])
        self._last = (id, positions[-1], sum(body.ats))
        before = [last, *positions[:-1]]
        self.previous += (
            body.previous.get(n, positions[n - 1] if n else 0) - one for n, one in enumerate(before)
        )
        forms = [_said(form) for form in body.forms]
        which = body.which or [0] * len(positions)
        self.form += (forms[n] for n in which)
        self.template += (body.forms[n].template for n in which)
        parts = [
            _filled(form.template, holes)
            for form, holes in zip(body.forms, body.holes, strict=True)
        ]
        for n in which:
            decimals, scales, floats, times = parts[n]
            self._put("decimals", decimals)
            self._put("scales", scales)
            self._put("floats", floats)
            self._put("times", times)

    def _put(self, name: str, values: Iterator[tuple[Any, ...]] | None) -> None:
        ends, column = self.holes[name]
        if values is not None:
            column += next(values)
        ends.append(len(column))

    def table(self) -> pa.Table:
        """As Arrow has it."""
        plain: list[Any] = [
            self.id,
            self.position,
            self.gap,
            self.previous,
            self.form,
            self.template,
        ]
        plain.append(self.base)
        arrays = []
        for column, field in zip(plain, SCHEMA, strict=False):
            named = pa.types.is_dictionary(field.type)
            array = pa.array(column, type=field.type.value_type if named else field.type)
            arrays.append(array.dictionary_encode() if named else array)
        for name, (ends, column) in self.holes.items():
            kind = SCHEMA.field(name).type
            values = pa.array(column, type=kind.value_type)
            offsets = pa.array(ends, type=pa.int32())
            arrays.append(pa.ListArray.from_arrays(offsets, values, type=kind))
        return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _said(form: Form) -> str:
    return orjson.dumps([form.types, form.verb, form.source, form.changed]).decode()


def _filled(template: bytes, holes: list[Any]) -> list[Iterator[tuple[Any, ...]] | None]:
    """For each sort of hole the values row by row; None when the template has none."""
    found: dict[str, list[Any]] = {"decimals": [], "scales": [], "floats": [], "times": []}
    for kind, column in zip(marks(template), holes, strict=True):
        if kind == NUMBER:
            found["decimals"].append(sums(column[1]))
            found["scales"].append(scales_of(column[0], len(column[1])))
        elif kind == DOUBLE:
            found["floats"].append(column)
        else:
            found["times"].append(sums(column))
    return [zip(*columns, strict=True) if columns else None for columns in found.values()]


class DayFile:
    """One file being written; `close` makes it there, whole, or not at all."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        self._partial = folder / f"{name}.partial"
        self._writer = pq.ParquetWriter(self._partial, SCHEMA, **_OPTIONS)
        self._columns = Columns()
        self.told: Written | None = None
        self._types: set[tuple[str, ...]] = set()
        self.rows = 0

    def add(self, id: str, body: Body, base: bytes | None = None) -> None:
        """The next rows; entities come in any order, those of one together."""
        self._note(id, body)
        self._columns.add(id, body, None if base is None else zlib.decompress(base))
        self.rows += len(body.positions)
        if len(self._columns) >= GROUP_ROWS:
            self._flush()

    def _note(self, id: str, body: Body) -> None:
        positions, ats = list(accumulate(body.positions)), list(accumulate(body.ats))
        earliest, latest = observed(body)
        self._types.update(form.types for form in body.forms)
        low, high = (id, id) if self.told is None else (self.told.low, self.told.high)
        now = Written(
            path="", low=min(low, id), high=max(high, id), first=min(positions),
            last=max(positions), rows=0, bytes=0, since_us=min(ats), until_us=max(ats),
            observed_us=earliest, observed_to_us=latest, types=[],
        )  # fmt: skip
        before = self.told
        if before is not None:
            now.first = min(now.first, before.first)
            now.last = max(now.last, before.last)
            now.since_us = min(now.since_us, before.since_us)
            now.until_us = max(now.until_us, before.until_us)
            if before.observed_to_us:
                now.observed_us = min(now.observed_us or before.observed_us, before.observed_us)
                now.observed_to_us = max(now.observed_to_us, before.observed_to_us)
        self.told = now

    def _flush(self) -> None:
        if len(self._columns):
            # one group: where an entity's rows go on in another, their differences would not
            table = self._columns.table()
            self._writer.write_table(table, row_group_size=len(table))
            self._columns = Columns()

    def close(self) -> Written:
        """Sync, read back, rename; what is to be recorded."""
        self._flush()
        self._writer.close()
        assert self.told is not None
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        with pq.ParquetFile(self._partial) as back:
            counted = sum(len(back.read_row_group(n)) for n in range(back.num_row_groups))
        if counted != self.rows:
            raise OSError(f"{self._partial} holds {counted} rows instead of {self.rows}")
        self.path = self.path.with_stem(f"{self.path.stem}-{checksum(self._partial)}")
        self._partial.replace(self.path)
        for folder in (self.path.parent, self.path.parent.parent):
            _sync_folder(folder)
        self.told.path = f"{self.path.parent.name}/{self.path.name}"
        self.told.rows, self.told.bytes = self.rows, self.path.stat().st_size
        self.told.types = sorted(map(list, self._types))
        return self.told


def checksum(path: Path) -> str:
    """What a file's name ends in: eight digits of all its bytes."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found = zlib.crc32(part, found)
    return f"{found:08x}"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
