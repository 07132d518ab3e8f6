"""Records read into one Arrow table of features, on as many cores as there are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from itertools import repeat
from typing import TYPE_CHECKING

import msgspec

from pintu.kernel.linkage.matching.words import Record
from pintu.kernel.linkage.reading.features import COLUMNS, read_features

if TYPE_CHECKING:
    import pyarrow as pa


def read_all(parts: Sequence[bytes], key: bytes, workers: int) -> tuple[pa.Table, list[str]]:
    """(table `features` with record, source, the id number's mark and what is compared; the mark
    of all that was read of each record). Marks are keyed digests, empty for nothing."""
    import pyarrow as pa

    if len(parts) > 2 and workers > 1:
        # a fresh process, not a fork: this one has threads of its own libraries by now
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, os.cpu_count() or 1), fresh) as pool:
            read = list(pool.map(_read, repeat(key), parts))
    else:
        read = [_read(key, one) for one in parts]
    table = pa.Table.from_batches([pa.ipc.open_stream(one).read_next_batch() for one, _ in read])
    numbers = pa.array(range(table.num_rows), pa.int32())
    return table.add_column(0, "record", numbers), [mark for _, marks in read for mark in marks]


def _read(key: bytes, part: bytes) -> tuple[bytes, list[str]]:
    """One part as an Arrow stream, and its marks."""
    import pyarrow as pa

    records = msgspec.msgpack.decode(part, type=list[Record])
    found = [msgspec.structs.astuple(read_features(one.told)) for one in records]
    number, proved = (COLUMNS.index(name) for name in ("id_number", "proved"))
    kinds = [pa.bool_() if name == "proved" else pa.string() for name in COLUMNS]
    columns = zip(*found, strict=True) if found else iter([()] * len(COLUMNS))
    told = [
        pa.array([one.source for one in records], pa.int16()),
        pa.array([_mark(key, one[number]) if one[proved] else "" for one in found], pa.string()),
        *(pa.array(one, kind) for one, kind in zip(columns, kinds, strict=True)),
    ]
    batch = pa.record_batch(told, names=["source", "id_mark", *COLUMNS])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes(), [_mark(key, "\0".join(map(str, one))) for one in found]


def _mark(key: bytes, text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=12, key=key).hexdigest()
