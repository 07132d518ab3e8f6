"""A standby is promoted under load: with synchronous commit nothing that was answered is lost; with
an asynchronous one what it had not received is, positions are not used twice, and Pintu says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pintu.kit.testing import free_port
from tests.faults.postgres_load import Load, Told, address_of, make_city, wrong_after
from tests.faults.power_cut import Claim
from tests.real_databases import PASSWORD, Server, as_plain_user, children, postgres, program

PORTS = (9760, 9769)
SETTINGS = {"max_connections": "40", "max_wal_senders": "4"}


@contextlib.contextmanager
def standby_of(first: Server, *, synchronous: bool) -> Iterator[Server]:
    """A second server that follows the first one; synchronous: each commit waits for it."""
    data = first.folder / "standby"
    source = f"host=127.0.0.1 port={first.port} user=owner password={PASSWORD}"
    made = [
        str(program("pg_basebackup")),
        "-D",
        str(data),
        "-d",
        source,
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
    ]
    subprocess.run(
        [*as_plain_user("postgres"), *made], check=True, capture_output=True, cwd=first.folder
    )
    port = free_port(first.port + 1, first.port + 10)
    command = [*first.command]
    command[command.index("-D") + 1] = str(data)
    command[command.index("-p") + 1] = str(port)
    folder = first.folder / "second"
    folder.mkdir()
    folder.chmod(0o777)
    second = Server("postgres", folder, port, command, "postgres")
    second.start()
    try:
        _wait(lambda: bool(first.ask("SELECT FROM pg_stat_replication WHERE state = 'streaming'")))
        if synchronous:
            first.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
            _wait(lambda: bool(first.ask(
                "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'")))  # fmt: skip
        yield second
    finally:
        second.stop()


def _wait(look: object, within_s: float = 20) -> None:
    assert callable(look)
    until = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < until, "the standby does not follow"
        time.sleep(0.02)


def _receiver(server: Server) -> int:
    """The process of a standby that takes in what the first server sends."""
    assert server.process is not None
    for pid in children(server.process.pid):
        if b"walreceiver" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("the standby receives nothing")


def promoted(*, synchronous: bool, more: int = 200) -> tuple[Told, list[str], float]:
    """Load on the first of two servers; it is killed, the second one promoted, the load goes on:
    (what was told, what is wrong on the second, seconds without an answer).
    """
    told = Told()
    with postgres(settings=SETTINGS, ports=PORTS) as first:
        make_city(first)
        with standby_of(first, synchronous=synchronous) as second:
            load = Load(address_of([first, second], PASSWORD, wait_s=20, connect_s=2), 1, told)
            load.wait_for(more)
            if not synchronous:  # what is answered from now on does not reach it
                os.kill(_receiver(second), signal.SIGSTOP)
                load.wait_for(more)
            first.kill()
            if not synchronous:
                os.kill(_receiver(second), signal.SIGKILL)
                _wait(lambda: _answers(second))
            time.sleep(0.5)  # for a while there is only a standby
            second.run("SELECT pg_promote()")
            told.longest_s = 0.0
            load.wait_for(more)
            longest_s = told.longest_s
            load.stop()
            return told, wrong_after(second, told, gaps=not synchronous), longest_s


def _answers(server: Server) -> bool:
    """A server whose process was killed starts all its others anew."""
    with contextlib.suppress(Exception):
        return bool(server.ask("SELECT 1"))
    return False


def run(fast: bool) -> list[Claim]:
    """One promotion with each sort of standby; in the long form three of the synchronous one."""
    claims: list[Claim] = []
    answers, wrong, longest = 0, list[str](), 0.0
    rounds = 1 if fast else 3
    for _ in range(rounds):
        told, found, seconds = promoted(synchronous=True)
        answers, longest = answers + told.answers, max(longest, seconds)
        wrong += found
    words = (
        f"synchronous standby promoted {rounds} times: {answers} acknowledged, "
        f"{longest:.1f} s without an answer, wrong {wrong[:3]}"
    )
    claims.append((words, len(wrong), 0, not wrong))
    told, found, _ = promoted(synchronous=False)
    missing = [one for one in found if one.startswith("position ") and "is missing" in one]
    other = [one for one in found if one not in missing]
    words = (
        f"asynchronous standby promoted: {len(missing)} of {told.answers} acknowledged had not "
        f"reached it, Pintu says {told.lost_said}; wrong {other[:3]}"
    )
    good = not other and len(missing) <= told.lost_said
    claims.append((words, len(other), 0, good))
    return claims


if __name__ == "__main__":
    for claim in run(fast=True):
        print(claim)
