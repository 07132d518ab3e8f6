"""Several brokers on one PostgreSQL under load: the one that leads killed at random moments, hung,
and every one restarted in turn; `python -m tests.faults.brokers_kill [TRIES]`.

What was acknowledged is there on every broker, and was told at least once, each entity's changes in
their order; another broker tells within 10 s.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.faults.brokers_town import LAMP, Balancer, Told, Town, Writer, wait_until, writing
from tests.faults.callers import ENTITIES, Line
from tests.faults.postgres_load import address_of, make_city
from tests.faults.seen import Seen
from tests.real_databases import PASSWORD, postgres

SETTINGS = {"max_connections": "120", "recovery_init_sync_method": "syncfs"}
STORE_PORTS = (9780, 9789)
WRITERS: Final = 3
DRAIN_S: Final = 2
WITHIN_S: Final = 60.0
"""What was not told is lost when nothing was told for so long: on a busy machine what waits may be
told slower than it is written."""
SETTLE_S: Final = 600.0


def measure(way: str, tries: int) -> Seen:
    """`way`: "kill" the leader, "hang" it (SIGSTOP, later SIGCONT), "restart" all in turn."""
    seed = random.SystemRandom().randrange(10**9)
    seen = Seen(tries=0, acknowledged=0, told=f"seed {seed}")
    brokers = 2 if tries <= 2 else 3
    with (
        tempfile.TemporaryDirectory(prefix="pintu-brokers-") as at,
        postgres(settings=SETTINGS, ports=STORE_PORTS) as server,
        ExitStack() as ends,
    ):
        make_city(server)
        told = Told()
        ends.callback(told.close)
        store = address_of([server], PASSWORD, wait_s=5)
        town = Town(Path(at), store, brokers, told, DRAIN_S if way == "restart" else 0)
        ends.callback(town.stop)
        town.start()
        town.subscribe(town.brokers[-1])
        if way == "restart":
            _restarted(town, tries, seen)
        else:
            _hurt(town, way, tries, seen, random.Random(seed))
    return seen


# --- the leader is killed or hangs ----------------------------------------------------------------
def _hurt(town: Town, way: str, tries: int, seen: Seen, chance: random.Random) -> None:
    writers = [_anywhere(town, f"{LAMP}{at}", chance.random()) for at in range(WRITERS)]
    with writing(writers):
        while seen.tries < tries:
            time.sleep(0.5 + chance.random() * 1.5)
            leader = town.leader()
            began = time.monotonic()
            if way == "hang":
                leader.hang(hangs=True)
            else:
                leader.kill()
            # who takes over tells over a line of its own, begun after the other was gone
            wait_until(lambda at=began: town.told.opened > at, WITHIN_S)  # type: ignore[misc]
            seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
            if way == "hang":
                leader.hang(hangs=False)
            else:
                leader.start()
            leader.ready()
            seen.tries += 1
    _settle(town, writers, seen)


def _anywhere(town: Town, id: str, seed: float) -> Writer:
    """Each write to any broker there is."""
    chance = random.Random(seed)
    lines = {one.name: Line(one.port, town.token, timeout_s=20) for one in town.brokers}

    def choose() -> Line:
        there = [one.name for one in town.brokers if one.alive and not one.hangs] or [
            town.brokers[0].name
        ]
        return lines[chance.choice(there)]

    return Writer(id, choose)


# --- a rolling restart ----------------------------------------------------------------------------
def _restarted(town: Town, tries: int, seen: Seen) -> None:
    balancer = Balancer([one.port for one in town.brokers])
    line_of = {at: Line(balancer.port, town.token, timeout_s=30) for at in range(WRITERS)}
    writers = [Writer(f"{LAMP}{at}", lambda at=at: line_of[at]) for at in range(WRITERS)]  # type: ignore[misc]
    try:
        with writing(writers):
            for _ in range(tries):
                for one in town.brokers:
                    time.sleep(0.5)
                    began = time.monotonic()
                    one.signal(signal.SIGTERM)
                    one.wait(DRAIN_S + 20)
                    one.start()
                    one.ready()
                    seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
                seen.tries += 1
    finally:
        balancer.close()
    seen.wrong += [f"refused {text}" for one in writers for text in one.refused]
    seen.wrong += ["the balancer found nobody"] * balancer.refused
    _settle(town, writers, seen)


# --- what was promised ----------------------------------------------------------------------------
def _settle(town: Town, writers: list[Writer], seen: Seen) -> None:
    acknowledged = {one.id: one.acknowledged for one in writers}
    seen.acknowledged = sum(map(len, acknowledged.values()))
    late_s = wait_until(lambda: _settled(town, acknowledged), SETTLE_S, 0.2)
    seen.lost += town.told.missing(acknowledged)
    seen.wrong += town.told.disordered()
    lines = [Line(one.port, town.token) for one in town.brokers]
    for writer in writers:
        held = [_held(line, writer.id) for line in lines]
        if len(set(held)) != 1 or held[0] < writer.acknowledged[-1]:
            seen.lost.append(f"{writer.id} is {held}, acknowledged {writer.acknowledged[-1]}")
    refused = sum(len(one.refused) for one in writers)
    twice = sum(len(told) - len(set(told)) for told in town.told.values.values())
    seen.told += (
        f", {len(town.brokers)} brokers, {refused} unanswered, {twice} told again, the last was "
        f"told {late_s:.1f} s after the last write"
    )


def _settled(town: Town, acknowledged: dict[str, list[int]]) -> bool:
    """Everything was told, or nothing more is."""
    quiet_s = time.monotonic() - town.told.last
    return quiet_s > WITHIN_S or not town.told.missing(acknowledged)


def _held(line: Line, id: str) -> int:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        answer = line.ask("GET", f"{ENTITIES}/{id}?options=keyValues")
        if answer is not None and answer[0] == 200:
            return int(json.loads(answer[1])["n"])
        time.sleep(0.1)
    return -1


def main() -> int:
    """Every way, some tries each; 1 when something was lost or wrong."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    bad = False
    for way, many in (
        ("kill", tries),
        ("hang", max(tries // 5, 1)),
        ("restart", max(tries // 5, 1)),
    ):
        seen = measure(way, many)
        print(f"{way:<8} {seen.tries} tries, {seen.acknowledged} acknowledged, "
              f"{len(seen.lost)} lost, {len(seen.wrong)} wrong, {seen.recovered_s:.1f} s; "
              f"{seen.told}", flush=True)  # fmt: skip
        for text in [*seen.lost[:5], *seen.wrong[:5]]:
            print("   ", text)
        bad = bad or bool(seen.lost or seen.wrong)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
