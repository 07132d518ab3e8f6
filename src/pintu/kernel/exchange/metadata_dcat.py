"""The catalogue as DCAT-AP: JSON-LD, and the same as Turtle; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.exchange.catalogue_measured import Measured
from pintu.kernel.exchange.metadata import (
    THEMES,
    sensitivity_of_set,
    sharing_of,
)
from pintu.kernel.exchange.words import DataSet

CONTEXT: Final[dict[str, Any]] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "adms": "http://www.w3.org/ns/adms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcatap": "http://data.europa.eu/r5r/",
}
RIGHTS: Final = "http://publications.europa.eu/resource/authority/access-right/"
ACCESS: Final = {"unconditional": "PUBLIC", "conditional": "RESTRICTED", "none": "NON_PUBLIC"}
FREQUENCY: Final = "http://publications.europa.eu/resource/authority/frequency/"
FREQUENCIES: Final = {
    "live": "CONT", "daily": "DAILY", "weekly": "WEEKLY", "monthly": "MONTHLY",
    "quarterly": "QUARTERLY", "yearly": "ANNUAL", "irregular": "IRREG",
}  # fmt: skip


def dcat_json(
    data_sets: Sequence[DataSet], measured: Mapping[str, Measured], city: Mapping[str, str]
) -> dict[str, Any]:
    """The whole catalogue as one JSON-LD document. `city`: `url`, `title` and `day` of today."""
    home = city["url"].rstrip("/")
    return {
        "@context": CONTEXT,
        "@id": f"{home}/api/v1/catalogue",
        "@type": "dcat:Catalog",
        "dct:title": {"@value": city["title"], "@language": "zh"},
        "dct:description": {"@value": city["title"], "@language": "zh"},
        "dct:publisher": {"@id": f"{home}/#city"},
        "dct:modified": {"@value": city["day"], "@type": "xsd:date"},
        "dcat:dataset": [data_set_json(one, measured.get(one.name), home) for one in data_sets],
    }


def data_set_json(data_set: DataSet, measured: Measured | None, home: str) -> dict[str, Any]:
    """One data set with its distribution."""
    own = f"{home}/data-sets/{data_set.name}"
    found: dict[str, Any] = {
        "@id": own,
        "@type": "dcat:Dataset",
        "dct:identifier": data_set.name,
        "dct:title": _said(data_set.title) or data_set.name,
        "dct:description": _said(data_set.summary) or _said(data_set.title) or data_set.name,
        "dct:publisher": {
            "@id": f"{home}/#organisation-{data_set.owner or 'unknown'}",
            "@type": "foaf:Agent",
            "foaf:name": data_set.owner or "unknown",
        },
        "dcat:theme": {
            "@id": f"{home}/#theme-{data_set.theme or 'other'}",
            "@type": "skos:Concept",
            "skos:prefLabel": _said(THEMES.get(data_set.theme, THEMES["other"])),
        },
        "dct:accessRights": {"@id": RIGHTS + ACCESS[sharing_of(data_set)]},
        "dcat:keyword": [_said(one.title) or one.name for one in data_set.columns],
        "adms:sensitivity": sensitivity_of_set(data_set),
        "dcat:distribution": {
            "@id": f"{own}#rows",
            "@type": "dcat:Distribution",
            "dcat:accessURL": {"@id": f"{home}/api/v1/data-sets/{data_set.name}/rows"},
            "dct:format": "application/json",
            **({"dct:license": data_set.licence} if data_set.licence else {}),
        },
    }
    if data_set.frequency in FREQUENCIES:
        found["dct:accrualPeriodicity"] = {"@id": FREQUENCY + FREQUENCIES[data_set.frequency]}
    if data_set.published:
        found["dct:issued"] = {"@value": data_set.published[:10], "@type": "xsd:date"}
    if data_set.area:
        found["dct:spatial"] = data_set.area
    if measured is not None and measured.newest_us:
        found["dct:modified"] = {"@value": iso(measured.newest_us), "@type": "xsd:dateTime"}
    return found


def _said(told: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@value": text, "@language": lang} for lang, text in told.items() if text]


# --- Turtle --------------------------------------------------------------------------------------
SIGNS: Final = re.compile(r"[\x00-\x20<>\"{}|^`\\]")
LOCAL: Final = re.compile(r"[a-z]+:[A-Za-z][A-Za-z0-9]*")


def turtle(document: Mapping[str, Any]) -> str:
    """A JSON-LD document of the shape above as Turtle 1.1: subjects one after another, every text
    escaped."""
    lines = [f"@prefix {name}: <{address}> ." for name, address in CONTEXT.items()]
    queue: list[Mapping[str, Any]] = [document]
    seen: set[str] = set()
    while queue:
        node = queue.pop(0)
        if node["@id"] in seen:
            continue
        seen.add(node["@id"])
        told = [f"a {node['@type']}"] if "@type" in node else []
        for name, value in node.items():
            if not name.startswith("@"):
                values = value if isinstance(value, list) else [value]
                flat = [
                    part for one in values for part in (one if isinstance(one, list) else [one])
                ]
                told += [f"{name} {_object(one)}" for one in flat]
                queue += [one for one in flat if isinstance(one, dict) and len(one) > 1
                          and "@id" in one]  # fmt: skip
        lines.append(f"\n{_address(node['@id'])} " + " ;\n    ".join(told) + " .")
    return "\n".join(lines) + "\n"


def _object(value: Any) -> str:
    if isinstance(value, dict):
        if "@id" in value:
            return _address(value["@id"])
        text = _literal(str(value["@value"]))
        if "@language" in value:
            return f"{text}@{value['@language']}"
        return f"{text}^^{value['@type']}" if "@type" in value else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _literal(str(value))


def _address(text: str) -> str:
    return "<" + SIGNS.sub(lambda found: f"%{ord(found[0]):02X}", text) + ">"


def _literal(text: str) -> str:
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"),
                          ("\t", "\\t")):  # fmt: skip
        text = text.replace(sign, escaped)
    return '"' + "".join(c for c in text if c >= " ") + '"'
