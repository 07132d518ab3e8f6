"""Warnings: what messages do to one another, on both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from pintu.kernel.access import Actor
from pintu.kernel.clock import iso
from pintu.kernel.errors import Forbidden, StateConflict, Unavailable
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.warnings import (
    Area,
    Info,
    Message,
    Pair,
    PublicWarning,
    Reference,
    Warnings,
)
from pintu.kernel.operations.warnings.entity import area_of
from pintu.kernel.operations.warnings.opening import Divisions
from pintu.kernel.store.port import Store, settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Timers
from tests.kernel.operations.conftest import Home

NOON_US = 1_788_854_400_000_000  # 2026-09-08T08:00:00Z
HOUR_US = 3_600_000_000
RELAY = Actor(id="met-relay", grants=frozenset({"respond:demo"}))
WRITER = Actor(id="p-1", kind="person", person="p-1", grants=frozenset({"respond:demo"}))
SECOND = Actor(id="p-2", kind="person", person="p-2", grants=frozenset({"respond:demo"}))
ONE_STORE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""Truths of what is decided, not of how it is stored."""
SQUARE = ((30.0, 120.0), (30.0, 120.1), (30.1, 120.1), (30.1, 120.0), (30.0, 120.0))
HALF = ((30.0, 120.0), (30.0, 120.05), (30.1, 120.05), (30.1, 120.0), (30.0, 120.0))


@dataclass
class SetClock:
    """A clock that a test sets."""

    at_us: int = NOON_US
    rate: float = 1.0

    def now_us(self) -> int:
        """Where it was set."""
        return self.at_us


@dataclass(frozen=True)
class Room:
    """Warnings over a city of their own, and what others were asked to do."""

    warnings: Warnings
    timers: Timers
    clock: SetClock
    journal: Journal
    intake: Intake
    store: Store
    tables: CityTables
    asked: list[tuple[str, str, str]]

    async def entity(self, id: str) -> Any:
        """What the city knows of an entity."""
        tenant = self.store.tenant("demo")
        assert tenant is not None
        record = await settled(self.store.retrieve(tenant, id))
        return None if record is None else orjson.loads(record.body)

    async def verbs(self, id: str) -> list[str]:
        """What was done about a warning."""
        deeds = await self.journal.list_deeds(subject=f"warning:{id}")
        return [one.verb for one in deeds]


@pytest.fixture
async def room(home: Home, tmp_path: Path) -> AsyncIterator[Room]:
    """A running room; its clock stands still."""
    clock, tables = SetClock(), home()
    store = open_sqlite(tmp_path / "context.db", clock=clock)
    intake = Intake(store, ContextLibrary(tmp_path / "c"), clock, tables)
    journal = Journal(intake, clock)
    timers = Timers(tables, clock)
    warnings = Warnings(tables, timers, clock, ThinGate(), journal)
    asked: list[tuple[str, str, str]] = []
    for what in ("start", "narrow", "undo", "tell", "clear"):
        warnings.following.on(what, hand(what, asked))
    await timers.start()
    await warnings.start()
    yield Room(warnings, timers, clock, journal, intake, store, tables, asked)
    await warnings.stop()
    await timers.stop()
    await store.close()
    tables.close()


def hand(what: str, asked: list[tuple[str, str, str]]) -> Any:
    """Another part that writes down what it was asked for."""

    async def did(warning: PublicWarning, key: str) -> None:
        asked.append((what, warning.id, key))

    return did


def message(identifier: str = "A-1", **changed: Any) -> Message:
    """A typhoon warning for a square, for six hours."""
    info = {
        "language": "zh-CN", "categories": ("Met",), "event": "台风", "urgency": "Expected",
        "severity": "Severe", "certainty": "Likely", "responses": ("Prepare",),
        "headline": "台风橙色预警", "expires": iso(NOON_US + 6 * HOUR_US).replace("Z", "+00:00"),
        "areas": (Area(description="全市", polygons=(SQUARE,)),),
    }  # fmt: skip
    told = {name: changed.pop(name) for name in tuple(changed) if name in info}
    refers = changed.pop("refers", ())
    values = {"sender": "met@example.cn", "sent": "2026-09-08T16:00:00+08:00", **changed}
    references = tuple(
        Reference(sender=one.sender, identifier=one.identifier, sent=one.sent) for one in refers
    )
    infos = (Info(**{**info, **told}),) if values.get("msg_type") not in ("Cancel", "Ack") else ()
    return Message(identifier=identifier, infos=infos, references=references, **values)


async def take(room: Room, said: Message) -> tuple[str, PublicWarning | None]:
    """Hand it in as a relay does."""
    taken = await room.warnings.take(RELAY, said, "demo")
    await room.warnings.following.settled()
    return taken.effect, taken.warning


async def issued(room: Room, said: Message) -> PublicWarning:
    """Hand in what makes a warning."""
    effect, warning = await take(room, said)
    assert warning is not None
    assert "issued" == effect
    return warning


@ONE_STORE
async def test_an_alert_is_a_warning_that_the_city_knows(room: Room) -> None:
    """It is in force, told as PublicWarning and as Alert, and others begin because of it."""
    warning = await issued(room, message())
    assert [warning] == await room.warnings.active("demo")
    told = await room.entity(warning.entity_id)
    assert "high" == told["severity"]["value"]
    assert "Polygon" == told["location"]["value"]["type"]
    alert = await room.entity(f"urn:ngsi-ld:Alert:operations:warning-{warning.id}")
    assert "open" == alert["status"]["value"]
    assert ["start", "tell"] == [what for what, _, _ in room.asked]


@ONE_STORE
async def test_the_same_message_again_changes_nothing(room: Room) -> None:
    """Its name with another content is a conflict."""
    warning = await issued(room, message())
    assert ("known", warning) == await take(room, message())
    with pytest.raises(StateConflict, match="another content"):
        await take(room, message(severity="Minor"))
    assert ["issued"] == await room.verbs(warning.id)


async def test_an_update_goes_on_with_the_warning_and_narrows(room: Room) -> None:
    """The id stays, what hangs on it is narrowed before anything new begins."""
    first = message()
    warning = await issued(room, first)
    area = (Area(description="西部", polygons=(HALF,)),)
    second = message("A-2", msg_type="Update", refers=(first,), areas=area,
                     sent="2026-09-08T17:00:00+08:00")  # fmt: skip
    effect, updated = await take(room, second)
    assert updated is not None
    assert ("updated", warning.id, 2) == (effect, updated.id, updated.version)
    assert ["start", "tell", "narrow", "start", "tell"] == [what for what, _, _ in room.asked]
    late = message("A-3", msg_type="Update", refers=(first,), sent="2026-09-08T16:30:00+08:00")
    assert "kept" == (await take(room, late))[0]


@ONE_STORE
async def test_a_cancel_ends_it_and_everything_that_hangs_on_it(room: Room) -> None:
    """Undone first, then the all-clear; its alert is cleared."""
    first = message()
    warning = await issued(room, first)
    gone = message("A-2", msg_type="Cancel", refers=(first,), sent="2026-09-08T17:00:00+08:00")
    assert "cancelled" == (await take(room, gone))[0]
    assert [] == await room.warnings.active("demo")
    assert ["undo", "clear"] == [what for what, _, _ in room.asked[2:]]
    alert = await room.entity(f"urn:ngsi-ld:Alert:operations:warning-{warning.id}")
    assert "cleared" == alert["status"]["value"]
    assert ["issued", "cancelled"] == await room.verbs(warning.id)


@ONE_STORE
async def test_an_update_that_references_nothing_is_a_warning(room: Room) -> None:
    """Nobody stays unwarned because a message was lost; the doubt is said."""
    warning = await issued(room, message("A-2", msg_type="Update"))
    assert "updates_nothing" == warning.doubt


async def test_a_cancel_of_nothing_ends_nothing(room: Room) -> None:
    """And when what it cancels comes late, it is over at once."""
    first = message()
    gone = message("A-2", msg_type="Cancel", refers=(first,), sent="2026-09-08T17:00:00+08:00")
    assert ("kept", None) == await take(room, gone)
    _, late = await take(room, first)
    assert late is not None
    assert "cancelled" == late.state
    assert [] == room.asked


@ONE_STORE
async def test_nobody_ends_the_warning_of_another(room: Room) -> None:
    """A Cancel by another sender is disputed; a person decides."""
    first = message()
    warning = await issued(room, first)
    gone = message("B-1", msg_type="Cancel", refers=(first,), sender="other@example.cn")
    assert "kept" == (await take(room, gone))[0]
    assert "disputed" == (await room.warnings.get(warning.id)).doubt
    assert ["issued", "disputed"] == await room.verbs(warning.id)


@ONE_STORE
async def test_time_ends_a_warning(room: Room) -> None:
    """At its end, not before; what hangs on it is taken back."""
    warning = await issued(room, message())
    heard: list[str] = []
    room.journal.listen(lambda deed: heard.append(deed.verb))
    assert warning.until_us == room.timers.due("operations.warnings", warning.id)
    room.clock.at_us = warning.until_us
    await room.timers.set("operations.warnings", warning.id, warning.until_us)
    for _ in range(200):
        if heard:
            break
        await wait()
    await room.warnings.following.settled()
    assert ["expired"] == heard
    assert ["undo", "clear"] == [what for what, _, _ in room.asked[2:]]


async def wait() -> None:
    """A moment for others."""
    import asyncio

    await asyncio.sleep(0.01)


async def test_contradicting_warnings_name_each_other(room: Room) -> None:
    """Two steps of severity apart in one place and time; settled by a person, the others undone."""
    one = await issued(room, message())
    other = await issued(room, message("B-1", sender="b@example.cn", severity="Minor"))
    assert (other.id,) == (await room.warnings.get(one.id)).contradicts
    assert (one.id,) == (await room.warnings.get(other.id)).contradicts
    await room.warnings.settle(SECOND, one.id, "the bureau stands nearer")
    await room.warnings.following.settled()
    assert ("undo", other.id) in [(what, id) for what, id, _ in room.asked]
    elsewhere = Area(description="别处", circles=((10.0, 10.0, 5.0),))
    third = await issued(
        room, message("C-1", sender="c@example.cn", severity="Minor", areas=(elsewhere,))
    )
    assert () == third.contradicts


async def test_a_public_warning_of_a_person_needs_a_second(room: Room) -> None:
    """Nothing happens before; never the same person; once."""
    taken = await room.warnings.take(WRITER, message(), "demo")
    assert ("proposed", []) == (taken.effect, await room.warnings.active("demo"))
    with pytest.raises(Forbidden, match="second person"):
        await room.warnings.approve(WRITER, taken.number)
    done = await room.warnings.approve(SECOND, taken.number)
    assert done.warning is not None
    assert ("issued", "p-1", "p-2") == (done.effect, done.warning.by, done.warning.approved_by)
    with pytest.raises(StateConflict, match="does not wait"):
        await room.warnings.approve(SECOND, taken.number)


@ONE_STORE
async def test_a_receipt_is_heard(room: Room) -> None:
    """An Ack names the message it acknowledges; one that names nothing is kept with its reason."""
    first = message()
    warning = await issued(room, first)
    ack = message("K-1", msg_type="Ack", refers=(first,), sender="neighbour@example.cn")
    assert "acknowledged" == (await take(room, ack))[0]
    assert ["issued", "acknowledged"] == await room.verbs(warning.id)
    alone = message("K-2", msg_type="Ack", sender="neighbour@example.cn")
    assert ("kept", None) == await take(room, alone)


@ONE_STORE
async def test_a_test_message_changes_nothing(room: Room) -> None:
    """It is kept and can be read."""
    assert ("kept", None) == await take(room, message(status="Test"))
    found = await room.warnings.unfounded("demo")
    assert ["A test, draft or system message changes nothing"] == [one.reason for one in found]


@ONE_STORE
async def test_what_could_not_be_done_is_done_later(room: Room) -> None:
    """In order, with the same key; nothing behind it goes first."""
    failing = [True]

    async def fragile(warning: PublicWarning, key: str) -> None:
        if failing:
            raise Unavailable("The store is away")

    room.warnings.following.hands["start"].insert(0, fragile)
    await take(room, message())
    assert [] == room.asked
    failing.clear()
    room.warnings.following.wake()
    await room.warnings.following.settled()
    assert ["start", "tell"] == [what for what, _, _ in room.asked]


@ONE_STORE
async def test_codes_stand_for_places_that_are_known_here(room: Room) -> None:
    """A district's outline becomes the warning's place; a code nobody knows is a doubt."""
    outline = {"type": "Polygon", "coordinates": [[[120, 30], [121, 30], [121, 31], [120, 30]]]}
    district = {
        "id": "urn:ngsi-ld:District:demo:1",
        "type": "District",
        "administrativeCode": "330106",
        "location": {"type": "GeoProperty", "value": outline},
    }
    tell = Batch("test", "demo", "1", [Update(district, "upsert")])
    assert [] == (await room.intake.accept(tell)).errors
    room.warnings.places = Divisions(room.store).find

    def coded(identifier: str, code: str) -> Message:
        place = Area(description="某区", geocodes=(Pair(name="GB/T 2260", value=code),))
        return message(identifier, areas=(place,))

    here = await issued(room, coded("G-1", "330106"))
    told = await room.entity(here.entity_id)
    assert ("", "Polygon") == (here.doubt, told["location"]["value"]["type"])
    elsewhere = await issued(room, coded("G-2", "030049"))
    assert ("unknown_place", None) == (elsewhere.doubt, area_of(elsewhere))


@ONE_STORE
async def test_a_restart_goes_on_where_it_was(room: Room) -> None:
    """Clocks are set again, and work that was left is done."""
    warning = await issued(room, message())
    await room.warnings.stop()
    await room.timers.cancel("operations.warnings", warning.id)
    second = message("A-2", msg_type="Update", refers=(warning.message,), severity="Minor",
                     sent="2026-09-08T17:00:00+08:00")  # fmt: skip
    await room.warnings.take(RELAY, second, "demo")
    assert 2 == len(room.asked)
    await room.timers.cancel("operations.warnings", warning.id)
    await room.warnings.start()
    await room.warnings.following.settled()
    assert ["narrow", "start", "tell"] == [what for what, _, _ in room.asked[2:]]
    assert warning.until_us == room.timers.due("operations.warnings", warning.id)


@ONE_STORE
async def test_a_message_is_kept_as_it_came(room: Room) -> None:
    """Its bytes, with whatever signature they carry."""
    taken = await room.warnings.take(RELAY, message(), "demo", document=b"<alert/>")
    assert b"<alert/>" == await room.warnings.document(taken.number)


def test_a_place_named_by_a_code_is_a_place() -> None:
    """Two warnings for one code overlap without coordinates."""
    from pintu.kernel.operations.warnings.judging import overlap

    code = Area(description="某区", geocodes=(Pair(name="GB/T 2260", value="330106"),))
    here = message(areas=(code,))
    assert overlap(here, msgspec.structs.replace(here, identifier="B"))
    assert not overlap(here, message("B"))
