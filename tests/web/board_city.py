"""A small city with air stations, a table of days and pages, for the tests of pages without
code."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Keep, Put, Record
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.port import Op
from tests.web.small_city import SmallCity, put

STATION = "urn:ngsi-ld:AirQualityObserved:demo:S{:02d}"
AIR = "context.AirQualityObserved"
DISTRICTS = ("上城区", "拱墅区", "滨江区", "西湖区")
PLACES = (
    "浙农大", "和睦小学", "滨江", "卧龙桥", "西溪", "下沙", "云栖", "朝晖五区", "城厢镇", "临平镇",
)  # fmt: skip
HOUR_US = 3_600_000_000

DAYS: dict[str, Any] = {
    "provider": "table",
    "title": {"zh": "逐日空气质量（演示）", "en": "Air by day (demo)"},
    "tenant": "demo",
    "columns": [
        {"name": "day", "kind": "date", "title": {"zh": "日期", "en": "Day"}, "key": True},
        {"name": "district", "title": {"zh": "区", "en": "District"}, "key": True},
        {"name": "aqi", "kind": "number", "title": {"zh": "AQI", "en": "AQI"}},
        {"name": "note", "title": {"zh": "说明", "en": "Note"}},
    ],
}
PATIENTS: dict[str, Any] = {
    "provider": "table",
    "title": {"zh": "健康登记（演示）", "en": "Health register (demo)"},
    "tenant": "demo",
    "columns": [{"name": "id", "key": True}, {"name": "name", "person": "name"}],
}
PAGE: dict[str, Any] = {
    "title": {"zh": "空气质量（演示）", "en": "Air of the town (demo)"},
    "summary": {"zh": "各站实时与逐日空气质量", "en": "Stations now and day by day"},
    "filters": [
        {"column": "district", "title": {"zh": "区", "en": "District"}},
        {"column": "day", "kind": "day", "title": {"zh": "日期", "en": "Day"}},
    ],
    "blocks": [
        {"kind": "number", "title": {"zh": "站点数", "en": "Stations"}, "data": AIR,
         "at": [0, 0, 3, 2]},
        {"kind": "number", "title": {"zh": "最高 AQI", "en": "Highest AQI"}, "data": AIR,
         "y": ["airQualityIndex"], "aggregate": "max", "scale": "aqi", "at": [3, 0, 3, 2]},
        {"kind": "text", "text": {"zh": "## 说明\n- 数据为**演示**\n- [地图](/)",
                                  "en": "## About\n- The data are a **demo**\n- [Map](/)"},
         "at": [6, 0, 6, 2]},
        {"kind": "map", "title": {"zh": "站点分布", "en": "Where they stand"}, "data": AIR,
         "y": ["airQualityIndex"], "columns": ["pm25"], "scale": "aqi", "at": [0, 2, 6, 5]},
        {"kind": "chart", "title": {"zh": "过去 24 小时 PM2.5", "en": "PM2.5, last 24 hours"},
         "data": AIR, "y": ["pm25"], "past_h": 24, "limit": 4, "order": ["id"],
         "at": [6, 2, 6, 5]},
        {"kind": "calendar", "title": {"zh": "日历", "en": "Calendar"}, "data": "air_days",
         "x": "day", "y": ["aqi"], "aggregate": "max", "scale": "aqi", "at": [0, 7, 6, 6]},
        {"kind": "ranking", "title": {"zh": "站点排名", "en": "Stations ranked"}, "data": AIR,
         "x": "name", "y": ["airQualityIndex"], "scale": "aqi", "at": [6, 7, 3, 6]},
        {"kind": "chart", "title": {"zh": "各区均值", "en": "Mean by district"},
         "data": "air_days", "x": "district", "y": ["aqi"], "aggregate": "mean", "mark": "bar",
         "scale": "aqi", "at": [9, 7, 3, 6]},
        {"kind": "table", "title": {"zh": "逐日明细", "en": "Day by day"}, "data": "air_days",
         "columns": ["day", "district", "aqi", "note"], "order": ["-day"], "limit": 12,
         "y": ["aqi"], "scale": "aqi", "at": [0, 13, 12, 6]},
    ],
}  # fmt: skip


def station(number: int, now_us: int) -> dict[str, Any]:
    """One station with a value for its PM2.5 and its index."""
    at = iso(now_us)
    index = (28, 63, 96, 118, 142, 171, 188, 230, 310, 44)[number % 10]
    place = [120.08 + 0.05 * (number % 4), 30.18 + 0.05 * (number // 4)]
    return {
        "id": STATION.format(number),
        "type": "AirQualityObserved",
        "name": {
            "type": "LanguageProperty",
            "languageMap": {"zh": PLACES[number], "en": f"Station {number + 1}"},
        },
        "district": {"type": "Property", "value": DISTRICTS[number % 4]},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
        "pm25": {"type": "Property", "value": index / 2, "unitCode": "GQ", "observedAt": at},
        "airQualityIndex": {"type": "Property", "value": index, "observedAt": at},
    }


def reading(value: float, at: str) -> Any:
    """A transform that gives a station another PM2.5."""

    def transform(record: Record | None, now_us: int) -> Put | Keep:
        if record is None:
            return Keep()
        entity = orjson.loads(record.body)
        entity["pm25"] = {**entity["pm25"], "value": value, "observedAt": at}
        return put(entity, "updated", ("pm25",))

    return transform


async def fill_air(city: SmallCity, *, hours: int = 24) -> None:
    """Ten stations with their last hours, 400 days of four districts, a page, persons."""
    rooms = city.rooms
    tenant = await rooms.store.open_tenant("demo")
    now_us = rooms.clock.now_us()
    began = now_us - hours * HOUR_US
    made = [station(n, began) for n in range(len(PLACES))]
    await rooms.store.submit([Op(tenant, one["id"], fresh=put(one)) for one in made], "air")
    for hour in range(1, hours):
        if hour in (9, 10, 11, 12, 13, 14):
            continue  # the stations were silent: a gap
        ops = [
            Op(
                tenant,
                STATION.format(n),
                reading(
                    round(40 + 8 * n + 20 * math.sin(hour / 4 + n), 1), iso(began + hour * HOUR_US)
                ),
            )
            for n in range(len(PLACES))
        ]
        await rooms.store.submit(ops, "air")
    rooms.configuration.save("datasets", "air_days", DAYS, by="test")
    rooms.configuration.save("datasets", "patients", PATIENTS, by="test")
    rooms.configuration.save("pages", "air", PAGE, by="test")
    wall = {**PAGE, "audience": "wall", "filters": [], "blocks": PAGE["blocks"][:8]}
    rooms.configuration.save("pages", "air_wall", wall, by="test")
    await land_days(city)


async def land_days(city: SmallCity) -> None:
    """A hundred days of four districts, up to today."""
    rooms = city.rooms
    landing = open_landing(
        city.tables, rooms.clock, rooms.exchange.get("air_days"), source="air_days"
    )
    today = datetime.fromtimestamp(rooms.clock.now_us() / 1e6, UTC).date()
    rows = []
    for back in range(100):
        day = (today - timedelta(days=back)).isoformat()
        for n, district in enumerate(DISTRICTS):
            aqi = round(abs(90 + 80 * math.sin(back / 5 + n) + 60 * math.cos(back / 11)), 0)
            values = {"day": day, "district": district, "aqi": aqi, "note": "=1+1" if n else ""}
            rows.append(Row(f"{day}|{district}", values))
    await landing.land("days", "end", rows, [])
