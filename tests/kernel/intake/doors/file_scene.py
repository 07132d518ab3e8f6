"""A data folder with files in it, and a reader run as the loads process runs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.intake.doors.register import door_module
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.mapping.words import Field, Mapping
from pintu.kernel.tables import open_tables
from tests.postgres import address_for

LOOPBACK = Egress(allow_loopback=True)


def table(*names: str, key: str = "id", **more: Any) -> Mapping:
    """A mapping of columns into a table data set, under their own names."""
    fields = [Field(to=one, source=one, key=one == key) for one in (key, *names)]
    return Mapping(name=more.pop("name", "m"), target="table", data_set="d", fields=fields, **more)


@dataclass
class Scene:
    """One source and what is around it."""

    data: Path
    door: str = "folder"
    mapping: Mapping = field(default_factory=lambda: table("v"))
    mappings: Sequence[str] = ("m",)
    settings: dict[str, Any] = field(default_factory=dict)
    secret: str = ""
    egress: Egress = LOOPBACK
    folders: tuple[str, ...] = ()
    position: str = ""
    store: str = ""  # its address; empty: the one of this run

    def __post_init__(self) -> None:
        self.tables = open_tables(self.data, self.store or address_for(self.data))

    @property
    def source(self) -> SourceFile:
        return SourceFile(
            name="air", door=self.door, mappings=list(self.mappings), settings=self.settings
        )

    @property
    def around(self) -> Around:
        return Around(
            data=self.data,
            secret=self.secret,
            egress=self.egress,
            clock=CityClock(),
            folders=self.folders,
            tables=self.tables,
        )

    @property
    def folder(self) -> Path:
        """Where its files wait."""
        named = {"folder": "inbox", "upload": "uploads", "fetch": "fetched"}[self.door]
        return self.data / named / "air"

    def drop(self, name: str, content: str | bytes, *, age_s: int = 0) -> Path:
        """Put a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        now = path.stat().st_mtime
        os.utime(path, (now - age_s, now - age_s))
        return path

    def reader(self, mapping: Mapping | None = None) -> Any:
        """A reader of the source."""
        return door_module(self.door).make_reader(self.source, mapping or self.mapping, self.around)

    async def run(
        self,
        mapping: Mapping | None = None,
        *,
        most: int = 10_000,
        keep: bool = True,
        land: bool = True,
    ) -> list[Chunk]:
        """Every chunk behind the last durable position; `most` chunks, then it is cut off."""
        found: list[Chunk] = []
        reader = self.reader(mapping)
        async for chunk in reader.chunks(self.position):
            found.append(chunk)
            if keep:
                self.position = chunk.position
            if land:
                reader.landed(chunk.position)
            if len(found) >= most:
                break
        return found

    def listed(self, below: str = ".") -> list[str]:
        """The files of the folder or of one below it, notes left out."""
        folder = self.folder / below
        if not folder.is_dir():
            return []
        return sorted(
            one.name for one in folder.iterdir() if one.is_file() and one.suffix != ".txt"
        )

    def close(self) -> None:
        """Let go of the ledger."""
        self.tables.close()


def rows(chunks: Sequence[Chunk]) -> list[tuple[int, dict[str, Any]]]:
    """All records."""
    return [one for chunk in chunks for one in chunk.records]


def said(chunks: Sequence[Chunk]) -> list[str]:
    """All sentences, in English."""
    return [one["en"] for chunk in chunks for one in chunk.messages]
