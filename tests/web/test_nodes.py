"""The page of neighbours, and what strangers get from the doors of the exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.kernel.exchange.nodes.conftest import Pair, opened
from tests.kernel.exchange.nodes.town import ADMIN, agreed, joined


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    found = await opened(tmp_path)
    yield found
    await found.east.close()
    await found.west.close()


def as_admin(pair: Pair) -> httpx.AsyncClient:
    token = (pair.east.folder / "admin.token").read_text("utf-8").strip()
    return httpx.AsyncClient(
        base_url=pair.east.url, headers={"authorization": f"Bearer {token}"}, trust_env=False
    )


async def test_the_page_shows_who_asks_and_what_flows(pair: Pair) -> None:
    """Who asks is accepted with the fingerprint that was read; then what flows is shown."""
    west = pair.west.nodes
    await west.joining.ask(ADMIN, pair.east.url, fingerprint=pair.east.nodes.own.fingerprint)
    async with as_admin(pair) as client:
        shown = (await client.get("/nodes?lang=en")).text
        assert "asks to join" in shown
        assert west.own.fingerprint in shown
        wrong = await client.post(
            "/nodes/west/decide", data={"deed": "accept", "fingerprint": "0000"}
        )
        assert 400 == wrong.status_code
        told = {"deed": "accept", "fingerprint": west.own.fingerprint}
        done = await client.post("/nodes/west/decide", data=told)
        assert (303, "/nodes?done=joined") == (done.status_code, done.headers["location"])
        await agreed(pair.east, pair.owner, pair.west, pair.asker)
        shown = (await client.get("/nodes?lang=zh-CN")).text
        assert "已互联" in shown
        assert "shots → education@west" in shown


async def test_the_page_is_the_administrators(pair: Pair) -> None:
    """Nobody in particular neither sees neighbours nor decides about them."""
    async with httpx.AsyncClient(base_url=pair.east.url, trust_env=False) as client:
        for path in ("/nodes", "/api/v1/nodes"):
            assert (await client.get(path)).status_code in (401, 403)
        for path in ("/api/v1/nodes", "/api/v1/nodes/rotate", "/api/v1/nodes/invitations"):
            assert (await client.post(path, json={})).status_code in (401, 403)


async def test_strangers_get_the_document_and_nothing_else(pair: Pair) -> None:
    """The document is for anybody; every other door of the exchange asks for a signed call."""
    await joined(pair.west, pair.east)
    routes = [
        route.path_format
        for route in pair.east.server.config.app.application.routes
        if route.path.startswith("/api/v1/exchange/")
    ]
    assert len(routes) > 12
    async with httpx.AsyncClient(base_url=pair.east.url, trust_env=False) as client:
        told = (await client.get("/.well-known/pintu-node")).json()
        assert "east" == told["name"]
        for path in routes:
            if path == "/api/v1/exchange/node":
                continue
            answer = await client.post(path.replace("{id:str}", "ag-x").replace("{id}", "ag-x"),
                                       content=b"{}")  # fmt: skip
            assert answer.status_code in (400, 401, 429), path
            assert "signature" in answer.headers, path
