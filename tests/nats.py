"""Real NATS servers with JetStream for the length of a test, on loopback: one, or a cluster of
three with their files in a folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pintu.kit.testing import free_port
from tests.real_databases import need, program

PORTS = (9700, 9749)


@dataclass(slots=True)
class NatsServer:
    """One server. `kill` is kill -9; `start` brings it back on the same files and ports."""

    name: str
    folder: Path
    port: int
    config: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self, *, wait_s: float = 20) -> None:
        """Start and wait until it takes connections."""
        told = self.folder / f"{self.name}.conf"
        told.write_text(self.config, "utf-8")
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(program("nats-server")), "-c", str(told)], stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                text = (self.folder / f"{self.name}.log").read_text("utf-8", "replace")
                raise RuntimeError(f"nats-server ended at its start: {text[-2000:]}")
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe,
            ):
                if probe.recv(5) == b"INFO ":
                    return
            time.sleep(0.02)
        raise RuntimeError("nats-server does not answer")

    def kill(self) -> None:
        """kill -9, as a power cut for it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None


def _config(folder: Path, name: str, port: int, cluster: str = "", more: str = "") -> str:
    return (
        f'server_name: "{name}"\nlisten: "127.0.0.1:{port}"\n{more}\n'
        f'jetstream {{ store_dir: "{folder / name}", max_mem: 64MB, max_file: 100GB }}\n{cluster}\n'
    )


@contextlib.contextmanager
def nats_server(more: str = "") -> Iterator[NatsServer]:
    """One server with JetStream; `more` goes into its configuration."""
    need("nats", "nats-server")
    with tempfile.TemporaryDirectory(prefix="pintu-nats-", ignore_cleanup_errors=True) as text:
        folder, port = Path(text), free_port(*PORTS)
        server = NatsServer("one", folder, port, _config(folder, "one", port, more=more))
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def nats_cluster(number: int = 3) -> Iterator[list[NatsServer]]:
    """Servers that keep every message of a stream of as many replicas; ready to make streams."""
    need("nats", "nats-server")
    with tempfile.TemporaryDirectory(prefix="pintu-nats-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        ports = [free_port(*PORTS) for _ in range(number)]
        joints = [free_port(*PORTS) for _ in range(number)]
        routes = ", ".join(f'"nats://127.0.0.1:{one}"' for one in joints)
        servers = []
        for at in range(number):
            cluster = (
                f'cluster {{ name: "pintu", listen: "127.0.0.1:{joints[at]}", routes: [{routes}] }}'
            )
            name = f"n{at + 1}"
            config = _config(folder, name, ports[at], cluster)
            servers.append(NatsServer(name, folder, ports[at], config))
        try:
            for one in servers:
                one.start()
            _ready(servers)
            yield servers
        finally:
            for one in servers:
                one.kill()


def _ready(servers: list[NatsServer]) -> None:
    """Wait until the cluster has chosen who keeps its list of streams."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if "error" not in ask(servers[0].port, "$JS.API.INFO", b""):
                return
        time.sleep(0.2)
    raise RuntimeError("The cluster has no leader")


def ask(port: int, subject: str, body: bytes, *, timeout_s: float = 2.0) -> dict[str, object]:
    """The JSON answer of one request over a bare connection: tests ask so beside what they test."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        file = connection.makefile("rb")
        file.readline()
        connection.sendall(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _ask 1\r\n'
            + f"PUB {subject} _ask {len(body)}\r\n".encode() + body + b"\r\n"
        )  # fmt: skip
        while line := file.readline():
            words = line.split()
            if words[0] == b"PING":
                connection.sendall(b"PONG\r\n")
            elif words[0] == b"MSG":
                found: dict[str, object] = json.loads(file.read(int(words[-1])))
                return found
            elif words[0] in (b"HMSG", b"-ERR"):
                raise ValueError(line.decode())
    raise ValueError("no answer")


def leader_of(servers: list[NatsServer], stream: str) -> NatsServer | None:
    """The server that leads a stream now; None while there is none."""
    for one in servers:
        if not one.alive():
            continue
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = ask(one.port, f"$JS.API.STREAM.INFO.{stream}", b"")
            cluster = found.get("cluster")
            name = cluster.get("leader") if isinstance(cluster, dict) else None
            return next((server for server in servers if server.name == name), None)
    return None
