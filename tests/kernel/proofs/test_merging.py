"""Merging entities (5.5.12) against a model that knows one rule: what the patch names changes."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st

from pintu.kernel.context import write
from pintu.kernel.context.read import read_entity, read_fragment
from pintu.kernel.context.record import Keep, Put, Record
from pintu.kernel.jsonld import CORE, NULL
from tests.kernel.context.lamps import record
from tests.kernel.proofs.examples import tried

MAIN = {
    "Property": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
}
KINDS = {"p": "Property", "q": "Property", "r": "Relationship", "l": "LanguageProperty",
         "v": "VocabProperty"}  # fmt: skip
keys = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(st.integers(0, 3), st.text("xy", max_size=2), st.booleans())
objects = st.recursive(
    st.dictionaries(keys, leaves, min_size=1, max_size=2),
    lambda inner: st.dictionaries(keys, inner | leaves, min_size=1, max_size=2),
    max_leaves=4,
)
patches = st.recursive(
    st.dictionaries(keys, leaves | st.just(NULL), min_size=1, max_size=2),
    lambda inner: st.dictionaries(keys, inner | leaves | st.just(NULL), min_size=1, max_size=2),
    max_leaves=4,
)


def content(kind: str, *, patch: bool) -> st.SearchStrategy[Any]:
    """A value of a kind of attribute, in a patch perhaps with nulls inside."""
    if kind == "Relationship":
        return st.sampled_from(["urn:x:1", "urn:x:2"])
    if kind == "VocabProperty":
        return st.sampled_from(["open", "closed"])
    if kind == "LanguageProperty":
        texts = st.text("ab", min_size=1, max_size=2)
        maps = st.dictionaries(
            st.sampled_from(["en", "zh"]), texts | st.just(NULL) if patch else texts, min_size=1
        )
        return maps
    return leaves | (patches if patch else objects)


@st.composite
def attributes(draw: st.DrawFn, kind: str, *, patch: bool, deep: bool = True) -> dict[str, Any]:
    """An attribute with members and sub-attributes; a patch need not say its value."""
    made: dict[str, Any] = {"type": kind}
    if not patch or draw(st.booleans()):
        made[MAIN[kind]] = draw(content(kind, patch=patch))
    if draw(st.booleans()):
        made["observedAt"] = draw(st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]))
    if kind == "Property" and draw(st.booleans()):
        made["unitCode"] = draw(st.sampled_from(["WTT", "KWT"]))
    if deep and draw(st.booleans()):
        sub = attributes("Property", patch=patch, deep=False)
        made["sub"] = draw(sub | st.just(NULL) if patch else sub)
    return made


@st.composite
def entities(draw: st.DrawFn, *, patch: bool) -> dict[str, Any]:
    """Attributes whose kinds go by their names, so that a patch never changes one."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=4)):
        attribute = attributes(KINDS[name], patch=patch)
        found[name] = draw(attribute | st.just(NULL) if patch else attribute)
    return found


def naive(target: Any, patch: Any) -> Any:
    """RFC 7396 with the null of NGSI-LD: nothing else is known here."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value == NULL:
            found.pop(name, None)
        else:
            found[name] = naive(found.get(name), value)
    return found


def valued(attribute: Any) -> bool:
    """Whether an attribute, and what is inside of it, says its value."""
    if not isinstance(attribute, dict) or MAIN.get(attribute.get("type", "")) not in attribute:
        return False
    return attribute[MAIN[attribute["type"]]] not in ({}, None) and (
        "sub" not in attribute or valued(attribute["sub"])
    )


@tried
@given(entities(patch=False), entities(patch=True))
def test_a_merge_changes_what_the_patch_names(stored: Any, patch: Any) -> None:
    """The merged entity is the model's, and nothing that was handed in is changed."""
    head = {"id": "urn:x:1", "type": "T"}
    expected = {**head, **naive(stored, patch)}
    # an attribute that would be left without a value is another rule's business
    assume(all(valued(expected[name]) for name in expected if name not in head))
    present = record(read_entity(copy.deepcopy({**head, **stored}), CORE))
    before = present.body
    assert expected == _merged(present, read_fragment(copy.deepcopy(patch), CORE))
    assert before == present.body


def _merged(present: Record, fragment: dict[str, Any]) -> dict[str, Any]:
    effect = write.merge(fragment)(present, 2_000_000)
    if isinstance(effect, Put):
        return effect.entity
    assert isinstance(effect, Keep)
    found: dict[str, Any] = orjson.loads(present.body)
    return found
