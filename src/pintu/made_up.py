"""What the demo makes up about departments, taken into a city that was started with `--demo`: as a
person would type it, through the rooms' own doors, once."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.agreements.words import Terms
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.identity.words import Delegation, Membership, Organisation
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.linkage.acting import Hand
from pintu.kernel.linkage.words import Plan
from pintu.kernel.operations.orders import Crew
from pintu.kernel.operations.roster.words import Rota
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.demo")

BY: Final = "demo"
SOURCE: Final = "demo/departments"
DAY_US: Final = 86_400_000_000


async def make_up(seed: int) -> dict[str, Any]:
    """The departments as the demo's own program tells them; Unavailable when it cannot."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pintu.demo.departments", "--seed", str(seed),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await program.communicate()
    if program.returncode:
        raise Unavailable("The demo's departments cannot be made up")
    found: dict[str, Any] = msgspec.json.decode(told)
    return found


async def take_in(rooms: Rooms, tables: CityTables, *, data: bool = True) -> None:
    """Everything that is not there yet, or the people alone without `data`; a failure leaves the
    city without some of it, and says so in the log: the demo is never worth a city."""
    try:
        known = rooms.configuration.find("datasets", "demo_vaccinations") is not None
        if not known or rooms.identity.people.find_login("demo_duty") is None:
            told = await make_up(rooms.settings.seed)
            await _people(rooms, told)
            await _roster(rooms, told["roster"])
            await _crews(rooms, told["crews"])
            if known or not data:
                return
            for one in told["data_sets"]:
                await _data_set(rooms, tables, one)
            for one in told["agreements"]:
                await _agreement(rooms, one)
            for one in told["plans"]:
                await _plan(rooms, one)
    except PintuError as error:
        log.warning("The demo's departments were not taken in whole: %s", error)


async def _people(rooms: Rooms, told: dict[str, Any]) -> None:
    people = rooms.identity.people
    for one in told["organisations"]:
        if people.find_organisation(one["id"]) is None:
            await people.create_organisation(msgspec.convert(one, Organisation), by=BY)
    for one in told["people"]:
        if not await _again(rooms, one["login"]):
            memberships = msgspec.convert(one["memberships"], list[Membership])
            await people.create_person(one["login"], one["name"], None, memberships, by=BY)
    for one in told["residents"]:
        if not await _again(rooms, one["login"]):
            await _resident(rooms, one)


async def _roster(rooms: Rooms, told: dict[str, Any]) -> None:
    """Who of the demo is on duty: the same line by day and by night."""
    room, people = rooms.operations, rooms.identity.people
    supervisor = people.find_login(told["by"])
    actor = people.actor(supervisor.id, "", True) if supervisor is not None else None
    tenant = rooms.settings.demo_tenant
    if room is None or room.roster is None or actor is None or room.roster.list_rotas(tenant):
        return
    turns = []
    for turn in told["turns"]:
        known = [people.find_login(one) for one in turn["people"]]
        turns.append({**turn, "people": tuple(one.id for one in known if one is not None)})
    rota = {**told["rota"], "tenant": tenant, "zone": rooms.settings.tz, "turns": turns}
    await room.roster.save_rota(actor, msgspec.convert(rota, Rota))
    if room.handovers is not None:
        await room.handovers.keep(tenant)


async def _crews(rooms: Rooms, told: list[dict[str, Any]]) -> None:
    """Who of the demo goes out together; what a foreman changed since stays."""
    orders = rooms.operations.orders if rooms.operations is not None else None
    tenant, people = rooms.settings.demo_tenant, rooms.identity.people
    if orders is None:
        return
    there = {one.id for one in await orders.desk.list_crews(tenant)}
    for one in told:
        if one["id"] in there:
            continue
        members = [people.find_login(login) for login in one["members"]]
        rest = {name: value for name, value in one.items() if name != "members"}
        crew = msgspec.convert({**rest, "tenant": tenant}, Crew)
        known = [person.id for person in members if person is not None]
        await orders.desk.save_crew(BY, crew, known)


async def _again(rooms: Rooms, login: str) -> bool:
    """Whether somebody is there, their account open again if the demo was emptied before."""
    known = rooms.identity.people.find_login(login)
    if known is not None and known.disabled:
        await rooms.identity.people.enable(known.id, by=BY)
    return known is not None


async def _resident(rooms: Rooms, told: dict[str, Any]) -> None:
    people, audit = rooms.identity.people, rooms.audit
    person = await people.create_person(told["login"], told["name"], by=BY)
    if audit is None:
        return
    await people.prove(person.id, audit.digest(told["id_number"]), by=BY)
    owner = people.find_login("demo_education")
    counter = people.actor(owner.id, "", True) if owner is not None else None
    if rooms.delegations is None or counter is None:
        return
    for child in told["children"]:
        wish = Delegation(
            id="",
            from_subject=audit.digest(child["id_number"]),
            to_person=person.id,
            kind="parent",
            scopes=("look", "object"),
            since_us=0,
            until_us=rooms.clock.now_us() + 365 * DAY_US,
            proved_by="",
            reason="户口簿（演示）/ household register (demo)",
        )
        await rooms.delegations.grant(counter, wish)


async def _plan(rooms: Rooms, told: dict[str, Any]) -> None:
    """Which data sets are linked by what; nobody has matched them yet."""
    steward = rooms.identity.people.find_login("demo_steward")
    actor = rooms.identity.people.actor(steward.id, "", True) if steward is not None else None
    if rooms.linkage is None or actor is None:
        return
    hand = Hand(actor=actor, purpose="correction", reason="核对两部门的儿童记录（演示）")
    await rooms.linkage.save_plan(msgspec.convert(told, Plan), hand)


async def _data_set(rooms: Rooms, tables: CityTables, told: dict[str, Any]) -> None:
    rows, key = told.pop("rows"), told.pop("key")
    entry = {**told, "provider": "table", "tenant": rooms.settings.demo_tenant}
    name = entry.pop("name")
    data_set = msgspec.convert({**entry, "name": name}, DataSet)
    landing = open_landing(tables, rooms.clock, data_set, source=SOURCE, zone=rooms.settings.tz)
    items = [Row(key=str(one[key]), values=one) for one in rows]
    await landing.land("all", "1", items, [])
    rooms.configuration.save("datasets", name, entry, by=BY)


async def _agreement(rooms: Rooms, told: dict[str, Any]) -> None:
    room = rooms.agreements
    if room is None:
        return
    people = rooms.identity.people

    def actor(part: str) -> Actor:
        person = people.find_login(told[part])
        found = people.actor(person.id, "", True) if person is not None else None
        if found is None:
            raise Unavailable(f"The demo's {told[part]} is not there")
        return found

    owner = rooms.exchange.get(told["data_set"]).owner
    parts = {name: told[name] for name in ("data_set", "consumer", "purpose", "basis", "k")}
    until_us = rooms.clock.now_us() + told["days"] * DAY_US
    terms = msgspec.convert(
        {**parts, "provider": owner, "fields": told["fields"], "until_us": until_us}, Terms
    )
    asked = await room.request(actor("requested_by"), terms, reason=told["reason"])
    await room.approve(actor("approved_by"), asked.id)
    await room.sign(actor("signed_by"), asked.id)
