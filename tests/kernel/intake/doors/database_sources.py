"""Sources, mappings and readings of the database door's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.intake.doors.database import make_reader
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.mapping.words import Field, Mapping
from tests.real_databases import PASSWORD, Server

SYSTEMS = {"postgres": "postgresql", "mariadb": "mariadb"}


def around(data: Path, secret: str = PASSWORD) -> Around:
    """What is around a door; this machine may be reached."""
    return Around(data=data, secret=secret, egress=Egress(allow_loopback=True), clock=CityClock())


def source(server: Server, **told: Any) -> SourceFile:
    """A source at a server, reading its database `city` as its owner unless told otherwise."""
    settings = {
        "system": SYSTEMS[server.name],
        "host": "127.0.0.1",
        "port": server.port,
        "database": "city",
        "user": "owner",
        "stay": False,
    }
    return SourceFile(name="department", door="database", settings=settings | told)


def mapping(*names: str, key: str = "id", **told: Any) -> Mapping:
    """Every named column into a table data set, unchanged."""
    fields = [Field(to=one, source=one, key=one == key) for one in (key, *names)]
    return Mapping(name="rows", target="table", data_set="rows", fields=fields, **told)


async def read(
    wanted: SourceFile, mapped: Mapping, data: Path, after: str = "", secret: str = PASSWORD
) -> list[Chunk]:
    """All chunks of one run."""
    reader = make_reader(wanted, mapped, around(data, secret))
    return [chunk async for chunk in reader.chunks(after)]


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """The records of chunks, in order."""
    return [record for chunk in chunks for _, record in chunk.records]


def said(chunks: list[Chunk]) -> list[str]:
    """What the reader noticed, in English."""
    return [one["en"] for chunk in chunks for one in chunk.messages]


def fresh(server: Server, *statements: str) -> None:
    """An empty database `city`, then the statements in it."""
    if server.name == "postgres":
        server.run("DROP DATABASE IF EXISTS city WITH (FORCE)", "CREATE DATABASE city")
    else:
        server.run("DROP DATABASE IF EXISTS city", "CREATE DATABASE city")
    if statements:
        server.run(*statements, database="city")
