"""JSON, NDJSON and GeoJSON: records are found wherever the document keeps its list, and read one
by one, so that a document may be larger than memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import ijson
import orjson

from pintu.kernel.intake.mapping.words import BadRecord
from pintu.kernel.intake.tabular.encoding import find_encoding
from pintu.kernel.intake.tabular.lines import Block, blocks
from pintu.kernel.intake.tabular.words import (
    DEEPEST,
    PORTION_ROWS,
    Options,
    Place,
    Portion,
    Record,
    Said,
    refused,
)

LONGEST_LINE: Final = 1 << 24
SHOWN: Final = 2_000
HEAD: Final = 1 << 20
PORTION_BYTES: Final = 1 << 22
_CRS: Final = re.compile(rb'"crs"\s*:\s*\{[^{}]{0,200}\{[^{}]{0,200}?"name"\s*:\s*"([^"]{1,200})"')
_EPSG: Final = re.compile(r"(?i)epsg:{1,2}(?:[\d.]*:)?(\d{3,6})\b")


class Lined:
    """NDJSON: one record a line; features of GeoJSON may stand in the lines too."""

    def __init__(self, path: Path, options: Options, *, name: str = "") -> None:
        self._path, self.name, self.frame = path, name or path.stem, ""
        self.columns: list[str] = []
        self.codec, mark, self.said = find_encoding(path, options.encoding)
        self._begin = Place(offset=mark)

    def portions(self, after: Place) -> Iterator[Portion]:
        """See TableReader."""
        place = after if after.line else self._begin
        for block in blocks(self._path, self.codec, place.offset, longest=LONGEST_LINE):
            start = 0
            while start < len(block.lines):
                portion = self._read(block, place, start)
                start += portion.place.line - place.line
                place = portion.place
                yield portion

    def _read(self, block: Block, place: Place, start: int) -> Portion:
        records: list[tuple[int, Record]] = []
        bad: list[BadRecord] = []
        line = place.line
        for text in block.lines[start : start + PORTION_ROWS]:
            line += 1
            plain = text.strip("\x1e \t\r\n")
            if not plain:
                continue
            try:
                if block.too_long:
                    raise ValueError(f"it has more than {LONGEST_LINE} bytes")
                record = orjson.loads(plain)
                records.append((line, checked(record)))
            except ValueError as error:  # orjson's own error is one, and so is a lone surrogate's
                reason = f"line {line} is no JSON record: {_short(error)}"
                bad.append(BadRecord(line, {"(line)": plain[:SHOWN]}, reason))
        sizes = block.sizes[start : start + PORTION_ROWS]
        behind = Place(offset=place.offset + sum(sizes), line=line, row=place.row + len(records))
        return Portion(records=records, bad=bad, place=behind)

    def close(self) -> None:
        """Nothing is held between portions."""


class _Recoded:
    """A file of another encoding, read as UTF-8."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder(codec)("replace")
        self._left = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while size > len(self._left):
            raw = self._file.read(max(size, 4096))
            self._left += self._decoder.decode(raw, not raw).encode("utf-8", "replace")
            if not raw:
                break
        found, self._left = self._left[:size], self._left[size:]
        return found

    def __enter__(self) -> _Recoded:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Document:
    """JSON: the list of records at a path; GeoJSON: the features, geometry kept."""

    def __init__(self, path: Path, options: Options, *, name: str = "") -> None:
        self._path, self.name = path, name or path.stem
        self.columns: list[str] = []
        self.said: list[Said]
        self._codec, self._mark, self.said = find_encoding(path, options.encoding)
        self.prefix = _prefix(options.records) if options.records else self._find_records()
        self.frame = self._frame() if self.prefix == "features.item" else ""

    def _open(self) -> BinaryIO | _Recoded:
        file = self._path.open("rb")
        file.seek(self._mark)
        return file if self._codec == "utf-8" else _Recoded(file, self._codec)

    def _find_records(self) -> str:
        """The list with the most objects among the first megabytes, the outermost of equals."""
        counts: dict[str, int] = {}
        with self._open() as file:
            try:
                for number, (prefix, event, _) in enumerate(ijson.parse(file)):
                    if event == "start_map" and prefix.endswith("item"):
                        if prefix not in counts and len(counts) >= 1_000:
                            continue
                        counts[prefix] = counts.get(prefix, 0) + 1
                    if number >= 500_000 or prefix.count(".") > DEEPEST * 2:
                        break
            except (ijson.JSONError, UnicodeError, ValueError) as error:
                if not counts:
                    raise self._unreadable(error, 0) from error
        if "features.item" in counts:
            return "features.item"
        outer = {one: n for one, n in counts.items() if not _inside(one, counts)}
        if not outer:
            return ""  # one object: it is the record
        best = max(outer, key=lambda one: (outer[one], -one.count(".")))
        if best != "item":
            path = best.removesuffix(".item")
            self.said.append(
                {
                    "zh": f"记录取自 JSON 的 {path}",
                    "en": f"The records are those of {path} in the JSON document",
                }
            )
        return best

    def _frame(self) -> str:
        """What the member `crs` says (GeoJSON 2008), at the head or the tail of the file."""
        with self._path.open("rb") as file:
            head = file.read(HEAD // 8)
            size = file.seek(0, 2)
            file.seek(max(0, size - HEAD // 8))
            found = _CRS.search(head) or _CRS.search(file.read())
        return frame_of(found[1].decode("utf-8", "replace")) if found else ""

    def portions(self, after: Place) -> Iterator[Portion]:
        """See TableReader. What stands before `after` is parsed again, not handed out."""
        place, records, bad = after, list[tuple[int, Record]](), list[BadRecord]()
        row = spent = 0
        with self._open() as file:
            try:
                for found in ijson.items(file, self.prefix, use_float=True):
                    row += 1
                    if row <= after.row:
                        continue
                    try:
                        record = checked(found)
                        records.append((row, record))
                        if row % 50 == 0:
                            spent += 50 * len(orjson.dumps(record, default=str))
                    except ValueError as error:
                        told = str(found)[:SHOWN] if not isinstance(found, dict | list) else "…"
                        reason = f"record {row} cannot be read: {error}"
                        bad.append(BadRecord(row, {"(record)": told}, reason))
                    if row - place.row >= PORTION_ROWS or spent > PORTION_BYTES:
                        place, spent = Place(row=row), 0
                        yield Portion(records=records, bad=bad, place=place)
                        records, bad = [], []
            except (ijson.JSONError, UnicodeError) as error:
                if records or bad:
                    yield Portion(records=records, bad=bad, place=Place(row=row))
                raise self._unreadable(error, row) from error
        if records or bad:
            yield Portion(records=records, bad=bad, place=Place(row=row))

    def _unreadable(self, error: Exception, row: int) -> Exception:
        return refused(
            f"第 {row} 条记录之后不是完整的 JSON：{_short(error)}",
            f"Behind record {row} the file is no JSON: {_short(error)}",
        )

    def close(self) -> None:
        """Nothing is held between portions."""


def checked(found: Any) -> Record:
    """A record as a flat one: a feature's properties and its geometry; ValueError in words for
    what is no object or too deep."""
    if not isinstance(found, dict):
        raise ValueError(f"it is {type(found).__name__}, not an object")
    if any(isinstance(one, dict | list) for one in found.values()) and _deep(found):
        raise ValueError(f"lists and objects stand more than {DEEPEST} deep in each other")
    if found.get("type") == "Feature" and "properties" in found and "geometry" in found:
        return feature(found)
    return found


def feature(found: Record) -> Record:
    """A feature (RFC 7946 3.2) as a record: its properties, `geometry`, and `id` if it has one."""
    properties = found["properties"]
    record = dict(properties) if isinstance(properties, dict) else {}
    if "geometry" in record:
        record["geometry (2)"] = record.pop("geometry")
    if "id" in found and "id" not in record:
        record["id"] = found["id"]
    record["geometry"] = found["geometry"]
    return record


def frame_of(name: str) -> str:
    """A frame as mappings write it, from the name of a coordinate reference system; empty when it
    is not understood."""
    if "CRS84" in name.upper():
        return "WGS-84"
    plain = name.upper().replace(" ", "").replace("_", "").replace("-", "")
    if "GCJ02" in plain:
        return "GCJ-02"
    if "BD09" in plain:
        return "BD-09"
    found = _EPSG.search(name)
    if found:
        return {"4326": "WGS-84", "4490": "CGCS2000"}.get(found[1], f"EPSG:{found[1]}")
    return ""


def _deep(found: Any) -> bool:
    level = [found]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _inside(prefix: str, others: dict[str, int]) -> bool:
    """True for a list inside the records of another list."""
    return any(prefix != one and prefix.startswith(one + ".") for one in others)


def _prefix(path: str) -> str:
    """`data.items` as ijson writes the records there; `.` for the document itself."""
    plain = path.strip().strip(".").replace("[]", "").removesuffix(".item")
    if not plain:
        return "item"
    return f"{plain}.item"


def _short(error: Exception) -> str:
    return json.dumps(str(error), ensure_ascii=False)[1:120].replace("\\n", " ").rstrip('"')
