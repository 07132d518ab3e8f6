"""Errors of PostgreSQL as errors of ours, saying which tables and what to do."""

from __future__ import annotations

from typing import Final

import psycopg

from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    ConfigurationError,
    DeadlineExceeded,
    DiskFull,
    PintuError,
    Unavailable,
)

RETRY_S: Final = 1
_AWAY: Final = ("08", "57P01", "57P02", "57P03", "53300", "25006")
"""SQLSTATEs of a server that ends, starts, has no place, or has become a standby."""


def lost(error: BaseException | None) -> bool:
    """Whether the server, not the work, is what failed: another connection may do better."""
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:  # never got as far as an answer
        return isinstance(error, psycopg.OperationalError)
    return state.startswith(_AWAY)


def translated(name: str, error: BaseException | None) -> PintuError | None:
    """A foreign error as one of ours; None for one that only a mistake in a program can cause."""
    if not isinstance(error, psycopg.Error):
        return None
    text, state = sentence(error), error.sqlstate or ""
    if lost(error):
        return Unavailable(f"The tables of {name} are away: {text}", retry_after=RETRY_S)
    if state.startswith("23"):
        return AlreadyExists(f"A row of {name} breaks a rule of its table: {text}")
    if state in ("53100", "58030"):
        return DiskFull(f"The tables of {name} cannot be written: {text}")
    if state.startswith(("55P03", "40", "53", "57P05", "25P03")):
        return Unavailable(f"The tables of {name} are not available: {text}", retry_after=RETRY_S)
    if state == "57014":
        return DeadlineExceeded(f"The tables of {name} took too long to answer")
    if state.startswith(("42501", "28")):
        return ConfigurationError([f"The tables of {name} may not be used: {text}"])
    if isinstance(error, psycopg.DataError):
        if "NUL" in text:
            text = "a text holds the character NUL, which PostgreSQL cannot keep"
        return BadRequestData(f"A row of {name} cannot be kept: {text}")
    return None


def sentence(error: BaseException | None) -> str:
    """The first line of what the server said: the others tell of statements and places in them."""
    return str(error).strip().partition("\n")[0]
