"""Three nodes and no middle: joined pairwise, agreed, asked, revoked, recalled, countersigned; the
cities are those that `pintu up` starts, on this machine (`make show NAME=exchange-nodes`)."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from claims.words import Claim, Finding, judged

FIRST_PORT: Final = 9480
PASSWORD: Final = "three-nodes-one-claim"
PURPOSE: Final = "enrolment"
REASON: Final = "入学前核对接种记录"
PATIENCE_S: Final = 60.0
FEWEST: Final = 40
"""Rows that each stream has before anything is revoked."""

NODES: Final = ("east", "west", "north")
CHILD: Final = "990000201501010010"


@dataclass(slots=True)
class Running:
    """One `pintu up` on its own folder, and whoever is signed in there."""

    name: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    admin: httpx.Client | None = None
    people: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the city; TimeoutError when it is not ready within a minute and a half."""
        allow = ",".join(f"127.0.0.1:{FIRST_PORT + n}" for n in range(len(NODES)))
        environ = {**os.environ, "PINTU_NODE_NAME": self.name, "PINTU_EGRESS_ALLOW": allow}
        command = [sys.executable, "-m", "pintu", "up", "--data", str(self.folder)]
        command += ["--port", str(self.port), "--no-pieces"]
        log = (self.folder.parent / f"{self.name}.log").open("ab")
        self.process = subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            raise TimeoutError(f"{self.name} is not ready")
        token = (self.folder / "admin.token").read_text("utf-8").strip()
        self.admin = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it, and let go of whoever is signed in."""
        if self.process is not None:
            os.killpg(self.process.pid, how)
            self.process.wait(30)
            self.process = None
        for client in (*self.people.values(), *([self.admin] if self.admin else [])):
            client.close()
        self.people.clear()

    def person(self, login: str) -> httpx.Client:
        """A browser in which somebody signed in with a password."""
        found = self.people.get(login)
        if found is None:
            found = httpx.Client(
                base_url=self.url, headers={"origin": self.url}, timeout=60, trust_env=False
            )
            told = {"login": login, "password": PASSWORD, "next": "/notices"}
            found.post("/sign-in", data=told)
            csrf = re.search(r'data-csrf="([^"]+)"', found.get("/notices").text)
            if csrf is None:
                raise RuntimeError(f"{login} cannot sign in at {self.name}")
            found.headers["x-csrf-token"] = csrf[1]
            self.people[login] = found
        return found

    def ask(self, who: httpx.Client | None, path: str, body: Any = None) -> Any:
        """What an API operation answers; RuntimeError says what it refused with."""
        assert who is not None
        answer = who.get(path) if body is None else who.post(path, json=body)
        if answer.status_code >= 400:
            raise RuntimeError(f"{self.name} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


async def _prepare(folder: Path, port: int, name: str) -> None:
    """Organisations, people and a data set of made-up children, before the city is started."""
    from tests.kernel.exchange.nodes.town import NodeCity

    city = NodeCity(name, folder, port, ())
    await city.open()
    people = city.city.rooms.people
    assert people is not None
    for id, login, roles in _PEOPLE[name]:
        if people.find_organisation(id) is None:
            await city.organisation(id)
        made = await city.person(login, id, *roles)
        await _password(city, made.person)
    if name == "east":
        await city.shots()
    await city.close()


async def _password(city: Any, person: str) -> None:
    from pintu.kernel.identity.passwords import hashed_password, put_password

    people = city.city.rooms.people
    kept, now_us = await hashed_password(PASSWORD), city.city.rooms.clock.now_us()
    await people.tables.run(lambda c: put_password(c, person, kept, now_us))


_ASKS: Final = ("officer", "clerk", "owner")
_PEOPLE: Final = {
    "east": (("health", "health_owner", ("owner",)), ("school", "asker", _ASKS)),
    "west": (("education", "asker", _ASKS),),
    "north": (("clinic", "asker", _ASKS),),
}


@contextmanager
def three() -> Iterator[dict[str, Running]]:
    """Three cities, joined pairwise through `pintu join`."""
    with tempfile.TemporaryDirectory(prefix="pintu-nodes-", ignore_cleanup_errors=True) as place:
        found = {
            name: Running(name, Path(place) / name, FIRST_PORT + n) for n, name in enumerate(NODES)
        }
        try:
            for one in found.values():
                asyncio.run(_prepare(one.folder, one.port, one.name))
            for one in found.values():
                one.start()
            yield found
        finally:
            for one in found.values():
                one.stop()


def _join(one: Running, other: Running) -> str:
    """One by code, as two operators do it on their command lines."""
    pintu = [sys.executable, "-m", "pintu", "join"]
    made = subprocess.run(
        [*pintu, "--invite", "--data", str(other.folder)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    code = made.stdout.split()[0]
    done = subprocess.run(
        [*pintu, other.url, "--code", code, "--data", str(one.folder)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.stdout + done.stderr


def _terms(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "data_set": "shots", "provider": "health", "purpose": PURPOSE, "basis": "statutory_duty",
        "fields": {"vaccinated": {"kind": "yes_no"}}, "subject": "id_number",
        "limits": {"calls_a_minute": 1_000_000, "subjects_a_day": 1_000},
        "retention_days": 30, "until": "2027-06-30T00:00:00Z",
    }  # fmt: skip
    return {**told, **more}


def _agree(nodes: dict[str, Running], name: str) -> str:
    """An agreement of east's health with an organisation of a node; its id."""
    east, one = nodes["east"], nodes[name]
    asker, owner = one.person("asker"), east.person("health_owner")
    wish = {"terms": _terms(), "reason": REASON, "key": f"claim-{name}"}
    path = "/api/v1/agreements" if name == "east" else "/api/v1/abroad/east/agreements"
    id = str(one.ask(asker, path, wish)["id"])
    east.ask(owner, f"/api/v1/agreements/{id}/approve", {})
    here = f"/api/v1/agreements/{id}/sign"
    one.ask(asker, here if name == "east" else f"/api/v1/abroad/east/agreements/{id}/sign", {})
    return id


class Stream(threading.Thread):
    """Calls one after the other until told to stop; when each row came, and how long it took."""

    def __init__(self, one: Running, id: str) -> None:
        super().__init__(daemon=True)
        self.one, self.id = one, id
        self.rows: list[float] = []
        self.took: list[float] = []
        self.refused: list[float] = []
        self.told: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        """Call until told to end."""
        client = self.one.person("asker")
        question = {"where": [{"column": "id_number", "comparison": "=", "value": CHILD}]}
        body = {"purpose": PURPOSE, "reason": REASON, "question": question}
        while not self.ended.is_set():
            began = time.time()
            if self.one.name == "east":
                answer = client.get(
                    "/api/v1/data-sets/shots/rows",
                    params={"f.id_number": CHILD, "agreement": self.id, "purpose": PURPOSE,
                            "reason": REASON},
                )  # fmt: skip
            else:
                answer = client.post(f"/api/v1/abroad/east/agreements/{self.id}/rows", json=body)
            now = time.time()
            if answer.status_code == 200 and answer.json()["rows"]:
                self.rows.append(now)
                self.took.append(now - began)
            else:
                self.refused.append(now)
                self.told.append(f"{answer.status_code} {answer.text[:160]}")
                time.sleep(0.02)


def measure() -> list[Finding]:
    """The whole scene, once."""
    with three() as nodes:
        found = [*joined(nodes), *countersigned(nodes)]
        ids = {name: _agree(nodes, name) for name in NODES}
        found += revoked(nodes, ids)
        found += recalled(nodes, ids)
        found += without_a_hub(nodes)
        found += rewound(nodes)
    return found


def joined(nodes: dict[str, Running]) -> list[Finding]:
    """Every pair, by `pintu join`; both sides say so."""
    told = [
        _join(nodes[one], nodes[other])
        for one, other in (("west", "east"), ("north", "east"), ("north", "west"))
    ]
    states = [
        other["state"]
        for one in nodes.values()
        for other in one.ask(one.admin, "/api/v1/nodes")["nodes"]
    ]
    good = states == ["joined"] * 6
    reason = "" if good else " / ".join(told)[-300:]
    return [judged("three nodes joined pairwise", f"{len(states)} sides joined", "6", good, reason)]


def countersigned(nodes: dict[str, Running]) -> list[Finding]:
    """Each head is countersigned by both neighbours."""
    time.sleep(1.5)
    signed = 0
    for one in nodes.values():
        told = one.ask(one.admin, "/api/v1/nodes/minute", {})
        signed += sum("head" in other["counted"] for other in told)
    return [judged("heads countersigned by every neighbour", f"{signed} of 6", "6", signed == 6)]


def revoked(nodes: dict[str, Running], ids: dict[str, str]) -> list[Finding]:
    """Three streams of calls, on the provider's node and on two others; the owner revokes."""
    streams = {name: Stream(nodes[name], id) for name, id in ids.items()}
    for one in streams.values():
        one.start()
    deadline = time.monotonic() + PATIENCE_S  # a slow machine streams as many rows, later
    while time.monotonic() < deadline and any(len(one.rows) < FEWEST for one in streams.values()):
        time.sleep(0.1)
    owner, at = nodes["east"].person("health_owner"), {}
    for name, id in ids.items():
        at[name] = time.time()
        told = {"reason": "演示：用途已经结束"}
        nodes["east"].ask(owner, f"/api/v1/agreements/{id}/revoke", told)
    time.sleep(2.5)
    for one in streams.values():
        one.ended.set()
        one.join(30)
    found = []
    for name, one in streams.items():
        before = [when for when in one.refused if when < at[name]]
        late = one.rows[-1] - at[name] if one.rows else float("inf")
        took = statistics.median(one.took) * 1000 if one.took else 0.0
        figure = f"{late * 1000:+.0f} ms, {len(one.rows)} rows"
        good = late <= 1.0 and bool(one.refused) and not before and len(one.rows) >= FEWEST
        reason = f"median call {took:.0f} ms" if good else " ".join(one.told[:1])
        found.append(judged(f"revoked at t: the last row on {name}", figure, "≤ t + 1 s", good,
                            reason))  # fmt: skip
    return found


def recalled(nodes: dict[str, Running], ids: dict[str, str]) -> list[Finding]:
    """Every holder was asked with a deadline; who answers signs, who does not stays open."""
    time.sleep(1.5)
    west = nodes["west"]
    asker = west.person("asker")
    [asked] = west.ask(asker, "/api/v1/abroad/recalls")
    said = {"what": "演示：全部删除，含备份", "rows": 1}
    west.ask(asker, f"/api/v1/abroad/east/recalls/{asked['id']}/answer", said)
    owner = nodes["east"].person("health_owner")
    listed = {
        one["holder"]: one
        for one in nodes["east"].ask(owner, "/api/v1/recalls")
        if one["agreement"].partition("/")[0] in ids.values()
    }
    due = {holder: _day(one["due"]) for holder, one in listed.items()}
    answered = [holder for holder, one in listed.items() if one.get("answer")]
    figure = f"{len(listed)} asked, {len(answered)} answered"
    good = set(listed) == {"school", "education@west", "clinic@north"} and all(due.values())
    good = good and answered == ["education@west"] and bool(listed["education@west"]["answered"])
    told = ", ".join(f"{holder} by {day}" for holder, day in sorted(due.items()))
    return [
        judged(
            "recalls listed with answers and deadlines", figure, "3 asked, 1 answered", good, told
        )
    ]


def _day(text: str | None) -> str:
    return datetime.fromisoformat(text).date().isoformat() if text else ""


def without_a_hub(nodes: dict[str, Running]) -> list[Finding]:
    """A third node is killed: what two others agreed goes on."""
    id = _agree_again(nodes)
    nodes["north"].stop(signal.SIGKILL)
    stream = Stream(nodes["west"], id)
    stream.start()
    time.sleep(2.0)
    stream.ended.set()
    stream.join(30)
    good = len(stream.rows) > 10 and not stream.refused
    figure = f"{len(stream.rows)} rows, {len(stream.refused)} refused"
    reason = "" if good else " ".join(stream.told[:1])
    return [judged("a third node is killed: the others go on", figure, "0 refused", good, reason)]


def _agree_again(nodes: dict[str, Running]) -> str:
    west, east = nodes["west"], nodes["east"]
    wish = {"terms": _terms(), "reason": REASON, "key": "claim-again"}
    asker = west.person("asker")
    id = str(west.ask(asker, "/api/v1/abroad/east/agreements", wish)["id"])
    east.ask(east.person("health_owner"), f"/api/v1/agreements/{id}/approve", {})
    west.ask(asker, f"/api/v1/abroad/east/agreements/{id}/sign", {})
    return id


def rewound(nodes: dict[str, Running]) -> list[Finding]:
    """East goes back to an old copy of its folder: its neighbour does not countersign that, and
    tells what it saw."""
    east, west = nodes["east"], nodes["west"]
    east.stop()
    old = east.folder.with_name("east-old")
    shutil.copytree(east.folder, old, ignore=shutil.ignore_patterns("*.sock"))
    east.start()
    _agree_again_with(east, west, "claim-more")
    time.sleep(1.5)
    east.ask(east.admin, "/api/v1/nodes/minute", {})
    east.stop()
    shutil.rmtree(east.folder)
    old.rename(east.folder)
    east.start()
    east.ask(east.admin, "/api/v1/nodes/minute", {})
    time.sleep(1.0)
    told = east.ask(east.admin, "/api/v1/nodes")["nodes"]
    failure = next(one for one in told if one["name"] == "west")["counted"].get("last_failure", "")
    good = "does not hold" in failure
    figure = "noticed" if good else "not noticed"
    return [judged("an old backup is restored: a neighbour knows", figure, "noticed", good,
                   failure[:120])]  # fmt: skip


def _agree_again_with(east: Running, west: Running, key: str) -> None:
    wish = {"terms": _terms(), "reason": REASON, "key": key}
    west.ask(west.person("asker"), "/api/v1/abroad/east/agreements", wish)


CLAIMS = [Claim(name="three nodes", measure=measure, speed=True)]
