"""What a store promises of writes: order, outcomes, durability, one poison alone, tenants apart."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from pintu.kernel.context.record import Keep, Put, Record
from pintu.kernel.errors import AlreadyExists, BadRequestData, PintuError, ResourceNotFound
from pintu.kernel.store.port import Op, Store, settled
from tests.kernel.store.conftest import (
    Opening,
    create,
    delete,
    ids,
    lamp,
    put,
    stored,
    update,
)


async def test_a_created_entity_is_read_back_as_it_was_stored(store: Store) -> None:
    """The body is the document, created and modified are the same moment."""
    [outcome] = await store.submit([create(lamp(1))], "test")
    assert outcome.error is None and outcome.verb == "created"
    record = await stored(store, "urn:ngsi-ld:Lamp:1")
    assert lamp(1) == orjson.loads(record.body)
    assert record.created_us == record.modified_us > 0
    assert ("Lamp",) == record.types
    assert outcome.position == record.last_change


async def test_bytes_that_the_caller_has_are_stored_untouched(store: Store) -> None:
    """Numbers and spaces keep the form they came in."""
    body = b'{"id":"urn:ngsi-ld:Lamp:1","type":"Lamp","power":{"type":"Property","value":1.50}}'
    await store.submit(
        [Op(1, "urn:ngsi-ld:Lamp:1", fresh=Put(orjson.loads(body), "created", body=body))]
    )
    record = await stored(store, "urn:ngsi-ld:Lamp:1")
    assert body == record.body


async def test_a_second_create_of_one_id_already_exists(store: Store) -> None:
    """The first stays; the second's neighbours in the batch are stored."""
    await store.submit([create(lamp(1, power=5))])
    outcomes = await store.submit([create(lamp(1, power=6)), create(lamp(2))])
    assert isinstance(outcomes[0].error, AlreadyExists) and outcomes[1].error is None
    record = await stored(store, "urn:ngsi-ld:Lamp:1")
    assert 5 == orjson.loads(record.body)["power"]["value"]
    assert [1, 2] == await ids(store)


async def test_operations_of_one_call_see_each_other_in_order(store: Store) -> None:
    """Create, update, delete, create again of one id in one call."""
    id = "urn:ngsi-ld:Lamp:1"
    outcomes = await store.submit(
        [
            create(lamp(1)),
            update(id, power=2),
            delete(id),
            update(id, power=3),
            create(lamp(1, power=4)),
        ]
    )
    assert ["created", "updated", "deleted", None, "created"] == [one.verb for one in outcomes]
    assert [None, None, "gone", "absent", None] == [one.detail for one in outcomes]
    record = await stored(store, id)
    assert 4 == orjson.loads(record.body)["power"]["value"]


async def test_a_transform_that_refuses_fails_alone(store: Store) -> None:
    """A PintuError is that operation's outcome and writes nothing."""

    def refuse(record: Record | None, now: int) -> Keep:
        raise BadRequestData("Power of lamp 2 is no number")

    outcomes = await store.submit(
        [create(lamp(1)), Op(1, "urn:ngsi-ld:Lamp:2", refuse), create(lamp(3))]
    )
    assert [None, BadRequestData, None] == [one.error and type(one.error) for one in outcomes]
    assert [1, 3] == await ids(store)


async def test_a_poison_operation_fails_alone_not_its_group(store: Store) -> None:
    """What breaks unexpectedly gets an error; the others of its call and group are durable."""

    def broken(record: Record | None, now: int) -> Keep:
        raise ZeroDivisionError("a bug")

    calls = [store.submit([create(lamp(i))]) for i in range(20)]
    calls.append(
        store.submit([create(lamp(100)), Op(1, "x", broken), create(lamp(101)), Op(1, "y", broken)])
    )
    calls += [store.submit([create(lamp(i))]) for i in range(20, 40)]
    outcomes = await asyncio.gather(*calls)
    poisoned = outcomes[20]
    assert [False, True, False, True] == [one.error is not None for one in poisoned]
    assert isinstance(poisoned[1].error, PintuError) and "a bug" in str(poisoned[1].error)
    assert all(one.error is None for call in outcomes[:20] + outcomes[21:] for one in call)
    assert [*range(40), 100, 101] == await ids(store)
    assert 42 == store.head() == len(await settled(store.changes(0, 100)))


async def test_counts_of_kinds_survive_a_rolled_back_group(store: Store) -> None:
    """A poison operation after a new kind leaves no count of it behind."""

    def broken(record: Record | None, now: int) -> Keep:
        raise ZeroDivisionError

    await store.submit([create(lamp(1, type="Novel", extra=1)), Op(1, "x", broken)])
    await store.submit([Op(1, "x", broken)])
    [kind] = store.kinds(1)
    assert (("Novel",), 1) == (kind.types, kind.count)


async def test_keep_writes_nothing(store: Store) -> None:
    """No row, no change, the detail comes back."""
    [outcome] = await store.submit([Op(1, "x", lambda record, now: Keep(["nothing"]))])
    assert (None, None, ["nothing"]) == (outcome.error, outcome.verb, outcome.detail)
    assert 0 == store.head()


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    """One id in two tenants is two entities."""
    assert 1 == store.tenant("") and store.tenant("east") is None
    east = await store.open_tenant("east")
    assert east == await store.open_tenant("east") == store.tenant("east") != 1
    await store.submit(
        [create(lamp(1, power=1)), create(lamp(1, power=2), east), create(lamp(2), east)]
    )
    assert [1] == await ids(store) and [1, 2] == await ids(store, tenant=east)
    assert {"": 1, "east": east} == store.tenants()


async def test_what_was_acknowledged_is_there_after_reopening(opening: Opening) -> None:
    """Entities, counts, tenants, log and positions go on where they were."""
    store = await opening()
    east = await store.open_tenant("east")
    await store.submit([create(lamp(i), east) for i in range(10)], "gateway")
    await store.submit([delete("urn:ngsi-ld:Lamp:9", east)])
    await store.close()
    again = await opening()
    try:
        assert east == again.tenant("east")
        assert list(range(9)) == await ids(again, tenant=east)
        assert [9] == [kind.count for kind in again.kinds(east)]
        assert 11 == again.head()
        [outcome] = await again.submit([create(lamp(9), east)])
        assert 12 == outcome.position
        history = await settled(again.history(east, "urn:ngsi-ld:Lamp:9"))
        assert ["created", "deleted", "created"] == [change.verb for change in history]
        [first] = await settled(again.changes(0, 1))
        assert "gateway" == first.source
    finally:
        await again.close()


async def test_kinds_follow_attributes_and_types(store: Store) -> None:
    """Appending, deleting and retyping moves an entity to another kind; empty kinds are not
    shown.
    """
    await store.submit([create(lamp(1)), create(lamp(2))])
    await store.submit([update("urn:ngsi-ld:Lamp:1", voltage=230)])
    base = (("location", "GeoProperty"), ("power", "Property"))
    kinds = {(kind.types, kind.attributes): kind.count for kind in store.kinds(1)}
    assert {(("Lamp",), base): 1, (("Lamp",), (*base, ("voltage", "Property"))): 1} == kinds
    await store.submit([put(lamp(1, type=["Device", "Lamp"])), delete("urn:ngsi-ld:Lamp:2")])
    kinds = {(kind.types, kind.attributes): kind.count for kind in store.kinds(1)}
    assert {(("Device", "Lamp"), base): 1} == kinds


async def test_modified_never_runs_backwards(store: Store) -> None:
    """Created stays over a replacement; modified is at least what it was."""
    await store.submit([create(lamp(1))])
    first = await stored(store, "urn:ngsi-ld:Lamp:1")
    await store.submit([put(lamp(1, power=9))])
    second = await stored(store, "urn:ngsi-ld:Lamp:1")
    assert first.created_us == second.created_us <= second.modified_us
    assert first.number == second.number


async def test_an_unknown_error_of_a_whole_call_reaches_its_caller(store: Store) -> None:
    """More poison than a call may hold gives the whole call up and nothing else."""

    def broken(record: Record | None, now: int) -> Keep:
        raise ZeroDivisionError("a bug")

    with pytest.raises(PintuError, match="a bug"):
        await store.submit([Op(1, str(i), broken) for i in range(40)])
    [outcome] = await store.submit([create(lamp(1))])
    assert outcome.error is None


async def test_expired_entities_are_found_in_order(store: Store) -> None:
    """Those whose expiresAt has passed, longest past first; a replacement without it is kept."""
    await store.submit(
        [
            create(lamp(1, expiresAt="2026-01-02T00:00:00Z")),
            create(lamp(2, expiresAt="2026-01-01T00:00:00Z")),
            create(lamp(3, expiresAt="2030-01-01T00:00:00Z")),
            create(lamp(4)),
        ]
    )
    at = 1_780_000_000_000_000
    assert [(1, "urn:ngsi-ld:Lamp:2"), (1, "urn:ngsi-ld:Lamp:1")] == await settled(
        store.expired(at)
    )
    await store.submit([put(lamp(2))])
    assert [(1, "urn:ngsi-ld:Lamp:1")] == await settled(store.expired(at))


async def test_errors_of_one_caller_are_not_shared(store: Store) -> None:
    """Two refused operations have two errors."""

    def missing(record: Record | None, now: int) -> Keep:
        raise ResourceNotFound("Lamp 1 does not exist")

    one, two = await store.submit([Op(1, "a", missing), Op(1, "b", missing)])
    assert one.error is not two.error
