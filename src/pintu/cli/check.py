"""`pintu check`, `doctor`, `version`: is it told right, does it work here, which one is it."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
import typer
from rich.markup import escape
from rich.table import Table

from pintu import __version__
from pintu.cli.pieces import check_pieces
from pintu.cli.shell import Data, out, settings_of
from pintu.kept import read_kept
from pintu.kept_state import told_of
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.processes.lock import prepare_folder, running_city
from pintu.restored import is_quiet
from pintu.settings import Settings


def check(data: Data = None) -> int:
    """Read settings, manifests and pieces' settings; show every mistake at once."""
    mistakes: list[str] = []
    settings = None
    try:
        settings = settings_of(data)
    except ConfigurationError as error:
        mistakes += error.mistakes
    found, wrong = check_pieces(settings)
    mistakes += wrong
    if mistakes:
        raise ConfigurationError(mistakes)
    assert settings is not None
    toml = settings.data / "pintu.toml"
    where = str(toml) if toml.exists() else f"no {toml}: defaults and environment"
    out.print(f"settings are in order ({where})", soft_wrap=True, markup=False)
    out.print(f"pieces in order: {', '.join(found) or 'none'}")
    return 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found: works (True), does not (False), or would be nice to have (None)."""

    what: str
    works: bool | None
    told: str


MARKS = {True: "[green]works[/]", False: "[red]missing[/]", None: "[yellow]not here[/]"}


def doctor(data: Data = None) -> int:
    """What works here, what is missing, and how to get it."""
    settings = settings_of(data)
    looks: list[Callable[[Settings], Finding | list[Finding]]] = [
        _python,
        _store,
        _relay,
        _folder,
        _disk,
        _backups,
        _port,
        _files_open,
        _assets,
        _demo,
        _chromium,
        _mosquitto,
    ]
    table = Table(box=None, show_header=False)
    bad = 0
    for look in looks:
        found = look(settings)
        for one in found if isinstance(found, list) else [found]:
            table.add_row(MARKS[one.works], one.what, escape(one.told))
            bad += one.works is False
    out.print(table)
    return 1 if bad else 0


def _python(_: Settings) -> Finding:
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    right = (3, 11) <= sys.version_info < (3, 14)
    return Finding("Python", right, told if right else f"{told}; 3.11, 3.12 or 3.13 is needed")


def _store(settings: Settings) -> Finding | list[Finding]:
    if not is_postgres(settings.store):
        return Finding("store", True, f"SQLite {apsw.sqlite_lib_version()} through apsw")
    try:
        from pintu.kernel.store.postgres.doctor import look_at
    except ImportError as error:
        return Finding("store", False, f"pip install 'pintu[postgres]' ({error})")
    address = parse_address(settings.store)
    found = [Finding("store", True, address.shown)]
    looks = asyncio.run(look_at(address))
    return found + [Finding(f"  {one.what}", one.right, one.told) for one in looks]


def _relay(settings: Settings) -> list[Finding]:
    if not settings.relay:
        return []
    from pintu.cli.relay import looked_at

    return [Finding(one.what, one.works, one.told) for one in looked_at(settings)]


def _folder(settings: Settings) -> Finding:
    try:
        prepare_folder(settings.data)
    except ConfigurationError as error:
        return Finding("data folder", False, error.mistakes[0])
    return Finding("data folder", True, str(settings.data))


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.data)).free
    told = f"{free / 1e9:.1f} GB free"
    if free < 1e9:
        return Finding("disk", False, f"{told}; a city wants at least 1 GB: make room")
    return Finding("disk", True, told)


def _backups(settings: Settings) -> Finding:
    if is_quiet(settings.data):
        return Finding("backups", None, "a copy from a backup: `pintu up --take-over` makes it one")
    kept, _ = read_kept(settings.backup)
    good, sentence = told_of(settings.data, kept, on_server=is_postgres(settings.store))
    return Finding("backups", None if kept is None else good, sentence)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _port(settings: Settings) -> Finding:
    address = running_city(settings.data)
    if address:
        return Finding("port", True, f"this folder's city runs at {address}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            told = f"{settings.port}: {error.strerror}; choose another with --port"
            return Finding("port", False, told)
    return Finding("port", True, f"{settings.port} is free")


def _files_open(_: Settings) -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        return Finding("open files", False, f"{soft}; run `ulimit -n 4096` first")
    return Finding("open files", True, f"{soft}")


def _assets(_: Settings) -> Finding:
    from pintu import web

    vendor = Path(web.__file__).parent / "static" / "vendor"
    if vendor.is_dir() and any(vendor.iterdir()):
        return Finding("map and charts", True, "browser assets are installed")
    told = "browser assets were not built; run `pip install .` again with network"
    return Finding("map and charts", False, told)


def _demo(_: Settings) -> Finding:
    return Finding("demo city", True, "brings its own MQTT broker")


def _chromium(_: Settings) -> Finding:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    return Finding("browser tests", bool(path) or None, path or "apt-get install chromium")


def _mosquitto(_: Settings) -> Finding:
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return Finding("MQTT tests", bool(path) or None, path or "apt-get install mosquitto")


def version() -> int:
    """Which Pintu this is."""
    typer.echo(f"pintu {__version__}")
    return 0
