"""A disk that takes 50 to 500 ms for each sync (`shim.c`): what waits has a bound, who comes on top
of it is told 503 and when to come again, reads go on, memory does not grow; `measure("", times)`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.http_ops import City
from tests.faults.callers import ENTITIES, Caller, Line, missing_of
from tests.faults.promises import sound
from tests.faults.seen import Seen
from tests.faults.shim import below

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 48
BATCH = 1_000
"""48 batches of 1,000 are more than twice what may wait (20,000 operations)."""

SLOW_S = (0.5, 0.05, 0.2)
SECONDS = 6.0
READ_P99_S = 1.5
GROWTH_MB = 250


def measure(_way: str, times: int) -> Seen:
    """So many stretches of slowness, each of another sort, under more load than the disk takes."""
    seed = random.SystemRandom().randrange(10**9)
    seen = Seen(tries=0, acknowledged=0)
    told: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pintu-slow-") as name:
        data = Path(name).resolve() / "data"
        with below(Path(name), data) as under:
            city = City(data, "--open", "--no-pieces")
            try:
                steady = Caller(city.port, "", f"{seed}-steady")
                steady.start()
                time.sleep(1)
                for round_ in range(times):
                    under.slow(SLOW_S[round_ % len(SLOW_S)])
                    told.append(_stretch(city, f"{seed}-{round_}", seen))
                    under.slow(0)
                    seen.recovered_s = max(seen.recovered_s, _again(steady))
                    seen.tries += 1
                steady.stopped = True
                steady.join(60)
                seen.acknowledged += steady.acknowledged
                seen.wrong += steady.wrong
                seen.lost += missing_of(Line(city.port, ""), [steady])
                if not under.syncs:
                    seen.wrong.append("the disk was not slow: no sync met the library")
            finally:
                under.slow(0)
                city.stop()
        seen.wrong += sound(data / "city.db")
    seen.told = "; ".join(told)
    return seen


def _stretch(city: City, name: str, seen: Seen) -> str:
    """More load than a slow disk takes, for some seconds; what it was like."""
    before_mb, line = city.broker_mb(), Line(city.port, "")
    words = [str(city.port), name, str(WRITERS), str(BATCH)]
    pushers = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.slow_pushers", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert pushers.stdout is not None
    pushers.stdout.readline()  # they begin
    reads: list[float] = []
    until, most_mb = time.monotonic() + SECONDS, before_mb
    while time.monotonic() < until:
        began = time.monotonic()
        answer = line.ask("GET", f"{ENTITIES}?type=Nothing")
        reads.append(time.monotonic() - began)
        if answer is None or answer[0] != 200:
            seen.wrong.append(f"a read beside slow writes was answered {answer}")
        most_mb = max(most_mb, city.broker_mb())
        time.sleep(0.02)
    told, _ = pushers.communicate("stop\n", timeout=150)
    came = json.loads(told)
    answers = {int(status): count for status, count in came["answers"].items()}
    kept: list[str] = came["kept"]
    seen.acknowledged += len(kept)
    seen.lost += [id for id in kept if (line.ask("GET", f"{ENTITIES}/{id}") or (0,))[0] != 200]
    seen.wrong += ["a 503 did not say when to come again"] * came["untold"]
    strange = {status: n for status, n in answers.items() if status not in (201, 503, 507)}
    if strange:
        seen.wrong.append(f"batches were answered {strange}")
    if not answers.get(503):
        seen.wrong.append("nobody was told to come again")
    p99 = sorted(reads)[int(len(reads) * 0.99)]
    if p99 > READ_P99_S:
        seen.wrong.append(f"reads beside slow writes: p99 {p99:.2f} s")
    if most_mb - before_mb > GROWTH_MB:
        seen.wrong.append(f"memory grew by {most_mb - before_mb:.0f} MB")
    return (
        f"{json.dumps(answers)} +{most_mb - before_mb:.0f} MB, "
        f"{len(reads)} reads p99 {p99 * 1000:.0f} ms"
    )


def _again(steady: Caller) -> float:
    """Seconds until one who always writes is answered again."""
    began, was = time.monotonic(), steady.acknowledged
    while steady.acknowledged < was + 5 and time.monotonic() - began < 60:
        time.sleep(0.01)
    return time.monotonic() - began
