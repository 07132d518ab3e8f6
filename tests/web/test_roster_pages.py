"""The duty desk, the roster and the handover as their people see them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pintu.city import City
from pintu.made_up import _people, _roster, make_up
from pintu.settings import Settings
from tests.postgres import address_for
from tests.web.exchange_city import Departments

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Departments]:
    """The demo's operations centre with its people and their roster."""
    folder = tmp_path_factory.mktemp("duty")
    settings = Settings(data=folder, demo=True, pieces=False, store=address_for(folder))
    city = await City.open(settings)
    told = await make_up(1)
    told["residents"] = []
    await _people(city.rooms, told)
    await _roster(city.rooms, told["roster"])
    one = Departments(city=city, app=city.application())
    yield one
    for client in one.known.values():
        await client.aclose()
    await city.close()


async def ring(town: Departments, subject: str = "drill:1", **more: Any) -> Any:
    room = town.city.rooms.operations
    assert room is not None and room.duty is not None
    said = {"zh": "路灯大面积熄灭", "en": "Lamps are out"}
    return await room.duty.ring("demo", subject, more.pop("severity", "high"), said, **more)


async def test_the_duty_officer_sees_what_rings_and_has_it(town: Departments) -> None:
    """Ringing, who is next, then answered with a name; others see that."""
    made = await ring(town)
    text = await town.page("demo_duty", "/duty")
    assert "Lamps are out" in text
    assert 'data-ringing="1"' in text
    assert re.search(r"沈演示</span>.*韩演示</span>.*杨演示</span>", text, re.S)
    assert "you are rung on this page alone" in text
    answer = await town.send("demo_duty", "/duty/acknowledge", ring=made.id, note="在路上")
    assert (303, "/duty?done=answered") == (answer.status_code, answer.headers["location"])
    part = await town.page("demo_supervisor", "/duty?part=rings")
    assert "<html" not in part
    assert 'data-ringing="0"' in part
    assert "沈演示" in part
    late = await town.send("demo_deputy_duty", "/duty/acknowledge", ring=made.id)
    assert (409, True) == (late.status_code, "That was not done" in late.text)


async def test_programs_answer_too(town: Departments) -> None:
    """The same deed over the API; a crew and a stranger are refused."""
    made = await ring(town, "drill:2", severity="critical")
    client = await town.browser("demo_deputy_duty")
    told = (await client.get("/api/v1/operations/duty")).json()
    [one] = told["ringing"]
    assert (made.id, ["沈演示"]) == (one["id"], one["rung"])
    assert ["duty", "duty", "supervisor"] == [it["post"] for it in told["on_duty"]]
    path = f"/api/v1/operations/rings/{made.id}/acknowledge"
    assert (await client.post(path)).status_code in (401, 403)  # no csrf
    csrf = (await client.get("/notices")).text.partition('data-csrf="')[2].partition('"')[0]
    done = await client.post(path, headers={"x-csrf-token": csrf}, json={"note": "ok"})
    assert (200, "韩演示") == (done.status_code, done.json()["by"])
    crew = await town.browser("demo_crew_1")
    for path in ("/duty", "/roster", "/handover", "/api/v1/operations/duty"):
        assert 403 == (await crew.get(path)).status_code
    assert 401 == (await town.stranger("203.0.113.9").get("/api/v1/operations/duty")).status_code


async def test_a_drill_is_rung_by_who_plans(town: Departments) -> None:
    """The supervisor rings one; an officer may not."""
    assert 403 == (await town.send("demo_duty", "/duty/drill")).status_code
    assert 303 == (await town.send("demo_supervisor", "/duty/drill")).status_code
    text = await town.page("demo_duty", "/duty")
    assert "A drill: please answer." in text
    id = text.partition('data-ring="')[2].partition('"')[0]
    assert 303 == (await town.send("demo_duty", "/duty/acknowledge", ring=id)).status_code


async def test_the_week_is_shown_and_shifts_are_swapped(town: Departments) -> None:
    """Fourteen turns a week without a gap; an officer gives one away and takes it back."""
    text = await town.page("demo_duty", "/roster")
    assert "Nobody is on duty then" not in text
    assert 13 <= text.count("07:30–19:30") + text.count("19:30–07:30") <= 15
    assert "Rotas" not in text
    shift = re.search(r'<option value="([^"]+\|\d+\|\d+)"', text)
    assert shift is not None
    people = town.city.rooms.identity.people
    foreman = people.find_login("demo_foreman")
    assert foreman is not None
    fields = {"deed": "swap", "shift": shift[1], "by": foreman.id, "reason": "体检"}
    assert 303 == (await town.send("demo_duty", "/roster", **fields)).status_code
    text = await town.page("demo_duty", "/roster")
    assert "体检" in text
    id = text.partition('name="id" value="')[2].partition('"')[0]
    refused = await town.send("demo_deputy_duty", "/roster", deed="unswap", id=id)
    assert 403 == refused.status_code
    assert 303 == (await town.send("demo_duty", "/roster", deed="unswap", id=id)).status_code


async def test_a_supervisor_writes_a_rota_as_lines(town: Departments) -> None:
    """Saved, seen, removed; a line that cannot be read is named."""
    lines = "0 08:00-20:00 duty demo_foreman\n1 20:00-08:00 foreman demo_foreman demo_duty"
    fields = {"deed": "rota", "zh": "防汛", "en": "Flood", "first_day": "2026-01-01", "days": "2"}
    wrong = await town.send("demo_supervisor", "/roster", **fields, turns="0 8-20 duty x")
    assert (400, True) == (wrong.status_code, "Line 1" in wrong.text)
    wrong = await town.send(
        "demo_supervisor", "/roster", **fields, turns="0 08:00-20:00 duty demo_nobody"
    )
    assert (400, True) == (wrong.status_code, "demo_nobody" in wrong.text)
    kept = await town.send("demo_supervisor", "/roster", **fields, turns=lines)
    assert 303 == kept.status_code, kept.text[:2000]
    text = await town.page("demo_supervisor", "/roster")
    assert lines in text
    room = town.city.rooms.operations
    assert room is not None and room.roster is not None
    [made] = [one for one in room.roster.list_rotas("demo") if one.id != "demo"]
    assert (720, 720) == tuple(one.minutes for one in made.turns)
    assert (
        403 == (await town.send("demo_duty", "/roster", deed="remove_rota", id=made.id)).status_code
    )
    done = await town.send("demo_supervisor", "/roster", deed="remove_rota", id=made.id)
    assert 303 == done.status_code


async def test_a_way_is_left_masked_tried_and_taken_back(town: Departments) -> None:
    """The number is on no page; a channel that is not set up is refused."""
    fields = {"deed": "save", "channel": "sms", "address": "10012345678"}
    wrong = await town.send("demo_duty", "/roster/ways", **fields)
    assert (400, True) == (wrong.status_code, "not set up" in wrong.text)
    token = town.city.rooms.settings.token_file.read_text("utf-8").strip()
    admin = town.stranger()
    headers = {"authorization": f"Bearer {token}"}
    made = await admin.post(
        "/roster/channels", headers=headers, data={
            "name": "sms", "kind": "webhook", "url": "http://127.0.0.1:9/", "zh": "短信",
            "en": "SMS", "secret": "s3cret", "headers": "X-Key: {secret}",
        },
    )  # fmt: skip
    assert 303 == made.status_code, made.text[:2000]
    shown = (await admin.get("/roster/channels?name=sms", headers=headers)).text
    assert "X-Key: {secret}" in shown
    assert "s3cret" not in shown
    assert 403 == (await (await town.browser("demo_duty")).get("/roster/channels")).status_code
    quiet = {"from": "22:00", "to": "07:00", "least": "high"}
    assert 303 == (await town.send("demo_duty", "/roster/ways", **fields, **quiet)).status_code
    text = await town.page("demo_duty", "/roster/ways")
    assert "100***78" in text
    assert "10012345678" not in text
    assert 303 == (await town.send("demo_duty", "/roster/ways", deed="try")).status_code
    async with asyncio.timeout(5):
        while "may not be reached" not in text:
            text = await town.page("demo_duty", "/roster/ways")
            await asyncio.sleep(0.05)
    id = text.partition('name="id" value="')[2].partition('"')[0]
    stolen = await town.send("demo_supervisor", "/roster/ways", deed="remove", id=id)
    assert 403 == stolen.status_code
    assert 303 == (await town.send("demo_duty", "/roster/ways", deed="remove", id=id)).status_code
    removed = await admin.post(
        "/roster/channels", headers=headers, data={"deed": "remove", "name": "sms"}
    )
    assert 303 == removed.status_code
    await admin.aclose()


async def test_a_browser_leaves_its_keys(town: Departments) -> None:
    """The key it subscribes with is a point of the curve; an address without TLS is refused."""
    client = await town.browser("demo_duty")
    key = (await client.get("/api/v1/operations/push")).json()["key"]
    assert 87 == len(key)
    csrf = (await client.get("/notices")).text.partition('data-csrf="')[2].partition('"')[0]
    headers = {"x-csrf-token": csrf}
    told = {"endpoint": "http://push.example/1", "keys": {"p256dh": key, "auth": "AAAA"}}
    path = "/api/v1/operations/push"
    assert 400 == (await client.post(path, headers=headers, json=told)).status_code
    told["endpoint"] = "https://push.example/1"
    made = await client.post(path, headers=headers, json=told)
    assert 201 == made.status_code
    gone = await client.delete(f"{path}/{made.json()['id']}", headers=headers)
    assert 204 == gone.status_code


async def test_a_report_without_its_mark_is_refused(town: Departments) -> None:
    """Anybody may call there; nobody is believed who was not asked."""
    stranger = town.stranger("203.0.113.9")
    answer = await stranger.post("/api/v1/operations/receipts/abc/0000", json={})
    assert 403 == answer.status_code
    await stranger.aclose()


async def test_the_handover_is_written_completed_and_signed(town: Departments) -> None:
    """Written now, two sentences, handed over, taken by the next; its list leads to it."""
    made = await town.send("demo_duty", "/handover", deed="write")
    place = made.headers["location"]
    id = place.partition("id=")[2]
    for text in ("白班复查滨江大道", "<b>泵站</b>加一人"):
        await town.send("demo_duty", "/handover", deed="add", id=id, text=text)
    shown = await town.page("demo_deputy_duty", place)
    assert "白班复查滨江大道" in shown
    assert "&lt;b&gt;泵站" in shown
    assert 303 == (await town.send("demo_duty", "/handover", deed="hand_over", id=id)).status_code
    own = await town.send("demo_duty", "/handover", deed="take", id=id)
    assert 409 == own.status_code
    done = await town.send("demo_deputy_duty", "/handover", deed="take", id=id)
    assert 303 == done.status_code
    client = await town.browser("demo_duty")
    told = (await client.get("/api/v1/operations/handovers")).json()
    assert ("taken", "韩演示", 2) == (told["state"], told["taken_by"], len(told["sentences"]))
    assert (
        403
        == (
            await town.send("demo_duty", "/handover", deed="times", times="07:00 19:00")
        ).status_code
    )
    kept = await town.send("demo_supervisor", "/handover", deed="times", times="07:00 19:00")
    assert 303 == kept.status_code
    assert "07:00, 19:00" in await town.page("demo_duty", "/handover")
