"""Query parameters: read once for each spelling, checked against what the operation knows
(6.3.20).
"""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

from pintu.kernel.errors import BadRequestData, InvalidRequest

_KEPT = 2048
_PLUS_STAYS = frozenset(("scopeQ", "timeAt", "endTimeAt", "observedAt", "id"))
_COUNTS_LIMIT = 100

NO_PARAMS: dict[str, str] = {}

_read: dict[bytes, dict[str, str]] = {}
_pairs: dict[bytes, tuple[str, str]] = {}


def read_params(query: bytes) -> dict[str, str]:
    """Decoded parameters; the values of one given twice are joined with a comma.

    Raises InvalidRequest when it is not UTF-8 or there are more than 100.
    """
    found = _read.get(query)
    if found is None:
        found = _parse(query)
        if len(_read) >= _KEPT:
            _read.clear()
        if len(query) < 2048:
            _read[query] = found
    return found


def _parse(query: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    pieces = [piece for piece in query.split(b"&") if piece]
    if len(pieces) > _COUNTS_LIMIT:
        raise InvalidRequest(f"The request has {len(pieces)} parameters, at most {_COUNTS_LIMIT}")
    for piece in pieces:
        pair = _pairs.get(piece)
        if pair is None:
            pair = _pair(piece)
            if len(piece) < 256 and len(_pairs) < _KEPT:
                _pairs[piece] = pair
        name, value = pair
        found[name] = f"{found[name]},{value}" if name in found else value
    if "count" in found.get("options", ""):
        _read_count(found)
    return found


def _read_count(found: dict[str, str]) -> None:
    """`options=count`, as clients of earlier versions of the standard ask for a count."""
    members = [part.strip() for part in found["options"].split(",")]
    if "count" in members:
        found.setdefault("count", "true")
        found["options"] = ",".join(part for part in members if part != "count")


def _pair(piece: bytes) -> tuple[str, str]:
    """Name and value of `name=value`; a plus is a space but where times and scopes have it."""
    raw_name, _, raw_value = piece.partition(b"=")
    try:
        name, value = raw_name.decode("utf-8"), raw_value.decode("utf-8")
        if "%" in name or "+" in name:
            name = unquote_plus(name, errors="strict")
        if "+" in value and name not in _PLUS_STAYS:
            value = value.replace("+", " ")
        if "%" in value:
            value = unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A query parameter is not UTF-8") from error
    if "\x00" in value:
        raise InvalidRequest(f"Parameter {name} holds a null character")
    return name, value


def known(params: dict[str, str], allowed: frozenset[str], operation: str) -> None:
    """Raise InvalidRequest for a parameter that the operation does not have."""
    if not params.keys() <= allowed:
        strange = ", ".join(sorted(params.keys() - allowed))[:200]
        raise InvalidRequest(f"{operation} has no parameter {strange}")


def flag(params: dict[str, str], name: str) -> bool:
    """A boolean parameter, false when absent; raises BadRequestData for anything but true or
    false.
    """
    value = params.get(name)
    if value is None or value == "false":
        return False
    if value == "true":
        return True
    raise BadRequestData(f"Parameter {name} is {value[:50]!r}, neither true nor false")


def number(params: dict[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """A whole-number parameter between bounds; raises BadRequestData."""
    value = params.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 12:
        raise BadRequestData(f"Parameter {name} is {value[:50]!r}, not a whole number")
    amount = int(value)
    if not least <= amount <= most:
        raise BadRequestData(f"Parameter {name} is {amount}, not between {least} and {most}")
    return amount


def listed(params: dict[str, str], name: str) -> tuple[str, ...]:
    """A comma-separated parameter; raises BadRequestData when a member is empty."""
    value = params.get(name)
    if value is None:
        return ()
    members = tuple(member.strip() for member in value.split(","))
    if not all(members):
        raise BadRequestData(f"Parameter {name} has an empty member")
    return members


_OPTIONS: dict[str, frozenset[str]] = {}


def options(params: dict[str, str], allowed: frozenset[str]) -> frozenset[str]:
    """The members of `options`; raises InvalidRequest for one the operation does not know."""
    value = params.get("options")
    if value is None:
        return frozenset()
    found = _OPTIONS.get(value)
    if found is None:
        found = frozenset(part.strip() for part in value.split(",") if part.strip())
        if len(_OPTIONS) < _KEPT:
            _OPTIONS[value] = found
    if not found <= allowed:
        strange = ", ".join(sorted(found - allowed))[:200]
        raise InvalidRequest(f"options has {strange}; known here: {', '.join(sorted(allowed))}")
    return found
