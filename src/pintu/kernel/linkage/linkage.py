"""Linkage itself: plans, runs of the matching, clusters with their golden records, and undoing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.acting import Guard, Hand, entry_of
from pintu.kernel.linkage.desk import Desk, keep_apart, one_again
from pintu.kernel.linkage.golden import golden
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.objections import Objections
from pintu.kernel.linkage.ports import values_of
from pintu.kernel.linkage.reading.features import ROLES
from pintu.kernel.linkage.running import Running
from pintu.kernel.linkage.schema import CLUSTER, PLAN, TABLES
from pintu.kernel.linkage.words import Cluster, Event, Golden, LinkRun, Plan, Ref
from pintu.kernel.tables import put_rows

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Timers

T = TypeVar("T")

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MOST_SOURCES: Final = 12


class Linkage:
    """The same person or thing in several data sets. `desk`: uncertain pairs; `objections`: values
    that somebody says are wrong."""

    def __init__(
        self, tables: CityTables, clock: Clock, guard: Guard, timers: Timers | None = None
    ) -> None:
        self._opened = tables.register(TABLES)
        self._clock, self._guard = clock, guard
        self.desk = Desk(self._opened, clock, guard)
        self.objections = Objections(self._opened, clock, guard, timers)
        self.running = Running(self._opened, clock, guard.rows)

    # --- plans ------------------------------------------------------------------------------------
    async def list_plans(self) -> list[Plan]:
        """Every plan, by name."""
        query = sa.select(PLAN.c.body).order_by(PLAN.c.name)
        found = await self._opened.read(lambda c: c.execute(query).scalars().all())
        return [msgspec.json.decode(one, type=Plan) for one in found]

    async def get_plan(self, name: str) -> Plan:
        """One; ResourceNotFound."""
        query = sa.select(PLAN.c.body).where(PLAN.c.name == name)
        body = await self._opened.read(lambda c: c.execute(query).scalar())
        if body is None:
            raise ResourceNotFound(f"Linkage plan {name!r} does not exist")
        return msgspec.json.decode(body, type=Plan)

    async def save_plan(self, plan: Plan, hand: Hand) -> None:
        """Keep a plan; BadRequestData says what is wrong with it."""
        checked(plan)
        for one in plan.sources:
            self._guard.rows.owner(one.data_set)
        sets = [one.data_set for one in plan.sources]
        self.may_work(plan, hand)
        body = msgspec.json.encode(plan).decode()
        row = {"name": plan.name, "body": body, "by": hand.by, "at_us": self._clock.now_us()}
        entry = entry_of(hand, "plan", data_sets=sets, detail={"plan": plan.name})
        await self._guard.logged(
            hand, entry, lambda: self._opened.run(lambda c: put_rows(c, PLAN, [row]))
        )

    def may_work(self, plan: Plan, hand: Hand) -> None:
        """Raises what the gate says to somebody who may see the persons of none of the data sets,
        or named no purpose or reason."""
        self._guard.one_of(hand, [one.data_set for one in plan.sources])

    def may_see(self, data_set: str, hand: Hand) -> None:
        """Raises what the gate says to somebody who may not see the persons of a data set."""
        self._guard.decide(hand, data_set)

    async def said_now(self, ref: Ref, column: str, hand: Hand) -> str:
        """What a value says now, as a text; empty when it says nothing or is not somebody's to
        see."""
        if ref.data_set not in self._guard.open_sets(hand, (ref.data_set,)):
            return ""
        found = await values_of(self._guard.rows, (ref,), {ref.data_set: column})
        return str(found[ref].value)[:500] if ref in found else ""

    async def run(self, name: str, hand: Hand) -> LinkRun:
        """Match the data sets of a plan, in a process of its own; returns when it is done. Raises
        StateConflict while the same plan runs, TooComplex for a blocking rule over its budget."""
        plan = await self.get_plan(name)
        sets = [one.data_set for one in plan.sources]
        self.may_work(plan, hand)
        entry = entry_of(hand, "match", data_sets=sets, detail={"plan": plan.name})
        return await self._guard.logged(hand, entry, lambda: self.running.run(plan, hand.by))

    # --- clusters ---------------------------------------------------------------------------------
    async def list_clusters(self, plan: str, *, limit: int = 100, offset: int = 0) -> list[Cluster]:
        """Clusters of a plan, the largest first."""
        query = (
            sa.select(CLUSTER.c.state)
            .where(CLUSTER.c.plan == plan)
            .order_by(CLUSTER.c.members.desc(), CLUSTER.c.id)
            .limit(max(1, min(limit, 1_000)))
            .offset(max(0, offset))
        )
        found = await self._opened.read(lambda c: c.execute(query).scalars().all())
        return [msgspec.json.decode(one, type=Cluster) for one in found]

    async def get_cluster(self, id: str) -> Cluster:
        """One; ResourceNotFound."""
        found = await self._opened.read(lambda c: keeping.find(c, id))
        if found is None:
            raise ResourceNotFound(f"Cluster {id} does not exist")
        return found

    async def find_cluster(self, plan: str, ref: Ref) -> Cluster | None:
        """The cluster a record is in; None when it is alone."""
        return await self._opened.read(lambda c: keeping.cluster_of(c, plan, ref))

    async def events(self, id: str) -> list[Event]:
        """What happened to a cluster, newest first."""
        return await self._opened.read(lambda c: keeping.events_of(c, id))

    async def story(self, id: str, hand: Hand) -> list[Event]:
        """As `events`, also of a cluster that is parted by now, for somebody who may see the
        persons of one of its data sets; ResourceNotFound when there never was one."""
        found = await self.events(id)
        sides = [one for event in found for one in (*event.before, *event.after)]
        if not sides:
            raise ResourceNotFound(f"Cluster {id[:40]} does not exist")
        self._guard.one_of(hand, sorted({ref.data_set for one in sides for ref in one.members}))
        return found

    async def golden(self, id: str, hand: Hand) -> Golden:
        """The golden record of a cluster; values of data sets that are not open to somebody are not
        told, and the log has a row of whom was looked at."""
        cluster = await self.get_cluster(id)
        plan = await self.get_plan(cluster.plan)
        sets = {one.data_set for one in cluster.members}
        shown = self._guard.open_sets(hand, sets)
        if not shown:
            self._guard.one_of(hand, sorted(sets))
        members = [one for one in cluster.members if one.data_set in shown]
        values = {}
        for name in plan.attributes:
            columns = {one: plan.column(one, name) for one in shown if plan.column(one, name)}
            values[name] = await values_of(self._guard.rows, members, columns)
        entry = entry_of(hand, "golden", data_sets=shown, detail={"cluster": id},
                         subjects=self._guard.digests(one.key for one in members))  # fmt: skip

        async def told() -> Golden:
            return golden(plan, cluster, values)

        return await self._guard.logged(hand, entry, told)

    async def merge(self, plan: str, refs: Sequence[Ref], hand: Hand) -> Event | None:
        """Join records and the clusters they are in; None when they are one already. StateConflict
        for two different valid id numbers."""
        await self.get_plan(plan)
        return await self._deed(("merge", plan), refs, hand,
                                lambda c, doing: keeping.join(c, refs, doing))  # fmt: skip

    async def unmerge(self, number: int, hand: Hand, *, apart: bool = True) -> Event:
        """Undo an event: the clusters before it are back exactly. With `apart` what it had joined
        is said to be different, so that no run of the matching joins it again. Undoing an undoing
        takes that back: what is one again is said to be the same."""
        event = await self._opened.read(lambda c: keeping.get_event(c, number))
        refs = [ref for one in (*event.before, *event.after) for ref in one.members]

        def work(connection: Connection, doing: Doing) -> Event:
            undone = keeping.undo(connection, number, doing)
            if apart and event.what == "merge":
                keep_apart(connection, _parts(event), doing)
            if event.what == "unmerge":
                one_again(connection, _parts(undone), doing)
            return undone

        return await self._deed(("unmerge", event.plan), refs, hand, work)

    async def pick(self, id: str, attribute: str, chosen: Ref | None, hand: Hand) -> Event:
        """Let one record's word hold for an attribute of a cluster; None: its authority's again."""
        cluster = await self.get_cluster(id)
        plan = await self.get_plan(cluster.plan)
        if attribute not in plan.attributes:
            raise BadRequestData(f"Plan {plan.name} has no attribute {attribute!r}")

        def work(connection: Connection, doing: Doing) -> Event:
            return keeping.pick(connection, id, (attribute, chosen), doing)

        return await self._deed(("pick", plan.name), cluster.members, hand, work)

    async def _deed(
        self,
        what: tuple[str, str],
        refs: Sequence[Ref],
        hand: Hand,
        work: Callable[[Connection, Doing], T],
    ) -> T:
        deed, plan = what
        sets = sorted({one.data_set for one in refs})
        self._guard.one_of(hand, sets)
        doing = Doing(plan=plan, at_us=self._clock.now_us(), by=hand.by, reason=hand.reason[:1_000])
        entry = entry_of(hand, deed, data_sets=sets, detail={"plan": plan},
                         subjects=self._guard.digests(one.key for one in refs))  # fmt: skip
        return await self._guard.logged(
            hand, entry, lambda: self._opened.run(lambda c: work(c, doing))
        )


def checked(plan: Plan) -> None:
    """Raises BadRequestData with the first thing that is wrong with a plan."""
    names = [one.data_set for one in plan.sources]
    if not NAME.fullmatch(plan.name):
        raise BadRequestData(f"Linkage plan {plan.name[:80]!r} needs a name like 'residents'")
    if not names or len(set(names)) < len(names) or len(names) > MOST_SOURCES:
        raise BadRequestData(f"Plan {plan.name} needs 1 to {MOST_SOURCES} data sets, each once")
    for one in plan.sources:
        if not set(one.columns) & set(ROLES):
            raise BadRequestData(
                f"Data set {one.data_set!r} tells nothing to link by: one of {', '.join(ROLES)}"
            )
    told = {name for found in plan.authority.values() for name in found}
    if told - set(names):
        raise BadRequestData(f"Authority {sorted(told - set(names))[0]!r} is not in the plan")
    if not 0.0 < plan.review_at <= plan.link_at <= 1.0:
        raise BadRequestData(f"Plan {plan.name} needs 0 < review_at <= link_at <= 1")
    if not 2 <= plan.largest <= 100 or not 1 <= plan.pairs <= 1_000_000_000:
        raise BadRequestData(f"Plan {plan.name} needs 2 to 100 records a cluster, and pairs")


def _parts(event: Event) -> list[tuple[Ref, ...]]:
    """What a merge had joined: the clusters before it, and the records that were alone."""
    known = {ref for one in event.before for ref in one.members}
    alone = [(ref,) for one in event.after for ref in one.members if ref not in known]
    return [*(one.members for one in event.before), *alone]
