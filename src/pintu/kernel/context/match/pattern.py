"""Regular expressions from outside, run by RE2: time grows with the text, never explodes (0005)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2  # type: ignore[import-untyped]

from pintu.kernel.errors import BadRequestData

PATTERN_LIMIT: Final = 512
"""Bytes of a pattern."""

_MEMORY: Final = 1 << 20


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY
    return options


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A test whether the pattern occurs in a text (4.9 patternOp, 5.7.2 idPattern): unanchored, as
    clients expect of idPattern. Raises BadRequestData when it cannot be compiled; look-around and
    back references are not offered.
    """
    try:
        encoded = pattern.encode()
    except UnicodeEncodeError as error:
        raise BadRequestData("A pattern is not valid Unicode text") from error
    if len(encoded) > PATTERN_LIMIT:
        raise BadRequestData(
            f"A pattern has {len(encoded)} bytes; at most {PATTERN_LIMIT} are allowed"
        )
    try:
        search = re2.compile(encoded, options=_options()).search
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadRequestData(
            f"Pattern {pattern!r} does not compile: {said}"
            " (look-around and back references are not offered)"
        ) from error

    def found(text: str) -> bool:
        return search(text.encode("utf-8", "replace")) is not None

    return found
