"""From a mapping to closures: how each field is got, converted and put, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping import points, values
from pintu.kernel.intake.mapping.file import PLACE
from pintu.kernel.intake.mapping.paths import Get, compile_path
from pintu.kernel.intake.mapping.people import is_id_number, strong_mark
from pintu.kernel.intake.mapping.reasons import shown, wrong
from pintu.kernel.intake.mapping.times import date_reader, parts_reader, time_reader
from pintu.kernel.intake.mapping.units import conversion, unit_code
from pintu.kernel.intake.mapping.values import Convert
from pintu.kernel.intake.mapping.words import Field, WordOfAttribute, Words
from pintu.kernel.intake.mapping.words import Mapping as MappingFile

Put = Callable[[dict[str, Any], Any, str | None], None]
"""(entity, value, observedAt): writes one attribute."""

LONGEST_ID: Final = 250
_NUMBERS: Final = ("number", "integer")
_SAFE: Final = "-._~:"


def getter(source: str | list[str]) -> Get:
    """How a field's value is got of a record: one value, or the list of several; None when nothing
    is there."""
    if isinstance(source, str):
        return compile_path(source)
    gets = [compile_path(one) for one in source]

    def get(record: Mapping[str, Any]) -> Any:
        found = [one(record) for one in gets]
        return None if None in found or "" in found else found

    return get


def converter(field: Field, word: WordOfAttribute | None, mapping: MappingFile) -> Convert:
    """How a field's value becomes one of ours; `word` None: a column of a table data set."""
    kind = field.kind
    if word is not None:
        kind = _kind_of(field, word)  # type: ignore[assignment]
    if kind in ("number", "whole"):
        return _numeric(field, word, whole=kind == "whole")
    if kind in ("point", "shape"):
        if isinstance(field.source, list):
            return points.two_columns(mapping.frame)
        return points.one_value(mapping.frame, shapes=kind == "shape" or word is not None)
    if kind in ("time", "date"):
        if isinstance(field.source, list):
            read = parts_reader(len(field.source), field.format, mapping.zone)
            return (lambda told: read(told)[:10]) if kind == "date" else read
        make = time_reader if kind == "time" else date_reader
        return make(field.format, mapping.zone)
    if kind == "yes_no":
        return values.yes_no
    if kind == "code":
        return values.code(field.codes, word.codes if word is not None else (), {})
    if word is not None and word.json_type in ("object", "array"):
        return values.structure
    return _no_person if word is not None else values.text


def _kind_of(field: Field, word: WordOfAttribute) -> str:
    """What the word asks for goes before what the field says."""
    if "Geo" in word.kind:
        return "point" if isinstance(field.source, list) else "shape"
    if word.codes:
        return "code"
    if word.json_type in _NUMBERS:
        return "whole" if word.json_type == "integer" else "number"
    if word.json_type == "boolean":
        return "yes_no"
    if word.format:
        return "date" if word.format == "date" else "time"
    if field.kind in ("number", "whole", "point", "shape"):
        return "text"
    return "code" if field.codes else field.kind


def _numeric(field: Field, word: WordOfAttribute | None, *, whole: bool) -> Convert:
    convert = None if word is None else _unit_change(field, word)
    low = None if word is None else word.minimum
    high = None if word is None else word.maximum
    plain: Convert
    if field.low is None and field.high is None and not whole:
        plain = values.number_within(low, high, convert)
    else:
        plain = _numeric_steps(field, convert, whole=whole)
        plain = values.within(plain, low, high)
    if not field.codes:
        return plain
    named = values.code(field.codes, (), {})
    keys = {values.folded(name) for name in field.codes}

    def read(value: Any) -> Any:  # winds and grades named in words
        told = value.__class__ is str and values.folded(value) in keys
        return plain(named(value) if told else value)

    return read


def _numeric_steps(
    field: Field, convert: Callable[[float], float] | None, *, whole: bool
) -> Convert:
    """A number whose source has bounds of its own, or that must be whole."""
    read: Convert = values.whole if whole and convert is None else values.number
    first = values.within(read, field.low, field.high)
    if convert is None:
        return first
    if whole:
        return lambda value: values.whole(round(convert(first(value)), 6))
    return lambda value: convert(first(value))


def _unit_change(field: Field, word: WordOfAttribute) -> Callable[[float], float] | None:
    """From the source's unit to the word's; None when they are one."""
    if not field.unit or not word.unit:
        return None
    code = unit_code(field.unit)
    if code == word.unit:
        return None
    convert = conversion(code or field.unit, word.unit, word.other_units)
    if convert is None:
        raise ConfigurationError(
            [f"{field.to} is kept in {word.unit}; {field.unit!r} cannot be turned into it"]
        )
    return convert


def _no_person(value: Any) -> str:
    if value.__class__ is str and len(value) < 4_000 and "\x00" not in value:
        found = value.strip()
    else:
        found = values.text(value)
    if len(found) == 18 and is_id_number(found):
        raise wrong(
            "The value is a citizen's identity number: the context knows no person. "
            "Map the table into a table data set instead",
            "该值是公民身份号码：公共情境中不得出现个人。请改为映射到数据表",
        )
    return str(found)


def putter(field: Field, word: WordOfAttribute, source: str) -> Put:
    """How a converted value is written into an entity."""
    head, dot, member = field.to.partition(".")
    if dot:
        return _part(head, member, language="Language" in word.kind)
    name = field.to
    if word.kind.startswith("Relationship"):
        target = f"urn:ngsi-ld:{word.target or 'Thing'}:{source}:"

        def put_link(entity: dict[str, Any], value: Any, at: str | None) -> None:
            told = value if value.startswith("urn:") else target + encoded(value)
            entity[name] = {"type": "Relationship", "object": told}
            if at is not None:
                entity[name]["observedAt"] = at

        return put_link
    kind = "GeoProperty" if "Geo" in word.kind else "Property"
    typed = {"date-time": "DateTime", "date": "Date"}.get(word.format)
    unit = word.unit if word.unit not in ("", "C62") else ""
    return _plain(name, kind, unit, typed)


def _plain(name: str, kind: str, unit: str, typed: str | None) -> Put:
    if typed is None and not unit:

        def put(entity: dict[str, Any], value: Any, at: str | None) -> None:
            if at is None:
                entity[name] = {"type": kind, "value": value}
            else:
                entity[name] = {"type": kind, "value": value, "observedAt": at}

        return put

    def put_more(entity: dict[str, Any], value: Any, at: str | None) -> None:
        if typed is not None:
            value = {"@type": typed, "@value": value}
        told = entity[name] = {"type": kind, "value": value}
        if unit:
            told["unitCode"] = unit
        if at is not None:
            told["observedAt"] = at

    return put_more


def _part(head: str, member: str, *, language: bool) -> Put:
    """One member of a structured value (`address.streetAddress`) or one language (`name.en`)."""
    kind, holds = ("LanguageProperty", "languageMap") if language else ("Property", "value")

    def put(entity: dict[str, Any], value: Any, at: str | None) -> None:
        there = entity.get(head)
        if there is None:
            there = entity[head] = {"type": kind, holds: {}}
            if at is not None:
                there["observedAt"] = at
        there[holds][member] = value

    return put


def encoded(local: str) -> str:
    """A local id as part of a URN: anything but letters, digits and -._~: percent-encoded."""
    return local if local.isascii() and local.isalnum() else quote(local, safe=_SAFE)


def id_maker(template: str, prefix: str, missing: frozenset[str]) -> Callable[[Any], str]:
    """Makes a record's entity id of a template over its columns (`{区}-{编号}`)."""
    parts: list[str | tuple[str, Get]] = []
    at = 0
    for found in PLACE.finditer(template):
        if found.start() > at:
            parts.append(template[at : found.start()])
        parts.append((found[1], compile_path(found[1])))
        at = found.end()
    if at < len(template):
        parts.append(template[at:])
    if len(parts) == 1 and not isinstance(parts[0], str):
        column, get = parts[0]

        def plain(record: Any) -> str:
            value = get(record)
            # the common case: digits and letters that are no citizen's number
            usual = value.__class__ is str and value.isascii() and value.isalnum()
            if usual and len(value) < 18 and value not in missing:
                return prefix + str(value)
            return prefix + _local(_id_part(value, column, missing))

        return plain

    def make(record: Any) -> str:
        told = [
            one if isinstance(one, str) else _id_part(one[1](record), one[0], missing)
            for one in parts
        ]
        return prefix + _local("".join(told))

    return make


def _id_part(value: Any, column: str, missing: frozenset[str]) -> str:
    text = "" if value is None else values.text(value)
    if not text or text in missing:
        raise wrong(f"It has no id: {column} is empty", f"没有编号：“{column}”为空")
    if is_id_number(text):
        raise wrong(
            f"{column} is a citizen's identity number and cannot be an id in the context",
            f"“{column}”是公民身份号码，不能作为公共情境中的编号",
        )
    return text


def _local(text: str) -> str:
    found = encoded(text)
    if len(found) > LONGEST_ID:
        raise wrong(f"Id {shown(text)} is too long", f"编号 {shown(text)} 过长")
    return found


def checked_words(
    mapping: MappingFile, words: Words
) -> tuple[dict[str, WordOfAttribute], list[str]]:
    """The words a context mapping fills, by name, and what is wrong with it."""
    known = words.attributes(mapping.type)
    mistakes: list[str] = []
    if not known:
        near = get_close_matches(mapping.type, list(words.types()), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        mistakes.append(f"The vocabulary has no type {mapping.type!r}{hint}")
    found: dict[str, WordOfAttribute] = {}
    for one in mapping.fields:
        word = known.get(one.to)
        if word is None:
            if known:
                near = get_close_matches(one.to, list(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                mistakes.append(f"{mapping.type} has no attribute {one.to!r}{hint}")
        else:
            found[one.to] = word
        mistakes += _person_in(one)
    for column in PLACE.findall(mapping.id):
        mistakes += _person_in(Field(to="The id", source=column))
    return found, mistakes


def _person_in(field: Field) -> list[str]:
    names: Sequence[str] = [field.source] if isinstance(field.source, str) else field.source
    return [
        f"{field.to} comes from {name!r}, which says something of a person ({mark}): the context "
        "knows no person. Map the table into a table data set instead"
        for name in names
        if name and (mark := strong_mark(name))
    ]


def constant_of(field: Field, convert: Convert) -> Any:
    """A field's constant, converted once; ConfigurationError when it does not fit."""
    try:
        return convert(field.constant)
    except BadInput as error:
        raise ConfigurationError([f"The constant of {field.to}: {error.detail}"]) from error
