"""Which columns of a table a mapping reads, and what changed about them since; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass
from typing import Final

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.database.place import Place
from pintu.kernel.intake.doors.database.schema import Table
from pintu.kernel.intake.mapping.paths import steps_of
from pintu.kernel.intake.mapping.words import Mapping

_IN_BRACES: Final = re.compile(r"\{([^{}]+)\}")
MOST_OTHERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """`names` are read, in this order; `gone` are told by the mapping and not in the table."""

    names: tuple[str, ...]
    gone: tuple[str, ...]


def chosen(mapping: Mapping, table: Table, besides: Iterable[str]) -> Chosen:
    """The columns a mapping needs, with the key and whatever else is needed besides.

    Only these ever leave the database. BadRequestData when a column is gone without which no row
    has an id.
    """
    there = {one.name for one in table.columns}
    names: dict[str, None] = {}
    gone: dict[str, None] = {}
    for path in _paths(mapping):
        name = path if path in there else str(steps_of(path)[0])
        (names if name in there else gone).setdefault(name)
    missing = sorted(_needed(mapping) & set(gone))
    if missing:
        raise BadRequestData(
            f"Column {', '.join(missing)} of {table.full_name} is gone, and without it no row has"
            f" an id; the table has: {', '.join(sorted(there)[:30])}"
        )
    for name in besides:
        if name not in there:
            raise BadRequestData(
                f"Column {name} is not in {table.full_name}; it has:"
                f" {', '.join(sorted(there)[:30])}"
            )
        names.setdefault(name)
    return Chosen(names=tuple(names), gone=tuple(gone))


def _paths(mapping: Mapping) -> Iterable[str]:
    for one in mapping.fields:
        if one.constant is None or one.source:
            yield from _listed(one.source)
    yield from _listed(mapping.observed_at)
    yield from _IN_BRACES.findall(mapping.id)


def _needed(mapping: Mapping) -> set[str]:
    keys = {name for one in mapping.fields if one.key for name in _listed(one.source)}
    return keys | set(_IN_BRACES.findall(mapping.id))


def _listed(told: str | list[str]) -> list[str]:
    return ([told] if told else []) if isinstance(told, str) else told


def shape_of(table: Table, names: Iterable[str]) -> dict[str, str]:
    """The columns with their kinds, as a place keeps them."""
    kinds = {one.name: one.kind for one in table.columns}
    return {name: kinds[name] for name in names}


def others_of(table: Table, names: Iterable[str]) -> list[str]:
    """The columns nobody reads, so that a new one is known as new."""
    used = set(names)
    return [one.name for one in table.columns if one.name not in used][:MOST_OTHERS]


def changes(table: Table, chosen: Chosen, before: Place | None) -> list[dict[str, str]]:
    """What a data officer should know of the table's columns, each as a sentence in zh and en."""
    now = {one.name: one for one in table.columns}
    where = table.full_name
    if before is None:
        return [
            _said(f"Column {one} is not in {where}", f"{where} 中没有列 {one}")
            for one in chosen.gone
        ]
    found = []
    known = {*before.shape, *before.others}
    new = [one for one in now if one not in known] if len(known) < MOST_OTHERS else []
    for name, kind in before.shape.items():
        if name not in now:
            found.append(_gone(where, name, [one for one in new if now[one].kind == kind]))
        elif now[name].kind != kind:
            was, is_ = _WORDS[kind], _WORDS[now[name].kind]
            found.append(
                _said(
                    f"Column {name} of {where} was {was[0]} and is now {is_[0]}"
                    f" ({now[name].type}); rows that no longer fit wait in quarantine",
                    f"{where} 的列 {name} 原为{was[1]}，现为{is_[1]}（{now[name].type}）；"
                    "不再符合的行在隔离区等待",
                )
            )
    for name in new:
        filled = not now[name].nullable
        found.append(
            _said(
                f"{where} has a new column {name}{', never empty' if filled else ''};"
                " nothing reads it yet",
                f"{where} 新增了列 {name}{'（非空）' if filled else ''}，尚未映射",
            )
        )
    return found


def _gone(where: str, name: str, alike: list[str]) -> dict[str, str]:
    en, zh = (
        (f": perhaps it is called {alike[0]} now", f"，可能已改名为 {alike[0]}")
        if len(alike) == 1
        else ("", "")
    )
    return _said(
        f"Column {name} of {where} is gone{en}; rows land without it",
        f"{where} 的列 {name} 不见了{zh}；其余列照常入库",
    )


_WORDS: Final[Named[str, tuple[str, str]]] = {
    "text": ("text", "文本"),
    "number": ("a number", "数字"),
    "whole": ("a whole number", "整数"),
    "yes_no": ("yes or no", "是否"),
    "time": ("a time", "时间"),
    "date": ("a date", "日期"),
    "point": ("a point", "点"),
    "shape": ("a shape", "图形"),
    "bytes": ("binary", "二进制"),
}


def _said(en: str, zh: str) -> dict[str, str]:
    return {"en": en, "zh": zh}
