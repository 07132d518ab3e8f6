"""The room of incidents over a real store: taken in once, acted on with reasons, told to the city;
on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.errors import BadRequestData, ResourceNotFound, StateConflict, Unavailable
from pintu.kernel.operations.incidents.changes import Changes
from pintu.kernel.operations.incidents.desk import Desk
from pintu.kernel.operations.incidents.flood import Limits
from pintu.kernel.operations.incidents.words import Alarm, Incident
from pintu.kernel.operations.journal import Deed
from pintu.kernel.tables import open_tables
from tests.kernel.operations.conftest import Home
from tests.kernel.operations.incidents_town import TENANT, Town, alert, moved, thing

LAMP = "urn:ngsi-ld:Streetlight:l:1"
CABINET = "urn:ngsi-ld:StreetlightControlCabinet:c:1"


@pytest.fixture
async def town(home: Home, tmp_path: Path) -> AsyncIterator[Town]:
    """A town whose room of incidents is awake."""
    tables = home()
    made = Town(tmp_path, tables)
    await made.incidents.start()
    yield made
    await made.close()
    tables.close()


async def only(town: Town) -> Incident:
    """The one incident there is."""
    (found,) = await town.incidents.list_open(TENANT)
    return found


async def test_an_alert_becomes_an_incident_the_city_knows(town: Town) -> None:
    """With its grade and what it affects, and nothing of any person."""
    await town.tell(thing(LAMP), alert("1", source=LAMP))
    one = await only(town)
    record = await town.known(f"urn:ngsi-ld:Incident:operations:{one.id}")
    entity = orjson.loads(record.body)
    assert ("open", 3, 1) == tuple(
        entity[name]["value"] for name in ("status", "grade", "openAlertCount")
    )
    assert LAMP == entity["affects"]["object"]
    assert ["opened"] == town.verbs(one.id)
    await town.incidents.assign(one.id, "person-7", "person-3", tenant=TENANT)
    body = (await town.known(f"urn:ngsi-ld:Incident:operations:{one.id}")).body
    assert b"person-" not in body
    assert b"acknowledged" in body


async def test_causes_come_from_the_context(town: Town) -> None:
    """Two lamps far apart whose cabinet is one; without a place of their own they have their
    lamp's."""
    lamps = [f"{LAMP}{n}" for n in range(2)]
    things = [thing(one, refStreetlightControlCabinet=CABINET) for one in lamps]
    await town.tell(thing(CABINET), *things)
    await town.tell(*(alert(str(n), source=one, place=moved(n * 3e3))
                      for n, one in enumerate(lamps)))  # fmt: skip
    one = await only(town)
    assert (2, CABINET) == (one.alarms, one.cause)
    assert "1：Failed lamp等 2 条告警" == one.name["zh"]


async def test_each_deed_is_in_the_journal_with_who_and_why(town: Town) -> None:
    """From opening to closing and back."""
    await town.tell(alert("1"))
    room, id = town.incidents, (await only(town)).id
    await room.acknowledge(id, "a", tenant=TENANT)
    await room.grade(id, 4, "a", tenant=TENANT, reason="a hospital lies there")
    closed = await room.close(id, "resolved", "b", tenant=TENANT, reason="repaired")
    assert ("closed", "resolved", "repaired") == (closed.state, closed.outcome, closed.reason)
    assert [] == await room.list_open(TENANT)
    with pytest.raises(StateConflict):
        await room.acknowledge(id, "a", tenant=TENANT)
    await room.reopen(id, "c", tenant=TENANT, reason="dark again")
    assert ("open", 4) == ((await only(town)).state, (await only(town)).grade)
    deeds = await town.journal.list_deeds(subject=f"incident:{id}")
    told = [(one.verb, one.who, one.reason) for one in deeds]
    assert [
        ("opened", "detector", ""),
        ("acknowledged", "a", ""),
        ("raised", "a", "a hospital lies there"),
        ("closed", "b", "repaired"),
        ("reopened", "c", "dark again"),
    ] == told


async def test_who_answers_the_duty_phone_has_taken_it_on(town: Town) -> None:
    """The roster's deed acknowledges it, once, in that person's name."""
    await town.tell(alert("1"))
    id = (await only(town)).id
    said = Deed(subject=f"incident:{id}", verb="answered", who="person:7", at_us=1, tenant=TENANT)
    for _ in range(2):
        await town.journal.told(town.incidents.opened, [said])
        await asyncio.gather(*town.incidents._hearing)
    assert ("acknowledged", "person:7") == ((await only(town)).state, (await only(town)).by)
    assert ["opened", "answered", "answered", "acknowledged"] == sorted(
        town.verbs(id), key=["opened", "answered", "acknowledged"].index
    )


async def test_what_cannot_be_is_refused_and_nothing_changes(town: Town) -> None:
    """Another tenant's incident, none at all, no reason, no such outcome."""
    await town.tell(alert("1"))
    room, id = town.incidents, (await only(town)).id
    with pytest.raises(ResourceNotFound):
        await room.acknowledge(id, "a", tenant="other")
    with pytest.raises(ResourceNotFound):
        await room.get("20260101-0001")
    with pytest.raises(BadRequestData):
        await room.close(id, "false", "a", tenant=TENANT, reason=" ")
    with pytest.raises(BadRequestData):
        await room.close(id, "gone", "a", tenant=TENANT, reason="because")
    with pytest.raises(BadRequestData):
        await room.merge([id], id, "a", tenant=TENANT, reason="itself")
    assert ["opened"] == town.verbs(id)


async def test_merged_by_a_person_and_divided_again(town: Town) -> None:
    """All alarms go along, numbers and counts agree, on the board and on disk."""
    await town.tell(alert("1"), alert("2", place=moved(900)), alert("3", place=moved(2_000)))
    room = town.incidents
    first, second, third = sorted(one.id for one in await room.list_open(TENANT))
    await room.merge([second, third], first, "a", tenant=TENANT, reason="one burst pipe")
    assert (first, 3) == ((await only(town)).id, (await only(town)).alarms)
    gone = await room.get(second)
    assert ("merged", first) == (gone.state, gone.into)
    numbers = [one.number for one in await room.list_alarms(first)]
    made = await room.split(first, numbers[:1], "a", tenant=TENANT, reason="another street")
    sizes = {one.id: one.alarms for one in await room.list_open(TENANT)}
    assert {first: 2, made.id: 1} == sizes
    assert sizes == {id: len(await room.list_alarms(id)) for id in sizes}
    assert ["merged", "opened"] == sorted({*town.verbs(second), *town.verbs(made.id)})


async def test_a_false_alarm_counts_against_its_detector_until_it_is_reopened(town: Town) -> None:
    """And a true one for it."""
    await town.tell(alert("1"), alert("2", place=moved(900)))
    room = town.incidents
    one, other = [one.id for one in await room.list_open(TENANT)]
    await room.close(one, "false", "a", tenant=TENANT, reason="a bird")
    await room.close(other, "resolved", "a", tenant=TENANT, reason="lamp changed")
    (known,) = await room.list_detectors(TENANT)
    assert (2, 1, 1) == (known.alarms, known.confirmed, known.mistaken)
    await room.reopen(one, "a", tenant=TENANT, reason="no bird")
    (known,) = await room.list_detectors(TENANT)
    assert (1, 0) == (known.confirmed, known.mistaken)


async def test_a_person_reports_and_it_is_an_alarm_like_any(town: Town) -> None:
    """The same key twice is one report."""
    told = {"text": "井盖不见了", "category": "infrastructure", "severity": "high",
            "lon": 120.2, "lat": 30.25}  # fmt: skip
    for _ in range(2):
        await town.incidents.report(told, "person-3", tenant=TENANT, key="r-1")
        await town.incidents.taker.caught_up()
    one = await only(town)
    assert ("井盖不见了", 1, 0.8) == (one.name["zh"], one.alarms, one.confidence)
    assert one.id == await town.incidents.incident_of(TENANT, "urn:ngsi-ld:Alert:operations:r-1")


async def test_what_was_closed_stays_closed_until_it_is_raised_anew(town: Town) -> None:
    """A rewritten alert is no news; one that cleared and comes again goes on from what it was."""
    await town.tell(alert("1"))
    id = (await only(town)).id
    await town.incidents.close(id, "resolved", "a", tenant=TENANT, reason="done")
    town.clock.pass_minutes(1)
    await town.tell(alert("1"))
    assert [] == await town.incidents.list_open(TENANT)
    await town.tell(alert("1", status="cleared"))
    await town.tell(alert("1", town.clock.now_us()))
    assert id == (await only(town)).follows


async def test_a_restart_goes_on_where_it_was(home: Home, tmp_path: Path) -> None:
    """What happened while the room was closed is taken in, once; memory is what it was."""
    tables = home()
    first = Town(tmp_path, tables)
    await first.incidents.start()
    doubt = alert("2", severity="medium", category="water", place=moved(900))
    await first.tell(alert("1"), doubt)
    await first.incidents.stop()
    await first.tell(alert("3", place=moved(60)), alert("4", place=moved(5_000)))
    await first.close()
    tables.close()
    tables = home()
    again = Town(tmp_path, tables, first.clock)
    await again.incidents.start()
    await again.incidents.taker.caught_up()
    found = await again.incidents.list_open(TENANT)
    assert [1, 2] == sorted(one.alarms for one in found)
    assert 4 == again.incidents.desk.number
    again.clock.pass_minutes(3)
    await again.incidents.look()
    assert 3 == len(await again.incidents.list_open(TENANT))
    await again.close()
    tables.close()


async def test_the_first_start_takes_in_what_is_alarmed_already(home: Home, tmp_path: Path) -> None:
    """Alerts that were there before the room was."""
    tables = home()
    made = Town(tmp_path, tables)
    await made.tell(alert("1"), alert("2", status="cleared", place=moved(900)))
    await made.incidents.start()
    assert 1 == (await only(made)).alarms
    await made.close()
    tables.close()


async def test_a_step_that_cannot_be_written_is_forgotten_whole(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is what the disk says, and the same deed succeeds when the disk is back."""
    await town.tell(alert("1"))
    id = (await only(town)).id

    def away(_self: Changes, _connection: object) -> None:
        raise Unavailable("The disk is away")

    with monkeypatch.context() as patched:
        patched.setattr(Changes, "write", away)
        with pytest.raises(Unavailable):
            await town.incidents.acknowledge(id, "a", tenant=TENANT)
    assert "open" == (await only(town)).state
    done = await town.incidents.acknowledge(id, "a", tenant=TENANT)
    assert "acknowledged" == done.state


async def test_an_alarm_that_cannot_be_taken_stops_no_other(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is passed over; those that came with it are incidents."""
    usual = Desk.take

    def trips(desk: Desk, alarm: Alarm, change: Changes, *more: Any) -> None:
        if alarm.alert.endswith(":bad"):
            raise KeyError(alarm.alert)
        usual(desk, alarm, change, *more)

    monkeypatch.setattr(Desk, "take", trips)
    await town.tell(alert("1"), alert("bad", place=moved(900)), alert("2", place=moved(50)))
    assert 2 == (await only(town)).alarms


async def test_a_flood_is_no_news_after_a_restart(tmp_path: Path) -> None:
    """Who said too much before it says too much after it, though the first half alone was not."""
    tables = open_tables(tmp_path, "sqlite:")
    town = Town(tmp_path, tables, limits=Limits(most=20))
    await town.incidents.start()
    flood = [alert(f"f{n}", place=moved(n * 3_000), detector="broken/one") for n in range(30)]
    await town.tell(*flood[:18])
    assert not [one for one in await town.incidents.list_open(TENANT) if one.flood]
    await town.incidents.stop()
    await town.incidents.start()
    await town.tell(*flood[18:])
    found = await town.incidents.list_open(TENANT)
    assert ["broken/one"] == [one.flood for one in found if one.flood]
    await town.close()
    tables.close()


async def test_a_flood_is_on_disk_whole_and_counts_what_clears(home: Home, tmp_path: Path) -> None:
    """Hundreds of alarms of one detector: one incident, every alarm to be seen, also after
    a restart."""
    tables = home()
    town = Town(tmp_path, tables, limits=Limits(most=150))
    await town.incidents.start()
    flood = [alert(f"f{n}", place=moved(n * 30, n % 7 * 900), detector="broken/one")
             for n in range(300)]  # fmt: skip
    await town.tell(*flood, at_once=50)
    one = await only(town)
    assert ("broken/one", 300, 300) == (one.flood, one.alarms, one.alarms_open)
    assert 300 == len(await town.incidents.list_alarms(one.id, limit=5_000))
    over = [{**it, "status": {"type": "Property", "value": "cleared"}} for it in flood]
    await town.tell(*over[280:])
    await town.incidents.stop()
    await town.incidents.start()
    await town.tell(*over[270:])
    assert 270 == (await only(town)).alarms_open
    await town.close()
    tables.close()


async def test_what_people_did_outlives_the_cause_that_comes_late(town: Town) -> None:
    """Two lamps alarm before their cabinet does: two incidents become one, and whoever took either
    on, whose it is and how grave a person said it was are not lost."""
    lamps = [f"{LAMP}{n}" for n in range(2)]
    things = [thing(one, refStreetlightControlCabinet=f"{CABINET}{n}")
              for n, one in enumerate(lamps)]  # fmt: skip
    feeds = [thing(f"{CABINET}{n}", refFeeder="urn:ngsi-ld:Feeder:f:1") for n in range(2)]
    await town.tell(thing("urn:ngsi-ld:Feeder:f:1"), *feeds, *things)
    await town.tell(*(alert(str(n), source=one, place=moved(n * 3e3))
                      for n, one in enumerate(lamps)))  # fmt: skip
    room = town.incidents
    two = sorted(one.id for one in await room.list_open(TENANT))
    assert 2 == len(two)
    await room.assign(two[0], "person:c", "person:a", tenant=TENANT)
    await room.acknowledge(two[1], "person:b", tenant=TENANT)
    await room.grade(two[1], 4, "person:b", tenant=TENANT, reason="a hospital")
    await town.tell(alert("feeder", source="urn:ngsi-ld:Feeder:f:1", place=None))
    one = await only(town)
    assert ("acknowledged", "person:a", ["person:b"], "person:c", 4) == (
        one.state, one.by, one.also, one.assigned, one.grade
    )  # fmt: skip
    (merged,) = [it for it in town.deeds if it.verb == "merged"]
    assert "person:b" == merged.detail["by"]


async def test_a_merge_that_cannot_be_changes_nothing(home: Home, tmp_path: Path) -> None:
    """One of several is a flood: none of them is merged, in memory as on disk."""
    tables = home()
    town = Town(tmp_path, tables, limits=Limits(most=5))
    await town.incidents.start()
    await town.tell(alert("a"), alert("b", place=moved(5e3)))
    a, b = sorted(one.id for one in await town.incidents.list_open(TENANT))
    await town.tell(*(alert(f"f{n}", place=moved(9e3 + n * 2e3), detector="broken/x")
                      for n in range(8)))  # fmt: skip
    (flood,) = [one.id for one in await town.incidents.list_open(TENANT) if one.flood]
    with pytest.raises(StateConflict, match="A flood"):
        await town.incidents.merge([a, flood], b, "x", tenant=TENANT, reason="all of it")
    assert {a, b, flood} <= {one.id for one in await town.incidents.list_open(TENANT)}
    await town.close()
    tables.close()
