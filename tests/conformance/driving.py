"""What the drivers of outside clients share: steps that print a line each, and a listener for
notifications. Standard library alone: it runs inside of the client's own environment."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def step(name: str, work: Callable[[], Any]) -> Any:
    """Do one thing a client does and print how it went; what it returns, None when it failed."""
    try:
        found = work()
    except Exception as error:  # a driver's edge: whatever a client raises is a line of the table
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({place.name}:{place.lineno})"
        print(json.dumps({"step": name, "ok": False, "detail": told[:400]}), flush=True)
        return None
    print(json.dumps({"step": name, "ok": True, "detail": ""}), flush=True)
    return found


def equal(expected: Any, actual: Any) -> None:
    """Raise AssertionError telling both when they differ."""
    if expected != actual:
        raise AssertionError(f"expected {str(expected)[:150]}, got {str(actual)[:150]}")


def broker() -> tuple[str, int]:
    """Host and port of the broker, told on the command line."""
    return sys.argv[1], int(sys.argv[2])


class Heard:
    """A listener for notifications; each body is kept."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    def wait(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 10) -> dict[str, Any]:
        """The first notification for which something holds; raises TimeoutError."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for body in list(self.bodies):
                if holds(body):
                    return body
            time.sleep(0.02)
        raise TimeoutError(f"no such notification within {seconds:g} s; {len(self.bodies)} others")


@contextmanager
def listening() -> Iterator[Heard]:
    """A listener on a free port of the loopback while the block runs."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a notification."""
            length = int(self.headers.get("content-length", 0))
            heard.bodies.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_address[1]}/notify"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
