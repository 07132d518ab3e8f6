"""The finder's room: measures every data set, remembers what was found, answers from memory."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, ResourceNotFound
from pintu.kernel.exchange.catalogue_measured import Measured, drift_of, measured_of
from pintu.kernel.exchange.finding.salt import Salt
from pintu.kernel.exchange.finding.tables import DAY, FOUND, KEPT, MEASURED, SKETCH, TABLES
from pintu.kernel.exchange.finding.words import Day, Finding, Sketch, Twin, Use
from pintu.kernel.exchange.profile import Measuring
from pintu.kernel.exchange.words import DataSet, Rows
from pintu.kernel.tables import CityTables, put_rows

if TYPE_CHECKING:
    from pintu.kernel.exchange.schemas import Schemas

log = logging.getLogger("pintu.finding")

KEPT_MEASURED: Final = 30  # of one data set
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
        self.uses_of: Callable[[], Iterable[Use]] = lambda: ()
        self._salt = Salt(self._file.run_now(_kept_salt))
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
        await self._file.run(lambda connection: _keep(connection, measured, sketch))
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


def _kept_salt(connection: Connection) -> bytes:
    row = connection.execute(sa.select(KEPT.c.value).where(KEPT.c.name == "salt")).first()
    if row is not None:
        return bytes(row.value)
    made = secrets.token_bytes(32)
    put_rows(connection, KEPT, [{"name": "salt", "value": made}])
    return made


def _keep(connection: Connection, measured: Measured, sketch: Sketch) -> None:
    put_rows(connection, MEASURED, [{
        "data_set": measured.data_set, "at_us": measured.at_us,
        "body": msgspec.json.encode(measured),
    }])  # fmt: skip
    put_rows(connection, SKETCH, [{
        "data_set": sketch.name, "node": sketch.node, "at_us": sketch.at_us,
        "body": msgspec.msgpack.encode(sketch),
    }])  # fmt: skip
    mine = MEASURED.c.data_set == measured.data_set
    kept = (
        sa.select(MEASURED.c.at_us).where(mine).order_by(MEASURED.c.at_us.desc())
        .limit(1).offset(KEPT_MEASURED)
    )  # fmt: skip
    oldest = connection.execute(kept).scalar()
    if oldest is not None:
        connection.execute(MEASURED.delete().where(mine, MEASURED.c.at_us <= oldest))
