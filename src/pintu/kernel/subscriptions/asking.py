"""Queries kept as data, and written out again with other names than they came in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from pintu.kernel.context.parse.reader import decoded
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    Exists,
    Linked,
    OneOf,
    Or,
    Path,
    Q,
    Range,
)

Rename = Callable[[str], str]

_TYPE: Final = re.compile(r"[^\s;|,()\"<>{}\[\]\\^`]+")
_UNSAFE: Final = re.compile(r"[\s;|,()\[\]{}<>=!~\"'%]")
_DOTTED: Final = re.compile(r"[\s.;|,()\[\]{}<>=!~\"'%]")
_WEB: Final = re.compile(r"https?://")
_QUOTE: Final = re.compile(r"\\.|\"", re.DOTALL)
_ENTITY: Final = frozenset({"id", "type", "scope"})


def rename_types(text: str, rename: Rename) -> str:
    """A type expression (4.17) with each type's name changed."""
    if text.strip() == "*":
        return text
    return _TYPE.sub(lambda found: _type(rename(decoded(found[0]))), text)


def q_text(q: Q, rename: Rename) -> str:
    """A q (4.9) that reads back as this tree, with attribute and type names changed."""
    if isinstance(q, Or):
        return "|".join(_grouped(part, rename, (Or,)) for part in q.parts)
    if isinstance(q, And):
        return ";".join(_grouped(part, rename, (Or, And)) for part in q.parts)
    if isinstance(q, Absent):
        return "!" + _path(q.path, rename)
    if isinstance(q, Linked):
        return _linked(q, rename)
    if isinstance(q, Exists):
        return _path(q.path, rename)
    return _path(q.path, rename) + _comparison(q)


def _grouped(part: Q, rename: Rename, weaker: tuple[type, ...]) -> str:
    text = q_text(part, rename)
    return f"({text})" if isinstance(part, weaker) else text


def _linked(q: Linked, rename: Rename) -> str:
    """`rel{Type:path}` with what is asked of the innermost path behind the last brace."""
    opened = ""
    depth = 0
    inner: Q = q
    while isinstance(inner, Linked):
        hints = ",".join(_name(rename(name)) for name in inner.types)
        opened += _path(inner.path, rename) + "{" + (f"{hints}:" if hints else "")
        depth += 1
        inner = inner.inner
    if not isinstance(inner, (Exists, Compare)):
        raise ValueError("A linked query asks one thing of what it leads to")
    asked = _comparison(inner) if isinstance(inner, Compare) else ""
    return opened + _path(inner.path, rename) + "}" * depth + asked


def _comparison(q: Compare) -> str:
    if q.op in ("~=", "!~="):
        pattern = _QUOTE.sub(lambda found: _unquoted(found[0]), str(q.value))
        return f'{q.op}"{pattern}"'
    return q.op + _value(q.value)


def _unquoted(part: str) -> str:
    """A quotation mark of a pattern as an escape that ends no text."""
    return r"\x22" if part.endswith('"') else part


def _value(value: Any) -> str:
    if isinstance(value, OneOf):
        return ",".join(_value(one) for one in value.values)
    if isinstance(value, Range):
        return f"{_value(value.low)}..{_value(value.high)}"
    if isinstance(value, str):
        return json.dumps(value.replace("%", "%25"), ensure_ascii=False)
    return json.dumps(value)


def _path(path: Path, rename: Rename) -> str:
    head = path.attribute if path.attribute in _ENTITY else rename(path.attribute)
    names = ".".join(_name(name) for name in (head, *map(rename, path.subs)))
    steps = ".".join(_escaped(step, _DOTTED) for step in path.trail)
    return f"{names}[{steps}]" if steps else names


def _name(name: str) -> str:
    """A name as a path holds it: dots of an IRI that is no web address would end it."""
    return _escaped(name, _UNSAFE if _WEB.match(name) else _DOTTED)


def _type(name: str) -> str:
    return _escaped(name, _UNSAFE)


def _escaped(text: str, unsafe: re.Pattern[str]) -> str:
    return unsafe.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


# --- kept as data -----------------------------------------------------------------------------
def kept_q(q: Q) -> Any:
    """A q as JSON, exact."""
    if isinstance(q, (And, Or)):
        return ["and" if isinstance(q, And) else "or", *map(kept_q, q.parts)]
    path = [q.path.attribute, list(q.path.subs), list(q.path.trail)]
    if isinstance(q, Linked):
        return ["linked", path, list(q.types), kept_q(q.inner)]
    if isinstance(q, Compare):
        return ["compare", path, q.op, _kept_value(q.value)]
    return ["exists" if isinstance(q, Exists) else "absent", path]


def q_of(kept: Any) -> Q:
    """The q that `kept_q` kept."""
    word, first, *rest = kept
    if word in ("and", "or"):
        parts = tuple(q_of(part) for part in kept[1:])
        return And(parts) if word == "and" else Or(parts)
    path = Path(first[0], tuple(first[1]), tuple(first[2]))
    if word == "linked":
        return Linked(path, tuple(rest[0]), q_of(rest[1]))
    if word == "compare":
        return Compare(path, rest[0], _value_of(rest[1]))
    return Exists(path) if word == "exists" else Absent(path)


def _kept_value(value: Any) -> Any:
    if isinstance(value, OneOf):
        return {"any": [_kept_value(one) for one in value.values]}
    if isinstance(value, Range):
        return {"from": value.low, "to": value.high}
    return value


def _value_of(kept: Any) -> Any:
    if isinstance(kept, dict):
        if "any" in kept:
            return OneOf(tuple(_value_of(one) for one in kept["any"]))
        return Range(kept["from"], kept["to"])
    return kept
