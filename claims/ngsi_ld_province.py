"""A province and three cities on loopback: one is killed with kill -9, the others go on answering
through the province, with a warning that names nobody's data; then it is back.

`python -m claims.ngsi_ld_province`
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.http_ops import City
from claims.words import Finding, judged

CITIES = 3
LAMPS = 20


def measure() -> list[Finding]:
    """The four states: all there, one killed, asked for by id, all back."""
    with (
        tempfile.TemporaryDirectory(prefix="pintu-province-") as name,
        contextlib.ExitStack() as up,
    ):
        brokers = []
        for number in range(CITIES + 1):
            (Path(name) / str(number)).mkdir()
            city = City(Path(name) / str(number) / "data", "--open", "--no-pieces")
            up.callback(city.stop)
            brokers.append(city)
        province, cities = brokers[0], brokers[1:]
        for number, city in enumerate(cities):
            _asked(city, "POST", "/entityOperations/create", _lamps(number))
            _asked(province, "POST", "/csourceRegistrations", _registration(number, city.port))
        return _lived(province, cities)


def _lived(province: City, cities: list[City]) -> list[Finding]:
    everything, warning, _ = _lamps_of(province)
    found = [
        judged(
            f"a province and {CITIES} cities",
            f"{everything} entities, warning {warning or 'none'}",
            f"{CITIES * LAMPS}, none", everything == CITIES * LAMPS and not warning,
        )
    ]  # fmt: skip
    killed = cities[1]
    for one in _children(killed.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    left, warning, took_s = _lamps_of(province)
    holds = left == (CITIES - 1) * LAMPS and bool(warning)
    found.append(
        judged(
            "one killed: the others answer",
            f"{left} entities in {took_s:.1f} s, warning {warning[:3] or 'none'}",
            f"{(CITIES - 1) * LAMPS}, a warning, ≤ 5 s", holds and took_s <= 5, warning[:120],
        )
    )  # fmt: skip
    status, _, _ = _asked(province, "GET", "/entities/urn:ngsi-ld:Streetlight:0-1")
    found.append(judged("an entity of a city that lives", f"{status}", "200", status == 200))
    killed.process.wait(30)
    killed.start()
    again, ends = 0, time.monotonic() + 60
    while again != CITIES * LAMPS and time.monotonic() < ends:
        again, warning, _ = _lamps_of(province)
        time.sleep(0.2)
    whole = judged("it is back", f"{again} entities", f"{CITIES * LAMPS}", again == CITIES * LAMPS)
    return [*found, whole]


def _lamps(number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"urn:ngsi-ld:Streetlight:{number}-{lamp}",
            "type": "Streetlight",
            "power": {"type": "Property", "value": lamp},
        }
        for lamp in range(LAMPS)
    ]


def _registration(number: int, port: int) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:ContextSourceRegistration:demo-{number}",
        "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Streetlight"}]}],
        "endpoint": f"http://127.0.0.1:{port}",
        "mode": "inclusive",
        "operations": ["federationOps"],
    }


def _lamps_of(city: City) -> tuple[int, str, float]:
    """How many street lights a query finds, the warning with them, and the seconds it took."""
    began = time.monotonic()
    _, body, warning = _asked(city, "GET", "/entities?type=Streetlight&limit=1000")
    return len(body) if isinstance(body, list) else 0, warning, time.monotonic() - began


def _asked(city: City, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.port}/ngsi-ld/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"} if body is not None else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            warning = answer.headers.get("NGSILD-Warning", "")
            return answer.status, json.loads(text) if text else None, warning
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None, error.headers.get("NGSILD-Warning", "")


def _children(pid: int) -> list[int]:
    """A process and all it has started, by /proc."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _children(int(child))
    return found


if __name__ == "__main__":
    told = measure()
    for finding in told:
        print(finding.line())
    sys.exit(0 if all(one.verdict == "ok" for one in told) else 1)
