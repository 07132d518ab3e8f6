"""Single values: numbers, texts, yes and no, codes as sources write them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from pintu.kernel.intake.mapping.reasons import shown, wrong

Convert = Callable[[Any], Any]
"""From a value of the source to one of ours; BadRequestData says why not."""

LONGEST_TEXT: Final = 100_000
LARGEST_WHOLE: Final = 2**53  # beyond it, readers of JSON lose digits

_TIMES: Final = {"百": 100, "千": 1_000, "万": 10_000, "百万": 10**6, "千万": 10**7, "亿": 10**8}
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COUNTED: Final = re.compile(r"([+-]?[\d.,]+)\s*(百万|千万|百|千|万|亿)")
_YES: Final = frozenset(
    ("是", "有", "对", "真", "开", "√", "✓", "y", "yes", "true", "t", "on", "1")
)
_NO: Final = frozenset(
    ("否", "无", "错", "假", "关", "×", "✗", "n", "no", "false", "f", "off", "0")
)


def number(value: Any) -> int | float:
    """A finite number. Reads full-width digits, thousands separators and 万, 亿; whole numbers stay
    whole."""
    kind = value.__class__
    if kind is str:
        try:
            if "_" in value:  # Python would read 1_000
                return _odd_number(value)
            if "." not in value:
                return _fits(int(value), value)
            found = float(value)
        except ValueError:
            return _odd_number(value)
        if found - found == 0:
            return found
        return _odd_number(value)
    if kind is int:
        return _fits(value, value)
    if kind is float or kind is Decimal:
        found = float(value)
        if found - found == 0:
            return int(found) if kind is Decimal and value == value.to_integral() else found
    raise wrong(f"{shown(value)} is not a number", f"{shown(value)}不是数字")


def number_within(
    low: float | None, high: float | None, convert: Callable[[float], float] | None = None
) -> Convert:
    """`number`, turned into another unit and kept within bounds, in one step for the common case:
    a short text of digits."""
    least = float("-inf") if low is None else low
    most = float("inf") if high is None else high

    def checked(value: Any) -> int | float:
        found = number(value)
        if convert is not None:
            found = convert(found)
        if least <= found <= most:
            return found
        raise _outside(found, least, most)

    def read(value: Any) -> int | float:
        if value.__class__ is str and len(value) < 16:
            try:
                found = float(value) if "." in value else int(value)
            except ValueError:
                return checked(value)
            if convert is not None:
                found = convert(found)
            if least <= found <= most and "_" not in value:
                return found
        return checked(value)

    return read


def _outside(found: float, least: float, most: float) -> Exception:
    side, bound = ("below", least) if found < least else ("above", most)
    zh = "小于" if found < least else "大于"
    return wrong(f"{found:g} is {side} {bound:g}", f"{found:g}{zh}{bound:g}")


def _fits(found: int, value: Any) -> int:
    if -LARGEST_WHOLE <= found <= LARGEST_WHOLE:
        return found
    raise wrong(
        f"{shown(value)} is too large for a number: is the column an id? Then map it as text",
        f"{shown(value)}超出数字范围：这一列是编号吗？请按文本映射",
    )


def _odd_number(value: str) -> int | float:
    text = unicodedata.normalize("NFKC", value).strip().replace("−", "-")
    counted = _COUNTED.fullmatch(text)
    factor = 1
    if counted is not None:
        text, factor = counted[1], _TIMES[counted[2]]
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if "_" not in text and len(text) < 400:
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if found - found == 0:
            whole = text.lstrip("+-").isdigit()
            if factor == 1:
                return _fits(int(text), value) if whole else found
            exact = Decimal(text) * factor
            return _fits(int(exact), value) if exact == int(exact) else float(exact)
    if "," in text:
        raise wrong(
            f"{shown(value)} is not a number: a comma stands where no thousands separator can",
            f"{shown(value)}不是数字：逗号不在千分位上",
        )
    raise wrong(f"{shown(value)} is not a number", f"{shown(value)}不是数字")


def whole(value: Any) -> int:
    """A whole number; 3.0 is one, 3.5 is not."""
    found = number(value)
    if found.__class__ is int:
        return int(found)
    if found != int(found):
        raise wrong(f"{shown(value)} is not a whole number", f"{shown(value)}不是整数")
    return _fits(int(found), value)


def yes_no(value: Any) -> bool:
    """True or False from 是/否, 有/无, yes/no, true/false, 1/0 …"""
    if value is True or value is False:
        return bool(value)
    text = unicodedata.normalize("NFKC", str(value)).strip().lower()
    if text.endswith(".0"):
        text = text[:-2]
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise wrong(f"{shown(value)} is neither yes nor no", f"{shown(value)}不是“是”或“否”")


def text(value: Any) -> str:
    """A text without blanks around it; a number as it is written, times as ISO 8601."""
    kind = value.__class__
    if kind is str:
        found = value.strip()
        if len(found) > LONGEST_TEXT:
            raise wrong(
                f"{shown(value)} is longer than {LONGEST_TEXT} characters",
                f"{shown(value)}超过 {LONGEST_TEXT} 个字符",
            )
        return str(found.replace("\x00", ""))
    if kind is int:
        return str(value)
    if kind is float:
        return str(int(value)) if value == value // 1 and abs(value) < 1e15 else repr(value)
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | dict):
        raise wrong(
            f"{shown(value)} is {'a list' if isinstance(value, list) else 'an object'}, "
            "not a single value: map a path into it",
            f"{shown(value)}不是单个值：请映射其中的路径",
        )
    return str(value)


def structure(value: Any) -> Any:
    """A value kept as it is: text, number, list or object of JSON."""
    if isinstance(value, Decimal | datetime | date | time):
        return number(value) if isinstance(value, Decimal) else value.isoformat()
    return value


def code(
    told: Mapping[str, str], known: tuple[str, ...], labels: Mapping[str, Mapping[str, str]]
) -> Convert:
    """A value of a code list: by the mapping's own table, by the code itself, or by a label of it
    in any language. Without `known` any value is one."""
    table: dict[Any, Any] = {}
    for value in known:
        for name in (value, *labels.get(value, {}).values()):
            table.setdefault(folded(name), value)
    for name, value in told.items():
        table[folded(name)] = value
    if not known:  # an open list, or numbers named in words
        table.update({name: value for name, value in told.items()})

    def convert(value: Any) -> Any:
        found = table.get(value) if value.__class__ is str else None
        if found is not None:
            return found
        name = folded(text(value))
        found = table.get(name)
        if found is not None:
            if value.__class__ is str and len(table) < 5_000:
                table[value] = found  # as it is written here: no folding the next time
            return found
        if not known:
            return text(value)
        some = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        raise wrong(
            f"{shown(value)} is not in the code list ({some}): say in the mapping what it means",
            f"{shown(value)}不在代码表中（{some}）：请在映射中说明它的含义",
        )

    return convert


def folded(name: str) -> str:
    """A name without what people write differently: width, case, blanks."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def within(convert: Convert, low: float | None, high: float | None) -> Convert:
    """The same conversion, with bounds of what the source may say."""
    least = float("-inf") if low is None else low
    most = float("inf") if high is None else high

    def bounded(value: Any) -> Any:
        found = convert(value)
        if least <= found <= most:
            return found
        raise _outside(found, least, most)

    return bounded
