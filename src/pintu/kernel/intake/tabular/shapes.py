"""Shapefiles in a zip: attributes by column, geometry as GeoJSON in the coordinates of the file;
the frame is read from the .prj, the encoding from the .cpg."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import shapefile

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.mapping.words import BadRecord
from pintu.kernel.intake.tabular.archive import members, unpacked
from pintu.kernel.intake.tabular.documents import frame_of
from pintu.kernel.intake.tabular.encoding import find_encoding
from pintu.kernel.intake.tabular.words import (
    Options,
    Place,
    Portion,
    Record,
    Said,
    refused,
    unique,
)

LARGEST_LAYER: Final = 2 << 30
MOST_POINTS: Final = 200_000  # of one shape
PORTION_SHAPES: Final = 1_000
_DAMAGE: Final = (
    shapefile.ShapefileException,
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)
"""What reading a damaged layer raises, from wherever its bytes lead."""


def list_layers(path: Path) -> list[str]:
    """The names of the layers: what stands before `.shp`."""
    names = [one.filename for one in members(path)]
    return sorted(one[:-4] for one in names if one.lower().endswith(".shp"))


class Shapes:
    """One layer, unpacked into a folder of its own that goes away with it."""

    def __init__(self, path: Path, options: Options) -> None:
        layers = list_layers(path)
        name = options.table or layers[0]
        if name not in layers:
            raise refused(
                f"压缩包里没有图层 {name!r}，有：{'、'.join(layers)[:300]}",
                f"The archive has no layer {name!r}; it has: {', '.join(layers)[:300]}",
            )
        self._folder = Path(tempfile.mkdtemp(prefix="pintu-shapes-"))
        try:
            self._open(path, name, options)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path, name: str, options: Options) -> None:
        self.name = name.rpartition("/")[2]
        self.said: list[Said] = []
        there = _unpack(path, name, self._folder)
        missing = {"shp", "dbf"} - there
        if missing:
            raise refused(
                f"图层 {name} 缺少 .{'、.'.join(sorted(missing))} 文件",
                f"Layer {name} lacks its .{', .'.join(sorted(missing))}",
            )
        self.frame = self._frame(there)
        codec = self._codec(there, options)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a wrong length in a header; the records tell
                self._reader = shapefile.Reader(
                    str(self._folder / "layer.shp"), encoding=codec, encodingErrors="replace"
                )
            fields = [one[0] for one in self._reader.fields if one[0] != "DeletionFlag"]
            self._count = len(self._reader)
        except _DAMAGE as error:
            raise _damaged(error) from error
        self._names = unique([str(one) for one in fields])
        if "geometry" in self._names:
            self._names[self._names.index("geometry")] = "geometry (2)"
        self.columns = [*self._names, "geometry"]

    def _frame(self, there: set[str]) -> str:
        if "prj" not in there:
            self.said.append(
                {
                    "zh": "shapefile 没有 .prj，坐标系未知：请在映射里写明",
                    "en": "The shapefile has no .prj: say the frame of its coordinates",
                }
            )
            return ""
        text = (self._folder / "layer.prj").read_text("utf-8", "replace")[:20_000]
        found = _frame_of_wkt(text)
        if not found:
            self.said.append(
                {
                    "zh": f"看不懂 .prj 里的坐标系：{text[:80]}",
                    "en": f"The frame in the .prj is not understood: {text[:80]}",
                }
            )
        return found

    def _codec(self, there: set[str], options: Options) -> str:
        if options.encoding or "cpg" not in there:
            codec, _, _ = find_encoding(self._folder / "layer.dbf", options.encoding)
            return codec
        told = (self._folder / "layer.cpg").read_text("ascii", "replace").strip()
        told = {"936": "gb18030", "65001": "utf-8", "950": "big5"}.get(told[:20], told[:20])
        codec, _, _ = find_encoding(self._folder / "layer.dbf", told.replace("ANSI ", "cp"))
        return codec

    def portions(self, after: Place) -> Iterator[Portion]:
        """See TableReader."""
        at = after.row
        while at < self._count:
            records: list[tuple[int, Record]] = []
            bad: list[BadRecord] = []
            for number in range(at, min(at + PORTION_SHAPES, self._count)):
                record, reason = self._record(number)
                if reason:
                    bad.append(BadRecord(number + 1, record, f"shape {number + 1} {reason}"))
                else:
                    records.append((number + 1, record))
            at = min(at + PORTION_SHAPES, self._count)
            yield Portion(records=records, bad=bad, place=Place(row=at))

    def _record(self, number: int) -> tuple[Record, str]:
        """A record, and why it is none."""
        record: Record = {}
        try:
            values = self._reader.record(number)
            for name, value in zip(self._names, values or [], strict=False):
                record[name] = _plain(value)
            shape = self._reader.shape(number)
            if len(shape.points) > MOST_POINTS:
                return record, f"has {len(shape.points)} points; at most {MOST_POINTS} are read"
            record["geometry"] = _geometry(shape)
        except _DAMAGE as error:
            return record, f"is damaged: {type(error).__name__} {str(error)[:100]}"
        if any(isinstance(one, str) and "\ufffd" in one for one in record.values()):
            return record, "holds signs that are not of the file's encoding"
        return record, ""

    def close(self) -> None:
        """Let go of the file and its folder."""
        reader = getattr(self, "_reader", None)
        if reader is not None:
            reader.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _unpack(path: Path, name: str, folder: Path) -> set[str]:
    """Unpack the members of a layer under names of our own; which endings there are."""
    there = set()
    total = 0
    with zipfile.ZipFile(path) as archive:
        for one in archive.infolist():
            stem, dot, ending = one.filename.rpartition(".")
            plain = ending.lower()
            if not dot or stem != name or plain not in ("shp", "dbf", "shx", "prj", "cpg"):
                continue
            total += one.file_size
            if total > LARGEST_LAYER:
                raise TooLarge(
                    f"Layer {name} unpacks to more than {LARGEST_LAYER} bytes",
                    zh=f"图层 {name} 解开后超过 {LARGEST_LAYER} 字节",
                )
            target = folder / f"layer.{plain}"
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as written, archive.open(one) as packed:
                for piece in unpacked(packed, one.file_size):
                    written.write(piece)
            there.add(plain)
    return there


def _frame_of_wkt(text: str) -> str:
    """The frame that a projection file names, by pyproj; empty when nobody knows it."""
    import pyproj
    from pyproj.exceptions import CRSError

    try:
        crs = pyproj.CRS.from_wkt(text)
    except CRSError:
        return frame_of(text)
    number = crs.to_epsg(min_confidence=60)
    if number is None and (found := frame_of(crs.name)):
        return found
    if number is None and crs.is_geographic:
        datum = crs.name.upper().replace("_", " ")
        if "CHINA GEODETIC" in datum or "CGCS" in datum:
            return "CGCS2000"
        return "WGS-84" if "WGS 84" in datum or "WGS 1984" in datum else ""
    return frame_of(f"EPSG:{number}") if number is not None else ""


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 ")
    return value.strip("\0 ") if isinstance(value, str) else value


def _geometry(shape: Any) -> dict[str, Any] | None:
    if shape.shapeType == shapefile.NULL:
        return None
    found = dict(shape.__geo_interface__)
    found["coordinates"] = _listed(found.get("coordinates", ()))
    return found


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value


def _damaged(error: Exception) -> Exception:
    said = f"{type(error).__name__} {str(error)[:100]}"
    return refused(f"shapefile 损坏：{said}", f"The shapefile is damaged: {said}")
