"""Readings that come late belong to the past: kept in the log, never shown as the present."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Record
from pintu.kernel.intake.words import Mode, Update
from pintu.kernel.store.port import Change, settled

from .conftest import NOON_US, Scene, batch, lamp

ID = "urn:ngsi-ld:Streetlight:x:L1"
SECOND_US = 1_000_000


async def present(scene: Scene) -> Record:
    """The lamp as it is stored."""
    number = scene.store.tenant("demo")
    assert number is not None
    found = await settled(scene.store.retrieve(number, ID))
    assert isinstance(found, Record)
    return found


async def past(scene: Scene, name: str = "activePower") -> list[Any]:
    """The values of an attribute as the log tells them, oldest first."""
    told = [orjson.loads(change.payload) for change in await settled(scene.store.changes(0, 100))]
    return [row[name]["value"] for row in told if name in row]


@pytest.mark.parametrize("mode", ["merge", "append", "upsert"])
async def test_a_late_reading_changes_only_the_past(scene: Scene, mode: Mode) -> None:
    """Observed a second before the stored one: the log has it, the lamp and its times do not."""
    await scene.intake.accept(batch("b1", lamp(1, power=60)))
    before = await present(scene)
    seen: list[Change] = []
    scene.store.on_commit(seen.extend)
    late = lamp(1, at_us=NOON_US - SECOND_US, power=10)
    receipt = await scene.intake.accept(batch("b2", Update(late.entity, mode)))
    after = await present(scene)
    assert (1, 0) == (receipt.accepted, receipt.quarantined)
    assert (before.body, before.modified_us) == (after.body, after.modified_us)
    assert [60, 10] == await past(scene)
    assert [(("activePower",), before.body)] == [(one.changed, one.body) for one in seen]
    read_back = (await settled(scene.store.changes(seen[0].position - 1, 1)))[0]
    assert (seen[0].changed, seen[0].payload) == (read_back.changed, read_back.payload)


async def test_equal_times_and_none_are_written_over(scene: Scene) -> None:
    """At one time of observing, or without one, the last write is the present."""
    await scene.intake.accept(batch("b1", lamp(1, power=1)))
    await scene.intake.accept(batch("b2", lamp(1, power=2)))
    assert 2 == orjson.loads((await present(scene)).body)["activePower"]["value"]
    await scene.intake.accept(batch("b3", lamp(1, at_us=None, power=3)))
    assert 3 == orjson.loads((await present(scene)).body)["activePower"]["value"]


async def test_times_are_compared_not_their_texts(scene: Scene) -> None:
    """Half a second later is later, though its text sorts before."""
    await scene.intake.accept(batch("b1", lamp(1, power=1)))
    await scene.intake.accept(batch("b2", lamp(1, at_us=NOON_US + 500_000, power=2)))
    await scene.intake.accept(batch("b3", lamp(1, at_us=NOON_US, power=3)))
    assert 2 == orjson.loads((await present(scene)).body)["activePower"]["value"]


async def test_only_what_is_late_stays_behind(scene: Scene) -> None:
    """One message with an older and a newer attribute: each goes where it belongs."""
    await scene.intake.accept(batch("b1", lamp(1, power=60)))
    mixed = lamp(1, at_us=NOON_US - SECOND_US, power=10).entity
    mixed["voltage"] = {"type": "Property", "value": 229, "observedAt": iso(NOON_US - SECOND_US)}
    await scene.intake.accept(batch("b2", Update(mixed)))
    stored = orjson.loads((await present(scene)).body)
    assert (60, 229) == (stored["activePower"]["value"], stored["voltage"]["value"])
    assert (await present(scene)).modified_us > (await present(scene)).created_us
    assert ([60, 10], [229]) == ((await past(scene)), (await past(scene, "voltage")))


async def test_a_late_whole_takes_nothing_away(scene: Scene) -> None:
    """A late upsert does not remove what came after it."""
    await scene.intake.accept(batch("b1", lamp(1, power=60)))
    more = {"id": ID, "voltage": {"type": "Property", "value": 229, "observedAt": iso(NOON_US)}}
    await scene.intake.accept(batch("b2", Update(more)))
    late = lamp(1, at_us=NOON_US - SECOND_US, power=10)
    await scene.intake.accept(batch("b3", Update(late.entity, "upsert")))
    stored = orjson.loads((await present(scene)).body)
    assert (60, 229) == (stored["activePower"]["value"], stored["voltage"]["value"])


async def test_each_instance_has_its_own_time(scene: Scene) -> None:
    """Two sensors of one lamp: the late one stays behind, the other is taken."""

    def both(own: int, own_us: int, other: int, other_us: int) -> Update:
        values = [
            {"type": "Property", "value": own, "observedAt": iso(own_us)},
            {
                "type": "Property",
                "value": other,
                "observedAt": iso(other_us),
                "datasetId": "urn:d:2",
            },
        ]
        return Update({"id": ID, "type": "Streetlight", "activePower": values})

    await scene.intake.accept(batch("b1", both(1, NOON_US, 2, NOON_US)))
    await scene.intake.accept(batch("b2", both(3, NOON_US - SECOND_US, 4, NOON_US + SECOND_US)))
    stored = orjson.loads((await present(scene)).body)["activePower"]
    assert [1, 4] == [one["value"] for one in stored]
    changes = await settled(scene.store.changes(0, 10))
    told = orjson.loads(changes[-1].payload)["activePower"]
    assert [3, 4] == [one["value"] for one in told]


async def test_a_late_reading_without_a_value_is_held(scene: Scene) -> None:
    """There is nothing of it to keep in the past, so it is held with its reason."""
    await scene.intake.accept(batch("b1", lamp(1)))
    bare = {"id": ID, "activePower": {"unitCode": "KWT", "observedAt": iso(NOON_US - SECOND_US)}}
    receipt = await scene.intake.accept(batch("b2", Update(bare)))
    assert (0, 1) == (receipt.accepted, receipt.quarantined)
    assert b"KWT" not in (await present(scene)).body
