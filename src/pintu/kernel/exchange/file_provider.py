"""Data sets that are files: a folder of them each, one row a file, every file to be fetched."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.exchange.conditions import check, fitted, test_of
from pintu.kernel.exchange.grouping import Grouping
from pintu.kernel.exchange.rows import ordered
from pintu.kernel.exchange.words import Column, DataSet, Question, Rows

COLUMNS: Final = (
    Column(name="name", title={"zh": "文件", "en": "File"}, key=True),
    Column(name="bytes", title={"zh": "字节", "en": "Bytes"}, kind="whole"),
    Column(name="changed_at", title={"zh": "修改时间", "en": "Changed at"}, kind="time"),
)
MOST_FILES: Final = 20_000
FILE: Final = re.compile(r"[^\W.][\w .()+-]{0,199}")
"""A file that is handed out: no folder in its name, none that hides."""


class FileProvider:
    """Answers data sets whose provider is `file`, from `DATA/files/NAME/`."""

    def __init__(self, data: Path, clock: Clock, zone: str) -> None:
        self._data, self._clock, self._zone = data, clock, zone

    def folder(self, data_set: DataSet) -> Path:
        """Where the files of a data set lie."""
        return self._data / "files" / data_set.name.replace(".", "__")

    def path(self, data_set: DataSet, name: str) -> Path:
        """One file to be handed out; ResourceNotFound."""
        path = self.folder(data_set) / name
        if not FILE.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise ResourceNotFound(f"Data set {data_set.name!r} has no file {name[:100]!r}")
        return path

    async def ask(self, data_set: DataSet, question: Question) -> Rows:
        """One row a file; BadRequestData and TooComplex as for any data set."""
        known = check(question, COLUMNS)
        test = test_of(fitted(question.where, known, self._zone))
        listed = await asyncio.to_thread(self._list, data_set)
        rows = [row for row in listed if test(row)]
        now_us = self._clock.now_us()
        if question.adds_up:
            grouping = Grouping(question, known, self._zone)
            for row in rows:
                grouping.add(row)
            page, total = grouping.rows()
            return Rows(columns=grouping.columns, rows=page, total=total, as_of_us=now_us)
        rows = ordered(rows, question.order)
        names = question.columns or tuple(known)
        cut = rows[question.offset : question.offset + question.limit]
        return Rows(
            columns=[known[one] for one in names],
            rows=[{name: row[name] for name in names} for row in cut],
            total=len(rows),
            as_of_us=now_us,
        )

    def _list(self, data_set: DataSet) -> list[dict[str, Any]]:
        folder = self.folder(data_set)
        found = []
        for path in sorted(folder.iterdir())[:MOST_FILES] if folder.is_dir() else []:
            if FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                status = path.stat()
                at = iso(status.st_mtime_ns // 1_000_000 * 1_000)
                found.append({"name": path.name, "bytes": status.st_size, "changed_at": at})
        return found
