"""The catalogue's pages and its API: asked by the address, narrowed by rights, left as files."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.board_city import STATION, fill_air
from tests.web.conftest import browser, sign_in
from tests.web.small_city import SmallCity

API = "/api/v1/data-sets"


@pytest.fixture
async def air(city: SmallCity) -> AsyncIterator[SmallCity]:
    await fill_air(city, hours=16)
    yield city


@pytest.fixture
async def reader(air: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(air) as client:
        yield client


async def test_the_catalogue_lists_what_there_is(reader: httpx.AsyncClient) -> None:
    """Saved ones, and one for every type of thing; with persons said."""
    names = {one["name"]: one["persons"] for one in (await reader.get(API)).json()}
    assert names["patients"] is True
    assert {"air_days": False, "context.Streetlight": False}.items() <= names.items()
    text = (await reader.get("/data-sets")).text
    assert "Air by day (demo)" in text
    assert "with persons" in text


async def test_rows_are_asked_for_by_the_address(reader: httpx.AsyncClient) -> None:
    """Filtered, ordered, cut, counted, added up."""
    answer = await reader.get(
        API + "/air_days/rows",
        params={"f.district": "滨江区", "f.aqi": "least:100", "order": "-aqi", "limit": "1",
                "count": "true", "columns": "aqi"},
    )  # fmt: skip
    told = answer.json()
    assert (1, ["aqi"], True) == (len(told["rows"]), [*told["rows"][0]], 1 < told["total"] < 100)
    assert 100 <= told["rows"][0]["aqi"]
    grouped = await reader.get(
        API + "/air_days/rows", params={"group": "district", "aggregate": "count"}
    )
    assert [100] * 4 == [one["count"] for one in grouped.json()["rows"]]


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "limit=10001", "order=no", "group=no", "aggregate=median", "f.no=1",
     "f.aqi=above:x", "measure=no", "count=perhaps", "group=day@x"],
)  # fmt: skip
async def test_a_question_that_cannot_be_read_is_refused(
    reader: httpx.AsyncClient, query: str
) -> None:
    """400 or 403 with a sentence, never 500."""
    answer = await reader.get(f"{API}/air_days/rows?{query}")
    assert answer.status_code in (400, 403)
    assert len(answer.json()["detail"]) > 10


async def test_the_past_and_the_profile(reader: httpx.AsyncClient) -> None:
    """Of a thing's value; a table keeps none and says so."""
    id = STATION.format(1)
    past = await reader.get(
        f"{API}/context.AirQualityObserved/series", params={"id": id, "column": "pm25"}
    )
    assert 8 <= len(past.json()["values"]) == len(past.json()["times"])
    none = await reader.get(f"{API}/air_days/series", params={"id": "x", "column": "aqi"})
    assert 400 == none.status_code
    profile = (await reader.get(f"{API}/air_days/profile")).json()
    assert (400, 4) == (profile["rows"], profile["columns"]["district"]["distinct"])


async def test_one_data_set_has_a_page_and_a_file(reader: httpx.AsyncClient) -> None:
    """Columns as measured, fifty rows a page, a filter that stays in the file's address."""
    text = (await reader.get("/data-sets/air_days")).text
    assert "Columns, as measured" in text
    assert "Page 1 of 8" in text
    narrowed = await reader.get("/data-sets/air_days?column=district&q=滨江")
    assert "format=csv" in narrowed.text
    file = await reader.get("/data-sets/air_days?column=district&q=滨江&format=csv")
    lines = file.content.decode("utf-8-sig").splitlines()
    assert (101, "day,district,aqi,note") == (len(lines), lines[0])
    assert lines[1].endswith(",'=1+1")
    strange = await reader.get("/data-sets/air_days?column=no&q=x")
    assert 400 == strange.status_code
    assert 404 == (await reader.get("/data-sets/nothing")).status_code


async def test_rows_with_persons_are_nobodys_by_a_grant(air: SmallCity) -> None:
    """The page says what the data set is and why its rows are not shown; the API refuses, counts
    and profiles too, and no administrator gets more."""
    paths = ("rows", "rows?limit=0&count=true", "profile", "series?id=a&column=name")
    async with browser(air) as client:
        page = await client.get("/data-sets/patients")
        assert "Not for you to read" in page.text
        for path in paths:
            assert 403 == (await client.get(f"{API}/patients/{path}")).status_code
        refused = await client.get("/data-sets/patients?format=csv")
        assert "text/html" in refused.headers["content-type"]
        await sign_in(client, air)
        for path in paths:
            assert 403 == (await client.get(f"{API}/patients/{path}")).status_code


async def test_files_are_sent_to_be_kept(air: SmallCity) -> None:
    """Never run by the browser, never from outside their folder."""
    air.rooms.configuration.save("datasets", "plans", {"provider": "file", "tenant": "demo"}, by="")
    folder = air.tables.data / "files" / "plans"
    folder.mkdir(parents=True)
    (folder / "规划.html").write_text("<script>alert(1)</script>")
    async with browser(air) as client:
        assert "规划.html" in (await client.get("/data-sets/plans")).text
        sent = await client.get(f"{API}/plans/files/规划.html")
        assert "application/octet-stream" == sent.headers["content-type"]
        assert sent.headers["content-disposition"].startswith("attachment")
        for name in ("..%2F..%2Fcity.db", ".hidden", "no"):
            assert 404 == (await client.get(f"{API}/plans/files/{name}")).status_code
