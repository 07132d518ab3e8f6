"""The one statement that writes a group: its arms as text, put together from those a group needs.

Every arm takes its rows as arrays, one a column, so that a text depends on which arms there are
and on nothing else: a connection prepares a handful of them once. The first arm moves the head and
holds its row's lock until the commit, so that positions are gapless and in commit order whoever
writes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

Columns = tuple[list[Any], ...]
Arms = dict[str, Columns]
"""Name of an arm → its rows, as one list a column, in the order of `_TYPES` of that arm."""

CHANNEL = "pintu"
"""Others listen to `pintu_SCHEMA`; what they hear is a position, and only a hint."""

_HEAD = (
    "h AS (UPDATE head SET position = position + $1::bigint, groups = groups + 1, "
    "writer = $2::text RETURNING position, position - $1::bigint AS base)"
)
_LAST = "SELECT {} FROM tombstone t WHERE t.tenant = u.tenant AND t.id = u.id"
_LOG = (
    "INSERT INTO log(position, kind, id, verb, at, source, previous, previous_at, changed, "
    "payload) SELECT h.base + u.o, u.kind, u.id, u.verb, u.at, u.source, {}, {}, u.changed, "
    "u.payload FROM h, {{}} WITH ORDINALITY u(tenant, kind, id, verb, at, source, previous, "
    "previous_at, changed, payload, o)"
)
_PREVIOUS = "CASE WHEN u.previous < 0 THEN h.base - u.previous ELSE u.previous END"

_SQL = {
    "log": _LOG.format(_PREVIOUS, "u.previous_at"),
    # nobody read whether these ids had an earlier life
    "log_unread": _LOG.format(
        f"coalesce({_PREVIOUS}, ({_LAST.format('t.last')}), 0)",
        f"CASE WHEN u.previous IS NULL THEN coalesce(({_LAST.format('t.last_at')}), 0) "
        "ELSE u.previous_at END",
    ),
    "insert": (
        "INSERT INTO entity(n, tenant, id, kind, shape, created, modified, last, last_at, expires, "
        "times, body) SELECT u.n, u.tenant, u.id, u.kind, u.shape, u.created, u.modified, "
        "h.base + u.o, u.last_at, u.expires, u.times, u.body FROM h, {} u(n, tenant, id, kind, "
        "shape, created, modified, o, last_at, expires, times, body)"
    ),
    "narrow": (
        "UPDATE entity e SET modified = u.modified, last = h.base + u.o, last_at = u.last_at, "
        "times = u.times, body = u.body FROM h, {} u(n, modified, o, last_at, times, body) "
        "WHERE e.n = u.n"
    ),
    "wide": (
        "UPDATE entity e SET n = u.new_n, kind = u.kind, shape = u.shape, created = u.created, "
        "modified = u.modified, last = h.base + u.o, last_at = u.last_at, expires = u.expires, "
        "times = u.times, body = u.body FROM h, {} u(n, new_n, kind, shape, created, modified, o, "
        "last_at, expires, times, body) WHERE e.n = u.n"
    ),
    "delete": "DELETE FROM entity e USING {} u(n) WHERE e.n = u.n",
    "bury": (
        "INSERT INTO tombstone(tenant, id, last, last_at) SELECT u.tenant, u.id, h.base + u.o, "
        "u.last_at FROM h, {} u(tenant, id, o, last_at) ON CONFLICT (tenant, id) DO UPDATE "
        "SET last = excluded.last, last_at = excluded.last_at"
    ),
    "unbury": (
        "DELETE FROM tombstone t USING {} u(tenant, id) WHERE t.tenant = u.tenant AND t.id = u.id "
        "RETURNING t.tenant, t.id, t.last"
    ),
    "count": "UPDATE shape s SET count = s.count + u.by FROM {} u(n, by) WHERE s.n = u.n",
    "point": (
        "INSERT INTO point(path, cell, n, lon, lat) SELECT * FROM {} u ON CONFLICT DO NOTHING"
    ),
    "no_point": (
        "DELETE FROM point p USING {} u(path, cell, n, lon, lat) WHERE p.path = u.path AND "
        "p.cell = u.cell AND p.n = u.n AND p.lon = u.lon AND p.lat = u.lat"
    ),
    "area": (
        "INSERT INTO area(n, path, box) SELECT u.n, u.path, ST_MakeEnvelope(u.west, u.south, "
        "u.east, u.north, 4326) FROM {} u(n, path, west, south, east, north)"
    ),
    "no_area": "DELETE FROM area a USING {} u(n) WHERE a.n = u.n",
    "number": (
        "INSERT INTO number(path, value, n, loose) SELECT * FROM {} u "
        "ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose"
    ),
    "no_number": (
        "DELETE FROM number v USING {} u(path, value, n) "
        "WHERE v.path = u.path AND v.value = u.value AND v.n = u.n"
    ),
    "words": (
        "INSERT INTO words(path, value, n, loose) SELECT * FROM {} u "
        "ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose"
    ),
    "no_words": (
        "DELETE FROM words v USING {} u(path, value, n) "
        "WHERE v.path = u.path AND v.value = u.value AND v.n = u.n"
    ),
    "cursor": (
        "INSERT INTO cursor(name, position, at) SELECT * FROM {} u ON CONFLICT (name) DO UPDATE "
        "SET position = excluded.position, at = excluded.at"
    ),
    "no_cursor": "DELETE FROM cursor c USING {} u(name) WHERE c.name = u.name",
}

_LOG_TYPES = "int int text smallint bigint int bigint bigint text bytea"
_TYPES = {
    "log": _LOG_TYPES,
    "log_unread": _LOG_TYPES,
    "insert": "bigint int text int int bigint bigint bigint bigint bigint bytea bytea",
    "narrow": "bigint bigint bigint bigint bytea bytea",
    "wide": "bigint bigint int int bigint bigint bigint bigint bigint bytea bytea",
    "delete": "bigint",
    "bury": "int text bigint bigint",
    "unbury": "int text",
    "count": "int bigint",
    "point": "int bigint bigint float8 float8",
    "no_point": "int bigint bigint float8 float8",
    "area": "bigint int float8 float8 float8 float8",
    "no_area": "bigint",
    "number": "int float8 bigint smallint",
    "no_number": "int float8 bigint",
    "words": "int bytea bigint smallint",
    "no_words": "int bytea bigint",
    "cursor": "text bigint bigint",
    "no_cursor": "text",
}

READ = (
    "SELECT u.o, e.n, e.kind, e.shape, e.body, e.created, e.modified, e.times, e.last, e.last_at, "
    "e.expires, t.last, t.last_at FROM unnest($1::int[], $2::text[]) WITH ORDINALITY "
    "u(tenant, id, o) LEFT JOIN entity e ON e.tenant = u.tenant AND e.id = u.id "
    "LEFT JOIN tombstone t ON t.tenant = u.tenant AND t.id = u.id"
)
"""What is stored of some (tenant, id): ordinal, the entity's columns, the tombstone's."""

LOCK = (
    "SELECT e.n FROM unnest($1::int[], $2::text[]) u(tenant, id) JOIN entity e "
    "ON e.tenant = u.tenant AND e.id = u.id ORDER BY e.tenant, e.id FOR UPDATE OF e"
)
"""Hold those rows until the commit, in one order, so that two writers never wait for each other."""


@lru_cache(maxsize=200)
def text_of(arms: tuple[str, ...], channel: str) -> str:
    """The statement of a group with these arms. It answers (base, "", tenant, id, last): the
    position before the group and, a row each, the earlier lives of ids that nobody had read.
    """
    parts = [_HEAD]
    number = 3
    for arm in arms:
        types = _TYPES[arm].split()
        rows = ", ".join(f"${number + i}::{one}[]" for i, one in enumerate(types))
        number += len(types)
        parts.append(f"w_{arm} AS ({_SQL[arm].format(f'unnest({rows})')})")
    lives = "d.tenant, d.id, d.last FROM h LEFT JOIN w_unbury d ON true"
    if "unbury" not in arms:
        lives = "NULL::int, NULL::text, NULL::bigint FROM h"
    told = f"pg_notify('{channel}', h.position::text)"
    return f"WITH {', '.join(parts)} SELECT h.base, {told}, {lives}"


def statement(arms: Arms, *, rows: int, writer: str, schema: str) -> tuple[str, list[Any]]:
    """(text, arguments) that write a group of `rows` rows of the log."""
    arguments: list[Any] = [rows, writer]
    for columns in arms.values():
        arguments += columns
    return text_of(tuple(arms), f"{CHANNEL}_{schema}"), arguments
