"""A mapping as its file says it: read with every mistake named, and written back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping.frames import NAMES as FRAMES
from pintu.kernel.intake.mapping.paths import steps_of
from pintu.kernel.intake.mapping.times import zone_of
from pintu.kernel.intake.mapping.units import unit_code
from pintu.kernel.intake.mapping.words import MISSING, Field, FieldKind, Mapping, PersonMark

MOST_FIELDS: Final = 500
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
PLACE: Final = re.compile(r"\{([^{}]+)\}")
_EPSG: Final = re.compile(r"EPSG:\d{4,6}", re.IGNORECASE)
_KNOWN: Final = frozenset(one.encode_name for one in msgspec.structs.fields(Mapping))
_OF_FIELD: Final = frozenset(one.encode_name for one in msgspec.structs.fields(Field))


def read_mapping(content: dict[str, Any]) -> Mapping:
    """A mapping from what its file holds; ConfigurationError names every mistake."""
    mistakes = [f"A mapping knows no {key!r}" for key in content if key not in _KNOWN]
    fields: list[Field] = []
    told = content.get("fields", [])
    if not isinstance(told, list):
        mistakes.append("fields is not a list")
        told = []
    for number, one in enumerate(told, 1):
        try:
            fields.append(_field(one, number, mistakes))
        except msgspec.ValidationError as error:
            mistakes.append(f"Field {number}: {error}")
    try:
        plain = {key: one for key, one in content.items() if key in _KNOWN and key != "fields"}
        mapping = msgspec.convert(plain, Mapping)
    except msgspec.ValidationError as error:
        raise ConfigurationError([*mistakes, f"The mapping has a mistake: {error}"]) from error
    mapping = msgspec.structs.replace(mapping, fields=fields)
    mistakes += _mistakes(mapping)
    if mistakes:
        raise ConfigurationError(mistakes)
    return mapping


def write_mapping(mapping: Mapping) -> dict[str, Any]:
    """What a mapping's file holds: only what differs from the usual."""
    plain: dict[str, Any] = msgspec.to_builtins(mapping)
    if mapping.missing == list(MISSING):
        plain.pop("missing", None)
    return plain


def _field(one: Any, number: int, mistakes: list[str]) -> Field:
    if isinstance(one, dict):
        mistakes += [f"Field {number} knows no {key!r}" for key in one if key not in _OF_FIELD]
        one = {key: value for key, value in one.items() if key in _OF_FIELD}
        for key, kinds in (("kind", FieldKind), ("person", PersonMark)):
            if key in one and one[key] not in get_args(kinds):
                known = ", ".join(filter(None, get_args(kinds)))
                mistakes.append(f"Field {number}: {one[key]!r} is no {key}; there are {known}")
                del one[key]
    return msgspec.convert(one, Field)


def _mistakes(mapping: Mapping) -> list[str]:
    found: list[str] = []
    if not NAME.fullmatch(mapping.name):
        found.append(f"Name {mapping.name[:70]!r} is not one: small Latin letters, digits and _")
    if mapping.target == "context":
        if not mapping.type:
            found.append("A mapping into the context needs a type")
        if not mapping.id:  # without a {column} all records are one thing: a station's own file
            found.append("A mapping into the context needs an id such as '{编号}'")
        found += _persons(mapping)
    elif not mapping.data_set:
        found.append("A mapping into a table needs the data_set it fills")
    if mapping.frame not in FRAMES and not _EPSG.fullmatch(mapping.frame):
        found.append(f"Frame {mapping.frame!r} is not one of {', '.join(FRAMES)} or EPSG:n")
    if not mapping.fields:
        found.append("A mapping needs at least one field")
    if len(mapping.fields) > MOST_FIELDS:
        found.append(f"A mapping has at most {MOST_FIELDS} fields")
    _try(lambda: zone_of(mapping.zone), found)
    for path in _places(mapping):
        _try(lambda path=path: steps_of(path), found)  # type: ignore[misc]
    seen: set[str] = set()
    for one in mapping.fields:
        if one.to in seen:
            found.append(f"{one.to} is filled twice")
        seen.add(one.to)
        found += _mistakes_of(one)
    return found


def _mistakes_of(one: Field) -> list[str]:
    found = []
    if not one.to:
        found.append(f"The field from {one.source!r} says not where `to`")
    if not one.source and one.constant is None:
        found.append(f"{one.to} has neither `from` nor a constant")
    if isinstance(one.source, list) and not (
        (len(one.source) == 2 and one.kind in ("point", "text"))
        or (2 <= len(one.source) <= 6 and one.kind in ("time", "date"))
    ):
        found.append(
            f"{one.to} comes from {len(one.source)} columns: a point needs two, a time two to six"
        )
    if one.unit and unit_code(one.unit) is None:
        found.append(f"Unit {one.unit!r} of {one.to} is not known")
    if one.low is not None and one.high is not None and one.low > one.high:
        found.append(f"{one.to}: low {one.low:g} is above high {one.high:g}")
    return found


def _persons(mapping: Mapping) -> list[str]:
    return [
        f"{one.to} comes from {one.source!r}, which says something of a person "
        f"({one.person}): the context knows no person. Map the table into a table data set instead"
        for one in mapping.fields
        if one.person
    ]


def _places(mapping: Mapping) -> list[str]:
    at = mapping.observed_at
    found = [*([at] if isinstance(at, str) else at), mapping.records]
    for one in mapping.fields:
        found += [one.source] if isinstance(one.source, str) else one.source
    return [one for one in found if one]


def _try(work: Callable[[], object], mistakes: list[str]) -> None:
    try:
        work()
    except ConfigurationError as error:
        mistakes += error.mistakes
    except BadInput as error:
        mistakes.append(error.detail)
