"""A server for each adapter, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

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
