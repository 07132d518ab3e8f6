"""A source as data: which door it enters by, what the door is told, which mapping reads it.
Saved as `config/sources/NAME.toml`, for people to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Egress
from pintu.kernel.tables import CityTables

DoorKind = Literal["device", "load"]
"""device: runs in the field process, message by message. load: runs in the loads process."""

SettingKind = Literal["text", "number", "yes_no", "choice", "address", "secret", "lines", "file"]


class SourceFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One source somebody connected. Secrets are never in it: `DATA/keys/sources/NAME` holds
    them, 0600."""

    name: str
    door: str
    title: dict[str, str] = {}
    owner: str = ""
    tenant: str = ""
    mappings: list[str] = []
    expected_interval_s: float = 0.0
    enabled: bool = True
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSetting:
    """One thing a door must be told; a page makes a field of it, with its own words."""

    name: str
    title: dict[str, str]
    kind: SettingKind = "text"
    help: dict[str, str] = field(default_factory=dict)
    default: Any = ""
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSeen:
    """One column or path of a source, measured on a sample; `examples` of a person's column are
    masked."""

    name: str
    type: str  # text | number | whole | yes_no | time | date | point | empty | mixed
    filled: float = 0.0  # 0…1
    distinct: int = 0
    low: str = ""
    high: str = ""
    examples: tuple[str, ...] = ()
    person: str = ""  # a PersonMark
    comment: str = ""  # what the source itself says of it


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSeen:
    """One table, sheet, topic or node folder of a source."""

    name: str
    columns: tuple[ColumnSeen, ...]
    rows: int | None = None  # None: nobody counted
    sample: tuple[dict[str, Any], ...] = ()
    key: tuple[str, ...] = ()
    comment: str = ""
    frame: str = ""  # of its coordinates, where the source itself names it; as mappings write it
    warnings: tuple[str, ...] = ()  # e.g. "the points lie 300-700 m off: is the frame GCJ-02?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a door may use besides its source's own words."""

    data: Path  # the data folder
    secret: str  # see doors/secrets.py
    egress: Egress  # asked before any address that somebody typed
    clock: Clock
    folders: tuple[str, ...] = ()  # outside of the data folder, that files may be taken from
    tables: CityTables | None = None  # where memories are kept; None: files in the data folder


Look = Callable[[SourceFile, Around], Awaitable[list[TableSeen]]]
"""Looks at a source without changing it: what is there, on a sample, within 20 s. PintuError says
in words why it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One way in, as the pages and the processes know it."""

    name: str
    kind: DoorKind
    title: dict[str, str]
    summary: dict[str, str]
    settings: tuple[DoorSetting, ...]
    look: Look
