"""What a run of the matching found, laid down: clusters as events that can be undone, doubts as
pairs for the desk; what people decided is not asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.desk import apart
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.matching.words import Outcome
from pintu.kernel.linkage.schema import CLUSTER, PAIR, RECORD
from pintu.kernel.linkage.words import Cluster, Plan, Ref
from pintu.kernel.tables import put_rows

AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was known before a run, by place in its rows."""

    together: tuple[tuple[int, ...], ...]
    apart: tuple[tuple[int, int], ...]
    clusters: dict[Ref, Cluster]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a run left behind."""

    clusters: int
    review: int


def known(connection: Connection, plan: Plan, refs: Sequence[Ref]) -> Before:
    """Clusters and verdicts of a plan, as the matching takes them."""
    places = {ref: n for n, ref in enumerate(refs)}
    clusters: dict[Ref, Cluster] = {}
    together = []
    query = sa.select(CLUSTER.c.state).where(CLUSTER.c.plan == plan.name)
    for state in connection.execute(query).scalars():
        one = keeping.decoded(state)
        clusters.update(dict.fromkeys(one.members, one))
        together.append(tuple(places[ref] for ref in one.members if ref in places))
    parted = [
        (places[one], places[two])
        for one, two in apart(connection, plan.name)
        if one in places and two in places
    ]
    return Before(
        together=tuple(one for one in together if len(one) > 1),
        apart=tuple(parted),
        clusters=clusters,
    )


def settle(
    connection: Connection, found: tuple[Plan, Sequence[Ref], Outcome], doing: Doing
) -> Settled:
    """Lay an outcome down, on what is there now: people may have decided while the job ran."""
    plan, refs, outcome = found
    before = known(connection, plan, refs)
    parted: dict[int, set[int]] = {}
    for one, two in before.apart:
        parted.setdefault(one, set()).add(two)
    for places in outcome.cut:
        ids = {before.clusters[refs[n]].id for n in places if refs[n] in before.clusters}
        for id in sorted(ids):
            cut = keeping.find(connection, id)
            if cut is not None:
                keeping.put(connection, "split", ((cut,), ()), doing)
                for ref in cut.members:
                    before.clusters.pop(ref, None)
    fresh: list[Cluster] = []
    where = {ref: n for n, ref in enumerate(refs)} if before.clusters else {}
    for places in outcome.clusters:
        if any(parted.get(n, set()) & set(places) for n in places):
            continue  # somebody parted them meanwhile; the next run joins what is left
        members = [refs[n] for n in places]
        was = {
            before.clusters[ref].id: before.clusters[ref]
            for ref in members
            if ref in before.clusters
        }
        if not was:
            fresh.append(keeping.joined((), members, doing))
            continue
        whole = set(members).union(*(one.members for one in was.values()))
        if len(was) == 1 and len(next(iter(was.values())).members) == len(whole):
            continue
        if not _one(connection, whole, (plan.name, where, parted), outcome):
            continue
        after = keeping.joined(tuple(was.values()), whole, doing)
        keeping.put(connection, "merge", (tuple(was.values()), (after,)), doing)
        # two that were found apart may both reach into what people joined meanwhile
        before.clusters.update(dict.fromkeys(after.members, after))
    _records(connection, plan.name, refs, outcome, fresh)
    keeping.put_new(connection, fresh, doing)
    review = _doubts(connection, plan.name, refs, outcome)
    count = sa.select(sa.func.count()).select_from(CLUSTER).where(CLUSTER.c.plan == plan.name)
    return Settled(clusters=int(connection.execute(count).scalar_one()), review=review)


def _one(
    connection: Connection,
    whole: set[Ref],
    known: tuple[str, dict[Ref, int], dict[int, set[int]]],
    outcome: Outcome,
) -> bool:
    """Whether a cluster that grew by what people joined meanwhile is still one person: nobody said
    that two of it are different, and no two valid numbers differ."""
    plan, where, parted = known
    places = {where[ref] for ref in whole if ref in where}
    marks = keeping.id_marks(connection, plan, [ref for ref in whole if ref not in where])
    marks |= {outcome.id_marks[n] for n in places} - {""}
    return len(marks) < 2 and not any(parted.get(n, set()) & places for n in places)


def _records(
    connection: Connection, plan: str, refs: Sequence[Ref], outcome: Outcome,
    fresh: Sequence[Cluster],
) -> None:  # fmt: skip
    """References with their marks; where each is stays as it is but for those newly joined."""
    query = sa.select(RECORD.c.data_set, RECORD.c.key, RECORD.c.cluster)
    where = {
        (data_set, key): cluster
        for data_set, key, cluster in connection.execute(query.where(RECORD.c.plan == plan))
    }
    where.update({(ref.data_set, ref.key): one.id for one in fresh for ref in one.members})
    told = zip(refs, outcome.id_marks, outcome.marks, strict=True)
    rows = [
        {
            "plan": plan, "data_set": ref.data_set, "key": ref.key, "id_mark": id_mark,
            "mark": mark, "cluster": where.get((ref.data_set, ref.key), ""),
        }
        for ref, id_mark, mark in told
    ]  # fmt: skip
    for at in range(0, len(rows), AT_ONCE):
        put_rows(connection, RECORD, rows[at : at + AT_ONCE])


def _doubts(connection: Connection, plan: str, refs: Sequence[Ref], outcome: Outcome) -> int:
    """Pairs for the desk. Open ones of old are asked anew or not at all; a verdict stands until
    what it was given about has changed."""
    connection.execute(PAIR.delete().where(PAIR.c.plan == plan, PAIR.c.state == "open"))
    columns = (PAIR.c.left_set, PAIR.c.left_key, PAIR.c.right_set, PAIR.c.right_key)
    query = sa.select(*columns).where(PAIR.c.plan == plan)
    said = {(Ref(a, b), Ref(c, d)) for a, b, c, d in connection.execute(query)}
    rows = []
    for one in outcome.doubts:
        places = sorted((one.left, one.right), key=lambda n: refs[n])
        left, right = (refs[n] for n in places)
        if (left, right) in said:
            continue
        said.add((left, right))
        rows.append({
            "plan": plan, "left_set": left.data_set, "left_key": left.key,
            "right_set": right.data_set, "right_key": right.key, "score": one.score,
            "why": one.why, "state": "open", "by": "", "at_us": 0, "reason": "", "event": 0,
            "mark": "".join(outcome.marks[n] for n in places),
        })  # fmt: skip
    for at in range(0, len(rows), AT_ONCE):
        connection.execute(PAIR.insert(), rows[at : at + AT_ONCE])
    return len(rows)
