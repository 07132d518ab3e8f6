"""The representations of 4.5: what is shown of a record, to whom, in which form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.languages import best_text, read_ranges
from pintu.kernel.context.read import read_entity
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render, render_all, whole_bytes
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, Terms
from pintu.kernel.jsonld.compile import compile_context

BORN, CHANGED = 1_700_000_000_000_000, 1_700_000_001_500_000
POINT = {"type": "Point", "coordinates": [120.1, 30.2]}
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


def record(times: Any = None, /, **members: Any) -> Record:
    """A stored lamp with these members."""
    entity = read_entity({"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", **members}, CORE)
    types = entity["type"] if isinstance(entity["type"], list) else [entity["type"]]
    encoded = None if times is None else orjson.dumps(times)
    return Record(1, entity["id"], tuple(types), orjson.dumps(entity), BORN, CHANGED, encoded)


def shown(attribute: Any, terms: Terms = CORE, **view: Any) -> Any:
    """How one attribute is shown."""
    return render(record(a=attribute), terms, View(**view))["a"]


EVERY: dict[str, Any] = {
    "property": {"type": "Property", "value": 5, "unitCode": "KMH"},
    "place": {"type": "GeoProperty", "value": POINT},
    "relation": {"type": "Relationship", "object": "urn:x:y", "objectType": "Pole"},
    "language": {"type": "LanguageProperty", "languageMap": {"en": "hi"}},
    "vocab": {"type": "VocabProperty", "vocab": "stopped"},
    "raw": {"type": "JsonProperty", "json": {"a": 1}},
    "numbers": {"type": "ListProperty", "valueList": [1.2, 3.4]},
    "route": {"type": "ListRelationship", "objectList": [{"object": "urn:x:y"}]},
    "several": [
        {"type": "Property", "value": 5},
        {"type": "Property", "value": 6, "datasetId": "urn:d:1"},
    ],
}


@pytest.mark.parametrize("attribute", EVERY.values(), ids=EVERY)
def test_normalized_without_a_context_is_what_is_stored(attribute: Any) -> None:
    """Stored documents are normalized: nothing has to be done."""
    assert attribute == shown(attribute)


def test_whole_bytes_are_the_stored_bytes() -> None:
    """The very bytes, unless a scope or expiry has to be shown differently."""
    plain = record(**{key: value for key, value in EVERY.items() if key not in ("vocab",)}, v=1)
    assert plain.body is whole_bytes(plain)
    assert b'"scope":"/a"' in whole_bytes(record(scope=["/a"]))
    assert b'"scope":["/a","/b"]' in whole_bytes(record(scope=["/a", "/b"]))
    assert b"expiresAt" not in whole_bytes(record(expiresAt="2100-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("property", 5),
        ("place", POINT),
        ("relation", "urn:x:y"),
        ("language", {"languageMap": {"en": "hi"}}),
        ("vocab", {"vocab": "stopped"}),
        ("raw", {"json": {"a": 1}}),
        ("numbers", [1.2, 3.4]),
        ("route", ["urn:x:y"]),
        ("several", {"dataset": {"@none": 5, "urn:d:1": 6}}),
    ],
)
def test_simplified(name: str, expected: Any) -> None:
    """Values alone, wrapped where they would be taken for something else (4.5.4)."""
    assert expected == shown(EVERY[name], format="simplified")


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"type": "Property", "value": 5}, 5),
        ({"type": "Property", "value": {"street": "x"}}, {"street": "x"}),
        (EVERY["property"], {"value": 5, "unitCode": "KMH"}),
        (EVERY["place"], POINT),
        (EVERY["relation"], {"object": "urn:x:y", "objectType": "Pole"}),
        (EVERY["language"], {"languageMap": {"en": "hi"}}),
        (EVERY["raw"], {"json": {"a": 1}}),
        (EVERY["numbers"], {"valueList": [1.2, 3.4]}),
        (EVERY["several"], [{"value": 5}, {"value": 6, "datasetId": "urn:d:1"}]),
        (
            {"type": "Property", "value": 5, "by": {"type": "Property", "value": 6}},
            {"value": 5, "by": 6},
        ),
        ({"type": "Property", "value": {"type": "A"}}, {"value": {"type": "A"}}),
        ({"type": "Property", "value": {"value": 1}}, {"value": {"value": 1}}),
        ({"type": "Property", "value": POINT}, {"type": "Property", "value": POINT}),
        ({"type": "Property", "value": [{"value": 1}]}, {"value": [{"value": 1}]}),
    ],
)
def test_concise(attribute: Any, expected: Any) -> None:
    """What can be inferred is left out, and nothing else (4.5.2.3)."""
    assert expected == shown(attribute, format="concise")


values = st.recursive(
    st.integers(-(2**53), 2**53) | st.text(max_size=4) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "value", "object", "json", "dataset", "coordinates", "a", "unitCode"]
            ),
            inner | st.sampled_from(["Property", "Point"]),
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(values, st.sampled_from([{}, {"unitCode": "X"}, {"by": {"type": "Property", "value": 1}}]))
def test_concise_loses_nothing(value: Any, more: dict[str, Any]) -> None:
    """Whatever a Property holds, its concise form is read back as the same Property."""
    attribute = {"type": "Property", "value": value, **more}
    concise = shown(attribute, format="concise")
    assert attribute == read_entity({"id": "urn:x:y", "type": "T", "a": concise}, CORE)["a"]


def test_names_of_the_caller() -> None:
    """Types, attributes, sub-attributes, vocabulary and object types are shown by the caller's
    names."""
    members = {
        "type": ["https://example.org/Vehicle", "Lamp"],
        "https://example.org/speed": {
            "value": 1,
            "https://example.org/by": {
                "object": "urn:x:y",
                "objectType": "https://example.org/Vehicle",
            },
        },
        "state": {"vocab": ["https://example.org/stopped"]},
    }
    found = render(record(**members), OWN, View())
    assert ["Lamp", "Vehicle"] == sorted(found["type"])
    assert "Vehicle" == found["speed"]["ex:by"]["objectType"]
    assert ["stopped"] == found["state"]["vocab"]
    plain = render(record(**members), CORE, View())
    assert "https://example.org/speed" in plain
    assert {"vocab": ["stopped"]} == render(record(**members), OWN, View(format="simplified"))[
        "state"
    ]


def test_system_times() -> None:
    """sysAttrs shows when entity, attributes and sub-attributes came and changed; whole seconds as
    such."""
    times = {"b": [BORN, CHANGED], "c urn:d:1": [CHANGED, CHANGED]}
    found = render(
        record(
            times,
            a={"value": 1, "sub": {"value": 2}},
            b=2,
            c=[{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}],
            expiresAt="2100-01-01T00:00:00Z",
        ),
        CORE,
        View(sys_attrs=True),
    )
    born, changed = "2023-11-14T22:13:20Z", "2023-11-14T22:13:21.500Z"
    assert (born, changed) == (found["createdAt"], found["modifiedAt"])
    assert "2100-01-01T00:00:00Z" == found["expiresAt"]
    assert (born, born) == (found["a"]["createdAt"], found["a"]["modifiedAt"])
    assert born == found["a"]["sub"]["createdAt"]
    assert (born, changed) == (found["b"]["createdAt"], found["b"]["modifiedAt"])
    assert [born, changed] == [item["createdAt"] for item in found["c"]]


def test_a_replaced_entity_has_new_attributes() -> None:
    """`*` gives the times of all attributes that are not named."""
    found = render(record({"*": [CHANGED, CHANGED]}, a=1), CORE, View(sys_attrs=True))
    assert "2023-11-14T22:13:21.500Z" == found["a"]["createdAt"]


def test_expiry_is_hidden_without_system_times() -> None:
    """expiresAt is shown with sysAttrs only; what has expired is not shown at all when a time is
    given."""
    attribute = {"value": 1, "expiresAt": "2023-01-01T00:00:00Z"}
    assert {"type": "Property", "value": 1} == shown(attribute)
    assert "expiresAt" in shown(attribute, sys_attrs=True)
    found = render(record(a=attribute, b=1), CORE, View(now_us=BORN))
    assert {"id", "type", "b"} == found.keys()


@pytest.mark.parametrize(
    ("view", "members"),
    [
        ({"attrs": frozenset({"a", "x"})}, {"id", "type", "scope", "a"}),
        ({"pick": frozenset({"id", "a"})}, {"id", "a"}),
        ({"pick": frozenset({"b"})}, {"b"}),
        ({"omit": frozenset({"type", "a"})}, {"id", "scope", "b"}),
        ({"hidden": frozenset({"a"})}, {"id", "type", "scope", "b"}),
        ({"allowed": frozenset({"a"})}, {"id", "type", "scope", "a"}),
        ({"allowed": frozenset({"a"}), "hidden": frozenset({"a"})}, {"id", "type", "scope"}),
    ],
)
def test_narrowing(view: dict[str, Any], members: set[str]) -> None:
    """attrs, pick and omit of the request, allowed and hidden of the gate."""
    assert members == render(record(a=1, b=2, scope="/x"), CORE, View(**view)).keys()


def test_instances_by_dataset() -> None:
    """Only the instances asked for; an attribute without any of them is left out (4.5.5)."""
    several = EVERY["several"]
    assert several[1] == shown(several, dataset_ids=frozenset({"urn:d:1"}))
    assert several[0] == shown(several, dataset_ids=frozenset({"@none"}))
    assert several == shown(several, dataset_ids=frozenset({"@none", "urn:d:1"}))
    found = render(record(a=several), CORE, View(dataset_ids=frozenset({"urn:d:9"})))
    assert "a" not in found


def test_language_filter() -> None:
    """A LanguageProperty becomes a Property with the best text and its language (4.15)."""
    attribute = {"languageMap": {"en": "x", "fr": "y"}, "by": {"languageMap": {"fr": "z"}}}
    found = shown(attribute, lang="fr")
    assert {
        "type": "Property",
        "value": "y",
        "lang": "fr",
        "by": {"type": "Property", "value": "z", "lang": "fr"},
    } == found
    assert "y" == shown(attribute, lang="fr", format="simplified")
    assert {"value": "x", "lang": "en"}.items() <= shown(
        attribute, lang="en", format="concise"
    ).items()


@pytest.mark.parametrize(
    ("ranges", "tag"),
    [
        ("fr;q=0.2,nl;q=0.9", "nl"),
        ("FR", "fr"),
        ("nl-BE", "nl"),
        ("pt", "@none"),
        ("*", "@none"),
        ("zh", "zh-CN"),
        ("pt,fr;q=0.5", "fr"),
        ("fr;q=0", "@none"),
        ("zh-Hans-CN", "zh-CN"),
    ],
)
def test_language_ranges(ranges: str, tag: str) -> None:
    """Quality first, then the order; longer and shorter tags match; else any language."""
    texts = {"fr": "a", "nl": "b", "zh-CN": "c", "@none": "d"}
    assert (tag, texts[tag]) == best_text(texts, read_ranges(ranges))


@pytest.mark.parametrize("text", ["fr;q=2", "fr;x=1", "f r", "", "fr;q=a", "ab;q=nan"])
def test_senseless_languages_are_refused(text: str) -> None:
    """What is no language range is BadRequestData."""
    with pytest.raises(BadRequestData):
        read_ranges(text)


def test_geojson() -> None:
    """A Feature has the chosen geometry, and everything but the id among its properties
    (4.5.16)."""
    view = View(geojson=True)
    found = render(record(location=EVERY["place"], a=1), CORE, view)
    assert {"id", "type", "geometry", "properties"} == found.keys()
    assert ("urn:ngsi-ld:Lamp:1", "Feature", POINT) == (
        found["id"],
        found["type"],
        found["geometry"],
    )
    assert {"type", "location", "a"} == found["properties"].keys()
    simple = render(record(location=EVERY["place"]), CORE, View(geojson=True, format="simplified"))
    assert POINT == simple["properties"]["location"]
    assert "FeatureCollection" == render_all([record(a=1)], CORE, view)["type"]


@pytest.mark.parametrize(
    ("members", "view", "geometry"),
    [
        ({"a": 1}, {}, None),
        ({"a": 1}, {"geometry_property": "a"}, None),
        ({"place": EVERY["place"]}, {"geometry_property": "place"}, POINT),
        ({"location": EVERY["place"]}, {"hidden": frozenset({"location"})}, None),
        ({"location": EVERY["place"]}, {"attrs": frozenset({"a"})}, POINT),
        ({"location": {**EVERY["place"], "datasetId": "urn:d:1"}}, {}, None),
        (
            {"location": {**EVERY["place"], "datasetId": "urn:d:1"}},
            {"dataset_ids": frozenset({"urn:d:1"})},
            POINT,
        ),
    ],
)
def test_geometry_of_a_feature(members: Any, view: Any, geometry: Any) -> None:
    """The default instance, or the one asked for; null where there is none, or none may be seen."""
    assert geometry == render(record(**members), CORE, View(geojson=True, **view))["geometry"]


def test_a_view_knows_when_it_changes_nothing() -> None:
    """Only then stored bytes may be sent."""
    assert View().whole
    for changed in ({"lang": "en"}, {"hidden": frozenset({"a"})}, {"sys_attrs": True}):
        assert not View(**changed).whole
