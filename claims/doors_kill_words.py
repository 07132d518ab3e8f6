"""One door under load, and how what it brought is counted by the city's public doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from bench.http_ops import City
from claims.life import ask


@dataclass(slots=True)
class Load:
    """One door under load: what it wants in the end, and how much is there."""

    name: str
    wanted: int
    there: Callable[[City], int]
    others: list[Callable[[], None]] = field(default_factory=list)  # kills of the source's side


def write_source(data: Path, name: str, source: dict[str, Any], mapping: dict[str, Any]) -> None:
    """A source and its mapping as the files a person would import."""
    for kind, content in (("sources", source), ("mappings", mapping)):
        path = data / "config" / kind / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps({"name": name, **content}), "utf-8")


def write_data_set(data: Path, name: str, columns: list[dict[str, Any]]) -> None:
    """The entry of a table data set."""
    path = data / "config" / "datasets" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"provider": "table", "source": name, "columns": columns}
    path.write_text(tomli_w.dumps(content), "utf-8")


def rows_of(name: str) -> Callable[[City], int]:
    """Counts the rows of a data set, by its public door."""

    def count(city: City) -> int:
        path = f"/api/v1/data-sets/{name}/rows?limit=1&count=true"
        status, told = ask(city, "GET", path)
        return int(told.get("total") or 0) if status == 200 and isinstance(told, dict) else 0

    return count


def entities_of(kind: str) -> Callable[[City], int]:
    """Counts the entities of a type, by its public door."""

    def count(city: City) -> int:
        status, told = ask(city, "GET", f"/ngsi-ld/v1/entities?type={kind}&limit=1&count=true")
        return told if status == 200 and isinstance(told, int) else 0

    return count
