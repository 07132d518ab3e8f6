"""kill -9 of a city's broker, now and then of all its processes, at random moments under load:
what was answered is there, with its past; `measure("sqlite" | "postgres", kills)`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.http_ops import City
from bench.processes import command_line, tree
from tests.faults.callers import Caller, Line, missing_of, write_persons
from tests.faults.postgres_load import address_of, disagreeing, make_city
from tests.faults.promises import sound
from tests.faults.seen import Seen
from tests.real_databases import PASSWORD, Server, postgres

CALLERS = 6
EVERYTHING = 4
"""Each so-manieth kill is of all processes. The supervisor waits longer for one that dies again and
again; a city that is started anew forgets that."""

SETTINGS = {"max_connections": "60", "recovery_init_sync_method": "syncfs"}
PORTS = (9770, 9779)


def broker_of(city: City) -> int | None:
    """The broker's process, None while it is being restarted."""
    return next((pid for pid in tree(city.process.pid)[1:] if "broker" in command_line(pid)), None)


def kill_broker(city: City, within_s: float = 60) -> float:
    """kill -9 of the broker; seconds until /readyz answers 200 again."""
    began = time.monotonic()
    broker = broker_of(city)
    while broker is None:
        assert time.monotonic() - began < within_s, "there is no broker"
        time.sleep(0.02)
        broker = broker_of(city)
    os.kill(broker, signal.SIGKILL)
    return until_ready(city, within_s)


def until_ready(city: City, within_s: float = 60) -> float:
    """Seconds until /readyz answers 200; connections that wait in the queue count from now."""
    began = time.monotonic()
    line = Line(city.port, "", timeout_s=within_s)
    while True:
        answer = line.ask("GET", "/readyz")
        if answer is not None and answer[0] == 200:
            line.close()
            return time.monotonic() - began
        assert time.monotonic() - began < within_s, f"not ready after {within_s:g} s"
        time.sleep(0.02)


def kill_everything(city: City) -> float:
    """kill -9 of every process; the city is started by hand, as a service manager would."""
    for pid in tree(city.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    city.process.wait(20)
    began = time.monotonic()
    city.start()
    return time.monotonic() - began


@contextlib.contextmanager
def a_store(way: str) -> Iterator[tuple[str, Server | None]]:
    """(address, server) of an empty city's store."""
    if way == "sqlite":
        yield "", None
        return
    with postgres(settings=SETTINGS, ports=PORTS) as server:
        make_city(server)
        yield address_of([server], PASSWORD, wait_s=2), server


def measure(way: str, kills: int) -> Seen:
    """So many kills on one city; what was answered before each is looked at in the end, and of
    each caller the newest after every kill."""
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    seen = Seen(tries=0, acknowledged=0, told=f"seed {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="pintu-city-kill-") as at,
        a_store(way) as (store, server),
    ):
        data = Path(at) / "data"
        write_persons(data)
        city = City(data, "--open", "--no-pieces", store=store)
        seen.start_s = city.ready_s
        callers: list[Caller] = []
        try:
            line = Line(city.port, city.token)
            for round_ in range(kills):
                fresh = [
                    Caller(city.port, city.token, f"{seed}-{round_}-{one}", receipts=True)
                    for one in range(CALLERS)
                ]
                _load_and_kill(city, fresh, chance, seen)
                callers += fresh
                seen.lost += missing_of(line, fresh)
            seen.lost += missing_of(line, callers)
        finally:
            city.stop()
        for caller in callers:
            seen.acknowledged += caller.acknowledged + len(caller.receipts)
            seen.wrong += caller.wrong
        receipts = [number for caller in callers for number, _ in caller.receipts]
        seen.wrong += ["two answers share one receipt"] * (len(receipts) - len(set(receipts)))
        seen.wrong += sound(data / "city.db") if server is None else disagreeing(server)
    return seen


def _load_and_kill(city: City, callers: list[Caller], chance: random.Random, seen: Seen) -> None:
    for one in callers:
        one.start()
    time.sleep(0.1 + chance.random() * 0.8)
    back_s = kill_everything(city) if seen.tries % EVERYTHING == 3 else kill_broker(city)
    time.sleep(chance.random() * 0.2)
    for one in callers:
        one.stopped = True
    for one in callers:
        one.join(40)
    seen.tries += 1
    seen.recovered_s = max(seen.recovered_s, back_s)
