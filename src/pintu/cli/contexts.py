"""`pintu context`: the @contexts a city keeps; for one without internet they are brought by hand,
also while it runs (it sees the change within a second)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, complain, out, settings_of
from pintu.kernel.clock import iso
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.jsonld.bundles import keep_bundle, read_bundle
from pintu.kernel.jsonld.shelf import Shelf
from pintu.processes.lock import prepare_folder

app = typer.Typer(help="@contexts: add from a file, list, remove.", no_args_is_help=True)


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Its address; of a folder or zip the common start.")],
    file: Annotated[Path, typer.Argument(exists=True, help="A JSON-LD file, a folder, or a zip.")],
    data: Data = None,
) -> int:
    """Keep @contexts as if they had been fetched from their address; they are never forgotten."""
    shelf = _shelf(data)
    documents = read_bundle(url, file)
    missing = keep_bundle(shelf, documents, time.time_ns() // 1000)
    for one in documents:
        out.print(f"kept {one}", markup=False, soft_wrap=True)
    for one in missing:
        complain(f"{one} is referred to and not here: without internet it has to be added, too")
    return 1 if missing else 0


@app.command("list")
def list_(data: Data = None) -> int:
    """Every @context the city keeps."""
    table = Table("URL or id", "kind", "since", "hits", box=None)
    table.columns[0].overflow = "fold"  # `remove` asks for the whole of it
    kept = sorted(_shelf(data), key=lambda one: one.created_us)
    for one in kept:
        kind = "brought by hand" if one.bundled else one.kind
        table.add_row(escape(one.url or one.id), kind, iso(one.created_us), str(one.hits))
    out.print(table if kept else "no @context is kept")
    return 0


@app.command()
def remove(
    url: Annotated[str, typer.Argument(help="The address or id that `pintu context list` shows.")],
    data: Data = None,
) -> int:
    """Forget a @context; one that is fetched is fetched again when it is asked for."""
    shelf = _shelf(data)
    stored = shelf.by_url(url) or shelf.by_id(url)
    if stored is None:
        raise ResourceNotFound(f"@context {url} is not kept")
    shelf.drop(stored)
    out.print(f"forgot {url}", markup=False, soft_wrap=True)
    return 0


def _shelf(data: Path | None) -> Shelf:
    settings = settings_of(data)
    prepare_folder(settings.data)
    return Shelf(settings.data / "contexts")
