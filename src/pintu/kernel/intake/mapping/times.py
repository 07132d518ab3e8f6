"""Times and dates as sources write them, to UTC in ISO 8601. Pure: the zone is told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.mapping.reasons import shown, wrong
from pintu.kernel.intake.mapping.values import Convert

SERIAL_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet knows no zone
SERIALS: Final = (10_000, 80_000)  # 1927 … 2119: what a spreadsheet's day number may be
YEARS: Final = (1850, 2200)
KNOWN_TIMES: Final = 4_096  # of one column, remembered as they are written

_CHINA: Final = timezone(timedelta(hours=8))
_TEXT: Final = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]*(上午|下午|中午|凌晨|晚上|am|pm)?\s*"
    r"(\d{1,2})\s*(?:[:时点]\s*(?:(\d{1,2})\s*(?:[:分]\s*(?:(\d{1,2})(?:[.,](\d{1,9}))?\s*秒?)?)?)?)"
    r"\s*(am|pm)?)?\s*(z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.IGNORECASE,
)
_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\d{3})?)?)?)?")
_ZH_MONTH: Final = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月")
_AFTERNOON: Final = frozenset({"下午", "晚上", "pm"})


def zone_of(name: str) -> tzinfo:
    """A zone by its name; ConfigurationError when nobody knows it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            [f"Time zone {name!r} is not one: write it like Asia/Shanghai"]
        ) from error


def time_reader(form: str, zone: str) -> Convert:
    """Reads one time to UTC (`2026-01-01T08:00:00Z`). `form` is strptime's; empty: ISO 8601, 年月日
    forms, 24:00, digits in a row, epoch seconds or milliseconds, serial days of a spreadsheet."""
    local = zone_of(zone)
    known: dict[str, str] = {}

    def read(value: Any) -> str:
        if value.__class__ is not str:
            return _utc(_moment(value), local)
        found = known.get(value)
        if found is None:
            found = _utc(_with_form(value, form) if form else _moment_of_text(value), local)
            if len(known) >= KNOWN_TIMES:
                known.clear()
            known[value] = found
        return found

    return read


def date_reader(form: str, zone: str) -> Convert:
    """Reads one day (`2026-01-01`): the day where the source is, not the day in UTC."""
    local = zone_of(zone)

    def read(value: Any) -> str:
        if value.__class__ is date:
            found: datetime | date = value
        elif value.__class__ is str:
            found = _with_form(value, form) if form else _moment_of_text(value)
        else:
            found = _moment(value)
        if isinstance(found, datetime) and found.tzinfo is not None:
            found = found.astimezone(local)
        _believable(found.year, value)
        return f"{found.year:04d}-{found.month:02d}-{found.day:02d}"

    return read


def parts_reader(count: int, form: str, zone: str) -> Callable[[Sequence[Any]], str]:
    """Reads a time that several columns say: date and time (2), or year, month, day and, as far as
    there are columns, hour, minute, second (3 to 6)."""
    local = zone_of(zone)
    single = time_reader(form, zone)
    if count == 2:
        return lambda values: single(f"{_day_text(values[0])} {_clock_text(values[1])}")

    def read(values: Sequence[Any]) -> str:
        try:
            numbers = [int(float(one)) for one in values]
            hour = numbers[3] if count > 3 else 0
            rest = (*numbers[4:], 0, 0)
            found = datetime(numbers[0], numbers[1], numbers[2]) + timedelta(  # noqa: DTZ001
                hours=hour, minutes=rest[0], seconds=rest[1]
            )
            if not 0 <= hour <= 24 or not 0 <= rest[0] < 60 or not 0 <= rest[1] <= 60:
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise _no_time(" ".join(map(str, values))) from None
        return _utc(found, local)

    return read


def _day_text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, int | float) and SERIALS[0] < value < SERIALS[1]:
        return (SERIAL_ZERO + timedelta(days=int(value))).strftime("%Y-%m-%d")
    text = str(value).strip()
    found = _DIGITS.fullmatch(text)
    return "-".join(found.groups()[:3]) if found and len(text) == 8 else text


def _clock_text(value: Any) -> str:
    if isinstance(value, datetime | time):
        return value.strftime("%H:%M:%S")
    if isinstance(value, float) and 0 <= value < 1:  # a spreadsheet's part of a day
        seconds = round(value * 86_400)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    text = str(value).strip()
    return f"{text}:00" if text.isdecimal() and len(text) <= 2 else text


def _moment(value: Any) -> datetime:
    """A time out of what is no text: a database's or spreadsheet's own time, epoch, serial day."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = _moment_of_number(value)
        if found is not None:
            return found
    raise _no_time(value)


def _moment_of_number(value: float) -> datetime | None:
    if SERIALS[0] < value < SERIALS[1]:
        return SERIAL_ZERO + timedelta(seconds=round(value * 86_400))
    for low, high, unit in ((1e8, 1e11, 1), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6)):
        if low <= value < high:
            return datetime.fromtimestamp(value / unit, UTC)
    if value - value == 0 and value == int(value) and 18_500_101 <= value < 22_000_101:
        return _moment_of_digits(str(int(value)))
    return None


def _moment_of_text(value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
        if len(value) > 8:  # 20260101 is looked at below, with the rest of the digits
            return found
    except ValueError:
        pass
    text = unicodedata.normalize("NFKC", value).strip()
    if text.replace(".", "", 1).isdecimal():
        moment = _moment_of_digits(text)
        if moment is None and len(text) < 25:
            moment = _moment_of_number(float(text))
    else:
        moment = _moment_of_words(text)
    if moment is None:
        raise _no_time(value)
    return moment


def _moment_of_digits(text: str) -> datetime | None:
    """`20260101`, `2026010108`, `202601010830`, `20260101083000`, with milliseconds too."""
    found = _DIGITS.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, milli = (int(one or 0) for one in found.groups())
    try:
        moment = datetime(year, month, day)  # noqa: DTZ001
        return moment + _clock(hour, minute, second, milli * 1000)
    except ValueError:
        return None


def _moment_of_words(text: str) -> datetime | None:
    found = _TEXT.fullmatch(text)
    if found is None:
        month = _ZH_MONTH.fullmatch(text)
        return datetime(int(month[1]), int(month[2]), 1) if month else None  # noqa: DTZ001
    year, month_, day, before, hour, minute, second, part, after, zone = found.groups()
    half = (before or after or "").lower()
    hours = int(hour or 0)
    if half in _AFTERNOON and hours < 12:
        hours += 12
    elif half in ("am", "凌晨") and hours == 12:
        hours = 0
    micros = int((part or "").ljust(6, "0")[:6] or 0)
    try:
        moment = datetime(int(year), int(month_), int(day)) + _clock(  # noqa: DTZ001
            hours, int(minute or 0), int(second or 0), micros
        )
    except ValueError:
        return None
    if not zone:
        return moment
    if zone.lower() in ("z", "utc", "gmt"):
        return moment.replace(tzinfo=UTC)
    minutes = int(zone[1:3]) * 60 + int(zone[-2:] if len(zone) > 3 else 0)
    offset = timedelta(minutes=minutes if zone[0] == "+" else -minutes)
    if abs(offset) >= timedelta(hours=24):
        return None
    return moment.replace(tzinfo=timezone(offset))


def _clock(hour: int, minute: int, second: int, micros: int) -> timedelta:
    """The time of day; 24:00 is the day's end, as Chinese bulletins write it."""
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second or micros)):
        raise ValueError
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _with_form(value: str, form: str) -> datetime:
    text = unicodedata.normalize("NFKC", value).strip()
    later = timedelta()
    if "%H" in form and "24" in text:  # strptime knows no 24:00
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            later = timedelta(days=1)
            text = re.sub(r"(?<!\d)24(?=:?00)|24(?=时|点)", "00", text, count=1)
    try:
        return datetime.strptime(text, form) + later  # noqa: DTZ007
    except (ValueError, OverflowError):
        raise wrong(
            f"{shown(value)} is not a time of the form {form}",
            f"{shown(value)}不是格式为 {form} 的时间",
        ) from None


def _utc(moment: datetime, local: tzinfo) -> str:
    _believable(moment.year, moment)
    zone = moment.tzinfo
    if zone is None:
        # since 1992 Shanghai knows no summer time: the common case needs no table of changes
        china = moment.year > 1991 and getattr(local, "key", "") == "Asia/Shanghai"
        moment = moment.replace(tzinfo=_CHINA if china else local)
    if zone is not UTC:
        moment = moment.astimezone(UTC)
    text = moment.isoformat()
    return text[:-6] + "Z" if text[19] != "." else text[:-6].rstrip("0").rstrip(".") + "Z"


def _believable(year: int, value: Any) -> None:
    if not YEARS[0] <= year <= YEARS[1]:
        raise wrong(
            f"{shown(str(value))} lies in the year {year}: is that a time?",
            f"{shown(str(value))}的年份是 {year}：这是时间吗？",
        )


def _no_time(value: Any) -> Exception:
    return wrong(
        f"{shown(str(value))} is not a time that can be told; say its form in the mapping, "
        "such as %d/%m/%Y %H:%M",
        f"{shown(str(value))}不是能识别的时间；请在映射中写明格式，如 %d/%m/%Y %H:%M",
    )
