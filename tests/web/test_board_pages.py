"""Pages without code over HTTP: shown with the reader's rights, made, saved, exported, imported."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from markupsafe import escape

from tests.web.board_city import PAGE, fill_air
from tests.web.conftest import HERE, browser, sign_in
from tests.web.small_city import SmallCity

ORIGIN = {"origin": HERE}


@pytest.fixture
async def air(city: SmallCity) -> AsyncIterator[SmallCity]:
    await fill_air(city, hours=16)
    yield city


@pytest.fixture
async def reader(air: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(air) as client:
        yield client


async def test_a_page_shows_every_kind_of_block(reader: httpx.AsyncClient) -> None:
    """Nine blocks, none failed, each with its place on the grid and its source."""
    answer = await reader.get("/boards/air")
    assert 200 == answer.status_code
    assert 9 == answer.text.count('<section class="block ')
    assert 9 == answer.text.count(" is-ok ")
    assert "bx-6 by-2 bw-6 bh-5" in answer.text
    assert 'href="/data-sets/air_days"' in answer.text
    assert "style=" not in answer.text  # the policy of the page forbids it


async def test_it_is_in_the_readers_language(air: SmallCity) -> None:
    """Titles, weekdays, levels."""
    async with browser(air) as client:
        text = (await client.get("/boards/air?lang=zh")).text
    for word in ("空气质量（演示）", "周一", "严重污染", "站点排名"):
        assert word in text


async def test_a_filter_of_the_address_narrows_every_block_that_has_the_column(
    reader: httpx.AsyncClient,
) -> None:
    """And stays in the links of tables, pages and files."""
    answer = await reader.get("/boards/air?f.district=滨江区&b8.page=2")
    assert '<option value="滨江区" selected>' in answer.text
    table = answer.text.partition('id="block-8"')[2]
    assert "滨江区" in table
    assert "上城区" not in table
    assert "f.district=%E6%BB%A8%E6%B1%9F%E5%8C%BA" in table
    assert "Page 2 of 9" in table


async def test_a_block_is_asked_for_alone_and_says_when_nothing_is_new(
    reader: httpx.AsyncClient,
) -> None:
    """204 for who already shows it; the whole block otherwise."""
    first = await reader.get("/boards/air/blocks/6")
    mark = first.text.partition('{"mark": "')[2].partition('"')[0]
    assert (200, 16) == (first.status_code, len(mark))
    again = await reader.get(f"/boards/air/blocks/6?mark={mark}")
    assert 204 == again.status_code
    other = await reader.get(f"/boards/air/blocks/6?mark={mark}&f.district=滨江区")
    assert 200 == other.status_code
    assert 404 == (await reader.get("/boards/air/blocks/9")).status_code


async def test_the_rows_behind_a_block_leave_as_a_safe_file(reader: httpx.AsyncClient) -> None:
    """All of them, filtered as the page is; no cell is a formula."""
    answer = await reader.get("/boards/air/blocks/8/file?f.district=滨江区")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert (101, "Day,District,AQI,Note") == (len(lines), lines[0])
    assert lines[1].endswith(",'=1+1")
    assert 404 == (await reader.get("/boards/air/blocks/2/file")).status_code


async def test_who_may_not_read_gets_nothing(air: SmallCity) -> None:
    """Pages, blocks, files, the catalogue: 401 from far away without a token."""
    paths = ("/boards", "/boards/air", "/boards/air/blocks/0", "/boards/air/file", "/data-sets",
             "/boards/air/blocks/8/file", "/data-sets/air_days", "/boards/air/edit",
             "/api/v1/data-sets/air_days/rows")  # fmt: skip
    async with browser(air, peer="198.51.100.7") as stranger:
        for path in paths:
            assert 401 == (await stranger.get(path)).status_code, path


def page_of(**block: Any) -> dict[str, Any]:
    return {"title": {"en": "x"}, "blocks": [{"kind": "table", "data": "air_days", **block}]}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"data": "nothing"}, "There is no data set nothing"),
        ({"columns": ["no"]}, "empty"),
        ({"where": [["no", "=", 1]]}, "The data set has no column no"),
        ({"where": [["aqi", ">", "many"]]}, "holds numbers"),
        ({"where": [["aqi", ">", 9999]]}, "No data fits this block now"),
        ({"kind": "chart", "x": "no", "y": ["aqi"]}, "no column no"),
        ({"kind": "map", "place": "no"}, "no column no"),
        ({"data": "patients"}, "tells of persons"),
    ],
)
async def test_what_goes_wrong_is_said_in_its_block(
    air: SmallCity, block: dict[str, Any], said: str
) -> None:
    """The page stands, with the other blocks."""
    content = page_of(**block)
    content["blocks"].append({"kind": "number", "data": "air_days"})
    air.rooms.configuration.save("pages", "odd", content, by="test")
    async with browser(air) as client:
        answer = await client.get("/boards/odd")
    assert 200 == answer.status_code
    assert str(escape(said)) in answer.text or said == "empty"
    assert ">400<" in answer.text


async def test_a_page_with_mistakes_is_listed_with_them(air: SmallCity) -> None:
    """So that whoever edits the folder by hand sees what to do."""
    air.rooms.configuration.save("pages", "odd", {"title": {"en": "Odd"}, "x": 1}, by="test")
    (air.rooms.configuration.folder / "pages" / "worse.toml").write_text("title = ")
    async with browser(air) as client:
        text = (await client.get("/boards")).text
        assert "has no member &#39;x&#39;" in text
        assert "config/pages/worse.toml cannot be read" in text
        assert 500 == (await client.get("/boards/odd")).status_code


async def test_pieces_bring_pages_that_are_copied_not_edited(air: SmallCity) -> None:
    """A page beside a piece's manifest is PIECE.NAME; its editor begins a copy."""
    piece = next(one for one in air.rooms.pieces if one.folder is not None)
    text = 'title = {zh = "视图", en = "A view"}\n[[blocks]]\nkind = "text"\ntext = {en = "Hi"}\n'
    views = air.tables.data / "street" / "views"
    views.mkdir(parents=True)
    (views / "lamps.toml").write_text(text)
    changed = [one for one in air.rooms.pieces if one is not piece]
    import dataclasses

    air.rooms.pieces[:] = [*changed, dataclasses.replace(piece, folder=views.parent)]
    async with browser(air) as client:
        await sign_in(client, air)
        assert "A view" in (await client.get("/boards")).text
        name = f"{piece.name}.lamps"
        assert f"/boards/new/edit?from={name}" in (await client.get(f"/boards/{name}")).text
        copy = await client.get(f"/boards/new/edit?from={name}")
        assert "A view" in copy.text
        assert 404 == (await client.get(f"/boards/{name}/edit")).status_code


# --- the editor -----------------------------------------------------------------------------------
def state_in(text: str) -> str:
    """The hidden state of an editor's answer."""
    import html

    return html.unescape(text.partition('name="state" value="')[2].partition('"')[0])


async def test_a_page_is_made_from_nothing(air: SmallCity) -> None:
    """Added, told its data, saved; then it is there for everybody, with its version."""
    async with browser(air) as client:
        csrf = await sign_in(client, air)
        form = {"csrf": csrf, "over": "0", "name": "mine", "title.en": "Mine", "title.zh": "我的",
                "state": "{}", "chosen": "-1", "deed": "add:number"}  # fmt: skip
        added = await client.post("/boards/new/edit", data=form, headers=ORIGIN)
        assert "Before it can be saved" in added.text
        form |= {"state": state_in(added.text), "chosen": "0", "block.kind": "number",
                 "block.data": "air_days", "deed": "save"}  # fmt: skip
        saved = await client.post(
            "/boards/new/edit", data=form, headers={**ORIGIN, "hx-request": "true"}
        )
        assert "/boards/mine" == saved.headers["hx-redirect"]
        assert ">400<" in (await client.get("/boards/mine")).text
    kept = air.rooms.configuration.get("pages", "mine")
    assert (1, {"en": "Mine", "zh": "我的"}) == (kept.version, kept.content["title"])


async def test_two_editors_do_not_overwrite_each_other(air: SmallCity) -> None:
    """The second is told, keeps what they made, and may look at what was saved."""
    async with browser(air) as client:
        csrf = await sign_in(client, air)
        shown = await client.get("/boards/air/edit")
        form = {"csrf": csrf, "over": "1", "state": state_in(shown.text), "chosen": "-1",
                "title.zh": "甲", "title.en": "First", "deed": "save"}  # fmt: skip
        first = await client.post("/boards/air/edit", data=form, headers=ORIGIN)
        assert (303, "/boards/air") == (first.status_code, first.headers["location"])
        form |= {"title.en": "Second"}
        second = await client.post("/boards/air/edit", data=form, headers=ORIGIN)
        assert "Somebody saved this page meanwhile; it is at version 2 now" in second.text
        assert 'value="Second"' in second.text
    assert "First" == air.rooms.configuration.get("pages", "air").content["title"]["en"]


async def test_data_of_persons_is_not_put_on_a_page(air: SmallCity) -> None:
    """Not offered, and refused when it is asked for all the same."""
    async with browser(air) as client:
        csrf = await sign_in(client, air)
        shown = await client.get("/boards/air/edit")
        assert "patients" not in shown.text
        form = {"csrf": csrf, "over": "1", "chosen": "8", "block.kind": "table",
                "block.data": "patients", "state": state_in(shown.text),
                "deed": "save"}  # fmt: skip
        answer = await client.post("/boards/air/edit", data=form, headers=ORIGIN)
        assert "Block 9 shows patients, which tells of persons" in answer.text
    assert 1 == air.rooms.configuration.get("pages", "air").version


@pytest.mark.parametrize("name", ["", "new", "../x", "A", "ünder", "a" * 65, "a.b"])
async def test_an_address_that_is_none_is_refused(air: SmallCity, name: str) -> None:
    """In words, and nothing is written."""
    async with browser(air) as client:
        csrf = await sign_in(client, air)
        form = {"csrf": csrf, "over": "0", "name": name, "title.zh": "", "title.en": "x",
                "state": "{}", "deed": "save"}  # fmt: skip
        answer = await client.post("/boards/new/edit", data=form, headers=ORIGIN)
        assert "The address is not one" in answer.text
    assert ["air", "air_wall"] == [one.name for one in air.rooms.configuration.list_saved("pages")]


async def test_only_who_has_the_right_edits(air: SmallCity) -> None:
    """A reader sees no button and is refused; a form without its token too."""
    async with browser(air) as client:
        assert "/boards/air/edit" not in (await client.get("/boards/air")).text
        assert 401 == (await client.get("/boards/air/edit")).status_code
        form = {"state": "{}", "deed": "save", "name": "x", "title.zh": "", "title.en": "x"}
        assert (await client.post("/boards/new/edit", data=form)).status_code in (401, 403)
        await sign_in(client, air)
        assert "/boards/air/edit" in (await client.get("/boards/air")).text
        for path in ("/boards/air/edit", "/boards/import", "/boards/air/remove"):
            refused = await client.post(path, data=form, headers={"origin": "https://evil.org"})
            assert 403 == refused.status_code, path


async def test_a_page_goes_out_as_a_file_and_comes_in_elsewhere(air: SmallCity) -> None:
    """The same page; a file that is none is refused in words; nothing is saved by importing."""
    async with browser(air) as client:
        file = await client.get("/boards/air/file")
        assert PAGE["title"] == tomllib.loads(file.text)["title"]
        csrf = await sign_in(client, air)
        sent = {"file": ("town.toml", file.content, "application/toml")}
        opened = await client.post(
            "/boards/import", data={"csrf": csrf}, files=sent, headers=ORIGIN
        )
        assert 'name="name" maxlength="64" value="town"' in opened.text
        form = {"csrf": csrf, "over": "0", "name": "town", "state": state_in(opened.text),
                "deed": "save"}  # fmt: skip
        await client.post("/boards/new/edit", data=form, headers=ORIGIN)
        again = await client.get("/boards/town/file")
        assert file.text == again.text
        for bad in (b"title = ", b"\xff\xfe", b""):
            sent = {"file": ("a.toml", bad, "application/toml")}
            answer = await client.post(
                "/boards/import", data={"csrf": csrf}, files=sent, headers=ORIGIN
            )
            assert answer.status_code in (200, 400, 500)
        removed = await client.post("/boards/town/remove", data={"csrf": csrf}, headers=ORIGIN)
        assert 303 == removed.status_code
        assert 404 == (await client.get("/boards/town")).status_code
