"""CSV and TSV, in blocks: an unclosed quote, a torn row or a broken sign costs its own line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pintu.kernel.intake.mapping.words import BadRecord
from pintu.kernel.intake.tabular.encoding import find_encoding
from pintu.kernel.intake.tabular.header import LOOKED_AT, Header, find_header
from pintu.kernel.intake.tabular.lines import Block, blocks, doubtful
from pintu.kernel.intake.tabular.words import (
    PORTION_ROWS,
    Options,
    Place,
    Portion,
    Record,
    Said,
    refused,
)

DELIMITERS: Final = (",", "\t", ";", "|")
LONGEST_RECORD: Final = 200_000  # signs of one record over several lines
SHOWN: Final = 2_000  # signs of a bad line that are kept with it
_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


class Delimited:
    """One CSV or TSV file: one table."""

    def __init__(self, path: Path, options: Options, *, name: str = "") -> None:
        self._path = path
        self.name = name or path.stem
        self.frame = ""
        self.codec, mark, said = find_encoding(path, options.encoding)
        head = next(blocks(path, self.codec, mark), Block(lines=[], sizes=[]))
        if head.lines and "\r" in head.lines[0].rstrip("\r\n") and len(head.lines) == 1:
            raise refused(
                "文件用单独的回车符换行（旧 Mac 格式），请另存为 CSV 再试",
                "The lines of the file end in CR alone (old Mac); save it as CSV again",
            )
        self.delimiter, self.quote = _dialect(head.lines, options.delimiter)
        header, consumed = self._header(head.lines, options.header_rows)
        self.columns = header.columns
        self.said: list[Said] = [*said, *header.said]
        self._begin = Place(offset=mark + sum(head.sizes[:consumed]), line=consumed)

    def _header(self, lines: list[str], told: int) -> tuple[Header, int]:
        """The header, and how many lines it and the titles take."""
        reader = csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote)
        rows: list[list[str]] = []
        ends: list[int] = []
        try:
            for row in islice(reader, LOOKED_AT):
                rows.append(row)
                ends.append(reader.line_num)
        except csv.Error:
            pass  # a line too long for a cell; what stands above it has to do
        if not rows:
            return Header(titles=0, rows=0, columns=[], said=[]), 0
        header = find_header(rows, told)
        taken = header.titles + header.rows
        return header, ends[taken - 1] if taken else 0

    def portions(self, after: Place) -> Iterator[Portion]:
        """See TableReader."""
        return _Parse(self, after if after.line else self._begin).run(self._path)

    def close(self) -> None:
        """Nothing is held between portions."""


class _Parse:
    """Where a reading stands: lines in hand, the first of them not read yet, its place."""

    def __init__(self, table: Delimited, place: Place) -> None:
        self.names, self.width = table.columns, len(table.columns)
        self.codec = table.codec
        self.dialect: dict[str, Any] = {
            "delimiter": table.delimiter,
            "quotechar": table.quote,
            "strict": True,
        }
        self.place = place
        self.lines: list[str] = []
        self.sizes: list[int] = []
        self.at = 0  # lines in hand that are read
        self.doubt = False
        self.records: list[tuple[int, Record]] = []
        self.bad: list[BadRecord] = []

    def run(self, path: Path) -> Iterator[Portion]:
        for block in blocks(path, self.codec, self.place.offset):
            if block.too_long:
                yield from self._read(more=False)
                self._too_long(block)
                yield self._portion(0)
                continue
            self.doubt = block.doubtful or (self.doubt and bool(self.lines))
            self.lines += block.lines
            self.sizes += block.sizes
            yield from self._read(more=True)
        yield from self._read(more=False)

    def _read(self, *, more: bool) -> Iterator[Portion]:
        """Portions of the lines in hand; a record that may go on behind them waits for `more`."""
        waits = False
        while self.at < len(self.lines) and not waits:
            waits = self._rows(more)
            if self.at:
                yield self._portion(self.at)

    def _rows(self, more: bool) -> bool:
        """Read until a portion is full or the lines end; True: the last record is not whole."""
        first = self.place.line + 1
        names, width, records = self.names, self.width, self.records
        at = base = 0
        reader = self._reader(base)
        while len(records) < PORTION_ROWS:
            try:
                for values in reader:
                    end = base + reader.line_num
                    if len(values) == width:
                        records.append((first + at, dict(zip(names, values))))  # noqa: B905
                    elif values and not self._ragged(first + at, values, end - at > 1):
                        end = at + 1
                        break
                    at = end
                    if len(records) >= PORTION_ROWS:
                        break
                else:
                    break
            except csv.Error as error:
                if more and "unexpected end" in str(error) and self._may_go_on(at):
                    self.at = at
                    return True
                self._bad_line(first + at, at, str(error))
                end = at + 1
            if end != base + reader.line_num:
                base = end
                reader = self._reader(base)
            at = end
            if len(self.bad) >= PORTION_ROWS:
                break
        self.at = at
        return False

    def _reader(self, base: int) -> Any:
        lines: Any = iter(self.lines)
        lines.__setstate__(base)  # there at once, however many lines stand before
        return csv.reader(lines, **self.dialect)

    def _may_go_on(self, at: int) -> bool:
        return sum(map(len, islice(self.lines, at, None))) < LONGEST_RECORD

    def _ragged(self, line: int, values: list[str], several: bool) -> bool:
        """A row of another width: True when it was one line and is done with."""
        if len(values) > self.width and not any(values[self.width :]):
            self.records.append((line, dict(zip(self.names, values, strict=False))))
            return True
        if len(values) == 1 and not values[0].strip():
            return True
        reason = f"line {line} has {len(values)} values for {self.width} columns"
        if several:
            reason += "; a quote in it may not be closed"
        record: Record = dict(zip(self.names, (one[:SHOWN] for one in values), strict=False))
        if len(values) > self.width:
            record["(more)"] = [one[:SHOWN] for one in values[self.width :][:50]]
        self.bad.append(BadRecord(line, record, reason))
        return not several

    def _bad_line(self, line: int, at: int, error: str) -> None:
        words = f"line {line} cannot be read: {error}"
        if "expected after" in error or "unexpected end" in error or "field limit" in error:
            words = f"line {line} has a quote that is not closed, or stands inside a value"
        text = self.lines[at].rstrip("\r\n")[:SHOWN]
        self.bad.append(BadRecord(line, {"(line)": text}, words))

    def _too_long(self, block: Block) -> None:
        line = self.place.line + 1
        self.bad.append(
            BadRecord(
                line,
                {"(line)": block.lines[0]},
                f"line {line} has {block.sizes[0]} bytes, more than a line may",
            )
        )
        self.place = Place(offset=self.place.offset + block.sizes[0], line=line, row=self.place.row)

    def _portion(self, lines: int) -> Portion:
        """What was read, and the lines it took let go of."""
        if self.doubt:
            self._sort_doubtful()
        place = Place(
            offset=self.place.offset + sum(islice(self.sizes, lines)),
            line=self.place.line + lines,
            row=self.place.row + len(self.records),
        )
        portion = Portion(records=self.records, bad=self.bad, place=place)
        del self.lines[:lines], self.sizes[:lines]
        self.place, self.at = place, 0
        self.records, self.bad = [], []
        return portion

    def _sort_doubtful(self) -> None:
        good = []
        for line, record in self.records:
            if any(doubtful(one) for one in record.values()):
                reason = f"line {line} holds a NUL or signs that are not {self.codec.upper()}"
                self.bad.append(BadRecord(line, record, reason))
            else:
                good.append((line, record))
        self.records = good
        self.bad.sort(key=lambda one: one.line)


def _dialect(lines: list[str], told: str) -> tuple[str, str]:
    """Delimiter and quote by which the first lines make the most even table."""
    sample = lines[:200]
    quote = '"'
    if not any('"' in one for one in sample):
        cells = [cell.strip() for one in sample for cell in one.split(",")]
        if sum(len(one) > 1 and one[0] == one[-1] == "'" for one in cells) * 2 > len(cells):
            quote = "'"
    if told:
        delimiter = _NAMED.get(told.strip().lower(), told[:1])
        return delimiter, quote
    best, score = ",", 0.0
    for delimiter in DELIMITERS:
        even = _evenness(sample, delimiter, quote)
        if even > score:
            best, score = delimiter, even
    return best, quote


def _evenness(lines: list[str], delimiter: str, quote: str) -> float:
    counts: dict[int, int] = {}
    try:
        for row in csv.reader(lines, delimiter=delimiter, quotechar=quote):
            if row:
                counts[len(row)] = counts.get(len(row), 0) + 1
    except csv.Error:
        pass
    wide = {width: count for width, count in counts.items() if width > 1}
    if not wide:
        return 0.0
    width = max(wide, key=lambda one: (wide[one], one))
    return wide[width] / sum(counts.values()) + min(width, 50) / 1000
