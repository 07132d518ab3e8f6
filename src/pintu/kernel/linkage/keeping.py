"""Clusters as they are kept: joined, undone, chosen from, each in one transaction with its event.

Undoing an event puts the clusters back that were before it, byte by byte. What was chosen in a
cluster since it was joined is set aside with it, and comes back when the undoing is undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.linkage.schema import CLUSTER, EVENT, RECORD, TOUCHED
from pintu.kernel.linkage.words import Cluster, Event, Ref
from pintu.kernel.tables import add_rows

AT_ONCE: Final = 400
_clusters: Final = msgspec.json.Decoder(tuple[Cluster, ...])
_cluster: Final = msgspec.json.Decoder(Cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """Who does it, when and why."""

    plan: str
    at_us: int
    by: str
    reason: str = ""


# --- reading ---------------------------------------------------------------------------------
def cluster_of(connection: Connection, plan: str, ref: Ref) -> Cluster | None:
    """The cluster a record is in; None when it is alone."""
    id = connection.execute(sa.select(RECORD.c.cluster).where(*_is(plan, ref))).scalar()
    return find(connection, id) if id else None


def find(connection: Connection, id: str) -> Cluster | None:
    """One cluster as it is now."""
    state = connection.execute(sa.select(CLUSTER.c.state).where(CLUSTER.c.id == id)).scalar()
    return None if state is None else _cluster.decode(state)


def decoded(state: bytes) -> Cluster:
    """A cluster from its kept state."""
    return _cluster.decode(state)


def get_event(connection: Connection, number: int) -> Event:
    """One event; ResourceNotFound."""
    row = connection.execute(EVENT.select().where(EVENT.c.number == number)).mappings().first()
    if row is None:
        raise ResourceNotFound(f"Event {number} of linkage does not exist")
    return told(row)


def events_of(connection: Connection, cluster: str) -> list[Event]:
    """What happened to a cluster, newest first."""
    mine = sa.select(TOUCHED.c.event).where(TOUCHED.c.cluster == cluster)
    query = EVENT.select().where(EVENT.c.number.in_(mine)).order_by(EVENT.c.number.desc())
    return [told(row) for row in connection.execute(query).mappings().all()]


def told(row: Any) -> Event:
    """An event from its row."""
    sides = {side: _clusters.decode(row[side]) for side in ("before", "after")}
    return Event(**{name: row[name] for name in row if name != "cluster"} | sides)


def id_marks(connection: Connection, plan: str, refs: Iterable[Ref]) -> set[str]:
    """The different valid numbers, as keyed digests, that some records have."""
    found: set[str] = set()
    for data_set, keys in _by_set(refs).items():
        for part in _parts(keys):
            query = sa.select(RECORD.c.id_mark).where(
                RECORD.c.plan == plan, RECORD.c.data_set == data_set, RECORD.c.key.in_(part)
            )
            found.update(connection.execute(query).scalars())
    return found - {""}


# --- writing ---------------------------------------------------------------------------------
def join(connection: Connection, refs: Sequence[Ref], doing: Doing) -> Event | None:
    """Make one of the clusters that some records are in; None when they are one already.

    Raises StateConflict when two of them have valid numbers that differ: nobody may join those.
    """
    before: dict[str, Cluster] = {}
    members = set(refs)
    for ref in refs:
        found = cluster_of(connection, doing.plan, ref)
        if found is not None:
            before[found.id] = found
            members.update(found.members)
    if len(before) == 1 and members == set(next(iter(before.values())).members):
        return None
    if len(id_marks(connection, doing.plan, members)) > 1:
        raise StateConflict("These records have different valid id numbers: they are two persons")
    after = joined(tuple(before.values()), members, doing)
    return put(connection, "merge", (tuple(before.values()), (after,)), doing)


def joined(before: Sequence[Cluster], members: Iterable[Ref], doing: Doing) -> Cluster:
    """The cluster that some clusters and records make together, with the largest one's id. Where
    two chose differently nothing is chosen any more."""
    largest = max(before, key=lambda one: (len(one.members), one.id), default=None)
    ordered = tuple(sorted(members))
    picks: dict[str, Ref] = {}
    for name in sorted({name for one in before for name in one.picks}):
        chosen = {one.picks[name] for one in before if name in one.picks}
        if len(chosen) == 1:
            picks[name] = chosen.pop()
    return Cluster(
        id=largest.id if largest else new_id(doing, ordered[0]),
        plan=doing.plan,
        members=ordered,
        picks=picks,
        since_us=largest.since_us if largest else doing.at_us,
    )


def new_id(doing: Doing, first: Ref) -> str:
    """The name of a new cluster; the moment is in it, so that no former one had it."""
    text = f"{doing.plan}\0{doing.at_us}\0{first.data_set}\0{first.key}"
    return "c" + blake2b(text.encode("utf-8", "replace"), digest_size=9).hexdigest()


def pick(connection: Connection, id: str, choice: tuple[str, Ref | None], doing: Doing) -> Event:
    """Let one record's word hold for an attribute, or (None) the authority's again."""
    attribute, chosen = choice
    before = find(connection, id)
    if before is None:
        raise ResourceNotFound(f"Cluster {id} does not exist")
    if chosen is not None and chosen not in before.members:
        raise ResourceNotFound(f"Record {chosen} is not in cluster {id}")
    picks = {name: ref for name, ref in before.picks.items() if name != attribute}
    if chosen is not None:
        picks[attribute] = chosen
    after = msgspec.structs.replace(before, picks=dict(sorted(picks.items())))
    return put(connection, "pick", ((before,), (after,)), doing)


def undo(connection: Connection, number: int, doing: Doing) -> Event:
    """Put back what was before an event. Raises StateConflict when it is undone already, or when
    what it made was joined or parted again since: that has to be undone first."""
    event = get_event(connection, number)
    if event.undone:
        raise StateConflict(f"Event {number} was undone already, by event {event.undone}")
    now = _as_made(connection, event)
    if any(len(id_marks(connection, event.plan, one.members)) > 1 for one in event.before):
        raise StateConflict("These records have different valid id numbers: they are two persons")
    undoing = put(connection, "unmerge", (now, event.before), doing, undoes=number)
    mark = EVENT.update().where(EVENT.c.number == number).values(undone=undoing.number)
    connection.execute(mark)
    if event.undoes:
        again = EVENT.update().where(EVENT.c.number == event.undoes).values(undone=0)
        connection.execute(again)
    return undoing


def _as_made(connection: Connection, event: Event) -> tuple[Cluster, ...]:
    """The clusters an event made as they are now, when nobody joined or parted them since."""
    where = {ref: one.id for one in event.after for ref in one.members}
    for one in event.before:
        for ref in one.members:
            where.setdefault(ref, "")
    now: dict[str, Cluster] = {}
    for made in event.after:
        found = find(connection, made.id)
        if found is not None and found.members == made.members:
            now[made.id] = found
    for ref, id in where.items():
        asked = sa.select(RECORD.c.cluster).where(*_is(event.plan, ref))
        if (connection.execute(asked).scalar() or "") != id or (id and id not in now):
            later = _latest(connection, event)
            raise StateConflict(
                f"Record {ref} was joined or parted again since event {event.number}: "
                f"undo event {later} first"
            )
    return tuple(now[one.id] for one in event.after)


def _latest(connection: Connection, event: Event) -> int:
    ids = {one.id for one in (*event.before, *event.after)}
    query = (
        sa.select(sa.func.max(EVENT.c.number))
        .join(TOUCHED, TOUCHED.c.event == EVENT.c.number)
        .where(TOUCHED.c.cluster.in_(ids), EVENT.c.undone == 0, EVENT.c.what != "pick")
    )
    return int(connection.execute(query).scalar() or 0)


def put(
    connection: Connection,
    what: Literal["merge", "unmerge", "pick", "split"],
    change: tuple[tuple[Cluster, ...], tuple[Cluster, ...]],
    doing: Doing,
    *,
    undoes: int = 0,
) -> Event:
    """Write an event and what it changes."""
    before, after = (tuple(sorted(side, key=lambda one: one.id)) for side in change)
    row = event_row(what, (before, after), doing, undoes)
    key = connection.execute(EVENT.insert(), row).inserted_primary_key
    assert key is not None
    ids = {one.id for one in (*before, *after)}
    add_rows(connection, TOUCHED, [{"cluster": one, "event": key[0]} for one in sorted(ids)])
    if before:
        gone = CLUSTER.delete().where(CLUSTER.c.id.in_([one.id for one in before]))
        connection.execute(gone)
    if after:
        connection.execute(CLUSTER.insert(), [cluster_row(one) for one in after])
    kept = {ref for one in after for ref in one.members}
    for one in before:
        _place(connection, doing.plan, [ref for ref in one.members if ref not in kept], "")
    for one in after:
        _place(connection, doing.plan, one.members, one.id)
    return told({**row, "number": key[0]})


def put_new(connection: Connection, made: Sequence[Cluster], doing: Doing) -> None:
    """Write many clusters of records that were alone, each with its event; where their records are
    is the caller's to write."""
    last = connection.execute(sa.select(sa.func.max(EVENT.c.number))).scalar() or 0
    for at in range(0, len(made), AT_ONCE):
        part = made[at : at + AT_ONCE]
        connection.execute(CLUSTER.insert(), [cluster_row(one) for one in part])
        rows = [event_row("merge", ((), (one,)), doing) for one in part]
        connection.execute(EVENT.insert(), rows)
    fresh = sa.select(EVENT.c.cluster, EVENT.c.number).where(EVENT.c.number > last)
    connection.execute(TOUCHED.insert().from_select(["cluster", "event"], fresh))


def event_row(
    what: str, change: tuple[Sequence[Cluster], Sequence[Cluster]], doing: Doing, undoes: int = 0
) -> dict[str, Any]:
    """An event as its table has it, without its number."""
    first = (*change[1], *change[0])[0].id
    return {
        "plan": doing.plan, "what": what, "cluster": first, "at_us": doing.at_us, "by": doing.by,
        "reason": doing.reason, "undoes": undoes, "undone": 0,
        "before": msgspec.json.encode(change[0], order="sorted"),
        "after": msgspec.json.encode(change[1], order="sorted"),
    }  # fmt: skip


def cluster_row(one: Cluster) -> dict[str, Any]:
    """A cluster as its table has it."""
    return {"id": one.id, "plan": one.plan, "state": one.state(), "members": len(one.members)}


def _place(connection: Connection, plan: str, refs: Sequence[Ref], cluster: str) -> None:
    if not refs:
        return
    rows = [
        {"plan": plan, "data_set": one.data_set, "key": one.key, "id_mark": "", "mark": ""}
        | {"cluster": cluster}
        for one in refs
    ]
    add_rows(connection, RECORD, rows)  # a record that linkage has not read yet
    for data_set, keys in _by_set(refs).items():
        for part in _parts(keys):
            connection.execute(
                RECORD.update()
                .where(RECORD.c.plan == plan, RECORD.c.data_set == data_set)
                .where(RECORD.c.key.in_(part))
                .values(cluster=cluster)
            )


def snapshot(connection: Connection, plan: str) -> bytes:
    """Every cluster of a plan and where every record is, as bytes: equal when nothing differs."""
    clusters = sa.select(CLUSTER.c.state).where(CLUSTER.c.plan == plan).order_by(CLUSTER.c.id)
    places = (
        sa.select(RECORD.c.data_set, RECORD.c.key, RECORD.c.cluster)
        .where(RECORD.c.plan == plan, RECORD.c.cluster != "")
        .order_by(RECORD.c.data_set, RECORD.c.key)
    )
    states = [bytes(one) for one in connection.execute(clusters).scalars()]
    where = [tuple(row) for row in connection.execute(places)]
    return b"\n".join(states) + msgspec.json.encode(where)


def _is(plan: str, ref: Ref) -> tuple[Any, ...]:
    columns = RECORD.c
    return columns.plan == plan, columns.data_set == ref.data_set, columns.key == ref.key


def _by_set(refs: Iterable[Ref]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in refs:
        found.setdefault(one.data_set, []).append(one.key)
    return found


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE))
