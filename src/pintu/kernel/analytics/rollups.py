"""Sums of an hour and of a day: count, sum, sum of squares, smallest, largest; exact. Pure.

A sum is kept as two floats: the exact sum rounded, and what the rounding took away. So sums of sums
are what `math.fsum` of all the values is, to the last bit. A bucket that two floats cannot hold, or
that has something besides numbers, says so, and is computed from rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from math import fsum, isfinite
from typing import Any, Final

import numpy as np

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
LEVELS: Final = {"h": (HOUR_US, 24), "d": (DAY_US, 64)}
"""Level → (length of a bucket, buckets of a span)."""

BUCKET: Final = np.dtype(
    [
        ("place", "<u1"),
        ("odd", "<u1"),  # computed from rows instead
        ("count", "<u4"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("sum", "<f8"),
        ("rest", "<f8"),
        ("squares", "<f8"),
        ("squares_rest", "<f8"),
    ]
)


def span_of(level: str, at_us: int) -> tuple[int, int]:
    """(span, place in it) of a time."""
    length, places = LEVELS[level]
    return divmod(at_us // length, places)


def start_of(level: str, span: int) -> int:
    """When a span begins, in µs."""
    length, places = LEVELS[level]
    return span * places * length


def exact(values: Iterable[float]) -> tuple[float, float, bool]:
    """(sum rounded, what rounding took, whether those two are all of it) of finite floats; a sum
    that no float holds is (0, 0, False)."""
    told = [*values]
    try:
        total = fsum(told)
        if not isfinite(total):
            return 0.0, 0.0, False
        rest = fsum([*told, -total])
        return total, rest, fsum([*told, -total, -rest]) == 0.0
    except OverflowError:
        return 0.0, 0.0, False


def empty() -> Any:
    """No buckets."""
    return np.zeros(0, BUCKET)


def added(known: Any, values: dict[int, list[float]]) -> Any:
    """The buckets of a span with more values, by place."""
    rows = {int(row["place"]): row for row in known}
    made = []
    for place in sorted({*rows, *values}):
        row = rows.get(place)
        more = values.get(place)
        if more is None:
            made.append(tuple(row))  # type: ignore[arg-type]
            continue
        old = None if row is None else row.tolist()
        made.append(_bucket(place, old, more))
    return np.array(made, BUCKET)


def _bucket(place: int, old: Any, more: list[float]) -> tuple[Any, ...]:
    squares = [one * one for one in more]
    if old is None:
        count, odd, low, high = len(more), 0, min(more), max(more)
        sums, squared = more, squares
    else:
        _, odd, count, low, high, total, rest, squares_total, squares_rest = old
        count += len(more)
        low, high = min(low, *more), max(high, *more)
        sums, squared = [total, rest, *more], [squares_total, squares_rest, *squares]
    total, rest, whole = exact(sums)
    squares_total, squares_rest, also = exact(squared)
    odd = int(odd or not whole or not also)
    return place, odd, count, low, high, total, rest, squares_total, squares_rest


def squeezed(buckets: Any) -> bytes:
    """As they are kept: byte by byte of all buckets, which compresses well."""
    plain = np.frombuffer(buckets.tobytes(), np.uint8).reshape(len(buckets), BUCKET.itemsize)
    return zlib.compress(plain.T.tobytes(), 1)


def loosened(kept: bytes) -> Any:
    """The buckets that were squeezed."""
    plain = np.frombuffer(zlib.decompress(kept), np.uint8)
    return plain.reshape(BUCKET.itemsize, -1).T.copy().view(BUCKET).reshape(-1)


def loosened_all(kept: Sequence[bytes]) -> tuple[Any, Any]:
    """(buckets of many spans, for each the number of its span), those of one size together: what
    numpy is called for each span would cost more than the rest.
    """
    plain = [zlib.decompress(one) for one in kept]
    sizes = np.array([len(one) for one in plain]) // BUCKET.itemsize
    found, owners = [], []
    for size in np.unique(sizes):
        mine = np.flatnonzero(sizes == size)
        bytes_of = np.frombuffer(b"".join([plain[n] for n in mine.tolist()]), np.uint8)
        turned = bytes_of.reshape(len(mine), BUCKET.itemsize, size).transpose(0, 2, 1)
        found.append(np.ascontiguousarray(turned).view(BUCKET).reshape(-1))
        owners.append(np.repeat(mine, size))
    return np.concatenate(found), np.concatenate(owners)
