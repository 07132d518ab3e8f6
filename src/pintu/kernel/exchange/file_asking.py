"""A question about a table as one statement of SQLite; every value is bound, every name quoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.exchange.asking import Asked, pattern, quoted
from pintu.kernel.exchange.words import Condition, Question

HERE: Final = "_removed IS NULL"
OPERATORS: Final = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
FUNCTIONS: Final = {"sum": "SUM", "mean": "AVG", "min": "MIN", "max": "MAX"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL with its bindings; the limit and offset are bound last and no part of `counting`."""

    sql: str
    counting: str
    bindings: list[Any]


def statement(asked: Asked, there: Iterable[str]) -> Statement:
    """What to run for a question; columns the file does not have yet (`there`) are empty."""
    present = frozenset(one.casefold() for one in there)
    conditions, bindings = _where(asked.where, present)
    if asked.question.adds_up:
        return _grouped(asked, present, (conditions, bindings))
    listed = ", ".join(_name(one, present) for one in asked.names)
    order = [_order(one, present) for one in asked.question.order]
    sql = (
        f"SELECT {listed} FROM rows WHERE {conditions} "
        f"ORDER BY {', '.join([*order, '_number'])} LIMIT ? OFFSET ?"
    )
    counting = f"SELECT count(*) FROM rows WHERE {conditions}"
    return Statement(sql=sql, counting=counting, bindings=bindings)


def _grouped(asked: Asked, present: frozenset[str], narrowed: tuple[str, list[Any]]) -> Statement:
    conditions, bindings = narrowed
    groups = []
    for name, step in asked.groups:
        told = _name(name, present)
        groups.append(f"cut({told}, '{step}')" if step else told)
    listed = [f"{sql} AS g{n}" for n, sql in enumerate(groups)]
    listed.append(f"{_measure(asked.question, present)} AS g{len(groups)}")
    # with MAX() beside it SQLite takes a bare column from the row that holds the maximum: of rows
    # that changed at one moment the one that came last
    newest = "MAX(printf('%019d%019d', _changed, _number))"
    last = f", {newest}" if asked.question.aggregate == "last" else ""
    inner = f"SELECT {', '.join(listed)}{last} FROM rows WHERE {conditions}" + (
        f" GROUP BY {', '.join(f'g{n}' for n in range(len(groups)))}" if groups else ""
    )
    order = [f"g{n}{' DESC' if falling else ''} NULLS LAST" for n, falling in asked.order()]
    shown = ", ".join(f"g{n}" for n in range(len(asked.columns)))
    sql = f"SELECT {shown} FROM ({inner}) ORDER BY {', '.join(order)} LIMIT ? OFFSET ?"
    return Statement(sql=sql, counting=f"SELECT count(*) FROM ({inner})", bindings=bindings)


def _measure(question: Question, present: frozenset[str]) -> str:
    if question.aggregate == "count":
        return "count(*)"
    name = _name(question.measure, present)
    return name if question.aggregate == "last" else f"{FUNCTIONS[question.aggregate]}({name})"


def _order(one: str, present: frozenset[str]) -> str:
    name = _name(one.removeprefix("-"), present)
    return f"{name}{' DESC' if one.startswith('-') else ''} NULLS LAST"


def _name(name: str, present: frozenset[str]) -> str:
    return quoted(name) if name.casefold() in present else "NULL"


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
            parts.append(f"{name} LIKE ? ESCAPE '\\'")
            bindings.append(pattern(one.value))
        else:
            parts.append(f"{name} {OPERATORS[one.comparison]} ?")
            bindings.append(one.value)
    return " AND ".join(parts), bindings


def _not(turned: bool) -> str:
    return " = 0" if turned else ""
