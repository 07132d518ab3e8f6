"""What may come in, what is stored of it, and what is refused with which words."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.read import (
    read_attribute,
    read_entity,
    read_entity_bytes,
    read_fragment,
)
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, NULL, Terms
from pintu.kernel.jsonld.compile import compile_context

OWN = Terms(
    compile_context(
        {
            "ex": "https://example.org/",
            "speed": "ex:speed",
            "Vehicle": "ex:Vehicle",
            "stopped": "ex:stopped",
        }
    )
)
POINT = {"type": "Point", "coordinates": [120.1, 30.2]}


def entity(**members: Any) -> dict[str, Any]:
    """A lamp with these members."""
    return {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", **members}


def stored(attribute: Any) -> Any:
    """What is stored of an attribute."""
    return read_entity(entity(a=attribute), CORE)["a"]


def refusal(**members: Any) -> str:
    """The words an entity is refused with."""
    with pytest.raises(BadRequestData) as caught:
        read_entity(entity(**members), CORE)
    return caught.value.detail


@pytest.mark.parametrize(
    "attribute",
    [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": "on", "unitCode": "P1"},
        {"type": "Property", "value": True, "observedAt": "2026-01-31T08:00:00Z"},
        {"type": "Property", "value": {"street": "West Lake Road", "none": None}},
        {"type": "Property", "value": []},
        {"type": "Property", "value": POINT},
        {"type": "GeoProperty", "value": POINT},
        {"type": "GeoProperty", "value": POINT, "precision": {"type": "Property", "value": 3}},
        {"type": "Relationship", "object": "urn:x:y", "objectType": "Cabinet"},
        {"type": "Relationship", "object": ["urn:x:y", "urn:x:z"]},
        {"type": "Relationship", "object": "urn:ngsi-ld:路:西湖"},
        {"type": "LanguageProperty", "languageMap": {"zh": "灯", "en": ["lamp", "light"]}},
        {"type": "VocabProperty", "vocab": ["stopped", "moving"]},
        {"type": "JsonProperty", "json": {"type": "raw", "value": None}},
        {"type": "ListProperty", "valueList": [1, "a", [2]]},
        {"type": "ListRelationship", "objectList": [{"object": "urn:x:y"}]},
        {
            "type": "Property",
            "value": 1,
            "valueType": "Double",
            "expiresAt": "2100-01-01T00:00:00Z",
        },
        [
            {"type": "Property", "value": 1},
            {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
        ],
        {"type": "Property", "value": 1, "datasetId": "urn:d:1"},
    ],
)
def test_what_is_in_stored_form_is_stored_as_it_came(attribute: Any) -> None:
    """The very same object comes back, and the reader says its bytes may be stored."""
    given_one = entity(a=attribute)
    before = copy.deepcopy(given_one)
    assert (given_one, True) == read_entity_bytes(given_one, CORE)
    document, unchanged = read_entity_bytes(given_one, CORE)
    assert unchanged and document is given_one
    assert before == given_one


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        (5, {"type": "Property", "value": 5}),
        ("on", {"type": "Property", "value": "on"}),
        ([1, 2], {"type": "Property", "value": [1, 2]}),
        ({"street": "x"}, {"type": "Property", "value": {"street": "x"}}),
        (POINT, {"type": "GeoProperty", "value": POINT}),
        ({"value": POINT}, {"type": "GeoProperty", "value": POINT}),
        ({"value": 5, "unitCode": "KWH"}, {"type": "Property", "value": 5, "unitCode": "KWH"}),
        ({"object": "urn:x:y"}, {"type": "Relationship", "object": "urn:x:y"}),
        ({"languageMap": {"en": "x"}}, {"type": "LanguageProperty", "languageMap": {"en": "x"}}),
        ({"vocab": "stopped"}, {"type": "VocabProperty", "vocab": "stopped"}),
        ({"json": [1]}, {"type": "JsonProperty", "json": [1]}),
        ({"valueList": [1]}, {"type": "ListProperty", "valueList": [1]}),
        (
            {"objectList": ["urn:x:y"]},
            {"type": "ListRelationship", "objectList": [{"object": "urn:x:y"}]},
        ),
        (
            {"value": 5, "by": {"value": 6, "at": {"object": "urn:x:y"}}},
            {
                "type": "Property",
                "value": 5,
                "by": {
                    "type": "Property",
                    "value": 6,
                    "at": {"type": "Relationship", "object": "urn:x:y"},
                },
            },
        ),
    ],
)
def test_concise_forms_get_their_type(attribute: Any, expected: Any) -> None:
    """The type is inferred from the value member, or from the value itself (4.5.2.3)."""
    assert expected == stored(attribute)


def test_the_default_instance_comes_first() -> None:
    """Instances are told apart by datasetId; `@none` is the default and is not written down."""
    given_one = [
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
        {"type": "Property", "value": 1, "datasetId": "@none"},
    ]
    expected = [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ]
    assert expected == stored(given_one)
    assert expected[0] == stored([expected[0]])


def test_system_members_are_ignored() -> None:
    """createdAt, modifiedAt, deletedAt and instanceId are the system's: dropped wherever they
    stand."""
    when = "2020-01-01T00:00:00Z"
    attribute = {"type": "Property", "value": 1, "createdAt": when, "instanceId": "urn:i:1"}
    found = read_entity(entity(createdAt=when, modifiedAt="x", a=attribute), CORE)
    assert entity(a={"type": "Property", "value": 1}) == found


def test_names_are_stored_names() -> None:
    """Attributes, types, vocabulary and object types are translated; `@id` and `@type` are
    aliases."""
    found = read_entity(
        {
            "@id": "urn:x:1",
            "@type": ["Vehicle", "Car"],
            "@context": "https://ignored.example/",
            "speed": {
                "value": 1,
                "ex:by": {"object": "urn:x:2", "objectType": "Vehicle"},
            },
            "state": {"vocab": "stopped"},
        },
        OWN,
    )
    by = {"type": "Relationship", "object": "urn:x:2", "objectType": "https://example.org/Vehicle"}
    assert {
        "id": "urn:x:1",
        "type": ["Car", "https://example.org/Vehicle"],
        "https://example.org/speed": {"type": "Property", "value": 1, "https://example.org/by": by},
        "state": {"type": "VocabProperty", "vocab": "https://example.org/stopped"},
    } == found


def test_scope_and_expiry() -> None:
    """Scopes are a list without doubles, expiresAt a timestamp; a comma becomes a point."""
    found = read_entity(entity(scope="/a/b", expiresAt="2100-01-01T00:00:00,5Z"), CORE)
    assert (["/a/b"], "2100-01-01T00:00:00.5Z") == (found["scope"], found["expiresAt"])


def test_geometries_may_be_encoded_as_strings() -> None:
    """A GeoProperty whose value is a JSON string is stored as the geometry it encodes (4.7.2)."""
    text = orjson.dumps(POINT).decode()
    assert {"type": "GeoProperty", "value": POINT} == stored({"type": "GeoProperty", "value": text})


def test_a_polygon_that_crosses_itself_is_accepted() -> None:
    """RFC 7946 does not forbid it, and clients send it."""
    ring = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]
    value = {"type": "Polygon", "coordinates": [ring]}
    assert {"type": "GeoProperty", "value": value} == stored(
        {"type": "GeoProperty", "value": value}
    )


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"type": "Property"}, "a is a Property without value"),
        ({"type": "Property", "value": None}, "a is null"),
        (None, "a is null"),
        ({"type": "Property", "value": NULL}, "only deletes"),
        (NULL, "only deletes"),
        ({"type": "Property", "value": {"x": {"y": NULL}}}, "inside its value"),
        ({"type": "Property", "value": 1, "sub": {"type": "Property", "value": NULL}}, "a.sub"),
        ({"type": "Property", "value": float("nan")}, "not a number JSON has"),
        ({"type": "Property", "value": [float("inf")]}, "not a number JSON has"),
        ({"type": "Property", "value": 1, "object": "urn:x:y"}, "cannot have object"),
        ({"type": "Property", "value": 1, "previousValue": 0}, "cannot have previousValue"),
        (
            {"type": "Property", "value": 1, "entityIdSealed": "urn:x:y"},
            "cannot have entityIdSealed",
        ),
        ({"type": "Property", "value": 1, "@context": {}}, "holds a @context"),
        ({"type": "Property", "value": 1, "unitCode": 5}, "unitCode of a"),
        ({"type": "Property", "value": 1, "observedAt": "yesterday"}, "not a UTC timestamp"),
        ({"type": "Property", "value": 1, "observedAt": "2026-02-30T00:00:00Z"}, "not a UTC"),
        ({"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00+08:00"}, "not a UTC"),
        (
            {"type": "Property", "value": 1, "observedAt": {"type": "Property"}},
            "not a UTC timestamp",
        ),
        ({"type": "Property", "value": 1, "datasetId": "one"}, "datasetId of a 'one' is not a URI"),
        ({"type": "Sensor", "value": 1}, "has the type 'Sensor'"),
        ({"type": "Relationship", "object": "here"}, "not a URI"),
        ({"type": "Relationship", "object": []}, "empty list"),
        ({"type": "Relationship", "object": "urn:x:y", "unitCode": "MTR"}, "no unitCode"),
        ({"type": "LanguageProperty", "languageMap": {"": "x"}}, "language tag"),
        ({"type": "LanguageProperty", "languageMap": {"en": 5}}, "not a string"),
        ({"type": "LanguageProperty", "languageMap": {"@none": NULL}}, "only deletes"),
        ({"languageMap": {"en": "x"}, "valueType": "string"}, "langString"),
        ({"type": "VocabProperty", "vocab": 5}, "vocab"),
        ({"type": "JsonProperty", "json": 5}, "neither an object nor a list"),
        ({"type": "ListProperty", "valueList": 5}, "not a list"),
        ({"type": "ListRelationship", "objectList": ["x y"]}, "not a URI"),
        ({"type": "GeoProperty", "value": {"type": "Circle", "coordinates": []}}, "'Circle'"),
        ({"type": "GeoProperty", "value": {"type": "GeometryCollection"}}, "GeometryCollection"),
        ({"type": "GeoProperty", "value": {"type": "Point"}}, "without coordinates"),
        (
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": ["1", 2]}},
            "not a number",
        ),
        ({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [30, 120]}}, "swapped"),
        ({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [200, 300]}}, "outside"),
        (
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [True, 2]}},
            "not a number",
        ),
        (
            {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 2]]}},
            "fewer than 2",
        ),
        (
            {
                "type": "GeoProperty",
                "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
            },
            "not closed",
        ),
        ([{"value": 1}, {"value": 2}], "more than one default instance"),
        (
            [{"value": 1, "datasetId": "urn:d:1"}, {"value": 2, "datasetId": "urn:d:1"}],
            "more than one instance urn:d:1",
        ),
        ({"value": 1, "object": "urn:x:y"}, "both value and object"),
        ({"value": 1, "datasetId": NULL}, "cannot be deleted"),
        ({"value": 1, "my name": 5}, "is not a name"),
        ({"value": 1, "type": ["Property"]}, "has the type"),
    ],
)
def test_wrong_attributes_are_refused_by_name(attribute: Any, words: str) -> None:
    """Each mistake is BadRequestData whose detail names the member and what is wrong with it."""
    assert words in refusal(a=attribute)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"id": "lamp 1"}, "is not a URI"),
        ({"id": NULL}, "is not a URI"),
        ({"id": "urn:ngsi-ld:Lamp:A\u202eB"}, "is not a URI"),
        ({"id": "urn:ngsi-ld:Lamp:A\u200bB"}, "is not a URI"),
        ({"id": 5}, "is not a URI"),
        ({"type": "9Lamp"}, "is not a name"),
        ({"type": []}, "neither a name nor a list"),
        ({"type": ""}, "is not a name"),
        ({"scope": "9bad"}, "scope"),
        ({"scope": ["/ok", "/a//b"]}, "scope"),
        ({"scope": NULL}, "scope"),
        ({"expiresAt": "soon"}, "expiresAt"),
        ({"datasetId": {"type": "Property", "value": 1}}, "core term"),
        ({"observedAt": {"type": "Property", "value": 1}}, "core term"),
        ({"location": {"type": "Property", "value": 7}}, "must be a GeoProperty"),
        ({"location": 7}, "must be a GeoProperty"),
        ({"bad<name": 1}, "is not a name"),
        ({"ngsildproof": {"type": "Property", "value": "x"}}, "ngsildproof"),
    ],
)
def test_wrong_entities_are_refused_by_name(members: dict[str, Any], words: str) -> None:
    """Ids, types, scopes, reserved and core names are checked."""
    assert words in refusal(**members)


def test_special_attributes_are_looked_at_every_time() -> None:
    """A good one before does not open the door for a bad one after it."""
    good = {"ngsildproof": {"type": "Property", "value": {}}, "location": {"value": POINT}}
    assert good.keys() <= read_entity(entity(**good), CORE).keys()
    assert "not an object" in refusal(ngsildproof={"type": "Property", "value": "x"})
    assert "must be a GeoProperty" in refusal(location={"type": "Property", "value": 5})


def test_missing_id_type_and_shape() -> None:
    """An entity is an object with id and type."""
    for given_one in ({"type": "Lamp"}, {"id": "urn:x:y"}, [], None, "x"):
        with pytest.raises(BadRequestData):
            read_entity(given_one, CORE)


def test_one_name_under_two_spellings_is_refused() -> None:
    """A term and its IRI are the same attribute."""
    with pytest.raises(BadRequestData, match="twice"):
        read_entity({**entity(speed=1), "https://example.org/speed": 2}, OWN)


def test_depth_is_limited() -> None:
    """Sub-attributes may be nested 16 deep, not more."""

    def nested(depth: int) -> Any:
        attribute: dict[str, Any] = {"type": "Property", "value": 0}
        for _ in range(depth - 1):
            attribute = {"type": "Property", "value": 0, "sub": attribute}
        return attribute

    assert stored(nested(16))
    assert "deeper than 16" in refusal(a=nested(17))


_WORDS = ["type", "value", "object", "languageMap", "json", "vocab", "valueList", "objectList"]
_WORDS += ["datasetId", "observedAt", "unitCode", "a", "@context", "dataset"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_WORDS),
            inner | st.sampled_from(["Property", "Relationship", NULL, "urn:x:y", "GeoProperty"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values, st.sampled_from(["none", "update", "merge"]), st.booleans())
def test_any_json_is_read_or_refused(value: Any, nulls: Any, simplified: bool) -> None:
    """Whatever is sent: a stored form or BadRequestData, never another error, never a changed
    input."""
    before = copy.deepcopy(value)
    for read in (
        lambda: read_entity(entity(a=value), CORE),
        lambda: read_fragment({"a": value}, OWN, nulls=nulls, simplified=simplified),
        lambda: read_attribute(value, "a", OWN, nulls=nulls),
    ):
        try:
            found = read()
        except BadRequestData:
            continue
        assert found is not None
    assert repr(before) == repr(value)


@settings(deadline=None)
@given(json_values)
def test_what_is_stored_is_read_again_unchanged(value: Any) -> None:
    """Reading is idempotent: a stored document is in stored form."""
    try:
        document = read_entity(entity(a=value), CORE)
    except BadRequestData:
        return
    again, unchanged = read_entity_bytes(document, CORE)
    assert unchanged and again is document
