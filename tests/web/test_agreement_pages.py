"""Agreements, look-ups, the auditor's and the resident's pages: what is wrong now, what is mine to
do, how I know that it is true; and nothing that is somebody else's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pintu.demo.departments import make_children
from pintu.kernel.exchange.agreements.words import Agreement
from tests.web.exchange_city import Departments, open_departments

CHILD = make_children()[0]
OTHER = make_children()[1]
REASON = "Enrolment of new pupils: check vaccination"
FORM: dict[str, Any] = {
    "data_set": "demo_vaccinations",
    "field": ["vaccinated_on"],
    "mask.vaccinated_on": "yes_no",
    "where.0.column": "school",
    "where.0.comparison": "=",
    "where.0.value": "演示第一小学",
    "way": "one",
    "subject": "id_number",
    "consumer": "school",
    "purpose": "enrolment",
    "basis": "statutory_duty",
    "reason": REASON,
    "retention_days": "30",
    "until": "2099-01-01",
    "limit.subjects_a_day": "200",
    "limit.looks_at_one": "5",
}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Departments]:
    async with open_departments(tmp_path_factory.mktemp("departments") / "data") as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agreed(town: Departments) -> Agreement:
    """The school's agreement, asked for, approved and signed by pages alone."""
    sent = await town.send("demo_school", "/agreements/new", **FORM)
    assert 303 == sent.status_code, sent.text[-3_000:]
    id = re.search(r"ag-\w+", sent.headers["location"])
    assert id is not None
    for login, deed in (("demo_health", "approve"), ("demo_head", "sign")):
        done = await town.send(login, f"/agreements/{id[0]}/{deed}", version="1")
        assert 303 == done.status_code, done.text[-2_000:]
    room = town.city.rooms.agreements
    assert room is not None
    found = room.active(id[0])
    assert found is not None
    return found


async def test_the_form_says_what_is_missing_before_it_is_sent(town: Departments) -> None:
    """Nothing typed: no accusation, only what is still to say; a whole name: refused, and why."""
    empty = {**FORM, "field": [], "purpose": "", "basis": "", "reason": ""}
    told = (await town.send("demo_school", "/agreements/check", **empty)).text
    assert "Still to say:" in told
    assert "what it is for" in told
    whole = {**FORM, "field": ["name", "phone"], "way": "rows", "mask.name": "plain"}
    told = (await town.send("demo_school", "/agreements/check", **whole)).text
    assert "As it is, it will be refused" in told
    fine = (await town.send("demo_school", "/agreements/check", **FORM)).text
    assert "It can be sent" in fine
    assert "only whether there is one: yes or no" in fine
    assert "Not told at all: Identity number" in fine


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reason": "test"}, "placeholder"),
        ({"k": "x", "way": "counts"}, "not a whole number"),
        ({"until": "soon"}, "is no day"),
        ({"purpose": "curiosity"}, "purpose"),
        ({"consumer": "health"}, "organisation"),
    ],
)
async def test_a_request_that_cannot_be_keeps_what_was_typed(
    town: Departments, changed: dict[str, str], said: str
) -> None:
    """400 with a sentence, and the form as it was."""
    answer = await town.send("demo_school", "/agreements/new", **{**FORM, **changed})
    assert 400 == answer.status_code
    assert said in answer.text
    assert 'value="演示第一小学"' in answer.text


async def test_two_sides_agree_by_pages(town: Departments, agreed: Agreement) -> None:
    """Both signatures fit the terms; each step has its row; nobody else is offered a deed."""
    text = await town.page("demo_health", f"/agreements/{agreed.id}")
    assert text.count("fits these terms") == 2
    assert "Approved and signed by the owner" in text
    assert re.search(r"/audit/proof/\d+", text)
    assert f"/agreements/{agreed.id}/revoke" in text
    office = await town.page("demo_school", f"/agreements/{agreed.id}")
    assert "/revoke" not in office
    assert f"/look-up?agreement={agreed.id}" in office
    stranger = await (await town.browser("demo_planner")).get(f"/agreements/{agreed.id}")
    assert 404 == stranger.status_code


async def test_the_list_keeps_its_state_in_the_address(
    town: Departments, agreed: Agreement
) -> None:
    """Filtered, sorted, and left as a file."""
    all_ = await town.page("demo_health", "/agreements?sort=-until")
    assert agreed.id in all_
    assert 'aria-sort="descending"' in all_
    none = await town.page("demo_health", "/agreements?state=expired")
    assert "Nothing fits these filters" in none
    client = await town.browser("demo_health")
    file = await client.get("/agreements?consumer=school&format=csv")
    assert "text/csv" in file.headers["content-type"]
    assert "Demo No. 1 Primary School" in file.text
    assert "Demo Education Bureau" not in file.text


async def test_one_person_is_looked_up_with_a_receipt(town: Departments, agreed: Agreement) -> None:
    """Yes or no, the number masked, the receipt leading to its proof; the address tells nothing."""
    answer = await town.send(
        "demo_school", "/look-up", agreement=agreed.id, id=CHILD["id_number"], reason=REASON
    )
    assert 200 == answer.status_code
    assert re.search(r"<dd>yes ", answer.text)
    assert CHILD["id_number"] not in answer.text
    assert "990***********000X" in answer.text
    assert re.search(r"/audit/proof/\d+", answer.text)


@pytest.mark.parametrize(
    ("id", "reason", "said"),
    [
        (CHILD["id_number"], "test", "not a reason"),
        ("", REASON, "Nobody is named"),
    ],
)
async def test_a_look_without_a_reason_is_refused(
    town: Departments, agreed: Agreement, id: str, reason: str, said: str
) -> None:
    """In words, on the page, with the reason as it was typed."""
    answer = await town.send("demo_school", "/look-up", agreement=agreed.id, id=id, reason=reason)
    assert answer.status_code in (400, 403)
    assert said in answer.text


async def test_another_schools_pupil_is_nobody(town: Departments, agreed: Agreement) -> None:
    """A child outside of the agreed rows is not there; whether health knows it is not told."""
    answer = await town.send(
        "demo_school", "/look-up", agreement=agreed.id, id=OTHER["id_number"], reason=REASON
    )
    assert "no such person among the rows" in answer.text


async def test_the_form_fills_one_pupil_and_no_class(town: Departments, agreed: Agreement) -> None:
    """One number: the field with its source; two: the gate refuses."""
    one = await town.send("demo_school", "/look-up/form", id=CHILD["id_number"], reason=REASON)
    assert "Demo Health Commission" in one.text
    assert "<output>yes</output>" in one.text
    both = f"{CHILD['id_number']}\n{OTHER['id_number']}"
    two = await town.send("demo_school", "/look-up/form", id=both, reason=REASON)
    assert "One pupil at a time" in two.text
    assert "<output>" not in two.text


async def test_who_may_not_look_up_is_offered_nothing(town: Departments) -> None:
    """Health's deputy has no agreement as a consumer."""
    assert "There is nothing you may look up" in await town.page("demo_deputy", "/look-up")
    sent = await town.send("demo_deputy", "/look-up", agreement="ag-x", id="1", reason=REASON)
    assert 403 == sent.status_code


async def test_the_auditor_searches_and_nobody_else(town: Departments, agreed: Agreement) -> None:
    """Rows by agreement, with proofs and a file; the administrator reads no log."""
    text = await town.page("demo_auditor", f"/auditing?agreement={agreed.id}")
    assert "Signed by the consumer: in force" in text
    assert "How you know that it is true" in text
    client = await town.browser("demo_auditor")
    file = await client.get(f"/auditing?agreement={agreed.id}&what=read&format=csv")
    assert file.text.startswith("\ufeffnumber,time,what")
    assert 404 != file.status_code
    for login in ("demo_officer", "demo_school", "demo_guardian"):
        assert 403 == (await (await town.browser(login)).get("/auditing")).status_code
    unknown = await client.get("/auditing?person=nobody")
    assert 400 == unknown.status_code
    assert "There is no account with this login" in unknown.text


async def test_a_guardian_sees_who_looked_at_the_child(
    town: Departments, agreed: Agreement
) -> None:
    """The school, why, under which agreement; the clerk's name is never told."""
    await town.send(
        "demo_school", "/look-up", agreement=agreed.id, id=CHILD["id_number"], reason=REASON
    )
    text = await town.page("demo_guardian", "/my-records")
    child = re.findall(r"/my-records\?of=([0-9a-f]+)", text)[0]
    text = await town.page("demo_guardian", f"/my-records?of={child}")
    assert "Demo No. 1 Primary School" in text
    assert REASON in text
    assert "吴演示" not in text
    held = await town.send("demo_guardian", f"/my-records?of={child}", id=CHILD["id_number"])
    assert "Demo Education Bureau" in held.text
    assert CHILD["address"] in held.text
    assert CHILD["id_number"] not in re.sub(r'name="id" value="[^"]*"', "", held.text)


async def test_nobody_sees_another_persons_record(town: Departments) -> None:
    """Another child's number, whatever the page says; who is no resident sees no record at all."""
    text = await town.page("demo_guardian", "/my-records")
    child = re.findall(r"/my-records\?of=([0-9a-f]+)", text)[0]
    other = await town.send("demo_guardian", f"/my-records?of={child}", id=OTHER["id_number"])
    assert 403 == other.status_code
    assert OTHER["name"] not in other.text
    text = await town.page("demo_school", "/my-records")
    assert "This account is not proved to be yours yet" in text
    sent = await town.send("demo_school", "/my-records", id=CHILD["id_number"])
    assert CHILD["address"] not in sent.text
    assert 401 == (await town.stranger().get("/my-records")).status_code


async def test_notices_lead_to_what_is_to_be_done(town: Departments, agreed: Agreement) -> None:
    """The owner was told of the request; read, they count no more."""
    text = await town.page("demo_health", "/notices")
    assert f"/agreements/{agreed.id}" in text
    await town.send("demo_health", "/notices/read")
    assert 'class="unread"' not in await town.page("demo_health", "/notices")


async def test_a_rail_shows_ones_own_work(town: Departments) -> None:
    """A resident sees warnings and no machinery, an auditor the log, a clerk the look-up."""
    rail = r'<nav class="rail".*?</nav>'
    shown = {}
    for login in ("demo_guardian", "demo_auditor", "demo_school"):
        found = re.search(rail, await town.page(login, "/notices"), re.DOTALL)
        assert found is not None
        shown[login] = set(re.findall(r'href="(/[\w-]*)"', found[0]))
    assert {"/", "/my-records", "/notices", "/warnings"} == shown["demo_guardian"]
    assert "/auditing" in shown["demo_auditor"] - shown["demo_school"]
    assert {"/look-up", "/agreements"} <= shown["demo_school"]
    assert "/system" not in shown["demo_school"]


async def test_the_demos_people_are_for_this_machine(town: Departments) -> None:
    """Not from elsewhere, and never an account that is not the demo's."""
    assert 403 == (await town.stranger("10.0.0.7").get("/demo-people")).status_code
    sent = await town.stranger().post("/demo-people", data={"login": "admin"})
    assert 404 == sent.status_code


async def test_revoked_is_refused_at_once_and_recalled(
    town: Departments, agreed: Agreement
) -> None:
    """The next look is refused in words; the school is asked to delete what it kept, answers, and
    the owner reads the answer."""
    done = await town.send(
        "demo_health", f"/agreements/{agreed.id}/revoke", version="1", reason="登记已结束，不再需要"
    )
    assert 303 == done.status_code
    again = await town.send(
        "demo_school", "/look-up", agreement=agreed.id, id=CHILD["id_number"], reason=REASON
    )
    assert 403 == again.status_code
    assert "delete what you keep" in await town.page("demo_school", "/agreements")
    text = await town.page("demo_school", f"/agreements/{agreed.id}?version=1")
    recall = re.search(r'name="recall" value="([^"]+)"', text)
    assert recall is not None
    told = "The copy in the enrolment system was deleted"
    wrong = await town.send(
        "demo_school", f"/agreements/{agreed.id}/answer-recall", version="1", recall=recall[1],
        reason=told, rows="many",
    )  # fmt: skip
    assert 400 == wrong.status_code
    answered = await town.send(
        "demo_school", f"/agreements/{agreed.id}/answer-recall", version="1", recall=recall[1],
        reason=told, rows="1",
    )  # fmt: skip
    assert 303 == answered.status_code
    text = await town.page("demo_health", f"/agreements/{agreed.id}?version=1")
    assert told in text
    assert "It is said and signed, not proved." in text


async def test_one_call_takes_the_departments_away(town: Departments) -> None:
    """Data sets with every row, accounts and agreements; the log stays. Last: nothing is left."""
    token = town.city.rooms.settings.token_file.read_text("utf-8").strip()
    before = town.city.rooms.audit
    assert before is not None
    headers = {"authorization": f"Bearer {token}"}
    answer = await town.stranger().delete("/api/v1/demo/departments", headers=headers)
    assert 200 == answer.status_code, answer.text
    assert {"agreements": 1, "data_sets": 2, "accounts": 17} == answer.json()
    names = {one.name for one in town.city.rooms.exchange.described()}
    assert not {one for one in names if one.startswith("demo_")}
    assert await before.rows(0, 5)
    assert 401 == (await (await town.browser("demo_guardian")).get("/my-records")).status_code
