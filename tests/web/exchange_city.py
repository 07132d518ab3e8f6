"""The demo's two departments behind the screens, and a browser for each of its people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pintu.city import City
from pintu.made_up import take_in
from pintu.settings import Settings
from tests.postgres import address_for

HERE = "http://127.0.0.1:9610"


@dataclass(slots=True)
class Departments:
    """A city with its application; `browser` is one of somebody's own."""

    city: City
    app: Any
    known: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def stranger(self, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        """A browser nobody signed in to."""
        headers = {"accept": "text/html", "accept-language": "en", "origin": HERE}
        transport = httpx.ASGITransport(app=self.app, client=(peer, 40_000))
        return httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers)

    async def browser(self, login: str) -> httpx.AsyncClient:
        """Somebody of the demo at their own browser."""
        if login not in self.known:
            client = self.known[login] = self.stranger()
            answer = await client.post("/demo-people", data={"login": login, "next": "/system"})
            assert 303 == answer.status_code, answer.text[:300]
        return self.known[login]

    async def page(self, login: str, path: str) -> str:
        """A page as somebody sees it."""
        answer = await (await self.browser(login)).get(path)
        assert answer.status_code < 500, answer.text[:2_000]
        return answer.text

    async def send(self, login: str, path: str, **fields: Any) -> httpx.Response:
        """A form of ours, sent by somebody."""
        client = await self.browser(login)
        shown = (await client.get("/notices")).text
        csrf = shown.partition('data-csrf="')[2].partition('"')[0]
        return await client.post(path, data={"csrf": csrf, **fields})


@asynccontextmanager
async def open_departments(folder: Path) -> AsyncIterator[Departments]:
    """The demo's departments as `pintu up --demo` takes them in, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data=folder, demo=True, pieces=False, store=address_for(folder))
    city = await City.open(settings)
    try:
        await take_in(city.rooms, city.tables)
        one = Departments(city=city, app=city.application())
        yield one
        for client in one.known.values():
            await client.aclose()
    finally:
        await city.close()
