"""A question about a table as one statement of PostgreSQL, whose answer is SQLite's; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.exchange.asking import Asked, pattern
from pintu.kernel.exchange.conditions import splits_hours
from pintu.kernel.exchange.server_values import text_array
from pintu.kernel.exchange.words import Condition
from pintu.kernel.tables.untyped import number_text

HERE: Final = "_removed IS NULL"
OPERATORS: Final = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

# a number as SQLite writes it: 15 digits and never without a point
_WRITTEN: Final = (
    "CASE WHEN scale({n}) = 0 THEN {n}::text ELSE regexp_replace({n}::float8::text, "
    r"'^(-?\d+)(e.*)?$', '\1.0\2') END"
)
# what SQLite adds up when a text stands among numbers: the number it begins with
_ADDED: Final = (
    r"CASE WHEN {t} IS NULL THEN {n} WHEN {t} ~ '^\s*[+-]?\d{{1,18}}\s*$' "
    r"THEN btrim({t}, E' \t\n\v\f\r')::numeric "
    r"ELSE COALESCE(substring({t} FROM "
    r"'^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{{1,3}})?)')::numeric, 0) + 0.0 END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL with its bindings; the limit and offset are bound last and no part of `counting`. Each
    column of the answer is two: its number, its text."""

    sql: str
    counting: str
    bindings: list[Any]


Cuts = Callable[[str, str, list[Any]], Mapping[str, str | None]]
"""(SQL of distinct times, step, bindings) → what each is cut to."""


class Asking:
    """Makes statements over the columns that are there, by the number each has."""

    def __init__(self, asked: Asked, there: Mapping[str, int], cuts: Cuts) -> None:
        self._asked, self._there, self._cuts = asked, there, cuts
        self._conditions, self._bindings = self._where(asked.where)

    def statement(self) -> Statement:
        """What to run."""
        asked = self._asked
        if asked.question.adds_up:
            return self._grouped()
        listed = [one for name in asked.names for one in self._pair(name)]
        order = [
            _sorted(*self._pair(one.removeprefix("-")), falling=one.startswith("-"))
            for one in asked.question.order
        ]
        sql = (
            f"SELECT {', '.join(listed)} FROM rows WHERE {self._conditions} "
            f"ORDER BY {', '.join([*order, '_number'])} LIMIT %s OFFSET %s"
        )
        counting = f"SELECT count(*) FROM rows WHERE {self._conditions}"
        return Statement(sql=sql, counting=counting, bindings=self._bindings)

    def _pair(self, name: str) -> tuple[str, str]:
        number = self._there.get(name.casefold())
        if number is None:
            return "NULL::numeric", 'NULL::text COLLATE "C"'
        return f"n{number}", f"t{number}"

    # --- groups -----------------------------------------------------------------------------------
    def _grouped(self) -> Statement:
        asked, joined = self._asked, ""
        before: list[Any] = []
        listed: list[str] = []
        for n, (name, step) in enumerate(asked.groups):
            number, text = self._pair(name)
            if step:
                sql, told = self._cut(n, text, step)
                joined += sql
                before += told
                number, text = "NULL::numeric", f'c{n}.v COLLATE "C"'
            listed += [f"{number} AS g{n}n", f"{text} AS g{n}t"]
        told_groups = [f"g{n}{one}" for n in range(len(asked.groups)) for one in "nt"]
        source = f"FROM rows{joined} WHERE {self._conditions}"
        inner = self._inner(listed, told_groups, source)
        order = [_sorted(f"g{n}n", f"g{n}t", falling=falling) for n, falling in asked.order()]
        shown = ", ".join(f"g{n}{one}" for n in range(len(asked.columns)) for one in "nt")
        return Statement(
            sql=f"SELECT {shown} FROM ({inner}) AS found ORDER BY {', '.join(order)} "
            "LIMIT %s OFFSET %s",
            counting=f"SELECT count(*) FROM ({inner}) AS found",
            bindings=[*before, *self._bindings],
        )

    def _inner(self, listed: list[str], groups: list[str], source: str) -> str:
        question, last = self._asked.question, len(self._asked.groups)
        number, text = self._pair(question.measure) if question.measure else ("", "")
        names = f"AS g{last}n", f"AS g{last}t"
        if question.aggregate == "last":
            chosen = ", ".join([*listed, f"{number} {names[0]}", f"{text} {names[1]}"])
            newest = "_changed DESC, _number DESC"
            if groups:
                told = ", ".join(groups)
                return f"SELECT DISTINCT ON ({told}) {chosen} {source} ORDER BY {told}, {newest}"
            one = f"SELECT {chosen} {source} ORDER BY {newest} LIMIT 1"
            return f"SELECT newest.* FROM (SELECT 1) AS one LEFT JOIN ({one}) AS newest ON true"
        added = _ADDED.format(n=number, t=text)
        number, text = {
            "count": ("count(*)::numeric", 'NULL::text COLLATE "C"'),
            "sum": (f"sum({added})", 'NULL::text COLLATE "C"'),
            "mean": (f"avg({added}) + 0.0", 'NULL::text COLLATE "C"'),
            "min": (f"min({number})", f"CASE WHEN min({number}) IS NULL THEN min({text}) END"),
            "max": (f"CASE WHEN max({text}) IS NULL THEN max({number}) END", f"max({text})"),
        }[question.aggregate]
        chosen = ", ".join([*listed, f"{number} {names[0]}", f"{text} {names[1]}"])
        return f"SELECT {chosen} {source}" + (f" GROUP BY {', '.join(groups)}" if groups else "")

    def _cut(self, n: int, text: str, step: str) -> tuple[str, list[Any]]:
        """The town's own calendar is not the server's: each hour there is is cut here, once."""
        key = text
        if not splits_hours(self._asked.zone):
            key = (
                f"CASE WHEN length({text}) > 10 AND right({text}, 1) = 'Z' "
                f"THEN left({text}, 13) || ':00:00Z' ELSE {text} END"
            )
        asked = f"SELECT DISTINCT {key} FROM rows WHERE {self._conditions} AND length({text}) >= 10"
        found = self._cuts(asked, step, self._bindings)
        kept = {one: told for one, told in found.items() if told is not None}
        sql = f" LEFT JOIN unnest(%s::text[], %s::text[]) AS c{n}(k, v) ON c{n}.k = {key}"
        return sql, [text_array(list(kept)), text_array(list(kept.values()))]

    # --- conditions -------------------------------------------------------------------------------
    def _where(self, where: Sequence[Condition]) -> tuple[str, list[Any]]:
        parts: list[str] = [HERE]
        bindings: list[Any] = []
        for one in where:
            sql, told = _condition(one, *self._pair(one.column))
            parts.append(sql)
            bindings += told
        return " AND ".join(parts), bindings


def _sorted(number: str, text: str, *, falling: bool) -> str:
    """Numbers before texts, empty ones last either way."""
    if falling:
        return f"{text} DESC NULLS LAST, {number} DESC NULLS LAST"
    return f"{number} NULLS LAST, {text} NULLS LAST"


def _condition(one: Condition, number: str, text: str) -> tuple[str, list[Any]]:
    if one.comparison in ("empty", "filled"):
        empty = f"({number} IS NULL AND ({text} IS NULL OR {text} = ''))"
        return (empty if one.comparison == "empty" else f"NOT {empty}"), []
    if one.comparison == "in":
        numbers = [number_text(each) for each in one.value if isinstance(each, int | float)]
        texts = [each for each in one.value if isinstance(each, str)]
        sql = f"({number} = ANY(%s::numeric[]) OR {text} = ANY(%s::text[]))"
        return sql, [text_array(numbers), text_array(texts)]
    if one.comparison == "contains":
        written = _WRITTEN.format(n=number)
        like = "".join(sign.lower() if sign.isascii() else sign for sign in pattern(one.value))
        return f"lower(COALESCE({text}, {written})) LIKE %s::text ESCAPE '\\'", [like]
    operator = OPERATORS[one.comparison]
    if isinstance(one.value, int | float):
        others = f" OR {text} IS NOT NULL" if one.comparison in ("!=", ">", ">=") else ""
        return f"({number} {operator} %s::numeric{others})", [number_text(one.value)]
    others = f" OR {number} IS NOT NULL" if one.comparison in ("!=", "<", "<=") else ""
    return f"({text} {operator} %s::text{others})", [one.value.replace("\0", "")]
