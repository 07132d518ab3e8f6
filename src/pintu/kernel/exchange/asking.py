"""A question about a table as one SQL statement; every value is bound, every name quoted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pintu.kernel.exchange.conditions import check, fitted, group_of
from pintu.kernel.exchange.words import Column, Condition, Question

HERE: Final = "_removed IS NULL"
OPERATORS: Final = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
FUNCTIONS: Final = {"sum": "SUM", "mean": "AVG", "min": "MIN", "max": "MAX"}


class Statement:
    """SQL with its bindings, and the columns of its answer."""

    __slots__ = ("bindings", "columns", "counting", "sql")

    def __init__(self, sql: str, bindings: list[Any], columns: list[Column], counting: str) -> None:
        self.sql, self.bindings, self.columns, self.counting = sql, bindings, columns, counting


def statement(
    question: Question, columns: list[Column], there: Iterable[str], zone: str
) -> Statement:
    """What to run for a question; columns the file does not have yet (`there`) are empty.

    Raises as `check` does. The limit and offset are bound last and are not part of `counting`.
    """
    known = check(question, columns)
    present = frozenset(there)
    conditions, bindings = _where(fitted(question.where, known, zone), present)
    if question.adds_up:
        return _grouped(question, known, present, (conditions, bindings))
    names = question.columns or tuple(known)
    listed = ", ".join(_name(one, present) for one in names)
    order = [_order(one, present) for one in question.order]
    sql = (
        f"SELECT {listed} FROM rows WHERE {conditions} "
        f"ORDER BY {', '.join([*order, '_number'])} LIMIT ? OFFSET ?"
    )
    counting = f"SELECT count(*) FROM rows WHERE {conditions}"
    return Statement(sql, bindings, [known[one] for one in names], counting)


def _grouped(
    question: Question,
    known: dict[str, Column],
    present: frozenset[str],
    narrowed: tuple[str, list[Any]],
) -> Statement:
    conditions, bindings = narrowed
    groups, columns = [], []
    for one in question.group:
        name, step = group_of(one)
        told = _name(name, present)
        groups.append(f"cut({told}, '{step}')" if step else told)
        columns.append(grouped_column(known[name], one, step))
    measured = result_column(question, known)
    columns.append(measured)
    aliases = {one.name: f"g{n}" for n, one in enumerate(columns)}
    listed = [f"{sql} AS g{n}" for n, sql in enumerate(groups)]
    listed.append(f"{_measure(question, present)} AS g{len(groups)}")
    last = ", MAX(_changed)" if question.aggregate == "last" else ""
    inner = f"SELECT {', '.join(listed)}{last} FROM rows WHERE {conditions}" + (
        f" GROUP BY {', '.join(f'g{n}' for n in range(len(groups)))}" if groups else ""
    )
    order = [
        f"{aliases[one.removeprefix('-')]}{' DESC' if one.startswith('-') else ''} NULLS LAST"
        for one in question.order
        if one.removeprefix("-") in aliases
    ]
    order += [f"g{n} NULLS LAST" for n in range(len(groups) or 1)]
    shown = ", ".join(f"g{n}" for n in range(len(columns)))
    sql = f"SELECT {shown} FROM ({inner}) ORDER BY {', '.join(order)} LIMIT ? OFFSET ?"
    return Statement(sql, bindings, columns, f"SELECT count(*) FROM ({inner})")


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


def _measure(question: Question, present: frozenset[str]) -> str:
    if question.aggregate == "count":
        return "count(*)"
    name = _name(question.measure, present)
    # with MAX() beside it SQLite takes a bare column from the row that holds the maximum
    return name if question.aggregate == "last" else f"{FUNCTIONS[question.aggregate]}({name})"


def _order(one: str, present: frozenset[str]) -> str:
    name = _name(one.removeprefix("-"), present)
    return f"{name}{' DESC' if one.startswith('-') else ''} NULLS LAST"


def _name(name: str, present: frozenset[str]) -> str:
    return quoted(name) if name in present else "NULL"


def quoted(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _where(where: Iterable[Condition], present: frozenset[str]) -> tuple[str, list[Any]]:
    parts, bindings = [HERE], []
    for one in where:
        name = _name(one.column, present)
        if one.comparison in ("empty", "filled"):
            parts.append(f"({name} IS NULL OR {name} = '')" + _not(one.comparison == "filled"))
        elif one.comparison == "in":
            parts.append(f"{name} IN ({', '.join('?' * len(one.value))})" if one.value else "0")
            bindings += one.value
        elif one.comparison == "contains":
            told = one.value
            for sign in ("\\", "%", "_"):
                told = told.replace(sign, "\\" + sign)
            parts.append(f"{name} LIKE ? ESCAPE '\\'")
            bindings.append(f"%{told}%")
        else:
            parts.append(f"{name} {OPERATORS[one.comparison]} ?")
            bindings.append(one.value)
    return " AND ".join(parts), bindings


def _not(turned: bool) -> str:
    return " = 0" if turned else ""
