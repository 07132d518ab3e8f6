"""The words the city shares: types, attributes, units, owners and code lists, as data; read once.

`types/` holds one JSON Schema (draft 2020-12) a type of the entity as its simplified form shows it,
`codes/` one dated list of values each. `x-` members say what a schema cannot: labels in zh and en,
the kind of attribute, the unit (UN/CEFACT), the owner. Names are those of Smart Data Models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import BadRequestData
from pintu.vocabulary.book import (
    ADDRESS,
    AttributeWord,
    Code,
    CodeList,
    Mistake,
    Said,
    TypeWord,
    Vocabulary,
)
from pintu.vocabulary.town import TownWord, saved_words, schema_of

_TOWN: dict[str, dict[str, Any]] = {}


def adopt(words: Iterable[TownWord]) -> bool:
    """Join a town's adopted words to the built-in ones in this process; whether anything changed.

    Proposed and retired words are left out: nobody may build on the first, and what used the
    second keeps its stored names without them.
    """
    joined = {
        f"{ADDRESS}types/{one.type}.json": schema_of(one, ADDRESS)
        for one in words
        if one.state == "adopted"
    }
    if joined == _TOWN:
        return False
    _TOWN.clear()
    _TOWN.update(joined)
    vocabulary.cache_clear()
    return True


def adopt_saved(configuration: Configuration) -> bool:
    """As `adopt`, with the words saved in a configuration."""
    return adopt(word for _, word in saved_words(configuration))


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary, read and compiled at the first call (some 10 ms) and after `adopt`."""
    root = files(__name__)
    documents: dict[str, Any] = dict(_TOWN)
    for folder in ("types", "codes"):
        for file in root.joinpath(folder).iterdir():
            if file.name.endswith(".json"):
                documents[f"{ADDRESS}{folder}/{file.name}"] = orjson.loads(file.read_bytes())
    return Vocabulary(documents)


def check(entity: Mapping[str, Any]) -> None:
    """Refuse a stored document that does not keep to the vocabulary, for strict tenants.

    Raises BadRequestData naming each field and the nearest known word.
    """
    mistakes = vocabulary().check(entity)
    if mistakes:
        raise BadRequestData(
            f"{entity.get('id', 'The entity')} does not keep to the vocabulary: "
            + "; ".join(str(mistake) for mistake in mistakes),
            mistakes=[
                {"field": one.field, "reason": one.reason, "nearest": one.nearest}
                for one in mistakes
            ],
        )


def type_title(name: str) -> Said | None:
    """What a type is called in each language; None when nobody knows it."""
    word = vocabulary().find_type(name)
    return None if word is None else word.label


def attribute_title(name: str) -> Said | None:
    """What an attribute is called in each language; None when nobody knows it."""
    word = vocabulary().find_attribute(name)
    return None if word is None else word.label


def value_title(attribute: str, value: str) -> Said | None:
    """What a coded value of an attribute means; None when it is not from a code list."""
    word = vocabulary().find_attribute(attribute)
    code = None if word is None or word.codes is None else vocabulary().find_code(word.codes, value)
    return None if code is None else code.label


def unit_sign(code: str) -> str | None:
    """The sign of a UN/CEFACT unit code (`WTT` is W); None when it is not in the list."""
    found = vocabulary().find_code("unit", code)
    return None if found is None else found.sign


def context_document() -> dict[str, Any]:
    """The @context document served as /vocabulary/context.jsonld."""
    return vocabulary().context()


__all__ = [
    "AttributeWord",
    "Code",
    "CodeList",
    "Mistake",
    "Said",
    "TownWord",
    "TypeWord",
    "Vocabulary",
    "adopt",
    "adopt_saved",
    "attribute_title",
    "check",
    "context_document",
    "type_title",
    "unit_sign",
    "value_title",
    "vocabulary",
]
