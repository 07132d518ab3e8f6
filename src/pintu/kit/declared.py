"""The sources that pieces declare: their settings filled in, their mapping files read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kit.manifest import Manifest
from pintu.kit.piece import settings_of

PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]{0,40})\}")
LARGEST_MAPPING: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One source to run: its file, the mappings it names, and what its entities are called by."""

    source: SourceFile
    mappings: dict[str, dict[str, Any]]
    piece: str = ""  # that declares it; empty: somebody connected it by the pages

    @property
    def name(self) -> str:
        """Its name among all of them."""
        return f"{self.piece}.{self.source.name}" if self.piece else self.source.name

    @property
    def space(self) -> str:
        """What its entities' ids are called by: `urn:ngsi-ld:TYPE:SPACE:LOCAL`."""
        return self.piece or self.source.name


def declared_sources(
    pieces: Iterable[Manifest], told: Callable[[Manifest], Mapping[str, Any]], data: Path
) -> list[Declared]:
    """Every source of every piece that is told enough to run.

    In a source's settings `{here}` is the piece's folder, `{data}` the data folder and `{NAME}` a
    setting of the piece; a source one of whose settings comes out empty is not connected, as a
    piece without an address is not. Raises ConfigurationError with the mistakes of all of them.
    """
    found: list[Declared] = []
    mistakes: list[str] = []
    for piece in pieces:
        if not piece.sources or piece.folder is None:
            continue
        try:
            values = settings_of(piece, told(piece))
            filled = {name: one for name, one in values.items() if isinstance(one, str)}
            places = {"here": str(piece.folder), "data": str(data)}
            places |= {name: _filled(one, places) for name, one in filled.items()}
            tenant = str(values.get("tenant") or piece.tenant)
            found += _of_piece(piece, places, tenant)
        except ConfigurationError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def _of_piece(piece: Manifest, places: dict[str, str], tenant: str) -> list[Declared]:
    found = []
    for source in piece.sources:
        empty = _empty(source.settings, places)
        if empty:
            continue
        settings = {name: _value(one, places) for name, one in source.settings.items()}
        title = source.title or piece.title
        full = msgspec.structs.replace(
            source,
            settings=settings,
            tenant=source.tenant or tenant,
            title=title,
            owner=source.owner or piece.owner,
        )
        mappings = {one: _mapping(piece, one) for one in source.mappings}
        found.append(Declared(source=full, mappings=mappings, piece=piece.name))
    return found


def _empty(settings: Mapping[str, Any], places: dict[str, str]) -> bool:
    named = {one for value in settings.values() for one in PLACE.findall(str(value))}
    return any(not places.get(one, "unknown") for one in named)


def _value(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_value(one, places) for one in value]
    return _filled(value, places) if isinstance(value, str) else value


def _filled(text: str, places: dict[str, str]) -> str:
    return PLACE.sub(lambda found: places.get(found[1], found[0]), text)


def _mapping(piece: Manifest, name: str) -> dict[str, Any]:
    assert piece.folder is not None
    path = piece.folder / "mappings" / f"{name}.toml"
    try:
        if path.stat().st_size > LARGEST_MAPPING:
            raise ConfigurationError([f"{path} is larger than {LARGEST_MAPPING} bytes"])
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            [f"Piece {piece.name} names mapping {name!r}, which cannot be read: {error}"]
        ) from error
