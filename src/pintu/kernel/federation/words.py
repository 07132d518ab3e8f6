"""What a context source registration is, what a request wants, and which share of it a source is
asked for (5.2.9, 5.12).

All names of types and attributes in here are stored names (see ARCHITECTURE.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.selection import GeoSelection, Q, ScopeSelection, TypeSelection

Mode = Literal["inclusive", "exclusive", "redirect", "auxiliary"]
MODES: tuple[Mode, ...] = ("inclusive", "exclusive", "redirect", "auxiliary")
Interval = tuple[int, int | None]
"""Microseconds since 1970 of its start and its end; None: it has none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One EntityInfo (5.2.8): entities of the types, by id, by pattern, or all of them."""

    types: frozenset[str]
    id: str = ""
    id_pattern: str = ""

    def covers(self, id: str, types: frozenset[str]) -> bool:
        """Whether an entity is one of them; an empty set of types is of an unknown type."""
        if types and self.types and types.isdisjoint(self.types):
            return False
        if self.id:
            return self.id == id
        return not self.id_pattern or compile_pattern(self.id_pattern)(id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """One RegistrationInfo (5.2.10): entities (none: any) and attributes (none: all)."""

    selectors: tuple[Selector, ...] = ()
    properties: frozenset[str] = frozenset()
    relationships: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()  # both; empty: every attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """How a source is to be called (5.2.34); None: what the city does by itself."""

    local_only: bool = False
    cache_s: float | None = None
    timeout_s: float | None = None
    cooldown_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One source, what it has, and how it is called. `document` is what was registered, in stored
    names and without @context; everything else is read from it.
    """

    id: str
    tenant: str  # ours; "" is the default one
    mode: Mode
    endpoint: str  # without a slash at its end
    information: tuple[Information, ...]
    operations: frozenset[str]  # groups are expanded: see operations.py
    source_tenant: str = ""  # the tenant there
    alias: str = ""
    scopes: tuple[str, ...] = ()
    dataset_ids: tuple[str, ...] = ()
    places: dict[str, dict[str, Any]] = field(default_factory=dict)  # name → GeoJSON geometry
    observed: Interval | None = None
    managed: Interval | None = None
    management: Management = Management()
    context_source_info: tuple[tuple[str, str], ...] = ()  # headers, special members taken out
    context: str = ""  # of contextSourceInfo jsonldContext: what to speak to the source in
    expires_us: int | None = None
    created_us: int = 0
    modified_us: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    node: str = ""  # a joined node: calls are signed, and under:
    agreement: str = ""
    purpose: str = ""
    paused: bool = False  # a person said: ask it nothing for now

    def __hash__(self) -> int:
        return hash((self.tenant, self.id))

    def lives(self, now_us: int) -> bool:
        """Whether it is not expired."""
        return self.expires_us is None or self.expires_us > now_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a request wants. `operation` is a name of operations.py ("": whatever is registered).

    A write names the entity's types one by one: each alone is enough to match.
    """

    operation: str = ""
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    types: TypeSelection | None = None  # None: any
    names: frozenset[str] = frozenset()  # empty: every attribute
    geo: GeoSelection | None = None  # on `location` or another place of the source
    scope: ScopeSelection | None = None
    dataset_ids: tuple[str, ...] = ()
    csf: Q | None = None  # on the registration's own members (4.9)
    span: tuple[Literal["observed", "managed"], int | None, int | None] | None = None  # µs
    strict: bool = False  # discovery: a source that says nothing of its place or scope has none


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one source may be asked: never wider than registered, never wider than wanted.

    `ids` empty: by `id_pattern`, or any; `types` None: any; `names` empty: every attribute.
    What comes back is cut by `covers` and `names`, because a source may answer more than it was
    asked.
    """

    registration: Registration
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    types: TypeSelection | None = None
    names: frozenset[str] = frozenset()
    selectors: tuple[Selector, ...] = ()  # empty: every entity

    def covers(self, id: str, types: frozenset[str] = frozenset()) -> bool:
        """Whether an entity lies in this share."""
        if self.ids and id not in self.ids:
            return False
        return not self.selectors or any(one.covers(id, types) for one in self.selectors)

    def lets(self, name: str) -> bool:
        """Whether an attribute lies in this share."""
        return not self.names or name in self.names
