"""A mapping as data: which column or path of a source becomes which word of the vocabulary, or
which column of a table data set. Saved as `config/mappings/NAME.toml`, for people to read."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

Target = Literal["context", "table"]
FieldKind = Literal["text", "number", "whole", "yes_no", "time", "date", "code", "point", "shape"]
Frame = str
"""`WGS-84`, `CGCS2000`, `GCJ-02`, `BD-09`, or `EPSG:n`: the frame of a source's coordinates."""

MISSING = ("", "NA", "N/A", "NULL", "null", "-", "--", "—")
"""What sources write where nobody knows a value."""

PersonMark = Literal["", "name", "id_number", "phone", "address", "birth", "account", "health"]
"""What a column says of a person; a column with a mark never enters the context."""


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value. `source` is a column's name, or a dotted path with `[n]` in a JSON payload
    (`data.items[0].v`); in a file it is written `from`."""

    to: str  # a word of the vocabulary; in a table data set the column's name
    # two for a point (lon, lat), several for a time (year, month, day, hour)
    source: str | list[str] = msgspec.field(default="", name="from")
    kind: FieldKind = "text"
    title: dict[str, str] = {}
    unit: str = ""  # of the source (UN/CEFACT code or usual sign, µg/m3); converted to the word's
    codes: dict[str, str] = {}  # value of the source → value of the word's code list
    format: str = ""  # of times and dates, strptime; empty: ISO 8601 and the usual forms
    missing: list[str] = []  # values that mean: nobody knows (besides the mapping's own)
    low: float | None = None
    high: float | None = None
    constant: Any = None  # a value the source does not say
    required: bool = False
    person: PersonMark = ""
    key: bool = False  # part of a table data set's key


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one kind of record is read."""

    name: str
    target: Target = "context"
    title: dict[str, str] = {}
    type: str = ""  # context: the entity type
    data_set: str = ""  # table: the table data set
    id: str = ""  # context: local part, a template over columns: "{ID}" or "{区}-{编号}"
    mode: Literal["merge", "upsert", "append"] = "merge"
    # what a whole load of a file or database no longer brings: kept and told ended, or deleted
    gone: Literal["keep", "delete"] = "keep"
    records: str = ""  # path to the list of records in a JSON payload; empty: the payload is one
    # column or path whose time every value carries as observedAt; several: year, month, day, hour
    observed_at: str | list[str] = ""
    observed_format: str = ""
    frame: Frame = "WGS-84"
    zone: str = "Asia/Shanghai"  # of times that say none
    missing: list[str] = msgspec.field(default_factory=lambda: list(MISSING))
    fields: list[Field] = []


class Row(msgspec.Struct, frozen=True):
    """One row for a table data set; `key` joins the key columns' values."""

    key: str
    values: dict[str, Any]


class BadRecord(msgspec.Struct, frozen=True):
    """A record that could not be mapped: where it stood, what it was, and why in words."""

    line: int
    record: dict[str, Any]
    reason: str
    field: str = ""
    zh: str = ""  # the reason in Chinese, where somebody wrote it


class WordOfAttribute(msgspec.Struct, frozen=True):
    """What the vocabulary says of one attribute of a type."""

    name: str
    kind: str  # Property | GeoProperty | Relationship | LanguageProperty | VocabProperty …
    unit: str = ""  # UN/CEFACT code in which it is kept
    other_units: dict[str, float] = {}  # code → factor to `unit`
    codes: tuple[str, ...] = ()  # closed list of values, empty: any
    labels: dict[str, str] = {}  # zh, en
    json_type: str = ""  # number | integer | string | boolean | object | array; empty: any
    format: str = ""  # of a string: date-time | date
    minimum: float | None = None
    maximum: float | None = None
    target: str = ""  # of a Relationship: the type it points at
    other_names: tuple[str, ...] = ()  # what columns are called that mean it
    usual: tuple[float, float] | None = None  # where nearly all values lie, in `unit`


class Words(Protocol):
    """The vocabulary, as mapping needs it; handed in by city.py because the kernel knows no
    word."""

    def types(self) -> dict[str, dict[str, str]]:
        """Entity types with their labels in zh and en."""
        ...

    def attributes(self, entity_type: str) -> dict[str, WordOfAttribute]:
        """The attributes of a type by name; empty when the type is unknown."""
        ...

    def code_labels(self, entity_type: str, attribute: str) -> dict[str, dict[str, str]]:
        """Value → labels of a closed code list."""
        ...
