"""Compares what files say: rows of one key that two files tell differently, columns that came and
went since the last file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from pintu.kernel.intake.doors.files_ledger import COMPARED_ROWS, FileRead, Ledger
from pintu.kernel.intake.mapping.words import Field, Mapping
from pintu.kernel.intake.tabular.words import Record, Said, refused

NAMED: Final = 10  # keys a sentence names
_PART: Final = re.compile(r"\{([^{}]+)\}")
_BETWEEN: Final = "\x1f"


class Sameness:
    """What one file says beside what earlier files said, for mappings whose rows have a key."""

    def __init__(self, ledger: Ledger, file: int, mapping: Mapping, name: str) -> None:
        self._ledger, self._file, self._name = ledger, file, name
        self._key = key_columns(mapping) if mapping.mode != "append" else []
        values = [one for one in _columns(mapping.fields) if one not in self._key]
        self._values = values
        self._private = any(one.person for one in mapping.fields)
        self._differ: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    async def look(self, records: Sequence[tuple[int, Record]]) -> None:
        """Compare these records; what they say is remembered for later files."""
        if not self._key or not self._values or not records or self._ledger.full:
            return
        key, values = _joined(self._key), _joined(self._values)
        try:
            rows = [(key(record), values(record)) for _, record in records]
        except KeyError:
            return  # a column the mapping reads by path, or one this file has not
        found = await self._ledger.compare(self._file, rows)
        if not found:
            return
        lines = dict(zip((one[0] for one in rows), (line for line, _ in records), strict=True))
        for told, other in found:
            self._counts[other] = self._counts.get(other, 0) + 1
            named = self._differ.setdefault(other, [])
            if len(named) < NAMED:
                shown = "" if self._private else f" ({told.replace(_BETWEEN, ' ')[:40]})"
                named.append(f"{lines[told]}{shown}")

    def said(self) -> list[Said]:
        """One sentence for each file that said otherwise."""
        said = []
        for other, count in self._counts.items():
            rows = ", ".join(self._differ[other]) + (" …" if count > NAMED else "")
            if other == self._name:
                zh = f"文件 {other} 里有 {count} 行与同一文件中编号相同的行不一致，以后面的为准"
                en = f"{count} rows of {other} differ from earlier rows of the same key in it; "
                en += "the later ones hold"
            else:
                zh = f"文件 {self._name} 与 {other} 有 {count} 行说法不同，以 {self._name} 为准"
                en = f"Files {self._name} and {other} tell {count} rows differently; what "
                en += f"{self._name} says holds"
            said.append({"zh": f"{zh}（第 {rows} 行）", "en": f"{en} (lines {rows})"})
        if self._ledger.full and self._key:
            said.append(
                {
                    "zh": f"只比较了前 {COMPARED_ROWS} 行与以前的文件是否一致",
                    "en": f"Only the first {COMPARED_ROWS} rows were compared with earlier files",
                }
            )
        return said


def key_columns(mapping: Mapping) -> list[str]:
    """The columns by which a mapping tells records apart: those of its id and its time, or of the
    key of its table."""
    if mapping.target == "table":
        return list(_columns([one for one in mapping.fields if one.key]))
    times = [mapping.observed_at] if isinstance(mapping.observed_at, str) else mapping.observed_at
    found = [*_PART.findall(mapping.id), *(one for one in times if one)]
    return list(dict.fromkeys(found))


def lacking(mapping: Mapping, columns: Sequence[str]) -> list[Said]:
    """Columns the mapping reads and a file has not; BadRequestData when no record could be told
    from another without them, or when they are required."""
    if not columns:
        return []
    there = set(columns)
    needed = dict.fromkeys(key_columns(mapping))
    needed.update(dict.fromkeys(_columns([one for one in mapping.fields if one.required])))
    gone = [one for one in needed if one not in there]
    known = "、".join(columns)[:300]
    if gone:
        raise refused(
            f"缺少映射 {mapping.name} 必需的列：{'、'.join(gone)}；文件里的列：{known}",
            f"it lacks columns that mapping {mapping.name} cannot do without: {', '.join(gone)}; "
            f"its columns are {known}",
        )
    missing = [one for one in _columns(mapping.fields) if one not in there]
    if not missing:
        return []
    return [
        {
            "zh": f"文件没有映射 {mapping.name} 所读的列：{'、'.join(missing[:20])}",
            "en": f"The file lacks columns that mapping {mapping.name} reads: "
            f"{', '.join(missing[:20])}",
        }
    ]


def _columns(fields: Sequence[Field]) -> list[str]:
    found: dict[str, None] = {}
    for one in fields:
        named = [one.source] if isinstance(one.source, str) else one.source
        found.update(dict.fromkeys(name for name in named if name))
    return list(found)


def _joined(columns: Sequence[str]) -> Callable[[Record], str]:
    """The values of some columns as one text; KeyError when the record lacks one."""
    if len(columns) == 1:
        only = columns[0]
        return lambda record: str(record[only])
    get: Callable[[Record], tuple[Any, ...]] = itemgetter(*columns)

    def joined(record: Record) -> str:
        told = get(record)
        try:
            return _BETWEEN.join(told)
        except TypeError:  # a workbook or GeoJSON says numbers too
            return _BETWEEN.join(map(str, told))

    return joined


def columns_said(name: str, columns: Sequence[str], last: FileRead | None) -> list[Said]:
    """What columns a file has that the last one had not, and the other way round."""
    if last is None or not columns or not last.columns or list(columns) == last.columns:
        return []
    gone = [one for one in last.columns if one not in columns][:10]
    new = [one for one in columns if one not in last.columns][:10]
    if not gone and not new:
        return []
    zh, en = [], []
    if gone:
        zh.append(f"少了列 {'、'.join(gone)}")
        en.append(f"lacks columns {', '.join(gone)}")
    if new:
        zh.append(f"多了列 {'、'.join(new)}")
        en.append(f"has new columns {', '.join(new)}")
    return [
        {
            "zh": f"文件 {name} 与上次的 {last.name} 相比，{'，'.join(zh)}",
            "en": f"File {name}, compared with {last.name} before it, {' and '.join(en)}",
        }
    ]
