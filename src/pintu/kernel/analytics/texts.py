"""A payload as a template and what varies in it: numbers, times. Pure, and byte for byte.

Payloads of one attribute differ in a value and a time only. Cut out, both become columns of
numbers, and what is left is one short text that thousands of rows share. Whatever is not a plain
number or time stays in the template, so every text comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

HOLE = re.compile(
    rb"(?<=[:,\[])(-?(?:0|[1-9]\d*)(?:\.\d+)?)(?=[,}\]])"
    rb'|(?<=")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?=Z")'
)
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
WHOLE: Final = b"\x00"
"""The template is the text: something in it could be taken for a mark."""
NUMBER, DOUBLE, TIME = 1, 2, 16
"""Marks in a template: a decimal, a float, a time with (mark - TIME) digits of its seconds."""
MARK = re.compile(rb"([\x01\x02\x10-\x16])")
UNTOLD = re.compile(rb'observedAt"\s*:\s*"(?![\x10-\x16]Z")')
Column = Any
DIGITS: Final = 15
"""Decimals of so many digits are exact in a float, too."""


class Cut:
    """One text cut: `template`, and what fills its holes from left to right, a kind each."""

    __slots__ = ("decimals", "floats", "scales", "template", "times")

    def __init__(self) -> None:
        self.template = b""
        self.decimals: list[int] = []  # 21.50 is 2150 ...
        self.scales: list[int] = []  # ... of scale 2
        self.floats: list[float] = []
        self.times: list[int] = []  # in units of the template's digits, since 1970


def cut(text: bytes) -> Cut:
    """Take a text apart; `fill` puts it together again."""
    found = Cut()
    if CONTROL.search(text):
        return uncut(text)
    parts = HOLE.split(text)
    if len(parts) == 1:
        found.template = text
        return found
    out = [parts[0]]
    for at in range(1, len(parts), 3):
        number = parts[at]
        out.append(_number(found, number) if number is not None else _time(found, parts[at + 1]))
        out.append(parts[at + 2])
    found.template = b"".join(out)
    return found


def uncut(text: bytes) -> Cut:
    """A text that stays as it is."""
    found = Cut()
    found.template = WHOLE + text
    return found


@lru_cache(maxsize=4096)
def marks(template: bytes) -> tuple[int, ...]:
    """The kinds of a template's holes, from left to right."""
    return () if template[:1] == WHOLE else tuple(mark[0] for mark in MARK.findall(template))


@lru_cache(maxsize=4096)
def untold(template: bytes) -> bool:
    """Whether a template has a time of observing that is not cut out."""
    return bool(UNTOLD.search(template))


def _number(found: Cut, number: bytes) -> bytes:
    whole, _, fraction = number.partition(b".")
    mantissa = int(whole + fraction)
    if len(number) <= DIGITS and (mantissa or number[0] != 45):
        found.decimals.append(mantissa)
        found.scales.append(len(fraction))
        return b"\x01"
    value = float(number)
    if repr(value).encode() == number:
        found.floats.append(value)
        return b"\x02"
    return number


def _time(found: Cut, time: bytes) -> bytes:
    hour = _hour(time[:13])
    minute, second = int(time[14:16]), int(time[17:19])
    if hour is None or minute > 59 or second > 59:
        return time
    digits = max(len(time) - 20, 0)
    at = hour + minute * 60 + second
    found.times.append(at * 10**digits + int(time[20:]) if digits else at)
    return bytes((TIME + digits,))


@lru_cache(maxsize=4096)
def _hour(text: bytes) -> int | None:
    """Seconds since 1970 of "2026-11-23T08", None when there is no such hour."""
    try:
        moment = datetime.strptime(text.decode(), "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


def fill(template: bytes, columns: Sequence[Column], count: int) -> list[bytes]:
    """`count` texts of one template: from left to right what stands in its holes, a column each.

    A column of decimals is (scale or scales, mantissas), of floats and of times a list.
    """
    if template[:1] == WHOLE:
        return [template[1:]] * count
    parts = MARK.split(template)
    if len(parts) == 1:
        return [template] * count
    form = [parts[0].replace(b"%", b"%%")]
    told: list[Iterable[Any]] = []
    for kind, column, after in zip(marks(template), columns, parts[2::2], strict=True):
        said, values = _said(kind, column)
        form += (said, after.replace(b"%", b"%%"))
        told.append(values)
    text = b"".join(form)
    return [text % values for values in zip(*told, strict=True)]


def _said(kind: int, column: Column) -> tuple[bytes, Iterable[Any]]:
    """(how a hole is formatted, what is put into it)."""
    if kind == DOUBLE:
        return b"%b", [repr(one).encode() for one in column]
    if kind != NUMBER:
        return b"%b", _said_times(column, kind - TIME)
    scale, mantissas = column
    if isinstance(scale, int):
        if not scale:
            return b"%d", mantissas
        # at most 15 digits: the float nearest to the decimal is printed as the decimal
        power = 10.0**scale
        return b"%%.%df" % scale, [mantissa / power for mantissa in mantissas]
    return b"%b", [
        _FORMS[places] % (mantissa / _POWERS[places])
        for mantissa, places in zip(mantissas, scale, strict=True)
    ]


def _said_times(column: Sequence[int], digits: int) -> list[bytes]:
    """Times as they were written, without their Z."""
    if not digits:
        hours = {hour: _said_hour(hour) for hour in {at // 3600 for at in column}}
        return [hours[at // 3600] + _WITHIN[at % 3600] for at in column]
    power = 10**digits
    found = []
    for one in column:
        at, fraction = divmod(one, power)
        said = _said_hour(at // 3600) + _WITHIN[at % 3600]
        found.append(b"%b.%0*d" % (said, digits, fraction))
    return found


_FORMS: Final = [b"%d", *(b"%%.%df" % places for places in range(1, DIGITS + 1))]
_POWERS: Final = [10.0**places for places in range(DIGITS + 1)]
_WITHIN: Final = [b":%02d:%02d" % divmod(second, 60) for second in range(3600)]


@lru_cache(maxsize=4096)
def _said_hour(hours: int) -> bytes:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H").rjust(13, "0").encode()
