"""A pack: rows of one entity's chain, one behind the other as they were, and squeezed. Pure.

Every write is packed while the city works, so packing must cost little: texts are not taken apart,
squeezing finds what they share. Columns are made of them at night, when a day becomes a file
(`columns`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate, compress, pairwise
from typing import Any, Final

import msgspec

from pintu.kernel.store.port import VERB_NUMBER, VERBS, Change

Key = tuple[int, str]
LEVEL: Final = 1
"""Texts that differ in a number or two are squeezed nearly as well as by higher levels."""
ALL_TIMES: Final = (-(2**62), 2**62)
OBSERVED: Final = re.compile(rb'observedAt"\s*:\s*"([^"]*)"')


class Form(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What rows have in common."""

    types: tuple[str, ...]
    verb: int
    source: str
    changed: tuple[str, ...] | None


class Pack(msgspec.Struct, array_like=True, gc=False):
    """A pack before it is squeezed; every column in the order of the rows."""

    forms: list[Form]
    which: list[int]  # the form of each row; empty: all are of the first
    positions: list[int]  # differences
    ats: list[int]  # differences
    previous: dict[int, int]  # of rows whose previous is not the row before them
    told: list[int] | None  # seconds from what a row tells of to when it came; None: unknown
    lengths: list[int]
    text: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pack).decode


def pack(rows: Sequence[Change]) -> bytes:
    """Rows of one entity, oldest first, as one small value."""
    return squeeze(pack_of(rows))


def unpack(packed: bytes, tenant: int, id: str) -> list[Change]:
    """The rows of a pack, as the log had them."""
    return rows_of(loosen(packed), (tenant, id))


def squeeze(told: Pack) -> bytes:
    """A pack as it is kept."""
    return zlib.compress(_encode(told), LEVEL)


def loosen(packed: bytes) -> Pack:
    """The pack that was squeezed."""
    return _decode(zlib.decompress(packed))


def pack_of(rows: Sequence[Change]) -> Pack:
    """Rows of one entity, oldest first."""
    forms: dict[tuple[Any, ...], int] = {}
    which = [
        forms.setdefault((row.types, row.verb, row.source, row.changed), len(forms)) for row in rows
    ]
    texts = [row.payload for row in rows]
    positions = [row.position for row in rows]
    befores = zip([0, *positions], rows, strict=False)
    return Pack(
        [Form(types, VERB_NUMBER[verb], source, named) for types, verb, source, named in forms],
        which if len(forms) > 1 else [],
        _differences(positions),
        _differences([row.at_us for row in rows]),
        {n: row.previous for n, (before, row) in enumerate(befores) if row.previous != before},
        _told(rows),
        list(map(len, texts)),
        b"".join(texts),
    )


def joined(one: Pack, two: Pack) -> Pack:
    """The rows of `one`, then those of `two`."""
    count, last = len(one.positions), sum(one.positions)
    numbers = {form: n for n, form in enumerate(one.forms)}
    places = [numbers.setdefault(form, len(numbers)) for form in two.forms]
    which: list[int] = []
    if len(numbers) > 1:
        which = list(one.which) or [0] * count
        which += [places[n] for n in two.which or [0] * len(two.positions)]
    previous = {**one.previous, **{n + count: at for n, at in two.previous.items()}}
    first = two.previous.get(0, 0)
    previous[count] = first
    if first == last:
        del previous[count]
    told = None if one.told is None or two.told is None else [*one.told, *two.told]
    return Pack(
        list(numbers),
        which,
        _after(one.positions, two.positions),
        _after(one.ats, two.ats),
        previous,
        told,
        [*one.lengths, *two.lengths],
        one.text + two.text,
    )


def rows_of(told: Pack, key: Key) -> list[Change]:
    """The rows of a pack."""
    return _rows(told, key, None)


def rows_within(told: Pack, key: Key, span: tuple[int, int]) -> list[Change]:
    """The rows that were written in a time (µs, both ends in), or tell of it; others of it may
    come along."""
    if told.told is None:
        return _rows(told, key, None)
    low, high = span
    low_s, high_s = low // 1_000_000, high // 1_000_000
    wanted = [
        low <= at <= high or low_s <= at // 1_000_000 - ago <= high_s
        for at, ago in zip(accumulate(told.ats), told.told, strict=True)
    ]
    return _rows(told, key, None if all(wanted) else wanted)


def observed(told: Pack) -> tuple[int, int]:
    """(earliest, latest) time in µs that any row tells, to the whole second outwards; a row that
    tells none counts with when it came."""
    if told.told is None:
        return ALL_TIMES
    seconds = [
        at // 1_000_000 - ago for at, ago in zip(accumulate(told.ats), told.told, strict=True)
    ]
    return min(seconds) * 1_000_000, (max(seconds) + 1) * 1_000_000


def _rows(told: Pack, key: Key, wanted: list[bool] | None) -> list[Change]:
    tenant, id = key
    positions = list(accumulate(told.positions))
    previous = [0, *positions[:-1]]
    for n, one in told.previous.items():
        previous[n] = one
    forms = [(form.types, VERBS[form.verb], form.source, form.changed) for form in told.forms]
    which = told.which or [0] * len(positions)
    ends = list(accumulate(told.lengths, initial=0))
    rows: Iterable[Any] = zip(
        positions, accumulate(told.ats), previous, which, pairwise(ends), strict=True
    )
    if wanted is not None:
        rows = compress(rows, wanted)
    text, found = told.text, []
    for position, at_us, before, number, (start, end) in rows:
        types, verb, source, changed = forms[number]
        payload = text[start:end]
        found.append(
            Change(position, tenant, id, types, verb, at_us, source, changed, payload, before)
        )
    return found


def _told(rows: Sequence[Change]) -> list[int] | None:
    """How many seconds before it came each row tells of; None where one tells of several times,
    or of one that cannot be read."""
    found = []
    for row in rows:
        times = OBSERVED.findall(row.payload)
        at_s = row.at_us // 1_000_000
        if len(times) == 1 and row.payload.count(b"observedAt") == 1:
            second = _second(times[0])
            if second is None:
                return None
            found.append(at_s - second)
        elif not times and b"observedAt" not in row.payload:
            found.append(0)
        else:
            seconds = {_second(one) for one in times}
            if len(seconds) != 1 or row.payload.count(b"observedAt") != len(times):
                return None
            [second] = seconds
            if second is None:
                return None
            found.append(at_s - second)
    return found


@lru_cache(maxsize=8192)
def _second(text: bytes) -> int | None:
    """The whole second since 1970 of a time that somebody told, None for what is none."""
    try:
        when = datetime.fromisoformat(text.decode().replace("Z", "+00:00"))
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp() // 1)


def _differences(values: Sequence[int]) -> list[int]:
    return [*values[:1], *(b - a for a, b in pairwise(values))]


def _after(one: list[int], two: list[int]) -> list[int]:
    return [*one, two[0] - sum(one), *two[1:]]
