"""A question about a table, read and checked once, whichever store answers it; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pintu.kernel.exchange.conditions import check, fitted, group_of
from pintu.kernel.exchange.words import Column, Condition, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with its conditions as the columns keep their values, and the columns of its
    answer. `groups`: (column, step) of each."""

    question: Question
    where: tuple[Condition, ...]
    columns: list[Column]
    groups: list[tuple[str, str]]
    zone: str

    @property
    def names(self) -> list[str]:
        """The columns a list of rows shows."""
        return [one.name for one in self.columns]

    def order(self) -> list[tuple[int, bool]]:
        """(place in the answer, falling) of what groups are sorted by, the groups themselves
        last."""
        places = {one.name: n for n, one in enumerate(self.columns)}
        told = [(one.removeprefix("-"), one.startswith("-")) for one in self.question.order]
        found = [(places[name], falling) for name, falling in told if name in places]
        return found + [(n, False) for n in range(len(self.groups) or 1)]


def asking(question: Question, columns: Iterable[Column], zone: str) -> Asked:
    """Raises BadRequestData for what does not fit the columns, TooComplex for what is too much."""
    known = check(question, columns)
    where = fitted(question.where, known, zone)
    groups = [group_of(one) for one in question.group]
    if question.adds_up:
        answered = [
            grouped_column(known[name], told, step)
            for told, (name, step) in zip(question.group, groups, strict=True)
        ]
        answered.append(result_column(question, known))
    else:
        answered = [known[one] for one in question.columns or known]
    return Asked(question=question, where=where, columns=answered, groups=groups, zone=zone)


def grouped_column(column: Column, name: str, step: str) -> Column:
    """The column of an answer that a group makes."""
    kind = {"": column.kind, "hour": "time", "day": "date", "week": "date"}.get(step, "text")
    return Column(name=name, title=column.title, kind=kind, unit=column.unit)


def result_column(question: Question, known: dict[str, Column]) -> Column:
    """The column of an answer that holds the aggregate: named after the measure, else `count`."""
    if question.aggregate == "count" or not question.measure:
        return Column(name="count", kind="whole")
    measured = known[question.measure]
    kind = "number" if question.aggregate in ("sum", "mean") else measured.kind
    return Column(name=measured.name, title=measured.title, kind=kind, unit=measured.unit)


def pattern(part: str) -> str:
    """The LIKE pattern of texts that contain a part, its own signs escaped by a backslash."""
    for sign in ("\\", "%", "_"):
        part = part.replace(sign, "\\" + sign)
    return f"%{part}%"


def quoted(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
