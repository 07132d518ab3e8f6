"""Thousands of connections that do nothing: what one costs, that others are served beside them, and
that one too many is told so; `measure("", connections)`.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.http_ops import City
from claims.words import NotRun
from tests.faults.callers import ENTITIES, Caller, Line, missing_of
from tests.faults.promises import sound
from tests.faults.seen import Seen

OWN = 200
A_SOURCE = 5_000
"""Connections from one address of this machine; the next ones come from another."""

P99_S = 1.0
KB_EACH = 40.0
OVER = 50


@contextlib.contextmanager
def files(wanted: int) -> Iterator[None]:
    """This process may have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, OSError) as error:
            raise NotRun(f"{wanted} files may not be open here: {error}") from error
        hard = wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle(port: int, count: int) -> list[socket.socket]:
    """So many connections, each of which asked once and was answered."""
    found = []
    for number in range(count):
        link = socket.create_connection(
            ("127.0.0.1", port), timeout=20, source_address=(f"127.0.0.{2 + number // A_SOURCE}", 0)
        )
        found.append(link)
    return found


def measure(_way: str, connections: int) -> Seen:
    """So many idle ones; then as many as there may be, and some more."""
    seen = Seen(tries=connections, acknowledged=0)
    room = 1_000 + connections + OWN  # what the city keeps for itself, and a few callers
    with files(room), tempfile.TemporaryDirectory(prefix="pintu-idle-") as name:
        data = Path(name) / "data"
        city = City(data, "--open", "--no-pieces")
        _limit(city, room)
        caller = Caller(city.port, "", "idle")
        links: list[socket.socket] = []
        try:
            line = Line(city.port, "")
            caller.start()
            time.sleep(1)
            caller.stopped = True  # what it writes is memory, too
            caller.join(40)
            before_mb = city.broker_mb()
            began = time.monotonic()
            links = idle(city.port, connections)
            opened_s = time.monotonic() - began
            time.sleep(1)
            each_kb = (city.broker_mb() - before_mb) * 1024 / connections
            p99 = _fresh_reads(city, seen)
            seen.recovered_s = p99
            over = _too_many(city, links, limit_of(room) - connections, seen)
            for link in links:
                link.close()
            time.sleep(0.5)
            seen.lost += missing_of(line, [caller])
        finally:
            for link in links:
                link.close()
            city.stop()
        seen.acknowledged += caller.acknowledged
        seen.wrong += caller.wrong
        seen.wrong += sound(data / "city.db")
    if each_kb > KB_EACH:
        seen.wrong.append(f"an idle connection costs {each_kb:.1f} KB")
    if p99 > P99_S:
        seen.wrong.append(f"a new request beside them took {p99:.2f} s (p99)")
    seen.told = (
        f"{each_kb:.1f} KB each, opened in {opened_s:.1f} s; a new connection's request p99 "
        f"{p99 * 1000:.0f} ms; {over}"
    )
    return seen


def _limit(city: City, room: int) -> None:
    """The city takes as much as it is allowed; allow it `room`."""
    from tests.faults.city_kill import broker_of, kill_broker

    for pid in (city.process.pid, broker_of(city) or 0):
        if pid:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (room, room))
    kill_broker(city)  # it asks for its limit when it starts


def _fresh_reads(city: City, seen: Seen) -> float:
    taken = []
    for _ in range(100):
        line, began = Line(city.port, ""), time.monotonic()
        answer = line.ask("GET", f"{ENTITIES}?type=Nothing")
        taken.append(time.monotonic() - began)
        line.close()
        if answer is None or answer[0] != 200:
            seen.wrong.append(f"a request beside idle connections was answered {answer}")
    return sorted(taken)[98]


def limit_of(room: int) -> int:
    """How many connections a city takes that may have so many files open (processes/door.py)."""
    return max(room - 1_000, room // 2)


def _too_many(city: City, links: list[socket.socket], left: int, seen: Seen) -> str:
    """Fill up to the limit and over it: 503 with Retry-After, and those before are served on."""
    told = 0
    for number in range(left + OVER):
        link = socket.create_connection(("127.0.0.1", city.port), timeout=10)
        links.append(link)
        if number < left - OVER:
            continue
        link.settimeout(0.3 if not told else 5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            got = link.recv(4_096)
            if got.startswith(b"HTTP/1.1 503 ") and b"retry-after" in got:
                told += 1
            elif got:
                seen.wrong.append(f"one too many was told {got[:80]!r}")
    if not told:
        seen.wrong.append("nobody was told that there are too many")
    links[0].sendall(b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    links[0].settimeout(10)
    if not links[0].recv(4_096).startswith(b"HTTP/1.1 200 "):
        seen.wrong.append("one of those that were there first is not served")
    return f"{told} over the limit were told 503"
