"""Conditions, orders and groups as both providers read them; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, TooComplex
from pintu.kernel.exchange.words import Column, Condition, Question

NUMBERS: Final = frozenset(("number", "whole"))
STEPS: Final = ("hour", "day", "week", "month", "year")
"""What `column@day` cuts a time to, in the town's time zone; weeks begin on Monday."""

MOST_CONDITIONS: Final = 50
MOST_CHOICES: Final = 1_000
LONGEST_TEXT: Final = 1_000
MOST_GROUPED_BY: Final = 4
LARGEST_PAGE: Final = 10_000
DEEPEST_OFFSET: Final = 10_000_000


def check(question: Question, columns: Iterable[Column]) -> dict[str, Column]:
    """The columns by name, when everything a question names is among them.

    Raises BadRequestData naming what is not, TooComplex for what is over a limit.
    """
    known = {one.name: one for one in columns}
    named = [*question.columns, *(one.column for one in question.where)]
    named += [group_of(one)[0] for one in question.group]
    if question.measure:
        named.append(question.measure)
    if not question.adds_up:
        named += [one.removeprefix("-") for one in question.order]
    for name in named:
        if name not in known:
            raise BadRequestData(f"Column {name[:70]!r} is not in this data set")
    if question.aggregate != "count" and not question.measure:
        raise BadRequestData(f"Aggregate {question.aggregate!r} needs a measure")
    if len(question.where) > MOST_CONDITIONS or len(question.group) > MOST_GROUPED_BY:
        raise TooComplex(
            f"A question has at most {MOST_CONDITIONS} conditions and {MOST_GROUPED_BY} groups"
        )
    if not (0 <= question.limit <= LARGEST_PAGE and 0 <= question.offset <= DEEPEST_OFFSET):
        raise TooComplex(f"A page has at most {LARGEST_PAGE} rows; ask for the next one")
    return known


def group_of(group: str) -> tuple[str, str]:
    """(column, step) of `observedAt@day`; the step is empty for a plain column."""
    name, _, step = group.partition("@")
    if step and step not in STEPS:
        raise BadRequestData(f"A time is grouped by {', '.join(STEPS)}, not by {step[:20]!r}")
    return name, step


def fitted(
    where: Iterable[Condition], known: dict[str, Column], zone: str
) -> tuple[Condition, ...]:
    """The conditions with their values as the columns keep them; times are read in the town's
    zone where they say none. BadRequestData names the value that does not fit."""
    found = []
    for one in where:
        value = one.value
        if one.comparison in ("empty", "filled"):
            value = None
        elif one.comparison == "in":
            value = _choices(known[one.column], value, zone)
        elif one.comparison == "contains":
            value = fit(Column(name=one.column), value, zone)
        else:
            value = fit(known[one.column], value, zone)
        found.append(Condition(one.column, one.comparison, value))
    return tuple(found)


def fit(column: Column, value: Any, zone: str) -> Any:
    """One value as the column keeps its values; BadRequestData when it is none."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise BadRequestData(f"A value for {column.name!r} is longer than {LONGEST_TEXT} signs")
    if column.kind in NUMBERS:
        return _number(column, value)
    if column.kind == "yes_no":
        told = str(value).strip().lower()
        if told in ("true", "1", "yes", "是"):
            return True
        if told in ("false", "0", "no", "否"):
            return False
        raise BadRequestData(f"Column {column.name!r} is yes or no, not {value!r}")
    if column.kind == "time":
        return _time(str(value).strip(), zone)
    if isinstance(value, dict | list):
        raise BadRequestData(f"Column {column.name!r} is compared with one value, not several")
    return str(value)


def _number(column: Column, value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        found = float(str(value).replace(",", ""))
    except ValueError as error:
        message = f"Column {column.name!r} holds numbers; {str(value)[:50]!r} is none"
        raise BadRequestData(message) from error
    if found != found or found in (float("inf"), float("-inf")):
        raise BadRequestData(f"Column {column.name!r} is not compared with {value!r}")
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def _time(text: str, zone: str) -> str:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text  # a part such as `2026-11`: sorts before its own moments
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return iso(int(moment.timestamp() * 1_000_000))


def _choices(column: Column, value: Any, zone: str) -> list[Any]:
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list | tuple):
        raise BadRequestData(f"`in` needs a list of values for column {column.name!r}")
    if len(found) > MOST_CHOICES:
        raise TooComplex(f"`in` takes at most {MOST_CHOICES} values")
    return [fit(column, one, zone) for one in found]


def test_of(where: Iterable[Condition]) -> Callable[[dict[str, Any]], bool]:
    """A test of one row for all of some fitted conditions; an absent value fits `empty` alone."""
    tests = [(one.column, _test(one)) for one in where]
    return lambda row: all(test(row.get(name)) for name, test in tests)


def _test(condition: Condition) -> Callable[[Any], bool]:
    what, wanted = condition.comparison, condition.value
    if what in ("empty", "filled"):
        return lambda value: (value is None or value == "") == (what == "empty")
    if what == "in":
        return lambda value: any(one in wanted for one in _each(value))
    if what == "contains":
        part = wanted.casefold()
        return lambda value: any(part in str(one).casefold() for one in _each(value))
    if what == "=":
        return lambda value: any(one == wanted for one in _each(value))
    if what == "!=":
        return lambda value: value is not None and all(one != wanted for one in _each(value))
    return lambda value: any(_ordered(what, one, wanted) for one in _each(value))


def _each(value: Any) -> Iterable[Any]:
    """What a comparison looks at: the elements of a list, every language of a text."""
    if value is None:
        return ()
    if isinstance(value, dict):
        return [one for one in value.values() if isinstance(one, str)]
    return value if isinstance(value, list) else (value,)


def _ordered(what: str, value: Any, wanted: Any) -> bool:
    try:
        if what == "<":
            return bool(value < wanted)
        if what == "<=":
            return bool(value <= wanted)
        return bool(value > wanted) if what == ">" else bool(value >= wanted)
    except TypeError:
        return False


# --- times ------------------------------------------------------------------------------------
def cut(text: Any, step: str, zone: str) -> str | None:
    """The hour, day, week, month or year a time falls in, in the town's time zone.

    `2026-11-22T08` for an hour, `2026-11-22` for a day and a week (its Monday), `2026-11`, `2026`.
    """
    if not isinstance(text, str) or len(text) < 10:
        return None
    if len(text) == 10:
        return _cut_day(text, step)
    key = f"{text[:13]}:00:00Z" if text.endswith("Z") and _whole_hours(zone) else text
    return _cut_moment(key, step, zone)


def splits_hours(zone: str) -> bool:
    """Whether two moments of one hour may be cut differently in a zone."""
    return not _whole_hours(zone)


@lru_cache(maxsize=64)
def _whole_hours(zone: str) -> bool:
    """Whether a zone's offset never splits an hour: then one look-up serves all its minutes."""
    years = range(1990, 2040)
    moments = (datetime(year, month, 1, tzinfo=UTC) for year in years for month in (1, 7))
    place = ZoneInfo(zone)
    return all(
        (one.astimezone(place).utcoffset() or timedelta()).total_seconds() % 3600 == 0
        for one in moments
    )


@lru_cache(maxsize=100_000)
def _cut_moment(text: str, step: str, zone: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(ZoneInfo(zone))
    if step == "hour":
        return moment.strftime("%Y-%m-%dT%H")
    return _cut_day(moment.strftime("%Y-%m-%d"), step)


@lru_cache(maxsize=20_000)
def _cut_day(text: str, step: str) -> str | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    if step == "week":
        return (day - timedelta(days=day.weekday())).isoformat()
    return {"hour": text, "day": text, "month": text[:7], "year": text[:4]}[step]
