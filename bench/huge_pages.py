"""What huge pages give a PostgreSQL server: `sudo python -m bench.huge_pages [--rows 1000000]`.

A private server with 2 GB of shared buffers holds rows of the size of an entity; twenty of them
that lie anywhere are read at once, with huge pages and without, in turns. Printed: CPU µs of the
server for twenty rows. Needs root, for huge pages are reserved of the machine and given back.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.processes import server_cpu_s

RESERVE: Final = Path("/proc/sys/vm/nr_hugepages")
BUFFERS_MB: Final = 2_000
TURNS: Final = 3
READ: Final = "SELECT e.body FROM unnest(%s::bigint[]) r(n) JOIN entity e ON e.n = r.n"
MADE: Final = """
CREATE TABLE entity(n bigint PRIMARY KEY, body bytea NOT NULL);
INSERT INTO entity SELECT n, convert_to(repeat(md5(n::text), 20), 'UTF8')
FROM generate_series(1, {rows}) n;
CREATE EXTENSION pg_prewarm;
VACUUM (FREEZE, ANALYZE) entity
"""


@contextlib.contextmanager
def reserved(pages: int) -> Iterator[None]:
    """So many huge pages of 2 MB; RuntimeError when the machine has them not."""
    before = RESERVE.read_text()
    RESERVE.write_text(str(pages))
    try:
        if int(RESERVE.read_text()) < pages:
            raise RuntimeError(f"There is no room for {pages} huge pages of 2 MB")
        yield
    finally:
        RESERVE.write_text(before)


def cost_us(server: Any, rows: int, reads: int, seed: int) -> float:
    """CPU µs of the server for twenty rows read at once."""
    dice = random.Random(seed)
    with server.connect("city") as connection:
        for name in ("entity", "entity_pkey"):
            connection.execute("SELECT pg_prewarm(%s::regclass)", (name,))
        before = server_cpu_s(server.process.pid)
        for _ in range(reads):
            wanted = [dice.randrange(rows) + 1 for _ in range(20)]
            connection.execute(READ, (wanted,), prepare=True).fetchall()
        return (server_cpu_s(server.process.pid) - before) * 1e6 / reads


def run(rows: int, reads: int) -> dict[str, float]:
    """Median of the turns, by setting."""
    from tests.real_databases import postgres

    found: dict[str, list[float]] = {"off": [], "on": []}
    settings = {"shared_buffers": f"{BUFFERS_MB}MB", "max_wal_size": "4GB", "huge_pages": "off"}
    with postgres(settings=settings) as server:
        server.run("CREATE DATABASE city")
        for one in MADE.format(rows=rows).split(";"):
            server.run(one, database="city")
        for turn in range(TURNS):
            for setting, pages in (("off", 0), ("on", BUFFERS_MB // 2 + 100)):
                server.stop()
                told = [*server.command]
                at = next(i for i, word in enumerate(told) if word.startswith("huge_pages="))
                server.command = [*told[:at], f"huge_pages={setting}", *told[at + 1 :]]
                with reserved(pages):
                    server.start()
                    found[setting].append(cost_us(server, rows, reads, turn))
                    server.stop()
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> int:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=5_000)
    asked = parser.parse_args()
    if os.getuid() != 0:
        print("Huge pages are reserved by root: sudo python -m bench.huge_pages")
        return 2
    found = run(asked.rows, asked.reads)
    print(f"twenty rows of {asked.rows:,}: {found['off']:.0f} µs of the server's CPU,"
          f" with huge pages {found['on']:.0f} (×{found['on'] / found['off']:.2f})")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
