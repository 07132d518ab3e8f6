"""A city behind a wall: thousands of points, some of which blink, and what is wrong; all made up.

`python -m tests.browser.serve_wall PORT LAMPS CHANGES_A_SECOND [FOLDER [SCENE]]`; prints the
admin's token. Scenes: `night` (one incident open at 3 a.m.), `crowded`, `calm`, `empty`. With
PINTU_TEST_ALARMS so many alarms a second come through intake.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvicorn

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Keep, Remove
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.store.port import Op
from pintu.web.app import build_app
from tests.browser.serve import one_change
from tests.web.small_city import LAMP, SOURCE, SmallCity, open_small_city, put

BLINKING = 1_500
ALARMS = "PINTU_TEST_ALARMS"
Entity = dict[str, Any]


def said(value: Any) -> Entity:
    return {"type": "Property", "value": value}


def moment(at_us: int) -> Entity:
    return said({"@type": "DateTime", "@value": iso(at_us)})


def geo(kind: str, coordinates: Any) -> Entity:
    return {
        "type": "GeoProperty",
        "value": {"type": kind, "coordinates": coordinates},
    }


def names(zh: str, en: str) -> Entity:
    return {"type": "LanguageProperty", "languageMap": {"zh": zh, "en": en}}


def square(lon: float, lat: float, side: float) -> list[list[list[float]]]:
    """A closed ring around a place, in degrees."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    return [[[lon + side * x, lat + side * y] for x, y in corners]]


def incident(number: int, now_us: int, severity: str = "high") -> Entity:
    """An incident with its alarms, made up."""
    # in the middle of the lamps it is about, as `small_city.lamp` places them in a city of 3,000
    turn = 2 * math.pi * (120 + 41 * number) / 3_000
    lon, lat = 120.2 + 0.035 * math.cos(turn), 30.2 + 0.025 * math.sin(turn)
    return {
        "id": f"urn:ngsi-ld:Incident:operations:I{number:04d}",
        "type": "Incident",
        "name": names(
            f"滨江大道照明中断（演示 {number}）", f"Lights out along the river (demo {number})"
        ),
        "severity": said(severity),
        "status": said("open"),
        "alertCount": said(41 - number),
        "dateIssued": moment(now_us - 140_000_000 - number * 60_000_000),
        "location": geo("Point", [round(lon, 6), round(lat, 6)]),
        "affects": {
            "type": "Relationship",
            "object": [LAMP.format(n) for n in inside(number)],
        },
        "description": said("同一配电柜，3 分钟内（演示）"),
    }


def inside(number: int) -> range:
    """The lamps an incident is about."""
    return range(100 + 41 * number, 141 + 40 * number)


def alarm(number: int, now_us: int, severity: str = "high") -> Entity:
    """An alarm that stands by itself, made up."""
    return {
        "id": f"urn:ngsi-ld:Alert:demo:A{number:05d}",
        "type": "Alert",
        "category": said("infrastructure"),
        "subCategory": said("failed"),
        "severity": said(severity),
        "status": said("open"),
        "description": said(f"0.4 W 而应为 92 W（演示 {number}）"),
        "dateIssued": moment(now_us),
        "location": geo(
            "Point", [120.17 + (number * 7919 % 97) / 1400, 30.18 + (number * 104729 % 89) / 1800]
        ),
    }


def about(number: int, now_us: int) -> Entity:
    """An alarm about a lamp that an incident holds."""
    link = {"type": "Relationship", "object": LAMP.format(number)}
    made = alarm(20_000 + number, now_us - 150_000_000)
    return {**{k: v for k, v in made.items() if k != "location"}, "alertSource": link}


def warning(now_us: int) -> Entity:
    return {
        "id": "urn:ngsi-ld:PublicWarning:operations:W0001",
        "type": "PublicWarning",
        "name": names("大风蓝色预警（演示）", "Gale warning, blue (demo)"),
        "severity": said("medium"),
        "warningState": said("issued"),
        "validFrom": moment(now_us - 3_600_000_000),
        "validTo": moment(now_us + 6 * 3_600_000_000),
        "location": geo("Polygon", square(120.2, 30.2, 0.018)),
    }


def order(number: int, now_us: int) -> Entity:
    return {
        "id": f"urn:ngsi-ld:WorkOrder:operations:O{number:04d}",
        "type": "WorkOrder",
        "name": names(f"更换 {number} 号灯（演示）", f"Replace lamp {number} (demo)"),
        "severity": said("medium"),
        "status": said("assigned"),
        "dateIssued": moment(now_us - number * 900_000_000),
        "dateDue": moment(now_us + (3 - number) * 1_800_000_000),
        "location": geo("Point", [120.185 + 0.007 * number, 30.21]),
    }


def plan(now_us: int) -> Entity:
    return {
        "id": "urn:ngsi-ld:ResponsePlan:operations:P0001",
        "type": "ResponsePlan",
        "name": names("走廊补光（演示）", "Corridor lighting (demo)"),
        "status": said("running"),
        "severity": said("medium"),
        "dateIssued": moment(now_us - 60_000_000),
    }


def street(number: int, state: str = "normal") -> Entity:
    """A stretch of a road that is drawn nowhere else."""
    west, north = 120.16 + 0.008 * (number % 10), 30.175 + 0.006 * (number // 10)
    return {
        "id": f"urn:ngsi-ld:RoadSegment:operations:R{number:04d}",
        "type": "RoadSegment",
        "name": names(f"听澜路{number}段（演示）", f"Tinglan Road {number} (demo)"),
        "status": said("open"),
        "streetState": said(state),
        "severity": said("high" if state == "critical" else "medium"),
        "coverage": said(0 if number % 9 == 8 else 0.6),
        "location": geo("LineString", [[west, north], [west + 0.006, north + 0.002]]),
    }


def scene(name: str, now_us: int) -> list[Entity]:
    """What stands on the wall at the start."""
    if name in ("calm", "empty"):
        return [street(number) for number in range(40 if name == "calm" else 0)]
    streets = [street(n, "disturbed" if n in (12, 13) else "normal") for n in range(40)]
    rows = [incident(0, now_us), alarm(1, now_us, "low"), warning(now_us), order(1, now_us)]
    rows += [plan(now_us), *(about(number, now_us) for number in inside(0))]
    if name == "crowded":
        rows += [incident(n, now_us, ("critical", "high", "medium")[n % 3]) for n in range(1, 25)]
        rows += [
            alarm(n, now_us - n * 9_000_000, ("critical", "high", "medium", "low")[n % 4])
            for n in range(2, 400)
        ]
        rows += [order(number, now_us) for number in range(2, 30)]
        streets = [
            street(n, ("disturbed", "critical")[n % 2] if n % 3 else "normal") for n in range(100)
        ]
    return rows + streets


async def blink(city: SmallCity, lamps: int, rate: float) -> None:
    """That many changes a second among the first of the points, in commits of a fiftieth."""
    tenant = city.rooms.store.tenant("demo") or 0
    chance, among = random.Random(1), min(lamps, BLINKING)
    began, done = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate) - done
        if due > 0:
            ops = [one_change(tenant, chance, among) for _ in range(min(due, 500))]
            await city.rooms.store.submit(ops, SOURCE)
            done += len(ops)
        await asyncio.sleep(0.02)


async def alarms(city: SmallCity, rate: float) -> None:
    """So many alarms a second handed to intake, each closed ten seconds later."""
    number, opened = 1_000, []
    while True:
        await asyncio.sleep(1 / rate)
        number += 1
        opened.append(number)
        rows = [alarm(number, city.rooms.clock.now_us())]
        if len(opened) > 10 * rate:
            over = alarm(opened.pop(0), city.rooms.clock.now_us())
            rows.append({**over, "status": said("cleared")})
        updates = [Update(one, "upsert") for one in rows]
        await city.rooms.intake.accept(Batch("demo/alarms", "demo", f"alarm-{number}", updates))


async def serve(port: int, lamps: int, rate: float, folder: Path, name: str) -> None:
    """Until a signal comes."""
    city = await open_small_city(folder, lamps=lamps)
    tenant = await city.rooms.store.open_tenant("demo")
    gone = [f"urn:ngsi-ld:Alert:street_lights:L{n:05d}" for n in (3, 12, 21)] if lamps else []
    if name != "crowded":
        await city.rooms.store.submit([Op(tenant, id, delete) for id in gone], SOURCE)
    made = scene(name, city.rooms.clock.now_us())
    await city.rooms.store.submit([Op(tenant, e["id"], fresh=put(e)) for e in made], SOURCE)
    app = build_app(city.rooms)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    print(city.admin, flush=True)
    tasks = [asyncio.create_task(blink(city, lamps, rate))] if lamps and rate else []
    if ALARMS in os.environ:
        tasks.append(asyncio.create_task(alarms(city, float(os.environ[ALARMS]))))
    await uvicorn.Server(config).serve()
    for task in tasks:
        task.cancel()
    await city.close()


def delete(record: Any, now_us: int) -> Any:
    """Nothing stays of it."""
    return Remove() if record is not None else Keep()


def main() -> None:
    """Read the arguments and serve."""
    port, lamps, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    folder = Path(sys.argv[4]) if len(sys.argv) > 4 else Path(tempfile.mkdtemp(prefix="pintu-"))
    asyncio.run(serve(port, lamps, rate, folder, sys.argv[5] if len(sys.argv) > 5 else "night"))


if __name__ == "__main__":
    main()
