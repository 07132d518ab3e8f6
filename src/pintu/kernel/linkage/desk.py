"""The review desk: uncertain pairs, what people said of them, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound, StateConflict
from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.acting import Guard, Hand, entry_of
from pintu.kernel.linkage.evidence import Evidence, evidence
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.ports import values_of
from pintu.kernel.linkage.schema import PAIR
from pintu.kernel.linkage.words import Pair, PairState, Plan, Ref, Value, Verdict

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.tables import OpenTables

VERDICTS: Final = ("same", "different", "unsure")
MOST_LISTED: Final = 500


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """A pair as somebody may see it: values by attribute, None for a record that is withheld."""

    pair: Pair
    left: dict[str, Value] | None
    right: dict[str, Value] | None
    evidence: list[Evidence]


class Desk:
    """Pairs that nobody could decide but a person."""

    def __init__(self, opened: OpenTables, clock: Clock, guard: Guard) -> None:
        self._opened, self._clock, self._guard = opened, clock, guard

    async def list_pairs(
        self, plan: str, state: PairState = "open", *, limit: int = 100, offset: int = 0
    ) -> list[Pair]:
        """Pairs of a plan in a state: open ones with the most certain first, decided ones with the
        newest first."""
        order: tuple[Any, ...] = (PAIR.c.score.desc(), PAIR.c.number)
        if state != "open":
            order = (PAIR.c.at_us.desc(), PAIR.c.number.desc())
        query = (
            PAIR.select()
            .where(PAIR.c.plan == plan, PAIR.c.state == state)
            .order_by(*order)
            .limit(max(1, min(limit, MOST_LISTED)))
            .offset(max(0, offset))
        )
        rows = await self._opened.read(lambda c: c.execute(query).mappings().all())
        return [pair_of(row) for row in rows]

    async def progress(self, plan: str) -> dict[PairState, int]:
        """How many pairs are in each state."""
        query = (
            sa.select(PAIR.c.state, sa.func.count()).where(PAIR.c.plan == plan)
            .group_by(PAIR.c.state)
        )  # fmt: skip
        found = await self._opened.read(lambda c: c.execute(query).all())
        counts: dict[PairState, int] = {"open": 0, "same": 0, "different": 0, "unsure": 0}
        counts.update({state: count for state, count in found})
        return counts

    async def get(self, number: int) -> Pair:
        """One pair; ResourceNotFound."""
        return await self._opened.read(lambda c: get_pair(c, number))

    async def look(self, pair: Pair, plan: Plan, hand: Hand) -> Looked:
        """Both records of a pair, written to the log with whom they are of. What belongs to a data
        set that is not open to somebody is not told: the evidence says whether it is the same."""
        refs = (pair.left, pair.right)
        sets = [one.data_set for one in refs]
        self._guard.one_of(hand, sets)
        shown = self._guard.open_sets(hand, set(sets))
        told: tuple[dict[str, Value], dict[str, Value]] = ({}, {})
        for name in plan.attributes:
            columns = {one: plan.column(one, name) for one in sets if plan.column(one, name)}
            for ref, value in (await values_of(self._guard.rows, refs, columns)).items():
                told[refs.index(ref)][name] = value
        said = [{name: value.value for name, value in one.items()} for one in told]
        looked = Looked(
            pair=pair,
            left=told[0] if sets[0] in shown else None,
            right=told[1] if sets[1] in shown else None,
            evidence=evidence(plan.attributes, said[0], said[1]),
        )
        entry = entry_of(hand, "look", data_sets=sets, subjects=self._subjects(pair),
                         detail={"plan": pair.plan, "pair": str(pair.number)})  # fmt: skip

        async def seen() -> Looked:
            return looked

        return await self._guard.logged(hand, entry, seen)

    async def beside(self, pair: Pair) -> tuple[int, int]:
        """The numbers of the open pairs before and after one in the order of the desk; 0: none."""
        number, score = PAIR.c.number, PAIR.c.score
        mine = sa.select(number).where(PAIR.c.plan == pair.plan, PAIR.c.state == "open").limit(1)
        same = score == pair.score
        more = (score > pair.score) | (same & (number < pair.number))
        less = (score < pair.score) | (same & (number > pair.number))
        before = mine.where(more).order_by(score, number.desc())
        after = mine.where(less).order_by(score.desc(), number)

        def work(connection: Connection) -> tuple[int, int]:
            found = [connection.execute(one).scalar() or 0 for one in (before, after)]
            return found[0], found[1]

        return await self._opened.read(work)

    async def decide(self, number: int, verdict: Verdict, hand: Hand, note: str = "") -> Pair:
        """Say what a pair is. `same` joins their clusters; `different` keeps them apart whatever a
        later run of the matching finds; `unsure` lays it aside.

        Raises StateConflict for a pair that is decided, or the same of two that have different
        valid id numbers; Forbidden for who may see neither record.
        """
        if verdict not in VERDICTS:
            raise BadRequestData(f"Pair {number} can be {', '.join(VERDICTS)}; not {verdict!r}")
        pair = await self.get(number)
        sets = (pair.left.data_set, pair.right.data_set)
        self._guard.one_of(hand, sets)
        doing = self._doing(pair, hand, note)

        def work(connection: Connection) -> Pair:
            now = get_pair(connection, number)
            if now.state not in ("open", "unsure"):
                raise StateConflict(f"Pair {number} was decided already: {now.state}")
            event = None
            if verdict == "same":
                if _kept_apart(connection, pair):
                    raise StateConflict(
                        f"Pair {number} would join records that somebody said are different"
                    )
                event = keeping.join(connection, [pair.left, pair.right], doing)
            row = {"state": verdict, "by": doing.by, "at_us": doing.at_us, "reason": doing.reason}
            row["event"] = event.number if event else 0
            connection.execute(PAIR.update().where(PAIR.c.number == number).values(**row))
            return get_pair(connection, number)

        entry = entry_of(hand, verdict, data_sets=sets, subjects=self._subjects(pair),
                         detail={"plan": pair.plan, "pair": str(number)})  # fmt: skip
        return await self._guard.logged(hand, entry, lambda: self._opened.run(work))

    async def take_back(self, number: int, hand: Hand) -> Pair:
        """Open a decided pair again; what `same` joined is parted exactly as it was.

        Raises StateConflict when it is open, or its cluster was joined or parted again since.
        """
        pair = await self.get(number)
        sets = (pair.left.data_set, pair.right.data_set)
        self._guard.one_of(hand, sets)
        doing = self._doing(pair, hand, "")

        def work(connection: Connection) -> Pair:
            now = get_pair(connection, number)
            if now.state == "open":
                raise StateConflict(f"Pair {number} is open: there is nothing to take back")
            if now.event and not keeping.get_event(connection, now.event).undone:
                keeping.undo(connection, now.event, doing)
            row = {"state": "open", "by": "", "at_us": 0, "reason": "", "event": 0}
            connection.execute(PAIR.update().where(PAIR.c.number == number).values(**row))
            return get_pair(connection, number)

        entry = entry_of(hand, "take back", data_sets=sets, subjects=self._subjects(pair),
                         detail={"plan": pair.plan, "pair": str(number)})  # fmt: skip
        return await self._guard.logged(hand, entry, lambda: self._opened.run(work))

    def _doing(self, pair: Pair, hand: Hand, note: str) -> Doing:
        reason = (note or hand.reason)[:1_000]
        return Doing(plan=pair.plan, at_us=self._clock.now_us(), by=hand.by, reason=reason)

    def _subjects(self, pair: Pair) -> tuple[str, ...]:
        return self._guard.digests((pair.left.key, pair.right.key))


def keep_apart(
    connection: Connection, parts: list[tuple[Ref, ...]], doing: Doing, *, score: float = 0.0
) -> None:
    """Say of the records of some parts that they are different from those of the others."""
    for n, part in enumerate(parts):
        for other in parts[n + 1 :]:
            for one in part:
                for two in other:
                    verdict(connection, one, two, "different", doing, score=score)


def one_again(connection: Connection, parts: list[tuple[Ref, ...]], doing: Doing) -> None:
    """Take back what `keep_apart` said of records that are one again."""
    said = {"state": "same", "by": doing.by, "at_us": doing.at_us, "reason": doing.reason}
    for n, part in enumerate(parts):
        for one in part:
            for two in (ref for other in parts[n + 1 :] for ref in other):
                left, right = sorted((one, two))
                this = (*_between(doing.plan, left, right), PAIR.c.state == "different")
                connection.execute(PAIR.update().where(*this).values(**said))


def verdict(
    connection: Connection, one: Ref, two: Ref, state: Literal["same", "different"], doing: Doing,
    *, score: float = 0.0,
) -> None:  # fmt: skip
    """Write what is said of two records, whether or not they were a pair before."""
    left, right = sorted((one, two))
    said = {"state": state, "by": doing.by, "at_us": doing.at_us, "reason": doing.reason}
    this = _between(doing.plan, left, right)
    if connection.execute(PAIR.update().where(*this).values(**said)).rowcount:
        return
    row = {
        "plan": doing.plan, "left_set": left.data_set, "left_key": left.key,
        "right_set": right.data_set, "right_key": right.key, "score": score, "why": "person",
        "event": 0, "mark": "", **said,
    }  # fmt: skip
    connection.execute(PAIR.insert(), row)


def apart(connection: Connection, plan: str) -> list[tuple[Ref, Ref]]:
    """Every two records of a plan that somebody said are different."""
    columns = (PAIR.c.left_set, PAIR.c.left_key, PAIR.c.right_set, PAIR.c.right_key)
    query = sa.select(*columns).where(PAIR.c.plan == plan, PAIR.c.state == "different")
    return [(Ref(a, b), Ref(c, d)) for a, b, c, d in connection.execute(query)]


def _kept_apart(connection: Connection, pair: Pair) -> bool:
    """Whether joining two records would join any two that somebody said are different."""
    sides = []
    for ref in (pair.left, pair.right):
        found = keeping.cluster_of(connection, pair.plan, ref)
        sides.append(found.members if found else (ref,))
    for one in sides[0]:
        for two in sides[1]:
            left, right = sorted((one, two))
            this = (*_between(pair.plan, left, right), PAIR.c.state == "different")
            if connection.execute(sa.select(PAIR.c.number).where(*this)).first() is not None:
                return True
    return False


def get_pair(connection: Connection, number: int) -> Pair:
    """One pair; ResourceNotFound."""
    row = connection.execute(PAIR.select().where(PAIR.c.number == number)).mappings().first()
    if row is None:
        raise ResourceNotFound(f"Pair {number} does not exist")
    return pair_of(row)


def pair_of(row: Any) -> Pair:
    """A pair from its row."""
    same = ("number", "plan", "score", "why", "state", "by", "at_us", "reason", "event")
    return Pair(
        **{name: row[name] for name in same},
        left=Ref(row["left_set"], row["left_key"]),
        right=Ref(row["right_set"], row["right_key"]),
    )


def _between(plan: str, left: Ref, right: Ref) -> tuple[Any, ...]:
    columns = PAIR.c
    return (
        columns.plan == plan,
        columns.left_set == left.data_set,
        columns.left_key == left.key,
        columns.right_set == right.data_set,
        columns.right_key == right.key,
    )
