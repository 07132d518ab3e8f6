"""The supervisor and the folder's lock: children come back, stop in order, and die with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pintu.kernel.clock import anchored, parse_clock
from pintu.kernel.errors import ConfigurationError
from pintu.processes.lock import (
    FolderInUse,
    prepare_folder,
    read_holder,
    running_city,
    take_lock,
)
from pintu.processes.supervisor import Program, Supervisor


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def program(name: str, code: str, **more: object) -> Program:
    """A child that runs a line of Python."""
    return Program(name=name, command=(sys.executable, "-c", code), **more)  # type: ignore[arg-type]


SLEEP = "import time; time.sleep(60)"


class Running:
    """A supervisor on a thread, as `pintu up` runs it on the main one."""

    def __init__(self, *programs: Program) -> None:
        self.told: list[str] = []
        self.supervisor = Supervisor(list(programs), self.told.append)
        self.supervisor.start()
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.code = self.supervisor.run()

    def stop(self) -> float:
        """Ask it to stop and return how many seconds that took."""
        began = time.monotonic()
        self.supervisor.ask_stop()
        self.thread.join(30)
        return time.monotonic() - began


def test_a_child_that_dies_comes_back() -> None:
    """kill -9 of a child: the supervisor says so and starts it again."""
    city = Running(program("broker", SLEEP))
    try:
        before = city.supervisor.pids()["broker"]
        os.kill(before, signal.SIGKILL)
        assert until(lambda: city.supervisor.pids().get("broker", before) != before)
        assert any("SIGKILL" in one and "starts again" in one for one in city.told)
    finally:
        city.stop()


def test_other_settings_are_followed_before_a_child_comes_back() -> None:
    """Whoever changed the settings need not ask: what runs or starts again runs with the new."""
    old, new = program("broker", SLEEP, stdin=b"old"), program("broker", SLEEP, stdin=b"new")
    city = Running(old)
    changed = threading.Event()

    def once() -> bool:
        told = changed.is_set()
        changed.clear()
        return told

    city.supervisor.watch(once, lambda: [new])
    try:
        before = city.supervisor.pids()["broker"]
        changed.set()
        assert until(lambda: city.supervisor.pids().get("broker", before) != before)
        after = city.supervisor.pids()["broker"]
        changed.set()  # said again: nothing differs, nobody is ended
        assert until(lambda: not changed.is_set())
        time.sleep(0.5)
        assert after == city.supervisor.pids()["broker"]
        assert 1 == len(city.told)
    finally:
        city.stop()


def test_a_child_told_wrongly_is_not_started_again() -> None:
    """Exit code 2 means another try would end the same; a needed child ends the city with 1."""
    city = Running(program("broker", "raise SystemExit(2)"), program("field", SLEEP))
    city.thread.join(10)
    assert 1 == city.code
    assert any("cannot run as configured" in one for one in city.told)
    assert {} == city.supervisor.pids()


def test_the_broker_stops_last(tmp_path: Path) -> None:
    """Whoever hands in work is stopped before whoever stores it."""
    note = tmp_path / "order"
    code = (
        "import signal,sys,time\n"
        "def end(*_):\n"
        f"    open({str(note)!r}, 'a').write(sys.argv[1] + '\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(note)!r} + sys.argv[1], 'w')\n"
        "time.sleep(60)\n"
    )
    base = (sys.executable, "-c", code)
    city = Running(
        Program(name="broker", command=(*base, "broker"), stops_last=True),
        Program(name="field", command=(*base, "field")),
    )
    assert until(lambda: all(Path(f"{note}{one}").exists() for one in ("broker", "field")))
    city.stop()
    assert ["field", "broker"] == note.read_text().split()
    assert 0 == city.code


def test_a_restart_lets_the_last_one_finish(tmp_path: Path) -> None:
    """Asked to restart, who stops last finishes and starts anew at once; the others go on."""
    note = tmp_path / "finished"
    finishing = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): time.sleep(0.2); pathlib.Path({str(note)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    city = Running(program("first", SLEEP), program("last", finishing, stops_last=True))
    try:
        time.sleep(0.5)  # until its handler is there
        before = city.supervisor.pids()
        city.supervisor.ask_restart()
        assert until(lambda: city.supervisor.pids().get("last", 0) not in (0, before["last"]))
        assert note.exists()
        assert before["first"] == city.supervisor.pids()["first"]
        assert not [one for one in city.told if "starts again" in one]
    finally:
        city.stop()


def test_a_child_that_will_not_stop_is_killed_in_time() -> None:
    """A child that ignores SIGTERM does not keep the city from stopping within ten seconds."""
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    city = Running(program("field", deaf))
    pid = city.supervisor.pids()["field"]
    time.sleep(0.3)
    assert city.stop() < 10
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_reads_what_it_is_told(tmp_path: Path) -> None:
    """What a program is told comes on its stdin, again at every start."""
    note = tmp_path / "told"
    code = f"import sys; open({str(note)!r}, 'a').write(sys.stdin.read()); raise SystemExit(3)"
    city = Running(program("field", code, stdin=b"x"))
    try:
        assert until(lambda: note.exists() and note.read_text() >= "xx")
    finally:
        city.stop()


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor takes its children along."""
    note = tmp_path / "pid"
    code = (
        "import sys; from pintu.processes.supervisor import Program, Supervisor\n"
        f"s = Supervisor([Program(name='x', command=(sys.executable, '-c', {SLEEP!r}))], print)\n"
        f"s.start(); open({str(note)!r}, 'w').write(str(s.pids()['x'])); s.run()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env=with_source())
    assert until(lambda: note.exists() and note.read_text() != "")
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    assert until(lambda: not Path(f"/proc/{child}").exists() or zombie(child))


def zombie(pid: int) -> bool:
    """True when a process has ended and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def with_source() -> dict[str, str]:
    """The environment with this project's source importable."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1] / "src")}


def test_a_folder_has_one_city(tmp_path: Path) -> None:
    """The second lock is refused in one sentence that says where the first city is."""
    handle = take_lock(tmp_path, address="http://127.0.0.1:9700")
    try:
        assert "http://127.0.0.1:9700" == running_city(tmp_path)
        with pytest.raises(FolderInUse) as caught:
            take_lock(tmp_path, patience_s=0)
        assert "in use by the city at http://127.0.0.1:9700" in caught.value.detail
        assert str(os.getpid()) in caught.value.detail
    finally:
        os.close(handle)
    assert None is running_city(tmp_path)
    os.close(take_lock(tmp_path, patience_s=0))


def test_nobody_runs_where_nobody_ran(tmp_path: Path) -> None:
    """A folder without a lock has no city and nobody who holds it; a broken lock file neither."""
    assert (None, {}) == (running_city(tmp_path), read_holder(tmp_path))
    (tmp_path / "lock").write_text("{not json")
    assert (None, {}) == (running_city(tmp_path), read_holder(tmp_path))


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    """A file in the place of the data folder is one sentence, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        prepare_folder(tmp_path / "file" / "data")


def test_an_anchored_clock_is_one_clock() -> None:
    """Two readings of an anchored text, at different moments, are one clock; real stays real."""
    text = anchored("2026-01-01T00:00Z x60")
    assert parse_clock(text) == parse_clock(text, real_now_us=5)
    assert (text, "real") == (anchored(text), anchored("real"))


def test_what_cannot_be_started_or_said_now_is_tried_again(tmp_path: Path) -> None:
    """A program that is not there yet, and a log on a full disk, end no city."""
    late, came = tmp_path / "late", tmp_path / "came"

    def full(sentence: str) -> None:
        raise OSError(28, "No space left on device")

    supervisor = Supervisor([Program(name="late", command=(str(late),))], full)
    supervisor.start()
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        late.write_text(f"#!/bin/sh\ntouch {came}\nexec sleep 60\n", "utf-8")
        late.chmod(0o700)
        assert until(came.exists)
    finally:
        supervisor.ask_stop()
        thread.join(20)
    assert not thread.is_alive()
