"""What an index holds and serves: never too little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.match import (
    TEXT_LIMIT,
    compile_q,
    index_values,
    sargable,
    text_key,
)
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Compare, OneOf, Path, Q, Range
from pintu.kernel.jsonld import CORE
from tests.kernel.context.queries import DOCS, QUERIES


def index_says(entry: Any, op: str, wanted: Any) -> bool:
    """An index comparison: numbers before texts, as in SQL."""
    if isinstance(wanted, OneOf):
        return any(index_says(entry, "==", one) for one in wanted.values)
    if isinstance(wanted, Range):
        return index_says(entry, ">=", wanted.low) and index_says(entry, "<=", wanted.high)
    if isinstance(entry, str) != isinstance(wanted, str):
        return False
    return {
        "==": entry == wanted,
        "<": entry < wanted,
        "<=": entry <= wanted,
        ">": entry > wanted,
        ">=": entry >= wanted,
    }[op]


@settings(max_examples=600)
@given(DOCS, QUERIES)
def test_an_index_misses_no_match(doc: dict[str, Any], q: Q) -> None:
    """Each conjunct that an index may serve hits every document that matches."""
    if not compile_q(q)(doc):
        return
    for path, op, wanted in sargable(q):
        entries = index_values(doc, path)
        assert any(index_says(entry, op, wanted) for entry in entries), (path, op, wanted, entries)


@given(DOCS)
def test_an_index_entry_fits_a_column(doc: dict[str, Any]) -> None:
    """Entries are texts of bounded length, 64-bit integers or floats."""
    for name in ("p", "q", "r"):
        for entry in index_values(doc, Path(name)):
            assert isinstance(entry, str | int | float)
            assert not isinstance(entry, str) or len(entry) <= TEXT_LIMIT
            assert not isinstance(entry, int) or -(2**63) <= entry < 2**63


def test_alternatives_on_one_path_are_one_hint() -> None:
    """`a==1|a==2` can be served like `a==1,2`; mixed alternatives cannot."""
    assert [(Path("a"), "==", OneOf((1, "x")))] == sargable(parse_q('a==1|a=="x"', CORE))
    assert [] == sargable(parse_q("a==1|b==2", CORE))
    assert [] == sargable(parse_q("a!=1", CORE))
    assert [] == sargable(parse_q("modifiedAt>2020-01-01", CORE))
    assert [] == sargable(None)


MOMENTS = st.datetimes(
    min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, MOMENTS, ZONES, ZONES)
def test_keys_of_instants_order_as_instants_do(
    one: datetime, other: datetime, here: timezone, there: timezone
) -> None:
    """However two date-times are written, their keys compare as the instants do."""
    first, second = text_key(one.astimezone(here).isoformat()), text_key(other.isoformat())
    assert (one < other, one == other) == (first < second, first == second)
    assert text_key(one.astimezone(there).isoformat()) == first
    assert text_key(one.isoformat().replace("+00:00", "Z")) == first
    assert text_key(first) == first


@given(st.text(max_size=40))
def test_other_texts_are_their_own_keys(text: str) -> None:
    """What is no date-time is compared as it is."""
    assert text == text_key(text) or "T" in text


LONG = "x" * TEXT_LIMIT


@pytest.mark.parametrize(
    ("value", "op", "wanted"),
    [
        ("abc", "~=", "^ab"),
        ("abc", "~=", "^abc?"),
        ("a b", "~=", "^a b$"),
        (LONG + "abc", "~=", "^" + LONG + "a"),
        ("abc", "==", OneOf(("x", "abc", 1))),
        (2, "==", OneOf((Range(1, 3), True))),
        ("m", "==", Range("a", "z")),
        (LONG + "m", "==", Range("a", LONG + "z")),
        (LONG + "m", "==", LONG + "m"),
        (LONG + "m", ">", LONG + "a"),
        (LONG + "m", ">=", LONG),
        (LONG + "a", "<", LONG + "m"),
        (2**63 + 5, ">", 2**63 - 1),
        (-(2**63) - 5, "<", -5),
        (2**70, ">", 2**63 - 1),
        (2**70, ">=", 1.0),
        (True, "==", True),
        ("2020-01-01T08:00:00+08:00", "==", "2020-01-01T00:00:00Z"),
        ("2020-01-01T08:00:00.5+08:00", ">", "2020-01-01T00:00:00Z"),
        (["a", 5], "==", 5),
        ({"@type": "DateTime", "@value": "2020-01-01T00:00:00Z"}, "<", "2020-01-02"),
    ],
)
def test_a_match_is_in_the_index(value: Any, op: Any, wanted: Any) -> None:
    """Long texts, great numbers, date-times, lists and patterns: the index hits what matches."""
    doc = {"id": "urn:x:1", "type": "T", "a": {"type": "Property", "value": value}}
    q = Compare(Path("a"), op, wanted)
    assert True is compile_q(q)(doc)
    ((path, index_op, held),) = sargable(q)
    assert any(index_says(entry, index_op, held) for entry in index_values(doc, path))


@pytest.mark.parametrize(
    "q",
    [
        Compare(Path("a"), "==", 2**63),
        Compare(Path("a"), "==", Range(0, 2**64)),
        Compare(Path("a"), "==", OneOf((1, 2**64))),
        Compare(Path("a"), "~=", "^2020"),
        Compare(Path("a"), "~=", "^a|b"),
        Compare(Path("a"), "~=", "a"),
        Compare(Path("a"), "~=", "^a*"),
        Compare(Path("a"), "!~=", "^a"),
    ],
)
def test_what_an_index_cannot_promise_is_not_hinted(q: Q) -> None:
    """Rather no index than one that misses something."""
    assert [] == sargable(q)


def test_entries_of_members_and_languages() -> None:
    """Ids, types, languages, vocabulary and numbers that no column holds have entries or none."""
    doc = {
        "id": "urn:x:1",
        "type": ["A", "B"],
        "say": {"type": "LanguageProperty", "languageMap": {"en": "x", "zh": ["y", "z"]}},
        "voc": {"type": "VocabProperty", "vocab": "k"},
        "all": {"type": "ListRelationship", "objectList": [{"object": "urn:x:2"}, "urn:x:3"]},
        "big": {"type": "Property", "value": 10**400},
        "odd": {"type": "Property", "value": {"a": 1}},
    }
    iri = "https://uri.etsi.org/ngsi-ld/default-context/k"
    assert ["urn:x:1"] == index_values(doc, Path("id"))
    assert ["A", "B"] == index_values(doc, Path("type"))
    assert [] == index_values(doc, Path("scope"))
    assert ["x", "y", "z"] == index_values(doc, Path("say"))
    assert ["x"] == index_values(doc, Path("say", (), ("en",)))
    assert [] == index_values(doc, Path("say", (), ("en", "x")))
    assert [iri] == index_values(doc, Path("voc"))
    assert ["urn:x:2", "urn:x:3"] == index_values(doc, Path("all"))
    assert [] == index_values(doc, Path("big"))
    assert [] == index_values(doc, Path("odd"))
