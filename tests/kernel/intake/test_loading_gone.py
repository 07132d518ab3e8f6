"""What a source no longer has: its entity ends or goes as the mapping says, and only after a load
that read everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from pintu.kernel.intake.loading import Chunk, ContextLanding, Load, load
from pintu.kernel.intake.loading_gone import Gone, Leaving
from pintu.kernel.intake.runs import Run, Runs
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.store.port import settled

from .conftest import Scene
from .test_loading import Records, mapper, place


class Whole:
    """A reader of everything there is, in chunks; or of what the source says it deleted."""

    def __init__(self, *chunks: Records, full: bool = True, removed: Records | None = None) -> None:
        self._chunks, self._full, self._removed = chunks or ([],), full, removed or []

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        for number, records in enumerate(self._chunks):
            last = number == len(self._chunks) - 1
            mark = "-".join(str(one["id"]) for one in records)
            yield Chunk(
                records=list(enumerate(records, 1)),
                position=f"{number}",
                key=f"{number} {mark}",
                full=self._full and last,
                removed=self._removed if last else (),
            )


class Register:
    """A department's register, loaded again and again."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.runs = scene, Runs(scene.tables, scene.clock)

    async def load(
        self, *chunks: Records, gone: Gone = "keep", name: str = "places", **more: Any
    ) -> Run:
        run = await self.runs.begin("src", name, fingerprint="f")
        leaving = Leaving(
            self.scene.intake, self.runs, run=run, clock=self.scene.clock, tenant="demo", gone=gone
        )
        landing = ContextLanding(
            self.scene.intake, "src", "demo", self.runs, run=run, leaving=leaving
        )
        return await load(
            Load(run=run, reader=Whole(*chunks, **more), landing=landing, link=self.scene.intake,
                 runs=self.runs, clock=self.scene.clock, tenant="demo", mapper=mapper(gone=gone))
        )  # fmt: skip

    async def there(self) -> dict[str, bool]:
        """By local id, whether its source has it still; what was deleted is not there."""
        found = {}
        for number in range(1, 6):
            id = f"urn:ngsi-ld:PointOfInterest:src:P{number}"
            tenant = self.scene.store.tenant("demo")
            assert tenant is not None
            record: Any = await settled(self.scene.store.retrieve(tenant, id))
            if hasattr(record, "__await__"):
                record = await record
            if record is not None:
                found[f"P{number}"] = "endedAt" not in orjson.loads(record.body)
        return found


@pytest.fixture
def register(scene: Scene) -> Register:
    """A register on an open intake."""
    return Register(scene)


async def test_what_is_gone_stays_and_says_since_when(register: Register) -> None:
    """A deleted row's entity is kept with everything known of it and `endedAt`; the run tells how
    many; the next load does not tell it again, and what returns is current again."""
    await register.load([place(1), place(2)], [place(3)])
    run = await register.load([place(1)], [place(3)])
    assert {"P1": True, "P2": False, "P3": True} == await register.there()
    assert ["1 entities are no longer in the source; they stay, marked with endedAt"] == [
        one["en"] for one in run.messages
    ]
    before = len(await register.scene.log())
    run = await register.load([place(1)], [place(3)])
    assert ([], before) == (run.messages, len(await register.scene.log()))
    await register.load([place(1), place(2)], [place(3)])
    assert {"P1": True, "P2": True, "P3": True} == await register.there()


async def test_a_mapping_may_delete_instead(register: Register) -> None:
    """`gone = "delete"`: the entity goes, its past stays; a row that returns makes it anew."""
    await register.load([place(1), place(2)], gone="delete")
    run = await register.load([place(1)], gone="delete")
    assert {"P1": True} == await register.there()
    assert "1 entities are no longer in the source and were deleted" == run.messages[0]["en"]
    await register.load([place(1), place(2)], gone="delete")
    assert {"P1": True, "P2": True} == await register.there()


async def test_only_a_whole_load_ends_anything(register: Register) -> None:
    """Not one that followed changes, not one with records nobody could read, and a record that says
    nothing but its id is there all the same."""
    await register.load([place(1), place(2), place(3)])
    await register.load([place(1)], full=False)
    await register.load([place(1), place(2, "12a")])
    assert {"P1": True, "P2": True, "P3": True} == await register.there()
    await register.load([place(1), {"id": "P2"}, place(3)])
    assert {"P1": True, "P2": True, "P3": True} == await register.there()


async def test_a_source_that_is_suddenly_empty_ends_nothing(register: Register) -> None:
    """A view that lost its rows, an export that failed: said, and nothing is marked."""
    await register.load([place(1), place(2)])
    run = await register.load([])
    assert {"P1": True, "P2": True} == await register.there()
    assert "looks like a mistake" in run.messages[0]["en"]


async def test_what_the_source_says_it_deleted_ends_at_once(register: Register) -> None:
    """A replication tells the key of the row; that is enough for an id made of it."""
    await register.load([place(1), place(2)])
    run = await register.load([place(1)], full=False, removed=[{"id": "P2"}])
    assert {"P1": True, "P2": False} == await register.there()
    assert 1 == len(run.messages)
    run = await register.load([place(1)], full=False, removed=[{"number": "?"}])
    assert "their entities stay" in run.messages[0]["en"]


async def test_what_another_mapping_of_the_source_still_has_stays(register: Register) -> None:
    """Two tables of one department say things of one place: it ends with the second one."""
    await register.load([place(1), place(2)])
    await register.load([place(1), place(2)], name="more")
    await register.load([place(1)])
    assert {"P1": True, "P2": True} == await register.there()
    await register.load([place(1)], name="more")
    assert {"P1": True, "P2": False} == await register.there()


async def test_amending_and_deleting_make_nothing(scene: Scene) -> None:
    """What is not there is not made by a mark that it ended, and is no mistake to delete."""
    id = "urn:ngsi-ld:PointOfInterest:src:P9"
    ended = {"type": "Property", "value": "2026-11-23T00:00:00Z"}
    updates = [Update({"id": id, "endedAt": ended}, "amend"), Update({"id": id}, "delete")]
    receipt = await scene.intake.accept(Batch("loads/src", "demo", "k", updates))
    assert (2, 0, 0) == (receipt.accepted, receipt.quarantined, len(await scene.log()))
