"""A server of private tables that ends and starts again, and what the rooms on it do meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock
from pintu.kernel.errors import Unauthorized, Unavailable
from pintu.kernel.identity import Identity, ThinGate
from pintu.kernel.operations import Commands, Patience
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.timers import Firing, Timers
from tests.kernel.tables.lamps import LAMP, LAMPS, count
from tests.real_databases import PASSWORD, Server, postgres

LAMP_ID = "urn:ngsi-ld:Streetlight:x:L1"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that tests may end."""
    with postgres(ports=(9780, 9789)) as one:
        yield one


def address_of(server: Server, schema: str, **more: object) -> str:
    """A city of its own there."""
    tail = "".join(f"&{name}={value}" for name, value in more.items())
    where = f"owner:{PASSWORD}@127.0.0.1:{server.port}/postgres"
    return f"postgresql://{where}?schema={schema}{tail}"


def put(name: str) -> Callable[[sa.Connection], Any]:
    """Work that adds a lamp."""
    return lambda c: c.execute(LAMP.insert().values(id=name))


async def until(holds: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.01)


async def test_a_server_that_is_away_and_comes_back(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads are refused at once, writes wait and are done; then commits of others are heard
    again."""
    caplog.set_level(logging.WARNING)
    address = address_of(server, "away")
    mine, theirs = (open_tables(tmp_path, address) for _ in range(2))
    lamps, others = mine.register(LAMPS), theirs.register(LAMPS)
    before = lamps.data_version()
    server.kill()
    writing = asyncio.create_task(lamps.run(put("L1")))
    with pytest.raises(Unavailable):
        await asyncio.to_thread(lamps.read_now, count)
    start = time.monotonic()
    for refused in range(100):
        with pytest.raises(Unavailable):
            others.read_now(count) if not refused else lamps.read_now(count)
        assert before == lamps.data_version()
    assert time.monotonic() - start < 15  # one that waited would wait longer
    assert not writing.done()
    server.start()
    await asyncio.wait_for(writing, 20)
    assert 1 == await lamps.read(count)
    await others.run(put("L2"))
    heard = lamps.data_version()
    await others.run(put("L3"))
    for _ in range(500):
        if lamps.data_version() != heard:
            break
        await asyncio.sleep(0.01)
    assert before < heard < lamps.data_version()
    said = [one.message for one in caplog.records if "private tables" in one.message]
    assert any("is away" in one for one in said) and any("is back" in one for one in said)
    mine.close()
    theirs.close()


async def test_a_write_waits_only_so_long(server: Server, tmp_path: Path) -> None:
    """As the address says; then it is refused, and closing waits for nobody."""
    tables = open_tables(tmp_path, address_of(server, "late", wait_s=1))
    lamps = tables.register(LAMPS)
    server.kill()
    with pytest.raises(Unavailable, match="lamps are away"):
        await lamps.run(put("L1"))
    start = time.monotonic()
    waiting = lamps.later(put("L2"))
    tables.close()
    with pytest.raises(Unavailable):
        waiting.result()
    assert time.monotonic() - start < 10
    server.start()


async def test_who_is_known_stays_known(server: Server, tmp_path: Path) -> None:
    """Requests are answered at once by what was read last; what is made afterwards counts."""
    tables = open_tables(tmp_path, address_of(server, "who"))
    identity = Identity(tables, CityClock())
    secret, token = await identity.create_token("sensor", ["write:demo"])
    headers = {b"host": b"127.0.0.1", b"authorization": b"Bearer " + secret.encode()}
    assert f"token:{token.id}" == identity.actor(headers, "::1").id
    server.kill()
    start = time.monotonic()
    for number in range(20):
        assert f"token:{token.id}" == identity.actor(headers, "::1").id
        with pytest.raises(Unauthorized):
            unknown = {**headers, b"authorization": b"Bearer nobody"}
            identity.actor(unknown, f"10.0.0.{number}")
        await asyncio.sleep(0.03)
    assert time.monotonic() - start < 15
    server.start()
    await identity.revoke_token(token.id)
    with pytest.raises(Unauthorized):
        identity.actor(headers, "::1")
    tables.close()


async def test_timers_fire_and_go_on(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is due is called; what could not be written down is called again by the next life."""
    caplog.set_level(logging.CRITICAL, "pintu")
    tables = open_tables(tmp_path, address_of(server, "timers", wait_s=0.2))
    timers, fired = Timers(tables, CityClock()), []

    async def remember(firing: Firing) -> None:
        fired.append(firing.key)

    timers.on("lamp", remember)
    now_us = CityClock().now_us()
    await timers.set("lamp", "L1", now_us + 300_000)
    await timers.start()
    server.kill()
    with pytest.raises(Unavailable):
        await timers.set("lamp", "L2", now_us)
    await until(lambda: fired == ["L1"])
    await asyncio.sleep(0.5)
    server.start()
    await until(lambda: _back(tables))
    await timers.set("lamp", "L3", now_us)
    await until(lambda: fired == ["L1", "L3"])
    await timers.stop()
    again, more = Timers(tables, CityClock()), []

    async def also(firing: Firing) -> None:
        more.append(firing.key)

    again.on("lamp", also)
    await again.start()
    await until(lambda: more == ["L1"] and again.count() == 0)
    await again.stop()
    tables.close()


def _back(tables: CityTables) -> bool:
    """Whether the server is back for these tables."""
    try:
        tables.list_places()
    except Unavailable:
        return False
    return True


async def test_a_command_comes_to_its_end_all_the_same(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its patience runs out while the ledger is away: it is given up as soon as that can be
    written."""
    caplog.set_level(logging.CRITICAL, "pintu")
    tables = open_tables(tmp_path, address_of(server, "commands", wait_s=0.2))
    timers = Timers(tables, CityClock())
    quick = {"lights": Patience(attempts=1, send_s=0.3, answer_s=0.1, effect_s=0.1)}
    commands = Commands(tables, timers, CityClock(), ThinGate(), patience=quick)
    await timers.start()
    actor = Actor(id="token:t", grants=frozenset({"admin"}))
    command = await commands.request(actor, "lights", "Dim", LAMP_ID, {}, key="k1")
    server.kill()
    await asyncio.sleep(1.0)
    assert ["desired"] == [one.state for one in commands.waiting()]
    server.start()
    await until(lambda: not commands.waiting())
    assert "timed_out" == (await commands.get(command.id)).state
    await timers.stop()
    tables.close()
