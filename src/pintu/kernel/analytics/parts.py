"""One transaction of packing: rows of some entities into packs, what always comes, how each stands.

It says itself what is packed already, so rows may be told twice, in any process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packs import Pack, joined, loosen, observed, pack, pack_of, squeeze
from pintu.kernel.analytics.schema import ALWAYS, ALWAYS_VERBS, PACK, RETYPED, STAND
from pintu.kernel.analytics.standing import kept, read_standing
from pintu.kernel.context.standing import Standing, types_of
from pintu.kernel.store.port import Change
from pintu.kernel.tables import add_rows, put_rows

DAY_US: Final = 86_400_000_000
SLICE_ROWS: Final = 1_000
"""Rows that one transaction packs."""
SMALL: Final = 64
FULL: Final = 512
"""A pack with few rows is always joined to, one with so many never."""

Key = tuple[int, str]
Part = list[tuple[Key, list[Change]]]
Also = Callable[[Connection, Sequence[Change]], None]
"""What else is done with rows in the transaction that packs them: roll-ups."""


@dataclass(slots=True)
class Place:
    """A pack; `body` None: it has too many rows to be joined to, and was not read."""

    first: int
    last: int
    day: int
    rows: int
    body: Pack | None
    base: bytes | None = None


def pack_part(connection: Connection, part: Part, also: Also) -> None:
    """Pack rows of some entities, each's oldest first; what is packed already is passed over."""
    ends = _ends(connection, part)
    known = stood(connection, [key for key, _ in part])
    fresh: list[Change] = []
    packs: dict[tuple[Key, int], dict[str, Any]] = {}
    stands: list[dict[str, Any]] = []
    retyped: list[dict[str, Any]] = []
    for key, changes in part:
        done, told = known.get(key, (0, None))
        mine = [one for one in changes if one.position > done]
        if not mine:
            continue
        fresh += mine
        standing = read_standing(told)
        if _retypes(standing, mine, anew=told is not None):
            retyped.append({"tenant": key[0], "id": key[1]})
        for day, some in groupby(mine, lambda one: one.at_us // DAY_US):
            changed = list(some)
            base = None if standing.doc is None else told or kept(standing)
            place = ends[key] = _grown(ends.get(key), day, base, changed)
            assert place.body is not None
            packs[key, place.first] = {**_row(key, day, place.body), "base": place.base}
            for one in changed:
                standing.apply(one)
            told = None
        told = kept(standing)
        last = mine[-1].position
        stands.append({"tenant": key[0], "id": key[1], "position": last, "told": told})
    put_rows(connection, PACK, list(packs.values()))
    put_rows(connection, STAND, stands)
    add_rows(connection, RETYPED, retyped)
    add_rows(connection, ALWAYS, [_always(one, packs) for one in fresh if _comes(one)])
    if fresh:
        also(connection, fresh)


def _retypes(standing: Standing, rows: list[Change], *, anew: bool) -> bool:
    """Whether an entity is of other types than before, or comes back."""
    types = {rows[0].types if standing.doc is None else types_of(standing.doc)}
    return types.union(one.types for one in rows) != types or (anew and not standing.doc)


def _comes(row: Change) -> bool:
    """Whether whoever asks for a part of an entity's past needs this row too."""
    return row.verb in ALWAYS_VERBS or not row.previous


def _always(row: Change, packs: dict[tuple[Key, int], dict[str, Any]]) -> dict[str, Any]:
    alone = packs.get(((row.tenant, row.id), row.position))  # what was written once and never again
    body = alone["body"] if alone is not None and alone["rows"] == 1 else pack([row])
    return {"tenant": row.tenant, "id": row.id, "position": row.position, "body": body}


def _grown(place: Place | None, day: int, base: bytes | None, rows: list[Change]) -> Place:
    """The pack that rows of a day went to: the entity's last one, joined to, or another. Only the
    last: where a clock was set back, another of that day has rows behind these."""
    body = pack_of(rows)
    if place is None or place.day != day or place.body is None or not _grows(place, rows):
        return Place(body.positions[0], sum(body.positions), day, len(rows), body, base)
    body = joined(place.body, body)
    return Place(place.first, sum(body.positions), day, len(body.positions), body, place.base)


def _grows(place: Place, changes: Sequence[Change]) -> bool:
    """Whether rows are joined to a pack: it is read and squeezed anew, so it must be small, or
    not much more than what comes."""
    most = max(SMALL, 2 * len(changes))
    return place.rows <= most and place.rows + len(changes) <= FULL


def parts_of(changes: Iterable[Change]) -> Iterator[Part]:
    """Changes by entity, in parts for one transaction each; many of one entity are several packs,
    so that whoever reads a few of them need not unpack all."""
    by_key: dict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        by_key[change.tenant, change.id].append(change)
    part: Part = []
    size = 0
    for key in sorted(by_key):
        rows = by_key[key]
        for start in range(0, len(rows), SLICE_ROWS):
            some = rows[start : start + SLICE_ROWS]
            part.append((key, some))
            size += len(some)
            if size >= SLICE_ROWS:
                yield part
                part, size = [], 0
    if part:
        yield part


_OTHER = PACK.alias()
_LAST = sa.select(sa.func.max(_OTHER.c.first)).where(
    _OTHER.c.tenant == STAND.c.tenant, _OTHER.c.id == STAND.c.id
)
_ENDS = (
    sa.select(PACK.c.id, PACK.c.first, PACK.c.last, PACK.c.day, PACK.c.rows)
    .add_columns(sa.case((PACK.c.rows <= sa.bindparam("most"), PACK.c.body)), PACK.c.base)
    .join_from(STAND, PACK, (PACK.c.tenant == STAND.c.tenant) & (PACK.c.id == STAND.c.id))
    .where(PACK.c.first == _LAST.scalar_subquery())
)


def _ends(connection: Connection, part: Part) -> dict[Key, Place]:
    """The last pack of each entity of a part, read where rows may be joined to it."""
    found: dict[Key, Place] = {}
    most = {"most": max(SMALL, 2 * max(len(changes) for _, changes in part))}
    for tenant, ids in _by_tenant([key for key, _ in part]):
        asked = _ENDS.where(STAND.c.tenant == tenant, STAND.c.id.in_(ids))
        for id, first, last, day, count, body, base in connection.execute(asked, most):
            told = None if body is None else loosen(body)
            found[tenant, id] = Place(first, last, day, count, told, base)
    return found


def stood(connection: Connection, keys: Sequence[Key]) -> dict[Key, tuple[int, bytes]]:
    """The last row of each entity that is packed, and how it stood then."""
    found: dict[Key, tuple[int, bytes]] = {}
    for tenant, ids in _by_tenant(keys):
        asked = sa.select(STAND.c.id, STAND.c.position, STAND.c.told)
        rows = connection.execute(asked.where(STAND.c.tenant == tenant, STAND.c.id.in_(ids)))
        found.update(((tenant, id), (position, told)) for id, position, told in rows)
    return found


def _by_tenant(keys: Sequence[Key]) -> Iterator[tuple[int, list[str]]]:
    """Entities, some hundred at once."""
    for tenant, some in groupby(keys, lambda key: key[0]):
        ids = [id for _, id in some]
        for start in range(0, len(ids), 500):
            yield tenant, ids[start : start + 500]


def _row(key: Key, day: int, body: Pack) -> dict[str, Any]:
    ats = list(accumulate(body.ats))
    earliest, latest = observed(body)
    return {
        "tenant": key[0],
        "id": key[1],
        "first": body.positions[0],
        "last": sum(body.positions),
        "day": day,
        "rows": len(ats),
        "since_us": min(ats),
        "until_us": max(ats),
        "observed_us": earliest,
        "observed_to_us": latest,
        "body": squeeze(body),
    }
