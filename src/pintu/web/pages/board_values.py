"""Values of data sets as people read them: by the column's kind, its unit and its code list."""

from __future__ import annotations

from typing import Any

from pintu.kernel.exchange.words import Column, DataSet
from pintu.web.api.states import parse_time
from pintu.web.pages import labels
from pintu.web.pages.listing import Cell
from pintu.web.words import Words, mark

COUNT = mark("Count")


def called(data_set: DataSet, words: Words) -> str:
    """What a data set is called: as it says itself, else as its type is."""
    told = words.pick(data_set.title)
    if told or not data_set.type:
        return told or data_set.name
    return labels.type_label((data_set.type,), words)


def title_of(column: Column, words: Words) -> str:
    """What a column is called, as its data set or the vocabulary says."""
    if column.name == "count" and not column.title:
        return words.text(COUNT)
    name = column.name.partition("@")[0]
    return words.pick(column.title) or labels.attribute_label(name, words)


def unit_of(column: Column) -> str:
    """The sign of a column's unit."""
    return labels.unit_sign(column.unit or None)


def said(column: Column, value: Any, words: Words) -> str:
    """One value, without its unit; a dash where there is none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return words.text("yes") if value else words.text("no")
    if isinstance(value, int | float):
        return words.number(value)
    if isinstance(value, str):
        if column.kind == "time":
            at_us = parse_time(value)
            return words.time(at_us) if at_us else value
        return labels.value_label(column.name, value, words) or value
    if column.kind == "point" and isinstance(value, list) and len(value) == 2:
        return f"{value[1]:.5f}, {value[0]:.5f}"
    return labels.said(value, words)


def cell_of(column: Column, value: Any, words: Words, *, entities: bool) -> Cell:
    """One value as a table shows it; the id of an entity leads to its page."""
    text = said(column, value, words)
    if entities and column.name == "id" and isinstance(value, str):
        return Cell(text=value.rpartition(":")[2], key=value, link=value)
    at_us = parse_time(value) if column.kind == "time" and isinstance(value, str) else 0
    return Cell(text=text, key=value, at_us=at_us)


def plain(column: Column, value: Any, words: Words) -> str:
    """One value as a file holds it: numbers and times in the machine's form, codes as they are."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and column.kind == "point":
        return f"{value[0]} {value[1]}"
    if isinstance(value, str | int | float):
        return str(value)
    return labels.said(value, words)
