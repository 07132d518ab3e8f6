"""Attribute paths: `speed`, `address[city]`, `location.observedAt`, `https://example.org/speed`."""

from __future__ import annotations

import re

from pintu.kernel.context.parse.reader import Reader, decoded
from pintu.kernel.context.selection import Path
from pintu.kernel.jsonld import Terms

_NAME = re.compile(
    r"(?i:https?(?::|%3a)(?:/|%2f){2})[^\s;|()\[\]{}<>=!~\"',]+|[^\s.;|()\[\]{}<>=!~\"',]+"
)
_STEP = re.compile(r"[^\s.;|()\[\]{}<>=!~\"',]+")
_ENTITY_MEMBERS = frozenset({"id", "type", "scope"})
PATH_LIMIT = 16
"""Names of a path, sub-attributes and trail together."""


def read_name(reader: Reader) -> str:
    """One name as written, percent-decoded."""
    name = reader.match(_NAME)
    if name is None:
        reader.fail("an attribute name")
    return decoded(name)


def read_path(reader: Reader, terms: Terms, first: str | None = None) -> Path:
    """A path (4.9): names become stored names, the trail into a value stays as it is written.

    `first` is the first name when the caller has read it already.
    """
    start = reader.place
    head = read_name(reader) if first is None else first
    names = [head if head in _ENTITY_MEMBERS else terms.stored(head)]
    while reader.take("."):
        names.append(terms.stored(read_name(reader)))
    trail: list[str] = []
    while reader.take("["):
        trail.append(_step(reader))
        while reader.take("."):
            trail.append(_step(reader))
        reader.need("]", "']' after the path into the value")
    if len(names) + len(trail) > PATH_LIMIT:
        reader.fail(f"a path of at most {PATH_LIMIT} names", start)
    return Path(names[0], tuple(names[1:]), tuple(trail))


def _step(reader: Reader) -> str:
    name = reader.match(_STEP)
    if name is None:
        reader.fail("a member name, a language or '*'")
    return decoded(name)
