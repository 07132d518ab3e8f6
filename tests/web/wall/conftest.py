"""One city and one application for every test of the wall: building them is most of the time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.web.conftest import browser
from tests.web.small_city import SmallCity


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wall_page(shared_city: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(shared_city) as client:
        yield client
