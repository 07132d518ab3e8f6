"""The language filter: ranges with qualities, and the text of a languageMap that suits them best
(4.15)."""

from __future__ import annotations

import re
from typing import Any

from pintu.kernel.errors import BadRequestData

Ranges = tuple[str, ...]
_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-(?:[A-Za-z0-9]{1,8}|\*))*|@none")


def read_ranges(text: str) -> Ranges:
    """Language ranges in order of preference, lower case: `fr-CH,fr;q=0.9,*;q=0.5` (RFC 3282,
    4647)."""
    ranked: list[tuple[float, int, str]] = []
    for index, part in enumerate(text.split(",")[:100]):
        name, _, parameters = part.strip().partition(";")
        quality = 1.0
        if parameters:
            key, _, number = parameters.strip().partition("=")
            try:
                quality = float(number)
            except ValueError:
                quality = -1.0
            if key.strip() != "q" or not 0 <= quality <= 1:
                raise BadRequestData(f"lang has the quality {parameters.strip()!r}, not q=0 to q=1")
        name = name.strip()
        if _RANGE.fullmatch(name) is None:
            raise BadRequestData(f"lang {name[:50]!r} is not a language range (RFC 5646)")
        if quality > 0:
            ranked.append((-quality, index, name.lower()))
    return tuple(name for _, _, name in sorted(ranked))


def best_text(language_map: dict[str, Any], ranges: Ranges) -> tuple[str, Any]:
    """(tag, text) of the best match; when none matches, any: `@none` first, then the first one
    there."""
    by_lower = {tag.lower(): tag for tag in language_map}
    for wanted in ranges:
        if wanted == "*":
            break
        tag = _match(by_lower, wanted)
        if tag is not None:
            return tag, language_map[tag]
    tag = by_lower.get("@none") or next(iter(language_map))
    return tag, language_map[tag]


def _match(by_lower: dict[str, str], wanted: str) -> str | None:
    """The tag itself, a longer one it is the start of, or else what is left when its end is cut
    off."""
    wanted = wanted.removesuffix("-*")
    while wanted:
        if wanted in by_lower:
            return by_lower[wanted]
        for lower, tag in by_lower.items():
            if lower.startswith(wanted + "-"):
                return tag
        wanted = wanted.rpartition("-")[0]
    return None
