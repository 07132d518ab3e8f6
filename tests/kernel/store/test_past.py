"""What only history knows: on the log, beside the present, found by type, on each store."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import orjson

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Tell
from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.store.opening import CITY_FILE, open_store
from pintu.kernel.store.past import LogPast
from pintu.kernel.store.port import Op, Store, settled
from tests.kernel.store.conftest import Opening, create, delete, lamp, stored, update

GHOST = "urn:ngsi-ld:Lamp:900"
LAMPS = TypeSelection((frozenset({"Lamp"}),))
POLES = TypeSelection((frozenset({"Pole"}),))


def tell(
    id: str,
    verb: Any = "recorded",
    types: tuple[str, ...] = ("Lamp",),
    tenant: int = 1,
    **told: Any,
) -> Op:
    """Tell history of an entity; nothing told: the whole."""
    changed = tuple(told) or None
    effect = Tell(verb, types, orjson.dumps(told), changed, detail="told")
    return Op(tenant, id, lambda record, now: effect)


async def past_ids(store: Store, types: TypeSelection | None = None, limit: int = 100) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    while page := await settled(store.past_ids(1, types, found[-1] if found else "", limit)):
        found += page
    return found


async def chain(store: Store, id: str) -> list[tuple[str, int, int]]:
    """(verb, position, previous) of an entity's rows, oldest first."""
    rows = await LogPast(store).rows(1, id, limit=100)
    return [(one.verb, one.position, one.previous) for one in rows]


async def test_history_of_nothing_present(store: Store) -> None:
    """It is no entity, its rows are a chain, and a later create goes on with it."""
    [[first], [second]] = [await store.submit([tell(GHOST, power=[])], "x") for _ in "ab"]
    assert ("recorded", "told", None) == (first.verb, first.detail, first.error)
    assert await settled(store.retrieve(1, GHOST)) is None
    [made] = await store.submit([create(lamp(900))])
    positions = [first.position, second.position, made.position]
    assert list(
        zip(("recorded", "recorded", "created"), positions, [0, *positions[:2]], strict=True)
    ) == await chain(store, GHOST)


async def test_the_present_stays(store: Store) -> None:
    """Document, times and what is found stay; only the chain goes on."""
    id = lamp(1)["id"]
    [made] = await store.submit([create(lamp(1))])
    before = await stored(store, id)
    [told] = await store.submit([tell(id, power=[])])
    after = await stored(store, id)
    assert (before.body, before.modified_us, told.position) == (
        after.body,
        after.modified_us,
        after.last_change,
    )
    await store.submit([update(id, power=3), delete(id), tell(id, "amended", power=[])])
    verbs = [verb for verb, _, _ in await chain(store, id)]
    assert ["created", "recorded", "updated", "deleted", "amended"] == verbs
    assert [made.position, told.position] == [at for _, at, _ in (await chain(store, id))[:2]]


async def test_one_call_may_do_all_of_it(store: Store) -> None:
    """Operations of one id see each other."""
    outcomes = await store.submit(
        [tell(GHOST, power=[]), create(lamp(900)), tell(GHOST, power=[]), delete(GHOST)]
    )
    outcomes += await store.submit([tell(GHOST, power=[])])
    positions = [one.position for one in outcomes]
    assert [0, *positions[:-1]] == [previous for _, _, previous in await chain(store, GHOST)]


async def test_ids_of_the_past(store: Store) -> None:
    """Present, deleted, known to history only; of the types they have or had last; in pages."""
    await store.submit([create(lamp(n)) for n in (1, 2, 3)])
    await store.submit([delete(lamp(2)["id"]), tell(GHOST, types=("Lamp", "Pole"), power=[])])
    await store.submit([tell("urn:ngsi-ld:Lamp:0", tenant=await store.open_tenant("east"))])
    every = [lamp(1)["id"], lamp(2)["id"], lamp(3)["id"], GHOST]
    assert every == await past_ids(store) == await past_ids(store, limit=1)
    assert every == await past_ids(store, LAMPS, limit=2)
    assert [GHOST] == await past_ids(store, POLES)
    assert [] == await past_ids(store, TypeSelection((frozenset({"Ghost"}),)))


async def test_what_is_erased_whole_is_not_found(store: Store) -> None:
    """Until something is told of it again; a part erased leaves it."""
    await store.submit([tell(GHOST, power=[]), tell(GHOST, "erased", power=None)])
    assert [GHOST] == await past_ids(store)
    await store.submit([tell(GHOST, "erased")])
    assert [] == await past_ids(store) == await past_ids(store, LAMPS)
    await store.submit([tell(GHOST, power=[])])
    assert [GHOST] == await past_ids(store, LAMPS)


async def test_it_lasts(opening: Opening) -> None:
    """After a restart the chain goes on where it was."""
    store = await opening()
    [told] = await store.submit([tell(GHOST, power=[])])
    await store.close()
    again = await opening()
    [made] = await again.submit([create(lamp(900))])
    assert [told.position, made.position] == [at for _, at, _ in await chain(again, GHOST)]
    assert [GHOST] == await past_ids(again, LAMPS)
    await again.close()


async def test_a_city_of_before_finds_what_it_deleted(tmp_path: Path) -> None:
    """Tombstones of an older file get the kind their last row tells."""
    store = await open_store("sqlite:", tmp_path, clock=CityClock())
    await store.submit([create(lamp(1)), delete(lamp(1)["id"])])
    await store.close()
    with sqlite3.connect(tmp_path / CITY_FILE) as file:
        file.executescript(
            "DROP INDEX tombstone_kind; ALTER TABLE tombstone DROP COLUMN kind;"
            "ALTER TABLE entity DROP COLUMN room;"
            "PRAGMA user_version = 2"
        )
    file.close()
    again = await open_store("sqlite:", tmp_path, clock=CityClock())
    assert [lamp(1)["id"]] == await past_ids(again, LAMPS)
    await again.close()
