"""The city's life: the first map, a second start, Ctrl-C and on, children that come back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.http_ops import City
from bench.processes import command_line, tree
from claims.words import Finding, NotRun, judged

LAMPS = 5_000
STOP_BAR_S = 10.0


@contextmanager
def a_city(*extra: str) -> Iterator[City]:
    """The installed city on an empty folder, stopped in the end whatever happens."""
    with tempfile.TemporaryDirectory(prefix="pintu-life-", ignore_cleanup_errors=True) as name:
        city = City(Path(name) / "data", *extra)
        try:
            yield city
        finally:
            city.stop()


def ask(city: City, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """One request with the administrator's token: status, and the body read as JSON when it is."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {city.token}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            status = answer.status
            count = answer.headers.get("NGSILD-Results-Count")
    except urllib.error.HTTPError as error:
        return error.code, None
    if count is not None:
        return status, int(count)
    return status, json.loads(text) if text else None


def runs(pid: int) -> bool:
    """True while a process runs; one that ended and waits to be asked how does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def lamps_there(city: City) -> int:
    """How many lamps the demo tenant has now."""
    path = "/ngsi-ld/v1/entities?type=Streetlight&limit=1&count=true"
    status, count = ask(city, "GET", path, NGSILD_Tenant="demo")
    return count if status == 200 and isinstance(count, int) else 0


def first_map() -> list[Finding]:
    """From `pintu up --demo` on an empty folder to all the lamps of the district."""
    began = time.monotonic()
    with a_city("--demo") as city:
        ready_s = time.monotonic() - began
        count = 0
        while count < LAMPS and time.monotonic() - began < 120:
            time.sleep(0.25)
            count = lamps_there(city)
        whole_s = time.monotonic() - began
    figure = f"{whole_s:.1f} s (ready {ready_s:.1f}), {count} lamps"
    good = count >= LAMPS and whole_s <= 60
    return [judged("first map: start to all the demo's lamps", figure, "≤ 60 s", good)]


def second_start() -> list[Finding]:
    """A second start on one data folder is refused in one sentence and changes nothing."""
    with a_city("--no-pieces") as city:
        again = subprocess.run(
            [sys.executable, "-m", "pintu", "up", "--data", str(city.folder), "--port", "9699"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = again.stderr.strip()
        still, _ = ask(city, "GET", "/readyz")
    good = again.returncode == 1 and "in use by the city at" in told and "Traceback" not in told
    good = good and len(told.splitlines()) == 1 and still == 200
    return [
        judged("a second start on one folder", f"exit {again.returncode}", "refused", good, told)
    ]


def stop_and_continue() -> list[Finding]:
    """Ctrl-C stops within ten seconds with exit code 0; the next start has everything."""
    lamp = {"id": "urn:ngsi-ld:Thing:kept", "type": "Thing", "n": {"type": "Property", "value": 1}}
    with a_city("--no-pieces") as city:
        made, _ = ask(city, "POST", "/ngsi-ld/v1/entities", lamp)
        children = [pid for pid in tree(city.process.pid) if pid != city.process.pid]
        began = time.monotonic()
        city.process.send_signal(signal.SIGINT)
        code = city.process.wait(30)
        took_s = time.monotonic() - began
        time.sleep(0.5)
        left = [pid for pid in children if runs(pid)]
        city.start()
        kept, entity = ask(city, "GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:kept")
    good = (made, code, kept, left) == (201, 0, 200, []) and took_s <= STOP_BAR_S
    good = good and bool(entity) and entity["n"]["value"] == 1
    figure = f"{took_s:.1f} s, exit {code}, {len(left)} left over"
    return [judged("Ctrl-C, then the same command goes on", figure, "≤ 10 s, 0, none", good)]


def children_return() -> list[Finding]:
    """kill -9 of each process of the demo city: it comes back by itself, and the supervisor's death
    takes its children along."""
    found = []
    with a_city("--demo") as city:
        for name in ("broker", "field", "demo"):
            found.append(_killed(city, name))
        children = [pid for pid in tree(city.process.pid) if pid != city.process.pid]
        os.kill(city.process.pid, signal.SIGKILL)
        city.process.wait()
        until = time.monotonic() + STOP_BAR_S
        while time.monotonic() < until and any(runs(one) for one in children):
            time.sleep(0.1)
        left = [one for one in children if runs(one)]
        figure = f"{len(left)} of {len(children)} left"
        found.append(judged("kill -9 of the supervisor", figure, "none left in 10 s", not left))
    return found


def _killed(city: City, name: str) -> Finding:
    until = time.monotonic() + STOP_BAR_S
    while (before := _pid(city, name)) is None and time.monotonic() < until:
        time.sleep(0.1)
    if before is None:
        raise NotRun(f"the demo city has no process called {name}")
    os.kill(before, signal.SIGKILL)
    began = time.monotonic()
    after = None
    while time.monotonic() - began < 20 and after in (None, before):
        time.sleep(0.1)
        after = _pid(city, name)
    ready = False
    while time.monotonic() - began < 30 and not ready:
        try:
            ready = ask(city, "GET", "/readyz")[0] == 200
        except OSError:
            time.sleep(0.1)
    figure = f"back in {time.monotonic() - began:.1f} s" if after else "gone"
    return judged(f"kill -9 of the {name} process", figure, "comes back", bool(after) and ready)


def _pid(city: City, name: str) -> int | None:
    wanted = f"pintu.processes.{name}" if name != "demo" else "pintu.demo"
    children = [pid for pid in tree(city.process.pid) if pid != city.process.pid]
    return next((pid for pid in children if wanted in command_line(pid)), None)
