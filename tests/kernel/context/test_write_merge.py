"""Merging to any depth (5.5.12): what the fragment names changes, all else stays."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context import write
from pintu.kernel.context.merging import merge_value
from pintu.kernel.context.read import read_entity, read_fragment
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, NULL
from tests.kernel.context.lamps import LAMP, fragment, merged, put

POINT = LAMP["location"]


def test_merge_keeps_what_the_fragment_does_not_name() -> None:
    """unitCode stays, value and observedAt change (5.5.12, example 1)."""
    found = merged(power={"type": "Property", "value": 100, "observedAt": "2026-02-01T00:00:00Z"})
    expected = {**LAMP["power"], "value": 100, "observedAt": "2026-02-01T00:00:00Z"}  # type: ignore[dict-item]
    assert expected == found["power"]


def test_merge_goes_into_values() -> None:
    """Objects are merged to any depth, Nulls delete their keys (5.5.12, example 2)."""
    patch = {"value": {"street": "C", "city": NULL, "geo": {"y": NULL, "z": 3}}}
    assert {"street": "C", "geo": {"x": 1, "z": 3}} == merged(address=patch)["address"]["value"]
    assert {"street": "C", "city": "B"}.items() <= merged(address={"street": "C"})["address"][
        "value"
    ].items()


def test_merge_of_sub_attributes_and_languages() -> None:
    """Sub-attributes are merged, added and deleted; so are languages."""
    found = merged(
        refGroup={"since": {"value": 2021}, "by": {"value": "x"}},
        name={"languageMap": {"en": NULL, "fr": "lampe"}},
    )
    group = found["refGroup"]
    assert "urn:ngsi-ld:Group:1" == group["object"]
    assert {"type": "Property", "value": 2021} == group["since"]
    assert {"type": "Property", "value": "x"} == group["by"]
    assert {"zh": "灯", "fr": "lampe"} == found["name"]["languageMap"]
    assert "since" not in merged(refGroup={"since": NULL})["refGroup"]
    assert "unitCode" not in merged(power={"unitCode": NULL})["power"]


def test_bare_values_take_the_type_that_is_there() -> None:
    """A simplified value never changes the type of an attribute (5.6.17)."""
    other = {"type": "Point", "coordinates": [1, 2]}
    found = merged(power=7, refGroup="urn:ngsi-ld:Group:2", location=other, name={"en": "light"})
    assert {**LAMP["power"], "value": 7} == found["power"]  # type: ignore[dict-item]
    assert ("Relationship", "urn:ngsi-ld:Group:2") == (
        found["refGroup"]["type"],
        found["refGroup"]["object"],
    )
    assert {"type": "GeoProperty", "value": other} == found["location"]
    assert {"zh": "灯", "en": "light"} == found["name"]["languageMap"]
    with pytest.raises(BadRequestData):
        merged(refGroup="nowhere")


def test_common_language_and_time() -> None:
    """lang replaces one language; observedAt renews those that had one and bring none."""
    effect = put(
        write.merge(
            fragment(name="lampe", power=5, address=6),
            lang="fr",
            observed_at="2026-03-01T00:00:00Z",
        )
    )
    assert {"zh": "灯", "en": "lamp", "fr": "lampe"} == effect.entity["name"]["languageMap"]
    assert "2026-03-01T00:00:00Z" == effect.entity["power"]["observedAt"]
    assert "observedAt" not in effect.entity["address"]
    own = fragment(power={"value": 5, "observedAt": "2026-04-01T00:00:00Z"})
    effect = put(write.merge(own, observed_at="2026-03-01T00:00:00Z"))
    assert "2026-04-01T00:00:00Z" == effect.entity["power"]["observedAt"]


def test_merge_with_another_type_replaces() -> None:
    """A normalized attribute of another type takes the place of what is there."""
    found = merged(power={"type": "Relationship", "object": "urn:x:y"})
    assert {"type": "Relationship", "object": "urn:x:y"} == found["power"]


def test_merge_adds_only_what_has_a_value() -> None:
    """A fragment without value cannot make an attribute; Nulls of what is not there do nothing."""
    with pytest.raises(BadRequestData, match="no value"):
        merged(new={"observedAt": "2026-01-01T00:00:00Z"})
    assert "new" not in merged(new=NULL)
    assert {"type": "Property", "value": {"a": 1}} == merged(new={"value": {"a": 1, "b": NULL}})[
        "new"
    ]


def test_no_null_is_ever_stored() -> None:
    """Whatever deletes, nothing of it stays behind."""
    effect = put(
        write.merge(fragment(power={"value": NULL}, new={"value": {"x": {"y": NULL}}, "sub": NULL}))
    )
    assert NULL.encode() not in orjson.dumps(effect.entity)


json_objects = st.recursive(
    st.integers() | st.text(max_size=3) | st.just(NULL),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def rfc_7396(target: Any, patch: Any) -> Any:
    """The algorithm as the RFC writes it."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value == NULL:
            found.pop(name, None)
        else:
            found[name] = rfc_7396(found.get(name), value)
    return found


@settings(deadline=None)
@given(json_objects, json_objects)
def test_values_merge_as_rfc_7396_says(target: Any, patch: Any) -> None:
    """The same result as the RFC's own algorithm, and nothing that was handed in is changed."""
    before = copy.deepcopy((target, patch))
    assert rfc_7396(target, patch) == merge_value(target, patch)
    assert before == (target, patch)


attributes = st.sampled_from(
    [
        5,
        "urn:x:y",
        NULL,
        {"value": 1},
        {"value": {"a": 1, "b": NULL}},
        {"value": NULL, "datasetId": "urn:d:1"},
        {"value": 3, "datasetId": "urn:d:2"},
        {"object": "urn:x:y", "by": {"value": 1}},
        {"languageMap": {"en": "x"}},
        {"unitCode": "X"},
        {"json": {"a": NULL}},
        [{"value": 1}, {"object": "urn:x:z", "datasetId": "urn:d:3"}],
    ]
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["power", "level", "name", "refGroup", "new"]), attributes))
def test_every_merge_leaves_a_stored_document(members: dict[str, Any]) -> None:
    """After any merge that is not refused the document is one that could have been created."""
    try:
        found = put(write.merge(read_fragment(members, CORE))).entity
    except BadRequestData:
        return
    plain = orjson.loads(orjson.dumps(found))
    if b'"json"' not in orjson.dumps(found):
        assert plain == read_entity(plain, CORE)
