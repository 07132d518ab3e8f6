"""What a source of this door was told: read once, every mistake said together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.database.systems import SYSTEMS, System
from pintu.kernel.intake.doors.words import SourceFile

Follow = Literal["nothing", "time", "key", "replication"]
Tls = Literal["prefer", "require", "verify", "off"]

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_SLOT = re.compile(r"[a-z0-9_]{1,63}")
_PUBLICATION = re.compile(r"[^\W\d][\w$]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One database and one table of it, as somebody described them; times in seconds."""

    source: str
    system: System
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    schema: str = ""
    table: str = ""
    key: tuple[str, ...] = ()
    follow: Follow = "nothing"
    column: str = ""
    every_s: float = 1.0
    overlap_s: float = 30.0
    full_every_h: float = 24.0
    stay: bool = True
    rows_per_second: float = 0.0
    hours: str = ""
    statement_timeout_s: float = 30.0
    page_rows: int = 5_000
    tls: Tls = "prefer"
    ca: str = ""
    slot: str = ""
    publication: str = ""
    slot_limit_mb: float = 1_024.0
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The database as a sentence names it; never a secret."""
        if not self.system.network:
            return f"{self.system.title} {self.database}"
        return f"{self.system.title} {self.database} on {self.host}:{self.port}"


_NUMBERS: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "every_s": (0.2, 86_400),
    "overlap_s": (0, 86_400),
    "full_every_h": (0, 24 * 400),
    "rows_per_second": (0, 10_000_000),
    "statement_timeout_s": (1, 3_600),
    "page_rows": (10, 10_000),
    "slot_limit_mb": (1, 10_000_000),
}
_KNOWN = {one.name for one in fields(Told)} - {"source"} | {"password"}


def read_told(source: SourceFile, mapping: str = "") -> Told:
    """What the source says, with what `settings.tables.MAPPING` says instead for one mapping.

    ConfigurationError lists every mistake.
    """
    settings = dict(source.settings)
    tables = settings.get("tables") or {}
    if isinstance(tables, dict) and isinstance(tables.get(mapping), dict):
        settings |= tables[mapping]
    mistakes: list[str] = [
        f"Source {source.name} is told {name!r}, which this door does not know"
        for name in sorted(set(settings) - _KNOWN)
    ]
    values: dict[str, Any] = {"source": source.name}
    system = SYSTEMS.get(str(settings.get("system", "")))
    if system is None:
        known = ", ".join(sorted(SYSTEMS))
        raise ConfigurationError(
            [f"Source {source.name} must say its system, one of {known}", *mistakes]
        )
    values["system"] = system
    for name, value in settings.items():
        if name in _KNOWN - {"system", "password"} and value not in ("", None, []):
            try:
                values[name] = _READERS.get(name, _text)(name, value)
            except ValueError as error:
                mistakes.append(f"Source {source.name}: {name} {error}")
    values.setdefault("port", system.port)
    if not values["port"]:
        values["port"] = system.port
    mistakes += _together(values, system)
    if mistakes:
        raise ConfigurationError(mistakes)
    return Told(**values)


def _text(_name: str, value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = "\n".join(value)  # lines of a page's field
    if not isinstance(value, str):
        raise ValueError("is not a text")
    if "\0" in value or len(value) > 20_000:
        raise ValueError("is longer than 20,000 characters or holds a zero byte")
    return value.strip()


def _number(name: str, value: Any) -> float | int:
    low, high = _NUMBERS[name]
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("is not a number") from None
    if isinstance(value, bool) or not low <= number <= high:
        raise ValueError(f"is not between {low:g} and {high:g}")
    return int(number) if name in ("port", "page_rows") else number


def _names(_name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[,，\n]", value)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("is not a list of columns")
    return tuple(one.strip() for one in value if one.strip())


def _choice(name: str, value: Any) -> str:
    choices = get_args(Follow if name == "follow" else Tls)
    if value not in choices:
        raise ValueError(f"is not one of {', '.join(choices)}")
    return str(value)


def _matched(name: str, value: Any) -> str:
    text = _text(name, value)
    pattern = {"host": _HOST, "hours": _HOURS, "slot": _SLOT, "publication": _PUBLICATION}[name]
    if not pattern.fullmatch(text):
        raise ValueError(
            {
                "host": "is neither a name nor an address",
                "hours": "is not like 22:00-06:00",
                "slot": "may hold a-z, 0-9 and _ only",
                "publication": "is not a name of a publication",
            }[name]
        )
    return text


def _yes_no(_name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither yes nor no")
    return value


def _tables(_name: str, value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ValueError("is not a table of tables; write [settings.tables.MAPPING]")
    return value


_READERS: dict[str, Any] = {
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(("follow", "tls"), _choice),
    **dict.fromkeys(("host", "hours", "slot", "publication"), _matched),
    "key": _names,
    "stay": _yes_no,
    "tables": _tables,
}


def _together(values: dict[str, Any], system: System) -> list[str]:
    """What is right alone and wrong together."""
    mistakes = []
    if not values.get("database"):
        mistakes.append("The database has no name" if system.network else "The file has no path")
    if system.network and not values.get("host"):
        mistakes.append(f"{system.title} needs a host")
    follow = values.get("follow", "nothing")
    if follow == "time" and not values.get("column"):
        mistakes.append("Following by time needs the column that says when a row changed")
    if follow == "replication":
        if system.name not in ("postgresql", "kingbase"):
            mistakes.append(f"Replication is read from PostgreSQL, not from {system.title}")
        mistakes += [
            f"Following by replication needs the {one} the owner made"
            for one in ("slot", "publication")
            if not values.get(one)
        ]
    return mistakes
