"""One command, several processes: starts them, brings them back, stops all within 10 s."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

STOP_WITHIN_S = 9.0
LOOK_S = 0.2
RENEW_WITHIN_S = 1.0
"""Children whose settings changed have so long to end before they are killed."""
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_AFTER_S = 30.0
"""A child that ran this long starts again without the delay its earlier deaths earned it."""
WRONGLY_CONFIGURED = 2
"""A child that ends with this exit code says that another try would end the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One child: its name, its command line, what it reads on stdin, descriptors it inherits."""

    name: str
    command: tuple[str, ...]
    stdin: bytes = b""
    inherit: tuple[int, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    stops_last: bool = False
    needed: bool = True  # the city ends when it cannot be configured


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0
    given_up: bool = False
    killed_at: float = 0.0  # told to end and start anew; when its patience is over


class Supervisor:
    """Keeps a set of programs running until it is told to stop.

    `log(sentence)` is told what happened to whom. Children die with the supervisor, however it
    ends (PR_SET_PDEATHSIG). The terminal's Ctrl-C does not reach them: it is passed on in order.
    """

    def __init__(
        self, programs: list[Program], log: Callable[[str], None], *, drain_s: float = 0.0
    ) -> None:
        """`drain_s`: how long who stops last serves on once it is told to stop."""
        self._drain_s = drain_s
        self._restart = False
        self._children = [_Child(one) for one in programs]
        self._tell = log
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._again: Callable[[], list[Program]] | None = None
        self._changed: Callable[[], bool] = lambda: False
        self._watched: Callable[[], list[Program]] = list

    def _log(self, sentence: str) -> None:
        """Say it where that can be said: a full disk under the log ends no city."""
        with contextlib.suppress(OSError):
            self._tell(sentence)

    def start(self) -> None:
        """Start every program once; does not wait for any of them to be ready."""
        for child in self._children:
            self._spawn(child)

    def pids(self) -> dict[str, int]:
        """The running programs' process ids by name."""
        return {
            one.program.name: one.process.pid
            for one in self._children
            if one.process is not None and one.process.poll() is None
        }

    def ask_stop(self, *_: object) -> None:
        """Begin to stop; safe in a signal handler and from another thread."""
        self._stop.set()
        self._wake.set()

    def ask_renew(self, programs: Callable[[], list[Program]]) -> None:
        """Begin to run other programs instead: those that differ are ended and started anew. Safe
        in a signal handler; `programs` is asked later, where it may take its time."""
        self._again = programs
        self._wake.set()

    def ask_restart(self, *_: object) -> None:
        """Have who stops last drain, end and start anew; safe in a signal handler. Callers wait in
        the queue of the socket meanwhile: it is ours."""
        self._restart = True
        self._wake.set()

    def watch(self, changed: Callable[[], bool], programs: Callable[[], list[Program]]) -> None:
        """Ask `changed` in every round, before anybody dead is started again; when it says so, run
        `programs` instead, as `ask_renew` does."""
        self._changed, self._watched = changed, programs

    @property
    def stopping(self) -> bool:
        """True once somebody asked to stop."""
        return self._stop.is_set()

    def run(self) -> int:
        """Watch until asked to stop; the exit code: 0 stopped, 1 a needed one cannot run."""
        code = 0
        while not self._stop.is_set():
            if self._again is None and self._changed():
                self._again = self._watched
            if self._again is not None:
                programs, self._again = self._again, None
                self._renew(programs())
            if self._restart:
                self._restart = False
                self._end_anew()
            for child in self._children:
                self._look_after(child)
                if child.given_up and child.program.needed:
                    code = 1
                    self._stop.set()
            self._wake.wait(LOOK_S)
            if not self._stop.is_set():
                self._wake.clear()
        return self._end() or code

    def _end_anew(self) -> None:
        for child in self._children:
            running = child.process is not None and child.process.poll() is None
            if child.program.stops_last and running and not child.killed_at:
                assert child.process is not None
                child.process.terminate()
                child.killed_at = time.monotonic() + STOP_WITHIN_S + self._drain_s
                self._log(f"{child.program.name} is told to finish and starts anew")

    def _renew(self, programs: list[Program]) -> None:
        """Whoever waits for a door that will not open again is not waited for: what was answered
        is kept, what was not can be asked again."""
        kept = [one for one in self._children if one.program in programs]
        going = [one for one in self._children if one not in kept]
        if not going and len(kept) == len(programs):
            return
        self._log(f"settings changed: {', '.join(one.program.name for one in going)} start anew")
        for one in going:
            if one.process is not None and one.process.poll() is None:
                one.process.terminate()
        until = time.monotonic() + RENEW_WITHIN_S + self._drain_s
        for one in going:
            self._wait(one, until)
        known = [one.program for one in kept]
        fresh = [_Child(one) for one in programs if one not in known]
        self._children = [*kept, *fresh]
        for one in fresh:
            self._spawn(one)

    def _spawn(self, child: _Child) -> None:
        program = child.program
        parent = os.getpid()
        try:
            child.process = subprocess.Popen(
                program.command,
                stdin=subprocess.PIPE,
                pass_fds=program.inherit,
                start_new_session=True,
                env={**os.environ, **program.environ},
                preexec_fn=lambda: die_with(parent),
            )
        except OSError as error:  # no memory, no files, no processes left: not for ever
            self._postpone(child, f"cannot be started ({error})")
            return
        assert child.process.stdin is not None
        try:
            child.process.stdin.write(program.stdin)
            child.process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once: looked after like any other death
        child.started = time.monotonic()

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.given_up:
            return
        if child.process is None:
            if now >= child.again_at:
                self._spawn(child)
            return
        code = child.process.poll()
        if code is None:
            if child.killed_at and now > child.killed_at:
                child.process.kill()
            return
        if child.killed_at:
            child.killed_at, child.process, child.deaths = 0.0, None, 0
            self._spawn(child)
            return
        if code == WRONGLY_CONFIGURED:
            child.given_up = True
            self._log(f"{child.program.name} cannot run as configured; it is not started again")
            return
        if now - child.started > STEADY_AFTER_S:
            child.deaths = 0
        self._postpone(child, f"ended ({_ending(code)})")

    def _postpone(self, child: _Child, why: str) -> None:
        delay = BACK_OFF_S[min(child.deaths, len(BACK_OFF_S) - 1)]
        child.deaths += 1
        child.process = None
        child.again_at = time.monotonic() + delay
        self._log(f"{child.program.name} {why}; it starts again in {delay:g} s")

    def _end(self) -> int:
        deadline = time.monotonic() + STOP_WITHIN_S + self._drain_s
        for last in (False, True):
            part = [one for one in self._children if one.program.stops_last is last]
            for one in part:
                if one.process is not None and one.process.poll() is None:
                    one.process.terminate()
            # whoever stops last keeps at least half of the time
            until = deadline if last else time.monotonic() + STOP_WITHIN_S / 2
            for one in part:
                self._wait(one, until)
        return 0

    def _wait(self, child: _Child, until: float) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(max(0.05, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._log(f"{child.program.name} did not stop in time and is killed")
            child.process.kill()
            child.process.wait()


def die_with(parent: int) -> None:
    """For `preexec_fn`, in the child before the program: Linux ends us when the supervisor ends."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
