"""The room of snapshots: what was kept is there after a restart, on both stores; nothing grows
without bound.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from pintu.kernel.context.record import Record
from pintu.kernel.errors import AlreadyExists, TooLarge
from pintu.kernel.federation.relays import Relay, Relays
from pintu.kernel.federation.snapshots import Snapshot, Snapshots
from pintu.kernel.federation.snapshots.words import MOST_ENTITIES, MOST_OF_TENANT
from pintu.kernel.tables import open_tables
from tests.kernel.federation.test_registry import Hand

pytestmark = pytest.mark.asyncio
DAY_US = 24 * 3600 * 1_000_000


def snapshot(id: str, **more: Any) -> Snapshot:
    """A snapshot that lives for a day."""
    given = {"id": id, "tenant": "", "held": f"held {id}", "expires_us": 10**16 + DAY_US}
    return Snapshot(**(given | more))


def record(number: int) -> Record:
    """A lamp."""
    id = f"urn:ngsi-ld:Lamp:{number}"
    return Record(number, id, ("Lamp",), orjson.dumps({"id": id, "type": "Lamp"}), 1, 2)


async def test_a_snapshot_is_there_after_a_restart(tmp_path: Path, stores: str) -> None:
    """With its entities; one that was being prepared has failed."""
    tables, clock = open_tables(tmp_path, stores), Hand()
    room = Snapshots(tables, clock)
    done = snapshot("a", status="success")
    await room.add(done)
    await room.fill(done, [record(number) for number in range(1200)])
    await room.add(snapshot("b"))
    tables.close()
    tables = open_tables(tmp_path, stores)
    room = Snapshots(tables, clock)
    frozen = await room.frozen(room.get("", "a"))
    assert 1200 == len(frozen.records)
    assert ["success", "failure"] == [one.status for one in room.of("")]
    tables.close()


async def test_what_is_over_goes_with_its_entities(tmp_path: Path, stores: str) -> None:
    """Unless a clone has them, too."""
    tables, clock = open_tables(tmp_path, stores), Hand()
    room = Snapshots(tables, clock)
    short = snapshot("a", expires_us=clock.now_us() + 1)
    await room.add(short)
    await room.fill(short, [record(1)])
    await room.add(msgspec.structs.replace(short, id="b", expires_us=clock.now_us() + DAY_US))
    clock.us += 2
    await room.sweep()
    assert ["b"] == [one.id for one in room.of("")]
    assert 1 == len((await room.frozen(room.get("", "b"))).records)
    tables.close()


async def test_there_are_no_more_than_a_tenant_may_have(tmp_path: Path) -> None:
    """The least important of one's own goes; one that is more important stays."""
    tables = open_tables(tmp_path)
    room = Snapshots(tables, Hand())
    for number in range(MOST_OF_TENANT):
        await room.add(snapshot(str(number), priority=3 if number else 1))
    with pytest.raises(AlreadyExists):
        await room.add(snapshot("5"))
    with pytest.raises(TooLarge):
        await room.add(snapshot("less", priority=0))
    await room.add(snapshot("more", priority=2))
    assert room.find("", "0") is None
    with pytest.raises(TooLarge):
        await room.add(snapshot("others", priority=9, owner="somebody else"))
    tables.close()


async def test_a_snapshot_of_too_much_is_none(tmp_path: Path) -> None:
    """Its size is bounded."""
    tables = open_tables(tmp_path)
    room = Snapshots(tables, Hand())
    await room.add(snapshot("a"))
    with pytest.raises(TooLarge):
        await room.fill(snapshot("a"), (record(number) for number in range(MOST_ENTITIES + 1)))
    tables.close()


async def test_relays_and_what_waits_outlive_a_restart(tmp_path: Path, stores: str) -> None:
    """In the order it came, until it is done; the source is asked to wait when it is too much."""
    tables = open_tables(tmp_path, stores)
    room = Relays(tables)
    relay = Relay(tenant="", subscription="s", registration="r", remote="x", state="there")
    await room.keep(relay)
    for number in (1, 2):
        await room.take(("", "s"), [record(number)])
    tables.close()
    tables = open_tables(tmp_path, stores)
    room = Relays(tables)
    assert relay == room.find("x")
    assert {"r": relay} == room.of(("", "s"))
    first = room.first(("", "s"))
    assert first is not None
    assert ["urn:ngsi-ld:Lamp:1"] == [one.id for one in first[1]]
    await room.done(("", "s"), first[0])
    assert [("", "s")] == room.waiting()
    await room.forget(relay)
    await room.done(("", "s"))
    assert (None, []) == (room.find("x"), room.waiting())
    tables.close()
