"""A city moves from one store to the other: all of it, the same on both sides, in spite of all."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.moving import Carrier, carrying, compare
from pintu.kernel.store.moving.comparing import compare_small
from pintu.kernel.store.moving.postgres_open import connect, prepare
from pintu.kernel.store.moving.postgres_side import PostgresSide
from pintu.kernel.store.moving.sqlite_side import SqliteSide
from pintu.kernel.store.port import Op
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
    await store.submit([Op(0, "", note=b"note %d" % n) for n in range(25)])
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
        await side.notes(0, 1 << 62, 10_000),
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


async def _begun(source: Any, target: Any) -> Carrier:
    carrier = Carrier(source, target, _quiet)
    await carrier.begin()
    return carrier


class Writing:
    """A city that is written to while it moves: new, changed, deleted, made again, all mixed."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.chance = random.Random(7)
        self._going = True
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._going:
            number = self.chance.randrange(120)
            id = f"urn:ngsi-ld:Lamp:{number}"
            which = self.chance.randrange(7)
            await self.store.submit(
                [
                    put(lamp(number, power=self.chance.random())),
                    update(id, power=self.chance.random()),
                    delete(id),
                    put(lamp(number, type=f"Kind{number % 7}")),
                    put(lamp(number, location=AREA)),
                    update(id, **{f"more{number % 5}": number}),
                    Op(0, "", note=id.encode()),
                ][which : which + 1],
                f"source {number % 3}",
            )

    async def stop(self) -> None:
        """No more of it."""
        self._going = False
        await self._task


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_written_meanwhile_arrives(
    tmp_path: Path, city_address: str, seed: int
) -> None:
    """A city that is written to all the time arrives as it is at its end, sums equal."""
    store = await _fill(tmp_path / "city.db", 60 + seed)
    writing = Writing(store)
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    carrier = await _begun(source, target)
    await carrier.bring()
    await carrier.catch_up()
    missing = await compare(carrier)
    await asyncio.sleep(0.05 * seed)
    await carrier.catch_up()
    await writing.stop()
    await carrier.end()
    assert carrier.figures is not None
    assert set() == missing - carrier.explained
    assert [] == [one for one in carrier.figures.values() if not one.equal]
    assert [] == [one for one in await compare_small(carrier) if not one.equal]
    here = await source.entities(0, 1 << 62, 10_000), await source.log(0, 1 << 62, 100_000)
    there = await target.entities(0, 1 << 62, 10_000), await target.log(0, 1 << 62, 100_000)
    assert here == there
    assert await source.notes(0, 1 << 62, 9_999) == await target.notes(0, 1 << 62, 9_999)
    assert await source.count("note") == carrier.figures["note"].target.rows
    assert len(here[0]) == carrier.figures["entity"].source.rows
    for side in (source, target, store):
        await side.close()


class _Killed(BaseException):
    """As kill -9 between two statements: nothing is tidied up by those who are killed."""


async def test_killed_anywhere_it_goes_on(tmp_path: Path, city_address: str) -> None:
    """Ended at any moment and begun again, the move arrives; rows that came are not asked again."""
    store = await _fill(tmp_path / "city.db", 60)
    chance, ended, asked = random.Random(3), 0, 0
    carrying.PIECE, carrying.STEP = 7, 5
    try:
        while True:
            source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
            carrier = Carrier(source, target, _quiet)
            left = chance.randrange(4, 60)

            def step(*_: Any) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise _Killed

            for name in ("put_entities", "put_log", "put_notes", "keep"):
                _counted(target, name, step)
            try:
                await carrier.begin()
                asked += 1
                await carrier.bring()
                await carrier.catch_up()
                await compare(carrier)
                await carrier.end()
                break
            except _Killed:
                ended += 1
                more = Op(0, "", note=b"killed %d" % ended)
                await store.submit([update(f"urn:ngsi-ld:Lamp:{ended % 60}", power=ended), more])
            finally:
                await target.close()
                await source.close()
    finally:
        carrying.PIECE, carrying.STEP = 5_000, 2_000
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    assert await source.entities(0, 1 << 62, 999) == await target.entities(0, 1 << 62, 999)
    assert await source.log(0, 1 << 62, 9_999) == await target.log(0, 1 << 62, 9_999)
    assert await source.notes(0, 1 << 62, 9_999) == await target.notes(0, 1 << 62, 9_999)
    assert 25 + ended == await target.count("note")
    assert ended > 2
    for side in (source, target, store):
        await side.close()


def _counted(target: Any, name: str, step: Any) -> None:
    inner = getattr(target, name)

    async def counted(*given: Any, **more: Any) -> Any:
        step()
        result = await inner(*given, **more)
        step()
        return result

    setattr(target, name, counted)


async def test_a_target_that_is_not_empty_is_refused(tmp_path: Path, city_address: str) -> None:
    """It says what it found there."""
    for name in ("one.db", "two.db"):
        await (await _fill(tmp_path / name)).close()
    middle = await _postgres(city_address)
    one, two = SqliteSide(tmp_path / "one.db"), SqliteSide(tmp_path / "two.db")
    await (await _begun(one, middle)).bring()
    with pytest.raises(PintuError, match="half of a move from"):
        await _begun(two, middle)
    await _moved(one, middle)
    await middle.keep("from", None)
    with pytest.raises(PintuError, match=r"is not empty: it holds 5\d entities"):
        await _begun(one, middle)
    for side in (one, two, middle):
        await side.close()


async def test_a_difference_is_found(tmp_path: Path, city_address: str) -> None:
    """One changed byte of a document, of history, a row too many or too few: nothing passes."""
    store = await _fill(tmp_path / "city.db")
    await store.close()
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    carrier = await _moved(source, target)
    for harm, what in (
        ("UPDATE entity SET modified = modified + 1 WHERE n = 30", "entity"),
        ("UPDATE log SET source = source + 1 WHERE position = 9", "log"),
        ("DELETE FROM entity WHERE n = 31", "entity"),
        ("DELETE FROM tombstone", "tombstone"),
        ("DELETE FROM log WHERE position = 10", "log"),
        ("UPDATE note SET body = body || '\\x20'::bytea WHERE number = 7", "note"),
        ("DELETE FROM note WHERE number = 25", "note"),
        ("DELETE FROM note WHERE number = 1", "note"),
        ("UPDATE log SET payload = payload || '\\x20'::bytea WHERE position = 11", "log"),
    ):
        await target._db.execute("BEGIN")
        await target._db.execute(harm)
        with pytest.raises(PintuError, match=f"differs in {what}"):
            await compare(carrier)
        await target._db.execute("ROLLBACK")
    for side in (source, target):
        await side.close()


async def test_trimmed_history_is_let_go(tmp_path: Path, city_address: str) -> None:
    """What the source trims while it moves is gone on both sides, and the chains end there."""
    store = await _fill(tmp_path / "city.db")
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    carrier = await _begun(source, target)
    await carrier.bring()
    await store.save_cursor("reader", 80)
    assert 30 == await store.trim(1 << 62, 30)
    await _moved(source, target)
    assert 31 == (await target.reach())[0]
    for side in (source, target, store):
        await side.close()


async def test_a_move_whose_history_is_gone_begins_anew(tmp_path: Path, city_address: str) -> None:
    """When the log no longer tells what changed since, everything is brought again."""
    store = await _fill(tmp_path / "city.db")
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    carrier = await _begun(source, target)
    await carrier.bring()
    await store.submit([update(f"urn:ngsi-ld:Lamp:{n}", power=-1) for n in range(20, 40)])
    await store.save_cursor("reader", store.head())
    await store.trim(1 << 62, store.head() - 5)
    again = Carrier(source, target, _quiet)
    assert not await again.begin()
    await _moved(source, target)
    for side in (source, target, store):
        await side.close()


async def test_a_target_that_was_lived_in_is_no_half_move(
    tmp_path: Path, city_address: str
) -> None:
    """A city that wrote at the new store is not overwritten by the old one's next move."""
    store = await _fill(tmp_path / "city.db")
    source, target = SqliteSide(tmp_path / "city.db"), await _postgres(city_address)
    await _moved(source, target)
    assert await (Carrier(source, target, _quiet)).begin()
    await target._db.execute("UPDATE head SET position = position + 1")
    with pytest.raises(PintuError, match="a city has written there since"):
        await _begun(source, target)
    await target._db.execute("UPDATE head SET position = position - 1")
    await target._db.execute("INSERT INTO note SELECT max(number) + 1, 'x' FROM note")
    with pytest.raises(PintuError, match="a city has written there since"):
        await _begun(source, target)
    for side in (source, target, store):
        await side.close()
