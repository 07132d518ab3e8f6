"""A question as its agreement lets it be asked, and an answer as it may be shown; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pintu.kernel.access import Projection, masked
from pintu.kernel.errors import BadRequestData, Forbidden
from pintu.kernel.exchange.conditions import check, group_of
from pintu.kernel.exchange.gate.counting import as_masked, counted
from pintu.kernel.exchange.words import Column, Condition, DataSet, Question, Rows

DEFAULT_LIMIT: Final = Question().limit
MOST_OF_PERSONS: Final = 1_000
"""Rows of persons in one answer to their owner: each is named in the log."""

DERIVED: Final = frozenset(("id", "type", "observedAt"))
"""Columns of the context that are no attributes; the time is that of what is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the provider is asked, and what is made of its answer."""

    question: Question
    shown: tuple[str, ...]  # columns of the answer; of a sum, all it has
    subject: str = ""  # the column that says whom a row is about
    value: Any = None  # of the one person asked for


def subject_column(data_set: DataSet) -> str:
    """The column that says whom a row is about: an identity number, else the key among what is of
    persons, else any key."""
    columns = data_set.columns
    numbers = [one.name for one in columns if one.person == "id_number"]
    personal = [one.name for one in columns if one.person and one.key]
    keys = [one.name for one in columns if one.key]
    return next(iter((*numbers, *personal, *keys)), "")


def planned(question: Question, data_set: DataSet, projection: Projection) -> Plan:
    """The question within what the gate lets through.

    Raises BadRequestData for a column that is not there, in the same words whether it exists
    outside of the agreement or not, Forbidden for what may be seen but not asked by, or for more
    rows than may be had at once.
    """
    about = subject_column(data_set) if data_set.persons else ""
    if projection.own:
        return _for_oneself(question, about)
    if not projection.agreement:
        return _for_owner(question, data_set, about)
    about = projection.subject or about
    allowed = allowed_columns(data_set, projection)
    if not allowed:
        raise Forbidden("Under this agreement nothing is seen")
    left, value = question.where, None
    if projection.subject:
        left, value = _one_person(question, projection.subject)
    check(msgspec.structs.replace(question, where=left), allowed)
    _refuse_masked(msgspec.structs.replace(question, where=left), projection)
    if projection.k:
        question = counted(question, projection)
    elif projection.subject and question.adds_up:
        raise Forbidden("Under this agreement one person's rows are listed, not added up")
    else:
        question = msgspec.structs.replace(question, limit=_limit(question, projection.most_rows))
    shown = question.columns or tuple(one.name for one in allowed)
    where = (*question.where, *conditions_of(projection))
    if question.adds_up:
        return Plan(question=msgspec.structs.replace(question, where=where), shown=())
    columns = shown if not about or about in shown else (*shown, about)
    asked = msgspec.structs.replace(question, columns=columns, where=where)
    return Plan(question=asked, shown=shown, subject=about, value=value)


def allowed_columns(data_set: DataSet, projection: Projection) -> list[Column]:
    """The columns there are under an agreement."""
    fixed = DERIVED if data_set.provider == "context" else frozenset()
    names = projection.attributes
    return [
        one for one in data_set.columns if names is None or one.name in names or one.name in fixed
    ]


def _for_owner(question: Question, data_set: DataSet, about: str) -> Plan:
    if question.adds_up:
        return Plan(question=question, shown=())
    shown = question.columns or tuple(one.name for one in data_set.columns)
    columns = shown if not about or about in shown else (*shown, about)
    limit = _limit(question, MOST_OF_PERSONS if data_set.persons else None)
    asked = msgspec.structs.replace(question, columns=columns, limit=limit)
    return Plan(question=asked, shown=shown, subject=about)


def conditions_of(projection: Projection) -> tuple[Condition, ...]:
    """The conditions that every row seen holds."""
    return tuple(one for one in projection.where if isinstance(one, Condition))


def _for_oneself(question: Question, about: str) -> Plan:
    """Somebody's own record: every column of the rows that are about them, and nothing else."""
    _, value = _one_person(question, about)
    where = (Condition(about, "=", value),)
    asked = Question(where=where, limit=min(question.limit, DEFAULT_LIMIT))
    return Plan(question=asked, shown=(), subject=about, value=value)


def _limit(question: Question, most: int | None) -> int:
    if most is None or question.limit <= most:
        return question.limit
    if question.limit == DEFAULT_LIMIT:
        return most
    raise Forbidden(f"A call lets at most {most} rows, {question.limit} were asked for")


def _one_person(question: Question, subject: str) -> tuple[tuple[Condition, ...], Any]:
    """The other conditions, and the value that names the person."""
    named = [one for one in question.where if one.column == subject]
    alone = len(named) == 1 and named[0].comparison == "="
    value = named[0].value if alone else None
    if not alone or not isinstance(value, str | int) or not str(value).strip():
        raise Forbidden(
            f"Under this agreement one person is looked up at a time: ask {subject!r} for one value"
        )
    return tuple(one for one in question.where if one.column != subject), value


def _refuse_masked(question: Question, projection: Projection) -> None:
    """Who asks by a column that is shown through a mask learns from the answer what is under it."""
    named = {one.column for one in question.where}
    named |= {one.removeprefix("-") for one in question.order}
    if question.measure:
        named.add(question.measure)
    if not projection.k:
        named |= {group_of(one)[0] for one in question.group}
    refused = sorted(named & projection.masks.keys())
    if refused:
        raise Forbidden(f"Column {refused[0]!r} is shown through a mask and cannot be asked by")
    if not question.adds_up:
        late = sorted({one.removeprefix("-") for one in question.order} & {"type", "observedAt"})
        if late and projection.seen is not None:
            raise Forbidden(f"Under this agreement nothing is sorted by {late[0]!r}")


# --- answers ----------------------------------------------------------------------------------
def shown_rows(rows: Rows, plan: Plan, projection: Projection) -> Rows:
    """The rows as they may be shown: masks on, without what was only asked for to know whom they
    are about. Documents of the context came with their masks on."""
    if not plan.shown:
        return rows
    masks = projection.masks if projection.seen is None else {}
    columns = [one for one in rows.columns if one.name in plan.shown]
    found = rows.rows
    if masks or len(columns) != len(rows.columns):
        turned = [(name, masks.get(name)) for name in plan.shown]
        key = projection.key
        found = [
            {name: row[name] if mask is None else masked(mask, row[name], key)
             for name, mask in turned}
            for row in found
        ]  # fmt: skip
    kinds = [as_masked(one, projection.masks.get(one.name)) for one in columns]
    return msgspec.structs.replace(rows, columns=kinds, rows=found)


def subjects_of(rows: Rows, plan: Plan) -> tuple[str, ...]:
    """Whom the rows are about, each once, as the data set identifies them."""
    if plan.value is not None:
        return (subject_text(plan.value),)
    if not plan.subject:
        return ()
    found = dict.fromkeys(row.get(plan.subject) for row in rows.rows)
    return tuple(subject_text(one) for one in found if one not in (None, ""))


def subject_text(value: Any) -> str:
    """How a person's number is written before it becomes a digest: equal for `x` and `X`."""
    return str(value).strip().upper()


def refuse_profile(projection: Projection) -> None:
    """Measures tell of all rows at once: never of persons looked up one by one, nor under k."""
    if projection.subject or projection.k or projection.own:
        raise Forbidden("Nothing is measured under an agreement about single persons or counts")


def plain_columns(data_set: DataSet, projection: Projection) -> list[Column]:
    """The columns that are seen as they are."""
    return [
        one for one in allowed_columns(data_set, projection) if one.name not in projection.masks
    ]


def whole_column(data_set: DataSet, projection: Projection, name: str) -> None:
    """BadRequestData for a column that is not there, Forbidden for one under a mask."""
    if name not in {one.name for one in allowed_columns(data_set, projection)}:
        raise BadRequestData(f"Column {name[:70]!r} is not in this data set")
    if name in projection.masks:
        raise Forbidden(f"Column {name!r} is shown through a mask and cannot be asked by")
