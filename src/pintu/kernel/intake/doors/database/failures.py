"""What a database says when it cannot: one of our errors, in words a data officer understands."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc

from pintu.kernel.errors import (
    BadRequestData,
    DeadlineExceeded,
    Forbidden,
    PintuError,
    ResourceNotFound,
    Unavailable,
)
from pintu.kernel.intake.doors.database.told import Told


class ColumnGone(BadRequestData):
    """A column that was there a moment ago is not there now: the table changed under us."""


_STATES: dict[str, str] = {
    "28": "who",
    "3D000": "database",
    "3F000": "table",
    "42P01": "table",
    "42703": "column",
    "42501": "right",
    "57014": "slow",
    "55P03": "slow",
    "25006": "wrote",
    "53300": "full",
}
"""SQLSTATE of PostgreSQL (appendix A of its manual) or its class → what it means for a reader."""

_NUMBERS: dict[int, str] = {
    1044: "right",
    1045: "who",
    1698: "who",
    1049: "database",
    1146: "table",
    1054: "column",
    1142: "right",
    1143: "right",
    1792: "wrote",
    1969: "slow",
    3024: "slow",
    1205: "slow",
    1040: "full",
    1203: "full",
    # Oracle (ORA-) and SQL Server numbers that mean the same
    1017: "who",
    18456: "who",
    4060: "database",
    942: "table",
    208: "table",
    904: "column",
    207: "column",
    229: "right",
    1031: "right",
    1013: "slow",
}

_SQLITE: tuple[tuple[str, str], ...] = (
    ("no such table", "table"),
    ("no such column", "column"),
    ("interrupted", "slow"),
    ("readonly database", "wrote"),
    ("locked", "full"),
    ("unable to open", "database"),
    ("not a database", "database"),
)


def translated(error: BaseException, told: Told, doing: str) -> PintuError:
    """A foreign error as one of ours. `doing` finishes the sentence "while …"."""
    origin: Any = error.orig if isinstance(error, exc.DBAPIError) else error
    first = _first_line(origin)
    meaning = _meaning(origin, first)
    where = told.where
    if meaning == "who":
        return Forbidden(f"{where} does not let {told.user!r} in: name or password is wrong")
    if meaning == "database":
        return ResourceNotFound(f"{where} is not there: {first}")
    if meaning == "table":
        return ResourceNotFound(f"{told.table or 'A table'} is not in {where} (any more): {first}")
    if meaning == "column":
        return ColumnGone(f"A column of {told.table} is not there any more: {first}")
    if meaning == "right":
        return Forbidden(f"{where} does not let {told.user!r} read {told.table}: {first}")
    if meaning == "slow":
        return DeadlineExceeded(
            f"{where} took longer than {told.statement_timeout_s:g} s while {doing}; an index on"
            " the key and on the column that says when a row changed helps"
        )
    if meaning == "wrote":
        return Forbidden(f"{where} refuses a write: this door only reads ({first})")
    if meaning == "full":
        return Unavailable(f"{where} has no room for one more connection now: {first}")
    if isinstance(origin, OSError) or _is_away(error):
        return Unavailable(f"{where} went away while {doing}: {first}")
    if isinstance(error, exc.SQLAlchemyError):
        return BadRequestData(f"{where} could not answer while {doing}: {first}")
    return Unavailable(f"{where} does not answer while {doing}: {first}")


def _is_away(error: BaseException) -> bool:
    if not isinstance(error, exc.DBAPIError):
        return True
    return error.connection_invalidated or isinstance(
        error, exc.OperationalError | exc.InterfaceError
    )


def _meaning(origin: Any, first: str) -> str:
    state = getattr(origin, "sqlstate", None)
    if isinstance(state, str) and (found := _STATES.get(state) or _STATES.get(state[:2])):
        return found
    if "password authentication failed" in first or "no password supplied" in first:
        return "who"  # libpq gives no SQLSTATE for what happens before the session
    if re.search(r'database ".*" does not exist', first):
        return "database"
    if re.search(r"role .* does not exist|no pg_hba.conf entry", first):
        return "who"
    if "too many clients" in first or "remaining connection slots" in first:
        return "full"
    number = next((one for one in getattr(origin, "args", ()) if isinstance(one, int)), None)
    if number is None:
        said = re.match(r"(?:ORA|DPY)-0*(\d+)", first)
        number = int(said[1]) if said else None
    if number in _NUMBERS:
        return _NUMBERS[number]
    return next((meaning for text, meaning in _SQLITE if text in first), "")


def _first_line(origin: Any) -> str:
    """The server's own words, one line, at most 300 characters."""
    args = getattr(origin, "args", ())
    words = [str(one) for one in args if isinstance(one, str) and one]
    text = words[-1] if words else str(origin) or type(origin).__name__
    return text.strip().split("\n")[0][:300]
