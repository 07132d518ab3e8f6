"""A whole copy of a city that writes meanwhile: private tables first, then the store, then files.

In this order what was sealed, packed or agreed is never without its rows of the log, and a file of
history that the tables name is there still (a replaced one stays a day).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import apsw

from pintu import __version__
from pintu.kernel.clock import iso
from pintu.kernel.errors import DiskFull, PintuError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.store.opening import CITY_FILE
from pintu.kernel.tables import open_tables
from pintu.processes.keeping import server
from pintu.processes.keeping.counting import count_rows, entities_of
from pintu.processes.keeping.sealing import Passphrase, is_secret
from pintu.processes.moving_places import files_of
from pintu.restored import NOTE
from pintu.settings import Settings

MANIFEST: Final = "manifest.json"
SEALED: Final = ".sealed"
FORMAT: Final = 2
_START = ["lock", "broker.sock", "keeping-base.json", "keeping-stream.json"]
_MOVE = ["moving", "moving.lock", "moved.json"]
PASSING: Final = frozenset([*_START, *_MOVE, MANIFEST, NOTE])
"""What is of this start or this machine and no part of the city."""
PAGES: Final = 512
PAUSE_S: Final = 0.002
"""So many pages are copied, then the disk is everybody's for a moment."""

Told = Callable[[str, int, int], None]
"""(what, how far, of how much)."""


class Keys:
    """What becomes of the files with which somebody could speak as the city."""

    def __init__(self, passphrase: Passphrase | None = None, *, left_out: bool = False) -> None:
        """Neither: they are copied as they are."""
        self.passphrase, self.left_out = passphrase, left_out

    @property
    def told(self) -> str:
        """For the manifest: sealed, left out, open."""
        return "left out" if self.left_out else "sealed" if self.passphrase else "open"


def copy_city(settings: Settings, place: Path, keys: Keys, told: Told) -> dict[str, Any]:
    """Copy everything into the empty folder `place`; returns the manifest without its files.

    Raises PintuError when there is no city, DiskFull when the copy breaks off.
    """
    folder = settings.data
    on_server = is_postgres(settings.store)
    if not on_server and not (folder / CITY_FILE).is_file():
        raise PintuError(f"There is no city in {folder}: {CITY_FILE} is missing")
    began_us = time.time_ns() // 1000
    found: dict[str, Any] = {"store": {}}
    try:
        if on_server:
            found["store"] = server.dump(parse_address(settings.store), place / server.DUMP)
            found["position"] = found["store"].pop("position")
            found["entities"] = found["store"].pop("entities")
            found["rows"] = found["store"].pop("rows")
            found["as_of_us"] = found["store"].pop("as_of_us")
        else:
            tables = open_tables(folder)
            tables.backup(place)
            tables.close()
            found["as_of_us"] = copy_store(folder / CITY_FILE, place / CITY_FILE, told)
        _copy_files(folder, place, keys, on_server=on_server)
    except OSError as error:
        why = error.strerror or str(error)
        raise DiskFull(f"The backup cannot be written: {why}") from error
    except apsw.Error as error:
        raise DiskFull(f"The backup cannot be written: {error}") from error
    if not on_server:
        found |= look_at_files(place)
    version = {"format": FORMAT, "pintu": __version__}
    times = {"began": iso(began_us), "made": iso(found["as_of_us"])}
    return {**version, **times, **found, "keys": keys.told, "log_key": log_key(folder)}


def copy_store(source: Path, target: Path, told: Told) -> int:
    """Copy city.db page by page as of one moment, which is returned (µs): one read transaction
    holds that moment, so no write of the city makes the copy begin again.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with (
        closing(apsw.Connection(f"file:{source}?mode=ro", flags=flags)) as here,
        closing(apsw.Connection(str(target))) as there,
    ):
        here.set_busy_timeout(10_000)
        there.pragma("synchronous", 0)  # synced once, at the end
        here.execute("BEGIN")
        here.execute("SELECT count(*) FROM tenant").fetchall()
        as_of_us = time.time_ns() // 1000
        with there.backup("main", here, "main") as work:
            while not work.done:
                work.step(PAGES)
                told(source.name, work.page_count - work.remaining, work.page_count)
                time.sleep(PAUSE_S)
        here.execute("COMMIT")
        there.pragma("journal_mode", "delete")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return as_of_us


def look_at_files(place: Path) -> dict[str, Any]:
    """Position, rows of every table, a digest of all entities: of databases in a folder."""
    rows = {str(one.relative_to(place)): count_rows(one) for one in files_of(place)}
    position, entities = entities_of(place / CITY_FILE)
    return {"position": position, "entities": entities, "rows": rows}


def _copy_files(folder: Path, place: Path, keys: Keys, *, on_server: bool) -> None:
    """Everything else; what a move left in files is not the city any more."""
    left = {*files_of(folder)} if on_server else set()
    for path in city_files(folder):
        name = str(path.relative_to(folder))
        if path in left or (place / name).exists():
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            if not is_secret(name):
                shutil.copy2(path, place / name)
            elif keys.passphrase is not None:
                sealed = keys.passphrase.seal(path.read_bytes(), name)
                write_private(place / (name + SEALED), sealed)
            elif not keys.left_out:
                write_private(place / name, path.read_bytes())
        except FileNotFoundError:  # it went meanwhile: then it is no part of the city
            continue


def city_files(folder: Path) -> list[Path]:
    """The plain files of a data folder that belong to the city, sorted; databases among them."""
    found = []
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [one for one in folders if one not in PASSING]
        folders.sort()
        for name in names:
            path = Path(parent) / name
            passing = Path(parent) == folder and name in PASSING
            beside = name.endswith(("-wal", "-shm", "-owner", "-journal", ".partial"))
            if not (passing or beside or name.startswith(".writable-")) and path.is_file():
                found.append(path)
    return sorted(found)


def write_private(path: Path, content: bytes) -> None:
    """A file that its owner alone reads."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)


def log_key(folder: Path) -> str:
    """The public key of the sealed log (base64), from outside of the city; "" when it has none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key((folder / "keys" / "log.pem").read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return ""
    if not isinstance(found, Ed25519PrivateKey):
        return ""
    return base64.b64encode(found.public_key().public_bytes_raw()).decode()


# --- one file -------------------------------------------------------------------------------------
def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def listed(place: Path, told: Told) -> dict[str, Any]:
    """Bytes and SHA-256 of every file below a folder."""
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    found = {}
    for n, path in enumerate(files):
        told("sums", n, len(files))
        one = {"bytes": path.stat().st_size, "sha256": digest_of(path)}
        found[str(path.relative_to(place))] = one
    return found


def pack(place: Path, manifest: dict[str, Any], archive: Path, told: Told) -> None:
    """One archive of a folder, its manifest first; there when it is whole and on the disk."""
    (place / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    partial = archive.with_name(archive.name + ".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as tar:
                tar.add(place / MANIFEST, MANIFEST)
                names = sorted(manifest["files"])
                for n, name in enumerate(names):
                    told("packing", n, len(names))
                    tar.add(place / name, name, recursive=False)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(archive)
    except OSError as error:
        partial.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise DiskFull(f"The backup {archive} cannot be written: {why}") from error
