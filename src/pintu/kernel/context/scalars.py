"""The small things every representation is made of: ids, names, timestamps, scopes, language
tags."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any, Final

from pintu.kernel.errors import BadRequestData

_REMEMBERED: Final = 20_000

# An IRI as RFC 3987 writes it: no blanks, controls, delimiters, nor characters nobody can see.
_uri: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"
).fullmatch
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\"<>\\^`{|}\x7f-\xa0]+")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_BLANK_LOOKING: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")

_NAME = re.compile(r"[^\W\d_]\w*(?::[^\W\d_]\w*)?")
_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d{1,6})?Z"
)
_SCOPE = re.compile(r"/?[^\W\d_]\w*(?:/[^\W\d_]\w*)*")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|@none")

good_times: set[str] = set()
"""Timestamps seen lately that need no second look and no change: for the hot path of a reader."""
_good_names: set[str] = set()


def is_uri(text: Any) -> bool:
    """Whether text is an absolute URI or IRI in which every character can be seen (RFC 3986,
    3987)."""
    if text.__class__ is not str:
        return False
    if _uri(text) is not None:
        return True
    return (
        not text.isascii() and _IRI.fullmatch(text) is not None and not any(map(_invisible, text))
    )


def _invisible(character: str) -> bool:
    if character.isascii():
        return False
    point = ord(character)
    return (
        unicodedata.category(character) in _INVISIBLE_CATEGORIES
        or character in _BLANK_LOOKING
        or 0xFE00 <= point <= 0xFE0F
        or 0xE0100 <= point <= 0xE01EF
        or 0x180B <= point <= 0x180F
        or (point & 0xFFFE) == 0xFFFE
    )


def check_uri(text: Any, what: str) -> str:
    """The text, when it is a URI; BadRequestData naming `what` otherwise."""
    if not is_uri(text):
        raise BadRequestData(f"{what} {_short(text)} is not a URI")
    return str(text)


def is_time(text: Any) -> bool:
    """Whether text is a UTC timestamp `YYYY-MM-DDThh:mm:ss[.ssssss]Z` (4.6.3)."""
    if text.__class__ is not str:
        return False
    if text in good_times:
        return True
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    if "," not in text:
        if len(good_times) >= _REMEMBERED:
            good_times.clear()
        good_times.add(text)
    return True


def check_time(text: Any, what: str) -> str:
    """The timestamp with a decimal point; BadRequestData saying what a timestamp looks like."""
    if not is_time(text):
        raise BadRequestData(
            f"{what} {_short(text)} is not a UTC timestamp such as 2026-01-31T08:00:00Z"
        )
    return str(text).replace(",", ".")


def check_name(name: Any, what: str) -> str:
    """An attribute or type name: letters, digits, `_`, one prefix, or a whole IRI (4.6.2)."""
    if name.__class__ is str:
        if name in _good_names:
            return str(name)
        if _NAME.fullmatch(name) is not None or (
            ("://" in name or name[:4] == "urn:") and is_uri(name)
        ):
            if len(_good_names) < _REMEMBERED:
                _good_names.add(name)
            return str(name)
    raise BadRequestData(
        f"{what} {_short(name)} is not a name: a letter, then letters, digits and _, or an IRI"
    )


def check_scopes(value: Any) -> list[str]:
    """The scopes of an entity as a list without doubles (4.18)."""
    scopes = value if isinstance(value, list) else [value]
    for scope in scopes:
        if scope.__class__ is not str or _SCOPE.fullmatch(scope) is None:
            raise BadRequestData(f"scope {_short(scope)} is not of the form /level/level")
    if not scopes:
        raise BadRequestData("scope is an empty list")
    return list(dict.fromkeys(scopes))


def is_language(tag: Any) -> bool:
    """Whether a key may stand in a languageMap: a language tag (RFC 5646) or `@none`."""
    return tag.__class__ is str and _LANGUAGE.fullmatch(tag) is not None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
