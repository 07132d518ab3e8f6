"""Day files as a table of samples: rows joined with where their samples lie. Pure: a table in, an
expression out, the same for every engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import ibis
import orjson

from pintu.kernel.analytics.engines.shapes import DECIMAL, FLOAT, Place, Sample
from pintu.kernel.analytics.engines.words import Question, reads_from_us

Table = Any
"""An Ibis table expression."""
PLAIN: Final = re.compile(r"[A-Za-z0-9_]+")
READ: Final = (
    "id", "position", "form", "template", "decimals", "scales", "floats", "times",
)  # fmt: skip
PLACES: Final = ibis.schema(
    {
        "form": "string",
        "template": "binary",
        "attribute": "string",
        "dataset": "string",
        "number": "boolean",
        "kind": "int64",
        "hole": "int32",
        "value": "float64",
        "text": "string",
        "time_hole": "int32",
        "unit": "int64",
        "at_us": "int64",
        "rank": "int64",
    }
)
SAMPLES: Final = ibis.schema(
    {
        "id": "string",
        "attribute": "string",
        "dataset": "string",
        "at_us": "int64",
        "number": "boolean",
        "value": "float64",
        "text": "string",
        "told": "int64",
    }
)


def concerned(rows: Table, question: Question) -> Table:
    """The rows of day files that may tell what is asked for: their form names a type, and their
    template an attribute, as far as a plain search can tell. What tells of other things is in no
    way of a question, however differently its rows are written."""
    types = (orjson.dumps(one).decode() for one in question.types)
    found = rows.filter(reduce(or_, [rows.form.contains(one) for one in types]))
    if all(PLAIN.fullmatch(one) for one in question.attributes):
        template = found.template.cast("string")  # letters stay, quotes as engines write them
        names = [q + one + q for one in question.attributes for q in ('"', "\\x22")]
        found = found.filter(reduce(or_, [template.contains(one) for one in names]))
    return found


def shapes(rows: Table) -> Table:
    """Every (form, template) of the rows of day files."""
    return rows.select("form", "template").distinct()


def filed(rows: Table, places: Sequence[Place], most_of_row: int) -> Table:
    """The samples of rows of day files, at the places they lie."""
    known = ibis.memtable([one._asdict() for one in places], schema=PLACES)
    found = rows.select(*READ).inner_join(known, ["form", "template"])
    decimal = found.decimals[found.hole].cast("float64") / ibis.literal(10.0).pow(
        found.scales[found.hole].cast("float64")
    )
    value = ibis.cases(
        (found.kind == DECIMAL, decimal),
        (found.kind == FLOAT, found.floats[found.hole]),
        else_=found.value,
    )
    at_us = ibis.ifelse(
        found.time_hole >= 0, found.times[found.time_hole] * found.unit, found.at_us
    )
    return found.select(
        "id", "attribute", "dataset", "number", "text",
        at_us=at_us, value=value, told=found.position * most_of_row + found.rank,
    ).select(*SAMPLES.names)  # fmt: skip


def fresh(samples: Sequence[Sample]) -> Table:
    """Samples that are in no file yet."""
    return ibis.memtable([one._asdict() for one in samples], schema=SAMPLES)


def asked_for(samples: Table, question: Question) -> Table:
    """The samples of a question's time and things, one a moment: the one told last."""
    inside = [samples.at_us >= reads_from_us(question), samples.at_us < question.until_us]
    if question.ids:
        inside.append(samples.id.isin(question.ids))
    some = samples.filter(*inside)
    return some.group_by("id", "attribute", "dataset", "at_us").agg(
        number=some.number.argmax(some.told),
        value=some.value.argmax(some.told),
        text=some.text.argmax(some.told),
    )


def union(parts: Sequence[Table], edited: Sequence[str], told: Sequence[Sample]) -> Table | None:
    """All samples there are; of `edited` entities those that are `told` instead. None: there are
    none."""
    some = [part.filter(~part.id.isin(edited)) if edited else part for part in parts]
    if told:
        some.append(fresh(told))
    if not some:
        return None
    return ibis.union(*some) if len(some) > 1 else some[0]
