"""Operated: a restart of a real city under load refuses nobody, a county sees no other, the layout
of `deploy/` starts, the demo city fits a 4 GB box, counting costs under a microsecond."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import signal
import tempfile
import time
from pathlib import Path

from claims.life import a_city, ask
from claims.words import Claim, Finding, judged

BOX_MB = 4_096
HERE = "tests/web"


def restart_under_load() -> list[Finding]:
    """`pintu up` gets SIGHUP three times while clients read, write and open new connections."""
    from tests.web.drain_load import Seen, client

    lamp = {"id": "urn:ngsi-ld:Thing:1", "type": "Thing", "n": {"type": "Property", "value": 1}}
    with a_city("--no-pieces") as city:
        made, _ = ask(city, "POST", "/ngsi-ld/v1/entities", lamp)
        head = f"Host: 127.0.0.1:{city.port}\r\nAuthorization: Bearer {city.token}\r\n"
        path = "/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:1"
        body = b'{"n":{"type":"Property","value":2}}'
        more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests = (
            f"GET {path} HTTP/1.1\r\n{head}\r\n".encode(),
            f"PATCH {path} HTTP/1.1\r\n{head}{more}".encode() + body,
            f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode(),
            b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
        )
        seen = Seen()

        async def load() -> None:
            stop = asyncio.Event()
            clients = [
                asyncio.create_task(client(city.port, request, stop, seen))
                for request in requests
                for _ in range(4)
            ]
            for _ in range(3):
                await asyncio.sleep(2)
                city.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(8)
            stop.set()
            await asyncio.wait_for(asyncio.gather(*clients), 60)

        asyncio.run(load())
    wrong = len(seen.refused) + len(seen.broken)
    odd = {status: n for status, n in seen.statuses.items() if status not in (200, 204)}
    good = made == 201 and not wrong and not odd and seen.answers > 1_000
    told = "; ".join([*seen.refused, *seen.broken][:3]) or (f"{odd}" if odd else "")
    figure = f"{wrong} of {seen.answers:,} answers"
    return [judged("three restarts under load: refused or broken", figure, "0", good, told)]


def of_pytest(name: str, *paths: str) -> list[Finding]:
    """Tests that show a claim as they stand."""
    import pytest

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["-q", "-p", "no:cacheprovider", *paths])
    lines = [one for one in said.getvalue().splitlines() if one.strip()]
    return [judged(name, lines[-1] if lines else f"exit {code}", "all pass", code == 0)]


def hosted() -> list[Finding]:
    """Every operation, page and API route is asked with another county's key."""
    return of_pytest("a county sees no other; limits are named", f"{HERE}/test_hosted.py")


def traces() -> list[Finding]:
    """A message's spans arrive at a receiver of OTLP as one tree."""
    return of_pytest("one message followed to a receiver of OTLP", "tests/test_traces.py")


def layout() -> list[Finding]:
    """PostgreSQL and NATS with the files of deploy/city, a city between them."""
    from tests.layout import city_layout

    with tempfile.TemporaryDirectory(prefix="pintu-layout-") as name:
        began = time.monotonic()
        with city_layout(Path(name)) as city:
            lamp = b'{"id":"urn:ngsi-ld:Lamp:1","type":"Lamp"}'
            wrote, _ = city.ask("POST", "/ngsi-ld/v1/entities", lamp)
            read, _ = city.ask("GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Lamp:1")
            took = time.monotonic() - began
    figure = f"{wrote}, {read} after {took:.0f} s"
    return [
        judged(
            "deploy/city on loopback: write, read", figure, "201, 200", (wrote, read) == (201, 200)
        )
    ]


def box() -> list[Finding]:
    """The demo city for two and a half minutes within 4 GB; every process counted by its share."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "bench.box", "--seconds", "150", "--limit-mb", str(BOX_MB)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    found = re.search(r"together\s+([0-9.]+) MB", done.stdout)
    mb = float(found[1]) if found else 0.0
    told = done.stdout.splitlines()[0] if done.stdout else done.stderr[-200:]
    good = done.returncode == 0 and 0 < mb < BOX_MB
    return [
        judged(
            "the demo city in a 4 GB box: PSS at its worst",
            f"{mb:.0f} MB",
            f"< {BOX_MB} MB",
            good,
            told,
        )
    ]


def counting() -> list[Finding]:
    """What counting adds to a request."""
    from bench import metering

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = metering.main()
    ours = said.getvalue().splitlines()[0].split()
    return [judged("what counting costs a request", f"{ours[2]} ns", "<= 1,000 ns", code == 0)]


CLAIMS: tuple[Claim, ...] = (
    Claim(name="restart under load", measure=restart_under_load),
    Claim(name="hosted counties", measure=hosted, also="make test"),
    Claim(name="traces", measure=traces, also="make test"),
    Claim(name="what counting costs", measure=counting, speed=True),
    Claim(name="the layout of deploy", measure=layout, full=True),
    Claim(name="a 4 GB box", measure=box, full=True),
)
