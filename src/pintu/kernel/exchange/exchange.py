"""The exchange itself: one decision of the gate a call, the provider is asked within it, and what
must be written down is, before anybody is answered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.access import WHOLE, Act, Actor, Deed, Gate, Projection
from pintu.kernel.clock import Clock, iso
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    TooComplex,
    Unauthorized,
)
from pintu.kernel.exchange.asked import Asked, fence_of, reading
from pintu.kernel.exchange.catalogue import Catalogue
from pintu.kernel.exchange.conditions import LARGEST_PAGE
from pintu.kernel.exchange.context_provider import ContextProvider
from pintu.kernel.exchange.file_provider import COLUMNS, FileProvider
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.exchange.gate.asking import (
    Plan,
    conditions_of,
    plain_columns,
    planned,
    refuse_profile,
    shown_rows,
    subjects_of,
    whole_column,
)
from pintu.kernel.exchange.gate.counting import folded
from pintu.kernel.exchange.grouping import MOST_GROUPS
from pintu.kernel.exchange.past import series
from pintu.kernel.exchange.profile import handed, measured_of
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.exchange.words import (
    UNSAID,
    Answer,
    Condition,
    DataSet,
    Question,
    Rows,
    Sample,
    Sent,
    Why,
)

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands
    from pintu.kernel.exchange.disagreeing import Disagreement
    from pintu.kernel.intake.mapping.words import Words
    from pintu.kernel.store.port import Store
    from pintu.kernel.tables import CityTables


def no_words() -> Words | None:
    """A city whose vocabulary says nothing of attributes."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What the providers read from; `words` is opened when first needed."""

    store: Store
    gate: Gate
    clock: Clock
    words: Callable[[], Words | None] = no_words
    zone: str = "Asia/Shanghai"


class Exchange:
    """Implements DataSets."""

    def __init__(
        self,
        configuration: Configuration,
        tables: CityTables,
        readable: Readable,
        *,
        declared: Iterable[DataSet] = (),
        tenant: str = "",
    ) -> None:
        self._readable = readable
        self._tenant = tenant
        clock, zone = readable.clock, readable.zone
        self._context = ContextProvider(readable.store, clock, readable.words, zone)
        self._tables = TableProvider(tables, clock, zone)
        self._files_of = tables
        self._files = FileProvider(tables.data, clock, zone)
        self.catalogue = Catalogue(
            configuration, declared, lambda: self._context.automatic(self._tenant)
        )

    @property
    def zone(self) -> str:
        """The town's time zone."""
        return self._readable.zone

    def list_sets(self, actor: Actor) -> list[DataSet]:
        """The data sets whose existence the actor may know, by name."""
        return [self.whole(one) for one in self.catalogue.list_sets() if self._may_know(actor, one)]

    def get(self, name: str) -> DataSet:
        """One, with every column it can show; ResourceNotFound."""
        return self.whole(self.catalogue.get(name))

    # --- asking -------------------------------------------------------------------------------
    async def ask(self, actor: Actor, name: str, question: Question, why: Why = UNSAID) -> Rows:
        """Rows of a data set, as far as the gate lets them through.

        Groups may cut a time: `observedAt@day` (hour, day, week, month, year of the town's zone).
        """
        return (await self.answer(actor, name, question, why)).rows

    async def answer(
        self,
        actor: Actor,
        name: str,
        question: Question,
        why: Why = UNSAID,
        *,
        form: Callable[[Rows], bytes] | None = None,
    ) -> Answer:
        """The same as the bytes that are sent (`form` makes them), with the receipt of the row of
        the log in which their digest stands, where there is one.

        Raises Unauthorized, Forbidden, TooManyRequests (a limit, named), Unavailable (no log).
        """
        asked = self._asked(actor, name, why)
        make = form or _as_json
        if not asked.judged:
            rows = await self._provide(asked.found, question, asked.projection)
            return Answer(rows=rows, body=make(rows))
        with asked.written_when_refused():
            plan = planned(question, asked.found, asked.projection)
            asked.look(plan)
            rows, about = await self._planned(asked, plan)
            asked.take(len(rows.rows))
        body = make(rows)
        told = Told(
            body=body,
            rows=len(rows.rows),
            subjects=about,
            fields=tuple(one.name for one in rows.columns),
            counted=repr(plan.question.where) if asked.projection.k or question.group else "",
        )
        return Answer(
            rows=rows,
            body=body,
            receipt=await asked.record(told),
            agreement=asked.projection.agreement,
        )

    async def _planned(self, asked: Asked, plan: Plan) -> tuple[Rows, tuple[str, ...]]:
        """The rows as they may be shown, and whom they are about."""
        found, projection = asked.found, asked.projection
        if not projection.k:
            rows = await self._provide(found, plan.question, projection)
            return shown_rows(rows, plan, projection), subjects_of(rows, plan)
        pages: list[Rows] = []
        while not pages or len(pages[-1].rows) == LARGEST_PAGE:
            if len(pages) * LARGEST_PAGE >= MOST_GROUPS:
                raise TooComplex(f"The answer has more than {MOST_GROUPS:,} groups")
            offset = len(pages) * LARGEST_PAGE
            step = msgspec.structs.replace(plan.question, limit=LARGEST_PAGE, offset=offset)
            pages.append(await self._provide(found, step, projection))
        return folded(pages, plan.question, projection), ()

    async def _provide(self, found: DataSet, question: Question, projection: Projection) -> Rows:
        if found.provider == "context":
            return await self._context.ask(found, question, projection)
        if found.provider == "table":
            return await self._tables.ask(found, question)
        return await self._files.ask(found, question)

    async def series(
        self,
        actor: Actor,
        name: str,
        value: tuple[str, str],
        why: Why = UNSAID,
        *,
        since_us: int,
        until_us: int,
        sent: Sent | None = None,
    ) -> list[Sample]:
        """The past of one value, `(row id, column)`, oldest first, at most 5,000.

        Tables and files keep no past of a value: BadRequestData. Under an agreement about some
        rows the past goes back to where the row last came to be one of them.
        """
        asked = self._asked(actor, name, why)
        found, projection = asked.found, asked.projection
        with asked.written_when_refused():
            if found.provider != "context":
                raise BadRequestData(f"Data set {name!r} keeps no past; chart its rows")
            if projection.agreement or projection.own:
                refuse_profile(projection)
                whole_column(found, projection, value[1])
            question = Question(
                columns=("id", value[1]), where=(Condition("id", "=", value[0]),), limit=1
            )
            # asked first: who may not see the row or the column may not see its past either
            if not (await self._context.ask(found, question, projection)).rows:
                samples = []
            else:
                tenant = self._readable.store.tenant(found.tenant) or 0
                place = (tenant, value[0], value[1])
                fence = fence_of(projection)
                samples = await series(
                    self._readable.store, place, since_us=since_us, until_us=until_us, fence=fence
                )
            asked.take(len(samples))
        sent = sent or Sent()
        sent.body = sent.form(samples)
        told = Told(body=sent.body, rows=len(samples), fields=(value[1],))
        sent.receipt = await asked.record(told)
        return samples

    async def disagreements(
        self, name: str, sources: Iterable[str], *, limit: int = 20
    ) -> tuple[int, list[Disagreement]]:
        """How many values of a table data set other sources tell differently from these (names as
        in landings, SOURCE/MAPPING), and the newest of them, what says something of persons
        masked: for whoever may see the source itself."""
        found = self.catalogue.get(name)
        if found.provider != "table":
            return 0, []
        return await self._tables.disagreements(found, sources, limit=limit)

    def arrivals(self, source: str) -> Lands:
        """Where rows of a source's messages land that come into this process; opens nothing yet."""
        from pintu.kernel.exchange.arriving import Arrivals, opening

        clock, zone = self._readable.clock, self._readable.zone
        return Arrivals(source, opening(self._files_of, clock, self.catalogue.get, zone)).land

    async def profile(
        self, actor: Actor, name: str, why: Why = UNSAID, *, sent: Sent | None = None
    ) -> dict[str, Any]:
        """Measured, never typed in: rows, completeness, distinct, range and freshness a column.

        Of more than 20,000 rows the first are measured; `measured` says how many. Under an
        agreement only what is seen as it is is measured, and never of single persons.
        """
        asked = self._asked(actor, name, why)
        found, projection = asked.found, asked.projection
        with asked.written_when_refused():
            newest = ""
            names: tuple[str, ...] = ()
            where: tuple[Condition, ...] = ()
            if projection.agreement or projection.own:
                refuse_profile(projection)
                found = msgspec.structs.replace(found, columns=plain_columns(found, projection))
                names = tuple(one.name for one in found.columns)
                where = conditions_of(projection)
                if not names:
                    raise Forbidden("Under this agreement nothing is seen as it is")
            elif found.provider == "table":
                facts = await self._tables.facts(found)
                newest = iso(facts.changed_us) if facts.changed_us else ""
            measured = await measured_of(
                found,
                lambda question: self._provide(
                    asked.found,
                    msgspec.structs.replace(question, columns=names, where=where),
                    projection,
                ),
                newest,
            )
        sent = sent or Sent()
        sent.body = sent.form(measured)
        fields = tuple(one.name for one in found.columns)
        sent.receipt = await asked.record(Told(body=sent.body, fields=fields))
        return measured

    def described(self) -> list[DataSet]:
        """Every data set with its columns, for rooms of the node that measure and compare; what a
        person may know of them is `list_sets`."""
        return [self.whole(one) for one in self.catalogue.list_sets()]

    async def measure(self, name: str, take: Callable[[Rows], None], most: int) -> tuple[int, int]:
        """Hand the first `most` rows to the node's own measuring, a page at a time; how many rows
        there are, and when they last changed (µs). No row of it is answered to anybody."""
        found = self.get(name)
        facts = await self._tables.facts(found) if found.provider == "table" else None
        total = await handed(lambda step: self._provide(found, step, WHOLE), take, most)
        return total, facts.changed_us if facts is not None else 0

    async def file(
        self, actor: Actor, name: str, file: str, why: Why = UNSAID, *, sent: Sent | None = None
    ) -> Path:
        """One file of a data set of files, to be sent; ResourceNotFound."""
        asked = self._asked(actor, name, why)
        with asked.written_when_refused():
            if asked.projection.agreement or asked.projection.own:
                refuse_profile(asked.projection)
                whole_column(asked.found, asked.projection, "name")
                where = (Condition("name", "=", file), *conditions_of(asked.projection))
                question = Question(columns=("name",), where=where, limit=1)
                if not (await self._files.ask(asked.found, question)).rows:
                    raise ResourceNotFound(f"Data set {name!r} has no file {file[:100]!r}")
            path = self._files.path(asked.found, file)
            asked.take(1)
        if asked.judged:
            body = await asyncio.to_thread(_digest_of, path)
            receipt = await asked.record(Told(body=body, rows=1, fields=("name",)))
            if sent is not None:
                sent.receipt = receipt
        return path

    # --- deciding -----------------------------------------------------------------------------
    def decide(self, actor: Actor, data_set: DataSet, why: Why = UNSAID) -> Projection:
        """Ask the gate once; what it says must be written down is the caller's to record."""
        projection = self._readable.gate.decide(actor, reading(data_set, why))
        if data_set.persons and not projection.recorded:
            # a gate that does not know of persons: it must never let them through by itself
            raise Forbidden(f"Data set {data_set.name!r} tells of persons; this gate knows none")
        return projection

    def _asked(self, actor: Actor, name: str, why: Why) -> Asked:
        """The data set and what may be had of it. Who may not read here at all is told so, in the
        same words, whether the data set is there or not."""
        gate = self._readable.gate
        try:
            saved = self.catalogue.get(name)
        except ResourceNotFound:
            act = Act(
                deed=Deed.READ,
                tenant=self._tenant,
                data_set=name[:200],
                agreement=why.agreement,
                purpose=why.purpose,
                reason=why.reason,
            )
            gate.decide(actor, act)
            raise
        projection = self.decide(actor, saved, why)
        return Asked(
            gate=gate if isinstance(gate, ExchangeGate) else None,
            actor=actor,
            act=reading(saved, why),
            found=self.whole(saved),
            projection=projection,
        )

    def whole(self, data_set: DataSet) -> DataSet:
        """A data set with every column it can show."""
        if data_set.provider == "context":
            return self._context.whole(data_set)
        if data_set.provider == "file":
            return msgspec.structs.replace(data_set, columns=list(COLUMNS))
        return data_set

    def shapes(self, tenant: str, type: str) -> dict[str, str]:
        """The NGSI-LD attribute type of each attribute of an entity type."""
        return self._context.shapes(tenant).get(type, {})

    def _may_know(self, actor: Actor, data_set: DataSet) -> bool:
        gate, act = self._readable.gate, reading(data_set, UNSAID)
        if isinstance(gate, ExchangeGate):
            return gate.knows(actor, act)
        try:
            gate.decide(actor, act)
        except (Unauthorized, Forbidden):
            return False
        return True


def _as_json(rows: Rows) -> bytes:
    return msgspec.json.encode(rows.rows)


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
