"""q on stored documents: the rules of 4.9 one by one, then against a naive interpreter."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings

from pintu.kernel.context.match import (
    attributes_of,
    compile_q,
    linked_depth,
    match_q,
    text_key,
)
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    Exists,
    OneOf,
    Or,
    Path,
    Q,
    Range,
)
from pintu.kernel.errors import TooComplex
from pintu.kernel.jsonld import CORE
from tests.kernel.context.queries import DOCS, QUERIES

DOC = {
    "id": "urn:x:1",
    "type": ["A", "B"],
    "speed": {
        "type": "Property",
        "value": 25,
        "observedAt": "2020-01-01T08:00:00+08:00",
        "unitCode": "KMH",
        "accuracy": {"type": "Property", "value": 0.5},
    },
    "address": {"type": "Property", "value": {"city": "Berlin", "n": [1, 2], "deep": {"x": True}}},
    "color": {"type": "LanguageProperty", "languageMap": {"en": "red", "fr": ["rouge", "r"]}},
    "category": {"type": "VocabProperty", "vocab": "commercial"},
    "kinds": {"type": "VocabProperty", "vocab": ["commercial", "https://ex.org/k"]},
    "many": [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d"},
    ],
    "owner": {"type": "Relationship", "object": "urn:t:1"},
    "owners": {"type": "Relationship", "object": ["urn:t:2", "urn:t:1"]},
    "route": {"type": "ListRelationship", "objectList": [{"object": "urn:t:1"}]},
    "list": {"type": "Property", "value": ["a", "b"]},
    "ordered": {"type": "ListProperty", "valueList": [1, 2, 3]},
    "json": {"type": "JsonProperty", "json": {"a": {"b": 7}}},
    "when": {"type": "Property", "value": {"@type": "DateTime", "@value": "2020-05-01T00:00:00Z"}},
    "flag": {"type": "Property", "value": True},
    "one": {"type": "Property", "value": 1},
    "text": {"type": "Property", "value": "25"},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [8, 40]}},
}
SECOND = 1_000_000
RECORD = Record(
    1, "urn:x:1", ("A", "B"), b"", 1577836800 * SECOND, 1600000000 * SECOND + 500_000,
    b'{"many urn:d":[1577836800000000,1577836900000000],'
    b'"speed":[1577836801000000,1577836802000000]}',
)  # fmt: skip
TARGETS = {
    "urn:t:1": {
        "id": "urn:t:1",
        "type": "Building",
        "name": {"type": "Property", "value": "Pisa Tower"},
        "city": {"type": "Relationship", "object": "urn:c:1"},
    },
    "urn:c:1": {"id": "urn:c:1", "type": "City", "name": {"type": "Property", "value": "Pisa"}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("speed", True),
        ("nothing", False),
        ("!nothing", True),
        ("!speed", False),
        ("speed==25", True),
        ("speed==25.0", True),
        ('speed=="25"', False),
        ('speed!="25"', True),
        ("text==25", False),
        ("speed>20;speed<30", True),
        ("speed>=25;speed<=25", True),
        ("speed>25|speed<25", False),
        ('speed>"a"', False),
        ("text>1", False),
        ("flag==true", True),
        ("flag==1", False),
        ("one==true", False),
        ("flag!=false", True),
        ("nothing!=1", False),
        ('nothing!~="x"', False),
        ("speed==20..30", True),
        ("speed!=20..30", False),
        ("speed==1,25", True),
        ("speed!=1,25", False),
        ("speed==1,20..30", True),
        ("flag==false,true", True),
        ("address[city]==\"Berlin\"", True),
        ("address[postcode]", False),
        ("address[postcode]!=1", False),
        ("address[n]==2", True),
        ("address[n][1]==2", True),
        ("address[n][1]==1", False),
        ("address[n][9]", False),
        ("address[deep.x]==true", True),
        ("address==1", False),
        ("address!=1", True),
        ('color[en]=="red"', True),
        ('color[en]=="rouge"', False),
        ('color[*]=="rouge"', True),
        ('color=="rouge"', True),
        ('color[*]!="red"', False),
        ('color[de]!="red"', False),
        ('color[en]~="^r"', True),
        ("category==commercial", False),
        ('category=="https://uri.etsi.org/ngsi-ld/default-context/commercial"', True),
        ('kinds=="https://ex.org/k"', True),
        ('kinds!="https://ex.org/k"', False),
        ("many==2", True),
        ("many!=2", True),
        ("many!=1,2", False),
        ("owner==urn:t:1", True),
        ('owner=="urn:t:1"', True),
        ("owner!=urn:t:1", False),
        ("owner!=urn:t:9", True),
        ('owner>"urn:a"', False),
        ('owner~="^urn"', False),
        ('owner!~="^x"', False),
        ("owners==urn:t:1", True),
        ("route==urn:t:1", True),
        ('list=="b"', True),
        ('list!="b"', False),
        ('list~="^b"', True),
        ('list!~="^b"', False),
        ('list!~="^c"', True),
        ('speed~="2"', False),
        ('speed!~="2"', False),
        ("ordered==3", True),
        ("ordered[0]==1", True),
        ("json[a.b]==7", True),
        ("when>2020-04-30T23:59:59Z", True),
        ('when=="2020-05-01T08:00:00.000+08:00"', True),
        ("speed.observedAt==2020-01-01T00:00:00Z", True),
        ("speed.observedAt>2019-12-31", True),
        ('speed.unitCode=="KMH"', True),
        ("speed.accuracy>0.4", True),
        ("speed.nothing", False),
        ("location", True),
        ('location[type]=="Point"', True),
        ("location[coordinates]==8", True),
        ('type=="B"', True),
        ('id~="x:1$"', True),
        ("createdAt==2020-01-01T00:00:00Z", True),
        ("modifiedAt>2020-09-13T12:26:40Z", True),
        ("modifiedAt<2020-09-13T12:26:40.6Z", True),
        ("speed.createdAt==2020-01-01T00:00:01Z", True),
        ("speed.modifiedAt==2020-01-01T00:00:02Z", True),
        ("speed.accuracy.modifiedAt==2020-01-01T00:00:02Z", True),
        ("many.modifiedAt==2020-01-01T00:01:40Z", True),
        ("text.modifiedAt==2020-01-01T00:00:00Z", True),
        ("nothing.modifiedAt>2020-01-01T00:00:00Z", False),
        ('owner{name}=="Pisa Tower"', True),
        ('owner{Building:name}=="Pisa Tower"', True),
        ('owner{Vehicle:name}=="Pisa Tower"', False),
        ('owner{City,Building:name}=="Pisa Tower"', True),
        ('owner{city{name}}=="Pisa"', True),
        ('owner{city{name}}=="Rome"', False),
        ("owners{name}", True),
        ("route{name}", True),
        ("speed{name}", False),
    ],
)  # fmt: skip
def test_each_rule_of_the_query_language(text: str, expected: bool) -> None:
    """What a query term means for each kind of attribute."""
    q = parse_q(text, CORE)
    assert expected is match_q(DOC, q, RECORD, TARGETS.get)
    assert expected is compile_q(q)(DOC, RECORD, TARGETS.get)


def test_without_the_record_there_are_no_system_times() -> None:
    """System times are the record's, not the document's."""
    assert False is match_q(DOC, parse_q("createdAt", CORE))
    assert False is match_q(DOC, parse_q('owner{name}=="Pisa Tower"', CORE))


def test_following_is_bounded() -> None:
    """Relationships that fan out at each level end in an error, not in a million look-ups."""
    fan = {"type": "Relationship", "object": [f"urn:x:{n}" for n in range(20)]}
    doc = {"id": "urn:x:0", "type": "T", "next": fan}
    looked = []

    def lookup(id: str) -> dict[str, Any]:
        looked.append(id)
        return doc

    with pytest.raises(TooComplex):
        match_q(doc, parse_q("next{next{next{next{a}}}}==1", CORE), None, lookup)
    assert len(looked) <= 256


def test_a_query_tells_what_it_looks_at() -> None:
    """The names are those of the entity's own attributes, wherever in the tree they stand."""
    q = parse_q('a==1;(b.c|!d)|owner{name}=="x";createdAt>2020-01-01', CORE)
    assert {"a", "b", "d", "owner", "createdAt"} == attributes_of(q)
    assert frozenset() == attributes_of(None)


def test_how_far_a_query_follows_relationships() -> None:
    """The depth tells the caller how many joins the query asks for."""
    assert 0 == linked_depth(parse_q("a;b", CORE))
    assert 2 == linked_depth(parse_q("a;(b{c{d}}==1|e{f})", CORE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2020-01-01T00:00:00Z", "2020-01-01T08:00:00+08:00"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z"),
        ("2020-01-01T00:00:00.5Z", "2019-12-31T19:00:00.50-05:00"),
        ("2020-01-01T00:00:00,25Z", "2020-01-01T00:00:00.250+0000"),
    ],
)
def test_equal_instants_have_equal_keys(one: str, other: str) -> None:
    """Date-times are compared as instants however they are written."""
    assert text_key(one) == text_key(other)


def test_later_instants_have_greater_keys() -> None:
    """Keys of date-times sort as time goes."""
    times = [
        "2019-12-31T23:59:59.999Z",
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00.05Z",
        "2020-01-01T00:00:00.5Z",
        "2020-01-01T09:00:00+08:00",
    ]
    assert times == sorted(reversed(times), key=text_key)


def test_a_hopeless_pattern_costs_nothing() -> None:
    """A pattern that explodes elsewhere takes linear time here."""
    doc = {"id": "urn:x:2", "type": "A", "a": {"type": "Property", "value": "a" * 5000 + "!"}}
    assert False is match_q(doc, Compare(Path("a"), "~=", "^(a+)+$"))


# --- the naive interpreter ------------------------------------------------------------------


def naive(doc: dict[str, Any], q: Q) -> bool:
    """The rules once more, without thought for speed."""
    if isinstance(q, And):
        return all(naive(doc, part) for part in q.parts)
    if isinstance(q, Or):
        return any(naive(doc, part) for part in q.parts)
    found = naive_values(doc, q.path)
    if isinstance(q, Exists):
        return bool(found)
    if isinstance(q, Absent):
        return not found
    assert isinstance(q, Compare)
    return any(naive_compare(kind, value, q.op, q.value) for kind, value in found)


def naive_values(doc: dict[str, Any], path: Path) -> list[tuple[str, Any]]:
    found = []
    held = doc.get(path.attribute, [])
    for one in held if isinstance(held, list) else [held]:
        if path.subs:
            if path.subs[0] in one:
                found.append(("Property", one["sub"]["value"]))
            continue
        member = {"Relationship": "object", "LanguageProperty": "languageMap"}.get(
            one["type"], "value"
        )
        if not path.trail:
            found.append((one["type"], one[member]))
        elif isinstance(one[member], dict) and "k" in one[member]:
            found.append(("", one[member]["k"]))
    return found


def naive_compare(kind: str, value: Any, op: str, wanted: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    if kind == "LanguageProperty":
        values = list(value.values())
    values = [one for one in values if not isinstance(one, dict)]
    if kind == "Relationship" and op not in ("==", "!="):
        return False
    if op == "!=":
        return not any(naive_scalar(one, "==", wanted) for one in values)
    if op == "!~=":
        texts = [one for one in values if isinstance(one, str)]
        return bool(texts) and not any(naive_scalar(one, "~=", wanted) for one in texts)
    return any(naive_scalar(one, op, wanted) for one in values)


def naive_scalar(value: Any, op: str, wanted: Any) -> bool:
    if isinstance(wanted, OneOf):
        return any(naive_scalar(value, op, one) for one in wanted.values)
    if isinstance(wanted, Range):
        return naive_scalar(value, ">=", wanted.low) and naive_scalar(value, "<=", wanted.high)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return op == "==" and value is wanted
    if isinstance(value, str) != isinstance(wanted, str):
        return False
    if op == "~=":
        return re.search(wanted, value) is not None
    if isinstance(value, str):
        value, wanted = text_key(value), text_key(wanted)
    return {
        "==": value == wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }[op]


@settings(max_examples=600)
@given(DOCS, QUERIES)
def test_compiled_and_naive_agree(doc: dict[str, Any], q: Q) -> None:
    """The compiled query and the plain reading of the rules answer alike."""
    assert naive(doc, q) is compile_q(q)(doc)
