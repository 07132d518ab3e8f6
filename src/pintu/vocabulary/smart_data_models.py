"""Attributes of the Smart Data Models, as proposals: read offline from `pysmartdatamodels`.

A program of its own (`python -m pintu.vocabulary.smart_data_models find TEXT | show SUBJECT MODEL`,
JSON out): the package's index of 165,000 attributes must not stay in a city's memory.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

MOST_FOUND: Final = 50
SHARED: Final = frozenset(
    {
        *("id", "type", "name", "description", "alternateName", "address", "areaServed"),
        *("location", "bbox", "coordinates", "dataProvider", "source", "owner", "seeAlso"),
        *("dateCreated", "dateModified"),
    }
)
"""What every thing of the vocabulary has, or the store keeps itself."""

UNITS: Final = {
    "metre": "MTR", "meter": "MTR", "meters": "MTR", "metres": "MTR", "kilometre": "KMT",
    "square meters": "MTK", "square metre": "MTK", "cubic meters": "MTQ", "cubic metre": "MTQ",
    "second": "SEC", "seconds": "SEC", "minutes": "MIN", "hours": "HUR", "days": "DAY",
    "celsius": "CEL", "celsius degrees": "CEL", "percent": "P1", "percentage": "P1",
    "volt": "VLT", "ampere": "AMP", "watt": "WTT", "kilowatt": "KWT", "kilowatt hour": "KWH",
    "lux": "LUX", "hertz": "HTZ", "km/h": "KMH", "m/s": "MTS", "decibels": "2N",
    "hectopascals": "A97", "degrees": "DD",
}  # fmt: skip
"""What the models write in words, as UN/CEFACT codes; others are left to a person."""


def proposal_of(
    rows: Iterable[Mapping[str, Any]], subject: str, model: str, units: frozenset[str]
) -> dict[str, Any]:
    """The content of a town's word made of a model's own attributes (not of their parts)."""
    attributes: dict[str, dict[str, Any]] = {}
    version = ""
    for row in rows:
        name = str(row.get("property", ""))
        version = str(row.get("schemaVersion", version))
        if row.get("parentId") or name in SHARED or not name or not name[0].islower():
            continue
        attributes.setdefault(name, _attribute(name, row, units))
    return {
        "type": model,
        "label": {"en": _spaced(model)},
        "state": "proposed",
        "source": f"smartdatamodels: {subject}/{model} {version}".strip(),
        "attributes": [attributes[name] for name in sorted(attributes)],
    }


def _attribute(name: str, row: Mapping[str, Any], units: frozenset[str]) -> dict[str, Any]:
    kind = str(row.get("typeNGSI") or "Property")
    told = row.get("type")
    json_type = told if isinstance(told, str) else "string"
    made: dict[str, Any] = {"name": name, "label": {"en": _spaced(name)}}
    description = str(row.get("description") or "").strip()
    if description:
        made["description"] = {"en": description[:500]}
    if kind in ("GeoProperty", "Relationship", "LanguageProperty"):
        made["kind"] = kind
    elif json_type in ("number", "integer", "boolean", "array", "object"):
        made["json"] = json_type
    unit = UNITS.get(str(row.get("units") or "").strip().lower(), "")
    if unit in units:
        made["unit"] = unit
    return made


def _spaced(name: str) -> str:
    """`waterLevel` → `Water level`."""
    words = "".join(f" {one.lower()}" if one.isupper() else one for one in name).strip()
    return words[:1].upper() + words[1:]


def find_models(models: Iterable[Mapping[str, Any]], text: str) -> list[dict[str, str]]:
    """Models whose name, subject or description holds the text, best names first."""
    wanted = text.strip().lower()
    found = []
    for one in models:
        name, about = str(one.get("dataModel", "")), str(one.get("description") or "")
        subject = str(one.get("subject", ""))
        place = f"{name} {subject}".lower().find(wanted)
        if place >= 0 or wanted in about.lower():
            rank = (place < 0, not name.lower().startswith(wanted), name)
            found.append((rank, {"model": name, "subject": subject, "description": about[:300]}))
    return [told for _, told in sorted(found, key=lambda pair: pair[0])[:MOST_FOUND]]


def assets() -> Path:
    """Where the package keeps its files; ModuleNotFoundError when it is not installed."""
    found = importlib.util.find_spec("pysmartdatamodels")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("pysmartdatamodels")
    return Path(found.submodule_search_locations[0]) / "model-assets"


def main(arguments: list[str]) -> int:
    """Print what was asked for as JSON; 2 when the package is not there."""
    try:
        folder = assets()
    except ModuleNotFoundError:
        sys.stderr.write("pysmartdatamodels is not installed: pip install 'pintu[words]'\n")
        return 2
    if arguments[:1] == ["find"]:
        models = json.loads((folder / "datamodels_metadata.json").read_bytes())
        told: Any = find_models(models, arguments[1])
    else:
        from pintu.vocabulary import vocabulary

        _, subject, model = arguments
        with gzip.open(folder / "smartdatamodels.json.gz") as file:
            everything = json.load(file)
        rows = [
            one
            for one in everything
            if one.get("dataModel") == model and one.get("repoName") == subject
        ]
        lists = {one.name: one for one in vocabulary().code_lists()}
        units = frozenset(one.value for one in lists["unit"].codes)
        told = proposal_of(rows, subject, model, units) if rows else None
    sys.stdout.write(json.dumps(told, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
