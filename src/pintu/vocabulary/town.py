"""Words a town adds to the built-in ones: proposed, adopted, retired; kept as `config/words` files
and read into the same book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.configuration import Configuration, Saved
from pintu.kernel.errors import ConfigurationError

State = Literal["proposed", "adopted", "retired"]
TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,60}")
ATTRIBUTE_NAME: Final = re.compile(r"[a-z][A-Za-z0-9]{0,60}")
KINDS: Final = ("Property", "GeoProperty", "Relationship", "LanguageProperty")
JSON_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object")
MOST_ATTRIBUTES: Final = 200
RESERVED: Final = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "observedAt"})


class TownAttribute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attribute of a town's word."""

    name: str
    label: dict[str, str] = {}
    description: dict[str, str] = {}
    kind: str = "Property"
    json: str = "string"  # JSON type of the value; of no meaning for relationships and places
    unit: str = ""  # UN/CEFACT code of the built-in list
    minimum: float | None = None
    maximum: float | None = None
    values: list[str] = []  # a closed list; empty: any
    target: str = ""  # of a relationship
    required: bool = False


class TownWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One type of entity with the attributes a town needs."""

    type: str
    label: dict[str, str] = {}
    description: dict[str, str] = {}
    owner: dict[str, str] = {}
    state: State = "proposed"
    since: str = ""
    source: str = ""  # where it was taken from, "smartdatamodels: WaterObserved 0.0.4"
    attributes: list[TownAttribute] = []


def saved_words(configuration: Configuration) -> list[tuple[Saved, TownWord]]:
    """The town's own words that can be read, with the files they stand in."""
    found = []
    for saved in configuration.list_saved("words"):
        try:
            found.append((saved, msgspec.convert(saved.content, TownWord)))
        except msgspec.ValidationError:
            continue
    return found


def read_word(
    content: Mapping[str, Any], *, known: Iterable[str] = (), units: Iterable[str] = ()
) -> TownWord:
    """A word of a file or form; ConfigurationError with every mistake.

    `known` are built-in types, which a town cannot redefine; `units` the codes there are.
    """
    try:
        word = msgspec.convert(content, TownWord)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"word: {error}"]) from error
    mistakes = []
    if not TYPE_NAME.fullmatch(word.type):
        mistakes.append(f"type: {word.type[:60]!r} is not a name like WaterLevelObserved")
    if word.type in set(known):
        mistakes.append(f"type: {word.type} is a built-in word; propose one of another name")
    if not any(word.label.values()):
        mistakes.append("label: say in zh or en what people call it")
    if not word.attributes:
        mistakes.append("attributes: a word needs at least one")
    if len(word.attributes) > MOST_ATTRIBUTES:
        mistakes.append(f"attributes: more than {MOST_ATTRIBUTES}")
    names = [one.name for one in word.attributes]
    mistakes += [f"attributes: {one} stands twice" for one in sorted(set(_twice(names)))]
    codes = set(units)
    for one in word.attributes:
        mistakes += _attribute_mistakes(one, codes)
    if mistakes:
        raise ConfigurationError(mistakes)
    return word


def _twice(names: list[str]) -> list[str]:
    return [one for one in names if names.count(one) > 1]


def _attribute_mistakes(one: TownAttribute, units: set[str]) -> list[str]:
    found = []
    if not ATTRIBUTE_NAME.fullmatch(one.name) or one.name in RESERVED:
        found.append(f"{one.name[:60]!r} is not an attribute's name like waterLevel")
    if one.kind not in KINDS:
        found.append(f"{one.name}: kind is none of {', '.join(KINDS)}")
    if one.json not in JSON_TYPES:
        found.append(f"{one.name}: json is none of {', '.join(JSON_TYPES)}")
    if one.unit and one.unit not in units:
        found.append(f"{one.name}: unit {one.unit} is in no code list")
    low, high = one.minimum, one.maximum
    if low is not None and high is not None and low > high:
        found.append(f"{one.name}: minimum {low:g} is above maximum {high:g}")
    return found


def schema_of(word: TownWord, address: str) -> dict[str, Any]:
    """The word as a schema file of the book, as the built-in ones are written."""
    return {
        "$id": f"{address}types/{word.type}.json",
        "title": word.type,
        "description": word.description.get("en") or word.label.get("en") or word.type,
        "x-label": word.label,
        "x-description": word.description or word.label,
        "x-owner": word.owner,
        "x-since": word.since,
        "type": "object",
        "allOf": [{"$ref": "Thing.json"}],
        "required": ["id", "type", *(one.name for one in word.attributes if one.required)],
        "properties": {one.name: _schema(one) for one in word.attributes},
    }


def _schema(one: TownAttribute) -> dict[str, Any]:
    described: dict[str, Any] = {"x-kind": one.kind, "x-label": one.label or {"en": one.name}}
    if one.description:
        described["x-description"] = one.description
    if one.unit:
        described["x-unit"] = one.unit
    if one.kind == "Relationship":
        more = {"x-target": one.target} if one.target else {}
        return {"$ref": "definitions.json#/$defs/link", **described, **more}
    if one.kind == "GeoProperty":
        return {"type": "object", **described}
    if one.kind == "LanguageProperty":
        return {"$ref": "definitions.json#/$defs/said", **described}
    if one.values:
        return {"enum": list(one.values), **described}
    limits = {"minimum": one.minimum, "maximum": one.maximum}
    told = {name: value for name, value in limits.items() if value is not None}
    return {"type": one.json, **told, **described}
