"""Tables that say something of persons: they become table data sets, never entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection

from pintu.kernel.intake.doors.database.connecting import Database
from pintu.kernel.intake.doors.database.paging import Pages
from pintu.kernel.intake.doors.database.schema import Table
from pintu.kernel.intake.mapping.people import person_marks

SAMPLE: Final = 50
TELLING: Final = frozenset(("name", "id_number", "birth", "health", "account"))
"""Marks that make a table one of persons. A telephone or an address alone do not: offices have them
too, and a mapping that uses such a column is refused for the column's sake."""


async def persons_in(database: Database, table: Table) -> dict[str, str]:
    """Columns of persons with their marks, by their names and a few values; empty for a table of
    things."""
    names = [one.name for one in table.columns if one.kind in ("text", "whole", "date", "time")]
    if not names:
        return {}
    pages = Pages(table, names, database.told.system.family)

    def sample(connection: Connection) -> list[Any]:
        return list(pages.page(connection, [], limit=SAMPLE))

    lines = await database.run(sample, f"looking at {table.full_name}")
    held = {name: examples(line[n] for line in lines) for n, name in enumerate(names)}
    return {
        name: judged.mark
        for name, judged in person_marks(held).items()
        if judged.sure and judged.mark in TELLING
    }


def examples(values: Iterable[Any]) -> list[str]:
    """Values as the recogniser of persons wants them."""
    return [str(one)[:200] for one in values if one not in (None, "")]
