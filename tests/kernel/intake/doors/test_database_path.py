"""The whole way of a department's rows: its database, the door, the loop, a table data set; with
every process on the way killed."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.intake.doors.secrets import write_secret
from tests.kernel.intake.doors.database_sources import SYSTEMS, fresh
from tests.real_databases import PASSWORD, Server, mariadb, postgres

CHILD = Path(__file__).with_name("database_child.py")
ROOT = Path(__file__).resolve().parents[4]
ROWS = 40_000
COLUMNS = [
    {"name": "id", "kind": "whole", "key": True},
    {"name": "name", "kind": "text"},
    {"name": "v", "kind": "number"},
]
FIELDS = [
    {"to": "id", "from": "id", "kind": "whole", "key": True},
    {"to": "name", "from": "name"},
    {"to": "v", "from": "v", "kind": "number"},
]


class City:
    """A data folder, and the loads process over it."""

    def __init__(self, data: Path, server: Server, **told: Any) -> None:
        self.data = data
        settings = {
            "system": SYSTEMS[server.name],
            "host": "127.0.0.1",
            "port": server.port,
            "database": "city",
            "user": "owner",
            "table": "t",
        }
        saved = Configuration(data / "config", CityClock())
        mapping = {"target": "table", "data_set": "rows", "fields": FIELDS, "zone": "UTC"}
        saved.save("datasets", "rows", {"provider": "table", "columns": COLUMNS}, by="test")
        saved.save("mappings", "rows", mapping, by="test")
        source = {"door": "database", "mappings": ["rows"], "settings": settings | told}
        saved.save("sources", "department", source, by="test")
        write_secret(data, "department", PASSWORD)
        self.process: subprocess.Popen[bytes] | None = None
        self.lives = 0

    def start(self) -> None:
        """A life of the loads process."""
        self.lives += 1
        with (self.data / f"loads-{self.lives}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), str(self.data)], stdout=log, stderr=log, cwd=ROOT
            )

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def rows(self) -> dict[int, tuple[str, float]]:
        """What has landed and is there."""
        file = self.data / "datasets" / "rows.db"
        if not file.exists():
            return {}
        with closing(sqlite3.connect(file)) as connection:
            try:
                found = connection.execute(
                    "SELECT id, name, v FROM rows WHERE _removed IS NULL"
                ).fetchall()
            except sqlite3.OperationalError:
                return {}
        assert len(found) == len({one[0] for one in found})
        return {one[0]: (one[1], one[2]) for one in found}

    def said(self) -> str:
        """What the lives wrote, for the reason of a failure."""
        return "\n".join(one.read_text("utf-8")[-500:] for one in self.data.glob("loads-*.log"))


async def until(holds: Callable[[], object], timeout_s: float, city: City) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{len(city.rows())} rows; {city.said()}"
        await asyncio.sleep(0.05)


def filled(server: Server) -> None:
    """A table of many rows."""
    made = "CREATE TABLE t (id int PRIMARY KEY, name varchar(40), v decimal(10, 2), at timestamp)"
    fresh(server, made, "CREATE INDEX by_at ON t (at)")
    series = (
        f"generate_series(1, {ROWS}) i"
        if server.name == "postgres"
        else f"(SELECT seq AS i FROM seq_1_to_{ROWS}) s"
    )
    name = "'站' || i" if server.name == "postgres" else "concat('站', i)"
    old = "'2026-01-31 00:00:00'"
    server.run(f"INSERT INTO t SELECT i, {name}, i / 4.0, {old} FROM {series}", database="city")


@pytest.mark.slow
@pytest.mark.parametrize("start", [postgres, mariadb])
async def test_killed_on_every_side_nothing_is_lost_or_doubled(start: Any, tmp_path: Path) -> None:
    """kill -9 of the database and of the loads process at random moments of the first load: at the
    end every row is there once, with its values; a change afterwards comes too."""
    chance = random.Random(20_261_122)
    with start() as server:
        filled(server)
        city = City(
            tmp_path, server, follow="time", column="at", rows_per_second=12_000, page_rows=1_000
        )
        city.start()
        try:
            for turn in range(4):
                reached = len(city.rows()) + chance.randrange(2_000, 7_000)
                await until(lambda reached=reached: len(city.rows()) >= reached, 60, city)  # type: ignore[misc]
                if turn % 2:
                    city.kill()
                    city.start()
                else:
                    server.kill()
                    await asyncio.sleep(chance.random())
                    server.start()
            await until(lambda: len(city.rows()) >= ROWS, 90, city)
            expected = {one: (f"站{one}", one / 4) for one in range(1, ROWS + 1)}
            assert expected == city.rows()
            now = "timezone('UTC', now())" if server.name == "postgres" else "utc_timestamp()"
            server.run(
                f"UPDATE t SET v = -1, at = {now} WHERE id = 77",
                f"INSERT INTO t VALUES (99999, 'new', 5, {now})",
                database="city",
            )
            wanted = expected | {77: ("站77", -1.0), 99_999: ("new", 5.0)}
            await until(lambda: city.rows() == wanted, 30, city)
        finally:
            city.kill()


@pytest.mark.slow
async def test_replicated_deletes_leave_the_data_set(tmp_path: Path) -> None:
    """With a slot, what the department inserts, changes and deletes is so in the data set, also
    when the loads process was dead in between; the slot holds nothing back in the end."""
    with postgres(wal="logical") as server:
        filled(server)
        server.run(
            "CREATE PUBLICATION pub FOR TABLE t",
            "SELECT pg_create_logical_replication_slot('pintu', 'pgoutput')",
            database="city",
        )
        city = City(
            tmp_path, server, follow="replication", slot="pintu", publication="pub", every_s=0.3
        )
        city.start()
        try:
            await until(lambda: len(city.rows()) >= ROWS, 60, city)
            city.kill()
            server.run(
                "DELETE FROM t WHERE id <= 1000",
                "UPDATE t SET name = 'changed' WHERE id = 2000",
                "INSERT INTO t VALUES (50001, 'new', 1, NULL)",
                database="city",
            )
            city.start()
            expected = {one: (f"站{one}", one / 4) for one in range(1001, ROWS + 1)}
            expected |= {2000: ("changed", 500.0), 50_001: ("new", 1.0)}
            await until(lambda: city.rows() == expected, 40, city)
            held = (
                "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)"
                " FROM pg_replication_slots"
            )
            server.run("UPDATE t SET v = 0 WHERE id = 3000", database="city")
            await until(lambda: city.rows()[3000][1] == 0, 30, city)
            await until(lambda: server.ask(held)[0][0] < 1_000_000, 30, city)
        finally:
            city.kill()
