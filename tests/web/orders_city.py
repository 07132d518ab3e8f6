"""A city with work orders: a foreman, a duty officer, two crews, lamps that are dark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pintu.city import City
from pintu.kernel.clock import iso
from pintu.kernel.identity.words import Membership, Organisation
from pintu.kernel.operations.orders import Crew, Order, Orders, Shift
from pintu.kernel.store.port import Op
from pintu.settings import Settings
from pintu.web.app import build_app
from tests.postgres import address_for
from tests.web.identity_city import PASSWORD, Town
from tests.web.small_city import LAMP, put

ALERT = "urn:ngsi-ld:Alert:street_lights:failed:L{:05d}"
HOUR_US = 3_600_000_000
MADE_UP = {
    "fan": ("朱演示", "foreman"),
    "duc": ("沈演示", "duty"),
    "cui": ("秦演示", "crew"),
    "cen": ("许演示", "crew"),
}
CREWS = (
    ("lamps-1", "照明一班（演示）", "Lamps 1 (demo)", ("repair_lamp", "inspect"), "cui"),
    ("pumps-1", "排水一班（演示）", "Pumps 1 (demo)", ("pump", "secure"), "cen"),
)
ROADS = ("滨江大道", "长河路", "江虹路", "闻涛路")


@dataclass(slots=True)
class OrdersTown(Town):
    """The town and its orders room."""

    @property
    def orders(self) -> Orders:
        assert self.city.rooms.operations is not None
        found = self.city.rooms.operations.orders
        assert found is not None
        return found

    async def put(self, entity: dict[str, Any]) -> None:
        """The context has an entity now."""
        tenant = await self.city.rooms.store.open_tenant("demo")
        made = put(entity, "replaced")
        await self.city.rooms.store.submit([Op(tenant, entity["id"], lambda *_: made)], "test")

    async def alarm(self, number: int, status: str) -> None:
        """A lamp's alarm is raised or cleared by its detector."""
        at = {"@type": "DateTime", "@value": iso(self.city.rooms.clock.now_us())}
        told = {
            "id": ALERT.format(number),
            "type": "Alert",
            "category": {"type": "Property", "value": "infrastructure"},
            "subCategory": {"type": "Property", "value": "failed"},
            "severity": {"type": "Property", "value": "high"},
            "status": {"type": "Property", "value": status},
            "alertSource": {"type": "Relationship", "object": LAMP.format(number)},
            "dateIssued": {"type": "Property", "value": at},
        }
        if status == "cleared":
            told["validTo"] = {"type": "Property", "value": at}
        await self.put(told)

    async def open(self, number: int, severity: str = "medium", what: str = "repair_lamp") -> Order:
        """An order for a dark lamp, opened by its alarm."""
        return await self.orders.open_order(
            "detector", "demo", what, LAMP.format(number),
            cause=ALERT.format(number), severity=severity, key=f"{what}-{number}",
        )  # fmt: skip


async def lamp(town: OrdersTown, number: int) -> None:
    """A lamp on a road, measured just now."""
    at = iso(town.city.rooms.clock.now_us())
    place = [round(120.19 + 0.004 * (number % 5), 6), round(30.19 + 0.003 * (number % 7), 6)]
    await town.put(
        {
            "id": LAMP.format(number),
            "type": "Streetlight",
            "name": {
                "type": "Property",
                "value": f"{ROADS[number % 4]} {number} 号灯（演示）",
            },
            "location": {
                "type": "GeoProperty",
                "value": {"type": "Point", "coordinates": place},
            },
            "activePower": {"type": "Property", "value": 0.4, "observedAt": at},
        }
    )


@asynccontextmanager
async def open_orders_town(folder: Path, **more: Any) -> AsyncIterator[OrdersTown]:
    """The operations centre with its people and crews, and nine lamps; all made up."""
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
        town = OrdersTown(city, build_app(city.rooms), made, token)
        for number in range(9):
            await lamp(town, number)
        now_us = city.rooms.clock.now_us()
        for id, zh, en, kinds, login in CREWS:
            crew = Crew(
                id=id,
                tenant="demo",
                name={"zh": zh, "en": en},
                kinds=kinds,  # type: ignore[arg-type]
                place=(120.2, 30.2),
            )
            await town.orders.desk.save_crew("demo", crew, [made[login].id])
            until_us = now_us + 10 * HOUR_US
            shift = Shift(crew=id, since_us=now_us - HOUR_US, until_us=until_us)
            await town.orders.desk.add_shift("demo", shift)
        yield town
    finally:
        await city.close()
