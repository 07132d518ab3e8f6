"""Entities whose end has passed are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pintu.kernel.clock import CityClock
from pintu.kernel.context import write
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op, Store, settled
from pintu.kernel.timers.expiry import Expiry
from tests.postgres import address_for

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = await open_store(address_for(tmp_path), tmp_path, clock=CityClock())
    yield opened
    await opened.close()


def lamp(number: int, **more: Any) -> dict[str, Any]:
    """A lamp."""
    return {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", **more}


async def test_what_is_over_is_deleted_and_nothing_else(store: Store) -> None:
    """An entity without an end, and one whose end is to come, stay."""
    lamps = [
        lamp(1, expiresAt="2020-01-01T00:00:00Z"),
        lamp(2, expiresAt="2999-01-01T00:00:00Z"),
        lamp(3),
    ]
    await store.submit([Op(1, one["id"], None, write.create(one)) for one in lamps])
    assert 1 == await Expiry(store, CityClock()).sweep()
    there = [await settled(store.retrieve(1, one["id"])) for one in lamps]
    assert [False, True, True] == [one is not None for one in there]
    assert 0 == await Expiry(store, CityClock()).sweep()


async def test_the_log_says_who_deleted_it(store: Store) -> None:
    """It was nobody's deed: it was over."""
    one = lamp(1, expiresAt="2020-01-01T00:00:00Z")
    await store.submit([Op(1, one["id"], None, write.create(one))], "somebody")
    await Expiry(store, CityClock()).sweep()
    rows = await settled(store.history(1, one["id"]))
    assert [("deleted", "expiry"), ("created", "somebody")] == [(r.verb, r.source) for r in rows]
