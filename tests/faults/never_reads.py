"""Clients that send and never read, or never end what they send: thousands of questions behind one
another, event streams, bodies that stop half-way; `measure("", clients)`. Others are served
meanwhile, memory has a bound, and after a while the city lets go of them.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.http_ops import City
from tests.faults.callers import ENTITIES, UPSERT, Caller, Line, entity, missing_of
from tests.faults.clock_jump import told_egress
from tests.faults.promises import sound
from tests.faults.run import fast
from tests.faults.seen import Seen

LARGE = 300
"""Entities of one answer: some 60 KB."""

P99_S = 1.0
GROWTH_MB = 500
LET_GO_S = 100.0
"""Who asked so little that it all lies in the kernel is silent, and goes after 75 s."""
HOST = b"Host: 127.0.0.1\r\n"


def questions(number: int) -> bytes:
    """Thousands of questions with large answers, which nobody reads."""
    one = b"GET /ngsi-ld/v1/entities?type=Lamp&limit=%d HTTP/1.1\r\n%b\r\n" % (LARGE, HOST)
    return one * 2_000


def small_questions(number: int) -> bytes:
    """The same with small answers."""
    return (b"GET /ngsi-ld/v1/types HTTP/1.1\r\n%b\r\n" % HOST) * 5_000


def listening(number: int) -> bytes:
    """An event stream that nobody reads."""
    return b"GET /events?topics=map,alerts HTTP/1.1\r\n%b\r\n" % HOST


def half_body(number: int) -> bytes:
    """A large body that stops before its end."""
    head = b"POST /ngsi-ld/v1/entityOperations/upsert HTTP/1.1\r\n%bContent-Length: 9000000\r\n"
    return head % HOST + b"Content-Type: application/json\r\n\r\n[" + b" " * 1_500_000


def half_head(number: int) -> bytes:
    """A head that stops before its end."""
    return b"GET /ngsi-ld/v1/types HTTP/1.1\r\nX-A: " + b"a" * 10_000


def half_page(number: int) -> bytes:
    """The body of a page that stops before its end."""
    return b"POST /api/v1/search HTTP/1.1\r\n%bContent-Length: 900\r\n\r\n{" % HOST


SORTS: tuple[Callable[[int], bytes], ...] = (
    questions, small_questions, listening, half_body, half_head, half_page,
)  # fmt: skip


class Deaf(http.server.BaseHTTPRequestHandler):
    """Takes a notification's connection and never answers."""

    def do_POST(self) -> None:
        """Never."""
        time.sleep(60)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def open_one(port: int, sort: Callable[[int], bytes], number: int) -> socket.socket:
    """A connection that sends as much as is taken at once, and reads nothing."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    link.connect(("127.0.0.1", port))
    link.setblocking(False)
    left = memoryview(sort(number))
    until = time.monotonic() + 0.05
    while left and time.monotonic() < until:
        try:
            left = left[link.send(left) :]
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            break
    return link


def measure(_way: str, clients: int) -> Seen:
    """So many of them at once, of every sort."""
    seen = Seen(tries=clients, acknowledged=0)
    deaf = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deaf)
    deaf.daemon_threads = True
    threading.Thread(target=deaf.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="pintu-deaf-") as name, told_egress(deaf.server_port):
        data = Path(name) / "data"
        city = City(data, "--open", "--no-pieces")
        callers = [Caller(city.port, "", f"deaf-{one}") for one in range(2)]
        links: list[socket.socket] = []
        try:
            line = Line(city.port, "")
            _stock(line, deaf.server_port)
            for one in callers:
                one.start()
            quiet = _reads(line, 3.0, seen)
            before_mb = city.broker_mb()
            links = [open_one(city.port, SORTS[one % len(SORTS)], one) for one in range(clients)]
            beside = _reads(line, 6.0, seen)
            most_mb = city.broker_mb()
            gone_s = _let_go(links, 0 if fast() else LET_GO_S)
            for one in callers:
                one.stopped = True
            for one in callers:
                one.join(40)
            seen.lost += missing_of(line, callers, history=False)
            seen.recovered_s = _again(line)
        finally:
            for link in links:
                link.close()
            city.stop()
            deaf.shutdown()
        for caller in callers:
            seen.acknowledged += caller.acknowledged
            seen.wrong += caller.wrong
        seen.wrong += sound(data / "city.db")
    if beside > P99_S:
        seen.wrong.append(f"one who reads waited {beside:.2f} s (p99)")
    if most_mb - before_mb > GROWTH_MB:
        seen.wrong.append(f"memory grew by {most_mb - before_mb:.0f} MB")
    if gone_s < 0:
        seen.wrong.append(f"after {LET_GO_S:g} s there are still some whose bytes nobody reads")
    seen.told = (
        f"a reader's p99 {quiet * 1000:.0f} ms before, {beside * 1000:.0f} ms beside them; "
        f"{before_mb:.0f} to {most_mb:.0f} MB; let go of after {gone_s:.0f} s"
    )
    return seen


def _stock(line: Line, port: int) -> None:
    stock = [entity(f"urn:ngsi-ld:Lamp:stock-{one}", one) for one in range(LARGE)]
    assert (line.ask("POST", UPSERT, stock) or (0,))[0] == 201
    body = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": f"http://127.0.0.1:{port}/"}},
    }
    for _ in range(5):
        assert (line.ask("POST", "/ngsi-ld/v1/subscriptions", body) or (0,))[0] == 201


def _reads(line: Line, seconds: float, seen: Seen) -> float:
    """p99 in seconds of one who reads what he asks for."""
    taken: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = line.ask("GET", f"{ENTITIES}/urn:ngsi-ld:Lamp:stock-{len(taken) % LARGE}")
        taken.append(time.monotonic() - began)
        if answer is None or answer[0] != 200:
            seen.wrong.append(f"one who reads was answered {answer}")
        time.sleep(0.005)
    return sorted(taken)[int(len(taken) * 0.99)]


def _let_go(links: list[socket.socket], within_s: float) -> float:
    """Seconds until the city ended those that asked and do not read (not the event streams, which
    may be silent for long); -1: not all."""
    meant = [link for at, link in enumerate(links) if SORTS[at % len(SORTS)] is questions]
    began = time.monotonic()
    while within_s and time.monotonic() - began < within_s:
        if all(map(_ended, meant)):
            return time.monotonic() - began
        time.sleep(0.5)
    return -1.0 if within_s else 0.0


def _ended(link: socket.socket) -> bool:
    """Whether the other side is gone, without reading what it sent."""
    with contextlib.suppress(BlockingIOError):
        try:
            link.send(b"\r\n")
        except OSError:
            return True
    return False


def _again(line: Line) -> float:
    began = time.monotonic()
    while (line.ask("GET", "/readyz") or (0,))[0] != 200:
        time.sleep(0.05)
    return time.monotonic() - began
