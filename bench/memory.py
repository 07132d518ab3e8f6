"""What a city holds: `python -m bench.memory [--entities 100000]`.

The default city gets exactly so many entities of eight attributes, the last of them one by one;
then single entities are changed and read and queries asked, as in `python -m bench`. Printed at
each step: resident memory of the broker, what every process holds of its own (PSS: shared memory
counts by its share), and both once the city has come to rest. The goal is of the broker with that
many entities, after the rounds and at rest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from bench.box import name_of, pss_mb
from bench.growth import MEMORY_MB as MILLION_MB
from bench.http_ops import MEMORY_MB, City
from bench.measuring import load
from bench.processes import tree
from bench.stores import calm

ONE_BY_ONE: Final = 6_000
ROUNDS: Final = (("patch", 12_000), ("retrieve", 20_000), ("type_q", 12_000), ("near", 8_000))


def held(city: City, when: str) -> dict[str, Any]:
    """What the processes of a city hold now, in MB; printed."""
    shares: dict[str, float] = {}
    for pid in tree(city.process.pid):
        name = name_of(pid)
        shares[name] = shares.get(name, 0.0) + pss_mb(pid)
    found = {"when": when, "broker_mb": city.broker_mb(), "pss_mb": sum(shares.values())}
    told = ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(shares.items()))
    print(
        f"{when:<24} broker {found['broker_mb']:6.0f} MB resident;"
        f" PSS of all {found['pss_mb']:6.0f} MB: {told}",
        flush=True,
    )
    return {**found, "shares_mb": shares}


def run(entities: int, scale: float = 1.0) -> dict[str, Any]:
    """Every step; `broker_mb` is the broker at rest, with exactly so many entities."""
    with tempfile.TemporaryDirectory(prefix="pintu-memory-") as folder:
        city = City(Path(folder) / "data")
        try:
            steps = [held(city, "started, empty")]
            base = {"port": city.port, "token": city.token}
            whole = (entities - ONE_BY_ONE) // 1000
            batches = {**base, "op": "batch_new", "n": whole, "size": 1000, "connections": 2}
            load({**batches, "timeout": 1800})
            steps.append(held(city, "filled by batches"))
            base |= {"connections": 32, "stock": entities, "size": 1}
            load({**base, "op": "create", "n": entities - whole * 1000, "first": whole * 1000})
            load({**base, "op": "type_q", "n": 2_000})  # the index is learned here
            for op, n in ROUNDS:
                load({**base, "op": op, "n": int(n * scale)})
            steps.append(held(city, "after single operations"))
            calm(city)
            steps.append(held(city, "at rest"))
            city.stop()
            city.start()
            calm(city)
            steps.append(held(city, "started again"))
        finally:
            city.stop()
    by_name = {one["when"]: one for one in steps}
    return {
        "entities": entities,
        "steps": steps,
        "worked_mb": by_name["after single operations"]["broker_mb"],
        "broker_mb": by_name["at rest"]["broker_mb"],
        "city_mb": by_name["at rest"]["pss_mb"],
    }


def main() -> int:
    """Measure and print; 1 when the broker holds more than its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    asked = parser.parse_args()
    goal = MEMORY_MB if asked.entities <= 100_000 else MILLION_MB
    found = run(asked.entities)
    kept = "ok" if found["broker_mb"] <= goal else "short"
    print(
        f"broker with exactly {asked.entities:,} entities: {found['broker_mb']:.0f} MB at rest"
        f" ({found['worked_mb']:.0f} right after the rounds; goal {goal})  {kept}"
    )
    return int(kept != "ok")


if __name__ == "__main__":
    sys.exit(main())
