"""A city moves from one store to the other: all of it, the same on both sides, in spite of all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.moving import Carrier, compare
from pintu.kernel.store.moving.comparing import compare_small
from pintu.kernel.store.moving.postgres_open import connect, prepare
from pintu.kernel.store.moving.postgres_side import PostgresSide
from pintu.kernel.store.moving.sqlite_side import SqliteSide
from pintu.kernel.store.sqlite import open_sqlite
from tests.kernel.store.conftest import create, delete, lamp, put, update
from tests.postgres import city_address, city_server

__all__ = ["city_address", "city_server"]

AREA = {
    "type": "GeoProperty",
    "value": {"type": "Polygon", "coordinates": [[[120, 30], [121, 30], [121, 31], [120, 30]]]},
}


def _quiet(step: str, done: int, of: int) -> None:
    """Nobody watches."""


async def _fill(path: Path, count: int = 60) -> Any:
    store = open_sqlite(path, clock=CityClock())
    other = await store.open_tenant("other")
    await store.submit([create(lamp(n, name=f"灯 {n}")) for n in range(count)], "a")
    await store.submit([create(lamp(n), other) for n in range(5)], "b")
    await store.submit([update(f"urn:ngsi-ld:Lamp:{n}", power=n + 0.5) for n in range(20)], "a")
    await store.submit([delete(f"urn:ngsi-ld:Lamp:{n}") for n in range(10)])
    await store.submit([create(lamp(3)), put(lamp(40, location=AREA))])
    await store.submit(
        [update("urn:ngsi-ld:Lamp:41", location=None, more={"type": "Property", "value": [1, "x"]})]
    )
    await store.save_cursor("reader", 12)
    return store


async def _moved(source: Any, target: Any) -> Carrier:
    carrier = Carrier(source, target, _quiet)
    await carrier.begin()
    await carrier.bring()
    await carrier.catch_up()
    assert set() == await compare(carrier)
    await carrier.end()
    assert carrier.figures is not None
    assert all(one.equal for one in carrier.figures.values())
    assert all([one.equal for one in await compare_small(carrier)])
    return carrier


async def _sqlite_told(path: Path) -> tuple[Any, ...]:
    """All that a city answers: its entities, its log, their chains."""
    side = SqliteSide(path)
    rows = (
        await side.entities(0, 1 << 62, 10_000),
        await side.tombstones((0, ""), 10_000),
        await side.log(0, 1 << 62, 10_000),
        await side.small("cursor"),
        sorted(await side._rows("SELECT * FROM point")),
        sorted(await side._rows("SELECT n, path FROM area")),
        sorted(await side._rows("SELECT * FROM value")),
    )
    await side.close()
    return rows


async def _postgres(address: str) -> PostgresSide:
    parsed = parse_address(address)
    connection = await connect(parsed)
    await prepare(parsed, connection)
    return PostgresSide(parsed, connection)


async def test_there_and_back(tmp_path: Path, city_address: str) -> None:
    """What comes back from the other store is what went there, row for row."""
    store = await _fill(tmp_path / "city.db")
    await store.close()
    await open_sqlite(tmp_path / "city.db", clock=CityClock()).close()  # writes waiting points
    before = await _sqlite_told(tmp_path / "city.db")

    source, middle = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    await _moved(source, middle)
    back = SqliteSide(tmp_path / "back.db", write=True)
    await _moved(middle, back)
    for side in (source, middle, back):
        await side.close()

    assert before == await _sqlite_told(tmp_path / "back.db")
