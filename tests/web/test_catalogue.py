"""The catalogue and the schemas over HTTP: search, facets, files, versions."""

from __future__ import annotations

import io

import openpyxl
import pytest

from tests.web.conftest import HERE, browser, sign_in
from tests.web.small_city import SmallCity
from tests.web.test_islands import LAMPS

API = "/api/v1"


@pytest.fixture
async def town(city: SmallCity) -> SmallCity:
    city.rooms.configuration.save("datasets", "lamps", LAMPS, by="test")
    assert city.rooms.schemas is not None
    await city.rooms.schemas.note(city.rooms.exchange.described())
    return city


async def test_search_and_facets_stay_in_the_address(town: SmallCity) -> None:
    """Pinyin finds, a facet narrows, the list leaves as a file."""
    async with browser(town) as client:
        page = (await client.get("/data-sets?q=ludeng&owner=construction")).text
        assert "/data-sets/lamps" in page
        assert "/data-sets/context.Streetlight" not in page
        assert "(1)" in page
        assert "Nothing fits these filters" in (await client.get("/data-sets?q=zzzz")).text
        file = await client.get("/data-sets?q=ludeng&owner=construction&format=csv")
        assert 2 == len(file.content.decode("utf-8-sig").splitlines())
        told = (await client.get(f"{API}/catalogue/search?q=dengganbianhao")).json()
        assert "lamps" == told["dataSets"][0]["name"]
        assert 400 == (await client.get(f"{API}/catalogue/search?limit=0")).status_code


@pytest.mark.parametrize("format", ["json", "xml", "xlsx", "jsonld", "ttl"])
async def test_the_catalogue_is_sent_to_be_kept(town: SmallCity, format: str) -> None:
    """Each form as a download under a fixed name; no other form, no path."""
    async with browser(town) as client:
        sent = await client.get(f"{API}/catalogue?format={format}")
        assert 200 == sent.status_code
        assert f'filename="catalogue.{format}"' in sent.headers["content-disposition"]
        if format == "xlsx":
            names = [one.value for one in openpyxl.load_workbook(io.BytesIO(sent.content))
                     ["信息资源"]["E"]]  # fmt: skip
            assert "lamps" in names
        else:
            assert "lamps" in sent.text
        for bad in ("../../etc/passwd", "csv", ""):
            refused = await client.get(f"{API}/catalogue", params={"format": bad})
            assert 400 == refused.status_code


async def test_a_schema_is_shown_version_by_version(town: SmallCity) -> None:
    """What changed, whom it breaks; as JSON Schema by version."""
    columns = [{**one, "unit": "KWT"} if one["name"] == "power" else one
               for one in LAMPS["columns"]]  # fmt: skip
    town.rooms.configuration.save("datasets", "lamps", {**LAMPS, "columns": columns}, by="test")
    schemas = town.rooms.schemas
    assert schemas is not None
    await schemas.note(town.rooms.exchange.described())
    async with browser(town) as client:
        text = (await client.get("/schemas/lamps")).text
        assert "Version 2" in text
        assert "another unit" in text
        assert "WTT → KWT" in text
        assert "breaks old and new readers" in (await client.get("/schemas")).text
        first = (await client.get(f"{API}/schemas/lamps?version=1")).json()
        assert ("WTT", 1) == (first["properties"]["power"]["x-unit"], first["x-version"])
        assert 2 == (await client.get(f"{API}/schemas/lamps")).json()["x-version"]
        for path in ("/schemas/nothing", f"{API}/schemas/nothing", f"{API}/schemas/lamps?version=9",
                     "/schemas/..%2F..%2Fkeys"):  # fmt: skip
            assert 404 == (await client.get(path)).status_code, path


async def test_a_change_nobody_told_is_seen_to_by_who_answers_for_it(town: SmallCity) -> None:
    """Shown until then; strangers and other sites do not say so."""
    from pintu.kernel.exchange.schemas import Change

    schemas = town.rooms.schemas
    assert schemas is not None
    change = Change(field="power", what="unit", before="WTT", after="× 1000")
    assert 1 == await schemas.drifted("lamps", [change])
    async with browser(town) as client:
        assert "Changed, and nobody told" in (await client.get("/schemas")).text
        (drift,) = await schemas.drifts("lamps")
        path = f"/schemas/drifts/{drift.number}"
        refused = await client.post(path, headers={"origin": "https://evil.test"})
        assert 401 == refused.status_code
        csrf = await sign_in(client, town)
        done = await client.post(path, data={"csrf": csrf}, headers={"origin": HERE})
        assert 303 == done.status_code
        assert "Changed, and nobody told" not in (await client.get("/schemas")).text
        gone = await client.post(
            "/schemas/drifts/999", data={"csrf": csrf}, headers={"origin": HERE}
        )
        assert 404 == gone.status_code


async def test_a_data_set_says_what_is_known_of_it(town: SmallCity) -> None:
    """Core metadata, what is missing, what was measured, the way to ask for more."""
    finder = town.rooms.finder
    assert finder is not None
    async with browser(town) as client:
        before = (await client.get("/data-sets/lamps")).text
        assert "Not measured yet" in before
        await finder.measure_all(["lamps"])
        page = (await client.get("/data-sets/lamps")).text
        assert "shared without condition" in page
        assert "/agreements/new?data_set=lamps" in page
        assert "/schemas/lamps" in page
        assert "Not told yet" not in page


async def test_hostile_searches_are_answered(town: SmallCity) -> None:
    """No 500 for signs nobody types."""
    async with browser(town) as client:
        for text in ("%00", "%F0%9F%92%A9", "(a%2B)%2B%24", "'%20OR%201=1--", "%3Cscript%3E"):
            answer = await client.get(f"/data-sets?q={text}")
            assert 200 == answer.status_code, text
            assert "<script>" not in answer.text.replace("<script src", "")
        long = await client.get("/data-sets", params={"q": "x" * 300})
        assert 400 == long.status_code
