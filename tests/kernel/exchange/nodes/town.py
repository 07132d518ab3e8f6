"""Whole cities on loopback ports, each a node of its own: what their neighbours call is the real
thing."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from pintu.city import City
from pintu.kernel.access import Actor, Mask
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.nodes import Abroad, Nodes
from pintu.kernel.exchange.nodes.documents import fingerprint
from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.identity.words import Membership, Organisation
from pintu.kernel.intake.mapping.words import Row
from pintu.settings import load_settings

DAY_US = 86_400_000_000
ADMIN = Actor(id="token:admin", grants=frozenset({"admin"}))
PURPOSE, REASON = "enrolment", "演示入学前核对接种记录"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(slots=True)
class NodeCity:
    """One city with its people; `open` again after `close` is the next life of the same folder."""

    name: str
    folder: Path
    port: int
    allow: tuple[str, ...]
    plain: bool = False  # NGSI-LD in the same application, too
    city: City = field(init=False)
    server: uvicorn.Server = field(init=False)
    serving: asyncio.Task[None] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def nodes(self) -> Nodes:
        assert self.city.rooms.nodes is not None
        return self.city.rooms.nodes

    @property
    def agreements(self) -> Any:
        return self.city.rooms.agreements

    async def open(self) -> NodeCity:
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"PINTU_NODE_NAME": self.name, "PINTU_EGRESS_ALLOW": ",".join(self.allow)}
        settings = load_settings(self.folder, told, port=self.port, pieces=False, plain=self.plain)
        self.city = await City.open(settings)
        config = uvicorn.Config(
            self.city.application(), host="127.0.0.1", port=self.port, log_config=None,
            lifespan="on", ws="none", access_log=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.serving = asyncio.create_task(self.server._serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        return self

    async def close(self) -> None:
        self.server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self.serving
        if self.city.rooms.nodes is not None:
            await self.city.rooms.nodes.stop()
        await self.city.close()

    async def organisation(self, id: str) -> None:
        people = self.city.rooms.people
        assert people is not None
        told = Organisation(id=id, name={"zh": f"{id}（演示）", "en": f"{id} (demo)"})
        await people.create_organisation(told, by="test")

    async def person(self, login: str, organisation: str, *roles: Any) -> Actor:
        people = self.city.rooms.people
        assert people is not None
        told = [Membership(organisation=organisation, role=role) for role in roles]
        made = await people.create_person(login, "演示人员", None, told, by="test")
        found = people.actor(made.id, organisation, True)
        assert found is not None
        return found

    async def shots(self, rows: int = 20) -> None:
        """Vaccinations of made-up children, owned by `health`, offered to other nodes."""
        rooms, tables = self.city.rooms, self.city.tables
        entry: dict[str, Any] = {
            "provider": "table", "owner": "health", "sharing": "conditional",
            "title": {"zh": "接种记录（演示）", "en": "Vaccinations (demo)"},
            "columns": [
                {"name": "id_number", "person": "id_number", "key": True},
                {"name": "child", "person": "name"},
                {"name": "vaccinated", "kind": "date", "person": "health"},
                {"name": "school"},
            ],
        }  # fmt: skip
        columns = [Column(**one) for one in entry["columns"]]
        data_set = DataSet(name="shots", **{**entry, "columns": columns})
        landing = open_landing(tables, rooms.clock, data_set, source="demo/shots", zone="UTC")
        items = [
            Row(
                key=f"99000020150101{number:03d}0",
                values={
                    "id_number": f"99000020150101{number:03d}0",
                    "child": f"演示{number}",
                    "vaccinated": "2016-03-01" if number % 2 else None,
                    "school": "S1",
                },
            )
            for number in range(rows)
        ]
        await landing.land("all", "1", items, [])
        rooms.configuration.save("datasets", "shots", entry, by="test")


def terms(**more: Any) -> Terms:
    told: dict[str, Any] = {
        "data_set": "shots",
        "provider": "health",
        "consumer": "",
        "purpose": PURPOSE,
        "basis": "statutory_duty",
        "fields": {"vaccinated": Mask(kind="yes_no")},
        "subject": "id_number",
        "limits": Limits(calls_a_minute=100_000, subjects_a_day=1_000),
        "retention_days": 30,
        "until_us": 0,
    }
    return Terms(**{**told, **more})


async def joined(one: NodeCity, other: NodeCity) -> None:
    """Two operators compared fingerprints."""
    await one.nodes.joining.ask(ADMIN, other.url, fingerprint=fingerprint(other.nodes.own.public))
    await other.nodes.joining.accept(ADMIN, one.name, fingerprint=one.nodes.own.fingerprint)


async def agreed(
    provider: NodeCity, owner: Actor, consumer: NodeCity, asker: Actor, **more: Any
) -> Abroad:
    """An agreement between nodes, signed by both organisations."""
    until_us = provider.city.rooms.clock.now_us() + 100 * DAY_US
    wish = terms(until_us=until_us, **more)
    found = await consumer.nodes.consuming.request(
        asker, provider.name, wish, reason=REASON, key=secrets.token_hex(8)
    )
    approved: Agreement = await provider.agreements.approve(owner, found.agreement.id)
    assert "approved" == approved.state
    return await consumer.nodes.consuming.sign(asker, f"{found.agreement.id}@{provider.name}")
