"""What each attribute type may hold, checked member by member (4.5.2 to 4.5.24)."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import orjson

from pintu.kernel.context.members import has_null
from pintu.kernel.context.scalars import check_uri, is_language, is_uri
from pintu.kernel.context.shapes import check_geometry, is_plain_point
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import NULL, Terms

NO_NULLS, UPDATE_NULLS, MERGE_NULLS = 0, 1, 2
"""Where an NGSI-LD Null may stand: nowhere; as a whole value; anywhere inside a value (5.5.4)."""

Check = Callable[[Any, str, int, Terms], Any]


def check_value(kind: str, value: Any, path: str, nulls: int, terms: Terms) -> Any:
    """The stored form of the value of an attribute of type `kind`; the same object when it is one.

    Raises BadRequestData naming `path`.
    """
    if value is None:
        raise BadRequestData(f"{path} is null: to delete use {NULL!r}, where that is allowed")
    return _CHECKS[kind](value, path, nulls, terms)


def _null_allowed(path: str, nulls: int) -> None:
    if nulls == NO_NULLS:
        raise BadRequestData(
            f"{path} holds {NULL!r}, which only deletes in a merge or partial update"
        )


def check_finite(value: Any, path: str) -> None:
    """Raise BadRequestData when NaN or Infinity stands anywhere inside."""
    if value.__class__ is float:
        if not isfinite(value):
            raise BadRequestData(f"{path} holds {value}, which is not a number JSON has")
    elif value.__class__ is dict:
        for item in value.values():
            check_finite(item, path)
    elif value.__class__ is list:
        for item in value:
            check_finite(item, path)


def _property(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value.__class__ is str:
        if value == NULL:
            _null_allowed(path, nulls)
    else:
        check_finite(value, path)
        if nulls < MERGE_NULLS and has_null(value):
            raise BadRequestData(f"{path} holds {NULL!r} inside its value, which only a merge may")
    return value


def _geo(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value.__class__ is str:
        if value == NULL:
            _null_allowed(path, nulls)
            return value
        value = _encoded(value, path)
    if not is_plain_point(value):
        check_geometry(value, path)
    return value


def _encoded(text: str, path: str) -> Any:
    """A geometry written as a JSON string (4.7.2) is stored as the geometry it says."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"{path} is a string that encodes no geometry") from error


def _object(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value == NULL:
        _null_allowed(path, nulls)
    elif value.__class__ is list:
        if not value:
            raise BadRequestData(f"{path} has an empty list of objects")
        for item in value:
            _one_object(item, path)
    else:
        _one_object(value, path)
    return value


def _one_object(value: Any, path: str) -> None:
    if not is_uri(value) or value == NULL:
        raise BadRequestData(f"{path} has the object {value!r}, which is not a URI")


def _language_map(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value.__class__ is str and value == NULL:
        _null_allowed(path, nulls)
        return {"@none": NULL}
    if value.__class__ is not dict or not value:
        raise BadRequestData(f"{path} has a languageMap that is not an object of language tags")
    for tag, text in value.items():
        if not is_language(tag):
            raise BadRequestData(f"{path} has the language tag {tag!r}, which is none (RFC 5646)")
        if text.__class__ is list:
            if not text or any(part.__class__ is not str or part == NULL for part in text):
                raise BadRequestData(
                    f"{path} has a {tag} text that is not a string or list of strings"
                )
        elif text.__class__ is not str:
            raise BadRequestData(f"{path} has a {tag} text that is not a string or list of strings")
        elif text == NULL and nulls < (UPDATE_NULLS if tag == "@none" else MERGE_NULLS):
            raise BadRequestData(f"{path} holds {NULL!r}, which only deletes in a merge or update")
    return value


def _vocab(value: Any, path: str, nulls: int, terms: Terms) -> Any:
    if value.__class__ is str:
        if value == NULL:
            _null_allowed(path, nulls)
            return value
        return _one_vocab(value, path, terms)
    if value.__class__ is not list or not value:
        raise BadRequestData(f"{path} has a vocab that is neither a string nor a list of strings")
    stored = [_one_vocab(item, path, terms) for item in value]
    return value if stored == value else stored


def _one_vocab(value: Any, path: str, terms: Terms) -> str:
    if value.__class__ is not str or not value or value == NULL:
        raise BadRequestData(f"{path} has the vocab {value!r}, which is not a word")
    return terms.stored(value)


def _json(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value.__class__ is str and value == NULL:
        _null_allowed(path, nulls)
        return value
    if value.__class__ is not dict and value.__class__ is not list:
        raise BadRequestData(f"{path} has a json that is neither an object nor a list")
    check_finite(value, path)
    return value


def _value_list(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value == NULL or value == [NULL]:
        _null_allowed(path, nulls)
        return [NULL]
    if value.__class__ is not list:
        raise BadRequestData(f"{path} has a valueList that is not a list")
    check_finite(value, path)
    if any(item is None for item in value) or (nulls < MERGE_NULLS and has_null(value)):
        raise BadRequestData(f"{path} has a null in its valueList")
    return value


def _object_list(value: Any, path: str, nulls: int, _terms: Terms) -> Any:
    if value in (NULL, [NULL], [{"object": NULL}]):
        _null_allowed(path, nulls)
        return [{"object": NULL}]
    if value.__class__ is not list:
        raise BadRequestData(f"{path} has an objectList that is not a list")
    stored = []
    for item in value:
        uri = item.get("object") if item.__class__ is dict and len(item) == 1 else item
        stored.append({"object": check_uri(uri, f"{path} has an objectList entry that")})
    return value if stored == value else stored


_CHECKS: Final[dict[str, Check]] = {
    "Property": _property,
    "GeoProperty": _geo,
    "Relationship": _object,
    "LanguageProperty": _language_map,
    "VocabProperty": _vocab,
    "JsonProperty": _json,
    "ListProperty": _value_list,
    "ListRelationship": _object_list,
}
