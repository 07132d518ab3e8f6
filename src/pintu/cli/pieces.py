"""`pintu piece`: the pieces this city has, whether they are in order, the start of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.errors import ConfigurationError

app = typer.Typer(help="Pieces: list, check, new.", no_args_is_help=True)


@app.command("list")
def list_() -> int:
    """Every piece found, read from its manifest without importing it."""
    from pintu.city import find_pieces

    table = Table("name", "maturity", "owner", "writes", "commands", box=None)
    for one in find_pieces():
        cells = (one.name, one.maturity, one.owner, ", ".join(one.writes), ", ".join(one.commands))
        table.add_row(*(escape(str(cell)) for cell in cells))
    out.print(table)
    return 0


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="One piece; default: all.")] = None,
    data: Data = None,
) -> int:
    """Read manifests and settings of pieces; show every mistake at once."""
    from pintu.city import check_pieces

    found, mistakes = check_pieces(settings_of(data), only=name)
    if mistakes:
        raise ConfigurationError(mistakes)
    out.print(f"in order: {', '.join(found)}")
    return 0


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="lower_case, like street_lights.")],
    into: Annotated[
        Path | None, typer.Option(help="The folder of pieces. [default: ./pieces]", metavar="DIR")
    ] = None,
) -> int:
    """Start a piece: its rooms, a manifest, and a test that passes."""
    from pintu.kit.start import new_piece

    folder = new_piece(name, into or Path("pieces"))
    out.print(f"{folder}: now read docs/write-a-piece.md", soft_wrap=True)
    return 0
