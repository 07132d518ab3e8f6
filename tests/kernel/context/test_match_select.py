"""Whole selections and their order: every member narrows, absent values come last."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.context.match import compile_order, matches, sort_key
from pintu.kernel.context.parse import parse_geo, parse_order, parse_q, parse_scope, parse_types
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.jsonld import CORE


def entity(id: str, **attributes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "type": "T",
        **{name: {"type": "Property", "value": value} for name, value in attributes.items()},
    }


DOC = {
    "id": "urn:ngsi-ld:T:7",
    "type": ["A", "B"],
    "scope": ["/Madrid/Gardens/North", "/CompanyA/UnitC"],
    "speed": {"type": "Property", "value": 5},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [8, 40]}},
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, True),
        ({"ids": ("urn:ngsi-ld:T:7", "urn:x:1")}, True),
        ({"ids": ("urn:x:1",)}, False),
        ({"id_pattern": "T:7$"}, True),
        ({"id_pattern": "^T"}, False),
        ({"id_pattern": "^T", "ids": ("urn:ngsi-ld:T:7",)}, True),
        ({"types": parse_types("A", CORE)}, True),
        ({"types": parse_types("(A;B)", CORE)}, True),
        ({"types": parse_types("(A;C),D", CORE)}, False),
        ({"types": parse_types("C,B", CORE)}, True),
        ({"attributes": ("speed", "other")}, True),
        ({"attributes": ("other",)}, False),
        ({"scope": parse_scope("/Madrid/#")}, True),
        ({"scope": parse_scope("/Madrid/+/North")}, True),
        ({"scope": parse_scope("/Madrid/+")}, False),
        ({"scope": parse_scope("/Madrid/Gardens/North/#")}, True),
        ({"scope": parse_scope("/Mad/#")}, False),
        ({"scope": parse_scope("/#")}, True),
        ({"scope": parse_scope("/Madrid/#;/CompanyA/+")}, True),
        ({"scope": parse_scope("/Madrid/#;/CompanyB")}, False),
        ({"scope": parse_scope("/Nowhere,/CompanyA/UnitC")}, True),
        ({"q": parse_q("speed==5", CORE)}, True),
        ({"q": parse_q("speed==6", CORE)}, False),
        ({"geo": parse_geo("near;maxDistance==1", "Point", "[8,40]", None, CORE)}, True),
        ({"geo": parse_geo("near;maxDistance==1", "Point", "[9,40]", None, CORE)}, False),
        ({"types": parse_types("A", CORE), "q": parse_q("speed==6", CORE)}, False),
        ({"types": parse_types("A", CORE), "q": parse_q("speed==5", CORE)}, True),
    ],
)
def test_every_member_narrows(members: dict[str, Any], expected: bool) -> None:
    """An entity is selected when every member given holds."""
    selection = Selection(tenant=1, **members)
    assert expected is matches(DOC, selection, None)
    assert expected is matches(DOC, selection, None)


def test_no_scope_is_in_no_scope() -> None:
    """An entity without scope is not selected even by `/#`; one type is a text, not a list."""
    plain = {"id": "urn:x:1", "type": "A"}
    assert False is matches(plain, Selection(tenant=1, scope=parse_scope("/#")), None)
    assert True is matches(plain, Selection(tenant=1, types=parse_types("B,A", CORE)), None)
    assert False is matches(plain, Selection(tenant=1, types=parse_types("(A;B)", CORE)), None)
    held = {"id": "urn:x:1", "type": "A", "scope": "/a"}
    assert True is matches(held, Selection(tenant=1, scope=parse_scope("/a")), None)


def ordered(docs: list[dict[str, Any]], order_by: str, **options: Any) -> list[str]:
    keyed = compile_order(parse_order(order_by, CORE, **options))
    return [doc["id"] for doc in sorted(docs, key=lambda doc: keyed(None, doc))]


MIXED = [
    entity("absent"),
    entity("true", a=True),
    entity("list", a=[1]),
    entity("object", a={"b": 1}),
    entity("text", a="x"),
    entity("2", a=2),
    entity("1.5", a=1.5),
]


def test_data_types_have_an_order() -> None:
    """4.23.2: numbers, texts, objects, arrays, truth values; absent ones come last both ways."""
    up = ["1.5", "2", "text", "object", "list", "true", "absent"]
    assert up == ordered(MIXED, "a")
    assert [*reversed(up[:-1]), "absent"] == ordered(MIXED, "a;desc")


def test_later_keys_break_ties() -> None:
    """Members are compared in the order they are named."""
    docs = [entity("1", a=1, b="x"), entity("2", a=1, b="y"), entity("3", a=0, b="x")]
    assert ["3", "2", "1"] == ordered(docs, "a,b;desc")
    assert ["2", "3", "1"] == ordered(docs, "b;desc,a")
    assert ["3", "2", "1"] == ordered(docs, "id;desc")


def test_a_collation_orders_texts() -> None:
    """Without collation by codepoint, with one as the language does."""
    docs = [entity(name, name=name) for name in ("b", "á", "A")]
    assert ["A", "b", "á"] == ordered(docs, "name")
    assert ["A", "á", "b"] == ordered(docs, "name", collation="und")
    chinese = [entity(name, name=name) for name in ("张", "李", "王")]
    assert ["李", "王", "张"] == ordered(chinese, "name", collation="zh")


def test_distances_order() -> None:
    """Nearest first or last; what is nowhere comes last both ways."""
    docs = [
        {"id": "far", "type": "T", "location": geo(20, 40)},
        {"id": "nowhere", "type": "T"},
        {"id": "near", "type": "T", "location": geo(8.01, 40.01)},
        {"id": "mid", "type": "T", "location": [geo(50, 50), geo(9, 41)]},
    ]
    up = ["near", "mid", "far"]
    assert [*up, "nowhere"] == ordered(docs, "location;dist-asc", order_from="[8,40]")
    assert [*reversed(up), "nowhere"] == ordered(docs, "location;dist-desc", order_from="[8,40]")


def geo(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def test_times_and_paths_order() -> None:
    """System times, sub-attributes and members of values are keys like any other."""
    early = Record(1, "a", ("T",), b"", 1_000_000, 5_000_000)
    late = Record(2, "b", ("T",), b"", 1_500_000, 2_000_000)
    doc = entity("a", address={"city": "Berlin"})
    other = entity("b", address={"city": "Zurich"})
    created = parse_order("createdAt", CORE, collation="und")
    modified = parse_order("modifiedAt", CORE)
    city = parse_order("address[city];desc", CORE)
    assert sort_key(early, doc, created) < sort_key(late, other, created)
    assert sort_key(late, other, modified) < sort_key(early, doc, modified)
    assert sort_key(None, other, city) < sort_key(None, doc, city)
