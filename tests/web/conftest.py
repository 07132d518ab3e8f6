"""A small real city behind the screens, and a browser-like client on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from pintu.web.app import build_app
from tests.web.small_city import SmallCity, open_small_city

HERE = "http://127.0.0.1:9410"


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[SmallCity]:
    opened = await open_small_city(tmp_path / "data", lamps=60)
    yield opened
    await opened.close()


def browser(city: SmallCity, peer: str = "127.0.0.1", base: str = HERE) -> httpx.AsyncClient:
    app = build_app(city.rooms)
    transport = httpx.ASGITransport(app=app, client=(peer, 40_000))  # type: ignore[arg-type]
    return httpx.AsyncClient(
        transport=transport, base_url=base, headers={"accept": "text/html", "accept-language": "en"}
    )


@pytest.fixture
async def page(city: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(city) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallCity]:
    opened = await open_small_city(tmp_path_factory.mktemp("shared") / "data", lamps=60)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shared_page(shared_city: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(shared_city) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, city: SmallCity) -> str:
    """Open a session; the CSRF token its pages carry."""
    answer = await client.post(
        "/sign-in", data={"token": city.admin, "next": "/system"}, headers={"origin": HERE}
    )
    assert 303 == answer.status_code
    assert "/system" == answer.headers["location"]
    shown = (await client.get("/system")).text
    return shown.partition('data-csrf="')[2].partition('"')[0]
