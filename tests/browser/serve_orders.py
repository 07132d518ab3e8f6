"""A city with work orders on a port, for browser tests; all made up.

`python -m tests.browser.serve_orders PORT FOLDER`; prints the admin's token.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.web.orders_city import OrdersTown, open_orders_town


async def scene(town: OrdersTown) -> None:
    """A night's queue: critical to low, given, taken, waiting for parts and for proof."""
    for number in (1, 2, 3, 5, 6):
        await town.alarm(number, "open")
    found = {
        1: await town.open(1, "critical"),
        2: await town.open(2, "high"),
        3: await town.open(3, "medium"),
        5: await town.open(5, "low", "inspect"),
        6: await town.open(6, "medium", "pump"),
    }
    told = await town.orders.open_order(
        "ledger", "demo", "repair_lamp", "urn:ngsi-ld:Streetlight:street_lights:L00007",
        cause="command:4f1c", severity="medium", key="missed", also=("play:12",),
    )  # fmt: skip
    for order in (found[1], found[2], found[3], told):
        await town.orders.deed("demo", order.id, "assign", f"{order.id}-a", crew="lamps-1")
    await town.orders.deed("demo", found[6].id, "assign", "pump-a", crew="pumps-1")
    await town.orders.deed("demo", found[2].id, "confirm", "two-c")
    await town.orders.deed(
        "demo", found[3].id, "suspend", "three-s", "等备件（演示） / no spare part"
    )
    await town.orders.deed("demo", found[6].id, "report", "pump-r", "水泵已开（演示）")


async def serve(port: int, folder: Path) -> None:
    """Until a signal comes."""
    async with open_orders_town(folder) as town:
        await scene(town)
        config = uvicorn.Config(
            town.app,  # type: ignore[arg-type]
            host="127.0.0.1",
            port=port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        print(town.admin, flush=True)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
