"""Looks at a file without loading it: its tables, their columns measured on a sample, its
surprises; a person's values are masked before anybody sees them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from pintu.kernel.errors import PintuError
from pintu.kernel.intake.doors.seen import flat
from pintu.kernel.intake.doors.words import TableSeen
from pintu.kernel.intake.mapping.words import BadRecord, PersonMark
from pintu.kernel.intake.tabular.measure import columns_seen, masked_record
from pintu.kernel.intake.tabular.open import list_tables, open_table
from pintu.kernel.intake.tabular.words import Options, Place, Record, TableReader, said_of

FIRST: Final = 1_000  # records that are looked at from the beginning
SPREAD: Final = 2_000  # and from all that was read after them
READ: Final = 200_000  # records read for a look at most
SHOWN: Final = 20
MOST_TABLES: Final = 50
MOST_COLUMNS: Final = 400


def look(path: Path, options: Options | None = None) -> list[TableSeen]:
    """Every table of a file, those with records first; BadRequestData in words when there is none
    that can be read. The same file always gives the same answer."""
    options = options or Options()
    found: list[TableSeen] = []
    mistake: PintuError | None = None
    names = list_tables(path)
    for name in names[:MOST_TABLES]:
        if options.table and name and name != options.table:
            continue
        try:
            told = msgspec.structs.replace(options, table=name or options.table)
            table = open_table(path, told)
            try:
                found.append(_seen(table))
            finally:
                table.close()
        except PintuError as error:
            mistake = mistake or error
            said = said_of(error)
            found.append(TableSeen(name=name, columns=(), warnings=(f"{said['zh']} / {error}",)))
    if mistake is not None and not any(one.columns for one in found):
        raise mistake
    return sorted(found, key=lambda one: not one.sample)


def _seen(table: TableReader) -> TableSeen:
    sample, bad, rows = _sample(table)
    names = table.columns or _names(sample)
    columns, warnings = columns_seen(names[:MOST_COLUMNS], sample)
    marks = {one.name: cast("PersonMark", one.person) for one in columns if one.person}
    said = [f"{one['zh']} / {one['en']}" for one in table.said]
    said += warnings
    if bad:
        said.append(f"{len(bad)}: {bad[0].reason}")
    if table.frame:
        said.append(f"frame: {table.frame}")
    return TableSeen(
        name=table.name,
        columns=columns,
        rows=rows,
        sample=tuple(masked_record(one, marks) for one in sample[:SHOWN]),
        frame=table.frame,
        warnings=tuple(said[:50]),
    )


def _sample(table: TableReader) -> tuple[list[Record], list[BadRecord], int | None]:
    """First records and a reservoir of later ones (Vitter 1985, algorithm R, with a fixed seed);
    how many there are, when all were read."""
    dice = random.Random(1)
    first: list[Record] = []
    spread: list[Record] = []
    bad: list[BadRecord] = []
    count = 0
    whole = True
    for portion in table.portions(Place()):
        bad += portion.bad[:20]
        for _, record in portion.records:
            count += 1
            if not table.columns:
                record = _flat(record)
            if count <= FIRST:
                first.append(record)
            elif len(spread) < SPREAD:
                spread.append(record)
            elif (at := dice.randrange(count - FIRST)) < SPREAD:
                spread[at] = record
        if count >= READ:
            whole = False
            break
    return first + spread, bad, count if whole else None


def _flat(record: Record) -> Record:
    """A record of JSON by its paths; a geometry stays whole."""
    if not any(isinstance(one, dict | list) for one in record.values()):
        return record
    plain = {name: value for name, value in record.items() if name != "geometry"}
    found = flat(plain)
    if "geometry" in record:
        found["geometry"] = record["geometry"]
    return found


def _names(records: Sequence[Record]) -> list[str]:
    found: dict[str, None] = {}
    for one in records:
        found.update(dict.fromkeys(one))
    return list(found)
