"""Pages of incidents: who sees them, what they say, and what a duty officer does on them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from tests.web.identity_city import csrf, send
from tests.web.incidents_city import CABINET, IncidentTown, night, open_incident_town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with open_incident_town(tmp_path_factory.mktemp("incidents")) as opened:
        await night(opened)
        yield opened


async def test_the_list_shows_what_happened_gravest_first(town: IncidentTown) -> None:
    """One incident from 41 alarms, another from two; a lone low alarm is no incident and is
    shown."""
    async with aclosing(await town.signed_in("duc")) as duty:
        text = (await duty.get("/incidents")).text
    assert text.index("滨江大道 7 号控制柜（演示）: Failed lamp, 41 alarms") < text.index(
        "High water"
    )
    assert "41 / 41" in text
    assert "Bin is full: B3" in text
    assert "waits to be confirmed" in text
    assert "its clock is 24.0 h behind" in text
    assert "Grade II" in text


async def test_the_room_says_why_and_what_depends_on_it(town: IncidentTown) -> None:
    """Reasons, every alarm with its own, the lamps that still burn on the same cabinet."""
    one = (await town.room.list_open("demo"))[0]
    assert CABINET == one.cause
    async with aclosing(await town.signed_in("duc")) as duty:
        text = (await duty.get(f"/incidents/{one.id}")).text
        rest = (await duty.get(f"/incidents/{one.id}?start=25")).text
    assert "40 alarms are about things that depend on 滨江大道 7 号控制柜（演示）" in text
    assert (25, 16) == (text.count('name="alarm"'), rest.count('name="alarm"'))
    assert "60 depend on it" in text
    assert '<svg class="area"' in text
    assert "opened (Grade II)" in text


async def test_a_duty_officer_takes_it_on_and_closes_it(town: IncidentTown) -> None:
    """Each deed is in its history with name and reason; what cannot be is said, nothing breaks."""
    await town.tell(town.alert("alone", place=(120.4, 30.4), severity="critical"))
    id = await town.room.incident_of("demo", "urn:ngsi-ld:Alert:test:alone")
    path = f"/incidents/{id}"
    async with aclosing(await town.signed_in("duc")) as duty:
        for fields in (
            {"deed": "acknowledge"},
            {"deed": "assign", "to": f"person:{town.people['dup'].id}"},
            {"deed": "grade", "grade": "1", "reason": "只有一盏"},
        ):
            done = await send(duty, path, **fields)
            assert (303, path) == (done.status_code, done.headers["location"])
        refused = await send(duty, path, deed="close", outcome="false", reason="")
        assert 400 == refused.status_code
        assert "This needs a reason in words" in refused.text
        assert (
            303
            == (
                await send(duty, path, deed="close", outcome="false", reason="测试（演示）")
            ).status_code
        )
        text = (await duty.get(path)).text
        late = await send(duty, path, deed="acknowledge")
    assert 409 == late.status_code
    for said in ("沈演示", "given to 韩演示", "lowered to a lesser grade (Grade IV)",
                 "closed: False alarm", "测试（演示）"):  # fmt: skip
        assert said in text


async def test_a_report_becomes_an_alarm(town: IncidentTown) -> None:
    """On the page, and over the API with the same key only once."""
    async with aclosing(await town.signed_in("duc")) as duty:
        done = await send(duty, "/incidents", text="井盖移位（演示）", severity="high",
                          category="service", lon="120.5", lat="30.5", key="k-1")  # fmt: skip
        assert 303 == done.status_code
        bad = await send(duty, "/incidents", text="x", lon="east", key="k-2")
        assert 400 == bad.status_code
        headers = {"x-csrf-token": await csrf(duty), "accept": "application/json"}
        body = {"text": "井盖移位（演示）", "key": "k-1", "lon": 120.5, "lat": 30.5}
        again = await duty.post("/api/v1/operations/reports", json=body, headers=headers)
        assert 201 == again.status_code
    await town.room.taker.caught_up()
    id = await town.room.incident_of("demo", again.json()["alert"])
    assert 1 == (await town.room.get(id)).alarms


async def test_programs_do_the_same_over_the_api(town: IncidentTown) -> None:
    """Listed, one with alarms and deeds, split and merged again."""
    headers = {"authorization": f"Bearer {town.admin}", "accept": "application/json"}
    async with aclosing(town.browser()) as program:
        program.headers.update(headers)
        found = (await program.get("/api/v1/operations/incidents")).json()
        first = next(one for one in found if one["alarms"] == 41)
        path = f"/api/v1/operations/incidents/{first['id']}"
        whole = (await program.get(path)).json()
        assert (41, "opened") == (len(whole["listed"]), whole["deeds"][0]["verb"])
        some = [one["number"] for one in whole["listed"][:3]]
        body = {"deed": "split", "alarms": some, "reason": "another street"}
        made = (await program.post(f"{path}/deeds", json=body)).json()
        assert 3 == made["alarms"]
        body = {"deed": "merge", "others": [made["id"]], "reason": "it is one after all"}
        assert 41 == (await program.post(f"{path}/deeds", json=body)).json()["alarms"]
        assert 400 == (await program.post(f"{path}/deeds", json={"deed": "eat"})).status_code
        detectors = (await program.get("/api/v1/operations/detectors")).json()
    assert {"street_lights/detect", "drains/detect"} <= {one["detector"] for one in detectors}


async def test_others_are_kept_out(town: IncidentTown) -> None:
    """A crew has no grant for it, nobody in particular has none."""
    id = (await town.room.list_open("demo"))[0].id
    async with aclosing(await town.signed_in("cui")) as crew, aclosing(town.browser()) as nobody:
        for browser in (crew, nobody):
            for path in ("/incidents", f"/incidents/{id}", "/api/v1/operations/incidents"):
                answer = await browser.get(path)
                assert answer.status_code in (401, 403)
                assert "滨江大道" not in answer.text


async def test_work_and_warnings_begin_and_end_on_its_page(town: IncidentTown) -> None:
    """One press sends somebody; a draft of a warning is nobody's to read before it is approved;
    closing proposes its end."""
    await town.tell(town.alert("flood", place=(120.6, 30.6), severity="critical"))
    id = await town.room.incident_of("demo", "urn:ngsi-ld:Alert:test:flood")
    path = f"/incidents/{id}"
    form = {"kind": "Alert", "status": "Actual", "scope": "Public", "category": "Met",
            "severity": "Severe", "urgency": "Immediate", "certainty": "Observed", "issuer": "演示",
            "ends": "2099-09-08T22:00", "headline_zh": "积水预警（演示）", "area_zh": "拼河区",
            "circle": "30.6,120.6 1", "incident": id}  # fmt: skip
    reader = f"Bearer {town.admin}"
    async with aclosing(await town.signed_in("duc")) as duty:
        text = (await duty.get(path)).text
        assert 'value="urn:ngsi-ld:Alert:test:flood"' in text
        sent = {"deed": "send", "what": "pump", "target": "urn:ngsi-ld:Alert:test:flood"}
        for _ in range(2):
            assert 303 == (await send(duty, path, **sent, key="press-1")).status_code
        assert "30.6,120.6 0.3" in (await duty.get(f"/warnings-new?incident={id}")).text
        assert 303 == (await send(duty, "/warnings-new", **form)).status_code
    async with aclosing(await town.signed_in("dup")) as second:
        rooms = town.city.rooms.operations
        assert rooms is not None
        assert rooms.warnings is not None
        [kept] = await rooms.warnings.waiting("demo")
        done = await send(second, f"/warnings-messages/{kept.number}", deed="approve")
        warning = done.headers["location"].partition("?")[0]
        assert id in (await second.get(warning)).text
        assert warning in (await second.get(path)).text
        told = {"deed": "close", "outcome": "resolved", "reason": "抽干"}
        assert 303 == (await send(second, path, **told)).status_code
        assert rooms.ended is not None
        await asyncio.gather(*rooms.ended._tasks)
        [ends] = await rooms.warnings.waiting("demo")
        assert "Cancel" == ends.message.msg_type
    api = f"/api/v1/operations{warning}"
    secret, _ = await town.city.rooms.identity.create_token("screen", frozenset({"read:demo"}))
    async with aclosing(town.browser()) as program:
        all_of_it = (await program.get(api, headers={"authorization": reader})).json()
        answer = await program.get(api, headers={"authorization": f"Bearer {secret}"})
    assert 2 == len(all_of_it["messages"])
    assert all_of_it["approved_by"]
    public = answer.json()
    assert [""] == [one["who"] for one in public["messages"]]
    assert ("", "") == (public["by"], public["approved_by"])


async def test_promises_are_seen_by_the_room_and_set_by_who_runs_the_city(
    town: IncidentTown,
) -> None:
    """Every field of the form is kept; a duty officer may look."""
    from pintu.web.pages.operations_settings import content_of

    path = "/operations-settings"
    async with aclosing(await town.signed_in("duc")) as duty:
        shown = await duty.get(path)
        refused = await send(duty, path, name="duty", next_s="60", slower_s="900", grade="2")
    assert "Promises of work orders" in shown.text
    assert " disabled" in shown.text
    assert 403 == refused.status_code
    fields = {f"{severity}_{name}": "9" for name in ("confirm", "arrive", "finish")
              for severity in ("critical", "high", "medium", "low", "informational")}  # fmt: skip
    told = content_of("promises", {**fields, "hours": "08:00-12:00", "worked": "2027-02-06"})
    assert {"confirm": 9, "arrive": 9, "finish": 9, "always": False} == told["levels"]["low"]
    rooms = town.city.rooms.operations
    assert rooms is not None
    assert rooms.decided is not None
    rooms.decided.save("promises", told, by="test")
    async with aclosing(await town.signed_in("duc")) as duty:
        assert "2027-02-06" in (await duty.get(path)).text
