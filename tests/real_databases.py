"""Real database servers for the length of a test: PostgreSQL and MariaDB, on loopback, by an
unprivileged user, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pintu.kit.testing import free_port

PORTS = (9920, 9939)
PASSWORD = "demo-password"
_HOMES = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")
_SEARCHED = ":".join([os.environ.get("PATH", ""), *_HOMES, "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str | None:
    """The path of a server's program, also where plain users do not look."""
    return shutil.which(name, path=_SEARCHED)


def need(name: str, *programs: str) -> None:
    """Skip with the reason when a program is missing; PINTU_REQUIRE turns that into a failure."""
    missing = [one for one in programs if program(one) is None]
    if missing:
        pytest.skip(f"{name} is not installed: {', '.join(missing)}")


@cache
def as_plain_user(user: str) -> tuple[str, ...]:
    """Servers refuse to run as root."""
    if os.getuid() != 0:
        return ()
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--")


@dataclass(slots=True)
class Server:
    """One running server. `kill` is kill -9; `start` brings it back on the same data."""

    name: str
    folder: Path
    port: int
    command: Sequence[str]
    user: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start and wait until it answers."""
        log = (self.folder / "server.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*as_plain_user(self.user), *self.command],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                text = (self.folder / "server.log").read_text("utf-8", "replace")
                raise RuntimeError(f"{self.name} ended at its start: {text[-2000:]}")
            with contextlib.suppress(Exception):
                self.connect().close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer")

    def connect(self, database: str = "", user: str = "", password: str = PASSWORD) -> Any:
        """A driver's own connection, committing each statement; the owner's unless a user is
        named."""
        if self.name == "postgres":
            import psycopg

            return psycopg.connect(
                host="127.0.0.1",
                port=self.port,
                user=user or "owner",
                password=password,
                dbname=database or "postgres",
                autocommit=True,
                connect_timeout=5,
            )
        import pymysql

        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user or "owner",
            password=password,
            database=database or None,
            autocommit=True,
        )

    def run(self, *statements: str, database: str = "") -> None:
        """Statements of the owner."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.cursor()
            for one in statements:
                cursor.execute(one)
            cursor.close()

    def ask(self, statement: str, database: str = "") -> list[tuple[Any, ...]]:
        """The rows of one statement of the owner."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            found = [tuple(one) for one in cursor.fetchall()]
            cursor.close()
            return found

    def kill(self) -> None:
        """kill -9 of the whole server, as a power cut for it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end, without waiting for clients."""
        self._end(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        sessions: list[int] = []
        if how == signal.SIGKILL:
            # PostgreSQL's sessions are process groups of their own
            self.process.send_signal(signal.SIGSTOP)
            sessions = children(self.process.pid)
            for pid in sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        # while one of them dies, its memory is still in use, and the next server refuses to start
        until = time.monotonic() + 10
        while any(map(lives, sessions)) and time.monotonic() < until:
            time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2]
    except OSError:
        return False
    return not state.startswith(("Z", "X"))


def children(parent: int) -> list[int]:
    """The processes that a process started, those already gone left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text("utf-8").rpartition(") ")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@contextlib.contextmanager
def _folder(name: str, user: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"pintu-{name}-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        if os.getuid() == 0:
            shutil.chown(folder, user, user)
        yield folder


@contextlib.contextmanager
def postgres(
    *,
    wal: str = "replica",
    tls: bool = False,
    settings: Mapping[str, str] | None = None,
    ports: tuple[int, int] = PORTS,
) -> Iterator[Server]:
    """A PostgreSQL server, encoding UTF8; user `owner` owns it. Sockets of Unix are off; `settings`
    go over those of a small, careful server."""
    need("postgres", "initdb", "postgres")
    with _folder("postgres", "postgres") as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD + "\n", "utf-8")
        secret.chmod(0o644)
        made = [str(program("initdb")), "-D", str(folder / "data"), "-U", "owner"]
        made += ["-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8"]
        _made([*as_plain_user("postgres"), *made, "-N"], folder)
        port = free_port(*ports)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "wal_level": wal,
            "max_wal_senders": "2",
            "max_replication_slots": "4",
            "shared_buffers": "32MB",
            "max_connections": "20",
            "fsync": "on",
        } | ({"ssl": "on"} if tls else {})
        options |= settings or {}
        if tls:
            certificate(folder / "data", "server.crt", "server.key", "postgres")
        command = [str(program("postgres")), "-D", str(folder / "data"), "-p", str(port)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        server = Server("postgres", folder, port, command, "postgres")
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def mariadb(*, tls: bool = False) -> Iterator[Server]:
    """A MariaDB server; user `owner` owns it. Its own defaults are not read."""
    need("mariadb", "mariadbd", "mariadb-install-db")
    with _folder("mariadb", "mysql") as folder:
        data = folder / "data"
        made = [str(program("mariadb-install-db")), "--no-defaults", f"--datadir={data}"]
        made += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        _made([*as_plain_user("mysql"), *made], folder)
        first = folder / "first.sql"
        first.write_text(
            f"CREATE USER owner@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO owner@'127.0.0.1' WITH GRANT OPTION;\n",
            "utf-8",
        )
        first.chmod(0o644)
        bootstrap = [str(program("mariadbd")), "--no-defaults", f"--datadir={data}", "--bootstrap"]
        text = f"FLUSH PRIVILEGES;\n{first.read_text('utf-8')}"
        _made([*as_plain_user("mysql"), *bootstrap], folder, text)
        port = free_port(*PORTS)
        command = [str(program("mariadbd")), "--no-defaults", f"--datadir={data}"]
        command += [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/off.sock"]
        command += ["--innodb-buffer-pool-size=64M", "--skip-name-resolve", "--skip-log-bin"]
        command += ["--character-set-server=utf8mb4", f"--pid-file={folder}/pid"]
        if tls:
            certificate(folder, "server.crt", "server.key", "mysql")
            command += [f"--ssl-cert={folder}/server.crt", f"--ssl-key={folder}/server.key"]
        server = Server("mariadb", folder, port, command, "mysql")
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _made(command: Sequence[str], folder: Path, text: str = "") -> None:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def certificate(folder: Path, certificate: str, key: str, user: str) -> None:
    """A certificate of its own for localhost and 127.0.0.1."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-keyout", str(folder / key), "-out", str(folder / certificate)]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    _made(made, folder)
    (folder / key).chmod(0o600)
    if os.getuid() == 0:
        for one in (certificate, key):
            shutil.chown(folder / one, user, user)


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Server]:
    """One PostgreSQL for the tests of a module that only need tables; logical replication is on."""
    with postgres(wal="logical") as server:
        yield server


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[Server]:
    """One MariaDB for the tests of a module that only need tables."""
    with mariadb() as server:
        yield server
