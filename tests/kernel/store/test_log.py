"""The one log: every change once, in commit order; an entity's chain is its history; trimming
keeps cursors.
"""

from __future__ import annotations

import asyncio
import tracemalloc

import orjson

from pintu.kernel.store.port import Change, Store, settled
from tests.kernel.store.conftest import create, delete, lamp, put, update

ID = "urn:ngsi-ld:Lamp:1"


async def test_each_write_is_one_row_with_what_it_did(store: Store) -> None:
    """Created and replaced hold the document, updated what was written, deleted nothing."""
    await store.submit([create(lamp(1))], "a")
    await store.submit([update(ID, power=7, location=None)], "b")
    await store.submit([put(lamp(1))], "c")
    await store.submit([delete(ID)], "d")
    rows = await settled(store.changes(0, 10))
    assert ["created", "updated", "replaced", "deleted"] == [row.verb for row in rows]
    assert ["a", "b", "c", "d"] == [row.source for row in rows]
    assert [None, ("power", "location"), None, None] == [row.changed for row in rows]
    assert lamp(1) == orjson.loads(rows[0].payload) == orjson.loads(rows[2].payload)
    expected = {"power": {"type": "Property", "value": 7}, "location": None}
    assert expected == orjson.loads(rows[1].payload)
    assert b"" == rows[3].payload
    assert [0, 1, 2, 3] == [row.previous for row in rows]
    assert {(1, ID, ("Lamp",))} == {(row.tenant, row.id, row.types) for row in rows}


async def test_history_walks_back_through_earlier_lives(store: Store) -> None:
    """Newest first, in pages, deleted entities included; nobody else's rows."""
    for life in range(3):
        await store.submit([create(lamp(1, power=life)), create(lamp(50 + life))])
        await store.submit([update(ID, power=10 + life)])
        await store.submit([delete(ID)])
    whole = await settled(store.history(1, ID))
    assert ["deleted", "updated", "created"] * 3 == [row.verb for row in whole]
    pages: list[Change] = []
    before = None
    while page := await settled(store.history(1, ID, before=before, limit=2)):
        assert len(page) <= 2
        pages += page
        before = page[-1].position
    assert whole == pages
    between = whole[4].position + 1
    assert whole[4:] == await settled(store.history(1, ID, before=between))
    assert [] == await settled(store.history(1, "urn:ngsi-ld:Lamp:404"))
    assert [] == await settled(store.history(2, ID))


async def test_listeners_hear_each_commit_in_order_with_the_new_body(store: Store) -> None:
    """What is heard is what the log holds, plus the document after the write."""
    heard: list[Change] = []
    store.on_commit(heard.extend)
    await asyncio.gather(*[store.submit([create(lamp(i))], "t") for i in range(50)])
    await store.submit([update(ID, power=9), delete("urn:ngsi-ld:Lamp:2")], "t")
    assert list(range(1, 53)) == [one.position for one in heard]
    bodies = [one.body for one in heard[-2:]]
    assert 9 == orjson.loads(bodies[0] or b"")["power"]["value"] and bodies[1] is None
    for live, kept in zip(heard, await settled(store.changes(0, 100)), strict=True):
        assert (live.id, live.verb, live.at_us, live.payload) == (
            kept.id,
            kept.verb,
            kept.at_us,
            kept.payload,
        )


async def test_what_is_heard_takes_its_own_size(store: Store) -> None:
    """Thousands of the newest changes are kept: each is its bytes and little more, not the 4 KB
    that orjson leaves a text in."""
    heard: list[Change] = []
    store.on_commit(heard.extend)
    await store.submit([create(lamp(1))], "t")
    rooms = [tracemalloc.Filter(True, f"*/{name}.py") for name in ("apply", "encode")]
    tracemalloc.start()
    try:
        await store.submit([create(lamp(i)) for i in range(100, 150)], "t")
        await store.submit([update(f"urn:ngsi-ld:Lamp:{i}", power=9) for i in range(100, 150)], "t")
        held = tracemalloc.take_snapshot().filter_traces(rooms).statistics("filename")
    finally:
        tracemalloc.stop()
    assert 101 == len(heard)
    assert 0 < sum(one.size for one in held) < 100 * 2_000


async def test_many_writers_and_a_poller_see_every_change_exactly_once(store: Store) -> None:
    """A poller that only remembers the last position misses nothing and sees nothing twice."""
    seen: list[int] = []
    outcomes: list[int] = []

    async def write(which: int) -> None:
        for step in range(50):
            id = which * 1000 + step
            [made] = await store.submit([create(lamp(id))])
            [moved] = await store.submit([update(f"urn:ngsi-ld:Lamp:{id}", power=step)])
            outcomes.extend((made.position, moved.position))

    async def poll(writers: asyncio.Future[list[None]]) -> None:
        after = 0
        while True:
            over = writers.done()
            found = await settled(store.changes(after, 7))
            seen.extend(change.position for change in found)
            after = seen[-1] if seen else 0
            if over and not found:
                return
            await asyncio.sleep(0)

    writers = asyncio.gather(*[write(which) for which in range(16)])
    await asyncio.gather(writers, poll(writers))
    assert sorted(outcomes) == seen == list(range(1, 1601))


async def test_trimming_never_passes_a_cursor_and_never_reuses_positions(store: Store) -> None:
    """Rows older than asked and passed by every cursor go; the head stays."""
    await store.submit([create(lamp(i)) for i in range(100)])
    late = 2**60
    await store.save_cursor("slow", 30)
    assert {"slow": 30} == store.cursors()
    assert 30 == await store.trim(late, 80)
    await store.save_cursor("slow", None)
    assert 0 == await store.trim(0, 100)
    assert 70 == await store.trim(late, 100)
    assert [] == await settled(store.changes(0, 10)) and 100 == store.head()
    [outcome] = await store.submit([update(ID, power=1)])
    assert 101 == outcome.position
    assert ["updated"] == [row.verb for row in await settled(store.history(1, ID))]
