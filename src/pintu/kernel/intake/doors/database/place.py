"""Where a reading of a table stands, as a text that outlives the process: opaque to everybody
else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from pintu.kernel.errors import BadRequestData


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`load`: reading everything, by key; `follow`: reading what changed since."""

    table: str
    stage: Literal["load", "follow"] = "load"
    begun_us: int = 0  # when the last reading of everything began
    line: int = 0  # rows handed out since
    key: list[Any] = []  # load: the key of the last row
    since: list[Any] = []  # follow: where to read from, told apart by `follow`
    follow: str = "nothing"
    skip: int = 0  # replication: changes of the unfinished transaction that have landed
    shape: dict[str, str] = {}  # the columns that are read → their kind
    others: list[str] = []  # the columns that are not


def written(place: Place) -> str:
    """The place as a position."""
    return msgspec.json.encode(place).decode()


def read(position: str) -> Place | None:
    """The place a position tells; None for the beginning. BadRequestData for what is none."""
    if not position:
        return None
    try:
        return msgspec.json.decode(position.encode(), type=Place)
    except msgspec.DecodeError as error:
        raise BadRequestData(f"The position of a load cannot be read: {error}") from error


def kept(value: Any) -> Any:
    """A key's value as JSON can hold it; `restored` gives the same value back."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if hasattr(value, "isoformat"):
        return {"time": value.isoformat()}
    return str(value)


def restored(value: Any) -> Any:
    """What `kept` kept."""
    from datetime import datetime

    if not isinstance(value, dict):
        return value
    if "decimal" in value:
        return Decimal(value["decimal"])
    if "bytes" in value:
        return bytes.fromhex(value["bytes"])
    return datetime.fromisoformat(value["time"])
