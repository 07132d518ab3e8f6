"""Column types of every database as a few kinds, and values as JSON can hold them; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import orjson
import shapely
from sqlalchemy import types as sa
from sqlalchemy.types import TypeEngine, UserDefinedType

Kind = Literal["text", "number", "whole", "yes_no", "time", "date", "point", "shape", "bytes"]
Convert = Callable[[Any], Any]

_SAFE_DIGITS: Final = 15  # a float keeps as many


class Geometry(UserDefinedType[Any]):
    """A PostGIS or MySQL geometry as reflection finds it: `geometry(Point,4490)`."""

    cache_ok = True

    def __init__(self, shape: str = "", srid: Any = 0, *_more: Any, **_words: Any) -> None:
        self.shape = str(shape or "").strip("'\" ").upper()
        self.srid = int(srid or 0) if str(srid or 0).strip().isdigit() else 0

    def get_col_spec(self, **_words: Any) -> str:
        """What SQLAlchemy calls it."""
        return "geometry"


GEOMETRY_NAMES: Final = (
    "geometry",
    "geography",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table as the database describes it."""

    name: str
    kind: Kind
    type: str  # the database's own word
    zoned: bool = False  # a time that says its zone (kept in UTC here)
    nullable: bool = True
    srid: int = 0
    comment: str = ""


def kind_of(found: TypeEngine[Any]) -> Kind:
    """The kind of a reflected type; what nobody knows is text."""
    if isinstance(found, Geometry):
        return "point" if found.shape == "POINT" else "shape"
    for family, kind in _FAMILIES:
        if isinstance(found, family):
            return kind
    return "text"


_FAMILIES: Final[tuple[tuple[type[TypeEngine[Any]], Kind], ...]] = (
    (sa.Boolean, "yes_no"),
    (sa.Integer, "whole"),
    (sa.Numeric, "number"),
    (sa.DateTime, "time"),
    (sa.Date, "date"),
    (sa.LargeBinary, "bytes"),
    (sa._Binary, "bytes"),
)


def is_zoned(found: TypeEngine[Any]) -> bool:
    """True for a moment: a timestamp with its zone, or MySQL's TIMESTAMP, which is one."""
    if not isinstance(found, sa.DateTime):
        return False
    return bool(getattr(found, "timezone", False)) or (
        type(found).__module__.endswith("mysql.types") and isinstance(found, sa.TIMESTAMP)
    )


def converters(columns: Sequence[Column], family: str) -> dict[str, Convert]:
    """Which columns need a change before their values are plain JSON; the others pass untouched.

    SQLite keeps any value in any column, so all of its columns are looked at.
    """
    found: dict[str, Convert] = {}
    for one in columns:
        if one.kind in ("point", "shape"):
            found[one.name] = geometry
        elif one.kind == "bytes":
            found[one.name] = nothing
        elif one.kind == "number":
            found[one.name] = number
        elif one.kind == "time" and one.zoned:
            found[one.name] = moment
        elif family not in ("postgresql", "mysql") or (  # whose times and dates come as texts
            one.kind == "text" and not _SIMPLE_TEXT.match(one.type)
        ):
            found[one.name] = plain
    return found


_SIMPLE_TEXT: Final = re.compile(
    r"(?i)(n?varchar|character|n?char|(tiny|medium|long)?text|uuid|enum|inet|cidr|bpchar)\b"
)


def nothing(_value: Any) -> None:
    """Bytes are not read: they are pictures and documents."""
    return None


def number(value: Any) -> Any:
    """A number of JSON; one with more digits than a float keeps stays a text, and so does NaN."""
    kind = value.__class__
    if kind is Decimal:
        if not value.is_finite():
            return str(value)
        if value == (whole := int(value)) and value.as_tuple().exponent >= 0:
            return whole
        return float(value) if len(value.as_tuple().digits) <= _SAFE_DIGITS else str(value)
    if kind is float:
        return value if value - value == 0 else str(value)
    return value if kind is int or value is None else plain(value)


def moment(value: Any) -> Any:
    """A time whose zone is known, as ISO 8601 with `Z`. The session's own zone is UTC."""
    if value is None:
        return None
    if value.__class__ is not str:
        text = str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
        return text[:-6] + "Z" if text.endswith("+00:00") else text
    if value[-3:] == "+00":
        return f"{value[:10]}T{value[11:-3]}Z"
    if value[10:11] == " " and value[-1:].isdigit():
        return f"{value[:10]}T{value[11:]}Z"
    return value


def geometry(value: Any) -> Any:
    """A GeoJSON geometry from EWKB (PostGIS, hexadecimal) or from MySQL's bytes; what cannot be
    read stays as it is, for the mapping to refuse."""
    if value is None:
        return None
    try:
        if isinstance(value, bytes):
            shape = shapely.from_wkb(value[4:])
        elif str(value)[:2] in ("00", "01"):
            shape = shapely.from_wkb(value)
        else:
            shape = shapely.from_wkt(str(value).partition(";")[2] or str(value))
    except shapely.GEOSException:
        return str(value)[:200]
    if shape is None or shape.is_empty:
        return None
    found: dict[str, Any] = orjson.loads(shapely.to_geojson(shape))
    return found


def plain(value: Any) -> Any:
    """Any value of any driver as JSON can hold it."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float or kind is Decimal:
        return number(value)
    if kind is bytes or kind is bytearray or kind is memoryview:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return str(value)


def records(
    names: Sequence[str], rows: Sequence[Sequence[Any]], change: Mapping[str, Convert]
) -> list[dict[str, Any]]:
    """Rows as records. Column by column: a column that needs no change costs nothing."""
    if not rows:
        return []
    if change:
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for number_, name in enumerate(names):
            convert = change.get(name)
            if convert is not None:
                columns[number_] = list(map(convert, columns[number_]))
        rows = list(zip(*columns, strict=True))
    return [dict(zip(names, row, strict=True)) for row in rows]
