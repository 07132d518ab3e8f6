"""Random agreements, random questions by every route: nothing of an answer may come from outside.

`python -m claims exchange-leaks` asks 10,000 times; every value of the city carries a mark of its
own, so that an answer, its headers and its refusals can be searched for what may not be in them,
and what it must hold is worked out in the plainest way beside it.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from claims.exchange_leaks_city import (
    CONTEXT_FIELDS,
    PURPOSE,
    REASON,
    TABLE_FIELDS,
    Scene,
    open_scene,
    random_agreement,
)
from claims.exchange_leaks_model import (
    MARK,
    counted,
    marks_in,
    marks_of_entity,
    marks_of_person,
    under,
    visible_entities,
    visible_people,
)
from claims.words import Claim, Finding, judged
from pintu.kernel.exchange.agreements.words import Agreement, Terms
from pintu.web.ngsi_ld.message import Request, Response

ROUNDS: Final = 10_000
QUESTIONS_EACH: Final = 4
ROOT: Final = "/ngsi-ld/v1"


@dataclass(slots=True)
class Tally:
    """What was asked, and everything that was wrong with an answer."""

    asked: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    receipts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Round:
    """One agreement, and what it lets be seen."""

    scene: Scene
    agreement: Agreement
    chance: random.Random
    tally: Tally
    allowed: set[str] = field(default_factory=set)

    @property
    def terms(self) -> Terms:
        return self.agreement.terms

    @property
    def plain(self) -> list[str]:
        """Fields that are seen as they are."""
        return sorted(name for name, mask in self.terms.fields.items() if mask.kind == "plain")

    @property
    def headers(self) -> dict[str, str]:
        return {
            **self.scene.headers,
            "pintu-agreement": self.agreement.id,
            "pintu-purpose": PURPOSE,
            "pintu-reason": quote(REASON),
        }


def measure(rounds: int = ROUNDS, seed: int | None = None) -> list[Finding]:
    """Ask `rounds` times; the seed is another each time unless one is told."""
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="pintu-leaks-") as folder:
        tally = asyncio.run(asked(Path(folder), rounds, seed))
    for one in tally.wrong[:20]:
        print(f"  seed {seed}: {one}")
    by_status = ", ".join(f"{count} × {code}" for code, count in sorted(tally.statuses.items()))
    answered = sum(tally.asked.values())
    return [
        judged(f"{answered} calls by {len(tally.asked)} routes, leaked", f"{len(tally.wrong)}", "0",
               not tally.wrong, f"seed {seed}; {by_status}"),
        judged("answers with a receipt of their own", f"{len(tally.receipts)}",
               f"{tally.statuses[200]}", len(tally.receipts) >= tally.statuses[200]),
    ]  # fmt: skip


async def asked(folder: Path, rounds: int, seed: int) -> Tally:
    """Every round in one city."""
    chance = random.Random(seed)
    scene = await open_scene(folder, chance)
    tally = Tally()
    try:
        number = 0
        while sum(tally.asked.values()) < rounds:
            agreement = random_agreement(chance, number)
            scene.shelf.put(agreement)
            one = Round(scene, agreement, chance, tally)
            for _ in range(QUESTIONS_EACH):
                await (_context if agreement.terms.data_set == "sensors" else _table)(one)
            number += 1
    finally:
        await scene.web.aclose()
        await scene.city.close()
    return tally


# --- calls ------------------------------------------------------------------------------------
async def _call(one: Round, route: str, target: str, body: Any = None, accept: str = "") -> Any:
    """One NGSI-LD call, judged for leaks; (status, body read)."""
    path, _, query = target.partition("?")
    headers = {name.encode(): value.encode() for name, value in one.headers.items()}
    if accept:
        headers[b"accept"] = accept.encode()
    data = b""
    if body is not None:
        data = json.dumps(body).encode()
        headers |= {b"content-type": b"application/json", b"content-length": b"%d" % len(data)}
    method = "GET" if body is None else "POST"
    if route == "PATCH":
        method = "PATCH"
    request = Request(method, (ROOT + path).encode(), query.encode(), headers, data, "10.0.0.9")
    answer = one.scene.broker.handle(request)
    response: Response = answer if isinstance(answer, Response) else await answer
    told = b"\n".join(b": ".join(pair) for pair in response.headers).decode()
    return _judged(one, (route, target), response.status, told, response.body.decode(), data)


async def _web(one: Round, route: str, target: str) -> Any:
    """One call of the API, judged for leaks; (status, body read)."""
    response = await one.scene.web.get(target, headers=one.headers)
    told = "\n".join(f"{key}: {value}" for key, value in response.headers.items())
    return _judged(one, (route, target), response.status_code, told, response.text, b"")


def _judged(
    one: Round, named: tuple[str, str], status: int, told: str, text: str, *sent: bytes
) -> tuple[int, Any]:
    route, target = named
    tally = one.tally
    tally.asked[route] += 1
    tally.statuses[status] += 1
    receipt = next((x for x in told.splitlines() if x.lower().startswith("pintu-receipt: ")), "")
    if receipt:
        tally.receipts.add(receipt)
        told = told.replace(receipt, "")
    elif status == 200:
        tally.wrong.append(f"{route} {target[:200]} has no receipt")
    echoed = marks_in(target) | marks_in("".join(part.decode() for part in sent))
    found = {mark for mark in MARK.findall(f"{told}\n{text}") if len(mark) > 1}
    extra = {mark for mark in found - one.allowed - echoed if not _floats(mark, one.allowed)}
    if extra:
        wrong = f"{route} {target[:200]} under {one.terms.fields} {one.terms.where}: {extra}"
        tally.wrong.append(wrong)
    if status >= 500:
        tally.wrong.append(f"{route} {target[:200]} answers {status}: {text[:200]}")
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text


def _floats(mark: str, allowed: set[str]) -> bool:
    """Whether a number was only written another way."""
    return any(
        other.startswith("118") and abs(float(other) - float(mark)) < 1e-9
        for other in allowed
        if mark.startswith("118")
    )


def _expect(one: Round, what: str, expected: Any, actual: Any) -> None:
    if expected != actual:
        one.tally.wrong.append(
            f"{what} under {one.terms.fields} {one.terms.where}: "
            f"{str(expected)[:300]} is not {str(actual)[:300]}"
        )


# --- the context ------------------------------------------------------------------------------
async def _context(one: Round) -> None:
    seen = visible_entities(one.scene, one.terms)
    one.allowed = set().union(*(marks_of_entity(entity, one.terms) for entity in seen))
    await one.chance.choice(CONTEXT)(one, seen)


async def _retrieved(one: Round, seen: list[dict[str, Any]]) -> None:
    """One entity, there or not: as it must be, or exactly as if it were nowhere."""
    entity = one.chance.choice(one.scene.entities)
    wish = one.chance.choice(("", "?options=keyValues", "?options=concise", "?lang=en"))
    status, told = await _call(one, "retrieve", f"/entities/{entity['id']}{wish}")
    nowhere = "urn:ngsi-ld:Sensor:Q0000000000Z"
    none_status, none = await _call(one, "retrieve", f"/entities/{nowhere}{wish}")
    if entity not in seen:
        _expect(one, "what is outside", (none_status, _as_other(none, nowhere, entity["id"])),
                (status, told))  # fmt: skip
    elif not wish:
        shown = {"id": entity["id"], "type": "Sensor"}
        for name in one.plain:
            if name in entity:
                shown[name] = entity[name]
        masked = {name for name, mask in one.terms.fields.items() if mask.kind != "plain"}
        _expect(one, "an entity", shown, {k: v for k, v in told.items() if k not in masked})
        for name in masked & told.keys():
            _expect(one, "a masked attribute", {"type", "value"}, set(told[name]))
            if one.terms.fields[name].kind == "yes_no":
                is_there = name in entity
                _expect(one, "yes or no", is_there, told[name]["value"])


def _as_other(problem: Any, id: str, other: str) -> Any:
    return json.loads(json.dumps(problem).replace(id, other))


def _condition(one: Round) -> tuple[str, Any]:
    """A query about one attribute, and what it selects."""
    name = one.chance.choice(CONTEXT_FIELDS)
    if name == "level":
        bound = 7_000_000 + one.chance.randint(0, 1_500)
        return f"level>{bound}", (name, lambda e: "level" in e and e["level"]["value"] > bound)
    if name == "district":
        return 'district=="D1"', (name, lambda e: e["district"]["value"] == "D1")
    return name, (name, lambda e: name in e)


async def _queried(one: Round, seen: list[dict[str, Any]]) -> None:
    """A page by parameters or by a document, in every form."""
    q, (name, test) = _condition(one)
    expected = {entity["id"] for entity in seen if test(entity)}
    accept = one.chance.choice(("", "application/geo+json", "application/ld+json"))
    limit = min(100, one.terms.limits.rows_a_call or 100)
    order = f"&orderBy={one.chance.choice(one.plain)}" if one.plain else ""
    if one.chance.random() < 0.5:
        target = f"/entities?type=Sensor&q={quote(q)}&limit={limit}&count=true{order}"
        status, told = await _call(one, "query", target, accept=accept)
    else:
        document = {"type": "Query", "entities": [{"type": "Sensor"}], "q": q}
        status, told = await _call(
            one, "query by document", f"/entityOperations/query?limit={limit}&count=true",
            document, accept,
        )  # fmt: skip
    if name not in one.plain:
        _expect(one, f"asking by {name}", 403, status)
        return
    _expect(one, f"a page by {name}", 200, status)
    members = told["features"] if isinstance(told, dict) else told
    found = {member["id"] for member in members}
    if len(expected) <= limit:
        _expect(one, f"a page by {q}", expected, found)
    _expect(one, "ids of a page", set(), found - expected)


async def _shown(one: Round, seen: list[dict[str, Any]]) -> None:
    """Views: chosen attributes, geometry, joins, languages, instances, scopes, times."""
    names = ",".join(one.chance.sample(CONTEXT_FIELDS, 2))
    shown = {name for name, mask in one.terms.fields.items() if mask.kind != "drop"}
    asked = one.chance.choice((
        f"pick={names}", f"omit={names}", f"attrs={names}", f"geometryProperty={names.split(',')[0]}",
        "join=inline&joinLevel=2", "join=flat", "options=sysAttrs", "scopeQ=%2F%23",
        "datasetId=%40none", f"orderBy={names.split(',')[0]}", "orderBy=modifiedAt", "explain=true",
        "georel=near;maxDistance==900000&geometry=Point&coordinates=[118.5,30.2]&geoproperty=place",
        "q=modifiedAt>2000-01-01T00:00:00Z", "q=type==Vault", "q=link{name}", "q=note[by]",
        "type=Vault", "type=(Sensor;Vault)", "idPattern=.*", "q=note.by", "q=!note",
    ))  # fmt: skip
    limit = min(100, one.terms.limits.rows_a_call or 100)
    head = "" if asked.startswith("type=") else "type=Sensor&"
    status, told = await _call(
        one, "view", f"/entities?{head}{asked.replace('>', '%3E')}&limit={limit}",
        accept=one.chance.choice(("", "application/geo+json")),
    )  # fmt: skip
    if asked.startswith("attrs=") and not set(names.split(",")) <= shown:
        _expect(one, asked, 403, status)
    if asked.startswith("type="):
        members = told["features"] if isinstance(told, dict) and "features" in told else told
        _expect(one, asked, (200, []), (status, members))


async def _discovered(one: Round, seen: list[dict[str, Any]]) -> None:
    """What there is: only what can be seen is there, and counted."""
    shown = {name for name, mask in one.terms.fields.items() if mask.kind != "drop"}
    status, told = await _call(one, "attributes", "/attributes")
    _expect(one, "attributes", 200, status)
    there = {name for name in one.plain if any(name in entity for entity in seen)}
    names = set(told["attributeList"])
    _expect(one, "attributes that are there", there, names & set(one.plain))
    _expect(one, "attributes that may be known", set(), names - shown)
    _, told = await _call(one, "types", "/types")
    _expect(one, "types", ["Sensor"] if seen else [], told["typeList"])
    status, told = await _call(one, "a type", "/types/Sensor")
    _expect(one, "a type", len(seen), told.get("entityCount", 0) if status == 200 else 0)
    status, _ = await _call(one, "another type", "/types/Vault")
    _expect(one, "another type", 404, status)


async def _changed(one: Round, seen: list[dict[str, Any]]) -> None:
    """An agreement to read writes nothing, whatever is there."""
    entity = one.chance.choice(one.scene.entities)
    body = {"district": {"type": "Property", "value": "D9"}}
    status, _ = await _call(one, "PATCH", f"/entities/{entity['id']}/attrs", body)
    _expect(one, "a change", 403, status)


async def _past(one: Round, seen: list[dict[str, Any]]) -> None:
    """The past of a value, and the data set as rows."""
    entity, name = one.chance.choice(one.scene.entities), one.chance.choice(CONTEXT_FIELDS)
    status, told = await _web(
        one, "series",
        f"/api/v1/data-sets/sensors/series?id={entity['id']}&column={name}&since=1970-01-01",
    )  # fmt: skip
    if entity in seen and name in one.plain:
        _expect(one, "a past", (200, 1 if name in entity else 0), (status, len(told["values"])))
    elif status == 200:
        _expect(one, "a past of nothing", [], told["values"])
    await _web(one, "profile", "/api/v1/data-sets/sensors/profile")
    status, told = await _web(one, "rows of things", "/api/v1/data-sets/sensors/rows?count=true")
    _expect(one, "rows of things", (200, len(seen)), (status, (told or {}).get("total")))


CONTEXT: Final = (_retrieved, _retrieved, _queried, _queried, _shown, _shown, _discovered, _changed,
                  _past)  # fmt: skip


# --- tables -----------------------------------------------------------------------------------
async def _table(one: Round) -> None:
    seen = visible_people(one.scene, one.terms)
    one.allowed = set().union(*(marks_of_person(row, one.terms) for row in seen))
    if one.terms.k:
        await _groups(one)
    elif one.terms.subject:
        await _looked_up(one, seen)
    else:
        await one.chance.choice((_rows, _rows, _added, _measured))(one, seen)


def _query(one: Round) -> tuple[str, str, Any]:
    """A filter about one column: its name, how it is asked, and what it selects."""
    name = one.chance.choice(TABLE_FIELDS)
    row = one.chance.choice(one.scene.people)
    if name == "dose":
        bound = row["dose"]
        return name, f"f.dose=above:{bound}", lambda r: r["dose"] > bound
    if name == "vaccinated":
        return name, "f.vaccinated=true", lambda r: r["vaccinated"]
    value = row[name] or "Q"
    return name, f"f.{name}={value}", lambda r: r[name] == value


async def _rows(one: Round, seen: list[dict[str, Any]]) -> None:
    """Rows filtered, sorted, of chosen columns; exactly those that must be there."""
    name, asked, test = _query(one)
    columns = one.chance.sample(TABLE_FIELDS, 2)
    wish = one.chance.choice(("", f"&order={one.chance.choice(TABLE_FIELDS)}",
                              f"&columns={','.join(columns)}", "&limit=5000"))  # fmt: skip
    status, told = await _web(
        one, "rows", f"/api/v1/data-sets/people/rows?{asked}{wish}&count=true"
    )
    if name not in one.plain:
        _expect(one, f"asking by {name}", True, status in (400, 403))
        return
    if wish and not wish.startswith("&limit"):
        return
    if wish and one.terms.limits.rows_a_call:
        _expect(one, "a bulk pull", 403, status)
        return
    expected = [row for row in seen if test(row)]
    _expect(one, f"how many by {name}", (200, len(expected)), (status, told.get("total")))
    for row, shown in zip(expected, told["rows"], strict=False):
        for field_name in one.plain:
            _expect(one, "a value", row[field_name], shown[field_name])
        for field_name in shown.keys() - set(one.plain):
            mask = one.terms.fields[field_name]
            if mask.kind == "yes_no":
                _expect(one, "yes or no", under(mask, row[field_name]), shown[field_name])


async def _added(one: Round, seen: list[dict[str, Any]]) -> None:
    """Groups and aggregates only of what is seen as it is."""
    group, measure = one.chance.choice(TABLE_FIELDS), one.chance.choice(("", "dose", "idno"))
    what = one.chance.choice(("count", "min", "max", "last")) if measure else "count"
    target = f"/api/v1/data-sets/people/rows?group={group}&aggregate={what}&measure={measure}"
    status, told = await _web(one, "groups", target)
    named = {group, measure} - {""}
    if not named <= set(one.plain):
        _expect(one, f"adding up by {named}", True, status in (400, 403))
    elif what == "count":
        limit = one.terms.limits.rows_a_call
        total = sum(row["count"] for row in told["rows"])
        _expect(one, "counts", True, total == len(seen) or bool(limit))


async def _measured(one: Round, seen: list[dict[str, Any]]) -> None:
    """A profile of what is seen as it is, and of the rows that are."""
    status, told = await _web(one, "profile", "/api/v1/data-sets/people/profile")
    if not one.plain:
        return _expect(one, "a profile of masks", 403, status)
    _expect(one, "a profile", (200, len(seen), set(one.plain)),
            (status, told["rows"], set(told["columns"])))  # fmt: skip


async def _looked_up(one: Round, seen: list[dict[str, Any]]) -> None:
    """One person at a time: that person's row, or nothing; never more."""
    row, column = one.chance.choice(one.scene.people), one.terms.subject
    one.allowed = marks_of_person(row, one.terms) if row in seen else set()
    others = one.chance.choice(("", "&f.school=S1", f"&f.{column}=in:{row[column]},x", "&limit=1"))
    status, told = await _web(
        one, "look", f"/api/v1/data-sets/people/rows?f.{column}={quote(row[column])}{others}"
    )
    if status == 200 and not others:
        _expect(one, "one person", 1 if row in seen else 0, len(told["rows"]))
    one.allowed = set()
    for target in ("rows", "rows?limit=10", "profile", f"rows?f.{column}=contains:Q",
                   "rows?group=school", "rows?count=true&limit=0"):  # fmt: skip
        status, _ = await _web(one, "bulk", f"/api/v1/data-sets/people/{target}")
        _expect(one, f"a bulk pull by {target}", 403, status)


async def _groups(one: Round) -> None:
    """Counts of k or more, rounded; no other question."""
    one.allowed = {mark for mark in one.allowed if mark.startswith("1987")}
    names = sorted(one.terms.fields)
    expected = counted(one.scene, one.terms)
    for group in expected:
        one.allowed |= {str(part) for part in group}
    target = f"/api/v1/data-sets/people/rows?group={','.join(names)}"
    status, told = await _web(one, "counts", target)
    found = {tuple(row[name] for name in names): row["count"] for row in told["rows"]}
    _expect(one, "counts", (200, expected), (status, found))
    for asked in ("", "?limit=0&count=true", "?f.school=S1", f"?group={names[0]}&f.school=S1",
                  f"?group={names[0]}&aggregate=max&measure=dose", "?group=idno"):  # fmt: skip
        status, _ = await _web(one, "beside counts", f"/api/v1/data-sets/people/rows{asked}")
        _expect(one, f"beside counts {asked}", True, status in (400, 403))


CLAIMS: Final = [Claim(name="leaks", measure=measure, full=True)]
