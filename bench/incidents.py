"""What many alarms become, and how soon: out of a blackout, a storm and a broken detector.

`python -m bench.incidents [--quick]`: a city in this process, one store, one intake. A thousand
correlated alarms must be at most five incidents, ten thousand of one broken detector one incident
that says so, held in bounded memory. Beside the time an alarm costs stands the floor of the same
run: intake alone, the room of incidents asleep. Prints a line a figure; 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.measuring import at
from pintu.city import City
from pintu.kernel.clock import iso
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.operations.incidents.room import Incidents
from pintu.settings import Settings

TENANT: Final = "bench"
MANY, FLOOD = 1_000, 10_000
MOST_INCIDENTS: Final = 5
MOST_GROWTH_MB: Final = 120.0
SOON_MS: Final = 500.0
HERE: Final = (120.2, 30.25)
Entity = dict[str, Any]


def alarm(name: str, place: tuple[float, float], **more: Any) -> Entity:
    """An Alert as a detector tells it; `source` is the entity it is about."""
    source = more.pop("source", "")
    at_us = more.pop("at_us", time.time_ns() // 1000)
    values = {
        "category": "streetlight",
        "subCategory": "failed",
        "severity": "high",
        "status": "open",
        "detector": "street_lights/detect",
        "name": f"Failed lamp: {name}",
        "validFrom": {"@type": "DateTime", "@value": iso(at_us)},
    } | more
    told: Entity = {"id": f"urn:ngsi-ld:Alert:bench:{name}", "type": "Alert"}
    told |= {key: {"type": "Property", "value": value} for key, value in values.items()}
    where = {"type": "Point", "coordinates": [round(one, 6) for one in place]}
    told["location"] = {"type": "GeoProperty", "value": where}
    if source:
        told["alertSource"] = {"type": "Relationship", "object": source}
    return told


def moved(east_m: float, north_m: float = 0.0) -> tuple[float, float]:
    """So far from the middle."""
    return HERE[0] + east_m / 96_000, HERE[1] + north_m / 111_320


def linked(id: str, **links: str) -> Entity:
    """A thing that hangs on others."""
    told: Entity = {"id": id, "type": id.split(":")[2]}
    told |= {key: {"type": "Relationship", "object": to} for key, to in links.items()}
    return told


def blackout(dice: random.Random) -> tuple[list[Entity], list[Entity]]:
    """A station fails: its 25 cabinets, and the lamps on them, wide apart, in any order."""
    station = "urn:ngsi-ld:Device:bench:S1"
    cabinets = [f"urn:ngsi-ld:StreetlightControlCabinet:bench:C{n}" for n in range(25)]
    lamps = [f"urn:ngsi-ld:Streetlight:bench:L{n}" for n in range(MANY - 26)]
    things = [linked(station), *(linked(one, refParent=station) for one in cabinets)]
    things += [
        linked(one, refStreetlightControlCabinet=cabinets[n % 25]) for n, one in enumerate(lamps)
    ]
    alarms = [alarm("S1", moved(0), source=station, category="energy", detector="grid/detect")]
    alarms += [alarm(f"C{n}", moved(n * 700), source=one) for n, one in enumerate(cabinets)]
    alarms += [
        alarm(f"L{n}", moved(n % 25 * 700 + n, 400), source=one) for n, one in enumerate(lamps)
    ]
    dice.shuffle(alarms)
    return things, alarms


def storm(dice: random.Random) -> tuple[list[Entity], list[Entity]]:
    """Water in the streets of a quarter, as drains, manholes, lamps and people tell it; nothing
    says what hangs on what."""
    kinds = (
        {"category": "infrastructure", "subCategory": "high_water", "detector": "drains/detect"},
        {"category": "naturalDisaster", "subCategory": "flood", "detector": "levels/detect"},
        {"category": "infrastructure", "subCategory": "overflow", "detector": "manholes/detect"},
        {"category": "weather", "subCategory": "rain", "detector": "weather/detect"},
    )
    alarms = []
    for n in range(MANY):
        place = moved(30_000 + dice.uniform(0, 2_500), dice.uniform(0, 1_500))
        alarms.append(alarm(f"W{n}", place, **dice.choice(kinds), severity="medium"))
    return [], alarms


def broken(dice: random.Random) -> tuple[list[Entity], list[Entity]]:
    """One detector says everything is wrong everywhere."""
    alarms = []
    for n in range(FLOOD):
        place = moved(60_000 + dice.uniform(0, 20_000), dice.uniform(0, 20_000))
        alarms.append(alarm(f"F{n}", place, detector="broken/one", category="security"))
    return [], alarms


class Bench:
    """A city and its room of incidents."""

    def __init__(self, city: City) -> None:
        assert city.rooms.operations is not None and city.rooms.operations.incidents is not None
        self.rooms = city.rooms
        self.room: Incidents = city.rooms.operations.incidents
        self._keys = 0

    async def tell(self, entities: list[Entity], tenant: str = TENANT) -> None:
        """In batches of 250, as collectors hand them over."""
        for begin in range(0, len(entities), 250):
            updates = [Update(one, "upsert") for one in entities[begin : begin + 250]]
            self._keys += 1
            batch = Batch(source="bench", tenant=tenant, key=str(self._keys), updates=updates)
            receipt = await self.rooms.intake.accept(batch)
            assert not receipt.errors, receipt.errors[:3]

    async def scene(
        self, name: str, make: Callable[[random.Random], tuple[list[Entity], list[Entity]]]
    ) -> tuple[int, float, float]:
        """(incidents more than before, µs an alarm, MB more in memory)."""
        things, alarms = make(random.Random(name))
        await self.tell(things)
        await self.room.taker.caught_up()
        before = {one.id for one in await self.room.list_open(TENANT)}
        held, began = _peak_mb(), time.perf_counter()
        await self.tell(alarms)
        await self.room.taker.caught_up()
        took_us = (time.perf_counter() - began) / len(alarms) * 1e6
        opened = [one for one in await self.room.list_open(TENANT) if one.id not in before]
        for one in opened[:8]:
            print(f"    {one.id} {one.name['en']} (grade {one.grade}, {one.confidence:.0%})")
        return len(opened), took_us, _peak_mb() - held

    async def floor(self) -> float:
        """µs an entity that nobody is alarmed by."""
        things = [{**one, "type": "Reading", "id": one["id"].replace("Alert", "Reading")}
                  for one in storm(random.Random(1))[1]]  # fmt: skip
        began = time.perf_counter()
        await self.tell(things)
        return (time.perf_counter() - began) / len(things) * 1e6

    async def soon(self, count: int) -> list[float]:
        """ms from an alert being told to its incident's deed being heard, one at a time."""
        heard = asyncio.Event()
        stop = self.room.journal.listen(lambda deed: heard.set() if deed.verb == "opened" else None)
        times = []
        for n in range(count):
            heard.clear()
            place = moved(-10_000 - n * 2_000)
            began = time.perf_counter()
            await self.tell([alarm(f"Q{n}", place, severity="critical", detector=f"q/{n % 40}")])
            async with asyncio.timeout(10):
                await heard.wait()
            times.append((time.perf_counter() - began) * 1e3)
        stop()
        return times


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def run(folder: Path, quick: bool) -> list[tuple[str, str, bool]]:
    """Every figure as (name, value, whether its bar is held)."""
    city = await City.open(Settings(data=folder, pieces=False))
    try:
        bench = Bench(city)
        floor = await bench.floor()
        lines = [("floor: intake alone", f"{floor:.0f} µs an entity", True)]
        for name, make in (("blackout", blackout), ("storm", storm)):
            count, took, _ = await bench.scene(name, make)
            said = f"{count} incidents of {MANY} alarms, {took:.0f} µs an alarm"
            lines.append((name, said, 0 < count <= MOST_INCIDENTS))
        count, took, more = await bench.scene("broken detector", broken)
        flood = [one for one in await bench.room.list_open(TENANT) if one.flood]
        whole = count == 1 and len(flood) == 1 and flood[0].alarms == FLOOD
        said = f"{count} incident of {FLOOD} alarms, {took:.0f} µs an alarm, +{more:.0f} MB"
        lines.append(("broken detector", said, whole and more <= MOST_GROWTH_MB))
        times = await bench.soon(50 if quick else 400)
        p99 = at(times, 0.99)
        said = f"p50 {at(times, 0.5):.1f} ms, p99 {p99:.1f} ms"
        lines.append(("alert told → incident's deed heard", said, p99 <= SOON_MS))
        return lines
    finally:
        await city.close()


def main() -> int:
    """1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pintu-incidents-") as folder:
        lines = asyncio.run(run(Path(folder), asked.quick))
    for name, said, ok in lines:
        print(f"{name:40} {said:60} {'ok' if ok else 'short'}")
    return int(not all(ok for _, _, ok in lines))


if __name__ == "__main__":
    sys.exit(main())
