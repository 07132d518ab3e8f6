"""The layout of `deploy/city` on loopback: a real PostgreSQL and NATS with these very files, and a
city between them. What is told otherwise is ports and folders."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pintu.kit.testing import free_port
from tests.nats import NatsServer
from tests.real_databases import Server, _folder, _made, as_plain_user, certificate, need, program

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy" / "city"
PORTS = (9860, 9899)


@dataclass
class Layout:
    """What runs: where the city answers, and as whom to ask it."""

    address: str
    token: str
    data: Path

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request as the administrator."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        made = urllib.request.Request(
            self.address + path, method=method, data=body, headers=headers
        )
        try:
            with urllib.request.urlopen(made, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextlib.contextmanager
def city_layout(folder: Path) -> Iterator[Layout]:
    """PostgreSQL, NATS and a city, until the block ends; skips without the programs."""
    need("postgres", "initdb", "postgres", "psql")
    need("nats", "nats-server")
    data = folder / "city"
    data.mkdir(mode=0o700)
    with _postgres() as server, _nats(folder) as nats:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        pintu = [sys.executable, "-m", "pintu"]
        base = f"postgresql://postgres@127.0.0.1:{server.port}/city"
        said = subprocess.run(
            [*pintu, "init", "--store", base, "--sql", "--data", str(data)],
            capture_output=True, text=True, env=environment, timeout=60, check=True,
        )  # fmt: skip
        script = server.folder / "pintu.sql"
        script.write_text(said.stdout, "utf-8")
        script.chmod(0o644)
        psql = [str(program("psql")), "-h", str(server.folder), "-p", str(server.port)]
        _made(
            [*as_plain_user("postgres"), *psql, "-U", "postgres", "-q", "-d", "postgres",
             "-v", "ON_ERROR_STOP=1", "-f", str(script)],
            server.folder,
        )  # fmt: skip
        yield from _city(folder, (server.port, nats.port), [*pintu, "up"], environment)


def _city(
    folder: Path, ports: tuple[int, int], command: list[str], environment: dict[str, str]
) -> Iterator[Layout]:
    data, port = folder / "city", free_port(*PORTS)
    (folder / "nats.secret").write_text("riverside:demo-password\n")
    (folder / "nats.secret").chmod(0o600)
    told = (DEPLOY / "pintu.toml").read_text("utf-8")
    for old, new in (
        ("@127.0.0.1/city", f"@127.0.0.1:{ports[0]}/city"),
        ("/var/lib/pintu/", f"{data}/"), ("127.0.0.1:4222", f"127.0.0.1:{ports[1]}"),
        ("/etc/pintu/nats", str(folder / "nats.secret")), ("port = 8800", f"port = {port}"),
    ):  # fmt: skip
        assert old in told, old
        told = told.replace(old, new)
    (data / "pintu.toml").write_text(told, "utf-8")
    log = (folder / "city.log").open("w")
    process = subprocess.Popen(
        [*command, "--data", str(data), "--no-pieces"], env=environment, stdout=log, stderr=log
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _until_ready(address, process, folder / "city.log")
        yield Layout(address, (data / "admin.token").read_text().strip(), data)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _until_ready(address: str, process: subprocess.Popen[Any], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(address + "/readyz", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the city is not ready: {log.read_text('utf-8')[-2000:]}")


@contextlib.contextmanager
def _postgres() -> Iterator[Server]:
    with _folder("layout", "postgres") as folder:
        made = [str(program("initdb")), "-D", str(folder / "data"), "-U", "postgres"]
        made += ["-A", "peer", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        _made([*as_plain_user("postgres"), *made], folder)
        certificate(folder, "postgres.pem", "postgres.key", "postgres")
        for name in ("postgresql.conf", "pg_hba.conf"):
            shutil.copy(DEPLOY / name, folder / name)
            (folder / name).chmod(0o644)
        port = free_port(*PORTS)
        options = {
            "data_directory": f"{folder}/data", "ident_file": f"{folder}/data/pg_ident.conf",
            "hba_file": f"{folder}/pg_hba.conf",
            "unix_socket_directories": str(folder), "port": str(port),
            "ssl_cert_file": f"{folder}/postgres.pem", "ssl_key_file": f"{folder}/postgres.key",
        }  # fmt: skip
        command = [str(program("postgres")), f"--config-file={folder}/postgresql.conf"]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        server = _Peer("postgres", folder, port, command, "postgres")
        try:
            server.start()
            yield server
        finally:
            server.stop()


class _Peer(Server):
    """Answers `postgres` over its socket alone, as pg_hba.conf says: ask whether it listens."""

    def connect(self, database: str = "", user: str = "", password: str = "") -> Any:
        ready = subprocess.run(
            [str(program("pg_isready")), "-q", "-h", str(self.folder), "-p", str(self.port)],
            check=False,
        )
        if ready.returncode:
            raise OSError("not yet")
        return io.BytesIO()


@contextlib.contextmanager
def _nats(folder: Path) -> Iterator[NatsServer]:
    told = (DEPLOY / "nats.conf").read_text("utf-8")
    port, http = free_port(*PORTS), free_port(PORTS[0] + 5, PORTS[1])
    for old, new in (
        ("127.0.0.1:4222", f"127.0.0.1:{port}"), ("127.0.0.1:8222", f"127.0.0.1:{http}"),
        ("/var/lib/nats", str(folder / "nats")),
    ):  # fmt: skip
        assert old in told, old
        told = told.replace(old, new)
    assert re.search(r"password: \$RIVERSIDE_PASSWORD", told)
    server = NatsServer("n1", folder, port, told)
    os.environ["RIVERSIDE_PASSWORD"] = "demo-password"
    try:
        server.start()
        yield server
    finally:
        server.stop()
        del os.environ["RIVERSIDE_PASSWORD"]
