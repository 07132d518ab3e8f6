"""`pintu config`: what a town decided, as one folder of readable files: out, in, compared."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pintu.cli.shell import Data, out, settings_of
from pintu.kernel.clock import parse_clock
from pintu.kernel.configuration import Configuration, compare, copy_into
from pintu.kernel.errors import ConfigurationError, PintuError

app = typer.Typer(
    help="Sources, mappings, data sets, pages and words: export, import, diff.",
    no_args_is_help=True,
)
Folder = Annotated[Path, typer.Argument(help="A folder of readable TOML files.", metavar="FOLDER")]
LONGEST = 2_000


@app.command("export")
def export_(folder: Folder, data: Data = None) -> int:
    """Copy everything the town decided into FOLDER; files only FOLDER has stay in it."""
    ours = _ours(data)
    had_versions = (folder / ".versions").exists()
    try:
        changed = copy_into(ours, _there(ours, folder), by=_who())
        if not had_versions:  # its own past stays with the city; whoever keeps the folder has git
            shutil.rmtree(folder / ".versions", ignore_errors=True)
    except OSError as error:
        raise PintuError(f"{folder} cannot be written: {error.strerror}") from error
    out.print(f"{escape(str(folder))}: {changed} files written", soft_wrap=True)
    return 0


@app.command("import")
def import_(folder: Folder, data: Data = None) -> int:
    """Bring everything in FOLDER into the town; what only the town has stays.

    Nothing is brought in when any file has a mistake; every mistake is said. A running city takes
    it up within two seconds.
    """
    ours = _ours(data)
    theirs = _existing(ours, folder)
    _check(theirs)
    changed = copy_into(theirs, ours, by=_who())
    out.print(f"{changed} files changed")
    return 0


@app.command("diff")
def diff(folder: Folder, data: Data = None) -> int:
    """Every difference between the town (here) and FOLDER (there); 1 when there is any."""
    ours = _ours(data)
    found = compare(ours, _existing(ours, folder))
    for one in found:
        text = str(one)
        shown = text if len(text) <= LONGEST else text[:LONGEST] + " …"
        out.print(escape(shown), soft_wrap=True)
    if not found:
        out.print("no difference")
    return 1 if found else 0


def _ours(data: Path | None) -> Configuration:
    settings = settings_of(data)
    return Configuration(settings.data / "config", parse_clock(settings.clock))


def _there(ours: Configuration, folder: Path) -> Configuration:
    if folder.resolve() == ours.folder.resolve():
        raise PintuError(f"{folder} is the town's own folder; name another one")
    return Configuration(folder, parse_clock("real"))


def _existing(ours: Configuration, folder: Path) -> Configuration:
    if not folder.is_dir():
        raise PintuError(f"There is no folder {folder}")
    return _there(ours, folder)


def _check(there: Configuration) -> None:
    """ConfigurationError with the mistakes of every data set and page that would be brought in."""
    # read only here: a page's reader brings the screens' modules with it
    from pintu.kernel.exchange import read_data_set
    from pintu.web.pages.board import read_board

    mistakes: list[str] = []
    for saved in there.list_saved("datasets"):
        try:
            read_data_set(saved.name, saved.content)
        except ConfigurationError as error:
            mistakes += error.mistakes
    for saved in there.list_saved("pages"):
        try:
            read_board(saved.content, saved.name)
        except ConfigurationError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigurationError(mistakes)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process without a name in the system's list of people
        return "pintu config"
