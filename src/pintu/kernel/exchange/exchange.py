"""The thin exchange itself: one decision of the gate a call, then the provider is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import WHOLE, Act, Actor, Deed, Gate, Projection
from pintu.kernel.clock import Clock, iso
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import BadRequestData, Forbidden, Unauthorized
from pintu.kernel.exchange.catalogue import Catalogue
from pintu.kernel.exchange.context_provider import ContextProvider
from pintu.kernel.exchange.file_provider import COLUMNS, FileProvider
from pintu.kernel.exchange.past import series
from pintu.kernel.exchange.profile import Measuring
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.exchange.words import Condition, DataSet, Question, Rows, Sample

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands
    from pintu.kernel.exchange.disagreeing import Disagreement
    from pintu.kernel.intake.mapping.words import Words
    from pintu.kernel.store.port import Store
    from pintu.kernel.tables import CityTables

ADMINISTRATOR: Final = frozenset(("admin", "open"))
"""Bases of a decision under which rows with persons are read, until agreements exist."""

PROFILED: Final = 20_000
"""Rows a profile measures; of more, the first."""

WHOLE_PAGE: Final = 5_000


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

    def list_sets(self, actor: Actor) -> list[DataSet]:
        """The data sets whose existence the actor may know, by name."""
        return [
            self._whole(one) for one in self.catalogue.list_sets() if self._may_know(actor, one)
        ]

    def get(self, name: str) -> DataSet:
        """One, with every column it can show; ResourceNotFound."""
        return self._whole(self.catalogue.get(name))

    async def ask(self, actor: Actor, name: str, question: Question) -> Rows:
        """Rows of a data set; Forbidden for rows with persons and no administrator.

        Groups may cut a time: `observedAt@day` (hour, day, week, month, year of the town's zone).
        """
        found = self.get(name)
        projection = self.decide(actor, found)
        if found.provider == "context":
            return await self._context.ask(found, question, projection)
        if found.provider == "table":
            return await self._tables.ask(found, question)
        return await self._files.ask(found, question)

    async def series(
        self, actor: Actor, name: str, value: tuple[str, str], *, since_us: int, until_us: int
    ) -> list[Sample]:
        """The past of one value, `(row id, column)`, oldest first, at most 5,000.

        Tables and files keep no past of a value: BadRequestData.
        """
        found = self.get(name)
        projection = self.decide(actor, found)
        if found.provider != "context":
            raise BadRequestData(f"Data set {name!r} keeps no past of its values; chart its rows")
        question = Question(
            columns=("id", value[1]), where=(Condition("id", "=", value[0]),), limit=1
        )
        # asked first: who may not see the row or the column may not see its past either
        if not (await self._context.ask(found, question, projection)).rows:
            return []
        tenant = self._readable.store.tenant(found.tenant) or 0
        place = (tenant, value[0], value[1])
        return await series(self._readable.store, place, since_us=since_us, until_us=until_us)

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

    async def profile(self, actor: Actor, name: str) -> dict[str, Any]:
        """Measured, never typed in: rows, completeness, distinct, range and freshness a column.

        Of more than 20,000 rows the first are measured; `measured` says how many.
        """
        found = self.get(name)
        projection = self.decide(actor, found)
        ask: Callable[[Question], Any]
        newest = ""
        if found.provider == "table":
            facts = await self._tables.facts(found)
            newest = iso(facts.changed_us) if facts.changed_us else ""
            ask = lambda question: self._tables.ask(found, question)  # noqa: E731
        elif found.provider == "context":
            ask = lambda question: self._context.ask(found, question, projection)  # noqa: E731
        else:
            ask = lambda question: self._files.ask(found, question)  # noqa: E731
        return await _measured(found, ask, newest)

    def described(self) -> list[DataSet]:
        """Every data set with its columns, for rooms of the node that measure and compare; what a
        person may know of them is `list_sets`."""
        return [self._whole(one) for one in self.catalogue.list_sets()]

    async def measure(self, name: str, take: Callable[[Rows], None], most: int) -> tuple[int, int]:
        """Hand the first `most` rows to the node's own measuring, a page at a time; how many rows
        there are, and when they last changed (µs). No row of it is answered to anybody."""
        found, total, offset = self.get(name), 0, 0
        changed_us = 0
        if found.provider == "table":
            facts = await self._tables.facts(found)
            changed_us = facts.changed_us
        while offset < most:
            question = Question(
                limit=min(WHOLE_PAGE, most - offset), offset=offset, count=offset == 0
            )
            if found.provider == "context":
                page = await self._context.ask(found, question, WHOLE)
            elif found.provider == "table":
                page = await self._tables.ask(found, question)
            else:
                page = await self._files.ask(found, question)
            total = page.total or 0 if offset == 0 else total
            take(page)
            offset += question.limit
            if len(page.rows) < question.limit:
                break
        return total, changed_us

    def file(self, actor: Actor, name: str, file: str) -> Path:
        """One file of a data set of files, to be sent; ResourceNotFound."""
        found = self.get(name)
        self.decide(actor, found)
        return self._files.path(found, file)

    def decide(self, actor: Actor, data_set: DataSet) -> Projection:
        """Ask the gate once; Forbidden when rows tell of persons and no administrator asks."""
        projection = self._readable.gate.decide(actor, _reading(data_set))
        if data_set.persons and projection.basis not in ADMINISTRATOR:
            raise Forbidden(
                f"Data set {data_set.name!r} tells of persons; until there are agreements only "
                "the administrator reads it, its counts too"
            )
        return projection

    def _whole(self, data_set: DataSet) -> DataSet:
        if data_set.provider == "context":
            return self._context.whole(data_set)
        if data_set.provider == "file":
            return msgspec.structs.replace(data_set, columns=list(COLUMNS))
        return data_set

    def _may_know(self, actor: Actor, data_set: DataSet) -> bool:
        try:
            self._readable.gate.decide(actor, _reading(data_set))
        except (Unauthorized, Forbidden):
            return False
        return True


def _reading(data_set: DataSet) -> Act:
    return Act(
        deed=Deed.READ,
        tenant=data_set.tenant,
        data_set=data_set.name,
        types=(data_set.type,) if data_set.type else (),
    )


async def _measured(
    data_set: DataSet, ask: Callable[[Question], Any], newest: str
) -> dict[str, Any]:
    measuring = Measuring(data_set.columns)
    total, offset = 0, 0
    while offset < PROFILED:
        page = await ask(Question(limit=WHOLE_PAGE, offset=offset, count=offset == 0))
        if offset == 0:
            total = page.total or 0
            measuring = Measuring(page.columns)
        measuring.add(page.rows)
        offset += WHOLE_PAGE
        if len(page.rows) < WHOLE_PAGE:
            break
    told = measuring.told(rows=total, newest=newest)
    if not newest:
        measured = told["columns"]
        times = [measured.get(one, {}).get("high", "") for one in ("observedAt", "changed_at")]
        told["newest"] = max(map(str, times))
    return told
