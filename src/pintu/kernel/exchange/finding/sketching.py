"""Sketches of data sets: what is kept to compare them by, without keeping what they hold."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from pintu.kernel.exchange.finding.canonical import LONG_TEXT, canonical, grams_of, number_of
from pintu.kernel.exchange.finding.salt import Salt
from pintu.kernel.exchange.finding.words import Cells, FieldSketch, Sample, Sketch
from pintu.kernel.exchange.words import Column, DataSet

SMALLEST: Final = 384  # hashes kept of a field
SAMPLED: Final = 256  # rows of a sample
MOST_SAMPLES: Final = 4
GRAMS: Final = 8
MOST_KNOWN: Final = 4_000
"""Hashes remembered of a column's values, and of all texts: a column of few values is hashed once a
value, one in which every row differs gains nothing by remembering."""

UNIQUE: Final = 0.9  # different values ÷ rows from which a field tells rows apart
NO_KEY: Final = frozenset(("number", "point", "shape", "yes_no"))
SMALL: Final = 10  # times as many as there are rows: whole numbers below that tell nothing apart
MOST_PAIRED: Final = 8  # fields tried two by two when none tells rows apart by itself


class Sketching:
    """Takes the rows of one data set and makes its sketch; holds the rows it was given until then,
    at most as many as the caller measures: by column and packed, a tenth of what they take as
    dictionaries, and gone as a whole afterwards."""

    def __init__(self, data_set: DataSet, salt: Salt) -> None:
        self._data_set, self._salt = data_set, salt
        self._columns = [one for one in data_set.columns if one.kind != "shape"]
        self._packed: dict[str, list[bytes]] = {one.name: [] for one in self._columns}
        self._rows = 0
        self._hash_of: dict[str, int] = {}

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Some rows by column name."""
        taken = list(rows)
        self._rows += len(taken)
        for name, packed in self._packed.items():
            values = [row.get(name) for row in taken]
            packed.append(pickle.dumps(values, pickle.HIGHEST_PROTOCOL))

    def _values(self, name: str) -> Iterator[Any]:
        """A column, row by row."""
        for packed in self._packed[name]:
            yield from pickle.loads(packed)  # what `add` made, of this process

    def made(self, at_us: int, *, rows: int | None = None, newest_us: int = 0) -> Sketch:
        """The sketch of what was added; `rows`: how many the data set has in all."""
        columns = self._columns
        hashes = {one.name: self._hashes(one) for one in columns}
        fields = tuple(self._field(one, hashes[one.name]) for one in columns)
        found = self._data_set
        return Sketch(
            data_set=found.name,
            at_us=at_us,
            rows=self._rows if rows is None else rows,
            fields=fields,
            samples=tuple(self._samples(columns, hashes)),
            title=found.title,
            owner=found.owner,
            source=found.source,
            persons=found.persons,
            theme=found.theme,
            newest_us=newest_us,
            salt=self._salt.id,
        )

    def _hash(self, text: str) -> int:
        known = self._hash_of.get(text)
        if known is None:
            known = self._salt.hash(text)
            if len(self._hash_of) < MOST_KNOWN:
                self._hash_of[text] = known
        return known

    def _hashes(self, column: Column) -> Any:
        name, kind = column.name, column.kind
        seen: dict[Any, int] = {None: 0}
        found = np.zeros(self._rows, np.uint64)
        for n, value in enumerate(self._values(name)):
            try:
                known = seen.get(value)
            except TypeError:  # a place
                text = canonical(value, kind)
                found[n] = self._hash(text) if text else 0
                continue
            if known is None:
                text = canonical(value, kind)
                known = self._hash(text) if text else 0
                if len(seen) < MOST_KNOWN:
                    seen[value] = known
            found[n] = known
        return found

    def _field(self, column: Column, hashes: Any) -> FieldSketch:
        distinct = np.unique(hashes[hashes != 0])
        return FieldSketch(
            name=column.name,
            title=column.title,
            kind=column.kind,
            unit=column.unit,
            codes=column.codes,
            person=column.person,
            key=column.key,
            authority=column.authority,
            filled=int(np.count_nonzero(hashes)),
            distinct=len(distinct),
            smallest=distinct[:SMALLEST].tobytes(),
            quantiles=() if column.person else self._quantiles(column),
        )

    def _numbers(self, column: Column) -> Any:
        told = (number_of(value, column.kind) for value in self._values(column.name))
        return np.fromiter(told, np.float64, self._rows)

    def _quantiles(self, column: Column) -> tuple[float, ...]:
        if column.kind not in ("number", "whole", "date", "time"):
            return ()
        numbers = self._numbers(column)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return ()
        return tuple(float(one) for one in np.quantile(numbers, np.linspace(0, 1, 11)))

    # --- samples ----------------------------------------------------------------------------------
    def _samples(self, columns: Sequence[Column], hashes: dict[str, Any]) -> Iterable[Sample]:
        told = tuple(one.name for one in columns if one.key)
        groups = [told] if told else []
        count = max(1, self._rows)
        different = {name: len(np.unique(all_[all_ != 0])) for name, all_ in hashes.items()}
        alone = [
            one.name
            for one in columns
            if one.kind not in NO_KEY
            and different[one.name] >= UNIQUE * count > 0
            and not self._counts_rows(one)
        ]
        groups += [(name,) for name in alone if (name,) != told]
        if not groups:
            groups = list(self._pairs(columns, hashes, different))
        for group in groups[:MOST_SAMPLES]:
            yield self._sample(group, columns, hashes, told=group == told)

    def _counts_rows(self, column: Column) -> bool:
        """Whether a column only numbers the rows 1, 2, 3 …, or counts up to some more: everybody
        has such values."""
        if column.kind not in ("whole", "text", "number"):
            return False
        numbers = self._numbers(column)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) < 0.9 * self._rows:
            return False
        small = float(numbers.max()) < SMALL * self._rows and float(numbers.min()) >= 0
        return small and bool((numbers == np.floor(numbers)).all())

    def _pairs(
        self, columns: Sequence[Column], hashes: dict[str, Any], different: dict[str, int]
    ) -> Iterable[tuple[str, ...]]:
        """The two columns that together tell rows apart, where none does alone."""
        count = self._rows
        tried = [
            one.name
            for one in columns
            if one.kind not in NO_KEY and different[one.name] > 1 and count
        ]
        tried.sort(key=lambda name: -different[name])
        tried = tried[:MOST_PAIRED]
        best: tuple[float, tuple[str, ...]] = (0.0, ())
        for n, left in enumerate(tried):
            for right in tried[n + 1 :]:
                if different[left] * different[right] < UNIQUE * count:
                    continue
                unique = len(np.unique(_joined([hashes[left], hashes[right]]))) / count
                if unique > best[0]:
                    best = (unique, (left, right))
        if best[0] >= UNIQUE:
            yield best[1]

    def _sample(
        self, group: tuple[str, ...], columns: Sequence[Column], hashes: dict[str, Any], *,
        told: bool,
    ) -> Sample:  # fmt: skip
        keys = hashes[group[0]] if len(group) == 1 else _joined([hashes[one] for one in group])
        _, places = np.unique(keys, return_index=True)
        places = places[keys[places] != 0]
        whole = len(places) <= SAMPLED
        places = places[:SAMPLED]  # np.unique sorts by the hash
        cells = tuple(
            self._cells(one, hashes[one.name], places) for one in columns if one.name not in group
        )
        return Sample(
            columns=group, told=told, whole=whole, keys=keys[places].tobytes(), cells=cells
        )

    def _cells(self, column: Column, hashes: Any, places: Any) -> Cells:
        name, kind = column.name, column.kind
        values = self._at(name, places.tolist())
        numbers = grams = b""
        if not column.person and kind in ("number", "whole", "date", "time", "text", "code"):
            told = np.array([number_of(value, kind) for value in values], np.float64)
            numbers = told.tobytes() if np.isfinite(told).any() else b""
        if kind == "text" and not numbers:
            texts = [canonical(value) for value in values]
            if texts and sum(map(len, texts)) >= LONG_TEXT * len(texts):
                grams = b"".join(self._grams(text) for text in texts)
        return Cells(name=name, hashes=hashes[places].tobytes(), numbers=numbers, grams=grams)

    def _at(self, name: str, places: list[int]) -> list[Any]:
        """A column's values at some places, in their order."""
        wanted = set(places)
        found = {n: value for n, value in enumerate(self._values(name)) if n in wanted}
        return [found[n] for n in places]

    def _grams(self, text: str) -> bytes:
        """The smallest hashes of a text's parts, one of each of several permutations."""
        parts = [self._hash(one) for one in set(grams_of(text))]
        if not parts:
            return bytes(4 * GRAMS)
        told = np.array(parts, np.uint64)[:, None] * MIX[None, :] >> np.uint64(32)
        smallest: bytes = told.min(axis=0).astype(np.uint32).tobytes()
        return smallest


MIX: Final = np.array(
    [0x9E3779B97F4A7C15 ^ (0xBF58476D1CE4E5B9 * (2 * n + 1) & (2**64 - 1)) | 1
     for n in range(GRAMS)],
    np.uint64,
)  # fmt: skip


def _joined(hashes: Sequence[Any]) -> Any:
    """One hash of several values, whatever the order of their columns; 0 where one is missing."""
    total = np.zeros(len(hashes[0]), np.uint64)
    empty = np.zeros(len(hashes[0]), bool)
    for one in hashes:
        mixed = one * np.uint64(0x9E3779B97F4A7C15)
        total = total + (mixed ^ (mixed >> np.uint64(29)))
        empty |= one == 0
    total[empty] = 0
    return total
