"""What to look for: the parsed form of NGSI-LD queries, shared by parser, store and gate.

Names in here are *stored names* (see ARCHITECTURE.md): already expanded with the caller's @context
and compacted with the core context. The trees are data; `match` evaluates them, stores plan them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

CompareOp = Literal["==", "!=", ">", ">=", "<", "<=", "~=", "!~="]


# --- q (4.9) ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Path:
    """An attribute path `a.b[x.y]`: attribute, sub-attributes, then a trail into the value."""

    attribute: str
    subs: tuple[str, ...] = ()
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """`low..high`, both ends included; numbers, or strings that hold dates or times."""

    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    """`v1,v2,…`: any of the values (each a scalar or a `Range`)."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The path has a value."""

    path: Path


@dataclass(frozen=True, slots=True)
class Absent:
    """`!path`: the path has no value."""

    path: Path


@dataclass(frozen=True, slots=True)
class Compare:
    """`path op value`; value is a scalar (str, int, float, bool), `Range` or `OneOf`."""

    path: Path
    op: CompareOp
    value: Any


@dataclass(frozen=True, slots=True)
class Linked:
    """`rel{Type:path}…`: the relationship leads to an entity of one of the types (none: of any)
    that satisfies the inner query."""

    path: Path
    types: tuple[str, ...]
    inner: Q


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple[Q, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Q, ...]


Q = Exists | Absent | Compare | Linked | And | Or


# --- type selection (4.17): disjunction of conjunctions ----------------------------------------
@dataclass(frozen=True, slots=True)
class TypeSelection:
    """`A,(B;C)` is {frozenset({A}), frozenset({B, C})}: one set must be among an entity's types."""

    any_of: tuple[frozenset[str], ...]


# --- scope (4.19) -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ScopeSelection:
    """Disjunction of conjunctions of scope patterns (`/a/b`, `/a/+/c`, `/a/#`)."""

    any_of: tuple[tuple[str, ...], ...]


# --- geo (4.10) -----------------------------------------------------------------------------------
GeoRelation = Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]


@dataclass(frozen=True, slots=True)
class GeoSelection:
    """georel + geometry + coordinates on one geoproperty; distances in metres."""

    relation: GeoRelation
    geometry: dict[str, Any]  # GeoJSON, WGS 84, longitude first
    geoproperty: str = "location"
    max_distance_m: float | None = None
    min_distance_m: float | None = None


# --- order (4.23) ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OrderKey:
    """One member of orderBy: a path (or id, type, scope, createdAt, modifiedAt) or a distance."""

    path: Path
    descending: bool = False
    by_distance_from: dict[str, Any] | None = None  # GeoJSON geometry
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Everything that selects entities, in one value."""

    tenant: int
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    types: TypeSelection | None = None
    attributes: tuple[str, ...] = ()  # at least one present (4.9 `attrs`, `pick`)
    q: Q | None = None
    geo: GeoSelection | None = None
    scope: ScopeSelection | None = None
    dataset_ids: tuple[str, ...] = ()
    order: tuple[OrderKey, ...] = ()
    limit: int = 20
    offset: int = 0
    count: bool = False
    bodies: bool = False  # the stored documents will do; it will be asked again as this object
