"""Scales: what a value means by a code list with colours, a sign and words beside the colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pintu.web.pages import labels
from pintu.web.words import Words

ALIASES: Final = {"aqi": "airQualityLevel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level: how it looks and what it is called; colour is never the only sign."""

    value: str
    label: dict[str, str]
    sign: str
    colour: str
    low: float | None = None
    high: float | None = None

    @property
    def ink(self) -> str:
        """`dark` or `light`: the text that can be read on the colour (WCAG relative luminance)."""
        parts = [int(self.colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
        )
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        return "dark" if luminance > 0.179 else "light"

    def said(self, words: Words) -> str:
        """Its name in the visitor's language."""
        return words.pick(self.label)


def scale_names() -> list[tuple[str, dict[str, str]]]:
    """Scales a block may use, with their titles."""
    book = _book()
    if book is None:
        return []
    found = [
        (one.name, dict(one.label)) for one in book.code_lists() if any(c.colour for c in one.codes)
    ]
    short = {name: alias for alias, name in ALIASES.items()}
    return [(short.get(name, name), label) for name, label in found]


@cache
def levels(scale: str) -> tuple[Level, ...]:
    """The levels of a scale in their order; none for a scale nobody knows."""
    book = _book()
    name = ALIASES.get(scale, scale)
    for one in book.code_lists() if book is not None and scale else ():
        if one.name == name:
            return tuple(
                Level(
                    value=code.value,
                    label=dict(code.label),
                    sign=code.sign or str(number),
                    colour=code.colour,
                    low=code.low,
                    high=code.high,
                )
                for number, code in enumerate(one.codes, 1)
                if code.colour
            )
    return ()


def level_of(scale: Sequence[Level], value: Any) -> Level | None:
    """The level of a number (by its bounds; between two of them the higher level's, because an
    index is rounded up) or of a coded value; None where the scale says nothing."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if not scale or scale[0].low is None or value < scale[0].low:
            return None
        return next((one for one in scale if one.high is None or value <= one.high), scale[-1])
    return next((one for one in scale if one.value == value), None)


def _book() -> Any:
    told = getattr(labels.vocabulary(), "vocabulary", None)
    return told() if told is not None else None
