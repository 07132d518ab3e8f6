"""`pintu backup`, `verify`, `restore`, `empty-demo`: keeping a city's data, parting with the
demo's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pintu.cli.door import city_door
from pintu.cli.shell import Data, err, out, settings_of
from pintu.kernel.clock import iso
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.processes.keeping import copying
from pintu.processes.keeping.bringing import (
    BASES,
    STREAM,
    Brought,
    Wanted,
    bring,
    chosen,
    moment,
)
from pintu.processes.keeping.copying import Keys, Told
from pintu.processes.keeping.looking import Looked, look, unpack
from pintu.processes.keeping.replaying import Goal, check_whole
from pintu.processes.keeping.sealing import Passphrase, read_passphrase
from pintu.restored import QUIET

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="PINTU_BACKUP_PASSPHRASE_FILE",
        help="A file whose first line seals the city's keys, or opens them.",
        metavar="FILE",
    ),
]


@contextmanager
def _telling() -> Iterator[Told]:
    """Shows on a terminal how far it is; a log hears nothing."""
    if not err.is_terminal:
        yield lambda what, n, of: None
        return
    with err.status("") as status:
        yield lambda what, n, of: status.update(f"{what} {n:,} / {of:,}")


def backup(
    archive: Annotated[Path, typer.Argument(help="The archive to write, NAME.tar.gz.")],
    passphrase_file: PassphraseFile = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave the city's keys and token out.")
    ] = False,
    open_keys: Annotated[
        bool, typer.Option("--open-keys", help="Copy keys and token as they are, readable.")
    ] = False,
    data: Data = None,
) -> int:
    """Write one archive of the whole city as of one moment, while it runs.

    What becomes of its keys is to be said: sealed with a passphrase, left out, or readable.
    """
    settings = settings_of(data)
    keys = _keys(passphrase_file, without_keys=without_keys, open_keys=open_keys)
    if archive.exists():
        raise PintuError(f"{archive} exists already; choose another name")
    archive = archive.absolute()
    with (
        tempfile.TemporaryDirectory(prefix="pintu-backup-", dir=archive.parent) as place,
        _telling() as told,
    ):
        copy = Path(place)
        manifest = copying.copy_city(settings, copy, keys, told)
        manifest["files"] = copying.listed(copy, told)
        copying.pack(copy, manifest, archive, told)
    size = archive.stat().st_size
    told_keys = {"sealed": "keys sealed", "open": "keys readable in it"}
    out.print(
        f"{archive}: {len(manifest['files'])} files, {size:,} bytes, as of {manifest['made']}, "
        f"position {manifest['position']:,}, {told_keys.get(keys.told, 'keys left out')}",
        soft_wrap=True,
    )
    return 0


def _keys(passphrase_file: Path | None, *, without_keys: bool, open_keys: bool) -> Keys:
    if without_keys + open_keys + (passphrase_file is not None) > 1:
        wrong = "--passphrase-file, --without-keys and --open-keys exclude one another"
        raise ConfigurationError([wrong])
    if without_keys:
        return Keys(left_out=True)
    if open_keys:
        return Keys()
    if passphrase_file is not None:
        return Keys(read_passphrase(passphrase_file))
    if sys.stdin.isatty():
        text = typer.prompt("Passphrase for the city's keys", hide_input=True, err=True)
        if text != typer.prompt("Once more", hide_input=True, err=True):
            raise PintuError("The two are not the same; nothing was written")
        return Keys(Passphrase(text))
    wrong = "Say what becomes of the city's keys: --passphrase-file FILE seals them, "
    wrong += "--without-keys leaves them out, --open-keys copies them readable"
    raise ConfigurationError([wrong])


def verify(
    backup: Annotated[Path, typer.Argument(help="An archive, or the folder of kept backups.")],
    passphrase_file: PassphraseFile = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Where to unpack it meanwhile. [default: $TMPDIR]")
    ] = None,
) -> int:
    """Look a backup over without restoring it over anything: sums, databases, counts, the sealed
    log; of a folder its newest backup and every record after it."""
    passphrase = read_passphrase(passphrase_file) if passphrase_file is not None else None
    archive, stream = chosen(backup, Goal())
    if backup.is_dir():
        out.print(f"{archive.name}, the newest of {len(list(backup.glob(BASES)))}")
    with (
        tempfile.TemporaryDirectory(prefix="pintu-verify-", dir=scratch) as place,
        _telling() as told,
    ):
        manifest = unpack(archive, Path(place))
        found = look(Path(place), manifest, passphrase, told)
    if backup.is_dir() and (backup / STREAM).is_dir():
        _look_at_stream(backup / STREAM, manifest, found, followed=stream is not None)
    as_of = f"as of {manifest['made']}, position {manifest.get('position', 0):,}"
    out.print(f"{as_of}, written by Pintu {manifest['pintu']}", soft_wrap=True)
    for one in found.seen:
        out.print(f"  {one}", soft_wrap=True, markup=False)
    for one in found.wrong:
        err.print(f"  WRONG: {one}", soft_wrap=True, markup=False)
    out.print("The backup is good." if not found.wrong else "Do not trust this backup.")
    return 1 if found.wrong else 0


def _look_at_stream(
    stream: Path, manifest: dict[str, Any], found: Looked, *, followed: bool
) -> None:
    after = manifest.get("stream")
    records, last, wrong = check_whole(stream, after or 0)
    if wrong:
        found.wrong.append(f"the stream: {wrong}")
    elif followed:
        found.seen.append(f"{records:,} records follow it, up to {iso(last)}")
    else:
        found.seen.append("nothing follows it yet")


def restore(
    backup: Annotated[
        Path, typer.Argument(help="An archive of `pintu backup`, or the folder of kept backups.")
    ],
    to: Annotated[
        str, typer.Option(help="The moment to go to: 2026-11-23T03:10:00Z.", metavar="TIME")
    ] = "",
    position: Annotated[int | None, typer.Option(help="The position of the log to go to.")] = None,
    store: Annotated[
        str,
        typer.Option(help="Of a city on PostgreSQL: the server to restore to, if another one."),
    ] = "",
    passphrase_file: PassphraseFile = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave sealed keys out.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="The original is gone: this one is the city.")
    ] = False,
    accept_earlier: Annotated[
        bool, typer.Option("--accept-earlier", help="Or else the whole copy before that moment.")
    ] = False,
    data: Data = None,
) -> int:
    """Bring a backup into an empty data folder, after every file in it was verified.

    A city on PostgreSQL comes back to a server that has none of its schemas. What comes back speaks
    to nobody until it was told that its original is gone (`pintu up --take-over`).
    """
    settings = settings_of(data)
    if to and position is not None:
        raise ConfigurationError(["--to and --position exclude one another"])
    goal = Goal(to_us=moment(to) if to else None, position=position)
    brought = bring(
        Wanted(
            backup=backup,
            data=settings.data,
            store=store or settings.store,
            anew=bool(store),
            goal=goal,
            passphrase=read_passphrase(passphrase_file) if passphrase_file is not None else None,
            without_keys=without_keys,
            take_over=take_over,
            accept_earlier=accept_earlier,
        )
    )
    _tell_brought(brought, settings.data)
    if not take_over:
        out.print(QUIET, soft_wrap=True, markup=False)
    return 0


def _tell_brought(brought: Brought, data: Path) -> None:
    for one in brought.said:
        out.print(one, soft_wrap=True, markup=False)
    as_of = f"restored, as of {brought.as_of}, position {brought.position:,}"
    out.print(f"{data}: {as_of}", soft_wrap=True)


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
