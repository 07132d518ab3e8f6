"""Is a backup whole? Everything is unpacked beside it, held against its manifest, opened, its log
followed row by row; nothing of any city is touched.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.opening import CITY_FILE
from pintu.processes.keeping import server
from pintu.processes.keeping.copying import FORMAT, MANIFEST, SEALED, Told, digest_of
from pintu.processes.keeping.counting import count_rows, entities_of, problem_of
from pintu.processes.keeping.sealing import Passphrase, WrongPassphrase
from pintu.processes.keeping.unpacking import unpack_into
from pintu.processes.moving_places import files_of
from pintu_verify.log import TOLERANCE_US, LogCheck
from pintu_verify.notes import Head, Unreadable, read_head, read_key
from pintu_verify.sources import Piece, pieces_of

AUDIT = Path("rooms") / "audit.db"
AUDIT_SCHEMA = "_rooms_audit"
READS = (1, FORMAT)


@dataclass(slots=True)
class Looked:
    """What a look at a backup found. Good when nothing is `wrong`."""

    manifest: dict[str, Any]
    wrong: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def read_manifest(archive: Path) -> dict[str, Any]:
    """What an archive says of itself, without unpacking it; PintuError for what is none."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            first = tar.next()
            content = tar.extractfile(first) if first and first.name == MANIFEST else None
            if content is None:
                raise PintuError(f"{archive} is not a backup of a city: no {MANIFEST}")
            return _checked(archive, json.loads(content.read()))
    except FileNotFoundError as error:
        raise PintuError(f"{archive} does not exist") from error
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise PintuError(f"{archive} is not a whole backup of a city: {error}") from error


def _checked(archive: Path, manifest: Any) -> dict[str, Any]:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise PintuError(f"{archive} is not a whole backup of a city: it lists no files")
    if manifest.get("format") not in READS:
        raise ConfigurationError(
            [f"{archive} has format {manifest.get('format')}; this Pintu reads {FORMAT}"]
        )
    return manifest


def unpack(archive: Path, place: Path) -> dict[str, Any]:
    """Unpack into an empty folder and hold every file against the manifest, which is returned.

    Raises PintuError, naming files, when one is missing, too many or other than it was.
    """
    manifest = read_manifest(archive)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            unpack_into(place, tar)
            _read_to_its_end(tar)
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise PintuError(f"{archive} is not a whole backup of a city: {error}") from error
    (place / MANIFEST).unlink(missing_ok=True)
    files: dict[str, Any] = manifest["files"]
    found = {str(one.relative_to(place)) for one in place.rglob("*") if one.is_file()}
    wrong = sorted(found ^ set(files))
    wrong += [
        name for name in sorted(found & set(files))
        if digest_of(place / name) != files[name].get("sha256")
    ]  # fmt: skip
    if wrong:
        raise PintuError(f"The backup is damaged, nothing was restored: {', '.join(wrong[:5])}")
    return manifest


def _read_to_its_end(tar: tarfile.TarFile) -> None:
    """Behind the last file stands the sum over all of it, over the manifest and what lies between
    files, too; it is looked at only where reading ends. Raises OSError, EOFError, zlib.error."""
    file: Any = tar.fileobj
    while file.read(1 << 20):
        pass


def look(
    place: Path, manifest: dict[str, Any], passphrase: Passphrase | None, told: Told
) -> Looked:
    """Look over an unpacked backup whose files are as the manifest says: what they hold, too."""
    found = Looked(manifest)
    found.seen.append(f"{len(manifest['files'])} files are what they were (SHA-256)")
    _databases(place, manifest, found, told)
    if manifest.get("store"):
        _dump(place, manifest, found)
    told("sealed log", 0, 1)
    _log(place, manifest, found)
    _sealed(place, manifest, passphrase, found)
    return found


def _databases(place: Path, manifest: dict[str, Any], found: Looked, told: Told) -> None:
    files = files_of(place)
    rows: dict[str, Any] = manifest.get("rows", {}) if not manifest.get("store") else {}
    total = 0
    for n, path in enumerate(files):
        name = str(path.relative_to(place))
        told("opening", n, len(files))
        if problem := problem_of(path):
            found.wrong.append(f"{name}: {problem}")
            continue
        if name in rows:
            counted = count_rows(path)
            total += sum(counted.values())
            found.wrong += [
                f"{name}: table {table} has {counted.get(table, 0):,} rows, not {rows_told:,}"
                for table, rows_told in rows[name].items()
                if counted.get(table) != rows_told
            ]
    if files:
        found.seen.append(f"{len(files)} databases open, {total:,} rows are counted")
    if (place / CITY_FILE).exists() and "entities" in manifest and not found.wrong:
        position, entities = entities_of(place / CITY_FILE)
        if (position, entities) != (manifest["position"], manifest["entities"]):
            found.wrong.append(f"{CITY_FILE}: its entities are others than the manifest says")


def _dump(place: Path, manifest: dict[str, Any], found: Looked) -> None:
    if problem := server.read_whole(place / server.DUMP):
        found.wrong.append(f"{server.DUMP}: {problem}")
        return
    store, counted = manifest["store"], manifest.get("rows", {}).get(manifest["store"]["schema"])
    if counted is None:
        return
    whole = hashlib.sha256()
    columns = sorted(_entities(place, store["schema"]))
    for tenant, id, created, modified, body in columns:
        whole.update(f"{tenant} {id.decode()} {created} {modified} {len(body)}\n".encode())
        whole.update(body)
    if len(columns) != counted["entity"] or whole.hexdigest() != manifest["entities"]:
        found.wrong.append(f"{server.DUMP}: its entities are others than the manifest says")
    found.seen.append(f"the dump reads to its end, {len(columns):,} entities are those told")


def _entities(place: Path, schema: str) -> Iterator[tuple[int, bytes, int, int, bytes]]:
    for row in server.rows_of(place / server.DUMP, schema, "entity"):
        id = server.text_of(row[2]).encode()
        yield int(row[1]), id, int(row[5]), int(row[6]), bytes.fromhex(row[11][3:])


def _heads(place: Path, manifest: dict[str, Any]) -> Iterator[Head]:
    if not manifest.get("store"):
        if (place / AUDIT).exists():
            yield from (one for one in pieces_of(place / AUDIT) if isinstance(one, Head))
        return
    audit = next((one for one in manifest["store"]["schemas"] if one.endswith(AUDIT_SCHEMA)), "")
    for row in server.rows_of(place / server.DUMP, audit, "head") if audit else ():
        yield read_head(server.text_of(row[3]))


def _rows(place: Path, manifest: dict[str, Any]) -> Iterator[Piece]:
    """Rows of files one by one; a dump has them as they lie, so they are sorted in memory."""
    if not manifest.get("store"):
        yield from pieces_of(place / CITY_FILE)
        return
    rows = server.rows_of(place / server.DUMP, manifest["store"]["schema"], "note")
    for number, body in sorted((int(row[0]), row[1]) for row in rows):
        yield number, bytes.fromhex(body[3:])


def _log(place: Path, manifest: dict[str, Any], found: Looked) -> None:
    """The audit log, with the verifier a stranger has."""
    key = manifest.get("log_key", "")
    try:
        heads = list(_heads(place, manifest))
        if not (key or heads):
            found.seen.append("no log was sealed yet")
            return
        check = LogCheck([read_key(key)] if key else [], tolerance_us=TOLERANCE_US)
        newest = max((one.origin for one in heads), key=_era, default="")
        check.take_heads(one for one in heads if one.origin == newest)
        seen = check.run(_rows(place, manifest))
    except (Unreadable, sqlite3.Error) as error:
        found.wrong.append(f"the sealed log cannot be read: {error}")
        return
    found.wrong += [f"the sealed log: {one}" for one in seen.wrong]
    size = seen.newest.size if seen.newest is not None else 0
    told = f"the sealed log: {seen.rows:,} rows hashed, {seen.heads:,} heads"
    found.seen.append(f"{told}, sealed up to row {size:,}")


def _era(origin: str) -> int:
    _, _, number = origin.rpartition("#")
    return int(number) if number.isdigit() else 1


def _sealed(
    place: Path, manifest: dict[str, Any], passphrase: Passphrase | None, found: Looked
) -> None:
    state = manifest.get("keys", "open")
    sealed = [one for one in manifest["files"] if one.endswith(SEALED)]
    if state == "left out":
        found.seen.append("the city's keys were left out on request: they are kept elsewhere")
    elif state == "open":
        found.seen.append("the city's keys are in it, readable: keep it as you keep keys")
    elif passphrase is None:
        found.seen.append(f"{len(sealed)} keys are sealed; --passphrase-file tries them")
    else:
        try:
            for name in sealed:
                passphrase.open((place / name).read_bytes(), name.removesuffix(SEALED))
            found.seen.append(f"{len(sealed)} keys open with this passphrase")
        except WrongPassphrase as error:
            found.wrong.append(error.detail)
