"""`pintu backup`, `restore`, `empty-demo`: keeping a city's data, parting with the demo's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import apsw
import typer
from rich.progress import track

from pintu import __version__
from pintu.cli import keep_server
from pintu.cli.door import city_door
from pintu.cli.shell import Data, err, out, settings_of
from pintu.kernel.clock import iso
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.tables import open_tables
from pintu.processes.moving_places import files_of, name_store
from pintu.settings import load_settings

CITY = "city.db"
MANIFEST = "manifest.json"
PASSING = ("lock", "broker.sock", "moving", "moving.lock", "moved.json", MANIFEST)
FORMAT = 1


def backup(
    archive: Annotated[Path, typer.Argument(help="The archive to write, NAME.tar.gz.")],
    data: Data = None,
) -> int:
    """Write one archive of everything the city keeps, also while it runs.

    The archive holds the administrator's token: it is written readable by you alone.
    """
    settings = settings_of(data)
    folder = settings.data
    server = parse_address(settings.store) if is_postgres(settings.store) else None
    if server is None and not (folder / CITY).is_file():
        raise PintuError(f"There is no city in {folder}: {CITY} is missing")
    if archive.exists():
        raise PintuError(f"{archive} exists already; choose another name")
    archive = archive.absolute()
    with tempfile.TemporaryDirectory(prefix="pintu-backup-", dir=archive.parent) as place:
        copy = Path(place)
        store: dict[str, Any] = {}
        if server is None:
            _copy_city(folder, copy)
        else:
            store = keep_server.dump(server, copy / keep_server.DUMP)
        _copy_files(folder, copy, server is not None)
        manifest = {**_manifest(copy), "store": store}
        (copy / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
        partial = archive.with_name(archive.name + ".partial")
        _pack(copy, partial)
    partial.replace(archive)
    size = archive.stat().st_size
    out.print(f"{archive}: {len(manifest['files'])} files, {size:,} bytes", soft_wrap=True)
    return 0


def restore(
    archive: Annotated[Path, typer.Argument(help="An archive that `pintu backup` wrote.")],
    store: Annotated[
        str,
        typer.Option(help="Of a city on PostgreSQL: the server to restore to, if another one."),
    ] = "",
    data: Data = None,
) -> int:
    """Bring a backup into an empty data folder, after every file in it was verified.

    A city on PostgreSQL comes back to a server that has none of its schemas.
    """
    settings = settings_of(data)
    folder = settings.data
    if folder.exists() and any(folder.iterdir()):
        raise PintuError(f"{folder} is not empty; restore into a new folder with --data")
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=".pintu-restore-", dir=folder.parent))
    try:
        manifest = _unpack(archive, place)
        _verify(place, manifest)
        (place / MANIFEST).unlink()
        if manifest.get("store"):
            _restore_server(place, manifest["store"], store or settings.store, bool(store))
        if folder.exists():
            folder.rmdir()
        place.chmod(0o755)
        place.rename(folder)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    out.print(f"{folder}: restored, as of {manifest['made']}", soft_wrap=True)
    return 0


def _restore_server(place: Path, told: dict[str, Any], address: str, anew: bool) -> None:
    """`address`: said on the command line (`anew`), or in the environment; else as the backup's own
    settings have it."""
    if anew:
        name_store(place, address)
    elif not is_postgres(address):
        address = load_settings(place, {}).store
    if keep_server.restore(parse_address(address), told, place / keep_server.DUMP):
        out.print("The analysts' view went with the empty schema: run `pintu init` again")
    (place / keep_server.DUMP).unlink()


def empty_demo(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, data: Data = None
) -> int:
    """Remove every entity of the demo tenant, and the demo's departments; everything else stays."""
    settings = settings_of(data)
    if not yes:
        typer.confirm("Remove everything the demo city wrote?", abort=True)
    headers = {"NGSILD-Tenant": settings.demo_tenant}
    gone = 0
    with city_door(settings) as door:
        answer = door.send("GET", "/ngsi-ld/v1/types", headers=headers)
        if answer.status_code != 404:
            for name in door.checked(answer).json()["typeList"]:
                gone += _remove_type(door, str(name), headers)
        told = door.ask("DELETE", "/api/v1/demo/departments").json()
    out.print(f"{gone:,} demo entities removed")
    if told["data_sets"] or told["accounts"]:
        out.print(
            f"{told['data_sets']} demo data sets removed, {told['agreements']} agreements ended, "
            f"{told['accounts']} accounts closed; the log of what happened stays"
        )
    return 0


def _remove_type(door: Any, name: str, headers: dict[str, str]) -> int:
    gone = 0
    while True:
        page = door.ask(
            "GET",
            "/ngsi-ld/v1/entities",
            headers=headers,
            params={"type": name, "limit": 500, "pick": "id"},
        ).json()
        if not page:
            return gone
        ids = [one["id"] for one in page]
        door.ask("POST", "/ngsi-ld/v1/entityOperations/delete", headers=headers, json=ids)
        gone += len(ids)


def _copy_city(folder: Path, copy: Path) -> None:
    # tables before city.db: what was sealed or agreed meanwhile is then never without its rows of
    # the log, which a restored city would take for a log that was rewound
    tables = open_tables(folder)
    tables.backup(copy)
    tables.close()
    # city.db through apsw, the others through sqlite3: one file never meets two SQLite libraries
    source = apsw.Connection(
        f"file:{folder / CITY}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    target = apsw.Connection(str(copy / CITY))
    source.set_busy_timeout(10_000)
    with target.backup("main", source, "main") as work:
        work.step()  # all at once: steps would begin again at every write of the city
    target.pragma("journal_mode", "delete")
    target.close()
    source.close()


def _copy_files(folder: Path, copy: Path, on_server: bool) -> None:
    """Everything else; what a move left in files is not the city any more."""
    left = {*files_of(folder)} if on_server else set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        known = name.parts[0] in PASSING or "-wal" in name.name or "-shm" in name.name
        known = known or path.suffix == ".partial"  # a file that is being written is none yet
        if path in left:
            continue
        if path.is_file() and not known and not (copy / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy / name)


def _manifest(copy: Path) -> dict[str, Any]:
    files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
    return {
        "format": FORMAT,
        "pintu": __version__,
        "made": iso(time.time_ns() // 1000),
        "files": {
            str(path.relative_to(copy)): {"bytes": path.stat().st_size, "sha256": _digest(path)}
            for path in track(files, "verify", console=err, disable=not err.is_terminal)
        },
    }


def _pack(copy: Path, archive: Path) -> None:
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as tar:
            tar.add(copy / MANIFEST, MANIFEST)  # first, so that a reader knows what to expect
            for path in sorted(copy.rglob("*")):
                if path.is_file() and path.name != MANIFEST:
                    tar.add(path, str(path.relative_to(copy)), recursive=False)
        raw.flush()
        os.fsync(raw.fileno())


def _unpack(archive: Path, place: Path) -> dict[str, Any]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(place, filter="data")
        manifest = json.loads((place / MANIFEST).read_text("utf-8"))
        if not isinstance(manifest["files"], dict):
            raise ValueError("it lists no files")
    except FileNotFoundError as error:
        if not archive.exists():
            raise PintuError(f"{archive} does not exist") from error
        raise PintuError(f"{archive} is not a backup of a city: no {MANIFEST}") from error
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise PintuError(f"{archive} is not a whole backup of a city: {error}") from error
    if manifest.get("format") != FORMAT:
        raise ConfigurationError(
            [f"{archive} has format {manifest.get('format')}; this Pintu reads {FORMAT}"]
        )
    return dict(manifest)


def _verify(place: Path, manifest: dict[str, Any]) -> None:
    files: dict[str, Any] = manifest["files"]
    found = {str(one.relative_to(place)) for one in place.rglob("*") if one.is_file()} - {MANIFEST}
    wrong = sorted(found ^ set(files))
    for name in track(
        sorted(found & set(files)), "verify", console=err, disable=not err.is_terminal
    ):
        if _digest(place / name) != files[name].get("sha256"):
            wrong.append(name)
    if wrong:
        raise PintuError(f"The backup is damaged, nothing was restored: {', '.join(wrong[:5])}")
    if not (place / CITY).exists():
        return
    check = apsw.Connection(str(place / CITY), flags=apsw.SQLITE_OPEN_READONLY)
    told = check.pragma("integrity_check")
    check.close()
    if told != "ok":
        raise PintuError(f"The backup is damaged, nothing was restored: {CITY}: {told}")


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
