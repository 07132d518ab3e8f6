"""What is asked of a history: the times, how many of the last, how it is aggregated (4.11, 5.2.21,
4.5.19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pintu.kernel.context.scalars import check_time
from pintu.kernel.context.temporal.durations import Period, micros, parse_period
from pintu.kernel.errors import BadRequestData

TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]
Relation = Literal["", "before", "after", "between"]
PROPERTIES: Final = ("observedAt", "createdAt", "modifiedAt", "deletedAt")
RELATIONS: Final = ("before", "after", "between")
METHODS: Final = (
    "totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq",
)  # fmt: skip
LAST_N_LIMIT: Final = 1_000_000
PERIOD_LIMIT: Final = 100_000
"""Periods one answer may cut the time into."""


WHOLE: Final = Period()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A temporal query. The lower bound is in, the upper bound is not (4.11)."""

    timeproperty: TimeProperty = "observedAt"
    named: bool = False  # the property was spelled out
    relation: Relation = ""
    low: str | None = None
    high: str | None = None
    last_n: int = 0  # 0: all
    methods: tuple[str, ...] = ()
    period: Period = WHOLE

    @property
    def low_us(self) -> int | None:
        """The lower bound."""
        return None if self.low is None else micros(self.low)

    @property
    def high_us(self) -> int | None:
        """The upper bound."""
        return None if self.high is None else micros(self.high)

    @property
    def needed(self) -> bool:
        """Does an instance without that time not count?"""
        return bool(self.named or self.relation or self.last_n)


def read_asked(params: Mapping[str, Any], *, aggregated: bool = False) -> Asked:
    """The temporal query of parameters, or of a temporalQ of the same names.

    Raises BadRequestData naming the member that is wrong.
    """
    get = params.get
    name = get("timeproperty", "observedAt")
    if name not in PROPERTIES:
        raise BadRequestData(f"timeproperty is {_cut(name)}, not one of {', '.join(PROPERTIES)}")
    relation, low, high = _times(get("timerel"), get("timeAt"), get("endTimeAt"))
    methods, period = _aggregation(params, aggregated)
    return Asked(
        timeproperty=name,
        named="timeproperty" in params,
        relation=relation,
        low=low,
        high=high,
        last_n=_last_n(get("lastN")),
        methods=methods,
        period=period,
    )


def _times(relation: Any, at: Any, end: Any) -> tuple[Any, str | None, str | None]:
    if relation is None:
        if at is not None or end is not None:
            raise BadRequestData("timeAt and endTimeAt need timerel")
        return "", None, None
    if relation not in RELATIONS:
        raise BadRequestData(f"timerel is {_cut(relation)}, not one of {', '.join(RELATIONS)}")
    if at is None:
        raise BadRequestData(f"timerel={relation} needs timeAt")
    at = check_time(at, "timeAt")
    if relation == "before":
        if end is not None:
            check_time(end, "endTimeAt")
        return relation, None, at
    if relation == "after":
        return relation, at, None
    if end is None:
        raise BadRequestData("timerel=between needs endTimeAt")
    end = check_time(end, "endTimeAt")
    if micros(end) <= micros(at):
        raise BadRequestData("endTimeAt does not lie after timeAt")
    return relation, at, end


def _last_n(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if value.__class__ is not int or not 0 < value <= LAST_N_LIMIT:
        raise BadRequestData(f"lastN is {_cut(value)}, not a whole number of 1 to {LAST_N_LIMIT}")
    return int(value)


def _aggregation(params: Mapping[str, Any], wanted: bool) -> tuple[tuple[str, ...], Period]:
    text, duration = params.get("aggrMethods"), params.get("aggrPeriodDuration")
    period = WHOLE if duration is None else parse_period(duration)
    if text is None:
        if wanted:
            raise BadRequestData("aggregatedValues needs aggrMethods")
        return (), period
    members = text.split(",") if isinstance(text, str) else text
    if not isinstance(members, list) or not members:
        raise BadRequestData("aggrMethods is neither a text nor a list of names")
    names = [one.strip() if isinstance(one, str) else one for one in members]
    for one in names:
        if one not in METHODS:
            raise BadRequestData(f"aggrMethods has {_cut(one)}; known: {', '.join(METHODS)}")
    return tuple(dict.fromkeys(names)), period


def _cut(value: Any) -> str:
    return repr(value)[:60]
