"""Where the samples of a row lie: in which of its holes, by the row's form and template. Pure.

Rows of a day file that say the same in the same form share both, and there are few of them beside
the rows. So what a text means is worked out once a form, here, and an engine only looks numbers up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from pintu.kernel.analytics.engines.words import Question
from pintu.kernel.analytics.texts import DOUBLE, NUMBER, TIME, fill, marks
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.errors import BadInput
from pintu.kernel.store.port import VERBS, Change

CONSTANT, DECIMAL, FLOAT = 0, 1, 2
TELLING: Final = frozenset({"created", "updated", "replaced", "recorded"})
MOST_OF_ROW: Final = 4_096
"""Samples of one row that are told apart; of one moment the last counts."""
_BASES: Final = (7 * 10**13, 9 * 10**13)
_DAYS: Final = (0, 86_400)
"""Every hole is filled twice, differently: what follows both is the hole's, whatever else it is."""


Doc = dict[str, Any]
Told = tuple[bool, float, str]


class Place(NamedTuple):
    """Where one sample of a row lies. `kind` says what `hole` is a number of; -1: `value` it is.
    The time is hole `time_hole` times `unit`, or -1: `at_us` it is."""

    form: str
    template: bytes
    attribute: str
    dataset: str
    number: bool
    kind: int
    hole: int
    value: float
    text: str
    time_hole: int
    unit: int
    at_us: int
    rank: int  # among the samples of its row


class Sample(NamedTuple):
    """What a row told of one moment; `told` grows with when it was told."""

    id: str
    attribute: str
    dataset: str
    at_us: int
    number: bool
    value: float
    text: str
    told: int


def instances(payload: dict[str, Any], attributes: Collection[str]) -> Iterator[tuple[str, Any]]:
    """(attribute, instance) of what a row told with a time of observing, as properties that stay
    (what expires leaves no history, 4.22)."""
    for name in attributes:
        told = payload.get(name)
        for one in told if isinstance(told, list) else (told,):
            if (
                isinstance(one, dict)
                and one.get("type") == "Property"
                and "observedAt" in one
                and "expiresAt" not in one
                and not isinstance(one.get("value"), dict | list)
            ):
                yield name, one


def samples_of(change: Change, question: Question) -> list[Sample]:
    """What a row of the log tells."""
    if change.verb not in TELLING or not set(question.types).intersection(change.types):
        return []
    told = instances(orjson.loads(change.payload), question.attributes)
    found = (
        sample_of(change.id, name, one, (change.position, rank), question.only)
        for rank, (name, one) in enumerate(told)
    )
    return [one for one in found if one is not None]


def sample_of(
    id: str, name: str, instance: Doc, place: tuple[int, int], only: Mapping[str, str]
) -> Sample | None:
    """The sample of an instance at a (position, rank); None where its time cannot be read."""
    at_us = _moment(instance["observedAt"])
    if at_us is None:
        return None
    number, value, text = _value(instance, only)
    told = place[0] * MOST_OF_ROW + min(place[1], MOST_OF_ROW - 1)
    return Sample(id, name, str(instance.get("datasetId") or ""), at_us, number, value, text, told)


def _moment(told: Any) -> int | None:
    try:
        return micros(told)
    except (BadInput, ValueError, TypeError):
        return None


def _value(instance: Doc, only: Mapping[str, str]) -> Told:
    """(whether it is a number, the number, otherwise a text)."""
    value = instance.get("value")
    for name, wanted in only.items():
        told = instance.get(name)
        if isinstance(told, dict) and told.get("value") != wanted:
            return False, 0.0, ""
    if value.__class__ is int or value.__class__ is float:
        return True, float(value), ""
    return False, 0.0, value if isinstance(value, str) else orjson.dumps(value).decode()


def places_of(shapes: Iterable[tuple[str, bytes]], question: Question) -> tuple[list[Place], int]:
    """Where samples lie in rows of each (form, template); and how many of these cannot be read."""
    found: list[Place] = []
    passed = 0
    for form, template in shapes:
        had, verb, _, _ = orjson.loads(form)
        if VERBS[verb] not in TELLING or not set(question.types).intersection(had):
            continue
        try:
            found += _places(form, template, question)
        except _Unread:
            passed += 1
    return found, passed


class _Unread(Exception):
    """A name varies from row to row."""


def _places(form: str, template: bytes, question: Question) -> Iterator[Place]:
    kinds = marks(template)
    one, two = (
        list(instances(orjson.loads(_filled(template, kinds, n)), question.attributes))
        for n in (0, 1)
    )
    if [name for name, _ in one] != [name for name, _ in two]:
        raise _Unread
    for rank, ((name, first), (_, second)) in enumerate(zip(one, two, strict=True)):
        dataset = str(first.get("datasetId") or "")
        if dataset != str(second.get("datasetId") or ""):
            raise _Unread
        when = _time_place(kinds, first["observedAt"], second["observedAt"])
        what = _value_place(kinds, _value(first, question.only), _value(second, question.only))
        if when is not None:
            yield Place(form, template, name, dataset, *what, *when, min(rank, MOST_OF_ROW - 1))


def _filled(template: bytes, kinds: tuple[int, ...], n: int) -> bytes:
    """A text of a template in which every hole tells its own number."""
    columns: list[Any] = []
    for hole, kind in enumerate(kinds):
        if kind == NUMBER:
            columns.append((0, (_BASES[n] + hole,)))
        elif kind == DOUBLE:
            columns.append((_BASES[n] + hole + 0.5,))
        else:
            columns.append(((hole + _DAYS[n]) * 10 ** (kind - TIME),))
    return fill(template, columns, 1)[0]


def _hole(first: float, second: float, starts: tuple[float, float], count: int) -> int | None:
    """The hole that two fillings tell of; None where they tell of none."""
    hole = first - starts[0]
    if hole == second - starts[1] and hole == int(hole) and 0 <= hole < count:
        return int(hole)
    return None


def _time_place(kinds: tuple[int, ...], first: Any, second: Any) -> tuple[int, int, int] | None:
    """(hole among the times, µs of its unit, or the moment itself); None: there is no time."""
    one, two = _moment(first), _moment(second)
    if one is None or two is None:
        return None
    if one == two:
        return -1, 0, one
    starts = (_DAYS[0], _DAYS[1])
    hole = _hole(one / 1_000_000, two / 1_000_000, starts, len(kinds))
    if hole is None or kinds[hole] < TIME:
        raise _Unread
    unit = 10 ** (6 - (kinds[hole] - TIME))
    return sum(kind >= TIME for kind in kinds[:hole]), unit, 0


def _value_place(
    kinds: tuple[int, ...], first: Told, second: Told
) -> tuple[bool, int, int, float, str]:
    """(number, kind, hole among its kind, value, text)."""
    (number, value, text), (other, same, also) = first, second
    if not (number and other):
        # a text that varies with a number or a time in it is no state anybody can name
        return False, CONSTANT, -1, 0.0, text if text == also else ""
    if value == same:
        return True, CONSTANT, -1, value, ""
    hole = _hole(value, same, _BASES, len(kinds))
    kind = NUMBER
    if hole is None:
        hole = _hole(value - 0.5, same - 0.5, _BASES, len(kinds))
        kind = DOUBLE
    if hole is None or kinds[hole] != kind:
        raise _Unread
    place = sum(one == kind for one in kinds[:hole])
    return True, DECIMAL if kind == NUMBER else FLOAT, place, 0.0, ""
