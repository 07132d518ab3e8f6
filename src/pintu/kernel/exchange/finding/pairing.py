"""Which data sets are looked at two by two, and when two of them are one; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from pintu.kernel.exchange.finding.joining import Joined, joined, twins_of
from pintu.kernel.exchange.finding.words import FieldTwin, Sample, Sketch, Twin

LEAST_SHARED: Final = 3  # keys two samples must share to be looked at
COMMON: Final = 12  # data sets from which a key is common, as 1, 2, 3 … are
MOST_PAIRS: Final = 200_000
HALF: Final = 0.5  # of the comparable fields, from which the data set is held twice
TOLD: Final = 2.0  # how much more a join by the keys people told says than one by chance finds
LEAST_OVERLAP: Final = 0.15


def find_twins(sketches: Sequence[Sketch]) -> list[Twin]:
    """Everything held twice among data sets that were measured with one salt, the surest first."""
    found = []
    for one, other in candidates(sketches):
        twin = compare(sketches[one], sketches[other])
        if twin is not None:
            found.append(twin)
    found.sort(key=lambda twin: (-twin.whole, -twin.score, twin.id))
    return found


def candidates(sketches: Sequence[Sketch]) -> list[tuple[int, int]]:
    """Pairs of places whose samples share keys that few others have, or are called alike."""
    hashes: list[Any] = []
    owners: list[Any] = []
    for place, sketch in enumerate(sketches):
        own = [np.frombuffer(one.keys, "<u8") for one in sketch.samples]
        if own:
            keys = np.unique(np.concatenate(own))
            hashes.append(keys)
            owners.append(np.full(len(keys), place, np.int64))
    if not hashes:
        return []
    all_, of = np.concatenate(hashes), np.concatenate(owners)
    order = np.lexsort((of, all_))
    all_, of = all_[order], of[order]
    starts = np.flatnonzero(np.r_[True, all_[1:] != all_[:-1]])
    sizes = np.diff(np.r_[starts, len(all_)])
    rare, common = _counted(of, starts, sizes)
    chosen = {pair for pair, count in rare.items() if count >= LEAST_SHARED}
    chosen |= {pair for pair, count in common.items() if count >= 5 * LEAST_SHARED}
    return sorted(chosen)[:MOST_PAIRS]


def _counted(of: Any, starts: Any, sizes: Any) -> tuple[dict[Any, int], dict[Any, int]]:
    """How many rare, and how many rather common, keys each pair of data sets shares."""
    rare: dict[tuple[int, int], int] = defaultdict(int)
    common: dict[tuple[int, int], int] = defaultdict(int)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if size < 2 or size > 4 * COMMON:
            continue
        group = of[start : start + size].tolist()
        counted = rare if size <= COMMON else common
        for n, one in enumerate(group):
            for other in group[n + 1 :]:
                counted[one, other] += 1
    return rare, common


def compare(left: Sketch, right: Sketch) -> Twin | None:
    """What two data sets hold both; None when that is nothing."""
    if left.salt != right.salt:
        return None
    best: tuple[float, Joined, list[FieldTwin]] | None = None
    for rows in _joins(left, right):
        fields = twins_of(left, right, rows)
        told = TOLD if rows.left.told and rows.right.told else 1.0
        weight = sum(one.score for one in fields) * (0.5 + rows.overlap) * told
        if best is None or weight > best[0]:
            best = (weight, rows, fields)
    if best is None or not best[2]:
        return None
    _, rows, fields = best
    return _twin(left, right, rows, fields)


def _joins(left: Sketch, right: Sketch) -> Iterable[Joined]:
    for one in left.samples:
        for other in right.samples:
            if len(one.columns) == len(other.columns):
                found = joined(one, other)
                if found is not None and found.overlap >= LEAST_OVERLAP:
                    yield found


def _twin(left: Sketch, right: Sketch, rows: Joined, fields: list[FieldTwin]) -> Twin:
    fewest = min(comparable(left, rows.left), comparable(right, rows.right))
    share = len(fields) / max(1, fewest)
    enough = len(fields) >= 2 or fewest <= 1
    whole = share >= HALF and enough
    score = min(1.0, share) * sum(one.score for one in fields) / len(fields)
    authority, marked = authority_of(left, right, fields)
    return Twin(
        id=twin_id(left.name, right.name),
        left=left.name,
        right=right.name,
        whole=whole,
        score=round(score, 4),
        keys=(rows.left.columns, rows.right.columns),
        overlap=round(rows.overlap, 4),
        rows=(left.rows, right.rows),
        fields=tuple(fields),
        owners=(left.owner, right.owner),
        authority=authority,
        authority_marked=marked,
        one_source=bool(left.source) and left.source == right.source,
    )


def comparable(sketch: Sketch, sample: Sample) -> int:
    """How many fields beside the key say something: not empty, not one value for all."""
    return sum(
        1
        for one in sketch.fields
        if one.name not in sample.columns and one.distinct > 1 and one.filled * 5 >= sketch.rows
    )


def authority_of(left: Sketch, right: Sketch, fields: Iterable[FieldTwin]) -> tuple[str, bool]:
    """(the data set that is the source, whether somebody marked it so). Marks first; else the one
    whose key was told, that has more rows, fuller fields, newer values."""
    marks = [0, 0]
    filled = [0.0, 0.0]
    for pair in fields:
        for n, (sketch, name) in enumerate(((left, pair.left), (right, pair.right))):
            field = sketch.field(name)
            marks[n] += field.authority
            filled[n] += field.filled / max(1, sketch.rows)
    if marks[0] != marks[1]:
        return (left.name if marks[0] > marks[1] else right.name), True

    def weight(n: int, sketch: Sketch, other: Sketch) -> float:
        return (
            1.5 * any(one.key for one in sketch.fields)
            + (sketch.rows > other.rows)
            + (filled[n] > filled[1 - n])
            + 0.5 * (sketch.newest_us > other.newest_us)
        )

    first, second = weight(0, left, right), weight(1, right, left)
    if first == second:
        return min(left.name, right.name), False
    return (left.name if first > second else right.name), False


def twin_id(left: str, right: str) -> str:
    """The same for the same two data sets, whichever comes first."""
    text = "\n".join(sorted((left, right)))
    return blake2b(text.encode(), digest_size=6).hexdigest()
