"""A server for each adapter, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.web.ngsi_ld.doors import LAMP, Door, open_door
from tests.web.ngsi_ld.foreign import Abroad, open_abroad
from tests.web.ngsi_ld.places import EchoBroker, Place, start


@pytest_asyncio.fixture(params=["lane", "plain"])
async def place(request: Any) -> AsyncIterator[Place]:
    """The echo broker behind each adapter."""
    server, task, found = await start(EchoBroker(), request.param == "lane")
    yield found
    server.should_exit = True
    await task


@pytest_asyncio.fixture
async def lane() -> AsyncIterator[Place]:
    """The echo broker behind the fast lane alone."""
    server, task, found = await start(EchoBroker(), True)
    yield found
    server.should_exit = True
    await task


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A broker over an empty store."""
    async for found in open_door(tmp_path):
        yield found


@pytest_asyncio.fixture
async def abroad(tmp_path: Path) -> AsyncIterator[Abroad]:
    """A broker over an empty store, with registrations at foreign sources."""
    async for found in open_abroad(tmp_path):
        yield found


@pytest.fixture
def lamp() -> dict[str, Any]:
    """A lamp nobody else changes."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(LAMP))
    return found
