"""One private PostgreSQL with PostGIS for a whole run of tests, and a fresh city in it each test.

The server starts when the first test asks and ends with the run. It does not wait for the disk: a
test of faults starts its own (`tests/real_databases.py`).
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.real_databases import PASSWORD, Server, need, postgres

PORTS = (9840, 9859)
DATABASE = "city"
CHOSEN = "PINTU_TEST_STORE"
"""Environment variable: `postgres` runs the suites that ask one store only on the second one."""

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_locks_per_transaction": "512",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
}
_POSTGIS = "/usr/share/postgresql"


class CityServer:
    """The server of a run: starts at the first address asked of it, sweeps what tests left."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._numbers = count(1)
        self._left: queue.Queue[str | None] = queue.Queue()
        self._sweeper: threading.Thread | None = None
        self.server: Server | None = None

    def running(self) -> Server:
        """The server, started when it was not; skips without the programs."""
        if self.server is None:
            need("postgres", "initdb", "postgres")
            if not any(Path(_POSTGIS).glob("*/extension/postgis.control")):
                pytest.skip("postgres is here, its extension PostGIS is not installed")
            first = PORTS[0] + os.getpid() % 15  # two runs that start at once do not want one port
            ports = (first, PORTS[1])
            server = self._open.enter_context(postgres(settings=_SETTINGS, ports=ports))
            server.run(f"CREATE DATABASE {DATABASE}")
            server.run("CREATE EXTENSION postgis", database=DATABASE)
            self.server = server
            self._sweeper = threading.Thread(target=self._sweep, daemon=True)
            self._sweeper.start()
            atexit.register(self.close)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # a run that is told to end
                signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end", 143))
        return self.server

    def address(self, schema: str = "", **more: object) -> str:
        """The address of a city in a schema of its own that nothing made yet; `more` goes into
        the URL."""
        server = self.running()
        schema = schema or f"t{next(self._numbers)}"
        tail = "".join(f"&{name}={value}" for name, value in more.items())
        where = f"owner:{PASSWORD}@127.0.0.1:{server.port}/{DATABASE}"
        return f"postgresql://{where}?schema={schema}{tail}"

    def leave(self, address: str) -> None:
        """Nobody needs this city any more: its schemas go, while other tests run on."""
        self._left.put(schema_of(address))

    def close(self) -> None:
        """End the server and forget it."""
        if self._sweeper is not None:
            self._left.put(None)
            self._sweeper.join(30)
        self._open.close()
        self.server = self._sweeper = None

    def _sweep(self) -> None:
        assert self.server is not None
        with contextlib.closing(self.server.connect(DATABASE)) as connection:
            connection.execute("SET lock_timeout = '2s'")
            connection.execute("SET client_min_messages = error")
            while (schema := self._left.get()) is not None:
                found = connection.execute(
                    "SELECT nspname FROM pg_namespace WHERE nspname = %s OR nspname LIKE %s",
                    (schema, schema.replace("_", r"\_") + r"\_%"),
                ).fetchall()
                for (name,) in found:  # one that a test left open stays: the server goes anyway
                    with contextlib.suppress(Exception):
                        connection.execute(f'DROP SCHEMA "{name}" CASCADE')


SERVER = CityServer()


def schema_of(address: str) -> str:
    """The schema that an address of this module names."""
    return address.partition("schema=")[2].partition("&")[0]


def address_for(folder: Path) -> str:
    """Where the city of a data folder is in this run: `sqlite:`, or with PINTU_TEST_STORE=postgres
    a schema that belongs to the folder, so that opening it again finds the same city."""
    if os.environ.get(CHOSEN, "sqlite") != "postgres":
        return "sqlite:"
    return SERVER.address("f" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16])


@pytest.fixture(scope="session")
def city_server() -> Iterator[CityServer]:
    """The server of this run; nothing is started before it is asked for an address."""
    yield SERVER
    SERVER.close()


@pytest.fixture
def city_address(city_server: CityServer) -> Iterator[str]:
    """The address of a city that does not exist yet, gone after the test."""
    address = city_server.address()
    yield address
    city_server.leave(address)


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, of each sort: `sqlite:` (in the folder the test names), then
    one on PostgreSQL."""
    if request.param == "sqlite":
        return "sqlite:"
    address: str = request.getfixturevalue("city_address")
    return address
