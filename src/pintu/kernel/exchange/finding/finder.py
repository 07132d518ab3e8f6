"""The finder's room: measures every data set, remembers what was found, answers from memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, ResourceNotFound
from pintu.kernel.exchange.catalogue_measured import Measured, drift_of, measured_of
from pintu.kernel.exchange.finding import keeping
from pintu.kernel.exchange.finding.islands import Known, System, day_of, findings_of
from pintu.kernel.exchange.finding.proposals import Answer, Planned, check
from pintu.kernel.exchange.finding.salt import Salt
from pintu.kernel.exchange.finding.tables import DAY, FOUND, MEASURED, SKETCH, TABLES
from pintu.kernel.exchange.finding.words import Day, Finding, Sketch, Twin, Use
from pintu.kernel.exchange.profile import Measuring
from pintu.kernel.exchange.words import DataSet, Rows
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.exchange.schemas import Schemas

log = logging.getLogger("pintu.finding")

MEASURED_ROWS: Final = 20_000


class Described(Protocol):
    """What the finder needs of the exchange: descriptions, and rows for the node's own measuring,
    which are told to nobody."""

    def described(self) -> list[DataSet]:
        """Every data set of the node, with its columns."""
        ...

    async def measure(self, name: str, take: Callable[[Rows], None], most: int) -> tuple[int, int]:
        """Hand the first `most` rows to `take`, page by page; (rows in all, newest µs)."""
        ...


class Finder:
    """Profiles, sketches, twins, findings and the index of one node."""

    def __init__(
        self, tables: CityTables, clock: Clock, described: Described, schemas: Schemas
    ) -> None:
        self._file = tables.register(TABLES)
        self._clock, self._described, self._schemas = clock, described, schemas
        self._measured: dict[str, Measured] = {}
        self._sketches: dict[str, Sketch] = {}
        self._twins: dict[str, Twin] = {}
        self._findings: dict[str, Finding] = {}
        self._days: list[Day] = []
        self._used: dict[str, int] = {}
        self.uses_of: Callable[[], Iterable[Use]] = lambda: ()
        self.systems_of: Callable[[], Iterable[System]] = lambda: ()
        self.landed_in: Callable[[], Awaitable[dict[str, int]]] = _nothing_landed
        self._salt = Salt(self._file.run_now(keeping.salt))
        self._file.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        for row in connection.execute(sa.select(MEASURED).order_by(MEASURED.c.at_us)):
            self._measured[row.data_set] = msgspec.json.decode(row.body, type=Measured)
        for row in connection.execute(sa.select(SKETCH)):
            self._sketches[row.data_set] = msgspec.msgpack.decode(row.body, type=Sketch)
        for row in connection.execute(sa.select(FOUND).where(FOUND.c.gone_us == 0)):
            if row.what == "twin":
                self._twins[row.id] = msgspec.json.decode(row.body, type=Twin)
            else:
                self._findings[row.id] = msgspec.json.decode(row.body, type=Finding)
        for row in connection.execute(sa.select(DAY).order_by(DAY.c.day)):
            self._days.append(msgspec.json.decode(row.body, type=Day))
        self._used = keeping.used(connection)

    # --- asking -----------------------------------------------------------------------------------
    def measured(self, data_set: str) -> Measured | None:
        """What was last measured of a data set, or None."""
        return self._measured.get(data_set)

    def list_twins(self) -> list[Twin]:
        """What is held twice now, the surest first."""
        return sorted(self._twins.values(), key=lambda one: (-one.whole, -one.score, one.id))

    def twin(self, id: str) -> Twin:
        """One of them; ResourceNotFound."""
        found = self._twins.get(id)
        if found is None:
            raise ResourceNotFound(f"Nothing called {id[:100]!r} is held twice now")
        return found

    def list_findings(self) -> list[Finding]:
        """What looks smart and is not, by kind and name."""
        return sorted(self._findings.values(), key=lambda one: (one.kind, one.about))

    def days(self) -> list[Day]:
        """The index day by day, oldest first."""
        return list(self._days)

    def uses(self, data_set: str = "") -> list[Use]:
        """Who uses a data set, or all of them, as known now."""
        return [one for one in self.uses_of() if not data_set or one.data_set == data_set]

    # --- measuring --------------------------------------------------------------------------------
    async def measure(self, data_set: DataSet) -> Measured:
        """Measure one data set now: its profile, its sketch, and whether its values say something
        that no description does. Durable when it returns."""
        # a city in which nobody measures yet does without numpy
        from pintu.kernel.exchange.finding.sketching import Sketching

        measuring = Measuring(data_set.columns)
        sketching = Sketching(data_set, self._salt)

        def take(page: Rows) -> None:
            measuring.add(page.rows)
            sketching.add(page.rows)

        rows, newest_us = await self._described.measure(data_set.name, take, MEASURED_ROWS)
        now_us = self._clock.now_us()
        before = self._measured.get(data_set.name)
        measured = measured_of(data_set, measuring, (now_us, newest_us, rows), before)
        sketch = await asyncio.to_thread(sketching.made, now_us, rows=rows, newest_us=newest_us)
        if before is not None:
            await self._schemas.drifted(data_set.name, drift_of(data_set, before, measured))
        await self._file.run(lambda connection: keeping.keep_measured(connection, measured, sketch))
        self._measured[data_set.name], self._sketches[sketch.name] = measured, sketch
        return measured

    async def measure_all(self, names: Iterable[str] = ()) -> int:
        """Measure all data sets, or some; how many could be. What cannot be read is left as it
        was."""
        wanted, done = set(names), 0
        for one in self._described.described():
            if wanted and one.name not in wanted:
                continue
            try:
                await self.measure(one)
            except PintuError as error:
                log.info("Data set %s was not measured: %s", one.name, error.detail)
            else:
                done += 1
        return done

    def unmeasured(self, older_us: int, landed: Mapping[str, int] | None = None) -> list[DataSet]:
        """Data sets that nobody measured since a moment, or since a load `landed` in them (name →
        µs): these first, then the longest ago."""
        loads = landed or {}

        def at_us(one: DataSet) -> int:
            known = self._measured.get(one.name)
            return known.at_us if known is not None else 0

        due = [
            one
            for one in self._described.described()
            if at_us(one) < max(older_us, loads.get(one.name, 0))
        ]
        return sorted(due, key=lambda one: (loads.get(one.name, 0) <= at_us(one), at_us(one)))

    # --- finding ----------------------------------------------------------------------------------
    async def find(self) -> Day:
        """Compare everything measured, look for what only looks smart, and write down the figures
        of today. Durable when it returns."""
        from pintu.kernel.exchange.finding.pairing import find_twins

        described = self._described.described()
        await self._forget({one.name for one in described})
        sketches = [one for one in self._sketches.values() if one.salt == self._salt.id]
        twins = await asyncio.to_thread(find_twins, sketches)
        now_us = self._clock.now_us()
        known = self._known(described, [self._dated(one, now_us) for one in twins], now_us)
        findings = [self._lasting(one) for one in findings_of(known)]
        day = day_of(known)

        def work(connection: Connection) -> None:
            keeping.keep_found(connection, "twin", known.twins, now_us)
            keeping.keep_found(connection, "finding", findings, now_us)
            keeping.keep_day(connection, day)
            keeping.keep_used(connection, self._used)

        await self._file.run(work)
        self._twins = {one.id: one for one in known.twins}
        self._findings = {one.id: one for one in findings}
        self._days = [one for one in self._days if one.day != day.day] + [day]
        return day

    def _known(self, described: list[DataSet], twins: Sequence[Twin], now_us: int) -> Known:
        uses = self.uses()
        self._used |= {one.data_set: now_us for one in uses}
        since_us = {}
        for one in described:
            first = self._schemas.first_us(one.name)
            since_us[one.name] = first or now_us
        return Known(
            now_us=now_us,
            data_sets=described,
            measured=self._measured,
            twins=twins,
            uses=uses,
            systems=list(self.systems_of()),
            since_us=since_us,
            used_us=self._used,
            differing=_differing(twins),
        )

    def _dated(self, twin: Twin, now_us: int) -> Twin:
        before = self._twins.get(twin.id)
        since_us = before.since_us if before is not None else now_us
        return msgspec.structs.replace(twin, since_us=since_us, seen_us=now_us)

    def _lasting(self, finding: Finding) -> Finding:
        before = self._findings.get(finding.id)
        if finding.since_us or before is None:
            return finding
        return msgspec.structs.replace(finding, since_us=before.since_us)

    async def _forget(self, names: set[str]) -> None:
        """Data sets of ours that are gone are held by nobody."""
        gone = [key for key, one in self._sketches.items() if not one.node and key not in names]
        if gone:
            await self._file.run(lambda connection: keeping.drop_sketches(connection, gone))
            for name in gone:
                del self._sketches[name]
                self._measured.pop(name, None)

    def proposed(self, planned: Sequence[Planned]) -> Answer:
        """What of a project proposal exists already, with whom."""
        return check(planned, self._described.described())

    # --- with other nodes -------------------------------------------------------------------------
    def published(self) -> list[Sketch]:
        """What another node may know to compare with: sketches without samples, and of persons
        without their values; only data sets that are shared at all."""
        sharing = {one.name: one.sharing for one in self._described.described()}
        return [
            for_others(one)
            for one in self._sketches.values()
            if not one.node and sharing.get(one.data_set, "none") != "none"
        ]

    async def adopt(self, node: str, sketches: Iterable[Sketch]) -> int:
        """What another node published, in the place of what it published before; how many."""
        told = [msgspec.structs.replace(one, node=node) for one in sketches]
        old = [key for key, one in self._sketches.items() if one.node == node]

        def work(connection: Connection) -> None:
            keeping.drop_sketches(connection, old)
            for one in told:
                keeping.keep_sketch(connection, one)

        await self._file.run(work)
        for name in old:
            del self._sketches[name]
        self._sketches |= {one.name: one for one in told}
        return len(told)


async def _nothing_landed() -> dict[str, int]:
    return {}


def for_others(sketch: Sketch) -> Sketch:
    """A sketch as another node gets it: of fields that tell of persons neither hashes nor codes,
    and rows of such data sets not at all."""
    fields = tuple(
        msgspec.structs.replace(one, smallest=b"", codes={}, quantiles=()) if one.person else one
        for one in sketch.fields
    )
    samples = () if sketch.persons else sketch.samples
    return msgspec.structs.replace(sketch, fields=fields, samples=samples, source="")


def _differing(twins: Iterable[Twin]) -> tuple[int, int]:
    joined = differ = 0.0
    for twin in twins:
        for one in twin.fields:
            if one.agree is not None:
                joined += one.joined
                differ += one.joined * (1 - one.agree)
    return int(joined), round(differ)
