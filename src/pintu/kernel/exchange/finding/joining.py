"""Two data sets row by row: which fields say one thing, however each writes it; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from pintu.kernel.exchange.finding.names import called, likeness
from pintu.kernel.exchange.finding.sketching import GRAMS
from pintu.kernel.exchange.finding.words import FieldSketch, FieldTwin, How, Sample, Sketch

LEAST_JOINED: Final = 8  # rows from which a join says something
SURE: Final = 0.6  # score from which two fields are one, whatever they are called
LIKELY: Final = 0.3  # the same when they are called alike
LUCK: Final = 2.5
ALIKE: Final = 0.8
NEAR: Final = 0.015  # numbers as far apart as rounding in another unit makes them
DAY_S: Final = 86_400.0
MOST_CODES: Final = 60
TOGETHER: Final = 0.45  # correlation of ranks from which numbers may be one quantity


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows of two samples that have one key. `overlap`: of the smaller set, how much is in the
    other, as the samples show."""

    left: Sample
    right: Sample
    at_left: Any
    at_right: Any
    overlap: float

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.at_left)


@dataclass(frozen=True, slots=True)
class Column:
    """One field's values in the rows of a sample."""

    hashes: Any
    numbers: Any = None
    grams: Any = None
    different: int = 0  # values


@lru_cache(maxsize=4_096)
def columns_of(sample: Sample) -> dict[str, Column]:
    """The fields of a sample as arrays."""
    found = {}
    for one in sample.cells:
        numbers = np.frombuffer(one.numbers, "<f8") if one.numbers else None
        grams = np.frombuffer(one.grams, "<u4").reshape(-1, GRAMS) if one.grams else None
        hashes = np.frombuffer(one.hashes, "<u8")
        found[one.name] = Column(hashes, numbers, grams, len(np.unique(hashes)))
    return found


def joined(left: Sample, right: Sample) -> Joined | None:
    """The rows two samples share; None when there are too few to say anything."""
    mine, theirs = np.frombuffer(left.keys, "<u8"), np.frombuffer(right.keys, "<u8")
    shared, at_left, at_right = np.intersect1d(
        mine, theirs, assume_unique=True, return_indices=True
    )
    if len(shared) < min(LEAST_JOINED, max(3, min(len(mine), len(theirs)) // 2)):
        return None
    # below this hash both samples hold every row their set has
    ends = [all_[-1] for one, all_ in ((left, mine), (right, theirs)) if not one.whole]
    end = min(ends) if ends else np.uint64(2**64 - 1)
    fewest = min(int((mine <= end).sum()), int((theirs <= end).sum()))
    return Joined(left, right, at_left, at_right, min(1.0, len(shared) / max(1, fewest)))


def twins_of(left: Sketch, right: Sketch, rows: Joined) -> list[FieldTwin]:
    """Fields that are one, each at most once, the surest first; those of the keys are not asked."""
    mine, theirs = columns_of(rows.left), columns_of(rows.right)
    ours = [one for one in left.fields if one.name in mine]
    others = [one for one in right.fields if one.name in theirs]
    if not ours or not others:
        return []
    hints = Hints([mine[one.name] for one in ours], [theirs[one.name] for one in others], rows)
    found = []
    for n, one in enumerate(ours):
        for m, other in enumerate(others):
            if hints.worth(n, m):
                pair = _pair(one, other, (mine[one.name], theirs[other.name]), rows)
                if pair is not None:
                    found.append(pair)
    return _each_once(found)


def _each_once(found: list[FieldTwin]) -> list[FieldTwin]:
    found.sort(key=lambda pair: (-pair.score - pair.names / 4, pair.left, pair.right))
    taken: set[tuple[int, str]] = set()
    kept = []
    for pair in found:
        if (0, pair.left) not in taken and (1, pair.right) not in taken:
            taken |= {(0, pair.left), (1, pair.right)}
            kept.append(pair)
    return kept


class Hints:
    """What a look at all pairs of fields at once says, so that few are tested one by one."""

    def __init__(self, ours: list[Column], others: list[Column], rows: Joined) -> None:
        one = np.array([column.hashes[rows.at_left] for column in ours])
        other = np.array([column.hashes[rows.at_right] for column in others])
        same = (one[:, None, :] == other[None, :, :]) & (one[:, None, :] != 0)
        self._equal = same.mean(axis=2) >= 0.15
        self._few = [
            [1 < column.different <= MOST_CODES for column in columns] for columns in (ours, others)
        ]
        self._texts = [[column.grams is not None for column in side] for side in (ours, others)]
        self._together = _together(ours, others, rows)

    def worth(self, n: int, m: int) -> bool:
        """Whether field n of one side and field m of the other are worth a test."""
        return bool(
            self._equal[n, m]
            or self._together[n, m]
            or (self._texts[0][n] and self._texts[1][m])
            or (self._few[0][n] and self._few[1][m])
        )


def _together(ours: list[Column], others: list[Column], rows: Joined) -> Any:
    """Which numbers rise and fall together."""
    found = np.zeros((len(ours), len(others)), bool)
    mine = [n for n, one in enumerate(ours) if one.numbers is not None]
    theirs = [n for n, one in enumerate(others) if one.numbers is not None]
    if not mine or not theirs or rows.rows < LEAST_JOINED:
        return found
    one = _ranked(np.array([ours[n].numbers[rows.at_left] for n in mine]))
    other = _ranked(np.array([others[n].numbers[rows.at_right] for n in theirs]))
    found[np.ix_(mine, theirs)] = np.abs(one @ other.T) / rows.rows >= TOGETHER
    return found


def _ranked(numbers: Any) -> Any:
    """Each line as ranks of mean 0 and spread 1; what is missing in the middle."""
    ranks = np.argsort(np.argsort(numbers, axis=1), axis=1).astype(float)
    ranks[~np.isfinite(numbers)] = np.nan
    middle = np.nanmean(np.where(np.isfinite(numbers), ranks, 0.0), axis=1, keepdims=True)
    ranks = np.where(np.isfinite(ranks), ranks - middle, 0.0)
    spread = ranks.std(axis=1, keepdims=True)
    return ranks / np.where(spread > 0, spread, 1.0)


def _pair(
    left: FieldSketch, right: FieldSketch, columns: tuple[Column, Column], rows: Joined
) -> FieldTwin | None:
    one = columns[0].hashes[rows.at_left]
    other = columns[1].hashes[rows.at_right]
    both = (one != 0) & (other != 0)
    count = int(both.sum())
    if count < LEAST_JOINED and count < rows.rows / 2:
        return None
    names = likeness(called(left.name, left.title), called(right.name, right.title))
    best = _equal(one[both], other[both])
    if best.score < 0.97:
        for tried in (_numbers, _texts, _codes):
            found = tried(columns, rows, both)
            if found is not None and found.score > best.score + 0.02:
                best = found
    # few rows agree by luck
    wanted = min(SURE, max(LIKELY, LUCK / math.sqrt(count))) if names >= ALIKE else SURE
    if best.score < wanted:
        return None
    return FieldTwin(
        left=left.name, right=right.name, how=best.how, score=round(best.score, 4),
        names=round(names, 3), joined=count, agree=round(best.agree, 4),
        factor=best.factor, offset=best.offset,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the values of two fields go together: `score` beyond chance, `agree` as counted."""

    how: How
    score: float
    agree: float
    factor: float = 0.0
    offset: float = 0.0


def beyond_chance(agree: float, chance: float) -> float:
    """Cohen's kappa: 1 is perfect, 0 what chance gives."""
    return max(0.0, (agree - chance) / (1 - chance)) if chance < 0.98 else 0.0


def _equal(one: Any, other: Any) -> Evidence:
    agree = float((one == other).mean())
    values, counts = np.unique(one, return_counts=True)
    also, their = np.unique(other, return_counts=True)
    _, at, also_at = np.intersect1d(values, also, assume_unique=True, return_indices=True)
    chance = float((counts[at] * their[also_at]).sum()) / len(one) ** 2
    return Evidence("values", beyond_chance(agree, chance), agree)


def _numbers(columns: tuple[Column, Column], rows: Joined, both: Any) -> Evidence | None:
    if columns[0].numbers is None or columns[1].numbers is None:
        return None
    x = columns[0].numbers[rows.at_left]
    y = columns[1].numbers[rows.at_right]
    known = both & np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < LEAST_JOINED or len(np.unique(x)) < 5:
        return None
    if np.median(np.abs(x)) > 1e8 and np.median(np.abs(y)) > 1e8:  # times
        return _tested("values", x, y, lambda a, b: np.abs(a - b) <= DAY_S)
    nonzero = (x != 0) & (y != 0)
    best: Evidence | None = None
    if nonzero.sum() >= LEAST_JOINED:
        factor = float(np.median(y[nonzero] / x[nonzero]))
        if math.isfinite(factor) and factor:
            best = _tested("factor", x, y, lambda a, b: _near(a * factor, b))
            same = abs(factor - 1) < NEAR / 3
            best = Evidence(
                "values" if same else "factor", best.score, best.agree, 0.0 if same else factor
            )
    if (best is None or best.score < SURE) and np.std(x) > 0 and np.std(y) > 0:
        line = _line(x, y)
        if line is not None and (best is None or line.score > best.score + 0.1):
            best = line
    return best


def _line(x: Any, y: Any) -> Evidence | None:
    """y = factor · x + offset, through the middles of the outer quarters: strays bend nothing."""
    low, high = np.quantile(x, (0.25, 0.75))
    if high <= low:
        return None
    below, above = x <= low, x >= high
    span = np.median(x[above]) - np.median(x[below])
    if span <= 0:
        return None
    factor = float((np.median(y[above]) - np.median(y[below])) / span)
    offset = float(np.median(y - factor * x))
    if not factor or not math.isfinite(factor + offset):
        return None
    width = 0.03 * float(np.std(y))
    found = _tested("linear", x, y, lambda a, b: np.abs(a * factor + offset - b) <= width)
    return Evidence("linear", found.score, found.agree, factor, offset)


def _near(one: Any, other: Any) -> Any:
    return np.abs(one - other) <= NEAR * np.maximum(np.abs(one), np.abs(other))


def _tested(how: How, x: Any, y: Any, same: Any) -> Evidence:
    """What agrees row by row against what agrees when the rows are shifted: by chance."""
    agree = float(same(x, y).mean())
    steps = {1, 3, 7, 13, max(1, len(x) // 2)}
    chance = float(np.mean([same(x, np.roll(y, step)).mean() for step in steps]))
    return Evidence(how, beyond_chance(agree, chance), agree)


def _texts(columns: tuple[Column, Column], rows: Joined, both: Any) -> Evidence | None:
    if columns[0].grams is None or columns[1].grams is None:
        return None
    one = columns[0].grams[rows.at_left][both]
    other = columns[1].grams[rows.at_right][both]
    if len(one) < LEAST_JOINED:
        return None
    return _tested("text", one, other, lambda a, b: (a == b).mean(axis=1) >= 0.5)


def _codes(columns: tuple[Column, Column], rows: Joined, both: Any) -> Evidence | None:
    """One code list for another: each code of one side goes with one code of the other."""
    one = columns[0].hashes[rows.at_left][both]
    other = columns[1].hashes[rows.at_right][both]
    values, mine = np.unique(one, return_inverse=True)
    also, theirs = np.unique(other, return_inverse=True)
    fewest, most = sorted((len(values), len(also)))
    if fewest < 2 or most > min(MOST_CODES, len(one) / 3) or most > 2 * fewest:
        return None
    table = np.zeros((len(values), len(also)))
    np.add.at(table, (mine, theirs), 1)
    agree = float(min(table.max(axis=1).sum(), table.max(axis=0).sum()) / len(one))
    chance = float(max(table.sum(axis=0).max(), table.sum(axis=1).max()) / len(one))
    score = beyond_chance(agree, chance)
    # two codes that chance could pair are no evidence: the rarer ones must go together too
    if score < SURE or _information(table) < 0.5:
        return None
    return Evidence("codes", score, agree)


def _information(table: Any) -> float:
    """How much one side tells of the other, 0…1: mutual information ÷ the greater entropy."""
    share = table / table.sum()
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    known = share > 0
    mutual = float((share[known] * np.log(share[known] / np.outer(rows, columns)[known])).sum())
    entropy = max(_entropy(rows), _entropy(columns))
    return mutual / entropy if entropy > 0 else 0.0


def _entropy(shares: Any) -> float:
    known = shares[shares > 0]
    return float(-(known * np.log(known)).sum())
