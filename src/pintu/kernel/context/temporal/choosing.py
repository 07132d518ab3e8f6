"""Which instances of a history are shown: those of a time, the last ones, one page of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.context.temporal.asked import Asked
from pintu.kernel.context.temporal.words import Doc, Evolution, Instance, Series

Moment = Any
"""A time that compares with others of its kind: a text of `observedAt`, or microseconds."""

SCOPE: Final = "scope"
BEGINNING: Final = "0001-01-01T00:00:00Z"


def moment(text: str) -> str:
    """A timestamp as a text that compares by time: without what may be left out."""
    if "." not in text:
        return text[:-1]
    return text[:-1].rstrip("0").rstrip(".")


def _observed(instance: Instance) -> Moment:
    text = instance.document.get("observedAt")
    if text is None:
        return None
    return moment(text)


def _created(instance: Instance) -> Moment:
    return instance.created_us


def _modified(instance: Instance) -> Moment:
    return None if instance.deleted_us else instance.modified_us


def _deleted(instance: Instance) -> Moment:
    return instance.deleted_us or None


TIMES: Final[dict[str, Callable[[Instance], Moment]]] = {
    "observedAt": _observed,
    "createdAt": _created,
    "modifiedAt": _modified,
    "deletedAt": _deleted,
}


@dataclass(slots=True)
class Chosen:
    """One entity of an answer: its series with the instances of the time asked for, in order."""

    evolution: Evolution
    asked: Asked
    series: list[Series] = field(default_factory=list)
    scope: Series | None = None

    @property
    def empty(self) -> bool:
        """Has no attribute an instance there?"""
        return not self.series

    def document(self) -> Doc:
        """All of it as one document, for q and geo: any instance counts (5.7.4.4)."""
        found: Doc = {"id": self.evolution.id, "type": list(self.evolution.types)}
        for series in self.series:
            told = [one.document for one in series.instances if not one.deleted_us]
            if told:
                found.setdefault(series.name, []).extend(told)
        return found


def choose(
    evolution: Evolution,
    asked: Asked,
    *,
    names: Collection[str] | None = None,
    datasets: Collection[str] | None = None,
    needed: bool = False,
) -> Chosen:
    """What of a history is asked for. `names` are attributes (None: all), `datasets` data sets with
    "@none" for the default one; with `needed` only instances with that time count.
    """
    found = Chosen(evolution, asked)
    for name, known in evolution.series.items():
        if names is not None and name not in names:
            continue
        for dataset, series in known.items():
            if datasets is not None and (dataset or "@none") not in datasets:
                continue
            kept = within(series.instances, asked, needed=needed)
            if kept:
                found.series.append(series.of(kept))
    if names is None or SCOPE in names:
        kept = within(evolution.scope.instances, asked, needed=needed)
        if kept:
            found.scope = evolution.scope.of(kept)
    return found


def within(instances: list[Instance], asked: Asked, *, needed: bool = False) -> list[Instance]:
    """The instances of the time asked for, the oldest first, the last n of them."""
    time = TIMES[asked.timeproperty]
    if not (needed or asked.needed):
        keyed = [(time(one), one) for one in instances]
        if any(at is None for at, _ in keyed):
            keyed = [(one.created_us, one) for one in instances]
        return _sorted(keyed)
    low, high = bounds(asked)
    if low is None and high is None:
        keyed = [(at, one) for one in instances if (at := time(one)) is not None]
    else:
        keyed = [
            (at, one)
            for one in instances
            if (at := time(one)) is not None
            and (low is None or low <= at)
            and (high is None or at < high)
        ]
    kept = _sorted(keyed)
    return kept[-asked.last_n :] if asked.last_n else kept


def _sorted(keyed: list[tuple[Moment, Instance]]) -> list[Instance]:
    keyed.sort(key=_first)
    return [one for _, one in keyed]


def _first(pair: tuple[Moment, Instance]) -> Moment:
    return pair[0]


def bounds(asked: Asked) -> tuple[Moment, Moment]:
    """The bounds as they compare with instances."""
    if asked.timeproperty == "observedAt":
        low = None if asked.low is None else moment(asked.low)
        return low, None if asked.high is None else moment(asked.high)
    return asked.low_us, asked.high_us


# --- scopes in time (4.18, 4.19) ----------------------------------------------------------------
def keep_scoped(chosen: Chosen, matches: Callable[[list[str]], bool]) -> None:
    """Leave the instances of times at which the entity's scopes matched; shown are the scopes that
    were valid then. A scope is valid from the time it was set until it is replaced or removed; the
    first one, where nobody said since when it was observed, also before: what is told of times
    past is told of an entity of that scope.
    """
    asked = chosen.asked
    observed = asked.timeproperty == "observedAt"
    timed = [(_since(one, observed=observed), one) for one in chosen.evolution.scope.instances]
    timed.sort(key=_first)
    starts = [at for at, _ in timed]
    if observed and timed and "observedAt" not in timed[0][1].document:
        starts[0] = moment(BEGINNING)
    valid = [not one.deleted_us and matches(_listed(one)) for _, one in timed]
    time = TIMES[asked.timeproperty]
    kept_series = []
    for series in chosen.series:
        kept = []
        for instance in series.instances:
            at = time(instance)
            index = -1 if at is None else bisect_right(starts, at) - 1
            if index >= 0 and valid[index]:
                kept.append(instance)
        if kept:
            kept_series.append(series.of(kept))
    chosen.series = kept_series
    low, high = bounds(asked)
    shown = [
        one
        for index, (_, one) in enumerate(timed)
        if valid[index]
        and (high is None or starts[index] < high)
        and (low is None or index + 1 == len(timed) or starts[index + 1] > low)
    ]
    chosen.scope = chosen.evolution.scope.of(shown) if shown else None


def keep_last(chosen: Chosen, count: int) -> None:
    """Leave the last instances of each series."""
    for series in chosen.series:
        series.instances = series.instances[-count:]


def _since(instance: Instance, *, observed: bool) -> Moment:
    """Since when a scope is what it is."""
    at_us = instance.deleted_us or instance.created_us
    if not observed:
        return at_us
    return moment(str(instance.document.get("observedAt") or iso(at_us)))


def _listed(instance: Instance) -> list[str]:
    value = instance.document["value"]
    return [value] if value.__class__ is str else list(value)


# --- pages (6.3.10) -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Range:
    """The part of the time that an answer tells when it cannot tell all: from its start to its end
    in the order it was asked for, the last told instance included.
    """

    start: str
    end: str
    size: int | None = None  # lastN

    @property
    def header(self) -> bytes:
        """As Content-Range says it."""
        size = "*" if self.size is None else str(self.size)
        return f"date-time {self.start}-{self.end}/{size}".encode()


def cut_page(chosen: list[Chosen], asked: Asked, most: int) -> Range | None:
    """Leave at most about `most` instances of each entity in it: the oldest, or with lastN the
    newest. All entities are told of one time, and whoever goes on at its end misses nothing.
    None: nothing had to go.
    """
    time = TIMES[asked.timeproperty]
    backwards = bool(asked.last_n)
    ends = []
    for one in chosen:
        if sum(len(series.instances) for series in one.series) <= most:
            continue
        every = (instance for series in one.series for instance in series.instances)
        times = [at for at in map(time, every) if at is not None]
        if len(times) > most:
            times.sort(reverse=backwards)
            end = times[most - 1]
            if end == times[0]:  # all at one time: one more, or nobody would get any further
                end = next((at for at in times if at != end), end)
            ends.append(end)
    if not ends:
        return None
    end = max(ends) if backwards else min(ends)
    told = []
    for one in chosen:
        series_list = [*one.series, *([] if one.scope is None else [one.scope])]
        for series in series_list:
            kept = []
            for instance in series.instances:
                at = time(instance)
                if at is None or (at >= end if backwards else at <= end):
                    kept.append(instance)
                    if at is not None and series is not one.scope:
                        told.append(at)
            series.instances = kept
    return _range(asked, min(told), max(told))


def _range(asked: Asked, first: Moment, last: Moment) -> Range:
    if asked.last_n:
        start = asked.high or _text(last)
        return Range(start, _text(first), asked.last_n)
    return Range(asked.low or _text(first), _text(last))


def _text(at: Moment) -> str:
    return f"{at}Z" if at.__class__ is str else iso(at)
