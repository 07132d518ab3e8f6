"""JSON Schema compiled to small tests: what the vocabulary's own files use of draft 2020-12."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urljoin

Rule = Callable[[Any], str | None]
"""A value → what is wrong with it, or None."""
Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset({"$schema", "$id", "$defs", "title", "description"})
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "array": (list,),
    "object": (dict,),
}


class Schemas:
    """Schema files by their address; compiles what is asked for, each once."""

    def __init__(self, documents: Mapping[str, Schema]) -> None:
        self._documents = documents
        self._rules: dict[str, Rule] = {}

    def find(self, address: str) -> Schema:
        """The schema at an address, `#/…` pointers followed; raises KeyError."""
        document, _, pointer = address.partition("#")
        found: Any = self._documents[document]
        for step in pointer.split("/")[1:]:
            found = found[step]
        schema: Schema = found
        return schema

    def at(self, address: str) -> Rule:
        """The rule of the schema at an address."""
        rule = self._rules.get(address)
        if rule is None:
            rule = self._rules[address] = self.rule(self.find(address), address.partition("#")[0])
        return rule

    def first_form(self, schema: Schema, base: str) -> Schema:
        """A schema with its references followed and, of several forms, the first one alone."""
        if "$ref" in schema:
            address = urljoin(base, schema["$ref"])
            found = self.first_form(self.find(address), address.partition("#")[0])
            return {**found, **{key: one for key, one in schema.items() if key != "$ref"}}
        if "anyOf" in schema:
            found = self.first_form(schema["anyOf"][0], base)
            return {**found, **{key: one for key, one in schema.items() if key != "anyOf"}}
        return schema

    def rule(self, schema: Schema, base: str) -> Rule:
        """The rule of a schema; references in it are relative to `base`. Raises ValueError on a
        keyword that is not understood: nothing is left unchecked in silence."""
        rules: list[Rule] = []
        for keyword, given in schema.items():
            if keyword in _ANNOTATIONS or keyword.startswith("x-"):
                continue
            if keyword in ("properties", "required", "additionalProperties"):
                continue
            make = _KEYWORDS.get(keyword)
            if keyword == "$ref":
                rules.append(self.at(urljoin(base, given)))
            elif keyword == "items":
                rules.append(_items(self.rule(given, base)))
            elif keyword == "anyOf":
                rules.append(_any_of([self.rule(one, base) for one in given]))
            elif make is not None:
                rules.append(make(given))
            else:
                raise ValueError(f"Keyword {keyword} of {base} is not understood")
        if schema.keys() & {"properties", "required", "additionalProperties"}:
            rules.append(self._members(schema, base))
        return rules[0] if len(rules) == 1 else _every(rules)

    def _members(self, schema: Schema, base: str) -> Rule:
        known = {name: self.rule(one, base) for name, one in schema.get("properties", {}).items()}
        required = tuple(schema.get("required", ()))
        others = schema.get("additionalProperties", True)
        other = self.rule(others, base) if isinstance(others, Mapping) else None

        def rule(value: Any) -> str | None:
            if type(value) is not dict:
                return None
            for name in required:
                if name not in value:
                    return f"has no member {name}"
            for name, held in value.items():
                test = known.get(name, other)
                if test is None:
                    if others is False:
                        return f"has a member {name[:80]} that is not known"
                    continue
                wrong = test(held)
                if wrong is not None:
                    return f"member {name[:80]} {wrong}"
            return None

        return rule


def _every(rules: list[Rule]) -> Rule:
    def rule(value: Any) -> str | None:
        for one in rules:
            wrong = one(value)
            if wrong is not None:
                return wrong
        return None

    return rule


def _any_of(rules: list[Rule]) -> Rule:
    def rule(value: Any) -> str | None:
        wrong = None
        for one in rules:
            wrong = one(value)
            if wrong is None:
                return None
        return wrong

    return rule


def _items(test: Rule) -> Rule:
    def rule(value: Any) -> str | None:
        if type(value) is list:
            for one in value:
                wrong = test(one)
                if wrong is not None:
                    return f"holds an element that {wrong}"
        return None

    return rule


def _type(given: str | list[str]) -> Rule:
    names = [given] if isinstance(given, str) else given
    allowed = frozenset(kind for name in names for kind in _TYPES[name])
    said = " or ".join(names)
    whole = "integer" in names and "number" not in names

    def rule(value: Any) -> str | None:
        kind = type(value)
        if kind in allowed or (whole and kind is float and value.is_integer()):
            return None
        return f"must be of type {said}, not {_TYPE_NAMES.get(kind, kind.__name__)}"

    return rule


_TYPE_NAMES: Final[dict[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


def _choice(values: list[Any]) -> Rule:
    allowed = frozenset(values)

    def rule(value: Any) -> str | None:
        if type(value) is str and value in allowed:
            return None
        return f"must be one of {', '.join(str(one) for one in values)}, not {_shown(value)}"

    return rule


def _limit(wrong: Callable[[Any], bool], said: str) -> Rule:
    def rule(value: Any) -> str | None:
        if (type(value) is int or type(value) is float) and wrong(value):
            return f"must be {said}, not {value}"
        return None

    return rule


def _size(kind: type[str] | type[list[Any]], wrong: Callable[[int], bool], said: str) -> Rule:
    def rule(value: Any) -> str | None:
        if type(value) is kind and wrong(len(value)):
            return f"must have {said}, not {len(value)}"
        return None

    return rule


def _format(name: str) -> Rule:
    test = _FORMATS[name]

    def rule(value: Any) -> str | None:
        if type(value) is str and not test(value):
            return f"must be a {name}, not {_shown(value)}"
        return None

    return rule


def _is_instant(text: str) -> bool:
    if len(text) < 20 or text[10] != "T":
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_day(text: str) -> bool:
    try:
        whole = len(text) == 10 and text[5:7].isdigit()  # fromisoformat takes weeks too
        return whole and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    scheme, colon, rest = text.partition(":")
    return bool(colon and rest) and scheme[:1].isalpha() and scheme.isascii() and " " not in text


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "…"


_FORMATS: Final = {"date-time": _is_instant, "date": _is_day, "uri": _is_uri}
_KEYWORDS: Final[dict[str, Callable[[Any], Rule]]] = {
    "type": _type,
    "enum": _choice,
    "const": lambda given: _choice([given]),
    "oneOf": lambda given: _choice([one["const"] for one in given]),
    "minimum": lambda given: _limit(lambda value: value < given, f"at least {given}"),
    "maximum": lambda given: _limit(lambda value: value > given, f"at most {given}"),
    "minLength": lambda given: _size(str, lambda n: n < given, f"at least {given} characters"),
    "maxLength": lambda given: _size(str, lambda n: n > given, f"at most {given} characters"),
    "minItems": lambda given: _size(list, lambda n: n < given, f"at least {given} elements"),
    "maxItems": lambda given: _size(list, lambda n: n > given, f"at most {given} elements"),
    "format": _format,
}
