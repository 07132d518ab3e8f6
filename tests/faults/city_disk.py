"""A disk under a running city that takes nothing more, and does again: `full` is a small tmpfs,
`readonly` refuses every write with EROFS (`shim.c`); `measure(way, times)`.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.http_ops import City
from claims.words import NotRun
from tests.faults.callers import ENTITIES, Caller, Line, missing_of, write_persons
from tests.faults.promises import sound
from tests.faults.seen import Seen
from tests.faults.shim import READ_ONLY, below

CALLERS = 4
SIZE = 256_000_000
"""Several times what a write-ahead log takes before it is folded back: else that alone fills it,
and there is no room left to fold it."""

READ_S = 2.0
"""A read beside refused writes takes no longer than this."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Where a city lies, and how its disk is broken and mended."""

    folder: Path
    fail: Callable[[], None]
    mend: Callable[[], None]


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Disk]:
    """A tmpfs that can be filled to the last byte."""
    where = folder / "disk"
    where.mkdir()
    if os.geteuid() != 0:
        raise NotRun("only root may mount a small disk")
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "pintu-faults", str(where)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRun(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    ballast = where / "ballast"

    def fail() -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65_536))
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    try:
        yield Disk(where, fail, ballast.unlink)
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@contextlib.contextmanager
def refusing(folder: Path) -> Iterator[Disk]:
    """A disk that turned read-only under those who have files open."""
    where = folder / "disk"
    where.mkdir()
    with below(folder, where.resolve() / "data") as under:
        yield Disk(where, lambda: under.refuse(READ_ONLY), lambda: under.refuse(0))


def measure(way: str, times: int) -> Seen:
    """So many times the disk fails under load and is mended."""
    seed = random.SystemRandom().randrange(10**9)
    seen = Seen(tries=0, acknowledged=0)
    kinds = {"full": filling, "readonly": refusing}
    with tempfile.TemporaryDirectory(prefix="pintu-disk-") as name, kinds[way](Path(name)) as disk:
        data = disk.folder / "data"
        write_persons(data)
        city = City(data, "--open", "--no-pieces")
        slowest = 0.0
        callers = [Caller(city.port, "", f"{seed}-{one}", receipts=True) for one in range(CALLERS)]
        try:
            for one in callers:
                one.start()
            for _ in range(times):
                time.sleep(0.6)
                slowest = max(slowest, _failed(city, disk, callers, seen))
            for one in callers:
                one.stopped = True
            for one in callers:
                one.join(40)
            line = Line(city.port, "")
            seen.lost += missing_of(line, callers)
            city.stop()
            city.start()
            seen.lost += missing_of(line, callers)
        finally:
            with contextlib.suppress(OSError):
                disk.mend()
            city.stop()
        for caller in callers:
            seen.acknowledged += caller.acknowledged
            seen.wrong += caller.wrong
        seen.wrong += sound(data / "city.db")
        refused = sum(one.answers[507] + one.answers[503] for one in callers)
        seen.told = f"seed {seed}; {refused} refused; a read at most {slowest * 1000:.0f} ms"
    return seen


def _failed(city: City, disk: Disk, callers: list[Caller], seen: Seen) -> float:
    """The disk fails and is mended once; the longest read meanwhile."""
    before = sum(one.answers[507] for one in callers)
    line, slowest = Line(city.port, ""), 0.0
    disk.fail()
    began = time.monotonic()
    while sum(one.answers[507] for one in callers) < before + 5:
        if time.monotonic() - began > 20:
            seen.wrong.append("nobody was answered 507 while the disk took nothing")
            break
        time.sleep(0.02)
    for caller in callers:
        ids = [id for id, kept in list(caller.kept.items()) if kept.values[-1:] not in ([], [-1])]
        for id in ids[:10]:
            asked = time.monotonic()
            answer = line.ask("GET", f"{ENTITIES}/{id}")
            slowest = max(slowest, time.monotonic() - asked)
            if answer is None or answer[0] not in (200, 404):
                seen.wrong.append(f"a read beside refused writes was answered {answer}")
    if slowest > READ_S:
        seen.wrong.append(f"a read beside refused writes took {slowest:.1f} s")
    answered = [one.acknowledged for one in callers]
    disk.mend()
    began = time.monotonic()
    while any(one.acknowledged <= was for one, was in zip(callers, answered, strict=True)):
        if time.monotonic() - began > 60:
            seen.wrong.append("writes do not resume by themselves")
            break
        time.sleep(0.02)
    seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
    seen.tries += 1
    return slowest
