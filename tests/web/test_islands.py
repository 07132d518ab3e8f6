"""Islands over HTTP: the index, the picture, what is held twice, proposals; and who sees what."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pintu.kernel.exchange.finding.words import Use
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.intake.mapping.words import Row
from pintu.web.app import build_app
from tests.web.conftest import HERE, browser
from tests.web.small_city import SmallCity, open_small_city

pytestmark = pytest.mark.asyncio(loop_scope="module")
API = "/api/v1"
LAMPS: dict[str, Any] = {
    "provider": "table", "title": {"zh": "路灯台账（演示）", "en": "Lamps (demo)"},
    "tenant": "demo", "owner": "construction", "source": "c_db", "theme": "construction",
    "frequency": "yearly",
    "summary": {"zh": "城区路灯"}, "sharing": "unconditional",
    "columns": [
        {"name": "code", "title": {"zh": "灯杆编号"}, "key": True},
        {"name": "power", "title": {"zh": "功率", "en": "Power"}, "kind": "number", "unit": "WTT"},
        {"name": "road", "title": {"zh": "道路"}, "authority": True},
    ],
}  # fmt: skip
COPY: dict[str, Any] = {
    "provider": "table", "title": {"zh": "=cmd|灯具（演示）"}, "tenant": "demo", "owner": "traffic",
    "source": "t_sheet",
    "columns": [
        {"name": "dgbh", "key": True}, {"name": "gl", "kind": "number", "unit": "KWT"},
        {"name": "dl"},
    ],
}  # fmt: skip
PEOPLE: dict[str, Any] = {
    "provider": "table", "title": {"zh": "低保（演示）"}, "tenant": "demo", "owner": "civil",
    "columns": [{"name": "sfzh", "person": "id_number", "key": True},
                {"name": "xm", "person": "name"}, {"name": "csrq", "person": "birth"}],
}  # fmt: skip


async def lay(city: SmallCity, name: str, rows: list[dict[str, Any]]) -> None:
    data_set = city.rooms.exchange.get(name)
    landing = open_landing(city.tables, city.rooms.clock, data_set, source=name)
    key = next(one.name for one in data_set.columns if one.key)
    await landing.land("1", "1", [Row(key=str(one[key]), values=one) for one in rows], [])


async def fill(city: SmallCity) -> None:
    save = city.rooms.configuration.save
    for name, content in (("lamps", LAMPS), ("lights", COPY), ("welfare", PEOPLE),
                          ("aided", {**PEOPLE, "owner": "health"})):  # fmt: skip
        save("datasets", name, content, by="test")
    lamps = [
        {"code": f"LD-{n * 7919:06}", "power": 30.0 + n % 37, "road": "甲乙丙丁戊"[n % 5] + "路"}
        for n in range(60)
    ]
    await lay(city, "lamps", lamps)
    await lay(city, "lights", [
        {"dgbh": one["code"].lower().replace("-", ""), "gl": one["power"] / 1000,
         "dl": "戊路" if n % 20 == 0 else one["road"]}
        for n, one in enumerate(lamps)
    ])  # fmt: skip
    people = [
        {"sfzh": f"33010819{n % 90 + 10}0101{n:03}X", "xm": f"演示{n}", "csrq": f"19{n:02}-01-01"}
        for n in range(60)
    ]
    await lay(city, "welfare", people)
    await lay(
        city, "aided", [{**one, "xm": "改"} if n < 20 else one for n, one in enumerate(people)]
    )
    finder, schemas = city.rooms.finder, city.rooms.schemas
    assert finder is not None
    assert schemas is not None
    await schemas.note(city.rooms.exchange.described())
    await finder.measure_all(["lamps", "lights", "welfare", "aided"])
    await finder.find()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallCity]:
    opened = await open_small_city(tmp_path_factory.mktemp("islands") / "data", lamps=10)
    await fill(opened)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def reader(town: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(town) as client:
        yield client


async def twins(client: httpx.AsyncClient) -> dict[frozenset[str], Any]:
    found = (await client.get(f"{API}/islands/duplicates")).json()
    return {frozenset((one["left"], one["right"])): one for one in found}


async def test_what_is_held_twice_is_told_with_its_evidence(reader: httpx.AsyncClient) -> None:
    """Whatever columns are called, units and codes look like; counts, never values."""
    found = await twins(reader)
    lamp = found[frozenset(("lamps", "lights"))]
    assert {("power", "gl", "factor"), ("road", "dl", "values")} == {
        (one["left"], one["right"], one["how"]) for one in lamp["fields"]
    }
    assert ("lamps", True, True) == (lamp["authority"], lamp["authority_marked"], lamp["whole"])
    assert 0.01 < lamp["differ"] < 0.05
    assert "甲路" not in str(found)
    days = (await reader.get(f"{API}/islands")).json()
    assert 0 < days[-1]["index"] < 1


async def test_the_pages_say_it_in_words_and_a_picture(reader: httpx.AsyncClient) -> None:
    """Every data set and line of the picture can be reached by keyboard and has a title."""
    text = (await reader.get("/islands")).text
    assert "Fields collected again" in text
    drawn = text.partition('<svg class="picture"')[2].partition("</svg>")[0]
    assert drawn.count("<a ") == drawn.count("<title>")
    assert "/islands/duplicates/" in drawn
    assert "style=" not in drawn
    twin = (await twins(reader))[frozenset(("lamps", "lights"))]
    page = (await reader.get(f"/islands/duplicates/{twin['id']}")).text
    assert "by a factor of 0.001" in page
    assert "Where they differ" in page
    assert 404 == (await reader.get("/islands/duplicates/000000000000")).status_code


async def test_rows_that_differ_leave_as_a_file_no_spreadsheet_runs(
    reader: httpx.AsyncClient,
) -> None:
    """Names of data sets and values alike."""
    twin = (await twins(reader))[frozenset(("lamps", "lights"))]
    sent = await reader.get(f"/islands/duplicates/{twin['id']}?format=csv")
    lines = sent.content.decode("utf-8-sig").splitlines()
    assert "attachment" in sent.headers["content-disposition"]
    assert 4 == len(lines)
    assert not [line for line in lines if re.search(r"(^|,)[=+@]", line)]


async def test_of_persons_only_counts_are_told(reader: httpx.AsyncClient) -> None:
    """Who may not read both sees how many differ in a sample, no name and no row; no file."""
    twin = (await twins(reader))[frozenset(("welfare", "aided"))]
    path = f"/islands/duplicates/{twin['id']}"
    page = (await reader.get(path)).text
    assert "The rows are not for you to read" in page
    assert "演示7" not in page
    sent = await reader.get(f"{path}?format=csv")
    assert "text/html" in sent.headers["content-type"]


async def test_a_proposal_is_checked_before_money_is_granted(reader: httpx.AsyncClient) -> None:
    """Pasted, as JSON, in Chinese, English and pinyin; what is no proposal is refused."""
    told = {"fields": ["灯杆编号", "lamp power", {"name": "dl", "about": "道路"}, "月相"]}
    answer = (await reader.post(f"{API}/islands/proposals", json=told)).json()
    assert ("duplicate", 4, 3, ["月相"]) == (
        answer["verdict"], answer["planned"], answer["existing"], answer["new"],
    )  # fmt: skip
    assert {"lamps", "lights"} <= {one["data_set"] for one in answer["holders"]}
    for bad in ({}, {"fields": []}, {"fields": [1]}, {"fields": [{"name": 1}]}, {"fields": " "}):
        refused = await reader.post(f"{API}/islands/proposals", json=bad)
        assert 400 == refused.status_code, bad
    page = await reader.post(
        "/islands/proposal",
        data={"fields": "灯杆编号,台账\n功率\n<b>x</b>"},
        headers={"origin": HERE},
    )
    assert "Most of it exists already" in page.text
    assert "<b>x</b>" not in page.text
    foreign = await reader.post(
        "/islands/proposal", data={"fields": "功率"}, headers={"origin": "https://evil.test"}
    )
    assert 401 == foreign.status_code


async def test_only_who_runs_the_city_measures_now(town: SmallCity) -> None:
    """Others are refused, from another site everybody is."""
    async with browser(town, peer="192.0.2.7", base="http://pintu.test") as client:
        sent = await client.post("/islands/look", headers={"origin": "http://pintu.test"})
        assert 401 == sent.status_code


async def test_what_the_visitor_may_not_know_is_not_there(town: SmallCity) -> None:
    """A city that is not open tells strangers nothing."""
    town.rooms.configuration.save(
        "datasets", "secret", {**LAMPS, "tenant": "other", "title": {"zh": "机密灯"}}, by="test"
    )
    try:
        transport = httpx.ASGITransport(app=build_app(town.rooms), client=("192.0.2.7", 40_000))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://pintu.test") as client:
            for path in (
                "/islands",
                "/schemas",
                f"{API}/catalogue",
                f"{API}/catalogue/search?q=灯",
                f"{API}/islands/duplicates",
                "/data-sets",
                f"{API}/schemas/secret",
            ):
                answer = await client.get(path)
                assert "机密灯" not in answer.text, path
    finally:
        town.rooms.configuration.delete("datasets", "secret")


async def test_who_uses_a_data_set_is_shown(town: SmallCity) -> None:
    """An agreement by its consumer, and the button that asks for one."""
    finder = town.rooms.finder
    assert finder is not None
    before = finder.uses_of
    finder.uses_of = lambda: [
        Use(data_set="lamps", kind="agreement", id="ag-1", consumer="traffic", fields=("power",))
    ]
    try:
        async with browser(town) as client:
            page = (await client.get("/data-sets/lamps")).text
            drawn = (await client.get("/islands")).text
    finally:
        finder.uses_of = before
    assert "/agreements/ag-1" in page
    assert "/agreements/new?data_set=lamps" in page
    assert "Held twice" in page
    assert 'class="flow"' in drawn
