"""One process's way to the PostgreSQL that keeps its private tables: a few connections for all of
them, and one that hears what others commit."""

from __future__ import annotations

import contextlib
import logging
import threading
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.tables.dialect import URL
from pintu.kernel.tables.door import VERSIONS, Place
from pintu.kernel.tables.failures import RETRY_S, lost, sentence, translated

if TYPE_CHECKING:
    from pintu.kernel.store.address import StoreAddress

log = logging.getLogger("pintu.tables")

CHANNEL: Final = "pintu_tables"
POOLED, MOST = 2, 6
PATIENCE_S: Final = 10.0  # for a free connection, and for another's write to end
LOOK_S: Final = 0.5  # between two attempts to reach a server that is away
NAME_BYTES: Final = 63
SESSION: Final = "-c idle_in_transaction_session_timeout=60s -c jit=off -c client_encoding=UTF8"
KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""A server that vanished without a word is noticed within half a minute."""


def schema_name(city: str, place: str, name: str) -> str:
    """The schema of one set of private tables; PostgreSQL cuts names, so a long one ends in what
    it would have been."""
    whole = f"{city}_{place}_{name}"
    if len(whole.encode()) <= NAME_BYTES:
        return whole
    mark = blake2b(whole.encode(), digest_size=6).hexdigest()
    return whole.encode()[: NAME_BYTES - 13].decode("utf-8", "ignore") + "_" + mark


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


class TableServer:
    """Connections that begin and commit themselves, shared by every set of tables of a process.

    While the server is away one thread looks for it; until then `begin` fails at once unless it is
    told to wait.
    """

    def __init__(self, address: StoreAddress, called: str = "") -> None:
        """`called`: how its sessions on the server are, for whoever must end them."""
        self._called = f"{called} tables" if called else ""
        self.city = address.schema
        self.address = address
        self.engine: Engine = create_engine(
            URL,
            creator=self._connect,
            pool_size=POOLED,
            max_overflow=MOST - POOLED,
            pool_timeout=PATIENCE_S,
            pool_use_lifo=True,
            use_native_hstore=False,
        )
        self._lock = threading.Lock()
        self._commits: dict[str, int] = {}
        self._hearing: psycopg.Connection[Any] | None = None
        self._looking: threading.Thread | None = None
        self._away = ""
        self._here = threading.Event()  # set while the server is not known to be away
        self._here.set()
        self._turning = threading.Lock()
        self._closing = threading.Event()

    def schema(self, place: Place, name: str) -> str:
        """Where one set of private tables of this city lies."""
        return schema_name(self.city, place, name)

    def _connect(self) -> psycopg.Connection[Any]:
        told = self.address.for_sqlalchemy()[1]
        if self._called:
            told["application_name"] = self._called
        told["options"] += f" -c lock_timeout={PATIENCE_S:.0f}s {SESSION}"
        return psycopg.connect(
            **told,
            **KEEPALIVE,
            autocommit=True,  # BEGIN and COMMIT are ours: one round trip begins everything
            prepare_threshold=None,  # one text may mean tables of several schemas
        )

    # --- transactions -----------------------------------------------------------------------------
    def begin(self, name: str, statement: str, wait_s: float = 0.0) -> Connection:
        """A connection that has done `statement` (a BEGIN and what belongs to it); a stale one is
        replaced. Raises Unavailable when the server stays away for `wait_s`.
        """
        until = monotonic() + wait_s
        fresh = False
        while True:
            if not self._here.is_set():
                self._wait(name, until)
            try:
                return self._begun(statement)
            except (DBAPIError, psycopg.Error) as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                if not lost(cause):
                    raise translated(name, cause) or error from error
                self.engine.dispose()  # the others of the pool will not be better
                if fresh:
                    self.missed(cause)
                    if monotonic() >= until or self._closing.is_set():
                        raise translated(name, cause) or error from error
                fresh = True
            except NoConnection as error:
                raise Unavailable(
                    f"The tables of {name} are not available: {MOST} others are being used",
                    retry_after=RETRY_S,
                ) from error

    def _begun(self, statement: str) -> Connection:
        connection = self.engine.connect()
        try:
            connection.begin()
            driver(connection).execute(statement.encode())
        except BaseException:
            with contextlib.suppress(SQLAlchemyError, psycopg.Error):
                connection.invalidate()
            connection.close()
            raise
        return connection

    def _wait(self, name: str, until: float) -> None:
        while not self._closing.is_set() and (left := until - monotonic()) > 0:
            if self._here.wait(min(left, LOOK_S)):
                return
        raise Unavailable(f"The tables of {name} are away: {self._away}", retry_after=RETRY_S)

    def settle(self, name: str, schema: str, number: int, transaction: str) -> bool:
        """Whether a transaction whose COMMIT got no answer is in, asked once the server is back.

        Raises Unavailable when it does not come back soon or does not know.
        """
        asked = f"SELECT commits FROM {quoted(schema)}.{VERSIONS}"
        until = monotonic() + PATIENCE_S
        while True:
            connection = self.begin(name, "BEGIN", max(0.0, until - monotonic()))
            try:
                row = driver(connection).execute(asked.encode()).fetchone()
                if row is None or row[0] < number:
                    return False
                status = f"SELECT pg_xact_status('{int(transaction)}'::xid8)"
                found = driver(connection).execute(status.encode()).fetchone()
            except psycopg.Error as error:
                raise translated(name, error) or error from error
            finally:
                connection.close()
            if found is not None and found[0] in ("committed", "aborted"):
                return bool(found[0] == "committed")
            if monotonic() > until:
                raise Unavailable(
                    f"Nobody can say whether the last change of {name} was kept: look before "
                    "doing it again",
                    retry_after=RETRY_S,
                )
            self._closing.wait(0.1)  # it may still be committing on the other side

    # --- what others commit -----------------------------------------------------------------------
    def commits(self, schema: str) -> int:
        """How often a schema was written to, as far as this process heard: what it committed itself
        at once, others' as soon as the server told. Waits for nothing but the very first time.
        """
        with self._lock:
            hearing = self._hearing
            if hearing is None:
                if not self._here.is_set() or self._closing.is_set():
                    return self._commits.get(schema, 0)
                self._commits.setdefault(schema, 0)
            try:
                if hearing is None:
                    hearing, said = self._listen([*self._commits])
                    self._hearing = hearing
                    self._commits.update(said)
                elif schema not in self._commits:
                    self._commits[schema] = _asked(hearing, schema)
                self._drain(hearing)
            except psycopg.Error as error:
                self._deaf()
                self.missed(error)
            return self._commits.get(schema, 0)

    def committed(self, schema: str, number: int) -> None:
        """Note a commit of this process."""
        with self._lock:
            if schema in self._commits:
                self._commits[schema] = max(number, self._commits[schema])

    def _listen(self, schemas: list[str]) -> tuple[psycopg.Connection[Any], dict[str, int]]:
        """A connection that is told of commits, and what it missed until now."""
        connection = self._connect()
        try:
            connection.execute(f"LISTEN {CHANNEL}")
            return connection, {schema: _asked(connection, schema) for schema in schemas}
        except BaseException:
            connection.close()
            raise

    def _drain(self, connection: psycopg.Connection[Any]) -> None:
        connection.pgconn.consume_input()  # takes what has arrived and never waits
        while (said := connection.pgconn.notifies()) is not None:
            schema, _, number = said.extra.decode().rpartition(" ")
            if schema in self._commits:
                self._commits[schema] = max(int(number), self._commits[schema])

    def _deaf(self) -> None:
        if self._hearing is not None:
            with contextlib.suppress(psycopg.Error):
                self._hearing.close()
            self._hearing = None

    # --- what is there ----------------------------------------------------------------------------
    def list_places(self, name: str = "%") -> list[tuple[Place, str]]:
        """(place, name) of every schema of private tables of this city, sorted."""
        connection = self.begin("the city", "BEGIN READ ONLY")
        try:
            raw = driver(connection)
            schemas = raw.execute(
                "SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
                " WHERE relname = %s AND starts_with(nspname, %s)",
                (VERSIONS, f"{self.city}_"[:NAME_BYTES]),
            ).fetchall()
            found = []
            for (schema,) in schemas:
                asked = f"SELECT place, name FROM {quoted(schema)}.{VERSIONS}"
                for place, one in raw.execute(asked.encode()).fetchall():
                    # Another city's name may begin like ours.
                    if schema_name(self.city, place, one) == schema and name in ("%", one):
                        found.append((place, one))
            return sorted(found)
        except psycopg.Error as error:
            raise translated("the city", error) or error from error
        finally:
            connection.close()

    def versions(self) -> dict[str, int]:
        """Schema → version of the private tables of rooms and pieces, asked at once: a start need
        not ask each. None are told where they cannot be read together."""
        begins = [f"{self.city}_{place}_"[: NAME_BYTES - 13] for place in ("rooms", "pieces")]
        connection = self.begin("the city", "BEGIN READ ONLY")
        try:
            raw = driver(connection)
            schemas = raw.execute(
                "SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
                " WHERE relname = %s AND (starts_with(nspname, %s) OR starts_with(nspname, %s))"
                " AND has_schema_privilege(n.oid, 'USAGE')"
                " AND has_table_privilege(c.oid, 'SELECT') LIMIT 500",
                (VERSIONS, *begins),
            ).fetchall()
            if not schemas:
                return {}
            each = [f"SELECT version FROM {quoted(schema)}.{VERSIONS}" for (schema,) in schemas]
            asked = "SELECT " + ", ".join(f"({one})" for one in each)
            found = raw.execute(asked.encode()).fetchone()
            return {
                schema: version
                for (schema,), version in zip(schemas, found, strict=True)
                if version is not None
            }
        except psycopg.Error:  # one of them went in between: each is asked when it is opened
            return {}
        finally:
            connection.close()

    # --- away and back ----------------------------------------------------------------------------
    def missed(self, error: BaseException | None) -> None:
        """The server does not answer: look for it in a thread until it does."""
        with self._turning:  # several threads notice at once; one looks
            if self._closing.is_set() or not self._here.is_set():
                return
            self._away = sentence(error)
            self._here.clear()
            self._looking = threading.Thread(target=self._look, name="tables-look", daemon=True)
            self._looking.start()
        log.warning("The server of private tables is away: %s", self._away)

    def _look(self) -> None:
        while not self._closing.wait(LOOK_S):
            with self._lock:
                self._deaf()
                schemas = [*self._commits]
            try:
                hearing, said = self._listen(schemas)
            except (psycopg.Error, PintuError) as error:
                self._away = sentence(error)
                continue
            with self._lock:
                self._deaf()
                self._hearing = hearing
                self._commits.update(said)
            log.warning("The server of private tables is back")
            self._here.set()
            return

    def closing(self) -> None:
        """Let nobody wait any longer for a server that is away."""
        self._closing.set()

    def close(self) -> None:
        """Let go of every connection."""
        self._closing.set()
        looking = self._looking
        if looking is not None:
            looking.join()
        with self._lock:
            self._deaf()
        self.engine.dispose()


def driver(connection: Connection) -> Any:
    """psycopg's own connection under SQLAlchemy's."""
    return connection.connection.driver_connection


def _asked(connection: psycopg.Connection[Any], schema: str) -> int:
    try:
        asked = f"SELECT commits FROM {quoted(schema)}.{VERSIONS}"
        row = connection.execute(asked.encode()).fetchone()
    except psycopg.errors.UndefinedTable:  # nothing was ever kept there
        return 0
    return 0 if row is None else int(row[0])
