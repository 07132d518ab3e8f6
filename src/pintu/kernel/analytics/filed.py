"""Reading day files: rows of some entities, packs with how each stood before, rows of a span.

What a file holds becomes the columns of a pack again, so that everybody reads packs.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pintu.kernel.analytics.columns import (
    Body,
    Form,
    Key,
    differences,
    rows_within,
    selected,
    sums,
)
from pintu.kernel.analytics.parquet import CHECK_DIGITS, NAMED, SCHEMA, checksum
from pintu.kernel.analytics.texts import DOUBLE, NUMBER, marks
from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Change


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file being read; raises Unavailable for one that is not there, or not whole."""
    name = f"{path.parent.name}/{path.name}"
    try:
        told = path.stat()
        if not _whole(path, told.st_mtime_ns, told.st_size):
            raise Unavailable(f"History cannot be read: {name} is damaged: bring it from a backup")
        with pq.ParquetFile(path, memory_map=True, read_dictionary=NAMED) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise Unavailable(f"History cannot be read: {name}: {error}") from error


@lru_cache(maxsize=4096)
def _whole(path: Path, changed_ns: int, size: int) -> bool:
    """Whether a file is what was written; looked at once, until it changes."""
    told = path.stem.rpartition("-")[2]
    return len(told) != CHECK_DIGITS or told == checksum(path)  # older ones do not say


def bodies_in(
    path: Path, ids: frozenset[str] | None = None
) -> Iterator[tuple[str, Body, bytes | None]]:
    """(id, body, how it stood before) of a file's packs, or of those of some entities; raises
    Unavailable."""
    with _opened(path) as file:
        groups = range(file.num_row_groups) if ids is None else _groups(file, ids)
        for number in groups:
            yield from _bodies(file, number, ids)


def _groups(file: Any, ids: frozenset[str]) -> list[int]:
    """The groups whose ids may be among those wanted."""
    low, high = min(ids), max(ids)
    found = []
    for number in range(file.num_row_groups):
        told = file.metadata.row_group(number).column(0).statistics
        if told is None or not told.has_min_max or (told.max >= low and told.min <= high):
            found.append(number)
    return found


def _bodies(
    file: Any, number: int, ids: frozenset[str] | None
) -> Iterator[tuple[str, Body, bytes | None]]:
    column = file.read_row_group(number, columns=["id"]).column("id").combine_chunks()
    names = column.dictionary.to_pylist()
    wanted = {n for n, id in enumerate(names) if ids is None or id in ids}
    if not wanted:
        return
    keys = column.indices.to_numpy()
    ends = [*(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    group: _Group | None = None
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        if int(keys[start]) in wanted:
            group = group or _Group(file.read_row_group(number))
            for body, base in _packs(group.part(start, end)):
                yield names[keys[start]], body, base


class _Group:
    """The columns of one group, of which parts are taken as lists."""

    def __init__(self, table: pa.Table) -> None:
        columns = {name: table.column(name).combine_chunks() for name in SCHEMA.names}
        self._plain = {name: columns[name].to_numpy() for name in ("position", "gap", "previous")}
        self._named = {
            name: (columns[name].dictionary.to_pylist(), columns[name].indices.to_numpy())
            for name in ("form", "template")
        }
        self._lists = {
            name: (columns[name].offsets.to_numpy(), columns[name].values.to_numpy())
            for name in ("decimals", "scales", "floats", "times")
        }
        self._base = columns["base"]

    def part(self, start: int, end: int) -> dict[str, list[Any]]:
        """Rows from `start` to `end`, column by column."""
        found: dict[str, list[Any]] = {
            name: column[start:end].tolist() for name, column in self._plain.items()
        }
        for name, (values, indices) in self._named.items():
            found[name] = [values[n] for n in indices[start:end].tolist()]
        for name, (offsets, values) in self._lists.items():
            ends = offsets[start : end + 1].tolist()
            first = ends[0]
            flat = values[first : ends[-1]].tolist()
            found[name] = [flat[a - first : b - first] for a, b in pairwise(ends)]
        found["base"] = self._base[start:end].to_pylist()
        return found


def _packs(column: dict[str, list[Any]]) -> Iterator[tuple[Body, bytes | None]]:
    """One entity's rows, cut where it is told how it stood."""
    bases = column["base"]
    starts = [0, *(n for n, base in enumerate(bases) if n and base is not None)]
    positions, ats = column["position"], sums(column["gap"])
    before = [0, *positions[:-1]]
    for start, end in zip(starts, [*starts[1:], len(bases)], strict=True):
        some = {name: values[start:end] for name, values in column.items()}
        some["before"], some["at"] = before[start:end], ats[start:end]
        base = bases[start]
        yield _body(some), None if base is None else zlib.compress(base, 1)


def _body(column: dict[str, list[Any]]) -> Body:
    """Rows of one entity, as a pack has them."""
    positions = column["position"]
    told = [gap + one for gap, one in zip(column["previous"], column["before"], strict=True)]
    known = [0, *positions[:-1]]
    previous = {n: one for n, one in enumerate(told) if one != known[n]}
    forms: dict[tuple[str, bytes], int] = {}
    which, rows = [], list(zip(column["form"], column["template"], strict=True))
    members: list[list[int]] = []
    for n, key in enumerate(rows):
        number = forms.setdefault(key, len(forms))
        if number == len(members):
            members.append([])
        which.append(number)
        members[number].append(n)
    made, holes = [], []
    for (said, template), mine in zip(forms, members, strict=True):
        types, verb, source, changed = orjson.loads(said)
        listed = None if changed is None else tuple(changed)
        made.append(Form(tuple(types), verb, source, listed, template))
        holes.append(_holes(template, column, mine))
    kinds = which if len(made) > 1 else []
    ats = differences(column["at"])
    return Body(made, kinds, differences(positions), ats, previous, holes)


def _holes(template: bytes, column: dict[str, list[Any]], mine: list[int]) -> list[Any]:
    found: list[Any] = []
    numbers = floats = times = 0
    for kind in marks(template):
        if kind == NUMBER:
            scales = [column["scales"][n][numbers] for n in mine]
            same = scales[0] if len(set(scales)) == 1 else scales
            found.append([same, differences([column["decimals"][n][numbers] for n in mine])])
            numbers += 1
        elif kind == DOUBLE:
            found.append([column["floats"][n][floats] for n in mine])
            floats += 1
        else:
            found.append(differences([column["times"][n][times] for n in mine]))
            times += 1
    return found


def bodies_between(path: Path, since_us: int, until_us: int) -> Iterator[tuple[str, Body]]:
    """(id, its rows of one group) that were written from a moment to before another; blocks.
    Raises Unavailable."""
    with _opened(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=["id", "gap"])
            keys = table.column("id").combine_chunks()
            at = np.flatnonzero(np.diff(keys.indices.to_numpy())) + 1
            starts = np.concatenate(([0], at, [len(keys)]))
            gaps = table.column("gap").to_numpy()
            summed = np.cumsum(gaps)  # runs over; the difference is right all the same
            base = np.repeat(summed[starts[:-1]] - gaps[starts[:-1]], np.diff(starts))
            ats = summed - base
            wanted = (ats >= since_us) & (ats < until_us)
            if not wanted.any():
                continue
            group = _Group(file.read_row_group(number))
            names = keys.dictionary.to_pylist()
            for start, end in pairwise(starts.tolist()):
                mine = np.flatnonzero(wanted[start:end])
                if mine.size:
                    low, high = start + int(mine[0]), start + int(mine[-1]) + 1
                    column = group.part(low, high)
                    before = group.part(low - 1, low)["position"] if low > start else [0]
                    column["before"] = [*before, *column["position"][:-1]]
                    column["at"] = ats[low:high].tolist()
                    body = _body(column)
                    some = wanted[low:high].tolist()
                    name = names[keys.indices[start].as_py()]
                    yield name, body if all(some) else selected(body, some)


def rows_in(path: Path, key: Key, span: tuple[int, int]) -> list[Change]:
    """One entity's rows of a time in a file; others may come along."""
    found: list[Change] = []
    for _, body, _ in bodies_in(path, frozenset({key[1]})):
        found += rows_within(body, key, span)
    return found
