"""How soon thousands of lamps have a command: from one call to each gateway's answer.

`python -m bench.commands [--lamps 5000] [--steps 600]` starts the demo city with its gateways
behind MQTT (some of which lose a command or answer late), waits until every lamp is known, and asks
for all of them at once. Prints how many were acknowledged after how many seconds, how soon the call
itself was answered, how many effects were measured in half a minute, and, in this process over a
store of its own, how long the proposal of a playbook of so many steps takes. --check makes bars of
it: 99.5 % acknowledged within 10 s, 600 steps proposed within 5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.http_ops import City
from bench.machine import times_listed
from bench.processes import command_line, cpu_s, tree

SHARE, WITHIN_S, STEPS_S = 0.995, 10.0, 5.0
KNOWN_WITHIN_S = 120.0
WATCHED_S = 30.0
AT_REST_S, LOOKS, CALM = 5.0, 18, 0.9


def call(city: City, path: str, body: Any = None) -> Any:
    """One call of the city's own API, as its administrator."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {city.token}",
            **({} if body is None else {"Content-Type": "application/json"}),
            "NGSILD-Tenant": "demo",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def lamps_of(city: City, wanted: int) -> list[str]:
    """The ids of the demo's lamps, once so many are known."""
    until = time.monotonic() + KNOWN_WITHIN_S
    known: list[str] = []
    while len(known) < wanted and time.monotonic() < until:
        time.sleep(1.0)
        known = []
        while True:
            page = call(
                city,
                f"/ngsi-ld/v1/entities?type=Streetlight&limit=1000&pick=id&offset={len(known)}",
            )
            known += [one["id"] for one in page]
            if len(page) < 1000:
                break
    return known


def acknowledged(city: City) -> tuple[int, int]:
    """(answered by their gateways so far, of these with a measured effect)."""
    counts = call(city, "/api/v1/operations/commands/counts")
    done = counts.get("confirmed", 0)
    return counts.get("acknowledged", 0) + done, done


def measure(lamps: int) -> tuple[float, float]:
    """(share acknowledged in time, seconds until 99.5 % were); prints the way there."""
    with tempfile.TemporaryDirectory(prefix="bench-commands-", ignore_cleanup_errors=True) as name:
        city = City(Path(name) / "data", "--demo")
        try:
            ids = lamps_of(city, lamps)
            print(f"lamps: {len(ids)} known")
            asks = [
                {"target": id, "arguments": {"level": 70}, "key": f"bench-{number}"}
                for number, id in enumerate(ids)
            ]
            rest = _rest(city)
            used, began = by_process(city), time.monotonic()
            body = {"name": "DimLamp", "commands": asks}
            told = call(city, "/api/v1/operations/commands", body)
            answered_s = time.monotonic() - began
            print(f"asked: {answered_s:.2f} s for {len(asks)}, {len(told['refused'])} refused")
            found = _watch(city, began, len(asks))
            took_s, now = time.monotonic() - began, by_process(city)
            each = {
                name: 1e6 * (now[name] - used.get(name, 0.0) - rest.get(name, 0.0) * took_s)
                for name in now
            }
            told_us = ", ".join(f"{name} {us / len(asks):.0f}" for name, us in each.items())
            print(f"CPU a command above what the city takes at rest, µs: {told_us}")
        finally:
            city.stop()
        times_listed(Path(name), "upsert")
        return found


def by_process(city: City) -> dict[str, float]:
    """CPU seconds so far of the city's processes, by what they do."""
    found: dict[str, float] = {}
    for pid in tree(city.process.pid):
        told = command_line(pid)
        name = next(
            (one for one in ("broker", "field", "loads", "demo") if f".{one}" in told), "up"
        )
        found[name] = found.get(name, 0.0) + cpu_s([pid])
    return found


def _rest(city: City) -> dict[str, float]:
    """CPU seconds a second of each process while nobody asks for anything: once the city has come
    to rest after its start."""
    rest: dict[str, float] = {}
    for _ in range(LOOKS):
        before = by_process(city)
        time.sleep(AT_REST_S)
        now = by_process(city)
        last, rest = rest, {name: (now[name] - before.get(name, 0.0)) / AT_REST_S for name in now}
        if last and sum(rest.values()) > CALM * sum(last.values()):
            break
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in rest.items())
    print(f"at rest, of one core: {told}")
    return rest


def _watch(city: City, began: float, asked: int) -> tuple[float, float]:
    in_time = done = 0
    reached_s = float("inf")
    while (passed := time.monotonic() - began) < WATCHED_S:
        count, done = acknowledged(city)
        if passed <= WITHIN_S:
            in_time = count
        if count >= SHARE * asked and reached_s == float("inf"):
            reached_s = passed
        if done >= asked:
            break
        time.sleep(0.25)
    print(
        f"acknowledged: {100 * in_time / asked:.2f} % within {WITHIN_S:.0f} s,"
        f" {100 * SHARE:.1f} % after {reached_s:.1f} s; effect measured of {done}"
        f" after {time.monotonic() - began:.0f} s"
    )
    return in_time / asked, reached_s


async def propose(steps: int) -> float:
    """Seconds to propose a playbook of so many steps, each with things of its own."""
    from pintu.kernel.tables import open_tables
    from tests.kernel.operations.plays_town import DUTY, Town, lamp

    with tempfile.TemporaryDirectory(prefix="bench-plays-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        town = Town(open_tables(folder, "sqlite:"), folder)
        for at in range(0, 6_000, 500):
            await town.put(*[lamp(n, 0.4, feeder=f"F{n % steps}") for n in range(at, at + 500)])
        title = {"zh": "台阶", "en": "steps"}
        step = {
            "title": title,
            "do": "command",
            "piece": "street_lights",
            "command": "DimLamp",
            "arguments": {"level": 100},
            "back": {"level": {"from": "illuminanceLevel", "times": 100}},
        }
        own = [
            {**step, "name": f"s{n}", "targets": {"type": "Streetlight", "q": f'feeder=="F{n}"'}}
            for n in range(steps)
        ]
        book = {
            "title": title,
            "about": title,
            "groups": [{"name": "all", "title": title, "steps": own}],
        }
        town.configuration.save("playbooks", "steps", book, by="bench")
        await town.start()
        try:
            began = time.monotonic()
            play = await town.plays.propose(DUTY, "steps", "incident:1", tenant="demo")
            took_s = time.monotonic() - began
        finally:
            await town.end()
        things = sum(one.targets for one in play.steps)
        print(f"proposal: {len(play.steps)} steps, {things} things in {took_s:.2f} s")
        return took_s


def main() -> int:
    """Measure and, with --check, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lamps", type=int, default=5_000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--check", action="store_true")
    told = parser.parse_args()
    took_s = asyncio.run(propose(told.steps))
    share, _ = measure(told.lamps)
    good = share >= SHARE and took_s <= STEPS_S
    return 0 if good or not told.check else 1


if __name__ == "__main__":
    sys.exit(main())
