"""Two sites for faults of NATS: stores and intakes that are real, a writer that remembers each
acknowledged row, and what must hold of both afterwards."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pintu.kernel.context.record import Remove
from pintu.kernel.context.write import merge, upsert_replace
from pintu.kernel.store.port import Op
from tests.kernel.relay.conftest import Site, until
from tests.nats import NatsServer, ask

PACE_S = 0.002
ENTITIES = 300


@dataclass
class Told:
    """What was acknowledged and what it took."""

    answers: int = 0
    longest_behind: int = 0
    caught_up_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def load(site: Site, tenant: str, told: Told, seed: int) -> None:
    """Write for ever; each answer is counted when the store has given it."""
    chance, number, value = random.Random(seed), await site.store.open_tenant(tenant), 0
    while True:
        value += 1
        id = f"urn:ngsi-ld:Lamp:{chance.randrange(ENTITIES)}"
        attribute = {"type": "Property", "value": value}
        whole = {"id": id, "type": "Lamp", "power": attribute}
        op = Op(number, id, merge({"id": id, "power": attribute}))
        if chance.random() < 0.1 or value < 50:
            op = Op(number, id, upsert_replace(whole))
        elif chance.random() < 0.05:
            op = Op(number, id, lambda record, now: Remove())
        [outcome] = await site.store.submit([op], "token:load")
        told.answers += outcome.error is None and bool(outcome.verb)
        room = site.room
        if room is not None and room.outgoing is not None:
            told.longest_behind = max(told.longest_behind, room.outgoing.behind)
        await asyncio.sleep(PACE_S)


@contextlib.asynccontextmanager
async def two_sites(folder: Path) -> AsyncIterator[tuple[Site, Site]]:
    """Two open cities; relays are the fault's to start."""
    sites = [Site(name, folder / name) for name in ("river", "hill")]
    for one in sites:
        await one.open()
    try:
        yield sites[0], sites[1]
    finally:
        for one in sites:
            await one.close()


def said(rows: list[Any]) -> list[tuple[Any, ...]]:
    """What rows say, but for where and when they stand."""
    return [(one.id, one.types, one.verb, one.changed, one.payload) for one in rows]


async def settle(here: Site, there: Site, tenant: str, copy: str, told: Told) -> None:
    """Wait until the copy has all rows; then hold it row by row against the original."""
    await here.store.submit(())  # behind what was on its way when writing ended
    rows, began = said(await here.rows(tenant)), time.monotonic()
    if len(rows) < told.answers:
        told.wrong.append(f"{here.name}'s log has {len(rows)} of {told.answers} acknowledged rows")

    async def there_now() -> bool:
        return len(await there.rows(copy)) >= len(rows)

    try:
        await until(there_now, 90)
    except AssertionError:
        landed = len(await there.rows(copy))
        told.wrong.append(f"{copy} has {landed} of {len(rows)} rows after 90 s")
    told.caught_up_s = max(told.caught_up_s, time.monotonic() - began)
    await asyncio.sleep(0.5)  # what would come twice comes now
    copied = said(await there.rows(copy))
    if copied != rows:
        pairs = enumerate(zip(rows, copied, strict=False))
        at = next((number for number, (one, other) in pairs if one != other), len(rows))
        told.wrong.append(f"{copy} differs from row {at} on: {copied[at : at + 1]}")
    if await here.hash_of(tenant) != await there.hash_of(copy):
        told.wrong.append(f"{copy} is not equal to {tenant} of {here.name}")


def stream_in_order(server: NatsServer, stream: str) -> list[str]:
    """What is wrong with the order of a stream, message by message: positions must grow."""
    state: Any = ask(server.port, f"$JS.API.STREAM.INFO.{stream}", b"")["state"]
    wrong, before = [], 0
    for sequence in range(state["first_seq"], state["last_seq"] + 1):
        asked = orjson.dumps({"seq": sequence})
        found: Any = ask(server.port, f"$JS.API.STREAM.MSG.GET.{stream}", asked)
        headers = base64.b64decode(found["message"]["hdrs"]).decode()
        position = int(headers.partition("Pintu: ")[2].split()[1])
        part = found["message"]["subject"].endswith(".~")
        if position < before or (position == before and not part):
            wrong.append(f"sequence {sequence} is position {position} after {before}")
        before = position
    return wrong
