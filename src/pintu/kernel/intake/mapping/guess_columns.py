"""What columns are by their names, examples and ranges: places, times, ids, words. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from pintu.kernel.intake.doors.words import ColumnSeen
from pintu.kernel.intake.mapping.units import unit_in_header
from pintu.kernel.intake.mapping.words import WordOfAttribute

_LON: Final = frozenset(
    (
        "经度",
        "东经",
        "lon",
        "lng",
        "long",
        "longitude",
        "x",
        "经度坐标",
        "坐标x",
        "x坐标",
        "pointx",
        "jd",
    )
)
_LAT: Final = frozenset(
    ("纬度", "北纬", "lat", "latitude", "y", "纬度坐标", "坐标y", "y坐标", "pointy", "wd")
)
_FRAMES: Final = (
    ("BD-09", ("百度", "baidu", "bd09", "bd")),
    ("GCJ-02", ("高德", "腾讯", "火星", "gcj02", "gcj", "amap", "gaode", "mars")),
    ("CGCS2000", ("国家2000", "大地2000", "cgcs2000", "2000坐标", "cgcs")),
    ("WGS-84", ("wgs84", "gps", "wgs")),
)
_PARTS: Final = (
    ("year", "年", "年份"),
    ("month", "月", "月份"),
    ("day", "日", "日期日"),
    ("hour", "时", "小时", "hr"),
    ("minute", "分", "分钟"),
    ("second", "秒"),
)
_DATES: Final = frozenset(("日期", "date", "监测日期", "观测日期", "数据日期", "day", "rq"))
_CLOCKS: Final = frozenset(("时间", "time", "小时", "hour", "时刻", "监测时间", "时"))
_OBSERVED: Final = (
    "监测时间 观测时间 采集时间 数据时间 上报时间 检测时间 时间 time timestamp datetime "
    "ts dt datatime observedat dateobserved observed measuredat sampletime recordtime "
    "collecttime 更新时间 updatedat updatetime monitortime 时刻"
)
_IDS: Final = (
    "id 编号 编码 代码 code 主键 uuid guid uid 标识 标识码 唯一标识 设备编号 设备id "
    "deviceid 站点编号 站点编码 站号 stationid stationcode siteid pointid 点位编号 sn "
    "objectid bh bm poleid lampid no number"
)
_STATIONS: Final = (
    "站点编码 站点编号 站号 stationcode stationid siteid 点位编号 设备编号 deviceid "
    "站点名称 站名 station 监测站 监测点 点位 点位名称 stationname site"
)
_SEQUENCE: Final = frozenset(
    ("no", "序号", "行号", "fid", "index", "rownum", "oid", "objectid", "number")
)
STYLE: Final = frozenset(
    ("markercolor", "markersymbol", "markersize", "stroke", "strokewidth", "strokeopacity", "fill",
     "fillopacity", "shapelength", "shapearea", "shapeleng", "objectid", "fid")
)  # fmt: skip
"""Columns that say how something is drawn, not what it is."""

COMPASS: Final = {
    name: f"{number * 22.5:g}"
    for row in (
        "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW",
        "北 北东北 东北 东东北 东 东东南 东南 南东南 南 南西南 西南 西西南 西 西西北 西北 北西北",
    )
    for number, name in enumerate(row.split())
}
"""Winds by name → degrees the wind blows from."""


def folded(name: str) -> str:
    """A column's name as it is compared: without width, case, blanks, marks, or a path before."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\s_\-./:*#()\[\]【】]+", "", text)


def numeric_range(column: ColumnSeen) -> tuple[float, float] | None:
    """The least and the greatest number of a column, where they are numbers."""
    try:
        return float(column.low), float(column.high)
    except ValueError:
        told = numbers_in(column)
        return (min(told), max(told)) if told else None


def numbers_in(column: ColumnSeen) -> list[float]:
    """The examples that are numbers."""
    found = []
    for one in column.examples:
        try:
            found.append(float(one))
        except ValueError:
            continue
    return found


def find_point(columns: Sequence[ColumnSeen]) -> tuple[list[str], bool]:
    """Columns of a place: two (lon, lat) or one; and whether the two are named the wrong way round
    (their values tell). Empty: there is no place."""
    lon = _named(columns, _LON)
    lat = _named(columns, _LAT)
    if lon is not None and lat is not None:
        lon_range, lat_range = numeric_range(lon), numeric_range(lat)
        swapped = (
            lon_range is not None
            and lat_range is not None
            and max(map(abs, lat_range)) > 90
            and max(map(abs, lat_range)) <= 180
            and max(map(abs, lon_range)) <= 90
        )
        pair = [lon.name, lat.name]
        return (pair[::-1] if swapped else pair), swapped
    for one in columns:
        if one.type in ("point", "shape"):
            return [one.name], False
    for one in columns:
        told = [text for text in one.examples if text]
        if told and all(_is_pair(text) for text in told):
            return [one.name], False
    return [], False


def _named(columns: Sequence[ColumnSeen], names: frozenset[str]) -> ColumnSeen | None:
    for one in columns:
        text = folded(one.name)
        plain = text
        for _, marks in _FRAMES:
            for mark in marks:
                plain = plain.replace(folded(mark), "")
        if (text in names or plain in names) and numeric_range(one) is not None:
            return one
    return None


def _is_pair(text: str) -> bool:
    found = re.fullmatch(r"\s*\(?(-?\d{1,3}\.\d+)\s*[,，;]\s*(-?\d{1,3}\.\d+)\)?\s*", text)
    return found is not None or text.upper().startswith("POINT")


def frame_named(columns: Sequence[str]) -> str:
    """The frame that column names tell; empty when they tell none."""
    for name in columns:
        text = folded(name)
        for frame, marks in _FRAMES:
            if any(mark in text for mark in marks):
                return frame
    return ""


def find_time(columns: Sequence[ColumnSeen]) -> list[str]:
    """Columns that say when a record was observed: one, a date and a time, or year, month, day and
    so on. Empty: none does."""
    parts: list[str] = []
    by_name = {folded(one.name): one for one in columns}
    for names in _PARTS:
        found = next((by_name[name] for name in names if name in by_name), None)
        if found is None or numeric_range(found) is None:
            break
        parts.append(found.name)
    if len(parts) >= 3:
        return parts
    timed = {one.name for one in columns if one.type in ("time", "date")}
    date = next((c for n, c in by_name.items() if n in _DATES and c.type != "time"), None)
    clock = next((c for n, c in by_name.items() if n in _CLOCKS and c.type != "time"), None)
    if date is not None and clock is not None and _is_clock(clock):
        return [date.name, clock.name]
    for name in _OBSERVED.split():
        found = by_name.get(name)
        if found is not None and (found.name in timed or _times(found)):
            return [found.name]
    if date is not None and (date.name in timed or _times(date)):
        return [date.name]
    return []


def _is_clock(column: ColumnSeen) -> bool:
    told = [one for one in column.examples if one]
    return bool(told) and all(
        re.fullmatch(r"\d{1,2}([:：时]\d{0,2}.*)?", one) is not None for one in told
    )


def _times(column: ColumnSeen) -> bool:
    """Whether examples look like times though nobody typed them so: digits, or 年月日."""
    told = [one for one in column.examples if one]
    return bool(told) and all(
        re.match(r"(19|20)\d\d[-/.年]?\d{1,2}|1\d{9}(\d{3})?$", one) is not None for one in told
    )


def find_id(
    columns: Sequence[ColumnSeen], key: Sequence[str], rows: int | None, *, observed: bool
) -> tuple[str, bool]:
    """(template of the id, whether that is sure). A series has its station's id; other things need
    a column that differs in every row."""
    by_name = {folded(one.name): one for one in columns}
    if observed:
        for name in _STATIONS.split():
            if name in by_name:
                return "{" + by_name[name].name + "}", True
        return "", False
    if key:
        return "-".join("{" + one + "}" for one in key), True
    found = [by_name[name] for name in _IDS.split() if name in by_name]
    found += [one for one in columns if folded(one.name).endswith(("编号", "编码", "id", "code"))]
    seen = max((one.distinct for one in columns), default=0)
    whole = [one for one in found if one.filled >= 0.999 and one.distinct >= 0.999 * seen > 0]
    best = [one for one in whole if folded(one.name) not in _SEQUENCE] or whole
    if best:
        return "{" + best[0].name + "}", folded(best[0].name) not in _SEQUENCE
    unique = [one for one in columns if one.filled >= 0.999 and one.distinct == seen > 1]
    texts = [one for one in unique if one.type in ("text", "whole")]
    return ("{" + texts[0].name + "}", False) if texts else ("", False)


def is_sequence(column: ColumnSeen, seen: int) -> bool:
    """Whether a column only counts rows: called so, whole, and different in each of `seen` rows."""
    counts = folded(column.name) in _SEQUENCE and column.type == "whole"
    return counts and column.distinct >= 0.99 * seen > 1


class Names:
    """The names of a type's words, ready to be looked up."""

    def __init__(self, words: Mapping[str, WordOfAttribute]) -> None:
        self._exact: dict[str, tuple[str, float]] = {}
        self._labels: list[tuple[str, str]] = []
        for one in words.values():
            labels = [label for key, label in one.labels.items() if "-" not in key]
            part = "." in one.name
            for name in (one.name, *(() if part else labels), *one.other_names):
                text = folded(name)
                sure = 1.0 if name in (one.name, *labels) else 0.95
                if text and self._exact.get(text, ("", 0.0))[1] < sure:
                    self._exact[text] = (one.name, sure)
                if len(text) >= 2 and not text.isascii():
                    self._labels.append((text, one.name))
        self._labels.sort(key=lambda pair: -len(pair[0]))

    def find(self, column: str) -> tuple[str, float]:
        """(word, how sure 0 to 1) of a column's name; ("", 0) when none fits."""
        plain, _ = unit_in_header(column)
        for name in (column, plain, column.rpartition(".")[2]):
            found = self._exact.get(folded(name))
            if found is not None:
                return found
        text = folded(plain)
        for label, word in self._labels:
            if label in text and len(label) * 2 >= len(text):
                return word, 0.6
        return "", 0.0
