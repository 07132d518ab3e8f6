"""Backups of a city in files while it is written to, killed, flipped and starved: what comes back
is what was there, or the restore says that it is not.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from claims.words import NotRun
from pintu.cli import run as pintu
from pintu.kept import Kept
from pintu.kept_state import read_state
from pintu.kernel.errors import PintuError
from pintu.processes.keeping.bringing import STAGE, Brought, Wanted, bring
from pintu.processes.keeping.counting import entities_of
from pintu.processes.keeping.replaying import Goal, covers
from pintu.processes.keeping.schedule import make_base
from pintu.processes.keeping.stream import read_segment
from pintu.settings import load_settings
from tests.faults.seen import Fault, Seen

ROOT = Path(__file__).resolve().parents[2]
Moment = tuple[int, int, str]
HOLDS = "equal to what was there then, or said not to be"

FAULTS = (
    Fault(name="backup: any moment, under load and kill -9", module="backup_faults", way="moments",
          full=30, fast=2, holds=HOLDS, limit_s=1800),
    Fault(name="backup: kill -9 while one is made", module="backup_faults", way="making",
          full=20, fast=2, holds="no half backup is ever taken for one", limit_s=1200),
    Fault(name="backup: kill -9 of a restore", module="backup_faults", way="restoring",
          full=20, fast=2, holds="nothing or all of it; the next one succeeds", limit_s=1200),
    Fault(name="backup: a flipped bit", module="backup_faults", way="flipped",
          full=200, fast=6, holds="found by verify", limit_s=1200),
    Fault(name="backup: its disk is full", module="backup_faults", way="full",
          full=3, fast=1, holds="the city writes on; backups go on by themselves", within_s=30),
    Fault(name="backup: any moment, PostgreSQL", module="backup_server",
          full=10, fast=2, holds=HOLDS, limit_s=900),
)  # fmt: skip


class Town:
    """A child that writes, what it said, and the folder of its backups."""

    def __init__(self, folder: Path) -> None:
        self.data, self.backups = folder / "data", folder / "backups"
        self.data.mkdir(exist_ok=True)
        self.backups.mkdir(exist_ok=True)
        self.kept = Kept(folder=self.backups, keys="open")
        self.moments: list[Moment] = []
        self.acknowledged: dict[int, str] = {}
        self._lives = 0
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """One life."""
        self._lives += 1
        words = [str(self.data), str(self.backups), str(self._lives)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.backup_child", *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
        self._thread = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._thread.start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.split()
            if not line.endswith("\n"):
                continue
            if words[0] == "moment":
                self.moments.append((int(words[1]), int(words[2]), words[3]))
            elif int(words[2]):
                self.acknowledged[int(words[2])] = words[0]

    def wait(self, moments: int, within_s: float = 60) -> None:
        """Until it held still so often."""
        until, wanted = time.monotonic() + within_s, len(self.moments) + moments
        while len(self.moments) < wanted:
            assert self._process is not None and self._process.poll() is None, "it ended by itself"
            assert time.monotonic() < until, "it does not get on"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None and self._thread is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._thread.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def follows(self, at_us: int, within_s: float = 30) -> None:
        """Until backups go on, up to that moment at least."""
        until = time.monotonic() + within_s
        while (told := read_state(self.data, "stream")).get("at_us", 0) < at_us or told["trouble"]:
            assert time.monotonic() < until, f"backups do not go on: {told}"
            time.sleep(0.05)

    def leads_to(self, at_us: int, within_s: float = 30) -> None:
        """Until every moment up to that one is kept: of what was committed beside a tick the next
        one tells."""
        until = time.monotonic() + within_s
        while covers(self.backups / "stream", 0, at_us + 1) is None:
            assert time.monotonic() < until, "the stream does not lead there"
            time.sleep(0.1)

    def base(self) -> Path:
        """A whole copy, beside it."""
        return make_base(load_settings(self.data, {}), self.kept)

    def brought(self, target: Path, goal: Goal) -> tuple[Brought, tuple[int, str]]:
        """Restore, and what is there then."""
        shutil.rmtree(target, ignore_errors=True)
        wanted = Wanted(backup=self.backups, data=target, store="sqlite:", anew=False, goal=goal)
        told = bring(wanted)
        return told, entities_of(target / "city.db")


@contextmanager
def town() -> Iterator[Town]:
    """One that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pintu-backup-") as folder:
        made = Town(Path(folder))
        try:
            yield made
        finally:
            with contextlib.suppress(AssertionError):
                made.kill()


def measure(way: str, tries: int) -> Seen:
    """One of the faults below."""
    ways: dict[str, Callable[[int], Seen]] = {
        "moments": moments,
        "making": making,
        "restoring": restoring,
        "flipped": flipped,
        "full": full,
    }
    return ways[way](tries)


def moments(tries: int) -> Seen:
    """Lives that end with kill -9, a whole copy in each; then every moment is asked for."""
    seen = Seen(tries=0, acknowledged=0)
    beyond = 0
    with town() as one:
        for life in range(max(1, tries // 6)):
            one.start()
            one.wait(1)
            one.base()
            one.wait(3 if life or tries > 6 else 2)
            one.kill()
        seen.acknowledged = len(one.acknowledged)
        chosen = random.sample(one.moments, min(tries, len(one.moments)))
        for n, (at_us, position, digest) in enumerate(chosen):
            goal = Goal(to_us=at_us) if n % 2 else Goal(position=position)
            seen.tries += 1
            try:
                told, found = one.brought(one.data.parent / "again", goal)
            except PintuError as error:
                if not any(one in error.detail for one in ("nothing before it", "is not known")):
                    seen.wrong.append(error.detail)
                beyond += 1
                continue
            if told.said:
                beyond += 1  # it says that it does not lead there
                print(told.said)
            elif found != (position, digest):
                seen.wrong.append(f"{goal}: position {found[0]} instead of {position}")
    seen.told = f"{beyond} of {seen.tries} said to lie outside of what was kept"
    return seen


def making(tries: int) -> Seen:
    """The process that makes a whole copy is killed at any time; the next one is whole."""
    seen = Seen(tries=tries, acknowledged=0)
    code = (
        "import sys; from pathlib import Path; from pintu.kept import Kept;"
        "from pintu.settings import load_settings;"
        "from pintu.processes.keeping.schedule import make_base;"
        "print('go', flush=True);"
        "kept = Kept(folder=Path(sys.argv[2]), keys='open');"
        "make_base(load_settings(Path(sys.argv[1]), {}), kept)"
    )
    with town() as one:
        one.start()
        one.wait(1)
        for n in range(tries):
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(one.data), str(one.backups)],
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.Random(n).uniform(0, 0.15))
            process.kill()
            process.wait()
            process.stdout.close()
            for path in one.backups.glob("base-*.tar.gz"):
                if _verified(path):
                    seen.wrong.append(f"{path.name} is no whole backup after kill {n}")
        one.base()
        left = list(one.backups.glob(".making-*"))
        seen.wrong += [f"{path.name} is left" for path in left]
        one.kill()
        seen.acknowledged = len(one.acknowledged)
    return seen


def _verified(backup: Path) -> int:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        return pintu(["verify", str(backup)])


def restoring(tries: int) -> Seen:
    """A restore is killed at any time: the folder is not there, or whole; the next one succeeds."""
    seen = Seen(tries=tries, acknowledged=0)
    with town() as one:
        one.start()
        one.wait(1)
        one.base()
        one.wait(2)
        one.kill()
        seen.acknowledged = len(one.acknowledged)
        target = one.data.parent / "again"
        _, wanted = one.brought(target, Goal())
        for n in range(tries):
            shutil.rmtree(target)
            words = [sys.executable, "-m", "pintu", "restore", str(one.backups)]
            process = subprocess.Popen(
                [*words, "--data", str(target)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            )
            time.sleep(random.Random(n).uniform(0.3, 1.6))
            process.kill()
            process.wait()
            if target.exists() and entities_of(target / "city.db") != wanted:
                seen.wrong.append(f"kill {n} left something else than nothing or all")
            _, found = one.brought(target, Goal())
            if found != wanted:
                seen.wrong.append(f"the restore after kill {n} brought something else")
        seen.wrong += [f"{left.name} is left" for left in target.parent.glob(f"{STAGE}*")]
    return seen


def flipped(tries: int) -> Seen:
    """One bit somewhere in a backup: `pintu verify` says so. Ten bytes of gzip's own head (its
    time and system) say nothing about what it holds; and in a run of equal bytes it matters not
    from how far back they are copied; and what stands behind the last whole record was on its way
    when the city was killed. Bits that leave every byte of the content are counted."""
    seen = Seen(tries=tries, acknowledged=0)
    chance = random.Random(tries)
    with town() as one:
        one.start()
        one.wait(1)
        archive = one.base()
        one.wait(1)
        one.kill()
        seen.acknowledged = len(one.acknowledged)
        if _verified(one.backups):
            seen.wrong.append("a good backup is called bad")
        files = [archive, *sorted((one.backups / "stream").glob("*"))]
        harmless = 0
        for _ in range(tries):
            path = chance.choice(files)
            content = path.read_bytes()
            first = 10 if path is archive else 0
            at, bit = chance.randrange(first, len(content)), 1 << chance.randrange(8)
            bent = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
            records_end = len(content) if path is archive else _whole(path)
            path.write_bytes(bent)
            if not _verified(one.backups):
                if at >= records_end or (path is archive and _holds_the_same(content, bent)):
                    harmless += 1
                else:
                    seen.wrong.append(f"bit {bit} of byte {at} of {path.name} was not found")
            path.write_bytes(content)
    seen.told = f"{harmless} bits changed no byte of what it holds"
    return seen


def _whole(segment: Path) -> int:
    """How many bytes of a file of the stream are whole records."""
    return max((end for _, _, end in read_segment(segment)), default=0)


def _holds_the_same(content: bytes, bent: bytes) -> bool:
    """Whether an archive unpacks whole to the same bytes, its own sum included."""
    with contextlib.suppress(OSError, EOFError, zlib.error):
        return gzip.decompress(bent) == gzip.decompress(content)
    return False


def full(tries: int) -> Seen:
    """The disk of the backups ends; the city is answered all the same, and when there is room
    again backups go on: a whole copy, and every moment after it."""
    seen = Seen(tries=tries, acknowledged=0)
    with town() as one, _small(one.backups):
        one.start()
        one.wait(1)
        for _ in range(tries):
            filler = one.backups / "filler"
            with contextlib.suppress(OSError), filler.open("wb") as file:
                while True:
                    file.write(b"x" * 65536)
            before = len(one.acknowledged)
            one.wait(3)
            if len(one.acknowledged) == before:
                seen.lost.append("the city was not answered while the disk was full")
            filler.unlink()
            began = time.monotonic()
            one.follows(time.time_ns() // 1000)
            one.base()
            one.leads_to(time.time_ns() // 1000)  # moments are known from there on
            one.wait(3)
            at_us, position, digest = one.moments[-1]
            one.leads_to(at_us)
            told, found = one.brought(one.data.parent / "again", Goal(to_us=at_us))
            seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
            if told.said or found != (position, digest):
                seen.wrong.append(f"after there was room again: {told.said or found[0]}")
        one.kill()
        seen.acknowledged = len(one.acknowledged)
    return seen


@contextmanager
def _small(folder: Path) -> Iterator[None]:
    """A disk with room for some backups of a city that writes all the time."""
    if os.geteuid() != 0:
        raise NotRun("only root may mount a small disk")
    words = ["mount", "-t", "tmpfs", "-o", "size=256000000", "pintu-backups", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRun(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
