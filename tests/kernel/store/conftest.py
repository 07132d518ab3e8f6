"""The stores under test: every truth in this folder is asked of each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Keep, Put, Record, Remove
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op, Page, Store, settled

Doc = dict[str, Any]


def lamp(number: int, **attributes: Any) -> Doc:
    """A stored document with a power, a voltage and a place, unless said otherwise."""
    doc: Doc = {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": "Lamp",
        "power": {"type": "Property", "value": number},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120 + number / 1000, 30.0]},
        },
    }
    for name, value in attributes.items():
        doc[name] = (
            value
            if isinstance(value, (dict, list)) or name in ("type", "expiresAt")
            else {"type": "Property", "value": value}
        )
    return doc


def create(doc: Doc, tenant: int = 1) -> Op:
    """Store a document that must be new."""
    return Op(tenant, doc["id"], fresh=Put(doc, "created"))


def put(doc: Doc, tenant: int = 1) -> Op:
    """Create or replace."""

    def transform(record: Record | None, now: int) -> Put:
        return Put(doc, "created" if record is None else "replaced")

    return Op(tenant, doc["id"], transform)


def update(id: str, tenant: int = 1, /, **attributes: Any) -> Op:
    """Write some attributes, or delete those that are None."""

    def transform(record: Record | None, now: int) -> Put | Keep:
        if record is None:
            return Keep("absent")
        doc = orjson.loads(record.body)
        for name, value in attributes.items():
            if value is None:
                doc.pop(name, None)
            else:
                doc[name] = (
                    value
                    if isinstance(value, (dict, list))
                    else {"type": "Property", "value": value}
                )
        return Put(doc, "updated", tuple(attributes))

    return Op(tenant, id, transform)


def delete(id: str, tenant: int = 1) -> Op:
    """Delete the entity."""
    return Op(tenant, id, lambda record, now: Remove("gone"))


async def page(store: Store, /, **wanted: Any) -> Page:
    """Ask for a selection and wait where that is needed."""
    return await settled(store.select(Selection(tenant=wanted.pop("tenant", 1), **wanted)))


async def stored(store: Store, id: str, tenant: int = 1) -> Record:
    """The record of an entity that is there."""
    record = await settled(store.retrieve(tenant, id))
    assert isinstance(record, Record)
    return record


async def ids(store: Store, /, **wanted: Any) -> list[int]:
    """The numbers of the lamps a selection finds, sorted."""
    found = await page(store, limit=wanted.pop("limit", 1000), **wanted)
    return sorted(int(record.id.rsplit(":", 1)[1]) for record in found.records)


Opening = Callable[[], Awaitable[Store]]
"""How to open the one store of a test, again and again."""


@pytest.fixture
def opening(stores: str, tmp_path: Path) -> Opening:
    """The city of one test, on each store."""
    return lambda: open_store(stores, tmp_path, clock=CityClock())


@pytest.fixture
async def store(opening: Opening) -> AsyncIterator[Store]:
    """An empty store."""
    made = await opening()
    yield made
    await made.close()
