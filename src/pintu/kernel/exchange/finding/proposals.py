"""A project proposal before money is granted: which of its planned fields exist already; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pintu.kernel.errors import BadRequestData
from pintu.kernel.exchange.finding.names import Called, called, likeness
from pintu.kernel.exchange.words import Column, DataSet

MOST_PLANNED: Final = 500
LONGEST: Final = 200
ALIKE: Final = 0.8  # likeness from which a planned field exists already
DUPLICATE: Final = 0.6  # share of its fields in one data set, from which a proposal repeats it
PARTLY: Final = 0.25
DULL: Final = frozenset(("time", "date", "updated", "created", "name", "code", "remark", "status"))
"""Concepts that nearly every data set has: found again they say little."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One field a project wants to collect."""

    name: str
    about: str = ""


class Exists(msgspec.Struct, frozen=True, kw_only=True):
    """A planned field and where it is held already."""

    planned: str
    data_set: str
    field: str
    title: dict[str, str]
    likeness: float


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """One data set with what it already holds of a proposal."""

    data_set: str
    title: dict[str, str]
    owner: str
    sharing: str
    fields: tuple[Exists, ...]
    share: float  # of the planned fields


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What exists of a proposal: `duplicate` (one data set holds most of it), `part`, or `new`."""

    verdict: str
    planned: int
    existing: int
    holders: tuple[Holder, ...]
    new: tuple[str, ...]  # planned fields that nobody has


def read_planned(text: str) -> list[Planned]:
    """Fields out of a pasted list or the text of a CSV file: one a line, what follows the first
    comma, tab or semicolon tells about it. BadRequestData when there is none or too many."""
    found: list[Planned] = []
    seen: set[str] = set()
    plain = text.lstrip("﻿").replace("；", ";").replace("，", ",").replace("、", "\n")
    for line in csv.reader(io.StringIO(plain.replace("\t", ",").replace(";", ","))):
        name = line[0].strip()[:LONGEST] if line else ""
        if name and name not in seen:
            seen.add(name)
            about = " ".join(one.strip() for one in line[1:] if one.strip())[:LONGEST]
            found.append(Planned(name=name, about=about))
    if not found:
        raise BadRequestData("The proposal names no field: write one a line")
    if len(found) > MOST_PLANNED:
        raise BadRequestData(f"The proposal names {len(found)} fields; at most {MOST_PLANNED}")
    return found


def check(planned: Sequence[Planned], data_sets: Iterable[DataSet], most: int = 20) -> Answer:
    """What of a proposal exists already, with whom."""
    wanted = [(one, called(one.name, {})) for one in planned]
    holders = []
    held: set[str] = set()
    for data_set in data_sets:
        found = _held(wanted, data_set)
        strong = [one for one in found if not _dull(one.planned)]
        if not strong:
            continue
        held |= {one.planned for one in found}
        holders.append(Holder(
            data_set=data_set.name, title=data_set.title, owner=data_set.owner,
            sharing=data_set.sharing, fields=tuple(found), share=len(found) / len(planned),
        ))  # fmt: skip
    holders.sort(key=lambda one: (-one.share, one.data_set))
    best = holders[0].share if holders else 0.0
    verdict = "duplicate" if best >= DUPLICATE else "part" if len(held) >= (
        PARTLY * len(planned)) else "new"  # fmt: skip
    return Answer(
        verdict=verdict,
        planned=len(planned),
        existing=len(held),
        holders=tuple(holders[:most]),
        new=tuple(one.name for one in planned if one.name not in held),
    )


def _held(wanted: Sequence[tuple[Planned, Called]], data_set: DataSet) -> list[Exists]:
    columns = [(one, called(one.name, one.title)) for one in data_set.columns]
    found, taken = [], set()
    for planned, mine in wanted:
        best: tuple[float, Column | None] = (0.0, None)
        for column, theirs in columns:
            alike = likeness(mine, theirs) if column.name not in taken else 0.0
            if alike > best[0]:
                best = (alike, column)
        if best[1] is not None and best[0] >= ALIKE:
            taken.add(best[1].name)
            found.append(Exists(
                planned=planned.name, data_set=data_set.name, field=best[1].name,
                title=best[1].title, likeness=round(best[0], 3),
            ))  # fmt: skip
    return found


def _dull(name: str) -> bool:
    concepts = called(name, {}).concepts
    return bool(concepts) and concepts <= DULL
