"""A city with accounts, and browsers that sign in to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pintu.city import City
from pintu.kernel.identity.words import Membership, Organisation, Person
from pintu.settings import Settings
from pintu.web.app import build_app
from tests.postgres import address_for

HERE = "http://localhost:9310"
PASSWORD = "一句只有我会说的很长的话"


@dataclass(slots=True)
class Town:
    """Rooms, an application over them, and the people in them by login."""

    city: City
    app: object
    people: dict[str, Person]
    admin: str

    def browser(self, peer: str = "127.0.0.1", base: str = HERE) -> httpx.AsyncClient:
        """A browser at that address."""
        transport = httpx.ASGITransport(app=self.app, client=(peer, 40_000))  # type: ignore[arg-type]
        return httpx.AsyncClient(
            transport=transport,
            base_url=base,
            headers={"accept": "text/html", "accept-language": "en", "origin": base},
        )

    async def signed_in(self, login: str, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        """A browser in which somebody signed in with the password everybody has here."""
        client = self.browser(peer)
        answer = await client.post("/sign-in", data={"login": login, "password": PASSWORD})
        assert 303 == answer.status_code, answer.text[:500]
        return client


async def csrf(client: httpx.AsyncClient, path: str = "/account") -> str:
    """The CSRF token that the pages of a session carry."""
    found = re.search(r'data-csrf="([^"]+)"', (await client.get(path)).text)
    return found[1] if found else ""


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form of ours."""
    return await client.post(path, data={"csrf": await csrf(client), **fields})


MADE_UP = {
    "root": ("管演示", [("city", "admin")]),
    "watch": ("卫演示", [("city", "auditor")]),
    "olga": ("欧演示", [("health", "owner"), ("school", "clerk")]),
    "stew": ("司徒·演示", [("health", "steward")]),
    "clara": ("柯演示", [("school", "clerk")]),
    "rosa": ("<script>alert(1)</script>陈", []),
}


@asynccontextmanager
async def open_town(folder: Path, **more: object) -> AsyncIterator[Town]:
    """Health and school, six people with one password, nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        data=folder,
        store=address_for(folder),
        pieces=False,
        **more,  # type: ignore[arg-type]
    )
    city = await City.open(settings)
    try:
        people = city.rooms.identity.people
        for id, zh, en in (
            ("health", "卫健局（演示）", "Health"),
            ("school", "小学（演示）", "School"),
        ):
            await people.create_organisation(Organisation(id=id, name={"zh": zh, "en": en}))
        made = {}
        for login, (name, roles) in MADE_UP.items():
            told = [Membership(organisation=one, role=role) for one, role in roles]  # type: ignore[arg-type]
            made[login] = await people.create_person(login, name, PASSWORD, told)
        token = settings.token_file.read_text().strip()
        yield Town(city, build_app(city.rooms), made, token)
    finally:
        await city.close()
