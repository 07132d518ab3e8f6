"""A city with a night's incidents: a cabinet and its lamps, a blocked drain, a broken detector; all
made up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pintu.city import City
from pintu.kernel.clock import iso
from pintu.kernel.identity.words import Membership, Organisation
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.operations.incidents.room import Incidents
from pintu.settings import Settings
from pintu.web.app import build_app
from tests.postgres import address_for
from tests.web.identity_city import PASSWORD, Town

MADE_UP = {"duc": ("沈演示", "duty"), "dup": ("韩演示", "supervisor"), "cui": ("秦演示", "crew")}
CABINET = "urn:ngsi-ld:StreetlightControlCabinet:street_lights:C07"
LAMP = "urn:ngsi-ld:Streetlight:street_lights:L{:05d}"
HERE = (120.19, 30.19)
Entity = dict[str, Any]


@dataclass(slots=True)
class IncidentTown(Town):
    """The town and its room of incidents."""

    @property
    def room(self) -> Incidents:
        assert self.city.rooms.operations is not None
        found = self.city.rooms.operations.incidents
        assert found is not None
        return found

    async def tell(self, *entities: Entity) -> None:
        """The context hears, and what is alarmed is taken in."""
        key = f"{self.city.rooms.clock.now_us()}-{len(entities)}-{entities[0]['id']}"
        updates = [Update(one, "upsert") for one in entities]
        batch = Batch(source="test", tenant="demo", key=key, updates=updates)
        receipt = await self.city.rooms.intake.accept(batch)
        assert [] == receipt.errors
        await self.room.taker.caught_up()

    def alert(self, name: str, *, ago_s: float = 60.0, place: Any = HERE, **more: Any) -> Entity:
        """An alarm; `more` are values of its properties, `source` what it is about."""
        at = iso(self.city.rooms.clock.now_us() - int(ago_s * 1e6))
        source = more.pop("source", "")
        zh, en = more.pop("says", ("灯不亮", "Failed lamp"))
        values = {
            "category": "streetlight",
            "subCategory": "failed",
            "severity": "medium",
            "status": "open",
            "detector": "street_lights/detect",
            "validFrom": {"@type": "DateTime", "@value": at},
        } | more
        told: Entity = {"id": f"urn:ngsi-ld:Alert:test:{name}", "type": "Alert"}
        told |= {key: {"type": "Property", "value": value} for key, value in values.items()}
        names = {"zh": f"{zh}：{name}", "en": f"{en}: {name}"}
        told["name"] = {"type": "LanguageProperty", "languageMap": names}
        where = {"type": "Point", "coordinates": list(place)}
        told["location"] = {"type": "GeoProperty", "value": where}
        if source:
            told["alertSource"] = {"type": "Relationship", "object": source}
        return told


def lamp_at(number: int) -> tuple[float, float]:
    """Along a street."""
    return round(HERE[0] + 0.0004 * number, 6), round(HERE[1] + 0.0001 * (number % 3), 6)


def thing(id: str, name: str, place: tuple[float, float], **links: str) -> Entity:
    """An entity with a place and what it hangs on."""
    told: Entity = {"id": id, "type": id.split(":")[2]}
    told["name"] = {"type": "Property", "value": name}
    where = {"type": "Point", "coordinates": list(place)}
    told["location"] = {"type": "GeoProperty", "value": where}
    for key, to in links.items():
        told[key] = {"type": "Relationship", "object": to}
    return told


async def night(town: IncidentTown) -> None:
    """What there is at three in the morning."""
    lamps = [
        thing(LAMP.format(n), f"滨江大道 {n} 号灯（演示）", lamp_at(n),
              refStreetlightControlCabinet=CABINET)
        for n in range(60)
    ]  # fmt: skip
    await town.tell(thing(CABINET, "滨江大道 7 号控制柜（演示）", lamp_at(20)), *lamps)
    dark = [town.alert(f"L{n:05d}", ago_s=90 - n, place=lamp_at(n), source=LAMP.format(n))
            for n in range(40)]  # fmt: skip
    cabinet = town.alert(
        "C07", ago_s=95, place=lamp_at(20), source=CABINET, severity="high",
        subCategory="low_voltage", says=("线路电压过低", "Low voltage on a feeder"),
    )  # fmt: skip
    await town.tell(cabinet, *dark)
    drain = {"category": "infrastructure", "subCategory": "high_water", "detector": "drains/detect"}
    await town.tell(
        town.alert("D12", place=(120.22, 30.2), says=("积水", "High water"), **drain),
        town.alert("D13", place=(120.2205, 30.2003), severity="high", ago_s=86_400.0,
                   says=("积水", "High water"), **drain),
        town.alert("B3", place=(120.3, 30.1), ago_s=10, severity="low", detector="bins/detect",
                   category="service", says=("垃圾桶已满", "Bin is full")),
    )  # fmt: skip


@asynccontextmanager
async def open_incident_town(folder: Path, **more: Any) -> AsyncIterator[IncidentTown]:
    """The operations centre with its people, and a quiet city."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        data=folder, store=address_for(folder), pieces=False, demo=True, lang="en", **more
    )
    city = await City.open(settings)
    try:
        people = city.rooms.identity.people
        name = {"zh": "演示市运行管理中心", "en": "Demo Operations Centre"}
        await people.create_organisation(
            Organisation(id="operations", name=name, tenants=("demo",))
        )
        made = {}
        for login, (said, role) in MADE_UP.items():
            member = [Membership(organisation="operations", role=role)]  # type: ignore[arg-type]
            made[login] = await people.create_person(login, said, PASSWORD, member)
        token = settings.token_file.read_text().strip()
        yield IncidentTown(city, build_app(city.rooms), made, token)
    finally:
        await city.close()
