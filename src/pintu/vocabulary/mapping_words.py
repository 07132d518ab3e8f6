"""The vocabulary as mapping needs it: words of a type with units, bounds, codes, other names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from pintu.kernel.intake.mapping.words import WordOfAttribute
from pintu.vocabulary import vocabulary
from pintu.vocabulary.book import AttributeWord, Vocabulary

LANGUAGES = ("zh", "en")


@cache
def mapping_words() -> VocabularyWords:
    """The one of this process."""
    return VocabularyWords()


class VocabularyWords:
    """Implements `Words` over the vocabulary as it is now, a town's adopted words with it.

    Beside each attribute stand its parts, with a dot: `address.streetAddress`, `name.en`.
    """

    def __init__(self) -> None:
        self._book: Vocabulary | None = None
        self._attributes: dict[str, dict[str, WordOfAttribute]] = {}

    def types(self) -> dict[str, dict[str, str]]:
        """Entity types with their labels; `other` holds what else they are called, by blanks."""
        more = _other_names()["types"]
        return {
            one.name: {**one.label, "other": " ".join(more.get(one.name, ()))}
            for one in self._now().types()
        }

    def attributes(self, entity_type: str) -> dict[str, WordOfAttribute]:
        """The attributes of a type by name; empty when the type is unknown."""
        book = self._now()
        known = self._attributes.get(entity_type)
        if known is None:
            word = book.find_type(entity_type)
            known = {}
            for one in word.attributes.values() if word is not None else ():
                known[one.name] = _word(one, book)
                known.update((part.name, part) for part in _parts(one))
            self._attributes[entity_type] = known
        return known

    def code_labels(self, entity_type: str, attribute: str) -> dict[str, dict[str, str]]:
        """Value → labels of a closed code list, by language; behind them (`zh-1`, …) what else
        people write for it."""
        book = self._now()
        word = book.find_attribute(attribute, entity_type)
        if word is None or word.codes is None:
            return {}
        more = _other_names()["codes"].get(word.codes, {})
        found = {}
        for one in book.code_lists():
            if one.name == word.codes:
                for code in one.codes:
                    others = enumerate(more.get(code.value, ()), 1)
                    named = {f"zh-{number}": name for number, name in others}
                    found[code.value] = {**code.label, **named}
        return found

    def _now(self) -> Vocabulary:
        book = vocabulary()
        if book is not self._book:  # a town adopted words meanwhile
            self._book = book
            self._attributes.clear()
        return book


def _word(one: AttributeWord, book: Vocabulary) -> WordOfAttribute:
    more, schema = _other_names(), one.schema
    codes: tuple[str, ...] = tuple(schema.get("enum", ()))
    for known in book.code_lists() if one.codes is not None else ():
        if known.name == one.codes:
            codes = tuple(code.value for code in known.codes)
    usual = more["usual"].get(one.name)
    return WordOfAttribute(
        name=one.name,
        kind=one.kinds[0],
        unit=one.unit or "",
        # the book says how many of the other make one of ours
        other_units={code: 1 / factor for code, factor in one.other_units.items()},
        codes=codes,
        labels=dict(one.label),
        json_type=_type(schema),
        format=schema.get("format", "") if schema.get("format") in ("date-time", "date") else "",
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        target=one.target or "",
        other_names=tuple(more["attributes"].get(one.name, ())),
        usual=None if usual is None else (usual[0], usual[1]),
    )


def _type(schema: Mapping[str, Any]) -> str:
    told = schema.get("type", "string" if "enum" in schema or "oneOf" in schema else "")
    return told if isinstance(told, str) else ""


def _parts(one: AttributeWord) -> list[WordOfAttribute]:
    """The members of a structured value, and the languages of a text."""
    names = _other_names()["attributes"]
    found = []
    members = {} if "GeoProperty" in one.kinds else one.schema.get("properties", {})
    for member, schema in members.items():
        name = f"{one.name}.{member}"
        label = {lang: f"{text} {member}" for lang, text in one.label.items()}
        found.append(
            WordOfAttribute(
                name=name,
                kind="Property",
                labels=label,
                json_type=_type(schema) or "string",
                other_names=tuple(names.get(name, ())),
            )
        )
    if "LanguageProperty" in one.kinds:
        for lang in LANGUAGES:
            label = {own: f"{text} ({lang})" for own, text in one.label.items()}
            found.append(
                WordOfAttribute(
                    name=f"{one.name}.{lang}",
                    kind="LanguageProperty",
                    labels=label,
                    json_type="string",
                    other_names=(f"{one.name}_{lang}",),
                )
            )
    return found


@cache
def _other_names() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(
        files("pintu.vocabulary").joinpath("other_names.json").read_bytes()
    )
    return found
