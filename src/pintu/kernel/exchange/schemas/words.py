"""Schemas of data sets as versions, and the changes between two of them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.exchange.words import Column, DataSet

What = Literal[
    "added",
    "removed",
    "kind",
    "unit",
    "codes_added",
    "codes_removed",
    "key",
    "person",
    "sensitivity",
]
Found = Literal["told", "source"]
"""`told`: somebody saved another description; `source`: the values changed and nobody said so."""

Compatibility = Literal["full", "backward", "forward", "none"]
"""full: old and new readers read both; backward: who reads by the new version reads old rows too;
forward: who reads by the old version reads new rows too; none: neither."""

NUMBERS: Final = frozenset(("number", "whole"))


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version says of one column; titles and authority may change without a version."""

    name: str
    kind: str = "text"
    unit: str = ""
    codes: tuple[str, ...] = ()  # sorted
    key: bool = False
    person: str = ""
    sensitivity: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference between two versions, or one that the values show."""

    field: str
    what: What
    before: str = ""
    after: str = ""

    @property
    def keeps_old_readers(self) -> bool:
        """Whether who reads by the old version is not misled (forward)."""
        if self.what in ("added", "codes_removed", "sensitivity"):
            return True
        return self.what == "kind" and (self.before, self.after) in WIDENED_BACK

    @property
    def keeps_new_readers(self) -> bool:
        """Whether who reads by the new version understands rows of the old one (backward)."""
        if self.what in ("added", "removed", "codes_added", "sensitivity"):
            return True  # of an added field old rows have no value, and every field may have none
        return self.what == "kind" and (self.before, self.after) in WIDENED


WIDENED: Final = frozenset(
    (before, after)
    for before, after in (
        ("whole", "number"), ("whole", "text"), ("number", "text"), ("code", "text"),
        ("date", "text"), ("time", "text"), ("yes_no", "text"), ("point", "shape"),
    )
)  # fmt: skip
"""Kinds whose values are all values of the other."""

WIDENED_BACK: Final = frozenset((after, before) for before, after in WIDENED)


class Schema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a data set's schema."""

    data_set: str
    version: int  # from 1
    fields: tuple[Field, ...]
    since_us: int
    found: Found = "told"
    changes: tuple[Change, ...] = ()  # against the version before

    @property
    def compatibility(self) -> Compatibility:
        """How this version goes with the one before."""
        return compatibility(self.changes)


class Broken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a change concerns: an agreement whose fields it touches, or a page."""

    kind: Literal["agreement", "page"]
    id: str
    consumer: str
    fields: tuple[str, ...]


def compatibility(changes: tuple[Change, ...]) -> Compatibility:
    """The rule of several changes together."""
    old = all(one.keeps_old_readers for one in changes)
    new = all(one.keeps_new_readers for one in changes)
    if old and new:
        return "full"
    return "backward" if new else "forward" if old else "none"


def fields_of(data_set: DataSet) -> tuple[Field, ...]:
    """The fields of a data set as its newest version keeps them, in its own order."""
    return tuple(_field(one) for one in data_set.columns)


def _field(column: Column) -> Field:
    return Field(
        name=column.name,
        kind=column.kind,
        unit=column.unit,
        codes=tuple(sorted(column.codes)),
        key=column.key,
        person=column.person,
        sensitivity=column.sensitivity,
    )
