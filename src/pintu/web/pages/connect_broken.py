"""Sources and mappings whose files somebody wrote wrong: shown with the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.access import Deed
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.intake.doors.register import DOORS
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kernel.intake.mapping import compile_mapping, read_mapping
from pintu.web.pages.connect_said import in_language, said_each
from pintu.web.pages.connect_trial import known_words
from pintu.web.pages.render import page

if TYPE_CHECKING:
    from litestar import Response

    from pintu.web.rooms import Rooms
    from pintu.web.visit import Visit

LONGEST_SHOWN = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBy:
    """A mapping a source names, as it is kept, and what is wrong with it."""

    name: str
    version: int = 0
    text: str = ""
    mistakes: tuple[str, ...] = ()


def broken_sources(rooms: Rooms, visit: Visit) -> list[tuple[str, str]]:
    """(name, sentence) of every source whose file cannot be used."""
    found = []
    for one in rooms.configuration.mistakes("sources"):
        name = one.partition("config/sources/")[2].partition(".toml")[0]
        found.append((name, in_language(one, visit.words.lang)))
    for saved in rooms.configuration.list_saved("sources"):
        try:
            read_content(saved.name, saved.content)
        except ConfigurationError as error:
            found += [(saved.name, one) for one in said_each(error, visit.words)]
    return found


def read_content(name: str, content: dict[str, Any]) -> SourceFile:
    """A source of its file; ConfigurationError when it is none, or by a door nobody knows."""
    where = f"config/sources/{name}.toml"
    try:
        source = msgspec.convert({**content, "name": name}, SourceFile)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"{where}: {error}"]) from error
    if source.door not in DOORS:
        told = f"{source.door[:40]!r}; doors are {', '.join(DOORS)}"
        raise ConfigurationError([f"{where} names no door: {told}"])
    return source


def broken_page(rooms: Rooms, visit: Visit, name: str, error: ConfigurationError) -> Response[str]:
    """The page of a source that cannot be used: why, and its file as it is now."""
    path = rooms.configuration.folder / "sources" / f"{name}.toml"
    try:
        text = path.read_bytes()[:LONGEST_SHOWN].decode("utf-8", "replace")
    except OSError:
        text = ""
    mistakes = said_each(error, visit.words)
    may = visit.may(Deed.OPERATE, "sources")
    return page(visit, "connect_broken.html", name=name, mistakes=mistakes, text=text, may=may)


def read_mappings(rooms: Rooms, visit: Visit, source: SourceFile) -> list[ReadBy]:
    """The mappings a source names, each with its mistakes."""
    found = []
    for name in source.mappings:
        try:
            saved: Any = rooms.configuration.get("mappings", name)
        except PintuError as error:
            found.append(ReadBy(name=name, mistakes=tuple(said_each(error, visit.words))))
            continue
        mistakes: list[str] = []
        try:
            compile_mapping(read_mapping(saved.content), known_words(), source=source.name)
        except ConfigurationError as error:
            mistakes = said_each(error, visit.words)
        found.append(
            ReadBy(name=name, version=saved.version, text=saved.text, mistakes=tuple(mistakes))
        )
    return found
