"""`pintu up`: lock the folder, take the port, start the processes, say where, wait for Ctrl-C."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pintu.kernel.clock import anchored
from pintu.kernel.errors import ConfigurationError
from pintu.processes.lock import prepare_folder, take_lock
from pintu.processes.supervisor import Program, Supervisor, die_with
from pintu.restored import is_quiet
from pintu.settings import Settings, as_plain, load_settings, store_changed

READY_WITHIN_S = 60.0
Say = Callable[[str], None]


def run_city(settings: Settings, say: Say, log: Say) -> int:
    """Run the city until SIGINT or SIGTERM; returns its exit code.

    Raises ConfigurationError (folder, port) and FolderInUse before anything is started.
    """
    prepare_folder(settings.data)
    lock = take_lock(settings.data, address=settings.address)
    settings = replace(settings, clock=_continued_clock(settings))
    listener = _listen(settings)
    first_start = not settings.token_file.exists()
    programs_now = _programs(settings, listener.fileno(), lock)
    supervisor = Supervisor(programs_now, log, drain_s=settings.drain_s)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, supervisor.ask_stop)

    told = _Told(settings, log)

    def programs() -> list[Program]:
        return _programs(told.again(), listener.fileno(), lock)

    supervisor.watch(told.moved, programs)
    signal.signal(signal.SIGHUP, supervisor.ask_restart)
    signal.signal(signal.SIGUSR1, lambda *_: supervisor.ask_renew(programs))
    # ours stays open: while the broker restarts, callers wait in the socket's queue
    supervisor.start()
    watcher = threading.Thread(
        target=_say_when_ready, args=(settings, supervisor, say, first_start), daemon=True
    )
    watcher.start()
    code = supervisor.run()
    listener.close()
    say("stopped; everything acknowledged is kept in " + str(settings.data))
    return code


class _Told:
    """What the children are told: the settings, with the store that `pintu.toml` names by now.

    The city follows a move by itself: whoever moved it may have ended without a word.
    """

    def __init__(self, settings: Settings, log: Say) -> None:
        self._settings = settings
        self._log = log
        self._seen: list[tuple[int, ...]] = []

    def again(self) -> Settings:
        """The settings as they are by now."""
        try:
            store = load_settings(self._settings.data, os.environ).store
            self._settings = replace(self._settings, store=store)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                self._log(f"settings are not read again: {mistake}")
        return self._settings

    def moved(self) -> bool:
        """Has the city moved? Costs a look at two files' times."""
        data = self._settings.data
        seen = [_stamp(data / name) for name in ("pintu.toml", "moved.json")]
        if seen == self._seen:
            return False
        self._seen = seen
        return store_changed(self._settings, os.environ)()


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _programs(settings: Settings, listener: int, lock: int) -> list[Program]:
    told = json.dumps({**as_plain(settings), "listener": listener, "lock": lock}).encode()
    python = (sys.executable, "-m")
    programs = [
        Program(
            name="broker",
            command=(*python, "pintu.processes.broker"),
            stdin=told,
            inherit=(listener, lock),
            stops_last=True,
        )
    ]
    if settings.backup and not is_quiet(settings.data):
        backups = (*python, "pintu.processes.keeping.schedule")
        programs.append(Program(name="backups", command=backups, stdin=told, needed=False))
    if settings.pieces and not is_quiet(settings.data):
        programs.append(
            Program(name="field", command=(*python, "pintu.processes.field"), stdin=told)
        )
        programs.append(
            Program(name="loads", command=(*python, "pintu.processes.loads"), stdin=told)
        )
    if settings.demo:
        programs.append(
            Program(name="demo", command=(*python, *demo_command(settings)), needed=False)
        )
    return programs


def demo_command(settings: Settings) -> tuple[str, ...]:
    """The demo city's own command line; it learns nothing else from us."""
    return (
        "pintu.demo",
        "--port",
        str(settings.port + 1),
        "--seed",
        str(settings.seed),
        "--clock",
        settings.clock,
        "--base-map",
        str(settings.data / "demo-basemap.geojson"),
        "--air-list",
        str(settings.data / "demo-air-stations.json"),
        "--air-past",
        "960",
        "--fault-rate",
        "0.002",  # at rest a wall is calm: `pintu demo storm` is there for the other picture
        "--modbus-port",
        str(settings.port + 3),
        "--opcua-port",
        str(settings.port + 5),
        "--things-incidents",
        "4",
        "--things-lies",
        "2",
        "--things-truth",
        str(settings.data / "demo-truth.jsonl"),
        "--inbox",
        str(settings.data / "inbox"),
        "--registers",
        str(settings.data / "inbox" / "registers"),
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ConfigurationError(
            [f"Port {settings.port} of {settings.host} cannot be used ({reason}); try --port"]
        ) from error
    listener.listen(2048)
    os.set_inheritable(listener.fileno(), True)
    return listener


def _continued_clock(settings: Settings) -> str:
    """A made-up clock goes on where it was: its beginning is kept in the data folder."""
    if settings.clock == "real":
        return "real"
    kept = settings.data / "clock"
    try:
        before = kept.read_text("utf-8").strip()
    except OSError:
        before = ""
    if before.partition(" @")[0] == settings.clock.strip():
        return before
    text = anchored(settings.clock)
    kept.write_text(text + "\n", "utf-8")
    return text


def _say_when_ready(settings: Settings, city: Supervisor, say: Say, first_start: bool) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready(settings):
        if city.stopping:
            return
        if time.monotonic() > deadline:
            say(f"not ready after {READY_WITHIN_S:g} s; the lines above say why")
            deadline = float("inf")
        time.sleep(0.1)
    say(f"ready at {settings.address}")
    token = _read(settings.token_file)
    if token and first_start:
        say(f"administrator's token, shown once: {token}")
        say(f"  kept in {settings.token_file}, readable by you alone")
    link = _sign_in_link(settings)
    if link:
        say(f"sign in (once, within 15 minutes): {link}")
        say("  another one: pintu token link")
    if settings.open:
        say("open: everybody on this machine may do everything (--open)")
    say("Ctrl-C stops the city; the same command continues where it was")


def _sign_in_link(settings: Settings) -> str:
    """Asked of a process of its own, so that this one stays small."""
    command = [sys.executable, "-m", "pintu", "token", "link", "--data", str(settings.data)]
    parent = os.getpid()
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: die_with(parent),
    )
    return told.stdout.strip() if told.returncode == 0 else ""


def is_ready(settings: Settings) -> bool:
    """True when the broker answers /readyz with 200."""
    link: http.client.HTTPConnection
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    if settings.tls_cert:
        # our own certificate on our own machine: only whether somebody answers is asked
        context = ssl._create_unverified_context()
        link = http.client.HTTPSConnection(host, settings.port, timeout=5, context=context)
    else:
        link = http.client.HTTPConnection(host, settings.port, timeout=5)
    try:
        link.request("GET", "/readyz")
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
