"""One compiled @context: the caller's names to stored names and back, each a dictionary look-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pintu.kernel.jsonld.compile import NO_DEFINITIONS, Definition, Definitions
from pintu.kernel.jsonld.core import (
    CORE_IRIS,
    CORE_NAMES,
    CORE_PREFIXES,
    DEFAULT_VOCABULARY,
)

CACHE_LIMIT: Final = 20_000
OWN_CACHE_LIMIT: Final = 2_000
"""Names remembered by the core and by a user's @context; of ever new names the rest is computed."""


class Terms:
    """A caller's @context with the core @context behind it (the core always wins, 5.5.7).

    `stored(name)` = expand with the caller's @context, compact with the core: a core term stays
    short,
    a name of the default vocabulary is stored by its short name unless that is a core term, all
    else is
    a full IRI. `shown(stored)` is the way back.
    """

    __slots__ = (
        "_by_iri",
        "_definitions",
        "_prefixes",
        "_shown",
        "_stored",
        "is_core",
        "limit",
        "plain",
        "plain_types",
        "source",
    )

    def __init__(self, definitions: Definitions = NO_DEFINITIONS, source: Any = None) -> None:
        self.source = source
        self._definitions = definitions
        self.is_core = not definitions.terms
        self.limit = CACHE_LIMIT if self.is_core else OWN_CACHE_LIMIT
        self._stored: dict[str, str] = {name: name for name in CORE_IRIS}
        self._shown: dict[str, str] = dict(self._stored)
        self.plain: set[str] = set()
        """Attribute names a reader has checked and found stored as they are written: its hot
        path."""
        self.plain_types: set[str] = set()
        """The same of type names."""
        self._by_iri = _inverse(definitions.terms)
        self._prefixes = _prefixes(definitions.terms)

    @property
    def weight(self) -> int:
        """Roughly what remembering this costs, in terms."""
        return len(self._definitions.terms) + self._definitions.size // 50

    def stored(self, name: str) -> str:
        """The stored name of a term, prefixed name or IRI of an attribute, type or vocabulary
        value."""
        try:
            return self._stored[name]
        except KeyError:
            return self._learn(name)

    def _learn(self, name: str) -> str:
        found = stored_name(self.expand(name))
        if len(self._stored) < self.limit:
            self._stored[name] = found
        return found

    def shown(self, stored: str) -> str:
        """The shortest name the caller's @context has for a stored name."""
        try:
            return self._shown[stored]
        except KeyError:
            pass
        found = self._compact(stored)
        if len(self._shown) < self.limit:
            self._shown[stored] = found
        return found

    def expand(self, name: str) -> str:
        """The full IRI of a name as the caller writes it (JSON-LD expansion, vocabulary
        relative)."""
        core = CORE_IRIS.get(name)
        if core is not None:
            return core
        definition = self._definitions.terms.get(name)
        if definition is not None:
            return definition.iri
        prefix, colon, rest = name.partition(":")
        if not colon:
            return DEFAULT_VOCABULARY + name
        if rest.startswith("//"):
            return name
        core_prefix = CORE_PREFIXES.get(prefix)
        if core_prefix is not None:
            return core_prefix + rest
        definition = self._definitions.terms.get(prefix)
        if definition is not None and definition.prefix:
            return definition.iri + rest
        return name

    def expanded(self, stored: str) -> str:
        """The full IRI of a stored name; it does not depend on the caller's @context."""
        return expanded_name(stored)

    def definition(self, name: str) -> Definition | None:
        """What the caller's @context says of a term (@type, @container); None for core terms."""
        return None if name in CORE_IRIS else self._definitions.terms.get(name)

    def _compact(self, stored: str) -> str:
        iri = expanded_name(stored)
        if iri in CORE_NAMES:
            return CORE_NAMES[iri]
        own = self._by_iri.get(iri)
        if own is not None:
            return own
        if iri.startswith(DEFAULT_VOCABULARY):
            short = iri[len(DEFAULT_VOCABULARY) :]
            if short and self.expand(short) == iri:
                return short
        best = ""
        for prefix, start in self._prefixes:
            if iri.startswith(start) and len(iri) > len(start):
                candidate = f"{prefix}:{iri[len(start) :]}"
                if self.expand(candidate) == iri and (
                    not best or (len(candidate), candidate) < (len(best), best)
                ):
                    best = candidate
        return best or iri


def stored_name(iri: str) -> str:
    """The stored name of a full IRI: compacted with the core @context alone."""
    core = CORE_NAMES.get(iri)
    if core is not None:
        return core
    if iri.startswith(DEFAULT_VOCABULARY):
        short = iri[len(DEFAULT_VOCABULARY) :]
        if short and ":" not in short and short not in _TAKEN and not short.startswith("@"):
            return short
    return iri


def expanded_name(stored: str) -> str:
    """The full IRI of a stored name."""
    core = CORE_IRIS.get(stored)
    if core is not None:
        return core
    return stored if ":" in stored else DEFAULT_VOCABULARY + stored


_TAKEN = CORE_IRIS.keys() | CORE_PREFIXES.keys() | {"id", "type"}


def _inverse(terms: Mapping[str, Definition]) -> dict[str, str]:
    """IRI → the term to show: the shortest, then the least, as JSON-LD chooses."""
    found: dict[str, str] = {}
    for name in sorted(terms, key=lambda name: (len(name), name)):
        if name not in _TAKEN:
            found.setdefault(terms[name].iri, name)
    return found


def _prefixes(terms: Mapping[str, Definition]) -> tuple[tuple[str, str], ...]:
    own = [(name, d.iri) for name, d in terms.items() if d.prefix and name not in _TAKEN]
    return (*own, *CORE_PREFIXES.items())


CORE = Terms()
"""No @context of the caller's own: what comes in is stored as it is."""
