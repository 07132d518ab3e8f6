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
from pintu.kit.scaffold import check_piece, new_piece
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
    which: Annotated[
        str | None, typer.Argument(help="A piece's name or folder; default: all.", metavar="PIECE")
    ] = None,
    data: Data = None,
) -> int:
    """Read manifests, rooms, imports, fixtures and settings; show every mistake at once."""
    if which is not None and Path(which, "piece.toml").is_file():
        mistakes, names = check_piece(Path(which)), [Path(which).resolve().name]
    else:
        names, mistakes = check_pieces(settings_of(data), only=which)
        for one in find_pieces() if not mistakes else ():
            if one.name in names and one.folder is not None:
                mistakes += check_piece(one.folder)
    if mistakes:
        raise ConfigurationError(mistakes)
    out.print(f"in order: {', '.join(names) or 'there are none'}")
    return 0


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="lower_case, like street_lights.")],
    into: Annotated[
        Path | None, typer.Option(help="The folder to make it in. [default: here]", metavar="DIR")
    ] = None,
) -> int:
    """Start a piece: its rooms, a manifest, and a test that passes."""
    folder = new_piece(name, into or Path())
    out.print(f"{folder}: read docs/write-a-piece.md, then `pintu piece check {folder}`")
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
