"""What the piece needs to be told, and the dated tables it brings; checked once at start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pintu.kit import ConfigurationError
from pintu.kit.hj212 import read_listen
from pintu.pieces.environment.model.index import (
    Editions,
    IndexTable,
    Limits,
    read_limits,
    read_table,
)

TABLES = ("hj633-2012.json", "hj633-2026.json")
UNITS = {"ug/m3": "ug/m3", "µg/m³": "ug/m3", "mg/m3": "mg/m3", "mg/m³": "mg/m3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `[pieces.environment]` in pintu.toml says."""

    listen: str  # HOST:PORT; empty: not listening
    station_file: Path | None
    passwords: Mapping[str, str]
    unit: str
    tenant: str
    editions: Editions
    limits: tuple[Limits, ...]
    area_class: int
    interval_s: float
    forecast: bool


def read_tables() -> list[IndexTable]:
    """The editions of HJ 633 the piece brings, oldest first."""
    return [read_table(_told(name)) for name in TABLES]


def read_all_limits() -> tuple[Limits, ...]:
    """The editions of GB 3095 the piece brings, oldest first."""
    return tuple(read_limits(_told("gb3095.json")))


def _told(name: str) -> Any:
    folder = files("pintu.pieces.environment.model") / "tables"
    return json.loads((folder / name).read_text("utf-8"))


def read_settings(told: Mapping[str, Any]) -> Settings:
    """Settings from what the city says; ConfigurationError lists every mistake."""
    mistakes: list[str] = []
    try:
        if told["listen"]:
            read_listen(str(told["listen"]))
    except ConfigurationError as error:
        mistakes.extend(error.mistakes)
    station_file = Path(str(told["station_file"])) if told["station_file"] else None
    if station_file is not None and not station_file.parent.is_dir():
        # the file itself may come later: its source says so until then
        mistakes.append(f"station_file {station_file} lies in no folder that is there")
    passwords = _passwords(str(told["passwords"]), mistakes)
    if str(told["unit"]) not in UNITS:
        mistakes.append(f"unit {told['unit']!r} is neither ug/m3 nor mg/m3")
    if told["area_class"] not in (1, 2):
        mistakes.append(f"area_class = {told['area_class']} is neither 1 nor 2 (GB 3095)")
    if not 1 <= float(told["interval_s"]) <= 86_400:
        mistakes.append(f"interval_s = {told['interval_s']} is not between 1 and 86400")
    editions = Editions(read_tables())
    try:
        editions = Editions(editions.tables, str(told["index_table"]))
    except ConfigurationError as error:
        mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError([f"environment: {one}" for one in mistakes])
    return Settings(
        listen=str(told["listen"]),
        station_file=station_file,
        passwords=passwords,
        unit=UNITS[str(told["unit"])],
        tenant=str(told["tenant"]),
        editions=editions,
        limits=read_all_limits(),
        area_class=int(told["area_class"]),
        interval_s=float(told["interval_s"]),
        forecast=bool(told["forecast"]),
    )


def _passwords(path: str, mistakes: list[str]) -> dict[str, str]:
    """`MN password` a line; with such a file other stations are not let in."""
    if not path:
        return {}
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"passwords {path} cannot be read: {error}")
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, password = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if not password.strip():
            mistakes.append(f"passwords {path}: line {number} is not MN and password")
        else:
            found[name] = password.strip()
    return found
