"""Which rows to look at for a selection: one index drives, everything it cannot prove is left to
`match`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pintu.kernel.context.match import EARTH_RADIUS_M, sargable, search_boxes
from pintu.kernel.context.match.distance import Box
from pintu.kernel.context.match.hints import Hint
from pintu.kernel.context.selection import (
    OneOf,
    Path,
    Range,
    Selection,
)
from pintu.kernel.store.choosing import (
    MANY,
    SMALL_KIND,
    around,
    cells_across,
    cells_around,
    circle,
    counted,
    good_shapes,
    proves,
    remaining,
    shown,
    wanted,
)
from pintu.kernel.store.kinds import IndexPath, KindRow
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints

ENTITY = "e.n, e.id, e.kind, e.body, e.created, e.modified, e.times, e.last"
BODY = "e.n, e.body"
_KIND = "entity e INDEXED BY entity_kind"
_NUMBERS = "json_each(?) j CROSS JOIN entity e ON e.n = j.value"
_VALUE = "value v"
_POINT = "point p"
_BOX = "box b CROSS JOIN area a ON a.a = b.a"
_IN_CELLS = (
    "p.path = ? AND p.cell BETWEEN ? AND ? AND p.lon BETWEEN ? AND ? AND p.lat BETWEEN ? AND ?"
)
_IN_BOX = "b.west <= ? AND b.east >= ? AND b.south <= ? AND b.north >= ? AND a.path = ?"
_DISTANCE = (
    f"2 * {EARTH_RADIUS_M!r} * asin(min(1.0, sqrt("
    "pow(sin((radians(p.lat) - radians(?4)) / 2), 2) + cos(radians(?4)) * cos(radians(p.lat)) * "
    "pow(sin(radians(p.lon - ?5) / 2), 2)))) <= ?6"
)
NEAR = (
    "p.path = ?1 AND p.cell BETWEEN ?2 AND ?3 AND "
    "((p.lat - ?4) * (p.lat - ?4) + ?7 * (p.lon - ?5) * (p.lon - ?5) <= ?8 OR "
    "((p.lat - ?4) * (p.lat - ?4) + ?9 * (p.lon - ?5) * (p.lon - ?5) <= ?10 AND "
    f"{_DISTANCE}))"
)
"""Of path, first and last cell, latitude, longitude, metres, and the last four of `circle`."""
_NEAR_IN_BOX = (
    "p.path = ?1 AND p.cell BETWEEN ?2 AND ?3 AND p.lon BETWEEN ?7 AND ?8 AND "
    f"p.lat BETWEEN ?9 AND ?10 AND {_DISTANCE}"
)


@dataclass(slots=True)
class Step:
    """One statement: rows of `source` where `where`, each leading to its entity by `key`.

    `loose` is the column that says "only a candidate"; `extra` is a condition on the entity.
    """

    source: str
    where: str
    bindings: tuple[Any, ...]
    key: str = "e.n"
    loose: str = "1"
    extra: str = ""
    statements: dict[str, str] = field(default_factory=dict)

    def select(self, columns: str) -> str:
        """SELECT of these columns and the loose one, a part of it: one text as long as the plan is
        kept, so that its compiled form is found by identity.
        """
        found = self.statements.get(columns)
        if found is None:
            found = f"SELECT {columns}, {self.loose} {self.tail} LIMIT ? OFFSET ?"
            self.statements[columns] = found
        return found

    @property
    def tail(self) -> str:
        """FROM and WHERE, the entity joined."""
        join = "" if self.key == "e.n" else f" CROSS JOIN entity e ON e.n = {self.key}"
        return f"FROM {self.source}{join} WHERE {self.where}{self.extra}"

    @property
    def counting(self) -> str:
        """FROM and WHERE, the entity joined only when a condition needs it."""
        return self.tail if self.extra else f"FROM {self.source} WHERE {self.where}"


@dataclass(slots=True)
class Plan:
    """Steps in order. `exact`: a row whose loose column is 0 satisfies the selection as it is."""

    steps: list[Step]
    name: str
    exact: bool = False
    distinct: bool = False  # a row may come twice
    unique: bool = True  # no row that is not loose comes twice
    count: int | None = None  # known without looking
    heavy: bool = False  # a condition on the entity may pass over very many rows
    asked: list[tuple[KindRow, Path]] = field(default_factory=list)
    used: list[IndexPath] = field(default_factory=list)


Near = tuple[float, float, float]
"""Longitude, latitude, metres."""

Probe = Callable[[Step], int]
"""How many rows a step finds, counted up to `PROBE`."""


def plan(names: Names, selection: Selection, probe: Probe, pending: PendingPoints) -> Plan:
    """Choose the driving index and say what it proves."""
    if selection.ids:
        return _by_id(selection)
    kinds = [kind for kind in names.by_tenant.get(selection.tenant, ()) if wanted(kind, selection)]
    hints = sargable(selection.q)
    found = _by_place(kinds, selection, pending) or _chosen(kinds, selection, hints, probe)
    if any(step.extra for step in found.steps):
        found.heavy = sum(kind.count for kind in kinds) > MANY
    return found


def _chosen(kinds: list[KindRow], selection: Selection, hints: list[Hint], probe: Probe) -> Plan:
    found = _by_value(kinds, selection, hints, probe)
    if found is None:
        found = _by_kind(kinds, selection)
        found.asked = [(kind, hint[0]) for hint in hints[:2] for kind in kinds]
    return found


def _shape_filter(kind: KindRow, selection: Selection) -> str:
    """SQL that keeps entities with one of the attributes asked for; empty when all have."""
    if not selection.attributes:
        return ""
    good, every = good_shapes(kind, selection)
    if every:
        return ""
    return f" AND e.shape IN ({','.join(str(shape.n) for shape in good)})"


def _by_id(selection: Selection) -> Plan:
    left = remaining(selection) or selection.types is not None or selection.attributes
    steps = [
        Step("entity e", "e.tenant = ? AND e.id = ?", (selection.tenant, id), loose="0")
        for id in dict.fromkeys(selection.ids)
    ]
    return Plan(steps, "id", exact=not left)


def _by_kind(kinds: list[KindRow], selection: Selection) -> Plan:
    steps = []
    for kind in kinds:
        extra = _shape_filter(kind, selection)
        steps.append(Step(_KIND, "e.kind = ?", (kind.n,), loose="0", extra=extra))
    exact = not remaining(selection)
    number = counted(kinds, selection) if exact else None
    return Plan(steps, "kind", exact=exact, count=number)


# --- values ---------------------------------------------------------------------------------------
def _by_value(
    kinds: list[KindRow], selection: Selection, hints: list[Hint], probe: Probe
) -> Plan | None:
    """The conjunct that finds least among those with an index for every kind that is not small."""
    made = [
        one for one in (_value_plan(kinds, selection, hint) for hint in hints) if one is not None
    ]
    if len(made) < 2:
        return made[0] if made else None
    return min(made, key=lambda one: sum(probe(step) for step in one.steps[:8]))


def _value_plan(kinds: list[KindRow], selection: Selection, hint: Hint) -> Plan | None:
    ranges = _ranges(hint)
    if not ranges:
        return None
    steps = []
    used = []
    for kind in kinds:
        extra = _shape_filter(kind, selection)
        index = kind.learned.get(hint[0])
        if index is not None and index.state == "ready":
            used.append(index)
            for sql, bindings in ranges:
                where = f"v.path = ? AND {sql}"
                found = (index.n, *bindings)
                steps.append(Step(_VALUE, where, found, "v.n", "v.loose", extra))
        elif kind.count <= SMALL_KIND:
            steps.append(Step(_KIND, "e.kind = ?", (kind.n,), extra=extra))
        else:
            return None
    if not used:
        return None
    exact = remaining(selection) == {"q"} and proves(selection.q, hint)
    name = f"value {shown(hint[0])}"
    unique = len(ranges) == 1
    return Plan(steps, name, exact=exact, distinct=True, unique=unique, used=used)


def _ranges(hint: Hint) -> list[tuple[str, tuple[Any, ...]]]:
    """SQL on `v.value` for a hint; numbers and texts never mix (SQLite orders numbers first)."""
    _, op, value = hint
    if isinstance(value, OneOf):
        return [one for inner in value.values for one in _ranges((hint[0], op, inner))]
    if isinstance(value, Range):
        return [("v.value BETWEEN ? AND ?", (value.low, value.high))] if op == "==" else []
    if op == "==":
        return [("v.value = ?", (value,))]
    if op in (">", ">="):
        fence = "" if isinstance(value, str) else " AND v.value < ''"
        return [(f"v.value {op} ?{fence}", (value,))]
    fence = " AND v.value >= ''" if isinstance(value, str) else ""
    return [(f"v.value {op} ?{fence}", (value,))]


# --- places ---------------------------------------------------------------------------------------
def _by_place(kinds: list[KindRow], selection: Selection, pending: PendingPoints) -> Plan | None:
    geo = selection.geo
    if geo is None:
        return None
    boxes = search_boxes(geo)
    if boxes is None:
        return None
    near, exact = around(geo), remaining(selection) == {"geo"}
    steps = []
    used = []
    for kind in kinds:
        extra = _shape_filter(kind, selection)
        for form in ("point", "area"):
            index = kind.geo.get((form, geo.geoproperty))
            if index is None:
                continue
            used.append(index)
            for box in boxes:
                if form == "point":
                    steps += _waiting(pending.find(index, box, near), near is not None)
                found = _in_cells(index, box, near) if form == "point" else [_in_boxes(index, box)]
                for step in found:
                    step.extra = extra
                    steps.append(step)
    name = f"place {geo.geoproperty}"
    return Plan(steps, name, exact=exact, distinct=True, unique=False, used=used)


def _waiting(numbers: list[int], exact: bool) -> list[Step]:
    """Entities whose points are not in the table yet; one that was changed since is only a
    candidate.
    """
    if not numbers:
        return []
    loose = "e.modified > e.created" if exact else "1"
    return [Step(_NUMBERS, "1", (orjson.dumps(numbers).decode(),), loose=loose)]


def _in_cells(index: IndexPath, box: Box, near: Near | None) -> list[Step]:
    """One statement a row of cells, the middle row first."""
    west, south, east, north = box
    if near is None:
        tests = (west, east, south, north)
        return [
            Step(_POINT, _IN_CELLS, (index.n, low, high, *tests), "p.n")
            for low, high in cells_across(box)
        ]
    lon, lat, metres = near
    round_ = circle(lon, lat, metres) if west <= lon <= east else None
    where = _NEAR_IN_BOX if round_ is None else NEAR
    told = (west, east, south, north) if round_ is None else round_[2:]
    cells = cells_across(box) if round_ is None else cells_around(box, round_)
    return [
        Step(_POINT, where, (index.n, low, high, lat, lon, metres, *told), "p.n", "0")
        for low, high in cells
    ]


def _in_boxes(index: IndexPath, box: Box) -> Step:
    west, south, east, north = box
    return Step(_BOX, _IN_BOX, (east, west, north, south, index.n), "a.n")
