"""`pintu quarantine`: what nobody could read, with the reason; look, try again, or drop."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, needed_city, out, settings_of
from pintu.kernel.clock import iso
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake import Held, Limits, Quarantine
from pintu.kernel.intake.schema import TABLES
from pintu.kernel.tables import open_tables
from pintu.processes.lock import prepare_folder
from pintu.settings import Settings

app = typer.Typer(help="Messages nobody could read: list, show, retry, drop.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option(help="Every message of this source.", metavar="NAME")]
AT_ONCE = 1000


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=AT_ONCE, help="How many at most.")] = 50,
    data: Data = None,
) -> int:
    """The newest messages in quarantine, of every tenant."""
    with _quarantine(settings_of(data)) as quarantine:
        held = asyncio.run(quarantine.list(source=source, limit=limit))
    table = Table("id", "source", "tenant", "received", "tries", "reason", box=None)
    for one in held:
        cells = (one.id, one.source, one.tenant or "default", iso(one.received_us), one.attempts)
        table.add_row(*(escape(str(cell)) for cell in cells), escape(one.reason))
    out.print(table if held else "the quarantine is empty")
    return 0


@app.command()
def show(
    id: Annotated[int, typer.Argument(help="The id that `pintu quarantine list` shows.")],
    data: Data = None,
) -> int:
    """One message: where from, when, why, and its bytes."""
    with _quarantine(settings_of(data)) as quarantine:
        held = asyncio.run(quarantine.show(id))
    out.print_json(data=_shown(held))
    return 0


@app.command()
def retry(
    id: Annotated[int | None, typer.Argument(help="One message; or say --source.")] = None,
    source: Source = None,
    data: Data = None,
) -> int:
    """Read messages again, after their piece learned how (needs a running city)."""
    settings = settings_of(data)
    with needed_city(settings) as door:
        ids = _ids(settings, id, source)
        held = 0
        for one in ids:
            receipt: dict[str, Any] = door.json("POST", f"/api/v1/quarantine/{one}/retry")
            held += bool(receipt.get("quarantined"))
    out.print(f"{len(ids) - held} read, {held} still held")
    return 1 if held else 0


@app.command()
def drop(
    id: Annotated[int | None, typer.Argument(help="One message; or say --source.")] = None,
    source: Source = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> int:
    """Throw messages away for good."""
    settings = settings_of(data)
    ids = _ids(settings, id, source)
    if len(ids) > 1 and not yes:
        typer.confirm(f"Drop {len(ids)} messages for good?", abort=True)
    with _quarantine(settings) as quarantine:
        gone = asyncio.run(quarantine.drop(ids=ids))
    out.print(f"{gone} dropped")
    return 0


def _ids(settings: Settings, id: int | None, source: str | None) -> list[int]:
    """The one that was named, which must exist, or all of a source."""
    if (id is None) is (source is None):
        raise ConfigurationError(["Say either one id or --source"])
    with _quarantine(settings) as quarantine:
        if id is not None:
            return [asyncio.run(quarantine.show(id)).id]
        found: list[int] = []
        while page := asyncio.run(
            quarantine.list(source=source, before=found[-1] if found else None, limit=AT_ONCE)
        ):
            found += [one.id for one in page]
    return found


@contextmanager
def _quarantine(settings: Settings) -> Iterator[Quarantine]:
    """The quarantine's own table, which several processes may open at once."""
    prepare_folder(settings.data)
    tables = open_tables(settings.data, settings.store)
    try:
        yield Quarantine(tables.register(TABLES), Limits())
    finally:
        tables.close()


def _shown(held: Held) -> dict[str, Any]:
    try:
        body: dict[str, str] = {"body": held.body.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(held.body).decode("ascii")}
    return {
        "id": held.id,
        "source": held.source,
        "tenant": held.tenant,
        "reason": held.reason,
        "received": iso(held.received_us),
        "attempts": held.attempts,
        "key": held.key,
        "bytes": held.size,
        "meta": held.meta,
        **body,
    }
