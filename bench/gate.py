"""What the gate costs: a decision among 100,000 agreements, a retrieve and a page under one.

`python -m bench.gate [--quick]`: decisions are timed in this process; the rest over HTTP against
the installed city, an owner's call and the same call under an agreement (masks, rows, a row of the
log that the answer waits for, its receipt) by turns, with the floor of the run beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from bench.entities import TYPE
from bench.floors import Floors
from bench.http_ops import LISTED_FLOORS_US, City, free_port, wait_ready
from bench.measuring import load, measure
from pintu.city import City as Rooms
from pintu.kernel.access import Act, Actor, Deed, Mask
from pintu.kernel.clock import CityClock
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.gate.compiling import Compiler
from pintu.kernel.exchange.words import Condition, DataSet
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.identity.words import Organisation
from pintu.settings import Settings
from pintu.vocabulary import vocabulary

AGREEMENTS: Final = 100_000
IN_USE: Final = 2_000
"""Agreements that are asked under in turn: what a city of 100,000 uses within some minutes."""

BARS: Final = {"decision": 5.0, "retrieve": 60.0, "page": 1.3}
PURPOSE, REASON = "maintenance", "Repairs of this week"
FIELDS: Final = {
    "activePower": Mask(),
    "powerState": Mask(),
    "illuminanceLevel": Mask(),
    "name": Mask(kind="truncate", keep=4),
    "location": Mask(kind="generalise", step=0.01),
}
LAMPS: Final[dict[str, Any]] = {
    "provider": "context",
    "type": TYPE,
    "owner": "works",
    "columns": [{"name": one, "kind": "point" if one == "location" else "text"} for one in FIELDS],
}


class Shelf:
    """Agreements in force, by id."""

    def __init__(self, known: Iterable[Agreement]) -> None:
        self.known = {one.id: one for one in known}

    def active(self, id: str) -> Agreement | None:
        """The one in force."""
        return self.known.get(id)

    def of_consumer(self, organisation: str) -> list[Agreement]:
        """Nobody asks."""
        return []

    def held(self, agreement: str, rows: int) -> None:
        """Nobody asks for copies back."""

    def listen(self, callback: Callable[[Agreement], None]) -> None:
        """Nothing changes."""

    breaks_a_day = 1_000_000

    async def suspend_for(self, id: str, reason: str) -> None:
        """No limit is gone over."""


def agreed(number: int) -> Agreement:
    """One of many: five fields, some rows, its own consumer."""
    terms = Terms(
        data_set="lamps",
        provider="works",
        consumer=f"org{number % 1000}",
        purpose=PURPOSE,
        basis="law",
        fields=FIELDS,
        where=(Condition("powerState", "=", "on"),),
        limits=Limits(calls_a_minute=0),
    )
    return Agreement(id=f"ag-{number:010d}", version=1, terms=terms, state="active")


def decisions() -> tuple[float, float, float]:
    """µs of CPU: a decision under one of 100,000 agreements, the first under one (it is compiled
    then), an owner's decision; the last without its counter is the thin gate's."""
    gate = ExchangeGate(ThinGate(), Shelf(map(agreed, range(AGREEMENTS))), clock=CityClock())
    lamps = DataSet(name="lamps", provider="context", type=TYPE, owner="works")
    gate.join(
        compiler=Compiler(
            lambda name: lamps, lambda one: one, b"k" * 32, zone="Asia/Shanghai",
            shapes=lambda tenant, kind: {"powerState": "Property"},
        )
    )  # fmt: skip
    chance = random.Random(7)
    calls = []
    for number in chance.sample(range(AGREEMENTS), IN_USE):
        actor = Actor(id=f"token:{number}", organisation=f"org{number % 1000}")
        act = Act(deed=Deed.READ, agreement=f"ag-{number:010d}", purpose=PURPOSE, reason=REASON)
        calls.append((actor, act))
    first = _timed(gate.decide, calls)
    under = min(_timed(gate.decide, calls * 10) for _ in range(5))
    owner = Actor(id="token:o", grants=frozenset({"read:default"}))
    own = min(_timed(gate.decide, [(owner, Act(deed=Deed.READ))] * 20_000) for _ in range(5))
    return under, first, own


def _timed(decide: Callable[[Actor, Act], object], calls: list[tuple[Actor, Act]]) -> float:
    began = time.process_time()
    for actor, act in calls:
        decide(actor, act)
    return (time.process_time() - began) / len(calls) * 1e6


async def prepare(folder: Path) -> tuple[str, str]:
    """An agreement that both sides signed; its id and the token of a service that uses it."""
    city = await Rooms.open(Settings(data=folder, pieces=False))
    rooms: Any = city.rooms
    rooms.configuration.save("datasets", "lamps", LAMPS, by="bench")
    for name in ("works", "school"):
        await rooms.people.create_organisation(Organisation(id=name, name={"en": name}))
    asker = Actor(id="person:a", kind="person", person="a", organisation="school",
                  roles=frozenset({"officer", "owner"}))  # fmt: skip
    owner = Actor(id="person:b", kind="person", person="b", organisation="works",
                  roles=frozenset({"owner"}))  # fmt: skip
    bases = [one for one in vocabulary().code_lists() if one.name == "legalBasis"]
    terms = Terms(
        data_set="lamps",
        provider="works",
        consumer="school",
        purpose=PURPOSE,
        basis=bases[0].codes[0].value,
        fields=FIELDS,
        limits=Limits(calls_a_minute=0),
    )
    asked = await rooms.agreements.request(asker, terms, reason=REASON)
    await rooms.agreements.approve(owner, asked.id)
    await rooms.agreements.sign(asker, asked.id)
    secret, _ = await rooms.identity.create_token(
        "school", frozenset({"read:nowhere"}), organisation="school"
    )
    await city.close()
    lines = f"Pintu-Agreement: {asked.id}\r\nPintu-Purpose: {terms.purpose}"
    return f"{secret}\r\n{lines}\r\nPintu-Reason: {REASON}", asked.id


def served(n: int, entities: int) -> dict[str, float]:
    """µs of CPU of the city for a retrieve and a page of 100, owner's and under an agreement."""
    with tempfile.TemporaryDirectory(prefix="pintu-gate-") as where:
        folder = Path(where) / "data"
        folder.mkdir()
        token, _ = asyncio.run(prepare(folder))
        city = City(folder)
        port = free_port()
        floors = Floors(Path(where), n, port)
        wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 30)
        try:
            return _measured(city, floors, token, (n, entities))
        finally:
            floors.stop()
            city.stop()


def _measured(city: City, floors: Floors, token: str, sizes: tuple[int, int]) -> dict[str, float]:
    n, entities = sizes
    made = {"op": "batch_new", "n": entities // 500, "size": 500, "first": 0}
    load({**made, "port": city.port, "token": city.token, "connections": 2})
    page = {"op": "path", "method": "GET", "path": f"/ngsi-ld/v1/entities?type={TYPE}&limit=100"}
    calls: dict[str, dict[str, Any]] = {
        "retrieve": {"op": "retrieve", "n": n, "stock": entities, "first": 0},
        "page": {**page, "n": n // 2},
    }
    found: dict[str, list[float]] = {"echo": [], "upsert": []}
    for turn in range(5):
        for floor in ("echo", "upsert"):
            found[floor].append(floors.take(floor).cpu_us)
        for name, plan in calls.items():
            for who, secret in (("owner", city.token), ("agreed", token)):
                asked = {**plan, "port": city.port, "token": secret, "seed": turn}
                seen = measure(city.cpu_s, asked)
                if turn:  # the first is for caches to fill
                    found.setdefault(f"{name} {who}", []).append(seen["cpu_us"])
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> int:
    """Print the figures beside their bars; 1 when one is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    under, first, own = decisions()
    rows = [
        (f"decision among {AGREEMENTS:,} agreements", under, BARS["decision"], "µs"),
    ]
    print(f"first decision under an agreement {first:.1f} µs, an owner's {own:.2f} µs")
    found = served(2_000 if quick else 10_000, 5_000)
    scale = found["echo"] / LISTED_FLOORS_US["echo"]
    added = found["retrieve agreed"] - found["retrieve owner"]
    ratio = found["page agreed"] / found["page owner"]
    print(", ".join(f"{name} {time:.1f} µs" for name, time in found.items()))
    rows += [
        ("retrieve under an agreement, added", added, BARS["retrieve"] * scale, "µs"),
        ("page of 100 under an agreement ÷ owner's", ratio, BARS["page"], ""),
    ]
    for name, figure, bar, unit in rows:
        print(f"{name:<45} {figure:8.2f} {unit:<3} ≤ {bar:.2f}  {'ok' if figure <= bar else '!!'}")
    return int(any(figure > bar for _, figure, bar, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
