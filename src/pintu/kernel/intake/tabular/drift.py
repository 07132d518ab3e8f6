"""Notices columns that turn into something else while a file is read: numbers that become text at
line 900,000."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pintu.kernel.intake.tabular.kinds import MISSING, kind_of, missing
from pintu.kernel.intake.tabular.words import Record, Said

MOST_WATCHED: Final = 64
_NUMBERS: Final = frozenset(("number", "whole"))
_TIMES: Final = frozenset(("time", "date"))
_WORDS: Final = {
    "number": ("数字", "numbers"),
    "time": ("日期时间", "dates and times"),
}


class Drift:
    """Learns from the first records what each column holds, then looks at every later portion."""

    def __init__(
        self, records: Sequence[tuple[int, Record]], private: frozenset[str] = frozenset()
    ) -> None:
        self._private = private  # columns that tell of a person: their values are not said
        self._watched: dict[str, str] = {}
        for name in list(records[0][1] if records else {})[:MOST_WATCHED]:
            kinds = {kind_of(record.get(name)) for _, record in records} - {"empty"}
            if kinds and kinds <= _NUMBERS:
                self._watched[name] = "number"
            elif kinds and kinds <= _TIMES:
                self._watched[name] = "time"

    def look(self, records: Sequence[tuple[int, Record]]) -> list[Said]:
        """Each column that turned, once, with the line where it did."""
        said = []
        for name, kind in list(self._watched.items()):
            found = _turn(records, name, kind)
            if found is not None:
                del self._watched[name]
                said.append(_sentence(name, kind, found[0], self._shown(name, found[1])))
        return said

    def _shown(self, name: str, value: Any) -> str:
        return "***" if name in self._private else str(value)[:40]


def _turn(records: Sequence[tuple[int, Record]], name: str, kind: str) -> tuple[int, Any] | None:
    """Line and value of the first record that does not fit."""
    values = [record.get(name) for _, record in records]
    try:
        filled = [one for one in values if one is not None and one not in MISSING]
        if kind == "number":
            for _ in map(float, filled):
                pass
            return None
        if all(one[0].isdigit() for one in filled):
            return None
    except (ValueError, TypeError, IndexError, AttributeError):
        pass  # some value is no number, or only blanks: look at them one by one
    fitting = _NUMBERS if kind == "number" else _TIMES
    for (line, _), value in zip(records, values, strict=True):
        if not missing(value) and kind_of(value) not in fitting:
            return line, value
    return None


def _sentence(name: str, kind: str, line: int, shown: str) -> Said:
    zh, en = _WORDS[kind]
    return {
        "zh": f"列“{name}”一直是{zh}，到第 {line} 行变成了“{shown}”；读不懂的行会留在隔离区",
        "en": f"Column {name!r} held {en} until line {line}, where it says {shown!r}; "
        "rows that cannot be read wait in quarantine",
    }
