"""What is too wide, too deep or out of place is refused; an earlier version's consumer is told in
its words."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from pintu.web.ngsi_ld.preferring import preferred
from tests.web.ngsi_ld.doors import Door, header

SHOP = {
    "id": "urn:ngsi-ld:Shop:1",
    "type": "Shop",
    "scope": "/town",
    "category": {"type": "VocabProperty", "vocab": "open"},
    "name": {"type": "LanguageProperty", "languageMap": {"en": "shop"}},
    "size": {"type": "Property", "value": 3, "how": {"type": "JsonProperty", "json": {"a": 1}}},
}
TOO_WIDE = [
    "attrs=createdAt", "q=modifiedAt>2020-01-01T00:00:00Z", "idPattern=.*", "id=urn:ngsi-ld:Shop:1",
]  # fmt: skip


@pytest.mark.parametrize("asked", TOO_WIDE)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_narrows_nothing_is_too_wide(door: Door, method: str, asked: str) -> None:
    """Ids and the system's own attributes alone select whatever there is (5.7.2.4, 5.6.21.4)."""
    await door("POST", "/entities", SHOP)
    path = f"/entities?{quote(asked, safe='=&')}"
    assert 400 == (await door(method, path)).status
    assert 400 != (await door(method, f"{path}&local=true")).status


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("pick=size|name", 200),
        ("pick=near{name}", 400),
        ("pick=near{name}&join=inline", 200),
        ("pick=near{owner{name}}&join=inline", 400),
        ("omit=near{owner{name}}&join=flat&joinLevel=2", 200),
        ("geometryProperty=location", 400),
        ("csf=))bad((", 400),
        ("csf=name==\"x\"", 200),
        ("pick=a||b", 400),
    ],
)  # fmt: skip
async def test_what_is_asked_must_fit_together(door: Door, asked: str, status: int) -> None:
    """Linked entities need join, far enough; GeoJSON's words its media type; csf is read."""
    await door("POST", "/entities", SHOP)
    path = "/entities?type=Shop&" + quote(asked, safe="=&,")
    assert (status, asked) == ((await door("GET", path)).status, asked)


async def test_every_type_is_asked_for_here(door: Door) -> None:
    """type=* implies local; saying otherwise is a contradiction (6.4.3.2)."""
    await door("POST", "/entities", SHOP)
    assert 1 == len(await door.json("GET", "/entities?type=*"))
    assert 400 == (await door("GET", "/entities?type=*&local=false")).status


async def test_a_null_member_fails_the_batch(door: Door) -> None:
    """[entity, null] creates nothing (5.5.4)."""
    members: list[Any] = [SHOP, None]
    for operation in ("create", "upsert", "update", "merge", "delete"):
        assert 400 == (await door("POST", f"/entityOperations/{operation}", members)).status
    assert 404 == (await door("GET", "/entities/urn:ngsi-ld:Shop:1")).status


async def test_an_earlier_version_is_told_in_its_words(door: Door) -> None:
    """Prefer: ngsi-ld=1.3 gets Properties for what was not there yet, 203 and what was applied."""
    await door("POST", "/entities", SHOP)
    old = await door("GET", "/entities/urn:ngsi-ld:Shop:1", prefer="ngsi-ld=1.3")
    assert (203, [b"ngsi-ld=1.3"]) == (old.status, header(old, b"preference-applied"))
    shown = orjson.loads(old.body)
    assert {"type": "Property", "value": "open"} == shown["category"]
    assert {"type": "Property", "value": {"en": "shop"}} == shown["name"]
    assert {"type": "Property", "value": {"a": 1}} == shown["size"]["how"]
    assert "scope" not in shown
    middle = await door("GET", "/entities?type=Shop", prefer="ngsi-ld=1.5")
    assert "LanguageProperty" == orjson.loads(middle.body)[0]["name"]["type"]
    newest = await door("GET", "/entities/urn:ngsi-ld:Shop:1", prefer="body=json, ngsi-ld=1.9")
    assert (200, [b"ngsi-ld=1.9"]) == (newest.status, header(newest, b"preference-applied"))
    assert "VocabProperty" == orjson.loads(newest.body)["category"]["type"]
    for strange in ("ngsi-ld=2.0", "ngsi-ld=x", "respond-async"):
        plain = await door("GET", "/entities/urn:ngsi-ld:Shop:1", prefer=strange)
        assert (200, []) == (plain.status, header(plain, b"preference-applied"))
    gone = await door("GET", "/entities/urn:ngsi-ld:Shop:2", prefer="ngsi-ld=1.3")
    assert 404 == gone.status


def test_the_version_is_found_among_other_preferences() -> None:
    """Quoted or not, before or after others."""
    assert (1, 5) == preferred(b'respond-async; ngsi-ld="1.5"')
    assert (1, 11) == preferred(b"ngsi-ld = 1.11")
    assert preferred(b"xngsi-ld=1.5") is None


async def test_a_count_may_be_an_option(door: Door) -> None:
    """options=count, as clients of earlier versions say it."""
    await door("POST", "/entities", SHOP)
    found = await door("GET", "/entities?type=Shop&options=count,keyValues")
    assert [b"1"] == header(found, b"ngsild-results-count")
    assert 3 == orjson.loads(found.body)[0]["size"]
