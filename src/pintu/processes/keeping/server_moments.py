"""Every moment of a city on PostgreSQL: the server's whole files now and then (`pg_basebackup`),
all it writes after them as it writes it (`pg_receivewal`), and back through a server of our own
that lives only until its schemas are dumped.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.address import StoreAddress
from pintu.processes.keeping import server
from pintu.processes.keeping.unpacking import unpack_into

WAL: Final = "wal"
WHOLE: Final = "server-"
READY_S: Final = 600.0
AGAIN_S: Final = 5.0
TOO_SHORT: Final = "recovery ended before configured recovery target was reached"


def slot_of(schema: str) -> str:
    """The slot by which the server keeps for us what we have not fetched."""
    plain = "".join(one if one.isalnum() else "_" for one in schema.lower())
    return f"pintu_keep_{plain}"[:63]


class Receiver:
    """Fetches what the server writes into `folder`, started again when it ends."""

    def __init__(self, address: StoreAddress, folder: Path, schema: str) -> None:
        """`address`: of a role that may replicate; `schema`: of the city."""
        self._address, self._folder, self._slot = address, folder, slot_of(schema)
        self._process: subprocess.Popen[bytes] | None = None
        self._again = 0.0
        self.trouble = ""

    def look(self) -> None:
        """Start it where it does not run; raises nothing, `trouble` says what is wrong."""
        if self._process is not None and self._process.poll() is None:
            self.trouble = ""
            return
        if time.monotonic() < self._again:
            return
        if self._process is not None:
            said = self._process.stderr.read() if self._process.stderr is not None else b""
            self.trouble = " ".join(said.decode("utf-8", "replace").split())[-300:]
        self._again = time.monotonic() + AGAIN_S
        try:
            self._start()
        except (PintuError, OSError) as error:
            self.trouble = getattr(error, "detail", "") or str(error)

    def _start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = server.program("pg_receivewal", 1)
        common = [path, f"--slot={self._slot}", "--no-password"]
        server.run([*common, "--create-slot", "--if-not-exists"], self._address)
        command = [*common, f"--directory={self._folder}", "--synchronous", "--no-loop"]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **server.environment(self._address)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def stop(self) -> None:
        """End it; what came is on the disk."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)


def whole_server(address: StoreAddress, folder: Path, stamp: str) -> str:
    """A copy of the server's files as one folder; its name. It needs nothing beside it to start."""
    name = f"{WHOLE}{stamp}"
    partial = folder / f"{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    command = [server.program("pg_basebackup", 1), f"--pgdata={partial}", "--format=tar"]
    command += ["--compress=1", "--wal-method=fetch", "--checkpoint=fast", "--no-password"]
    server.run(command, address)
    partial.rename(folder / name)
    return name


def forget_before(folder: Path, names: set[str]) -> None:
    """Delete server copies that no backup names any more, and what the server wrote before the
    oldest one left."""
    left = []
    for path in sorted(folder.glob(f"{WHOLE}*")):
        if path.name in names:
            left.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    first = _first_wal(left[0]) if left else ""
    for path in (folder / WAL).glob("*") if first else ():
        if path.name[:24] < first and not path.name.endswith(".history"):
            path.unlink(missing_ok=True)


def _first_wal(whole: Path) -> str:
    """The file of the write-ahead log a copy begins with."""
    with suppress(OSError, tarfile.TarError, KeyError), tarfile.open(whole / "base.tar.gz") as tar:
        label = tar.extractfile("backup_label")
        words = label.read().decode().split("\n")[0] if label is not None else ""
        return words.rpartition("file ")[2].rstrip(")")
    return ""


def moment_dumped(
    folder: Path, whole: str, address: StoreAddress, to_us: int | None, target: Path
) -> tuple[dict[str, Any], bool]:
    """The city's schemas as they were at a moment (None: at the end), as one dump: (what a manifest
    says of it, whether the moment was reached). PintuError when the server's files lead nowhere.
    """
    with tempfile.TemporaryDirectory(prefix="pintu-moment-") as text:
        place = Path(text)
        data = place / "data"
        data.mkdir(mode=0o700)
        for one in sorted((folder / whole).glob("*.tar.gz")):
            with tarfile.open(one) as tar:
                unpack_into(data, tar)
        wal = place / WAL  # the server reads as a user of its own
        shutil.copytree(folder / WAL, wal)
        _own(place)
        reached = True
        try:
            with _running(data, wal, address, to_us) as here:
                return server.dump(here, target), reached
        except _TooShort:
            with _running(data, wal, address, None) as here:
                return server.dump(here, target), False


class _TooShort(Exception):
    """The server wrote nothing after the moment that is wanted."""


def _account() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


def _own(place: Path) -> None:
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "postgres:postgres", str(place)], check=True)


@contextmanager
def _running(
    data: Path, wal: Path, address: StoreAddress, to_us: int | None
) -> Iterator[StoreAddress]:
    """A server on these files, at its moment, open to nobody but this machine's city role."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    version = int((data / "PG_VERSION").read_text("ascii").split(".")[0])
    postgres = _postgres(version)
    _configure(data, wal, address, to_us)
    log = data.parent / "log"
    with log.open("ab") as said:
        command = [*_account(), postgres, "-D", str(data), "-p", str(port)]
        command += [
            "-c",
            f"config_file={data}/postgresql.conf",
            "-c",
            f"hba_file={data}/pg_hba.conf",
        ]
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=data.parent)
    here = replace(
        address, hosts=(("127.0.0.1", port),), sslmode="disable",
        sslrootcert=None, sslcert=None, sslkey=None,
    )  # fmt: skip
    try:
        _wait(process, here, log)
        yield here
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)


def _postgres(version: int) -> str:
    """The server's own program, of the very version that wrote the files."""
    dump = Path(server.program("pg_dump", version)).resolve().parent
    found = [Path(f"/usr/lib/postgresql/{version}/bin/postgres"), dump / "postgres"]
    for one in found:
        if one.exists():
            return str(one)
    get = f"apt-get install postgresql-{version}"
    wrong = f"A moment of PostgreSQL {version} is found by a server of that version: {get}"
    raise ConfigurationError([wrong])


def _configure(data: Path, wal: Path, address: StoreAddress, to_us: int | None) -> None:
    (data / "postgresql.auto.conf").write_text("", "utf-8")
    fetch = f'cp "{wal}/%f" "%p" 2>/dev/null || cp "{wal}/%f.partial" "%p"'
    lines = [
        "listen_addresses = '127.0.0.1'",
        "unix_socket_directories = ''",
        "hot_standby = off",
        "archive_mode = off",
        "max_wal_senders = 0",
        "fsync = off",  # it is thrown away
        f"restore_command = '{fetch}'",
        "recovery_target_action = 'promote'",
    ]
    if to_us is not None:
        when = datetime.fromtimestamp(to_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        lines.append(f"recovery_target_time = '{when}'")
    (data / "postgresql.conf").write_text("\n".join(lines) + "\n", "utf-8")
    hba = f"host all {_quoted(address.user or getpass.getuser())} 127.0.0.1/32 scram-sha-256\n"
    (data / "pg_hba.conf").write_text(hba, "utf-8")
    (data / "recovery.signal").touch()
    for name in ("standby.signal", "postmaster.pid"):
        (data / name).unlink(missing_ok=True)
    _own(data)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _wait(process: subprocess.Popen[bytes], here: StoreAddress, log: Path) -> None:
    import psycopg

    until = time.monotonic() + READY_S
    while True:
        if process.poll() is not None:
            said = log.read_text("utf-8", "replace")
            if TOO_SHORT in said:
                log.write_text("", "utf-8")
                raise _TooShort
            lines = [one for one in said.splitlines() if "FATAL" in one] or said.splitlines()[-1:]
            raise PintuError(f"The server's files lead to no moment: {' '.join(lines[-2:])}")
        with suppress(psycopg.OperationalError):
            told = here.for_sqlalchemy()[1]
            psycopg.connect(**told).close()
            return
        if time.monotonic() > until:
            raise PintuError("The server of that moment did not become ready in ten minutes")
        time.sleep(0.1)
