"""What may be asked of history as a whole: questions as data, checked before anything is started.

Samples are what was told with `observedAt`, one a moment: of several tellings of one moment of an
entity's attribute and data set the last holds. Days are days of a time zone.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from pintu.kernel.errors import BadRequestData, ConfigurationError

DUCKDB: Final = "duckdb"
SPARK: Final = "spark://"
SECOND_US: Final = 1_000_000
DAY_S: Final = 86_400
MOST_DAYS: Final = 3_700
MOST_PERIODS: Final = 100_000
HOLD_MOST_S: Final = 72_000
"""What is told lasts less than a day of 23 hours, so it ends on the day after at the latest."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=20)]


class Sums(msgspec.Struct, kw_only=True, frozen=True, tag="sums", forbid_unknown_fields=True):
    """Of each entity's attribute and data set, a period: count, sum, sumsq, low, high. The same as
    the roll-ups that are kept, computed anew from the samples."""

    step_s: int = 3_600


class Chart(msgspec.Struct, kw_only=True, frozen=True, tag="chart", forbid_unknown_fields=True):
    """Of all entities together, a period: how many told, count, mean, sd, low, median, high."""

    step_s: int = DAY_S


class Profile(msgspec.Struct, kw_only=True, frozen=True, tag="profile", forbid_unknown_fields=True):
    """The usual week: by day of the week (0 is Monday) and hour: count, mean, sd, low, median,
    high; of each entity, or of all together."""

    each: bool = False


class Hours(msgspec.Struct, kw_only=True, frozen=True, tag="hours", forbid_unknown_fields=True):
    """Of each entity and day, how many seconds a state lasted: `at_least` a number, or one of some
    `states`; and of how many seconds anything is known. A sample lasts until the next one of its
    data set, `hold_s` at most."""

    at_least: float | None = None
    states: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    hold_s: int = 7_200


class Running(msgspec.Struct, kw_only=True, frozen=True, tag="running", forbid_unknown_fields=True):
    """Of each entity and day: how many of its hours are told, their mean, the largest of them,
    and the largest mean
    (`best`, of `runs` such means) of `hours` hours in a row that lie on that day, at least `least`
    of them told."""

    hours: int = 8
    least: int = 6


Kind = Sums | Chart | Profile | Hours | Running


class Question(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is asked, of which samples: of entities that had one of `types` when they told, of
    `attributes`, from `since_us` to before `until_us` by time of observing. Names are stored
    names. No `ids`: of all. `only`: sub-attributes (such as `quality`) and the value they must have
    where they are told; a sample with another one is as if no number had been told then."""

    ask: Kind
    types: Names
    attributes: Names
    since_us: int
    until_us: int
    zone: str = "UTC"
    ids: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)] = ()
    only: Annotated[dict[str, str], msgspec.Meta(max_length=5)] = {}


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """What one answer may cost."""

    rows: int = 100_000  # of the answer
    seconds: float = 60.0
    memory_mb: int = 1_024
    samples: int = 200_000_000  # rows of the files that are read
    fresh: int = 2_000_000  # rows of packs: what is in no file yet


def limits_of(engine: str) -> Limits:
    """A cluster is asked for what takes long, and shares it."""
    if engine.startswith(SPARK):
        return Limits(seconds=600.0, samples=20_000_000_000)
    return Limits()


class Answer(msgspec.Struct, kw_only=True):
    """Columns of equal length, their rows in order of the first ones; `engine` computed it in
    `seconds` of `read` rows. `passed`: ways of writing rows that could not be read as columns."""

    columns: dict[str, list[Any]] = {}
    engine: str = ""
    seconds: float = 0.0
    read: int = 0
    passed: int = 0
    error: str = ""
    too_much: bool = False


def checked(question: Question) -> Question:
    """The question, when it can be asked. Raises BadRequestData that names what is wrong."""
    ask, span_s = question.ask, (question.until_us - question.since_us) / SECOND_US
    wrong = ""
    if not question.types or not question.attributes:
        wrong = "a type and an attribute have to be named"
    elif not 0 <= question.since_us < question.until_us or span_s > MOST_DAYS * DAY_S:
        wrong = f"the time has to be longer than nothing and at most {MOST_DAYS} days"
    elif not known_zone(question.zone):
        wrong = f"{question.zone[:60]!r} is no time zone"
    elif isinstance(ask, Sums | Chart):
        if ask.step_s < 60 or (ask.step_s > DAY_S and ask.step_s % DAY_S):
            wrong = "a period is a minute at least, and above a day whole days"
        elif span_s / ask.step_s > MOST_PERIODS:
            wrong = f"more than {MOST_PERIODS:,} periods"
    elif isinstance(ask, Hours):
        if (ask.at_least is None) == (not ask.states):
            wrong = "either at_least or states has to be told"
        elif not 1 <= ask.hold_s <= HOLD_MOST_S:
            wrong = f"hold_s is not between 1 and {HOLD_MOST_S}"
    elif isinstance(ask, Running) and not 1 <= ask.least <= ask.hours <= 24:
        wrong = "least and hours have to be 1 ≤ least ≤ hours ≤ 24"
    if wrong:
        raise BadRequestData(f"This cannot be asked of history: {wrong}")
    return question


def known_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def reads_from_us(question: Question) -> int:
    """The first moment whose samples matter: what was told before the time asked for may last into
    it."""
    ask = question.ask
    before_us = ask.hold_s * SECOND_US if isinstance(ask, Hours) else 0
    return question.since_us - before_us


def check_engine(address: str) -> str:
    """`duckdb`, or the address of a Spark cluster. Raises ConfigurationError for anything else."""
    if address == DUCKDB or (address.startswith(SPARK) and len(address) > len(SPARK)):
        return address
    raise ConfigurationError([f"engine {address!r} is neither duckdb nor spark://HOST:PORT"])
