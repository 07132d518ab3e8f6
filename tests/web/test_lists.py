"""Every list filters, sorts and leaves as a file, asked for by its address alone."""

from __future__ import annotations

import httpx
import pytest

from pintu.web.pages.listing import Cell, Row, csv_lines, in_order, safe
from tests.web.conftest import browser
from tests.web.small_city import LAMP, SmallCity

LISTS = {
    "/entities?type=Streetlight": 60,
    "/sources?": 1,
    "/quarantine?": 2,
    "/search?q=L0001": 10,
}


@pytest.mark.parametrize(("address", "count"), list(LISTS.items()))
async def test_every_list_is_a_file(page: httpx.AsyncClient, address: str, count: int) -> None:
    """UTF-8 with its mark, a heading, a line for each row; the page offers it."""
    answer = await page.get(address + "&format=csv")
    assert 200 == answer.status_code
    assert b"\xef\xbb\xbf" == answer.content[:3]
    assert "attachment" in answer.headers["content-disposition"]
    assert count + 1 == len(answer.content.decode("utf-8-sig").splitlines())
    assert "format=csv" in (await page.get(address)).text


@pytest.mark.parametrize("address", [*LISTS, "/work/lamp_faults?"])
async def test_a_file_is_for_whom_the_page_is(city: SmallCity, address: str) -> None:
    """Somebody far away and not signed in gets none of them."""
    async with browser(city, peer="198.51.100.7") as stranger:
        assert 401 == (await stranger.get(address + "&format=csv")).status_code


@pytest.mark.parametrize("start", ["=1+1", "+a", "@x", "\t=1", "-a", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(start: str) -> None:
    """What a spreadsheet would run begins with an apostrophe; plain numbers stay numbers."""
    assert "'" + start == safe(start)
    assert ("-3.5", "a=b") == (safe("-3.5"), safe("a=b"))
    assert b'"a,""b"""\r\n' == csv_lines([['a,"b"']])


def test_rows_without_a_value_come_last() -> None:
    """Whichever way a list is sorted."""
    rows = [Row(id=str(key), cells={"n": Cell(text="", key=key)}) for key in (2, None, 10)]
    assert ["2", "10", "None"] == [row.id for row in in_order(rows, "n", descending=False)]
    assert ["10", "2", "None"] == [row.id for row in in_order(rows, "n", descending=True)]


async def test_things_of_a_type_are_asked_for_by_the_address(page: httpx.AsyncClient) -> None:
    """Fifty a page; an NGSI-LD query, a part of an id, an order; a mistake is said, not thrown."""
    address = "/entities?type=Streetlight"
    assert 50 == (await page.get(address)).text.count('<th scope="row">')
    assert 10 == (await page.get(address + "&page=2")).text.count('<th scope="row">')
    failed = await page.get(address + '&q=condition%3D%3D"failed"')
    assert 3 == failed.text.count('<th scope="row">')
    one = await page.get(address + "&id=L00012")
    assert 1 == one.text.count('<th scope="row">')
    assert LAMP.format(12).replace(":", "%3A") in one.text
    down = (await page.get(address + "&sort=-workingHours")).text
    assert down.index("L00059") < down.index("L00058")
    wrong = await page.get(address + "&q=((")
    assert 400 == wrong.status_code
    assert "cannot be read" in wrong.text
    assert 200 == (await page.get("/entities?type=Nothing")).status_code


async def test_sources_filter_and_sort(page: httpx.AsyncClient) -> None:
    """By state and by text, any column either way, on the page and in the part it loads again."""
    assert "street_lights/mqtt" in (await page.get("/sources?state=up&sort=-messages")).text
    assert "Nothing fits" in (await page.get("/sources?q=water&part=table")).text
    assert "/sources?q=water&amp;part=table" in (await page.get("/sources?q=water")).text
