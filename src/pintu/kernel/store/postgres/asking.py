"""The statements of all reads: one text for each set of forms a plan has, whatever it asks.

Everything a query says is bound, as arrays, so that pages of several callers fit into one
statement, the server keeps a few dozen plans at most, and no caller can make it keep more.

`r` is one row a request: how many rows of it to skip and to give, and which of its form's steps are
its own. Nested loops go through requests, steps and index entries in this order; a reading
connection switches off every other way to join (`READING`), so that a page stops at its last row
and pages follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pintu.kernel.store.postgres.plan import Form, Plan
from pintu.kernel.store.rows import COLUMNS

READING = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "max_parallel_workers_per_gather": "0",
    "default_transaction_read_only": "on",
}
"""Settings of every connection that reads: these statements have one good plan, made once, also
while the tables are still empty or nobody has counted them.
"""

RECORD = ("id", "kind", "body", "created", "modified", "times", "last")
BODY = ("body",)

DEEP = 200
"""Rows skipped from which on they are skipped in the index, before entities are looked up."""

_HAVERSINE = (
    "power(sin((radians(p.lat) - s.phi) / 2), 2) + "
    "s.cosine * cos(radians(p.lat)) * power(sin(radians(p.lon - s.lon) / 2), 2)"
)
_ROWS = (
    "(SELECT s.middle + (CASE g.i % 2 WHEN 0 THEN -g.i ELSE g.i + 1 END / 2)::bigint "
    f"* {COLUMNS} AS first FROM generate_series(0, s.rows - 1) g(i)) g"
)
"""The first cell of each row of the grid, from the middle one outwards, above and below in turn."""

_IN_CELLS = (
    "p.path = s.path AND p.cell BETWEEN g.first AND g.first + s.wide "
    "AND p.lon BETWEEN s.west AND s.east AND p.lat BETWEEN s.south AND s.north"
)
_BOX = (("west", "float8"), ("east", "float8"), ("south", "float8"), ("north", "float8"))
_CELLS = (("path", "int"), ("middle", "bigint"), ("rows", "int"), ("wide", "bigint"), *_BOX)
_CIRCLE = ("phi", "cosine", "lon", "sure", "possible")


@dataclass(frozen=True, slots=True)
class _Form:
    """Columns a step is bound to, the rows it finds: `n` and `loose`, or entities themselves."""

    columns: tuple[tuple[str, str], ...]
    rows: str
    entity: bool = False


_FORMS: dict[Form, _Form] = {
    "id": _Form(
        (("tenant", "int"), ("id", "text")),
        "SELECT e.*, 0 AS loose FROM entity e WHERE e.tenant = s.tenant AND e.id = s.id",
        entity=True,
    ),
    "kind": _Form(
        (("kind", "int"), ("loose", "int")),
        "SELECT e.*, s.loose FROM entity e WHERE e.kind = s.kind ORDER BY e.kind, e.n",
        entity=True,
    ),
    "number": _Form(
        (("path", "int"), ("low", "float8"), ("high", "float8")),
        "SELECT v.n, v.loose::int FROM number v WHERE v.path = s.path "
        "AND v.value BETWEEN s.low AND s.high ORDER BY v.path, v.value, v.n",
    ),
    "words": _Form(
        (("path", "int"), ("low", "bytea"), ("high", "bytea")),
        "SELECT v.n, v.loose::int FROM words v WHERE v.path = s.path "
        "AND v.value >= s.low AND v.value < s.high ORDER BY v.path, v.value, v.n",
    ),
    "point": _Form(
        _CELLS,
        f"SELECT p.n, 1 AS loose FROM {_ROWS} CROSS JOIN LATERAL (SELECT p.n FROM point p "
        f"WHERE {_IN_CELLS} ORDER BY p.path, p.cell, p.n) p",
    ),
    "near": _Form(
        (*_CELLS, *((name, "float8") for name in _CIRCLE)),
        f"SELECT p.n, (p.far > s.sure)::int AS loose FROM {_ROWS} CROSS JOIN LATERAL ("
        f"SELECT p.n, {_HAVERSINE} AS far FROM point p WHERE {_IN_CELLS} "
        "ORDER BY p.path, p.cell, p.n) p WHERE p.far <= s.possible",
    ),
    "area": _Form(
        (("path", "int"), *((name, "float8") for name in ("west", "south", "east", "north"))),
        "SELECT a.n, 1 AS loose FROM area a WHERE a.path = s.path "
        "AND a.box && ST_MakeEnvelope(s.west, s.south, s.east, s.north, 4326)",
    ),
}


@dataclass(frozen=True, slots=True)
class Key:
    """What makes a statement: forms in the order they are read, the columns of the entity, whether
    requests are counted too and whether shapes narrow them.
    """

    forms: tuple[Form, ...]
    columns: tuple[str, ...] = RECORD
    count: str = ""  # "", "count(*)" or "count(DISTINCT n)"
    shapes: bool = False
    page: bool = True
    deep: bool = False  # what is skipped is not brought along


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: a plan with the part of its rows that is wanted (None: all)."""

    plan: Plan
    limit: int | None
    offset: int = 0


def key_of(
    plan: Plan, *, columns: tuple[str, ...] = RECORD, count: bool = False, skips: int = 0
) -> Key:
    """The statement that serves a plan: pages of these columns, requests counted too with
    `count`. One that skips many rows of a plan whose rows may come twice is counted to know.
    """
    forms = tuple(dict.fromkeys(step.form for step in plan.steps))
    deep = skips > DEEP
    counting = ("count(*)" if plan.unique else "count(DISTINCT x.n)") if count else ""
    if deep and plan.distinct and not counting:
        counting = "count(*)" if plan.unique else "count(DISTINCT x.n)"
    return Key(forms, columns, counting, plan.shapes is not None, deep=deep)


def counts_of(plan: Plan) -> Key:
    """The statement that only counts what a plan finds."""
    return replace(key_of(plan, count=True), page=False)


@lru_cache(maxsize=256)
def text_of(key: Key) -> str:
    """The statement: rows (request from 1, n, columns of the entity, loose); the count of request i
    is the row (-i, count, …, whether something was loose).
    """
    spans = [f"first{place}, last{place}" for place in range(len(key.forms))]
    many = 2 + 2 * len(key.forms)
    arrays = [f"${number}::{'bigint' if number <= 2 else 'int'}[]" for number in range(1, many + 1)]
    asked = (
        f"(SELECT * FROM unnest({', '.join(arrays)}) "
        f"WITH ORDINALITY r(upto, skip, {', '.join(spans)}, i)) r"
    )
    columns = key.columns
    parts = []
    if key.page:
        wanted = "".join(f"x.{name}, " for name in columns)
        rows = f"{_rows(key, () if key.deep else columns)} LIMIT r.upto OFFSET r.skip"
        if key.deep:
            rows = f"SELECT k.n, {_entity(columns)}k.loose FROM ({rows}) k JOIN entity e USING (n)"
        parts.append(
            f"SELECT r.i::int AS i, x.n, {wanted}x.loose FROM {asked} CROSS JOIN LATERAL ({rows}) x"
        )
    if key.count:
        empty = "NULL, " * len(columns)
        parts.append(
            f"SELECT -r.i::int, x.n, {empty}x.loose FROM {asked} CROSS JOIN LATERAL "
            f"(SELECT {key.count} AS n, {_doubt(key)} AS loose FROM ({_rows(key, ())}) x) x"
        )
    return " UNION ALL ".join(parts)


def _doubt(key: Key) -> str:
    """Was something only a candidate, or, where that matters, something found twice?"""
    if not key.deep or key.count == "count(*)":
        return "max(x.loose)"
    return f"greatest(max(x.loose), (count(*) > {key.count})::int)"


def _entity(columns: Sequence[str]) -> str:
    return "".join(f"e.{name}, " for name in columns)


def _rows(key: Key, columns: Sequence[str]) -> str:
    """The rows of all steps of a request."""
    number = 3 + 2 * len(key.forms)
    parts = []
    for place, name in enumerate(key.forms):
        form = _FORMS[name]
        bound = []
        for _, sort in form.columns:
            bound.append(f"(${number}::{sort}[])[r.first{place}:r.last{place}]")
            number += 1
        names = ", ".join(column for column, _ in form.columns)
        steps = f"unnest({', '.join(bound)}) s({names})"
        parts.append((form, steps))
    narrowed = f" AND e.shape = ANY(${number}::int[])" if key.shapes else ""
    return " UNION ALL ".join(_part(form, steps, columns, narrowed) for form, steps in parts)


def _part(form: _Form, steps: str, columns: Sequence[str], narrowed: str) -> str:
    wanted = f"e.n, {_entity(columns)}"
    if form.entity:
        where = f" WHERE true{narrowed}" if narrowed else ""
        return f"SELECT {wanted}e.loose FROM {steps} CROSS JOIN LATERAL ({form.rows}) e{where}"
    found = f"FROM {steps} CROSS JOIN LATERAL ({form.rows}) x"
    if not columns and not narrowed:
        return f"SELECT x.n, x.loose {found}"
    return f"SELECT {wanted}x.loose {found} JOIN entity e ON e.n = x.n{narrowed}"


def bindings(key: Key, requests: Sequence[Asked]) -> list[Any]:
    """What a statement is bound to for some requests; with shapes there is one request."""
    bound: list[Any] = [
        [one.limit for one in requests],
        [one.offset for one in requests],
    ]
    tables: list[list[Any]] = []
    for name in key.forms:
        first: list[int] = []
        last: list[int] = []
        rows: list[tuple[Any, ...]] = []
        for one in requests:
            first.append(len(rows) + 1)
            rows += [step.values for step in one.plan.steps if step.form == name]
            last.append(len(rows))
        bound += (first, last)
        width = len(_FORMS[name].columns)
        tables += [list(column) for column in zip(*rows, strict=True)] or [[]] * width
    bound += tables
    if key.shapes:
        bound.append(requests[0].plan.shapes)
    return bound
