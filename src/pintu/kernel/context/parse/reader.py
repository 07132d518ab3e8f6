"""A text read from left to right, whose errors name the place and what was expected there."""

from __future__ import annotations

import re
from typing import Final, NoReturn
from urllib.parse import unquote

from pintu.kernel.errors import BadRequestData

TEXT_LIMIT: Final = 4096
"""Bytes of a q, type, scope or ordering expression."""
DEPTH_LIMIT: Final = 16
PARTS_LIMIT: Final = 128
_SHOWN: Final = 20


class Reader:
    """A place in a text; `what` names the text in errors ("q", "type", …)."""

    __slots__ = ("depth", "parts", "place", "text", "what")

    def __init__(self, text: str, what: str) -> None:
        if not isinstance(text, str):
            raise BadRequestData(f"{what} must be a string")
        size = len(text.encode("utf-8", "replace"))
        if size > TEXT_LIMIT:
            raise BadRequestData(f"{what} has {size} bytes; at most {TEXT_LIMIT} are allowed")
        self.text = text
        self.what = what
        self.place = 0
        self.depth = 0
        self.parts = 0

    @property
    def ended(self) -> bool:
        """True when nothing is left."""
        return self.place >= len(self.text)

    def sees(self, start: str) -> bool:
        """True when the rest begins with `start`."""
        return self.text.startswith(start, self.place)

    def take(self, start: str) -> bool:
        """Pass `start` if the rest begins with it."""
        if self.text.startswith(start, self.place):
            self.place += len(start)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Pass and return what the pattern matches here; None when it does not."""
        found = pattern.match(self.text, self.place)
        if found is None:
            return None
        self.place = found.end()
        return found[0]

    def need(self, start: str, expected: str | None = None) -> None:
        """Pass `start`, or fail."""
        if not self.take(start):
            self.fail(expected or repr(start))

    def fail(self, expected: str, at: int | None = None) -> NoReturn:
        """Raise BadRequestData that says where, what was expected and what is there."""
        place = self.place if at is None else at
        rest = self.text[place : place + _SHOWN]
        there = repr(rest) if rest else "the end"
        raise BadRequestData(
            f"{self.what} cannot be read at character {place + 1}:"
            f" expected {expected}, found {there}"
        )

    def deeper(self) -> None:
        """Count one more level of nesting; leave it with `depth -= 1`."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise BadRequestData(f"{self.what} is nested deeper than {DEPTH_LIMIT} levels")

    def count(self) -> None:
        """Count one more part."""
        self.parts += 1
        if self.parts > PARTS_LIMIT:
            raise BadRequestData(f"{self.what} has more than {PARTS_LIMIT} parts")


def decoded(name: str) -> str:
    """A name or value as it was before percent-encoding, the way to write an IRI with dots in a
    path; what does not decode to text stays as it is.
    """
    if "%" not in name:
        return name
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name
