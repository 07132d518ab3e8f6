"""Intake: everything enters once, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData, DiskFull, TooLarge, Unavailable
from pintu.kernel.intake import Limits
from pintu.kernel.intake.words import Envelope, Receipt, Unreadable, Update
from pintu.kernel.store.port import settled

from .conftest import NOON_US, Opener, Scene, batch, lamp


async def test_a_batch_is_durable_when_its_receipt_comes(scene: Scene) -> None:
    """Two readings, two log rows, with the source they came from."""
    receipt = await scene.intake.accept(batch("b1", lamp(1), lamp(2)))
    assert Receipt("b1", 2, 0) == receipt
    assert [
        ("urn:ngsi-ld:Streetlight:x:L1", "created"),
        ("urn:ngsi-ld:Streetlight:x:L2", "created"),
    ] == await scene.log()
    changes = await settled(scene.store.changes(0, 10))
    assert {"street_lights/mqtt"} == {change.source for change in changes}


async def test_the_same_key_is_answered_and_not_applied(scene: Scene) -> None:
    """Sent twice, stored once; another source may use the same key."""
    await scene.intake.accept(batch("b1", lamp(1)))
    again = await scene.intake.accept(batch("b1", lamp(1, power=99)))
    assert Receipt("b1", 1, 0, repeated=True) == again
    assert 1 == len(await scene.log())


async def test_the_same_key_at_the_same_time_is_applied_once(scene: Scene) -> None:
    """A copy that arrives while the first is under way waits for its receipt."""
    receipts = await asyncio.gather(*(scene.intake.accept(batch("b1", lamp(1))) for _ in range(5)))
    assert [False, True, True, True, True] == [receipt.repeated for receipt in receipts]
    assert 1 == len(await scene.log())


async def test_a_batch_that_could_not_be_stored_may_come_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no answer: the key is not remembered."""

    async def full(*_: Any) -> Any:
        raise DiskFull("The disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(scene.store, "submit", full)
        with pytest.raises(DiskFull):
            await scene.intake.accept(batch("b1", lamp(1)))
    assert Receipt("b1", 1, 0) == await scene.intake.accept(batch("b1", lamp(1)))


BAD: list[tuple[Update, str]] = [
    (Update({"type": "Streetlight"}), "no id"),
    (Update({"id": "no uri", "type": "Streetlight"}), "id"),
    (Update({"id": "urn:a:b", "type": "T", "p": {"type": "Property"}}), "p"),
    (
        Update({"id": "urn:a:b", "type": "T", "p": {"type": "Property", "value": float("nan")}}),
        "finite",
    ),
    (
        Update({"id": "urn:a:b", "type": "T", "p": {"value": 1}}, "replace"),
        "merge, upsert, append",
    ),  # type: ignore[arg-type]
    (Update({"id": "urn:a:b", "type": "T", "p": {"value": {1, 2}}}), "not JSON"),
    (Update({"id": "urn:a:b", "p": {"value": 1}}), "does not exist"),
    (Update({"id": "urn:a:b", "p": {"value": 1}}, "append"), "does not exist"),
    (Update({"id": "urn:a:b", "p": {"value": 1}}, "upsert"), "no type"),
    (
        Update(
            {
                "id": "urn:a:b",
                "type": "T",
                "location": {
                    "type": "GeoProperty",
                    "value": {"type": "Point", "coordinates": [30, 120]},
                },
            }
        ),
        "120",
    ),
    (lamp(1, at_us=NOON_US + 3_600_000_000), "3600 s ahead of the city's clock"),
    (lamp(1, at_us=0), "days behind the city's clock"),
]


@pytest.mark.parametrize(("bad", "why"), BAD, ids=[why for _, why in BAD])
async def test_one_bad_update_is_held_and_the_others_are_stored(
    scene: Scene, bad: Update, why: str
) -> None:
    """The bad one goes to quarantine, with a reason that names what is wrong."""
    receipt = await scene.intake.accept(batch("b1", lamp(7), bad, lamp(8)))
    assert (2, 1) == (receipt.accepted, receipt.quarantined)
    assert why in receipt.errors[0]
    assert ["urn:ngsi-ld:Streetlight:x:L7", "urn:ngsi-ld:Streetlight:x:L8"] == [
        id for id, _ in await scene.log()
    ]
    (held,) = await scene.intake.quarantine.list()
    assert ("street_lights/mqtt", "demo", "b1#1", "update") == (
        held.source,
        held.tenant,
        held.key,
        held.kind,
    )
    assert why in held.reason


async def test_a_depth_bomb_is_held(scene: Scene) -> None:
    """A value nested a thousand times stops at the door."""
    value: Any = 1
    for _ in range(900):
        value = [value]
    receipt = await scene.intake.accept(
        batch("b1", Update({"id": "urn:a:b", "type": "T", "p": {"value": value}}))
    )
    assert (0, 1) == (receipt.accepted, receipt.quarantined)


async def test_two_updates_of_one_entity_see_each_other(scene: Scene) -> None:
    """In one batch, in order."""
    await scene.intake.accept(batch("b1", lamp(1, power=10), lamp(1, power=20)))
    tenant = scene.store.tenant("demo")
    assert tenant is not None
    record = await settled(scene.store.retrieve(tenant, "urn:ngsi-ld:Streetlight:x:L1"))
    assert 20 == json.loads(record.body)["activePower"]["value"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "error", "why"),
    [
        ({"depth": 5}, BadRequestData, "depth 5"),
        ({"depth": -1}, BadRequestData, "depth -1"),
        ({"key": ""}, BadRequestData, "key"),
        ({"key": "k" * 301}, BadRequestData, "key"),
        ({"key": "a\x00b"}, BadRequestData, "NUL"),
        ({"key": "a\ud800"}, BadRequestData, "key"),
        ({"source": "a b"}, BadRequestData, "Source"),
        ({"tenant": "a/b"}, BadRequestData, "Tenant"),
        ({"updates": [lamp(1)] * 11}, TooLarge, "more than 10"),
    ],
)
async def test_a_wrong_batch_is_refused_whole(
    open_scene: Opener, wrong: dict[str, Any], error: type[Exception], why: str
) -> None:
    """What is wrong with the batch itself is the sender's to mend; nothing of it is kept."""
    scene = await open_scene(limits=Limits(updates=10))
    with pytest.raises(error, match=why):
        await scene.intake.accept(msgspec.structs.replace(batch("b1", lamp(1)), **wrong))
    assert [] == await scene.log()


async def test_a_strict_tenant_refuses_what_the_vocabulary_does_not_know(
    open_scene: Opener,
) -> None:
    """The field is named; another tenant takes the same update."""

    def vocabulary(document: dict[str, Any]) -> list[str]:
        return [f"{name} is unknown" for name in document if name == "colour"]

    scene = await open_scene(strict_tenants=frozenset({"demo"}), vocabulary=vocabulary)
    odd = Update(
        {"id": "urn:a:b", "type": "Streetlight", "colour": {"type": "Property", "value": "blue"}}
    )
    receipt = await scene.intake.accept(batch("b1", odd, lamp(1)))
    assert ["The vocabulary refuses it: colour is unknown"] == receipt.errors
    receipt = await scene.intake.accept(msgspec.structs.replace(batch("b2", odd), tenant="free"))
    assert 1 == receipt.accepted


async def test_unreadable_envelopes_are_held_with_their_bytes(scene: Scene) -> None:
    """What nobody could read is kept as it came."""
    envelope = Envelope("street_lights/mqtt", "m1", NOON_US - 5, b"\xff{", {"topic": "lamps/g1"})
    receipt = await scene.intake.accept(
        batch("b1", unreadable=[Unreadable(envelope, "Not JSON at byte 0")])
    )
    assert Receipt("b1", 0, 1, ["Not JSON at byte 0"]) == receipt
    (held,) = await scene.intake.quarantine.list()
    assert envelope == held.envelope()
    assert (False, "Not JSON at byte 0", 0) == (held.truncated, held.reason, held.attempts)


async def test_answered_keys_survive_a_restart(open_scene: Opener) -> None:
    """After a clean stop every key is known."""
    before = await open_scene()
    await before.intake.accept(batch("b1", lamp(1)))
    await before.intake.stop()
    await before.close()
    after = await open_scene()
    assert Receipt("b1", 1, 0, repeated=True) == await after.intake.accept(batch("b1", lamp(1)))


async def test_what_was_stored_but_not_remembered_is_not_applied_twice(
    open_scene: Opener,
) -> None:
    """A crash after the commit and before the key was written down: the log says what is there."""
    before = await open_scene()
    await before.intake.accept(batch("b0", lamp(1, power=1)))
    await before.intake._repeats.flush()
    await before.intake.accept(batch("b1", lamp(1, power=2), lamp(2, at_us=None)))
    await before.close()  # without intake.stop(): the key of b1 is lost
    after = await open_scene()
    await after.intake.start()
    receipt = await after.intake.accept(batch("b1", lamp(1, power=2), lamp(2, at_us=None), lamp(3)))
    assert Receipt("b1", 3, 0) == receipt
    assert ["L1", "L1", "L2", "L3"] == [id.rpartition(":")[2] for id, _ in await after.log()]


async def test_a_crash_before_the_first_mark_is_in_doubt_too(
    open_scene: Opener,
) -> None:
    """A city killed in its first half second has written no key and no mark at all."""
    before = await open_scene()
    await before.intake.accept(batch("b1", lamp(1, power=2)))
    await before.close()
    after = await open_scene()
    await after.intake.start()
    await after.intake.accept(batch("b1", lamp(1, power=2)))
    assert 1 == len(await after.log())


async def test_a_new_reading_after_a_crash_is_applied(open_scene: Opener) -> None:
    """Doubt is not denial: other values, a later time, or a value that was overwritten since are
    new.
    """
    before = await open_scene()
    await before.intake.accept(batch("b1", lamp(1, power=2), lamp(2, at_us=None, power=2)))
    await before.intake.accept(batch("b2", lamp(2, at_us=None, power=3)))
    await before.close()
    after = await open_scene()
    await after.intake.start()
    later = lamp(1, at_us=NOON_US + 1_000_000, power=2)
    await after.intake.accept(batch("b3", later, lamp(1, power=4), lamp(2, at_us=None, power=2)))
    assert 6 == len(await after.log())


async def test_memory_of_keys_is_bounded(open_scene: Opener) -> None:
    """The oldest keys of a source go, in memory and in the table; another source keeps its own."""
    scene = await open_scene(limits=Limits(keys_a_source=10))
    for number in range(25):
        await scene.intake.accept(batch(f"b{number}", lamp(number)))
    await scene.intake.stop()
    file = next(file for _, file in scene.tables.walk())
    assert 10 == file.run_now(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM answered").scalar_one()
    )
    assert (await scene.intake.accept(batch("b24", lamp(24)))).repeated
    assert not (await scene.intake.accept(batch("b0", lamp(0)))).repeated


async def test_a_store_that_is_away_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unavailable reaches the sender; nothing is quarantined for it."""

    async def away(*_: Any) -> Any:
        raise Unavailable("The queue is full")

    monkeypatch.setattr(scene.store, "submit", away)
    with pytest.raises(Unavailable):
        await scene.intake.accept(batch("b1", lamp(1)))
    assert [] == await scene.intake.quarantine.list()


async def test_a_disk_that_fills_between_storing_and_holding_stores_nothing_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch comes again: what was stored is known, what was to be held is held then."""

    async def full(*_: Any) -> Any:
        raise DiskFull("The disk is full")

    bad = Update({"type": "Streetlight"})
    with monkeypatch.context() as disk:
        disk.setattr(scene.intake.quarantine, "put", full)
        with pytest.raises(DiskFull):
            await scene.intake.accept(batch("b1", lamp(1), bad))
    receipt = await scene.intake.accept(batch("b1", lamp(1), bad))
    assert (1, 1) == (receipt.accepted, receipt.quarantined)
    assert 1 == len(await scene.log())
    assert 1 == len(await scene.intake.quarantine.list())


async def test_a_long_batch_lets_others_go_on(scene: Scene) -> None:
    """The loop turns while thousands of updates are read."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await scene.intake.accept(batch("b1", *(lamp(n) for n in range(3000))))
    task.cancel()
    assert turns >= 30


async def test_an_update_s_own_context_names_its_attributes(scene: Scene) -> None:
    """An update may bring its @context; one that cannot be had is the update's fault, not the
    batch's.
    """
    own = {"watts": "https://example.org/power"}
    update = Update(
        {"id": "urn:a:b", "type": "T", "watts": {"type": "Property", "value": 1}, "@context": own}
    )
    strange = Update({"id": "urn:a:c", "type": "T", "@context": "http://127.0.0.1:1/none.jsonld"})
    receipt = await scene.intake.accept(batch("b1", update, strange))
    assert (1, 1) == (receipt.accepted, receipt.quarantined)
    tenant = scene.store.tenant("demo")
    assert tenant is not None
    record = await settled(scene.store.retrieve(tenant, "urn:a:b"))
    assert "https://example.org/power" in json.loads(record.body)  # type: ignore[union-attr]


async def test_a_disk_that_stays_full_is_said_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Written down twice a second and refused: one line in the log, and one when it is over."""
    tries = 0

    async def flush() -> None:
        nonlocal tries
        tries += 1
        if tries < 20:
            raise DiskFull("The tables of intake cannot be written: full")

    monkeypatch.setattr("pintu.kernel.intake.intake.TICK_S", 0.005)
    monkeypatch.setattr(scene.intake._repeats, "flush", flush)
    await scene.intake.start()
    async with asyncio.timeout(5):
        while tries < 25:
            await asyncio.sleep(0.01)
    await scene.intake.stop()
    said = [record.getMessage() for record in caplog.records if "written down" in record.msg]
    assert 2 == len(said)
    assert "full" in said[0] and "again" in said[1]
