"""Sessions, commands, the quarantine's retry and drop: guarded, nothing shown that is not ours."""

from __future__ import annotations

import httpx

from tests.web.conftest import HERE, browser, sign_in
from tests.web.small_city import LAMP, SmallCity


async def test_session_and_csrf(city: SmallCity, page: httpx.AsyncClient) -> None:
    """A token opens a session; what acts needs the session's CSRF token and our own origin."""
    csrf = await sign_in(page, city)
    assert csrf
    body = {"name": "DimLamp", "target": LAMP.format(1), "arguments": {"level": 40}, "key": "one"}
    refused = await page.post("/api/v1/commands", json=body, headers={"origin": HERE})
    assert 403 == refused.status_code
    foreign = {"origin": "http://elsewhere.example", "x-csrf-token": csrf}
    assert 403 == (await page.post("/api/v1/commands", json=body, headers=foreign)).status_code
    ours = {"origin": HERE, "x-csrf-token": csrf}
    done = await page.post("/api/v1/commands", json=body, headers=ours)
    assert 202 == done.status_code
    assert "desired" == done.json()["state"]
    again = await page.post("/api/v1/commands", json=body, headers=ours)
    assert done.json()["id"] == again.json()["id"]
    ledger = (await page.get(f"/entities/{LAMP.format(1)}?part=commands")).text
    assert done.json()["id"] in ledger
    out = await page.post("/sign-out", data={"csrf": csrf}, headers={"origin": HERE})
    assert 303 == out.status_code
    assert 401 == (await page.post("/api/v1/commands", json=body, headers=ours)).status_code


async def test_a_wrong_token_opens_nothing(page: httpx.AsyncClient) -> None:
    """A token nobody knows shows the form again with the reason, and sets no cookie."""
    answer = await page.post("/sign-in", data={"token": "nobody"}, headers={"origin": HERE})
    assert 401 == answer.status_code
    assert "set-cookie" not in answer.headers
    assert "Nobody knows this token" in answer.text


async def test_sign_in_goes_nowhere_else(city: SmallCity, page: httpx.AsyncClient) -> None:
    """`next` never leads to another site."""
    for wish in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        page.cookies.clear()
        answer = await page.post(
            "/sign-in", data={"token": city.admin, "next": wish}, headers={"origin": HERE}
        )
        assert "/" == answer.headers["location"]


async def test_quarantine_retry_and_drop(city: SmallCity, page: httpx.AsyncClient) -> None:
    """An anonymous visitor of the demo reads the quarantine; only an operator lets go of it."""
    assert 401 == (await page.delete("/api/v1/quarantine/1")).status_code
    csrf = await sign_in(page, city)
    ours = {"origin": HERE, "x-csrf-token": csrf}
    assert 204 == (await page.delete("/api/v1/quarantine/1", headers=ours)).status_code
    assert 404 == (await page.get("/quarantine/1")).status_code
    assert 404 == (await page.delete("/api/v1/quarantine/1", headers=ours)).status_code


async def test_another_tenants_quarantine_is_not_here(city: SmallCity) -> None:
    """What the demo tenant holds is not shown where the default tenant is."""
    from dataclasses import replace

    city.rooms.settings = replace(city.rooms.settings, demo=False)
    async with browser(city) as client:
        await sign_in(client, city)
        assert 404 == (await client.get("/quarantine/1")).status_code
        assert "empty" in (await client.get("/quarantine")).text


async def test_hostile_text_stays_text(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Markup in data is shown as text, in the page and in its data blocks."""
    from pintu.kernel.store.port import Op
    from tests.web.small_city import changed

    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    tenant = city.rooms.store.tenant("demo") or 0
    await city.rooms.store.submit([Op(tenant, LAMP.format(5), changed(name=evil))], evil[:50])
    for path in (f"/entities/{LAMP.format(5)}", f"/?thing={LAMP.format(5)}", f"/search?q={evil}"):
        text = (await page.get(path)).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


async def test_an_unforeseen_failure_tells_nothing(city: SmallCity) -> None:
    """A failure nobody foresaw is a page with a trace, without the error's own words."""
    city.rooms.feed = None  # type: ignore[assignment]

    class Broken:
        def sources(self) -> list[object]:
            raise RuntimeError("secret inside")

    city.rooms.intake.sources = Broken().sources  # type: ignore[method-assign,assignment]
    async with browser(city) as client:
        answer = await client.get("/sources")
    assert 500 == answer.status_code
    assert "secret" not in answer.text
    assert "Something here failed" in answer.text
