"""A small city for the screens' tests: real rooms, a few hundred lamps, faults, quarantine."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pintu.city import analyses_of, declared_sets, tenants_of, words_of_rows
from pintu.kernel.analytics.opening import open_history
from pintu.kernel.audit import Audit
from pintu.kernel.clock import CityClock, iso
from pintu.kernel.configuration import Configuration
from pintu.kernel.context.record import Keep, Put, Record
from pintu.kernel.egress import Egress
from pintu.kernel.exchange import Exchange, Readable
from pintu.kernel.exchange.finding.wiring import open_finding
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.feed import Feed
from pintu.kernel.identity import Identity
from pintu.kernel.identity.keys import Keys
from pintu.kernel.intake import Intake
from pintu.kernel.intake.runs import Runs
from pintu.kernel.intake.words import Batch, Envelope, SourceReport, Unreadable
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations import Commands
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.timers import Timers
from pintu.kit.manifest import find_pieces
from pintu.kit.work import PieceWork
from pintu.settings import Settings
from pintu.web.rooms import Rooms
from tests.postgres import address_for

LAMP = "urn:ngsi-ld:Streetlight:street_lights:L{:05d}"
SOURCE = "street_lights/mqtt"
TOPIC = "lamps/G01/telemetry"
FAULTY = (3, 12, 21)
ROADS = ("滨江大道", "长河路", "江虹路", "㐂乐街", "𠮷祥路", "阿依古丽·买买提巷")


@dataclass(slots=True)
class SmallCity:
    """Rooms with what holds them open; `admin` is a token that may do everything."""

    rooms: Rooms
    tables: CityTables
    admin: str

    async def close(self) -> None:
        await self.rooms.timers.stop()
        await self.rooms.intake.stop()
        if self.rooms.history is not None:
            await self.rooms.history.stop()
        await self.rooms.store.close()
        self.tables.close()


def lamp(number: int, total: int, at: str, chance: random.Random) -> dict[str, Any]:
    """One lamp along a river bank near 30.2 N 120.2 E (demo data, made up)."""
    turn = 2 * math.pi * number / max(total, 1)
    ring = 0.01 + 0.03 * ((number * 7919) % 97) / 97
    on = chance.random() < 0.8
    level = chance.choice((1.0, 1.0, 0.6, 0.3)) if on else 0.0

    def said(value: Any, unit: str = "") -> dict[str, Any]:
        return {"type": "Property", "value": value, "observedAt": at} | (
            {"unitCode": unit} if unit else {}
        )

    return {
        "id": LAMP.format(number),
        "type": "Streetlight",
        "name": {"type": "Property", "value": f"{ROADS[number % 6]} {number} 号灯（演示）"},
        "location": {
            "type": "GeoProperty",
            "value": {
                "type": "Point",
                "coordinates": [
                    round(120.2 + 1.4 * ring * math.cos(turn), 6),
                    round(30.2 + ring * math.sin(turn), 6),
                ],
            },
        },
        "powerState": said(("on" if level == 1 else "low") if on else "off"),
        "condition": said("failed" if number in FAULTY else "ok"),
        "illuminanceLevel": said(level),
        "activePower": said(round(90 * level + chance.random(), 1), "WTT"),
        "voltage": said(round(220 + chance.random() * 6, 1), "VLT"),
        "workingHours": said(1200 + number, "HUR"),
    }


def alert(number: int, at: str) -> dict[str, Any]:
    """An open alert about a lamp."""
    return {
        "id": f"urn:ngsi-ld:Alert:street_lights:L{number:05d}",
        "type": "Alert",
        "category": {"type": "Property", "value": "infrastructure"},
        "subCategory": {"type": "Property", "value": "failed"},
        "severity": {"type": "Property", "value": "high" if number % 2 else "medium"},
        "status": {"type": "Property", "value": "open"},
        "description": {"type": "Property", "value": "0.4 W 而应为 92 W（演示）"},
        "alertSource": {"type": "Relationship", "object": LAMP.format(number)},
        "dateIssued": {"type": "Property", "value": {"@type": "DateTime", "@value": at}},
    }


def put(
    entity: dict[str, Any], verb: str = "created", changed: tuple[str, ...] | None = None
) -> Put:
    return Put(entity, verb, changed, body=orjson.dumps(entity))  # type: ignore[arg-type]


def changed(**values: Any) -> Any:
    """A transform that sets values of attributes there are."""

    def transform(record: Record | None, now_us: int) -> Put | Keep:
        if record is None:
            return Keep()
        entity = orjson.loads(record.body)
        for name, value in values.items():
            entity[name] = {**entity[name], "value": value, "observedAt": iso(now_us)}
        return put(entity, "updated", tuple(values))

    return transform


async def open_small_city(
    folder: Path, *, lamps: int = 300, demo: bool = True, pieces: bool = True, **more: Any
) -> SmallCity:
    """Open the rooms on a folder and fill the demo tenant when it is empty."""
    address = address_for(folder)
    tables = open_tables(folder, address)
    clock = CityClock()
    settings = Settings(data=folder, demo=demo, store=address, **more)
    identity = Identity(tables, clock)
    token_file = folder / "admin.token"
    identity.ensure_admin(token_file)
    store = await open_store(address, folder, clock=clock)
    library = ContextLibrary(folder / "contexts", clock=clock)
    intake = Intake(store, library, clock, tables)
    timers = Timers(tables, clock)
    found = find_pieces() if pieces else []
    configuration = Configuration(folder / "config", clock)
    keys = Keys(folder / "keys")
    audit = Audit(store, tables, keys, clock)
    gate = ExchangeGate(identity.gate, None, audit, clock=clock, open_access=settings.open)
    readable = Readable(store=store, gate=gate, clock=clock, words=words_of_rows)
    declared = declared_sets(found, tenants_of(found, settings))
    tenant = settings.demo_tenant if demo else ""
    exchange = Exchange(configuration, tables, readable, declared=declared, tenant=tenant)
    rooms = Rooms(
        settings=settings,
        clock=clock,
        store=store,
        library=library,
        identity=identity,
        gate=gate,
        feed=Feed(store),
        timers=timers,
        intake=intake,
        commands=Commands(tables, timers, clock, gate),
        configuration=configuration,
        egress=Egress(allow_loopback=True),
        runs=Runs(tables, clock),
        exchange=exchange,
        pieces=found,
        work=PieceWork(found, tables, clock, tenants_of(found, settings)),
    )
    open_finding(rooms, tables)
    rooms.history = open_history(rooms, tables)
    rooms.analyses = analyses_of(found, settings, rooms.history.analyst.ask)
    await timers.start()
    await intake.start()
    if lamps:
        await fill(rooms, lamps)
    return SmallCity(rooms, tables, token_file.read_text().strip())


async def fill(rooms: Rooms, lamps: int, tenant_name: str = "demo") -> None:
    """Lamps, three open alerts, a source and two things in quarantine."""
    tenant = await rooms.store.open_tenant(tenant_name)
    chance = random.Random(7)
    now_us = rooms.clock.now_us()
    made = [lamp(n, lamps, iso(now_us), chance) for n in range(lamps)]
    made += [alert(n, iso(now_us - 5_000_000)) for n in FAULTY if n < lamps]
    for start in range(0, len(made), 1000):
        part = made[start : start + 1000]
        await rooms.store.submit([Op(tenant, e["id"], fresh=put(e)) for e in part], SOURCE)
    for level in (0.3, 0.7, 0.5):
        op = Op(tenant, LAMP.format(1), changed(illuminanceLevel=level, activePower=90 * level))
        await rooms.store.submit([op], SOURCE)
    rooms.intake.report(
        SourceReport(SOURCE, "street_lights", 12_345, 4_567_890, 2, now_us, 35_000, "up", "", 5.0)
    )
    bad = [
        (b'{"seq":12,"ts":"2026-', "The message ends in the middle of a string (byte 21)"),
        (b"\xff\xfe\x00lamp", "The message is not UTF-8 at byte 0"),
    ]
    held = [
        Unreadable(Envelope(SOURCE, f"bad-{n}", now_us, body, {"topic": TOPIC}), why)
        for n, (body, why) in enumerate(bad)
    ]
    await rooms.intake.accept(Batch(SOURCE, tenant_name, f"first-{now_us}", [], held))
