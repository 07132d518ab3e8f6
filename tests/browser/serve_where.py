"""`python -m tests.browser.serve_where PORT FOLDER`: where time goes, in a crowded city.

Two more cities stand on the ports above it: an empty one, and one whose store does not answer.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvicorn

from pintu.kernel.counting import count
from pintu.kernel.errors import Unavailable
from pintu.kernel.limits.opening import open_limits
from pintu.web.app import build_app
from pintu.web.metrics.sampling import STEPS, Steps
from pintu.web.metrics.screens import Screen
from pintu.web.ngsi_ld.routes import TABLE
from tests.web.small_city import SmallCity, open_small_city


class Stands:
    """Where a sampled broker would be: only its steps are looked at."""

    steps = Steps()


def crowd(city: SmallCity) -> None:
    """Every operation there is, ten hosted counties, twenty learned indexes; all made up."""
    rooms, meter = city.rooms, city.rooms.meter
    names = sorted({one.name for methods in TABLE.values() for one in methods.values()})
    meter.tick()
    for place, name in enumerate(names):
        for took in range(1, 60):
            meter.count(Screen(name, {}), 200 + place % 3, took * (place + 1) / 20_000)
    Stands.steps.requests = 4_217
    for place, name in enumerate(STEPS):
        Stands.steps.spent[name] = 0.1 + place / 9
    meter.sampled = Stands()
    rooms.limits = limits = open_limits(rooms)
    for number in range(10):
        title = {"zh": f"演示县{number}", "en": f"Demo county {number}"}
        told = {"requests_per_s": 50.0, "entities": 10_000 + number, "bytes": 50_000_000}
        content = {"title": title, "limits": told, "suspended": number == 3}
        rooms.configuration.save("tenants", f"county_{number}", content, by="demo")
    limits.look()
    limits.refused.update({"requests_per_s": 912, "entities": 3})
    figures = rooms.store.statistics
    learned = [
        {"types": ("Streetlight",), "tenant": 2, "state": "ready", "path": f"someAttribute{n}",
         "trail": "", "entries": 5_000 * n, "bytes": 90_000 * n, "built": n}
        for n in range(20)
    ]  # fmt: skip
    row: dict[str, list[int]] = figures()["times"]
    for value in range(400):
        count(row["operations"], 1 + value % 30)
        count(row["apply_us"], 400 + value)
    inner: Any = rooms.store
    inner.statistics = lambda: {**figures(), "learned": learned}


def broken(city: SmallCity) -> None:
    """Its store tells nothing of itself."""

    def gone() -> dict[str, Any]:
        raise Unavailable("The store is away")

    inner: Any = city.rooms.store
    inner.statistics = gone


async def serve(port: int, folder: Path) -> None:
    """All three, until a signal comes."""
    serving = []
    for place, look in enumerate((crowd, None, broken)):
        city = await open_small_city(folder / str(place), lamps=3 if look else 0)
        if look is not None:
            look(city)
        config = uvicorn.Config(
            build_app(city.rooms), host="127.0.0.1", port=port + place, log_level="warning"
        )
        if place == 0:
            print(city.admin, flush=True)
        serving.append(asyncio.create_task(uvicorn.Server(config).serve()))
    await asyncio.gather(*serving)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
