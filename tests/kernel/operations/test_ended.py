"""The end of things: who hears that an incident is over, what is forgotten, what the town decided
instead of the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from pintu.city import City
from pintu.kernel.access import Actor
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations import forgetting
from pintu.kernel.operations.decided import going_of, hours_of, promises_of, reaches_of
from pintu.kernel.operations.incidents.schema import ALARM, INCIDENT
from pintu.kernel.operations.incidents.words import Alarm
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.orders.schema import KEY, ORDER
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.kernel.operations.roster.words import Message, Receipt
from pintu.kernel.operations.warnings import Area, Info
from pintu.kernel.operations.warnings import Message as Cap
from pintu.kernel.operations.warnings.opening import our_name
from pintu.kernel.operations.warnings.schema import MESSAGE
from pintu.settings import Settings

SECOND = Actor(id="person:b", kind="person", person="b", grants=frozenset({"admin"}))
SQUARE = ((30.0, 120.0), (30.0, 120.1), (30.1, 120.1), (30.1, 120.0), (30.0, 120.0))
YEAR_US = 366 * 86_400_000_000


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    """A whole city without its pieces."""
    opened = await City.open(Settings(data=tmp_path_factory.mktemp("ended"), pieces=False))
    yield opened
    await opened.close()


async def incident(room: Any, name: str = "1") -> str:
    """An incident of one critical alarm; its id."""
    now_us = room.journal.clock.now_us()
    alert = f"urn:ngsi-ld:Alert:test:{name}"
    alarm = Alarm(tenant="", alert=alert, severity="critical", detector="d", heard_us=now_us,
                  at_us=now_us, name={"zh": "积水", "en": "Flooded"})  # fmt: skip
    await room.incidents._take([alarm], room.incidents.taker.reached)
    found: str = await room.incidents.incident_of("", alert)
    return found


async def got(room: Any, subject: str, to: list[str]) -> None:
    """People and channels got a message about something."""
    message = Message(subject=subject, title={"zh": "t"}, text={"zh": "x"}, severity="critical")
    await room.notifier.send("", message, to, f"k/{subject}")
    async with asyncio.timeout(5):
        while not all(one.attempts for one in await receipts(room, subject)):
            await asyncio.sleep(0.005)


async def receipts(room: Any, subject: str) -> list[Receipt]:
    """What became of messages about something."""
    found: list[Receipt] = await room.notifier.list_receipts("", subject=subject)
    return found


async def test_closing_an_incident_tells_whom_it_told(city: City) -> None:
    """By name at once; a loudspeaker, and a warning to the public, only when a person says so; once
    however often it is told, also after a restart."""
    room: Any = city.rooms.operations
    person = await city.rooms.identity.people.create_person("sam", "沈演示")
    where = Channel(name="speakers", kind="webhook", url="http://127.0.0.1:9/x", to="square")
    room.channels.save(where, by="test", secret=None)
    me = Actor(id="admin", grants=frozenset({"admin"}), person=person.id, kind="person")
    from pintu.kernel.operations.roster.words import Reach

    reach = Reach(id="", person=person.id, kind="webhook", channel="webhook",
                  address="http://127.0.0.1:9/y")  # fmt: skip
    await room.ways.save(me, "", reach)
    id = await incident(room)
    subject = f"incident:{id}"
    await got(room, subject, [f"person:{person.id}", "channel:speakers"])
    now_us = city.rooms.clock.now_us()
    info = Info(categories=("Met",), event="e", urgency="Immediate", severity="Severe",
                certainty="Observed", expires=iso(now_us // 10**6 * 10**6 + 10**12),
                areas=(Area(description="d", polygons=(SQUARE,)),))  # fmt: skip
    warned = Cap(identifier="W-1", sender=our_name(""), sent=iso(now_us // 10**6 * 10**6),
                 incidents=(id,), infos=(info,))  # fmt: skip
    program = Actor(id="token:t", grants=frozenset({"admin"}))
    warning = (await room.warnings.take(program, warned, "")).warning
    assert warning is not None
    await room.incidents.close(id, "resolved", "person:a", tenant="", reason="pumped dry")
    await asyncio.gather(*room.ended._tasks)
    told = [one for one in await receipts(room, subject)]
    assert 1 == sum(one.person == person.id for one in told if one.message != told[-1].message)
    one = await room.incidents.get(id)
    assert ["speakers"] == await room.ended.unheard(one)
    await room.ended.start()  # the deed is read once more
    assert 3 == len(await receipts(room, subject))
    await room.ended.tell(one, "confirmed", public=True)
    assert [] == await room.ended.unheard(one)
    assert 4 == len(await receipts(room, subject))
    [waits] = await room.warnings.waiting("")
    assert ("Cancel", "person:a") == (waits.message.msg_type, waits.who)
    assert (await room.warnings.get(warning.id)).in_force
    assert "cancelled" == (await room.warnings.approve(SECOND, waits.number)).effect


async def test_what_ended_three_years_ago_is_forgotten_and_what_goes_on_is_not(city: City) -> None:
    """Deeds, incidents with their alarms, orders with their keys, messages that changed nothing."""
    room: Any = city.rooms.operations
    over, lives = await incident(room, "2"), await incident(room, "3")
    await room.incidents.close(over, "resolved", "a", tenant="", reason="done")
    told = {"cause": "c", "severity": "low"}
    made = [
        await room.orders.open_order(
            "test", "", "inspect", f"urn:ngsi-ld:X:{n}", key=f"k{n}", **told
        )
        for n in range(2)
    ]
    await room.orders.deed("test", made[0].id, "cancel", "c0", "no need")
    test = Cap(identifier="T", sender="x@y", sent="2026-09-08T16:00:00+08:00", status="Test")
    await room.warnings.take(Actor(id="t", grants=frozenset({"admin"})), test, "")
    now_us = city.rooms.clock.now_us()

    def there(connection: Any) -> list[int]:
        asked = {"incidents": (INCIDENT, ALARM), "orders": (ORDER, KEY), "warnings": (MESSAGE,)}
        return [
            int(connection.execute(sa.select(sa.func.count()).select_from(one)).scalar() or 0)
            for one in asked.get(name, ())
        ]

    async def left() -> list[int]:
        nonlocal name
        found = []
        for opened in room.journal.rooms():
            name = opened.name
            found += await opened.read(there)
        return found

    name = ""
    before = await left()
    assert not await room.parts[-1].forget()
    assert before == await left()
    for opened in room.journal.rooms():
        for work in forgetting.works(opened.name, now_us + 4 * YEAR_US):
            await opened.run(work)
    assert [1, 1, 1, 1, 0] == await left()
    assert lives == (await room.incidents.get(lives)).id
    assert [] == await room.journal.list_deeds(subject=f"incident:{over}")


async def test_a_deed_that_is_young_stays(city: City) -> None:
    """Old ones go five hundred at a time."""
    room: Any = city.rooms.operations
    opened = next(one for one in room.journal.rooms() if one.name == "orders")
    now_us = city.rooms.clock.now_us()

    def fill(connection: Any) -> None:
        for n in range(502):
            at_us = now_us - 4 * YEAR_US if n < 501 else now_us
            enter(connection, Deed(subject="order:1", verb="noted", who="x", at_us=at_us))

    await opened.run(fill)
    assert await room.parts[-1].forget()
    assert not await room.parts[-1].forget()
    assert 1 == len(await room.journal.list_deeds(subject="order:1"))


# --- what the town decided ---------------------------------------------------------------------
async def test_what_the_town_decides_is_followed_at_once_and_after_a_restart(city: City) -> None:
    """A promise, a reach, a ring: kept as files; what cannot be followed is not kept."""
    room: Any = city.rooms.operations
    room.decided.save("promises", {"levels": {"critical": {"confirm": 2}}, "hours": "08:00-12:00"},
                      by="t", over=0)  # fmt: skip
    room.decided.save("duty", {"next_s": 60}, by="t")
    room.decided.save("reaches", {"cause_min": 5, "near": {"traffic traffic": {"metres": 40}}},
                      by="t")  # fmt: skip
    assert 2 == room.orders.service.levels["critical"].confirm
    assert 60.0 == room.duty.going.next_s
    assert 40.0 == room.incidents.desk.rules.related[frozenset({"traffic"})].metres
    with pytest.raises(BadRequestData, match="whole number"):
        room.decided.save("duty", {"next_s": 1}, by="t")
    await room.incidents._load()
    assert 300_000_000 == room.incidents.desk.rules.cause_us
    (room.decided._configuration.folder / "operations" / "duty.toml").write_text("next_s = 'soon'")
    (mistake,) = room.decided.apply()
    assert "config/operations/duty.toml: next_s" in mistake


async def test_decisions_are_read_strictly() -> None:
    """Days of one's own over the holidays; a night's hours end at midnight; nonsense is said."""
    clock = promises_of({"worked": ["2026-10-01"], "free": ["2026-11-23"]}, "Asia/Shanghai")
    assert (True, False) == tuple(
        clock.calendar.works(date.fromisoformat(one)) for one in ("2026-10-01", "2026-11-23")
    )
    assert ((1320, 1440),) == hours_of("22:00-24:00")
    for wrong in ("", "8-12", "12:00-08:00", "08:00-12:00 11:00-13:00"):
        with pytest.raises(BadRequestData):
            hours_of(wrong)
    for read, content in (
        (lambda c: promises_of(c, "UTC"), {"levels": {"high": {"confirm": 90, "arrive": 60}}}),
        (lambda c: promises_of(c, "UTC"), {"levels": {"worst": {}}}),
        (reaches_of, {"near": {"cats dogs": {"metres": 5}}}),
        (going_of, {"next_s": True}),
    ):
        with pytest.raises(BadRequestData):
            read(content)
