"""Warnings over the wire and on pages: CAP in and out, two persons, what may be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pintu.city import City
from pintu.protocols import cap
from pintu.settings import Settings
from pintu.web.app import build_app

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "http://127.0.0.1:9860"
API = "/api/v1/operations/warnings"
RING = ((30.0, 120.0), (30.0, 120.1), (30.1, 120.1), (30.0, 120.0))
CAP_TYPE = {"content-type": "application/cap+xml"}
FORM = {
    "kind": "Alert", "status": "Exercise", "scope": "Public", "category": "Met",
    "severity": "Extreme", "urgency": "Immediate", "certainty": "Likely", "issuer": "演示气象台",
    "ends": "2099-09-08T22:00", "headline_zh": "暴雨红色预警（演示）", "event_zh": "暴雨",
    "headline_en": "Rainstorm red warning (demo)", "does_Shelter": "1", "area_zh": "拼河区",
    "polygon": "30.20,120.15 30.20，120.25 30.16,120.25",
}  # fmt: skip


def document(identifier: str, **changed: Any) -> bytes:
    """A CAP document of a weather bureau."""
    info = cap.CapInfo(
        language="zh-CN", categories=("Met",), event="台风", urgency="Expected",
        severity=changed.pop("severity", "Severe"), certainty="Likely", headline="台风橙色预警",
        expires="2099-09-08T22:00:00+08:00", instruction="留在室内",
        areas=(cap.CapArea(description="全市", polygons=(RING,)),),
    )  # fmt: skip
    told = {"sender": "met@example.cn", "sent": "2026-09-08T16:00:00+08:00", "status": "Actual",
            "msg_type": "Alert", "scope": "Public", "infos": (info,), **changed}  # fmt: skip
    return cap.write(cap.CapAlert(identifier=identifier, **told))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A city whose own screens may do everything."""
    opened = await City.open(Settings(data=tmp_path_factory.mktemp("warned"), open=True))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(city: City) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the city's own screens."""
    app: Any = build_app(city.rooms)
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))
    headers = {"accept-language": "en", "origin": HERE}
    async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
        yield client


async def test_a_document_comes_in_and_goes_out_as_it_was(page: httpx.AsyncClient) -> None:
    """The bytes of its authority, the JSON, the feed, the page."""
    sent = document("W-1")
    answer = await page.post(API, content=sent, headers=CAP_TYPE)
    assert 201 == answer.status_code, answer.text
    told = answer.json()
    id = told["warning"]["id"]
    assert ("issued", "high") == (told["effect"], told["warning"]["severity"])
    assert sent == (await page.get(f"{API}/{id}.cap")).content
    assert [id] == [one["id"] for one in (await page.get(API)).json()]
    feed = (await page.get(f"{API}/feed.atom")).text
    assert f"/api/v1/operations/warnings/{id}.cap" in feed
    shown = (await page.get(f"/warnings/{id}")).text
    assert "留在室内" in shown
    assert '<path class="zone"' in shown
    assert "台风橙色预警" in (await page.get("/warnings")).text


async def test_whoever_asks_for_a_receipt_gets_one(page: httpx.AsyncClient) -> None:
    """An Ack of CAP, also for a message that is known; an Error for one with another content."""
    accept = {**CAP_TYPE, "accept": "application/cap+xml"}
    answer = await page.post(API, content=document("W-2"), headers=accept)
    receipt = cap.read(answer.content)
    assert ("Ack", "W-2") == (receipt.msg_type, receipt.references[0].identifier)
    again = document("W-2", note="another")
    answer = await page.post(API, content=again, headers=accept)
    assert (409, "Error") == (answer.status_code, cap.read(answer.content).msg_type)


async def test_what_cannot_be_read_is_refused_with_its_reason(page: httpx.AsyncClient) -> None:
    """400 for what is no message, 413 over a limit."""
    answer = await page.post(API, content=b"<!DOCTYPE a><a/>", headers=CAP_TYPE)
    assert 400 == answer.status_code
    assert "no document type" in answer.json()["detail"]
    many = " ".join(f"{30 + n / 1e5:.5f},120" for n in range(10_002))
    long = document("W-3").replace(b"<polygon>", f"<polygon>{many} ".encode())
    assert 413 == (await page.post(API, content=long, headers=CAP_TYPE)).status_code


async def test_an_update_and_a_cancel_of_the_form(page: httpx.AsyncClient) -> None:
    """What is written here is read back; its update and its end refer to it."""
    place = await posted(page, FORM)
    id = place.partition("?")[0].rpartition("/")[2]
    found = (await page.get(f"{API}/{id}")).json()
    assert ["zh-CN", "en-US"] == [one["language"] for one in found["message"]["infos"]]
    filled = (await page.get(f"/warnings-new?update={id}")).text
    assert "30.2,120.15" in filled
    await posted(page, {**FORM, "kind": "Update", "before": id, "severity": "Minor"})
    assert 2 == (await page.get(f"{API}/{id}")).json()["version"]
    await posted(page, {"kind": "Cancel", "before": id, "note": "过去了"})
    over = (await page.get(f"{API}/{id}")).json()
    assert "cancelled" == over["state"]
    shown = (await page.get(f"/warnings/{id}?done=cancelled&lang=zh-CN")).text
    assert "已解除" in shown


async def posted(page: httpx.AsyncClient, form: dict[str, str]) -> str:
    """Hand in a form; where it leads."""
    answer = await page.post("/warnings-new", data=form)
    assert 303 == answer.status_code, answer.text
    return answer.headers["location"]


async def test_a_form_says_what_is_missing(page: httpx.AsyncClient) -> None:
    """And keeps what was typed."""
    answer = await page.post("/warnings-new", data={**FORM, "polygon": ""})
    assert 400 == answer.status_code
    assert "A warning needs an area" in answer.text
    assert "暴雨红色预警（演示）" in answer.text


async def test_a_file_is_taken_in(page: httpx.AsyncClient) -> None:
    """As a program hands it in; a wrong one says why."""
    files = {"document": ("a.cap", document("W-9"), "application/cap+xml")}
    answer = await page.post("/warnings-take", files=files)
    assert 303 == answer.status_code
    answer = await page.post("/warnings-take", files={"document": ("a.cap", b"x", "text/plain")})
    assert 400 == answer.status_code
    assert "not XML" in answer.text


async def test_an_event_is_planned_on_its_page_and_over_the_wire(page: httpx.AsyncClient) -> None:
    """One line a zone and a check; shown with its report; refused with the line that is wrong."""
    form = {
        "id": "summit", "title_zh": "峰会（演示）", "title_en": "Summit (demo)", "least": "low",
        "begins": "2099-09-08T08:00", "ends": "2099-09-09T18:00",
        "zones": "hall | 会场 | 2 | 30.20,120.15 30.20，120.25 30.16,120.25",
        "checks": "power ｜ 供电 ｜ hall ｜ 60 ｜ 2",
    }  # fmt: skip
    answer = await page.post("/events-plan-new", data=form)
    assert 303 == answer.status_code, answer.text
    shown = (await page.get("/events-plan/summit")).text
    assert "Zones, and how much more counts there" in shown
    assert '<path class="zone"' in shown
    assert "峰会（演示）" in (await page.get("/events-plan?lang=zh-CN")).text
    typed = (await page.get("/events-plan-new?change=summit")).text
    assert "power | 供电 | hall | 60 | 2" in typed
    told = (await page.get("/api/v1/operations/events/summit")).json()
    assert ("draft", True) == (told["state"], told["checks"][0]["two"])
    again = await page.put("/api/v1/operations/events/summit", json={
        name: told[name] for name in ("title", "from_us", "until_us", "zones", "checks")
    })  # fmt: skip
    assert 200 == again.status_code, again.text
    refused = await page.post("/api/v1/operations/events/summit/approve")
    assert 403 == refused.status_code
    wrong = await page.post("/events-plan-new", data={**form, "zones": "hall | x"})
    assert 400 == wrong.status_code
    assert "Line 1 of zones has 2 parts, not 4" in wrong.text


async def test_json_is_read_as_strictly_as_cap(page: httpx.AsyncClient) -> None:
    """What could not be sent on is not taken: it would break every page that shows it."""
    info = {"categories": ["Met"], "event": "e", "urgency": "Expected", "severity": "Severe",
            "certainty": "Likely"}  # fmt: skip
    good = {"identifier": "J-1", "sender": "x@example.cn", "sent": "2026-09-08T16:00:00+08:00",
            "infos": [info], "signed": True}  # fmt: skip
    for wrong in (
        {"msg_type": "Foo"},
        {"status": "Foo"},
        {"infos": [{**info, "severity": "Foo"}]},
        {"infos": [{**info, "areas": [{"description": "d", "circles": [[1e308, 0, 1]]}]}]},
        {"sent": "yesterday"},
        {"infos": [{**info, "expires": "soon"}]},
    ):
        answer = await page.post(API, json={**good, **wrong})
        assert 400 == answer.status_code, answer.text
    answer = await page.post(API, json=good)
    assert 201 == answer.status_code, answer.text
    assert not answer.json()["warning"]["message"]["signed"]
    assert 200 == (await page.get("/warnings")).status_code


async def test_a_configured_sender_must_have_signed(page: httpx.AsyncClient, city: City) -> None:
    """Its certificate is the town's to configure; nobody else speaks in its name then."""
    sign = pytest.importorskip("tests.protocols.test_cap_sign")
    body = sign.signed()
    name = "met@example.cn"
    told = {"sender": [{"name": name, "certificate": sign.pair("met")[1]}]}
    city.rooms.configuration.save("warnings", "senders", told, by="test")
    clock = city.rooms.clock
    try:
        answer = await page.post(API, content=document("S-9"), headers=CAP_TYPE)
        assert 403 == answer.status_code
        assert "did not sign" in answer.json()["detail"]
        object.__setattr__(city.rooms, "clock", Then(sign.NOW_US))
        answer = await page.post(API, content=body, headers=CAP_TYPE)
        assert 201 == answer.status_code, answer.text
    finally:
        object.__setattr__(city.rooms, "clock", clock)
        city.rooms.configuration.delete("warnings", "senders")
    shown = (await page.get(f"/warnings/{answer.json()['warning']['id']}")).text
    assert "verified: signed with the certificate of its sender" in shown


class Then:
    """A clock that stands at a moment."""

    rate = 1.0

    def __init__(self, us: int) -> None:
        self._us = us

    def now_us(self) -> int:
        """That moment."""
        return self._us
