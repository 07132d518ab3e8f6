"""Batches beside others: who is read when, and what is refused before it is read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from pintu.kernel.clock import CityClock
from pintu.kernel.context import write
from pintu.kernel.context.record import Record
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import SqliteStore, Tuning, open_sqlite
from pintu.settings import Settings
from pintu.web.batch_turns import BatchTurns
from pintu.web.ngsi_ld import batches, broker
from pintu.web.ngsi_ld.broker import Broker
from tests.web.ngsi_ld.doors import Desk, Door, header

CREATE = "/entityOperations/create"
QUEUE = 300


def things(name: str, count: int) -> list[dict[str, Any]]:
    """So many new entities."""
    return [{"id": f"urn:ngsi-ld:Thing:{name}-{one}", "type": "Thing"} for one in range(count)]


class Held:
    """So many operations handed in, that wait until they are let go: the first holds the writer."""

    def __init__(self, store: SqliteStore, count: int) -> None:
        self._go = threading.Event()
        first, *rest = [(one["id"], write.create(one)) for one in things("held", count)]

        def hold(record: Record | None, now: int) -> Any:
            self._go.wait(60)
            return first[1]

        ops = [Op(1, first[0], hold), *(Op(1, id, None, put) for id, put in rest)]
        self._handed = store.submit(ops, "test")

    async def let_go(self) -> None:
        """Until they are stored."""
        self._go.set()
        await self._handed


@pytest_asyncio.fixture
async def small(tmp_path: Path) -> AsyncIterator[tuple[Door, SqliteStore]]:
    """A broker whose queue is soon full."""
    clock, desk = CityClock(), Desk()
    store = open_sqlite(tmp_path / "city.db", clock=clock, tuning=Tuning(queue_ops=QUEUE))
    rooms: Any = SimpleNamespace(
        settings=Settings(data=tmp_path), clock=clock, store=store,
        library=ContextLibrary(clock=clock), identity=desk, gate=desk, batches=BatchTurns(),
    )  # fmt: skip
    yield Door(Broker(rooms), desk), store
    await store.close()


async def test_a_full_queue_refuses_a_batch_unread(small: tuple[Door, SqliteStore]) -> None:
    """What is wrong with it is found once there is room."""
    door, store = small
    waiting = Held(store, QUEUE)
    refused = await door("POST", CREATE, b"[{ this is not even JSON")
    assert refused.status == 503
    assert header(refused, b"retry-after") == [b"1"]
    await waiting.let_go()
    assert (await door("POST", CREATE, b"[{ this is not even JSON")).status == 400
    assert (await door("POST", CREATE, things("second", 200))).status == 201


async def test_a_batch_that_does_not_fit_is_refused_before_its_members_are_read(
    small: tuple[Door, SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs its parse and no more; the next one, not even that."""
    door, store = small
    monkeypatch.setattr(batches, "_read_slice", lambda *_: pytest.fail("it was read"))
    waiting = Held(store, QUEUE - 100)
    assert (await door("POST", CREATE, things("second", 200))).status == 503
    # one that would fit is refused too now, unread: the queue is nearly as full still
    assert (await door("POST", CREATE, b"[{")).status == 503
    monkeypatch.undo()
    await waiting.let_go()
    assert (await door("POST", CREATE, things("third", 200))).status == 201


async def test_large_batches_are_read_one_after_the_other(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two slices whoever waits has the loop's turn, and not nine other slices."""
    read: list[int] = []
    real = batches._read_slice

    def noted(call: Any, make: Any, plan: Any, start: int) -> None:
        read.append(len(call.document))
        real(call, make, plan, start)

    monkeypatch.setattr(batches, "_read_slice", noted)
    sizes = [batches.SLICE * 3 - one for one in range(10)]
    answers = await asyncio.gather(
        *(door("POST", CREATE, things(f"n{size}", size)) for size in sizes)
    )
    assert [one.status for one in answers] == [201] * 10
    assert read == [size for size in sizes for _ in range(3)]


async def test_a_large_batch_is_parsed_when_it_is_its_turn(
    small: tuple[Door, SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is full by then refuses it unparsed."""
    door, store = small
    body = orjson.dumps(things("large", 250)).ljust(broker.LARGE_BODY + 1)
    turns, wrong = door.broker.rooms.batches, b"{".ljust(broker.LARGE_BODY + 1)
    async with turns.turn:
        first, second = (asyncio.create_task(door("POST", CREATE, one)) for one in (wrong, body))
        monkeypatch.setattr(broker, "read_json", lambda *_, **__: pytest.fail("it was parsed"))
        await asyncio.sleep(0.01)
        waiting = Held(store, QUEUE)
    assert [(await first).status, (await second).status] == [503, 503]
    monkeypatch.undo()
    await waiting.let_go()
    assert (await door("POST", CREATE, wrong)).status == 400
    assert (await door("POST", CREATE, body)).status == 201


async def test_a_small_batch_waits_for_no_turn(door: Door) -> None:
    """What is one slice is read at once, whoever is being read."""
    turns = door.broker.rooms.batches
    async with turns.turn:
        assert (await door("POST", CREATE, things("small", batches.SLICE))).status == 201
