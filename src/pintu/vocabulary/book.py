"""The words as a book: types, attributes, code lists, and whether an entity keeps to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urljoin

from pintu.kernel.jsonld import CORE
from pintu.kernel.jsonld.core import DEFAULT_VOCABULARY
from pintu.vocabulary.rules import Rule, Schemas

Said = Mapping[str, str]
"""One text in several languages: zh and en."""

MISTAKES_LIMIT: Final = 20
ADDRESS: Final = "https://pintu.invalid/vocabulary/"
"""Where the schema files say they are; nothing is ever fetched from there."""

_MEMBERS: Final = frozenset({"id", "type", "scope", "expiresAt"})
_HELD: Final = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
_PLAIN: Final = frozenset(
    {"type", "unitCode", "observedAt", "datasetId", "lang", "objectType", "valueType", "expiresAt"}
) | frozenset(_HELD.values())


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing in an entity that the vocabulary does not know or allow."""

    field: str
    reason: str
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; the nearest known word is {self.nearest}" if self.nearest else ""
        return f"{self.field} {self.reason}{hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One value of a code list."""

    value: str
    label: Said
    sign: str | None = None
    colour: str | None = None  # `#rrggbb`, where a standard gives one
    low: float | None = None  # the numbers it stands for, where it is a class of them
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """A dated list of values with their meaning."""

    name: str
    label: Said
    source: str
    published: str
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeWord:
    """What is known of an attribute: what it is called, in which unit, which values it may take.

    `members` says for each kind of attribute that is allowed where the value stands.
    """

    name: str
    label: Said
    description: Said | None
    kinds: tuple[str, ...]
    members: Mapping[str, str]
    unit: str | None
    other_units: Mapping[str, float]
    codes: str | None
    target: str | None
    shared: bool
    rule: Rule = field(repr=False, compare=False)
    schema: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)
    """The first form its value may take, references followed: type, bounds, format, enum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeWord:
    """What is known of a type of entity."""

    name: str
    label: Said
    description: Said
    owner: Said
    since: str
    required: tuple[str, ...]
    attributes: Mapping[str, AttributeWord]


class Vocabulary:
    """All words of the schema files, compiled; made once, never changed.

    `documents` are parsed schema files by address (`ADDRESS` + folder/name).
    """

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._schemas = Schemas(documents)
        self._lists = self._read_lists(documents)
        thing = f"{ADDRESS}types/Thing.json"
        shared = self._read_attributes(thing, documents[thing], shared=True)
        parts = f"{ADDRESS}types/Attribute.json"
        self._parts = self._read_attributes(parts, documents[parts], shared=True)
        self._types: dict[str, TypeWord] = {}
        for address, document in sorted(documents.items()):
            if address.startswith(f"{ADDRESS}types/") and "allOf" in document:
                own = self._read_attributes(address, document, shared=False)
                self._types[document["title"]] = _type_word(document, {**own, **shared})
        self._by_types: dict[tuple[str, ...], Mapping[str, AttributeWord]] = {
            (name,): word.attributes for name, word in self._types.items()
        }
        self._named: dict[str, AttributeWord] = dict(self._parts)
        for word in self._types.values():
            self._named.update(word.attributes)

    # --- what there is ------------------------------------------------------------------------
    def types(self) -> list[TypeWord]:
        """Every type, by name."""
        return list(self._types.values())

    def find_type(self, name: str) -> TypeWord | None:
        """One type by its stored name."""
        return self._types.get(name)

    def find_attribute(self, name: str, of: str | None = None) -> AttributeWord | None:
        """One attribute by its stored name, as that type has it or as any has it."""
        word = self._types.get(of) if of is not None else None
        return self._named.get(name) if word is None else word.attributes.get(name)

    def parts(self) -> list[AttributeWord]:
        """The sub-attributes that any attribute may carry."""
        return list(self._parts.values())

    def code_lists(self) -> list[CodeList]:
        """Every dated code list, by name."""
        return list(self._lists.values())

    def find_code(self, code_list: str, value: str) -> Code | None:
        """One value of a code list."""
        known = self._lists.get(code_list)
        for code in known.codes if known is not None else ():
            if code.value == value:
                return code
        return None

    def context(self) -> dict[str, Any]:
        """The JSON-LD @context document of all words that the core context does not define."""
        names = {*self._types, *self._named}
        terms = {name: CORE.expanded(name) for name in sorted(names) if _ours(name)}
        return {"@context": terms}

    # --- whether an entity keeps to it ---------------------------------------------------------
    def check(self, entity: Mapping[str, Any]) -> list[Mistake]:
        """What in a stored document the vocabulary does not know or allow; empty when all is well.

        At most `MISTAKES_LIMIT`, in the order of the document. Names are stored names.
        """
        mistakes: list[Mistake] = []
        held = entity["type"]
        types = tuple(held) if type(held) is list else (held,)
        known = self._by_types.get(types)
        if known is None:
            known = self._known(types, mistakes)
        for name, attribute in entity.items():
            if name in _MEMBERS:
                continue
            word = known.get(name)
            if word is None:
                if not mistakes or mistakes[0].field != "type":
                    reason = f"is no attribute of {' or '.join(types)}"
                    mistakes.append(Mistake(_short(name), reason, _nearest(name, known)))
            elif type(attribute) is list:
                for one in attribute:
                    self._check_instance(name, one, word, mistakes)
            else:
                self._check_instance(name, attribute, word, mistakes)
            if len(mistakes) >= MISTAKES_LIMIT:
                break
        self._check_required(entity, types, mistakes)
        return mistakes[:MISTAKES_LIMIT]

    def _known(
        self, types: tuple[str, ...], mistakes: list[Mistake]
    ) -> Mapping[str, AttributeWord]:
        """The attributes of several types together; a type nobody knows is a mistake."""
        together: dict[str, AttributeWord] = {}
        for name in types:
            word = self._types.get(name)
            if word is None:
                reason = f"{_short(name)} is no type of the vocabulary"
                mistakes.append(Mistake("type", reason, _nearest(name, self._types)))
            else:
                together.update(word.attributes)
        return together

    def _check_required(
        self, entity: Mapping[str, Any], types: tuple[str, ...], mistakes: list[Mistake]
    ) -> None:
        for one in types:
            word = self._types.get(one)
            if word is not None and word.required:
                for name in word.required:
                    if name not in entity:
                        mistakes.append(Mistake(name, f"is missing from {one}"))

    def _check_instance(
        self, name: str, instance: Any, word: AttributeWord, mistakes: list[Mistake]
    ) -> None:
        kind = instance["type"]
        member = word.members.get(kind)
        if member is None:
            reason = f"must be a {' or '.join(word.kinds)}, not a {kind}"
            mistakes.append(Mistake(name, reason))
            return
        value = instance.get(member)
        if type(value) is dict and "@value" in value:
            value = value["@value"]
        unit = instance.get("unitCode")
        if unit is not None and unit != word.unit:
            factor = word.other_units.get(unit)
            if factor is None:
                units = [word.unit, *word.other_units] if word.unit else ["none"]
                reason = f"must have unit {' or '.join(units)}, not {str(unit)[:20]}"
                mistakes.append(Mistake(name, reason))
                return
            if type(value) is int or type(value) is float:
                value = value / factor
        wrong = word.rule(value)
        if wrong is not None:
            mistakes.append(Mistake(name, wrong))
        if not _PLAIN.issuperset(instance):
            self._check_parts(name, instance, mistakes)

    def _check_parts(self, name: str, instance: Mapping[str, Any], mistakes: list[Mistake]) -> None:
        for part, held in instance.items():
            if part in _PLAIN:
                continue
            word = self._parts.get(part)
            if word is None:
                reason = "is no sub-attribute of the vocabulary"
                nearest = _nearest(part, self._parts)
                mistakes.append(Mistake(f"{name}.{_short(part)}", reason, nearest))
                continue
            for one in held if type(held) is list else [held]:
                self._check_instance(f"{name}.{part}", one, word, mistakes)

    # --- reading the files ---------------------------------------------------------------------
    def _read_attributes(
        self, address: str, document: Mapping[str, Any], *, shared: bool
    ) -> dict[str, AttributeWord]:
        found = {}
        for name, schema in document["properties"].items():
            if name not in _MEMBERS:
                found[name] = self._attribute(name, schema, address, shared)
        return found

    def _attribute(
        self, name: str, schema: Mapping[str, Any], address: str, shared: bool
    ) -> AttributeWord:
        kind = schema["x-kind"]
        kinds = (kind,) if isinstance(kind, str) else tuple(kind)
        codes = _code_list(schema, address)
        if codes is not None:
            kinds = (*kinds, "VocabProperty")
        unit = schema.get("x-unit")
        for code in (unit, *schema.get("x-otherUnits", {})):
            if code is not None and self.find_code("unit", code) is None:
                raise ValueError(f"Unit {code} of {name} is in no code list")
        return AttributeWord(
            name=name,
            label=schema["x-label"],
            description=schema.get("x-description"),
            kinds=kinds,
            members={one: _HELD[one] for one in kinds},
            unit=unit,
            other_units=schema.get("x-otherUnits", {}),
            codes=codes,
            target=schema.get("x-target"),
            shared=shared,
            rule=self._schemas.rule(schema, address),
            schema=self._schemas.first_form(schema, address),
        )

    def _read_lists(self, documents: Mapping[str, Mapping[str, Any]]) -> dict[str, CodeList]:
        return {
            document["title"]: CodeList(
                name=document["title"],
                label=document["x-label"],
                source=document["x-source"],
                published=document["x-published"],
                codes=tuple(
                    Code(
                        value=one["const"],
                        label=one["x-label"],
                        sign=one.get("x-sign"),
                        colour=one.get("x-colour"),
                        low=one.get("x-low"),
                        high=one.get("x-high"),
                    )
                    for one in document["oneOf"]
                ),
            )
            for address, document in sorted(documents.items())
            if address.startswith(f"{ADDRESS}codes/")
        }


def _type_word(document: Mapping[str, Any], attributes: Mapping[str, AttributeWord]) -> TypeWord:
    return TypeWord(
        name=document["title"],
        label=document["x-label"],
        description=document["x-description"],
        owner=document["x-owner"],
        since=document["x-since"],
        required=tuple(name for name in document["required"] if name not in _MEMBERS),
        attributes=attributes,
    )


def _code_list(schema: Mapping[str, Any], address: str) -> str | None:
    """The code list an attribute takes its values from, also where it takes several of them."""
    for one in (schema, *schema.get("anyOf", ())):
        target: str = urljoin(address, one.get("$ref", ""))
        if target.startswith(f"{ADDRESS}codes/"):
            return target.removeprefix(f"{ADDRESS}codes/").removesuffix(".json")
    return None


def _ours(name: str) -> bool:
    """True for a name that is not a term of the core context: that one cannot be defined again."""
    return CORE.expanded(name).startswith(DEFAULT_VOCABULARY)


def _short(name: str) -> str:
    return name[:200]


def _nearest(name: str, known: Mapping[str, Any]) -> str | None:
    """The known word that looks most like a name; of an IRI its last part counts."""
    last = name.rstrip("/#").replace("#", "/").rpartition("/")[2][:100]
    lower: dict[str, str] = {word.lower(): word for word in known}
    for close in get_close_matches(last.lower(), lower, n=1, cutoff=0.6):
        return lower[close]
    return None
