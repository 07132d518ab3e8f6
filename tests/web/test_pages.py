"""Every page answers in both languages, guarded, with what it promises on it."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.web.conftest import browser
from tests.web.small_city import LAMP, SmallCity

pytestmark = pytest.mark.asyncio(loop_scope="module")
FAULTY = LAMP.format(3)
PAGES = (
    "/",
    "/sources",
    "/quarantine",
    "/quarantine/1",
    "/pieces",
    "/vocabulary",
    "/system",
    "/sign-in",
    "/search?q=L0001",
    f"/entities/{FAULTY}",
    f"/entities/{FAULTY}?part=card",
    f"/entities/{FAULTY}?part=values",
    f"/entities/{FAULTY}?part=commands",
    "/parts/alerts",
    "/nothing/here",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["zh-CN", "en"])
async def test_every_page_answers(shared_page: httpx.AsyncClient, path: str, lang: str) -> None:
    """Every page answers in both languages, as HTML, under the strict policy, uncached."""
    answer = await shared_page.get(path, headers={"accept-language": lang})
    assert (404 if "nothing" in path else 200) == answer.status_code
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "no-store" == answer.headers["cache-control"]
    assert "DENY" == answer.headers["x-frame-options"]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_needs_inline_code(shared_page: httpx.AsyncClient, path: str) -> None:
    """No page holds inline script, style, handlers, or an address of another site."""
    text = (await shared_page.get(path)).text
    for tag in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in tag or 'type="application/json"' in tag
    assert None is re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", text)
    assert [] == re.findall(r"(?:src|href)=\"(?:https?:)?//[^\"]*", text)


async def test_language_is_chosen(shared_page: httpx.AsyncClient) -> None:
    """?lang wins and is remembered, then the cookie, then the browser, then zh-CN."""
    assert 'lang="en"' in (await shared_page.get("/")).text
    assert 'lang="zh-CN"' in (await shared_page.get("/", headers={"accept-language": "fr"})).text
    assert 'lang="zh-CN"' in (await shared_page.get("/?lang=zh-CN")).text
    assert 'lang="zh-CN"' in (await shared_page.get("/")).text


async def test_a_value_says_where_it_came_from(shared_page: httpx.AsyncClient) -> None:
    """The entity page shows value, unit, age and the source of the log row it came with."""
    text = (await shared_page.get(f"/entities/{LAMP.format(1)}?part=values")).text
    assert "street_lights/mqtt" in text
    assert re.search(r"voltage.*?<span class=\"num\">22\d", text, re.S)
    assert "data-age" in text


async def test_alerts_are_listed(shared_page: httpx.AsyncClient) -> None:
    """What is wrong now names each open alert, its lamp and how bad it is."""
    text = (await shared_page.get("/parts/alerts")).text
    for number in (3, 12, 21):
        assert f"L{number:05d}" in text


async def test_a_stranger_from_elsewhere_sees_nothing(shared_city: SmallCity) -> None:
    """Without a token, a peer that is not this machine gets 401 and a way to sign in."""
    async with browser(shared_city, peer="203.0.113.9") as far:
        for path in ("/", "/sources", "/quarantine", "/api/v1/map/lamps", "/events"):
            answer = await far.get(path)
            assert 401 == answer.status_code, path
        assert "/sign-in" in (await far.get("/")).text
