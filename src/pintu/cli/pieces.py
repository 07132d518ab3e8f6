"""`pintu piece`: the pieces this city has, whether they are in order, the start of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.errors import ConfigurationError
from pintu.kit.manifest import find_pieces
from pintu.kit.piece import load_piece
from pintu.kit.piece import settings_of as piece_settings
from pintu.settings import Settings

app = typer.Typer(help="Pieces: list, check, new.", no_args_is_help=True)


@app.command("list")
def list_() -> int:
    """Every piece found, read from its manifest without importing it."""
    table = Table("name", "maturity", "owner", "writes", "commands", box=None)
    for one in find_pieces():
        commands = ", ".join(word.name for word in one.commands)
        cells = (one.name, one.maturity, one.owner, ", ".join(one.writes), commands)
        table.add_row(*(escape(str(cell)) for cell in cells))
    out.print(table)
    return 0


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="One piece; default: all.")] = None,
    data: Data = None,
) -> int:
    """Read manifests and settings of pieces; show every mistake at once."""
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


def check_pieces(settings: Settings | None, only: str | None = None) -> tuple[list[str], list[str]]:
    """The names of pieces looked at, and every mistake in manifests, wiring and settings."""
    try:
        pieces = find_pieces()
    except ConfigurationError as error:
        return [], error.mistakes
    names = [one.name for one in pieces]
    if only is not None and only not in names:
        return [], [f"There is no piece {only!r}; pieces are: {', '.join(names) or 'none'}"]
    told = settings.piece_settings if settings is not None else {}
    mistakes = [
        f"pintu.toml: pieces.{name} is told of, and there is no such piece"
        for name in sorted(set(told) - set(names))
        if only is None
    ]
    chosen = [one for one in pieces if only in (None, one.name)]
    for one in chosen:
        try:
            load_piece(one).read_settings(piece_settings(one, told.get(one.name, {})))
        except ConfigurationError as error:
            mistakes += error.mistakes
    return [one.name for one in chosen], mistakes
