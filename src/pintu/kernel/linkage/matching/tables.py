"""Records read into one Arrow table of features, on as many cores as there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.linkage.matching.words import Record
from pintu.kernel.linkage.reading.features import COLUMNS, read_features

if TYPE_CHECKING:
    import pyarrow as pa

PART: Final = 25_000
ALONE: Final = 40_000  # fewer records are read faster than a second process starts
Part = tuple[list[list[Any]], list[int], list[str], list[str]]


def read_all(records: Sequence[Record], key: bytes, workers: int) -> tuple[pa.Table, list[str]]:
    """(table `features` with record, source, the id number's mark and what is compared; the mark
    of all that was read of each record). Marks are keyed digests, empty for nothing."""
    import pyarrow as pa

    parts = [records[at : at + PART] for at in range(0, len(records), PART)]
    if len(records) > ALONE and workers > 1:
        encoder = msgspec.msgpack.Encoder()
        bodies = (encoder.encode((key, one)) for one in parts)
        with ProcessPoolExecutor(min(workers, os.cpu_count() or 1)) as pool:
            read = list(pool.map(_read_there, bodies))
    else:
        read = [_read(key, one) for one in parts]
    columns: list[Any] = []
    for n, name in enumerate(COLUMNS):
        kind = pa.bool_() if name == "proved" else pa.string()
        columns.append(pa.chunked_array([pa.array(one[0][n], kind) for one in read], kind))
    sources = pa.chunked_array([pa.array(one[1], pa.int16()) for one in read], pa.int16())
    id_marks = pa.chunked_array([pa.array(one[2], pa.string()) for one in read], pa.string())
    numbers = pa.array(range(len(records)), pa.int32())
    table = pa.table(
        [numbers, sources, id_marks, *columns], names=["record", "source", "id_mark", *COLUMNS]
    )
    return table, [mark for one in read for mark in one[3]]


def _read_there(body: bytes) -> Part:
    key, records = msgspec.msgpack.decode(body, type=tuple[bytes, list[Record]])
    return _read(key, records)


def _read(key: bytes, records: Sequence[Record]) -> Part:
    found = [msgspec.structs.astuple(read_features(one.told)) for one in records]
    columns = [list(one) for one in zip(*found, strict=True)] or [[] for _ in COLUMNS]
    number, proved = (COLUMNS.index(name) for name in ("id_number", "proved"))
    id_marks = [_mark(key, one[number]) if one[proved] else "" for one in found]
    marks = [_mark(key, "\0".join(map(str, one))) for one in found]
    return columns, [one.source for one in records], id_marks, marks


def _mark(key: bytes, text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=12, key=key).hexdigest()
