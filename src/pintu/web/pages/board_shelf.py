"""Where pages come from: the town's own folder of pages, and the `views/` of its pieces."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from pintu.kernel.configuration import NAME
from pintu.kernel.errors import ConfigurationError, PintuError, ResourceNotFound
from pintu.web.pages.board import Board, read_board, write_board

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

KIND: Final = "pages"
LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One page and where it comes from; one without `piece` is the town's own, to edit."""

    name: str
    board: Board
    version: int = 0
    piece: str = ""
    mistakes: tuple[str, ...] = ()


def list_boards(rooms: Rooms) -> list[Shelved]:
    """Every page, the town's own first; one with mistakes is there with them and without
    blocks."""
    own = [
        _read(saved.name, saved.content, saved.version, "")
        for saved in rooms.configuration.list_saved(KIND)
    ]
    broken = [
        Shelved(name="", board=Board(title={"en": ""}), mistakes=(mistake,))
        for mistake in rooms.configuration.mistakes(KIND)
    ]
    views = [_read(name, _content(path), 0, piece) for name, (piece, path) in _views(rooms).items()]
    return own + broken + views


def get_board(rooms: Rooms, name: str) -> Shelved:
    """One page; ResourceNotFound, ConfigurationError when its file cannot be read or has
    mistakes."""
    found: Shelved | None = None
    if "." in name:
        piece, path = _views(rooms).get(name, ("", None))
        found = _read(name, _content(path), 0, piece) if path is not None else None
    elif NAME.fullmatch(name):
        saved = rooms.configuration.find(KIND, name)
        found = _read(name, saved.content, saved.version, "") if saved is not None else None
    if found is None:
        raise ResourceNotFound(f"There is no page called {name[:100]!r}")
    if found.mistakes:
        raise ConfigurationError(list(found.mistakes))
    return found


def find_content(rooms: Rooms, name: str) -> tuple[dict[str, Any], int] | None:
    """What the file of one of the town's pages says, mistakes and all, and its version."""
    saved = rooms.configuration.find(KIND, name) if NAME.fullmatch(name) else None
    return (saved.content, saved.version) if saved is not None else None


def as_text(board: Board) -> str:
    """A page as the file that another town may import."""
    return tomli_w.dumps(write_board(board), multiline_strings=True)


def from_text(text: str) -> dict[str, Any]:
    """What a page's file says; ConfigurationError when it is no TOML or too large."""
    if len(text) > LARGEST:
        raise ConfigurationError([f"The file is larger than {LARGEST} characters"])
    try:
        return tomllib.loads(text.lstrip("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"The file cannot be read: {error}"]) from error


def refuse_persons(rooms: Rooms, board: Board) -> None:
    """ConfigurationError for each block whose data set tells of persons: what may be read by one
    is not put where others look."""
    mistakes = []
    for number, block in enumerate(board.blocks, 1):
        try:
            persons = bool(block.data) and rooms.exchange.get(block.data).persons
        except PintuError:  # a data set that is not there yet tells of nobody
            persons = False
        if persons:
            mistakes.append(
                f"Block {number} shows {block.data!r}, which tells of persons: "
                "such a data set cannot be put on a page"
            )
    if mistakes:
        raise ConfigurationError(mistakes)


def _views(rooms: Rooms) -> dict[str, tuple[str, Path]]:
    found = {}
    for piece in rooms.pieces:
        folder = piece.folder / "views" if piece.folder is not None else None
        for path in sorted(folder.glob("*.toml")) if folder is not None else ():
            if re.fullmatch(NAME, path.stem):
                found[f"{piece.name}.{path.stem}"] = (piece.name, path)
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {"title": {"en": path.stem}, "unreadable": str(error)}


def _read(name: str, content: dict[str, Any], version: int, piece: str) -> Shelved:
    try:
        return Shelved(name=name, board=read_board(content, name), version=version, piece=piece)
    except ConfigurationError as error:
        title = content.get("title")
        said = title if isinstance(title, dict) else {}
        shown = {str(k): str(v)[:200] for k, v in said.items()} or {"en": name}
        return Shelved(
            name=name,
            board=Board(title=shown),
            version=version,
            piece=piece,
            mistakes=tuple(error.mistakes),
        )
