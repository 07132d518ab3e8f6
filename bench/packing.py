"""What packing costs, CPU a row, by how many rows an entity has in a round.

`python -m bench.packing [--entities 5000] [--store sqlite|postgres]` hands rows of entities of 8
attributes to the transaction that packs them: first what each was created as, then one more row
each, then ten. CPU of the process that packs (of PostgreSQL's own beside it the wall time tells).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import monotonic, process_time

import orjson

from bench.entities import TYPE, entity_id, entity_json
from bench.http_ops import served
from pintu.kernel.analytics.parts import pack_part, parts_of
from pintu.kernel.analytics.rolling import roll_up
from pintu.kernel.analytics.schema import TABLES
from pintu.kernel.store.port import Change
from pintu.kernel.tables import open_tables

BEGIN_US = 1_793_404_800_000_000  # 2026-10-31T00:00:00Z
ROUNDS = (("created", 1), ("one more row", 1), ("ten more rows", 10))


def rows(entities: int, per: int, after: int, last: dict[str, int]) -> list[Change]:
    """So many rows of each entity, as the log would have them behind a position."""
    made = []
    for position in range(after + 1, after + 1 + entities * per):
        number = position % entities
        id, before = entity_id(number), last.get(entity_id(number), 0)
        told = orjson.loads(entity_json(number, position))
        payload = orjson.dumps({"activePower": told["activePower"]} if before else told)
        verb, named = ("updated", ("activePower",)) if before else ("created", None)
        made.append(
            Change(
                position, 1, id, (TYPE,), verb, BEGIN_US + position, "bench", named,  # type: ignore[arg-type]
                payload, before,
            )
        )  # fmt: skip
        last[id] = position
    return made


def packing(entities: int, store: str) -> None:
    """Print a line a round."""
    with tempfile.TemporaryDirectory(prefix="pintu-packing-") as name, served(store) as (there, _):
        tables = open_tables(Path(name), there or "sqlite:")
        opened = tables.register(TABLES)
        after, last = 0, dict[str, int]()
        for what, per in ROUNDS:
            found = rows(entities, per, after, last)
            after = found[-1].position
            cpu_s, wall_s = process_time(), monotonic()
            for part in parts_of(found):
                opened.run_now(lambda c, part=part: pack_part(c, part, roll_up))  # type: ignore[misc]
            cpu_s, wall_s = process_time() - cpu_s, monotonic() - wall_s
            each = 1e6 / len(found)
            print(f"{what:14} CPU {cpu_s * each:6.0f} µs a row, {wall_s * each:6.0f} µs of time")
        tables.close()


def main() -> None:
    """Read what is asked for, print a line a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=5_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    told = parser.parse_args()
    packing(told.entities, told.store)


if __name__ == "__main__":
    main()
