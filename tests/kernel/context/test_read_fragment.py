"""Fragments: what changes an entity or an attribute, and where an NGSI-LD Null may stand."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.context.attributes import Bare
from pintu.kernel.context.members import is_null_instance
from pintu.kernel.context.read import read_attribute, read_fragment
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, NULL, Terms
from pintu.kernel.jsonld.compile import compile_context

OWN = Terms(compile_context({"speed": "https://example.org/speed"}))


def test_fragments_may_delete_and_leave_out() -> None:
    """In a merge an NGSI-LD Null may stand anywhere, a value may be left out, id and type too."""
    fragment = {
        "a": NULL,
        "b": {"type": "Property", "value": NULL, "datasetId": "urn:d:1"},
        "c": {"value": {"street": NULL}},
        "d": {"observedAt": "2026-01-01T00:00:00Z"},
        "e": {"type": "Property", "value": 1, "sub": NULL},
        "scope": NULL,
    }
    found = read_fragment(fragment, CORE)
    assert NULL == found["a"] == found["scope"]
    assert {"observedAt": "2026-01-01T00:00:00Z"} == found["d"]


def test_nulls_are_refused_where_the_operation_has_none() -> None:
    """Append has none, update none inside a value (5.5.4)."""
    with pytest.raises(BadRequestData):
        read_fragment({"a": NULL}, CORE, nulls="none")
    assert {"a": NULL} == read_fragment({"a": NULL}, CORE, nulls="update")
    with pytest.raises(BadRequestData):
        read_fragment({"a": {"value": {"x": NULL}}}, CORE, nulls="update")


def test_bare_values_of_a_merge_know_that_they_are() -> None:
    """Their type is a guess, so that an existing attribute's type can win."""
    found = read_fragment({"a": 5, "b": {"value": 5}}, CORE)
    assert isinstance(found["a"], Bare) and not isinstance(found["b"], Bare)
    assert {"type": "Property", "value": 5} == found["a"]


def test_simplified_objects_are_values() -> None:
    """With keyValues an object with a `type` of its own is a value, datasets are instances."""
    given_one = {
        "address": {"type": "PostalAddress", "street": "x"},
        "name": {"dataset": {"@none": "a", "urn:d:1": "b"}},
        "list": [{"type": "Property", "value": 1}],
    }
    found = read_fragment(given_one, CORE, simplified=True)
    assert {"type": "Property", "value": {"type": "PostalAddress", "street": "x"}} == found[
        "address"
    ]
    assert [None, "urn:d:1"] == [item.get("datasetId") for item in found["name"]]
    assert [{"type": "Property", "value": 1}] == found["list"]["value"]


def test_attribute_fragments() -> None:
    """A partial update needs no value; a whole replacement does; scope, id and type are no
    attributes."""
    assert ("a", {"unitCode": "MTR"}) == read_attribute({"unitCode": "MTR"}, "a", CORE)
    assert ("a", {"value": 5}) == read_attribute({"value": 5, "@context": []}, "a", CORE)
    assert ("https://example.org/speed", {"value": 5}) == read_attribute({"value": 5}, "speed", OWN)
    assert ("a", {"value": 5}) == read_attribute({"a": {"value": 5}}, "a", CORE)
    with pytest.raises(BadRequestData):
        read_attribute({"unitCode": "MTR"}, "a", CORE, nulls="none", partial=False)
    for name in ("scope", "id", "type", "createdAt"):
        with pytest.raises(BadRequestData):
            read_attribute({"value": 5}, name, CORE)
    for fragment in ({}, [], {"value": {"x": NULL}}, {"value": None}):
        with pytest.raises(BadRequestData):
            read_attribute(fragment, "a", CORE)


@pytest.mark.parametrize(
    ("attribute", "stored"),
    [
        ({"type": "LanguageProperty", "languageMap": NULL}, {"languageMap": {"@none": NULL}}),
        ({"type": "VocabProperty", "vocab": NULL}, {"vocab": NULL}),
        ({"type": "JsonProperty", "json": NULL}, {"json": NULL}),
        ({"type": "GeoProperty", "value": NULL}, {"value": NULL}),
        ({"type": "ListProperty", "valueList": NULL}, {"valueList": [NULL]}),
        ({"type": "ListRelationship", "objectList": [NULL]}, {"objectList": [{"object": NULL}]}),
        ({"type": "Property", "value": 1, "unitCode": NULL}, {"value": 1, "unitCode": NULL}),
    ],
)
def test_every_type_has_its_null(attribute: Any, stored: dict[str, Any]) -> None:
    """Each Null is stored in one form in a fragment, and refused where nothing may be deleted."""
    found = read_fragment({"a": attribute}, CORE)["a"]
    assert {"type": attribute["type"], **stored} == found
    if "unitCode" not in attribute:
        assert is_null_instance(found)
    with pytest.raises(BadRequestData):
        read_fragment({"a": attribute}, CORE, nulls="none")


@pytest.mark.parametrize(
    "attribute",
    [
        {"type": "VocabProperty", "vocab": []},
        {"type": "VocabProperty", "vocab": [5]},
        {"type": "ListProperty", "valueList": [None]},
        {"type": "ListRelationship", "objectList": "urn:x:y"},
        {"type": "LanguageProperty", "languageMap": []},
        {"type": "LanguageProperty", "languageMap": {"en": []}},
        {"type": "GeoProperty", "value": "{"},
        {"type": "GeoProperty", "value": 5},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1]}},
        {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": 5}},
        {"type": "Relationship", "object": "urn:x:y", "objectType": 5},
        {"dataset": {}},
        {"dataset": {"here": 1}},
        {"dataset": {"@none": [{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}]}},
    ],
)
def test_wrong_values_of_each_type(attribute: Any) -> None:
    """Empty, of the wrong kind or unreadable: BadRequestData, in a fragment too."""
    with pytest.raises(BadRequestData):
        read_fragment({"a": attribute}, CORE)


def test_datasets_of_normalized_values() -> None:
    """The simplified form of several instances may hold wrapped values."""
    found = read_fragment({"a": {"dataset": {"@none": {"vocab": "x"}, "urn:d:1": "y"}}}, CORE)
    assert [{"vocab": "x"}, {"type": "Property", "value": "y", "datasetId": "urn:d:1"}] == found[
        "a"
    ]
