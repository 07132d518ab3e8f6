"""The catalogue as a file for a provincial or national one: XML, JSON, XLSX after GB/T 21063; pure.

An application as a node: whoever runs the greater catalogue takes the file and decides.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from pintu.kernel.clock import iso
from pintu.kernel.exchange.catalogue_measured import Measured
from pintu.kernel.exchange.metadata import (
    FORMATS,
    FREQUENCIES,
    SHARING,
    SHARING_CODES,
    THEMES,
    missing_of,
    sensitivity_of,
    sharing_of,
)
from pintu.kernel.exchange.words import DataSet

HEADINGS: Final[dict[str, str]] = {
    "resTitle": "信息资源名称",
    "abstract": "信息资源摘要",
    "idPoC": "信息资源提供方",
    "tpCat": "信息资源分类",
    "resID": "信息资源标识符",
    "mdId": "元数据标识符",
    "format": "信息资源格式",
    "shareType": "共享类型",
    "shareCondition": "共享条件",
    "updateCycle": "更新周期",
    "pubDate": "信息资源发布日期",
    "mdDateUpd": "元数据更新日期",
    "keyword": "关键字说明",
    "onLineSrc": "在线资源链接地址",
    "licence": "授权运营许可",
    "rows": "数据量",
}
"""The first six are the mandatory core elements, the others those of the national guide."""

MANDATORY: Final = ("resTitle", "abstract", "idPoC", "tpCat", "resID", "mdId")
FIELD_HEADINGS: Final[dict[str, str]] = {
    "resID": "信息资源标识符", "name": "信息项名称", "code": "信息项代码", "type": "数据类型",
    "unit": "计量单位", "sensitivity": "数据分级", "authority": "是否权威来源",
}  # fmt: skip
DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff￾￿]")

Entry = dict[str, Any]


def entries(
    data_sets: Sequence[DataSet], measured: Mapping[str, Measured], city: Mapping[str, str]
) -> list[Entry]:
    """One entry a data set. `city`: `url`, `day` of today, `names` of organisations by id."""
    return [entry_of(one, measured.get(one.name), city) for one in data_sets]


def entry_of(data_set: DataSet, measured: Measured | None, city: Mapping[str, str]) -> Entry:
    """The core elements of one data set, its fields under `items`, and what is `missing`."""
    home = city["url"].rstrip("/")
    theme = THEMES.get(data_set.theme, THEMES["other"])
    frequency = FREQUENCIES.get(data_set.frequency)
    sharing = sharing_of(data_set)
    return {
        "resTitle": _zh(data_set.title) or data_set.name,
        "abstract": _zh(data_set.summary),
        "idPoC": data_set.owner,
        "tpCat": theme["zh"],
        "resID": data_set.name,
        "mdId": f"{data_set.owner or 'unknown'}/{data_set.name}",
        "format": FORMATS[data_set.provider]["zh"],
        "shareType": f"{SHARING_CODES[sharing]} {SHARING[sharing]['zh']}",
        "shareCondition": data_set.sharing_reason,
        "updateCycle": frequency[0]["zh"] if frequency else "",
        "pubDate": data_set.published[:10],
        "mdDateUpd": city["day"],
        "keyword": "；".join(dict.fromkeys(_zh(one.title) or one.name for one in data_set.columns)),
        "onLineSrc": f"{home}/data-sets/{data_set.name}",
        "licence": data_set.licence,
        "rows": measured.rows if measured is not None else "",
        "measured": iso(measured.at_us) if measured is not None else "",
        "missing": missing_of(data_set),
        "items": [
            {
                "name": _zh(one.title) or one.name,
                "code": one.name,
                "type": one.kind,
                "unit": one.unit,
                "sensitivity": sensitivity_of(one),
                "authority": one.authority,
            }
            for one in data_set.columns
        ],
    }


def _zh(told: Mapping[str, str]) -> str:
    return told.get("zh") or told.get("en") or next(iter(told.values()), "")


def as_xml(found: Sequence[Entry]) -> str:
    """The entries as XML 1.0; signs that no XML may hold are left out."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<catalogue>"]
    for entry in found:
        lines.append(f" <metadata id={quoteattr(_clean(entry['mdId']))}>")
        for name, title in HEADINGS.items():
            text = escape(_clean(str(entry[name])))
            lines.append(f'  <{name} title="{title}">{text}</{name}>')
        lines.append("  <items>")
        for item in entry["items"]:
            told = " ".join(f"{key}={quoteattr(_clean(str(value)))}" for key, value in item.items())
            lines.append(f"   <item {told}/>")
        lines += ["  </items>", " </metadata>"]
    return "\n".join([*lines, "</catalogue>", ""])


def _clean(text: str) -> str:
    return FORBIDDEN.sub("", text)


def as_workbook(found: Sequence[Entry]) -> bytes:
    """The entries as a workbook: one sheet of resources, one of their fields; no cell is taken for
    a formula."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("信息资源")
    sheet.append(list(HEADINGS.values()))
    for entry in found:
        sheet.append([cell(entry[name]) for name in HEADINGS])
    fields = book.create_sheet("信息项")
    fields.append(list(FIELD_HEADINGS.values()))
    for entry in found:
        for item in entry["items"]:
            told = {"resID": entry["resID"], **item}
            fields.append([cell(told[name]) for name in FIELD_HEADINGS])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def cell(value: Any) -> Any:
    """A value as a workbook holds it: texts that begin like a formula get a quote before them."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if not isinstance(value, str):
        return value
    text = _clean(value)
    return "'" + text if text.startswith(DANGEROUS) else text
