"""A version of a schema as JSON Schema (draft 2020-12) of one row; pure."""

from __future__ import annotations

from typing import Any, Final

from pintu.kernel.exchange.schemas.words import Field, Schema

TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "code": {"type": "string"},
    "number": {"type": "number"},
    "whole": {"type": "integer"},
    "yes_no": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "point": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    "shape": {"type": "object"},
}


def json_schema(schema: Schema, address: str) -> dict[str, Any]:
    """What a row of that version is; every field may be null but those of the key."""
    keys = [one.name for one in schema.fields if one.key]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "title": schema.data_set,
        "type": "object",
        "properties": {one.name: _field(one) for one in schema.fields},
        "required": keys,
        "additionalProperties": False,
        "x-version": schema.version,
        "x-compatibility": schema.compatibility,
    }


def _field(field: Field) -> dict[str, Any]:
    found = dict(TYPES.get(field.kind, TYPES["text"]))
    if not field.key:
        found["type"] = [found["type"], "null"]
    if field.codes:
        found["enum"] = [*field.codes, *([] if field.key else [None])]
    if field.unit:
        found["x-unit"] = field.unit
    if field.person:
        found["x-person"] = field.person
    return found
