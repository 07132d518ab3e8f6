"""From a table that was seen to a table mapping, and from that to the data set it fills; pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.intake.doors.words import SourceFile, TableSeen
from pintu.kernel.intake.mapping.words import Field, Mapping

NOT_IN_A_COLUMN = re.compile(r"[^\w.-]+")
KIND_OF: dict[str, Any] = {
    "number": "number",
    "whole": "whole",
    "yes_no": "yes_no",
    "time": "time",
    "date": "date",
    "point": "point",
    "shape": "shape",
}
"""What a column holds, as a field reads it; anything else is read as text."""


def table_mapping(table: TableSeen, *, name: str, data_set: str) -> Mapping:
    """Every column as it is; persons' columns keep their mark, the source's key stays the key."""
    key = set(table.key)
    fields: list[Field] = []
    for one in table.columns:
        if one.type == "empty":
            continue
        to = column_name(one.name, {field.to for field in fields})
        mark: Any = one.person
        fields.append(
            Field(
                to=to,
                source=one.name,
                kind=KIND_OF.get(one.type, "text"),
                title={"zh": one.comment or one.name},
                person=mark,
                key=one.name in key,
            )
        )
    if not any(one.key for one in fields) and fields:
        fields = _with_key(table, fields)
    return Mapping(name=name, target="table", data_set=data_set, fields=fields)


def _with_key(table: TableSeen, fields: list[Field]) -> list[Field]:
    """The first column that is full and differs in every row of the sample, if there is one."""
    rows = len(table.sample)
    seen = {one.name: one for one in table.columns}
    for number, one in enumerate(fields):
        column = seen[str(one.source)]
        values = [str(row.get(column.name)) for row in table.sample]
        if column.filled >= 1 and rows > 1 and len(set(values)) == rows and one.kind != "number":
            changed = msgspec.structs.replace(one, key=True)
            return [*fields[:number], changed, *fields[number + 1 :]]
    return fields


def column_name(wish: str, taken: set[str]) -> str:
    """A column's name as a data set may have it: letters of any script first, nothing strange."""
    plain = NOT_IN_A_COLUMN.sub("_", wish.strip()).strip("_.-")[:60]
    if not plain or plain[0].isdigit() or plain[0] == "_":
        plain = f"c_{plain}"
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}_{number}"
    return found


def data_set_of(mapping: Mapping, source: SourceFile) -> DataSet:
    """The data set a table mapping fills, with the marks of persons it carries."""
    return DataSet(
        name=mapping.data_set,
        provider="table",
        title=mapping.title or source.title,
        owner=source.owner,
        tenant=source.tenant,
        source=source.name,
        columns=[
            Column(
                name=one.to,
                title=one.title,
                kind=one.kind,
                unit=one.unit,
                person=one.person,
                key=one.key,
            )
            for one in mapping.fields
        ],
    )
