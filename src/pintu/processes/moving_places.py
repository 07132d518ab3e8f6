"""Where a move leaves what: the settings file, the note of the last move, the old store's files."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.address import is_postgres, parse_address

SQLITE = "sqlite:"
CITY = "city.db"
PLACES = ("rooms", "pieces", "datasets")
STAGE = "moving"
"""Folder in the data folder where a city grows that comes back to files."""
NOTE = "moved.json"
PLACED = "placed.json"

_STORE = re.compile(r"^[ \t]*store[ \t]*=.*$", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def shown(address: str) -> str:
    """An address as it may be shown."""
    return parse_address(address).shown if is_postgres(address) else address


def same_place(one: str, other: str) -> bool:
    """Do two addresses name the same store?"""
    if is_postgres(one) and is_postgres(other):
        a, b = parse_address(one), parse_address(other)
        return (a.database, a.schema) == (b.database, b.schema) and bool({*a.hosts} & {*b.hosts})
    return one == other


def named_by_environment(environ: Mapping[str, str]) -> bool:
    """Does the environment, not the settings file, say where the store is?"""
    return bool(environ.get("PINTU_STORE"))


def store_written(text: str, address: str) -> str:
    """The text of a `pintu.toml` that names another store and is the same otherwise."""
    line = f"store = {json.dumps(address, ensure_ascii=False)}"
    first_table = _TABLE.search(text)
    end = first_table.start() if first_table else len(text)
    head, tail = text[:end], text[end:]
    there = _STORE.search(head) is not None
    head = _STORE.sub(lambda _: line, head, count=1) if there else f"{line}\n{head}"
    changed = head + tail
    before, after = tomllib.loads(text), tomllib.loads(changed)
    if {**before, "store": address} != after:
        raise ConfigurationError([f"pintu.toml cannot be changed safely; write there: {line}"])
    return changed


def name_store(data: Path, address: str) -> None:
    """Write the store's address into `DATA/pintu.toml`, at one stroke."""
    path = data / "pintu.toml"
    text = path.read_text("utf-8") if path.exists() else ""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    if is_postgres(address) and parse_address(address).password:
        mode &= 0o700
    written(path, store_written(text, address), mode)


def written(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def keep_note(data: Path, note: dict[str, Any]) -> None:
    """Remember where the city came from; readable by its owner alone."""
    written(data / NOTE, json.dumps(note, indent=1, ensure_ascii=False) + "\n", 0o600)


def find_note(data: Path) -> dict[str, Any] | None:
    """What the last move left."""
    try:
        found: dict[str, Any] = json.loads((data / NOTE).read_text("utf-8"))
        return found
    except (OSError, ValueError):
        return None


def files_of(data: Path) -> list[Path]:
    """Every file of a city that is kept in files, its database first."""
    found = [data / CITY] if (data / CITY).exists() else []
    for place in PLACES:
        found += sorted((data / place).glob("*.db"))
    return found


def beside(path: Path) -> list[Path]:
    """A database's file and what SQLite and we keep beside it."""
    names = [path.name + tail for tail in ("", "-wal", "-shm", "-owner")]
    return [path.with_name(name) for name in names]


def forget_files(data: Path) -> list[str]:
    """Delete every file of a city that moved away; returns their names."""
    gone = files_of(data)
    for one in gone:
        for path in beside(one):
            path.unlink(missing_ok=True)
    shutil.rmtree(data / STAGE, ignore_errors=True)
    return [str(one.relative_to(data)) for one in gone]


def place(data: Path) -> None:
    """Put the files that grew in the stage where a city has them; `unplace` can take them back."""
    stage = data / STAGE
    names = [str(one.relative_to(stage)) for one in files_of(stage)]
    written(stage / PLACED, json.dumps(names), 0o644)
    for name in names:
        (data / name).parent.mkdir(exist_ok=True)
        (stage / name).replace(data / name)


def unplace(data: Path) -> None:
    """A move ended between placing its files and naming them: they go back to the stage."""
    stage = data / STAGE
    try:
        names = json.loads((stage / PLACED).read_text("utf-8"))
    except FileNotFoundError:
        return
    for name in names:
        if (data / name).exists() and not (stage / name).exists():
            (stage / name).parent.mkdir(exist_ok=True)
            (data / name).replace(stage / name)
    (stage / PLACED).unlink()


def placed(data: Path) -> None:
    """The city lives in its files: from now on nothing takes them back to the stage."""
    (data / STAGE / PLACED).unlink(missing_ok=True)


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """One move at a time."""
    handle = os.open(data / "moving.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PintuError(f"Another `pintu move` is at work on {data}") from error
        yield
    finally:
        os.close(handle)
