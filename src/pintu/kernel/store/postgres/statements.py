"""The one statement that writes a group: its arms as text, put together from those a group needs.

Every arm takes its rows as one array, mostly of a table's own row type, so that a text depends on
which arms there are and on nothing else: a connection prepares a handful of them once. The first
arm moves the head and holds its row's lock until the commit, so that positions are gapless and in
commit order whoever writes. Where a row has a position it has its ordinal in the group instead.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

Rows = list[Any]
Arms = dict[str, tuple[Rows, ...]]
"""Name of an arm → what its parameters (`_PARAMETERS`) are bound to: arrays of one length."""

CHANNEL = "pintu"
"""Others listen to `pintu_SCHEMA`; what they hear is a position, and only a hint."""

PART = 250
"""Rows of an arm in one statement: a larger group is a transaction of several."""

_MOVE = (
    "h AS (UPDATE head SET position = position + $1::bigint, groups = groups + 1, "
    "writer = $2::text, notes = notes + $3::bigint "
    "RETURNING position, position - $1::bigint AS base, notes - $3::bigint AS noted)"
)
_MOVED = "h AS (SELECT $1::bigint AS base, $2::bigint AS noted)"
_LIFE = (
    "SELECT t.{} FROM tombstone t "
    "WHERE t.tenant = (SELECT k.tenant FROM kind k WHERE k.n = u.kind) AND t.id = u.id"
)
_LOG = (
    "INSERT INTO log(position, kind, id, verb, at, source, previous, previous_at, changed, "
    "payload) SELECT h.base + u.position, u.kind, u.id, u.verb, u.at, u.source, {}, {}, "
    "u.changed, u.payload FROM h, {{}} u"
)
_PREVIOUS = "CASE WHEN u.previous < 0 THEN h.base - u.previous ELSE u.previous END"
_NEW = (
    "kind = u.kind, shape = u.shape, created = u.created, modified = u.modified, "
    "last = h.base + u.last, last_at = u.last_at, expires = u.expires, times = u.times, "
    "body = u.body"
)

_SQL = {
    "log": _LOG.format(_PREVIOUS, "u.previous_at"),
    # nobody read whether these ids had an earlier life
    "log_unread": _LOG.format(
        f"coalesce({_PREVIOUS}, ({_LIFE.format('last')}), 0)",
        f"coalesce(u.previous_at, ({_LIFE.format('last_at')}), 0)",
    ),
    "insert": (
        "INSERT INTO entity(n, tenant, id, kind, shape, created, modified, last, last_at, expires, "
        "times, body) SELECT u.n, u.tenant, u.id, u.kind, u.shape, u.created, u.modified, "
        "h.base + u.last, u.last_at, u.expires, u.times, u.body FROM h, {} u"
    ),
    "narrow": (
        "UPDATE entity e SET modified = u.modified, last = h.base + u.last, last_at = u.last_at, "
        "times = u.times, body = u.body FROM h, {} u WHERE e.n = u.n"
    ),
    "wide": f"UPDATE entity e SET {_NEW} FROM h, {{}} u WHERE e.n = u.n",
    "anew": (  # gone and there again: another number
        f"UPDATE entity e SET n = u.n, {_NEW} FROM h, {{}} u"
        "(old_n, n, tenant, id, kind, shape, created, modified, last, last_at, expires, times, "
        "body) WHERE e.n = u.old_n"
    ),
    "delete": "DELETE FROM entity e USING {} u(n) WHERE e.n = u.n",
    "bury": (
        "INSERT INTO tombstone(tenant, id, last, last_at, kind) SELECT u.tenant, u.id, "
        "h.base + u.last, u.last_at, u.kind FROM h, {} u ON CONFLICT (tenant, id) DO UPDATE "
        "SET last = excluded.last, last_at = excluded.last_at, kind = excluded.kind"
    ),
    "unbury": (
        "DELETE FROM tombstone t USING {} u WHERE t.tenant = u.tenant AND t.id = u.id "
        "RETURNING t.tenant, t.id, t.last"
    ),
    "count": "UPDATE shape s SET count = s.count + u.by FROM {} u(n, by) WHERE s.n = u.n",
    "point": "INSERT INTO point SELECT u.* FROM {} u ON CONFLICT DO NOTHING",
    "no_point": (
        "DELETE FROM point p USING {} u WHERE p.path = u.path AND p.cell = u.cell AND p.n = u.n "
        "AND p.lon = u.lon AND p.lat = u.lat"
    ),
    "area": (
        "INSERT INTO area(n, path, box) SELECT u.n, u.path, ST_MakeEnvelope(u.west, u.south, "
        "u.east, u.north, 4326) FROM {} u(n, path, west, south, east, north)"
    ),
    "no_area": "DELETE FROM area a USING {} u(n) WHERE a.n = u.n",
    "number": (
        "INSERT INTO number SELECT u.* FROM {} u "
        "ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose"
    ),
    "no_number": (
        "DELETE FROM number v USING {} u WHERE v.path = u.path AND v.value = u.value AND v.n = u.n"
    ),
    "words": (
        "INSERT INTO words SELECT u.* FROM {} u "
        "ON CONFLICT (path, value, n) DO UPDATE SET loose = excluded.loose"
    ),
    "no_words": (
        "DELETE FROM words v USING {} u WHERE v.path = u.path AND v.value = u.value AND v.n = u.n"
    ),
    "cursor": (
        "INSERT INTO cursor SELECT u.* FROM {} u ON CONFLICT (name) DO UPDATE "
        "SET position = excluded.position, at = excluded.at"
    ),
    "note": "INSERT INTO note(number, body) SELECT h.noted + u.number, u.body FROM h, {} u",
    "no_cursor": "DELETE FROM cursor c USING {} u(name) WHERE c.name = u.name",
}

_PARAMETERS = {
    "log": "log",
    "log_unread": "log",
    "insert": "entity",
    "narrow": "entity",
    "wide": "entity",
    "anew": "bigint entity",
    "delete": "bigint",
    "bury": "tombstone",
    "unbury": "tombstone",
    "count": "int bigint",
    "point": "point",
    "no_point": "point",
    "area": "bigint int float8 float8 float8 float8",
    "no_area": "bigint",
    "number": "number",
    "no_number": "number",
    "words": "words",
    "no_words": "words",
    "note": "note",
    "cursor": "cursor",
    "no_cursor": "text",
}

_FIRST = ("delete", "count", "no_point", "no_area", "no_number", "no_words")
_LAST = ("bury", "unbury", "cursor", "no_cursor")
"""Arms that are whole in the first or in the last statement of several: what they take away must
not be what an earlier one wrote, nor what a later one still reads.
"""

_TABLES = ("log", "entity", "tombstone", "point", "number", "words", "cursor", "note")


def all_types(schema: str) -> str:
    """A statement that is prepared once, so that the driver learns all row types at one time."""
    return "SELECT " + ", ".join(f"${n}::{_type(one, schema)}" for n, one in enumerate(_TABLES, 1))


def _type(name: str, schema: str) -> str:
    # with its schema: PostgreSQL has a point of its own
    return f'"{schema}".{name}[]' if name in _TABLES else f"{name}[]"


READ = (
    "SELECT u.o, e.n, e.kind, e.shape, e.body, e.created, e.modified, e.times, e.last, e.last_at, "
    "e.expires, t.last, t.last_at FROM unnest($1::int[], $2::text[]) WITH ORDINALITY "
    "u(tenant, id, o) LEFT JOIN entity e ON e.tenant = u.tenant AND e.id = u.id "
    "LEFT JOIN tombstone t ON t.tenant = u.tenant AND t.id = u.id"
)
"""What is stored of some (tenant, id): ordinal, the entity's columns, the tombstone's."""

LOCK = "SELECT paths FROM head FOR UPDATE"
"""Taken before anything is read by one of several writers: what it finds, absence included, then is
so until its commit. An id that is absent has no row that could be held. Which indexes are kept is
so until then, too.
"""


@lru_cache(maxsize=400)
def text_of(arms: tuple[str, ...], schema: str, first: bool = True) -> str:
    """The statement of a group, or of a part of it, with these arms. It answers (base, "", tenant,
    id, last, noted): the position before the group, a row each, the earlier lives of ids that
    nobody had read, and the number of the note before the group. The first part moves the head, the
    others are told both numbers.
    """
    parts = [_MOVE if first else _MOVED]
    number = 4 if first else 3
    for arm in arms:
        types = _PARAMETERS[arm].split()
        rows = ", ".join(f"${number + i}::{_type(one, schema)}" for i, one in enumerate(types))
        number += len(types)
        parts.append(f"w_{arm} AS ({_SQL[arm].format(f'unnest({rows})')})")
    lives = "d.tenant, d.id, d.last, h.noted FROM h LEFT JOIN w_unbury d ON true"
    if "unbury" not in arms:
        lives = "NULL::int, NULL::text, NULL::bigint, h.noted FROM h"
    told = f"pg_notify('{CHANNEL}_{schema}', h.position::text)" if first else "NULL"
    return f"WITH {', '.join(parts)} SELECT h.base, {told}, {lives}"


def parted(arms: Arms) -> list[Arms]:
    """A group's arms as those of one statement, or of several when there are many rows."""
    longest = max((len(columns[0]) for columns in arms.values()), default=0)
    if longest <= PART * 5 // 4:
        return [arms]
    parts: list[Arms] = []
    for start in range(0, longest, PART):
        last = start + PART >= longest
        part: Arms = {}
        for arm, columns in arms.items():
            if arm in _FIRST or arm in _LAST:
                if (start == 0 and arm in _FIRST) or (last and arm in _LAST):
                    part[arm] = columns
            elif len(columns[0]) > start:
                part[arm] = tuple(column[start : start + PART] for column in columns)
        parts.append(part)
    return parts
