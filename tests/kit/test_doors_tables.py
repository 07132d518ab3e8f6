"""Devices write table data sets too: each message once, in rows that are durable before its device
is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, DiskFull, Unavailable
from pintu.kernel.exchange.arriving import REMEMBERED, Arrivals, opening
from pintu.kernel.exchange.catalogue import read_data_set
from pintu.kernel.exchange.landing import TableLanding
from pintu.kernel.intake.doors.mapped import TableRows
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.tables import CityTables, open_tables
from pintu.kit import doors as doors_room
from pintu.kit.doors import DoorRunner, Ground
from pintu.kit.landings import TableSets
from pintu.kit.testing import MemoryLink, find_mosquitto, mosquitto
from pintu.vocabulary.mapping_words import mapping_words
from tests.kit.test_doors import publish, until

PORT = 9860
COLUMNS = [
    {"name": "device", "kind": "text"},
    {"name": "level", "kind": "number"},
]
SET = {"provider": "table", "title": {"zh": "水位 演示", "en": "Levels, demo"}, "columns": COLUMNS}
FIELDS = [
    {"from": "$topic[1]", "to": "device", "kind": "text"},
    {"from": "level", "to": "level", "kind": "number", "required": True},
]
LEVELS = {"target": "table", "data_set": "levels", "fields": FIELDS}


def stored(tables: CityTables) -> list[tuple[Any, ...]]:
    """What lies in the data set, in the order it was laid in."""
    from pintu.kernel.exchange.tables import private_tables

    sql = "SELECT device, level FROM rows WHERE _removed IS NULL ORDER BY _number"
    file = tables.register(private_tables("levels"))
    with contextlib.suppress(Unavailable):  # its columns come with the first landing
        return [tuple(row) for row in file.read_now(lambda c: c.exec_driver_sql(sql).all())]
    return []


class City:
    """A configuration, a link that remembers, tables, and the doors between them."""

    def __init__(self, data: Path, port: int) -> None:
        self.clock, self.port = CityClock(), port
        self.configuration = Configuration(data / "config", self.clock)
        self.link = MemoryLink(self.clock)
        self.tables = open_tables(data)
        sets = TableSets(self.configuration, self.tables, self.clock, zone="Asia/Shanghai")
        ground = Ground(
            data=data, egress=Egress(allow=("127.0.0.1",)), clock=self.clock, words=mapping_words,
            sets=sets,
        )  # fmt: skip
        self.runner = DoorRunner(self.configuration, self.link, ground)
        self.configuration.save("datasets", "levels", SET, by="test")
        self.mapping()

    def mapping(self, **more: Any) -> None:
        self.configuration.save("mappings", "levels", {**LEVELS, **more}, by="test")

    def source(self, *mappings: str, **settings: Any) -> None:
        told = {"broker": f"mqtt://127.0.0.1:{self.port}", "topics": ["wells/#"], **settings}
        content = {"door": "mqtt", "mappings": list(mappings) or ["levels"], "settings": told}
        self.configuration.save("sources", "wells", content, by="test")

    @property
    def up(self) -> bool:
        report = self.link.source_reports.get("doors/wells")
        return report is not None and report.state == "up"

    async def __aenter__(self) -> City:
        self._task = asyncio.create_task(self.runner.run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        self.tables.close()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    monkeypatch.setattr(doors_room, "REPORT_EVERY_S", 0.1)
    with mosquitto(port=PORT) as port:
        yield port


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[CityTables]:
    found = open_tables(tmp_path)
    yield found
    found.close()


def arrivals(tables: CityTables) -> Arrivals:
    found = read_data_set("levels", SET)
    return Arrivals("wells", opening(tables, CityClock(), lambda _name: found, "UTC"))


def said(level: float, *, key: str = "", again: bool = False) -> TableRows:
    row = Row(key, {"device": "W1", "level": level})
    return TableRows(mapping="levels", data_set="levels", rows=[row], again=again)


async def test_messages_become_rows_and_values_of_things_at_once(
    tmp_path: Path, broker: int
) -> None:
    """One source, two mappings: every message is a row, the newest is the thing's value; nothing
    of the rows goes into the context."""
    city = City(tmp_path, broker)
    thing = {"type": "AirQualityObserved", "id": "{$topic[1]}",
             "fields": [{"from": "t", "to": "temperature", "kind": "number"}]}  # fmt: skip
    city.configuration.save("mappings", "air", thing, by="test")
    city.source("levels", "air")
    async with city:
        await until(lambda: city.up)
        for level in (1, 2, 2):
            await publish(broker, "wells/W1", {"level": level, "t": 20 + level})
        await until(lambda: len(stored(city.tables)) == 3)
        assert [("W1", 1), ("W1", 2), ("W1", 2)] == stored(city.tables)
        entities = city.link.context.entities
        assert [22] == [one["temperature"]["value"] for one in entities.values()]
    city.close()


async def test_a_message_that_cannot_be_read_waits_and_lands_when_its_mapping_is_mended(
    tmp_path: Path, broker: int
) -> None:
    """The bad record is held with its reason, the good ones of its message land; read again by a
    better mapping it lands once, however often somebody retries."""
    city = City(tmp_path, broker)
    city.mapping(records="of")
    city.source()
    async with city:
        await until(lambda: city.up)
        await publish(broker, "wells/W1", {"of": [{"level": 1}, {"level": "low"}, {"level": 3}]})
        await until(lambda: bool(city.link.quarantine))
        (held,) = city.link.quarantine
        assert "levels" == held.envelope.meta["mapping"]
        assert "'low'" in held.reason
        assert [("W1", 1), ("W1", 3)] == stored(city.tables)
        mended = [FIELDS[0], {"from": "level", "to": "level", "kind": "text"}]
        city.mapping(records="of", fields=mended)
        standing = city.runner._standing
        before = standing["wells"]
        await until(lambda: standing["wells"] is not before, 2.5)
        await until(lambda: standing["wells"].runner is not None)
        for _ in range(2):
            city.link.retry(held.envelope)
        await until(lambda: sum(bool(one.retry_of) for one in city.link.batches) == 2)
        assert [("W1", 1), ("W1", 3), ("W1", "low")] == stored(city.tables)
    city.close()


async def test_what_was_not_acknowledged_comes_again_and_changes_nothing(
    tmp_path: Path, broker: int
) -> None:
    """The city dies between the rows and the acknowledgement: the broker sends again, the next
    process knows the message by the position that lies beside its rows."""
    first = City(tmp_path, broker)
    first.source()
    async with first:
        await until(lambda: first.up)
        standing = first.runner._standing["wells"].runner
        assert standing is not None
        take = standing._take

        async def dies(envelope: Any) -> None:
            await take(envelope)
            await asyncio.Event().wait()

        standing._take = dies  # type: ignore[method-assign, assignment]
        await publish(broker, "wells/W1", {"level": 7})
        await until(lambda: len(stored(first.tables)) == 1)
    first.close()
    second = City(tmp_path, broker)
    async with second:
        await until(lambda: second.up)
        await publish(broker, "wells/W2", {"level": 8})
        await until(lambda: len(stored(second.tables)) > 1)
        assert [("W1", 7), ("W2", 8)] == stored(second.tables)
    second.close()


async def test_messages_that_wait_share_one_transaction(
    tables: CityTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred messages cost one commit, not a hundred; each is known by its name."""
    calls = []
    land = TableLanding.land

    async def counted(self: TableLanding, *told: Any) -> Any:
        calls.append(len(told[2]))
        return await land(self, *told)

    monkeypatch.setattr(TableLanding, "land", counted)
    wells = arrivals(tables)
    await wells.land(said(0), "m0")
    await asyncio.gather(*(wells.land(said(n), f"m{n}") for n in range(1, 100)))
    await wells.land(said(5), "m5")
    assert [1, 99] == calls
    assert 100 == len(stored(tables))


async def test_a_repeat_is_known_over_a_restart_for_two_thousand_messages(
    tables: CityTables,
) -> None:
    """The names of the newest messages lie in the position; older ones are forgotten, unless the
    rows have keys of their own."""
    wells = arrivals(tables)
    await asyncio.gather(*(wells.land(said(n), f"m{n}") for n in range(REMEMBERED + 1)))
    again = arrivals(tables)
    await again.land(said(-1), f"m{REMEMBERED}")
    assert REMEMBERED + 1 == len(stored(tables))
    await again.land(said(-2), "m0")
    assert REMEMBERED + 2 == len(stored(tables))
    await again.land(said(8, key="W1|8:00"), "k1")
    await arrivals(tables).land(said(8, key="W1|8:00"), "k2")
    assert REMEMBERED + 3 == len(stored(tables))


async def test_one_message_that_cannot_land_fails_alone(
    tables: CityTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beside it in the transaction land; a full disk is told to all, who hand in again."""
    land = TableLanding.land
    trouble: list[Exception] = []

    async def picky(self: TableLanding, *told: Any) -> Any:
        if trouble:
            raise trouble[0]
        if any(row.values["level"] == 13 for row in told[2]):
            raise BadRequestData("Thirteen is no level")
        return await land(self, *told)

    monkeypatch.setattr(TableLanding, "land", picky)
    wells = arrivals(tables)
    results = await asyncio.gather(
        *(wells.land(said(n), f"m{n}") for n in (1, 13, 2)), return_exceptions=True
    )
    assert [None, BadRequestData, None] == [one and type(one) for one in results]
    assert [("W1", 1), ("W1", 2)] == stored(tables)
    trouble.append(DiskFull("The disk is full"))
    with pytest.raises(DiskFull):
        await wells.land(said(3), "m3")
    trouble.clear()
    await wells.land(said(3), "m3")
    assert 3 == len(stored(tables))
