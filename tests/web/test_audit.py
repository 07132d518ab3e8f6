"""The log by HTTP: proofs for everybody, rows for auditors, changes for nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pintu.kernel.access.audited import Entry, Receipt
from pintu.kernel.audit import Audit
from pintu_verify.program import main as verify
from tests.web.identity_city import Town, csrf, open_town

API = "/api/v1/audit"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town") / "data") as opened:
        yield opened


pytestmark = pytest.mark.asyncio(loop_scope="module")


def audit_of(town: Town) -> Audit:
    audit = town.city.rooms.audit
    assert audit is not None
    return audit


async def look(town: Town, login: str = "olga", organisation: str = "health") -> Receipt:
    """A look of one of the people; its receipt."""
    person = town.people[login].id
    entry = Entry(
        what="read", deed="read", actor=f"person:{person}", person=person,
        organisation=organisation, owner="health", data_set="vaccinations",
        reason="<b>入学</b>核对", purpose="enrolment",
    )  # fmt: skip
    return await audit_of(town).enter(entry)


async def test_anybody_gets_heads_and_what_ties_them_together(town: Town) -> None:
    """Without a token: the newest head, its key, older ones, the proof between two."""
    audit = audit_of(town)
    await look(town)
    await audit.sealer.seal()
    await look(town)
    await audit.sealer.seal()
    async with town.browser(peer="10.1.2.3") as client:
        head = audit.head()
        assert head is not None
        told = (await client.get(f"{API}/checkpoint")).text
        assert told.startswith(head.text)
        assert audit.public() == (await client.get(f"{API}/key")).text.strip()
        heads = (await client.get(f"{API}/heads?limit=2")).json()
        assert [head.size, ""] == [heads["heads"][0]["size"], heads["trouble"]]
        old = heads["heads"][1]["size"]
        proof = (await client.get(f"{API}/consistency?from={old}")).json()
        assert (old, head.size) == (proof["from"], proof["to"]) and proof["proof"]
        for wrong in ("from=0", "from=999999", f"from={old}&to=999999", "from=x", "from=-1"):
            answer = await client.get(f"{API}/consistency?{wrong}")
            assert answer.status_code in (400, 404), wrong


async def test_who_has_a_receipt_gets_the_proof(town: Town, tmp_path: Path) -> None:
    """And a stranger's program accepts it; who has none gets no row, only that it is there."""
    receipt = await look(town)
    async with town.browser(peer="10.1.2.3") as client:
        with_leaf = f"{API}/proof/{receipt.number}?leaf={receipt.leaf}"
        bundles = [
            (await client.get(address)).json()
            for address in (with_leaf, f"{API}/proof/{receipt.number}", f"{with_leaf[:-1]}x")
        ]
        assert [True, False, False] == ["row" in one for one in bundles]
        for bundle in bundles:
            path = tmp_path / "proof.json"
            path.write_text(json.dumps(bundle))
            assert 0 == await asyncio.to_thread(
                verify, [str(path), "--key", audit_of(town).public()]
            )
        asked = f"{API}/inclusion?number={receipt.number}&leaf="
        assert 200 == (await client.get(asked + receipt.leaf)).status_code
        assert 404 == (await client.get(f"{asked}{'0' * 64}")).status_code
        assert 404 == (await client.get(f"{API}/proof/999999")).status_code
        assert 404 == (await client.get(f"{API}/proof/{2**70}")).status_code


@pytest.mark.parametrize("path", ["rows", "search", "export", "search?person=x"])
async def test_rows_are_for_auditors_alone(town: Town, path: str) -> None:
    """Not for a stranger, a clerk, an owner, and least of all for the administrator."""
    await look(town)
    async with town.browser(peer="10.1.2.3") as client:
        assert 401 == (await client.get(f"{API}/{path}")).status_code
        token = {"authorization": f"Bearer {town.admin}"}
        assert 403 == (await client.get(f"{API}/{path}", headers=token)).status_code
    for login in ("root", "clara", "stew"):
        client = await town.signed_in(login)
        assert 403 == (await client.get(f"{API}/{path}")).status_code, login
    auditor = await town.signed_in("watch")
    assert 200 == (await auditor.get(f"{API}/{path}")).status_code


async def test_an_auditors_look_for_a_person_is_a_row_too(town: Town) -> None:
    """Nobody reads the log about somebody in silence."""
    receipt = await look(town)
    auditor = await town.signed_in("watch")
    person = town.people["olga"].id
    found = (await auditor.get(f"{API}/search?person={person}")).json()
    assert receipt.number in [one["number"] for one in found]
    assert "salt" not in found[0]
    told = (await auditor.get(f"{API}/search?data_set=audit&limit=1")).json()
    assert ("search", {"person": person}) == (told[0]["deed"], told[0]["detail"])
    for wrong in ("limit=0", "limit=5000", "outcome=perhaps", "since=x", "before=-1"):
        assert 400 == (await auditor.get(f"{API}/search?{wrong}")).status_code, wrong


async def test_an_export_is_checked_by_a_stranger(town: Town, tmp_path: Path) -> None:
    """Every row and every head of the city's log, in one file."""
    await look(town)
    auditor = await town.signed_in("watch")
    path = tmp_path / "log.jsonl"
    path.write_bytes((await auditor.get(f"{API}/export")).content)
    assert 0 == verify(["log", str(path), "--key", audit_of(town).public()])
    lines = path.read_text().splitlines()
    del lines[2]
    path.write_text("\n".join(lines))
    assert 1 == verify(["log", str(path), "--key", audit_of(town).public()])


async def test_the_page_is_for_printing(town: Town) -> None:
    """What the row says to who did it and to who has the receipt; to others that it is there."""
    receipt = await look(town)
    mine = await town.signed_in("olga")
    path = f"/audit/proof/{receipt.number}"
    shown = (await mine.get(path)).text
    assert "&lt;b&gt;入学&lt;/b&gt;核对" in shown and "<b>入学" not in shown
    assert receipt.leaf in shown and "pintu-verify" in shown
    async with town.browser(peer="10.1.2.3") as stranger:
        shown = (await stranger.get(path)).text
        assert "入学" not in shown and receipt.leaf in shown
        assert "入学" in (await stranger.get(f"{path}?leaf={receipt.leaf}")).text
        chinese = (await stranger.get(path, headers={"accept-language": "zh"})).text
        assert f"第 {receipt.number} 行的证明" in chinese
        assert 404 == (await stranger.get("/audit/proof/99999")).status_code


async def test_nothing_here_changes_a_row(town: Town) -> None:
    """No method of the log's addresses takes anything away; only an auditor accepts what is wrong,
    and only when something is."""
    auditor = await town.signed_in("watch")
    for method in ("PUT", "PATCH", "DELETE"):
        for path in ("rows", "proof/1", "heads", "search"):
            answer = await auditor.request(method, f"{API}/{path}")
            assert answer.status_code in (404, 405), (method, path)
    headers = {"x-csrf-token": await csrf(auditor)}
    body = {"reason": "硬盘更换，已核对"}
    assert 409 == (await auditor.post(f"{API}/accept", json=body, headers=headers)).status_code
    assert 403 == (await auditor.post(f"{API}/accept", json=body)).status_code
    root = await town.signed_in("root")
    headers = {"x-csrf-token": await csrf(root)}
    assert 403 == (await root.post(f"{API}/accept", json=body, headers=headers)).status_code


async def test_what_auditors_set_is_in_the_log_first(town: Town) -> None:
    """Protections, delays, thresholds: by auditors of the city, with a reason, by nobody else."""
    auditor = await town.signed_in("watch")
    headers = {"x-csrf-token": await csrf(auditor)}
    why = "人身安全保护令"
    number = {"number": "a made-up number", "organisations": ["shelter"], "reason": why}
    made = await auditor.post(f"{API}/protections", json=number, headers=headers)
    assert 201 == made.status_code, made.text
    found = (await auditor.get(f"{API}/search?what=identity&limit=1")).json()
    assert ("protect", why) == (found[0]["deed"], found[0]["reason"])
    audit = audit_of(town)
    [guard] = await audit.protections.of(audit.digest("A MADE-UP NUMBER"))
    assert ("shelter",) == guard.organisations
    end = f"{API}/protections/{made.json()['id']}/end"
    deeds = (
        (end, {"reason": "保护令到期"}),
        (f"{API}/rules", {"reason": "公安机关函", "rules": {"delays_days": {"enforcement": 90}}}),
        (f"{API}/thresholds", {"reason": "窗口培训周", "thresholds": {"refused_in_a_quarter": 50}}),
    )
    root = await town.signed_in("root")
    roots = {"x-csrf-token": await csrf(root)}
    for path, body in deeds:
        assert 403 == (await root.post(path, json=body, headers=roots)).status_code
        assert 403 == (await auditor.post(path, json=body)).status_code
        answer = await auditor.post(path, json={**body, "reason": "test"}, headers=headers)
        assert 400 == answer.status_code
        assert 200 == (await auditor.post(path, json=body, headers=headers)).status_code, path
    now = (await auditor.get(f"{API}/rules")).json()
    assert {"enforcement": 90} == now["rules"]["delays_days"]
    assert 50 == now["thresholds"]["refused_in_a_quarter"]
    assert 403 == (await root.get(f"{API}/rules")).status_code
    for path, wrong in (
        ("rules", {"reason": why, "rules": {"delays_days": {"x": -1}}}),
        ("thresholds", {"reason": why, "thresholds": {"window_days": 0}}),
        ("protections", {"reason": why}),
        ("protections/P-0/end", {"reason": why}),
        ("rules", []),
    ):
        answer = await auditor.post(f"{API}/{path}", json=wrong, headers=headers)
        assert answer.status_code in (400, 404), path
    auditors = (await auditor.get(f"{API}/anomalies")).json()
    assert isinstance(auditors, list)


async def test_a_log_that_was_found_wrong_is_said_where_machines_look(town: Town) -> None:
    """And goes on when an auditor with a reason says so."""
    await audit_of(town).sealer.doubt("Row 1 of the log is not the one that was sealed")
    auditor = await town.signed_in("watch")
    assert "Row 1 of the log" in (await auditor.get("/readyz")).json()["detail"]
    assert "Row 1 of the log" in (await auditor.get(f"{API}/heads")).json()["trouble"]
    headers = {"x-csrf-token": await csrf(auditor)}
    for reason, status in (("test", 400), ("硬盘更换，已核对备份", 200)):
        answer = await auditor.post(f"{API}/accept", json={"reason": reason}, headers=headers)
        assert status == answer.status_code
    assert answer.json()["origin"].endswith("#2")
    assert "detail" not in (await auditor.get("/readyz")).json()
