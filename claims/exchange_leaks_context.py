"""Questions about things: NGSI-LD in every form, and the same things as rows."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from claims.exchange_leaks_asking import Round, call, expect, web
from claims.exchange_leaks_city import (
    CONTEXT_FIELDS,
)
from claims.exchange_leaks_model import (
    marks_of_entity,
    visible_entities,
)
from claims.exchange_leaks_screens import ask_screens


async def ask_context(one: Round) -> None:
    """One question about things, judged."""
    seen = visible_entities(one.scene, one.terms)
    one.allowed = set().union(*(marks_of_entity(entity, one.terms) for entity in seen))
    await one.chance.choice(CONTEXT)(one, seen)


async def _retrieved(one: Round, seen: list[dict[str, Any]]) -> None:
    """One entity, there or not: as it must be, or exactly as if it were nowhere."""
    entity = one.chance.choice(one.scene.entities)
    wish = one.chance.choice(("", "?options=keyValues", "?options=concise", "?lang=en"))
    status, told = await call(one, "retrieve", f"/entities/{entity['id']}{wish}")
    nowhere = "urn:ngsi-ld:Sensor:Q0000000000Z"
    none_status, none = await call(one, "retrieve", f"/entities/{nowhere}{wish}")
    if entity not in seen:
        expect(one, "what is outside", (none_status, _as_other(none, nowhere, entity["id"])),
                (status, told))  # fmt: skip
    elif not wish:
        shown = {"id": entity["id"], "type": "Sensor"}
        for name in one.plain:
            if name in entity:
                shown[name] = entity[name]
        masked = {name for name, mask in one.terms.fields.items() if mask.kind != "plain"}
        expect(one, "an entity", shown, {k: v for k, v in told.items() if k not in masked})
        for name in masked & told.keys():
            expect(one, "a masked attribute", {"type", "value"}, set(told[name]))
            if one.terms.fields[name].kind == "yes_no":
                is_there = name in entity
                expect(one, "yes or no", is_there, told[name]["value"])


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
        status, told = await call(one, "query", target, accept=accept)
    else:
        document = {"type": "Query", "entities": [{"type": "Sensor"}], "q": q}
        status, told = await call(
            one, "query by document", f"/entityOperations/query?limit={limit}&count=true",
            document, accept,
        )  # fmt: skip
    if name not in one.plain:
        expect(one, f"asking by {name}", 403, status)
        return
    expect(one, f"a page by {name}", 200, status)
    members = told["features"] if isinstance(told, dict) else told
    found = {member["id"] for member in members}
    if len(expected) <= limit:
        expect(one, f"a page by {q}", expected, found)
    expect(one, "ids of a page", set(), found - expected)


async def _shown(one: Round, seen: list[dict[str, Any]]) -> None:
    """Views: chosen attributes, geometry, joins, languages, instances, scopes, times."""
    names = ",".join(one.chance.sample(CONTEXT_FIELDS, 2))
    shown = {name for name, mask in one.terms.fields.items() if mask.kind != "drop"}
    asked = one.chance.choice((
        f"pick={names}", f"omit={names}", f"attrs={names}", "geometryProperty=location",
        "join=inline&joinLevel=2", "join=flat", "options=sysAttrs", "scopeQ=%2F%23",
        "datasetId=%40none", f"orderBy={names.split(',')[0]}", "orderBy=modifiedAt", "explain=true",
        "georel=near;maxDistance==900000&geometry=Point&coordinates=[118.5,30.2]",
        "q=modifiedAt>2000-01-01T00:00:00Z", "q=type==Vault", "q=link{name}", "q=note[by]",
        "type=Vault", "type=(Sensor;Vault)", "idPattern=.*", "q=note.by", "q=!note",
    ))  # fmt: skip
    limit = min(100, one.terms.limits.rows_a_call or 100)
    head = "" if asked.startswith("type=") else "type=Sensor&"
    status, told = await call(
        one, "view", f"/entities?{head}{asked.replace('>', '%3E')}&limit={limit}",
        accept=one.chance.choice(("", "application/geo+json")),
    )  # fmt: skip
    if asked.startswith("attrs=") and not set(names.split(",")) <= shown:
        expect(one, asked, 403, status)
    if asked.startswith("type="):
        members = told["features"] if isinstance(told, dict) and "features" in told else told
        expect(one, asked, (200, []), (status, members))


async def _discovered(one: Round, seen: list[dict[str, Any]]) -> None:
    """What there is: only what can be seen is there, and counted."""
    shown = {name for name, mask in one.terms.fields.items() if mask.kind != "drop"}
    status, told = await call(one, "attributes", "/attributes")
    expect(one, "attributes", 200, status)
    there = {name for name in one.plain if any(name in entity for entity in seen)}
    names = set(told["attributeList"])
    expect(one, "attributes that are there", there, names & set(one.plain))
    expect(one, "attributes that may be known", set(), names - shown)
    _, told = await call(one, "types", "/types")
    expect(one, "types", ["Sensor"] if seen else [], told["typeList"])
    status, told = await call(one, "a type", "/types/Sensor")
    expect(one, "a type", len(seen), told.get("entityCount", 0) if status == 200 else 0)
    status, _ = await call(one, "another type", "/types/Vault")
    expect(one, "another type", 404, status)


async def _changed(one: Round, seen: list[dict[str, Any]]) -> None:
    """An agreement to read writes nothing, whatever is there."""
    entity = one.chance.choice(one.scene.entities)
    body = {"district": {"type": "Property", "value": "D9"}}
    status, _ = await call(one, "PATCH", f"/entities/{entity['id']}/attrs", body)
    expect(one, "a change", 403, status)


async def _past(one: Round, seen: list[dict[str, Any]]) -> None:
    """The past of a value, and the data set as rows."""
    entity, name = one.chance.choice(one.scene.entities), one.chance.choice(CONTEXT_FIELDS)
    status, told = await web(
        one, "series",
        f"/api/v1/data-sets/sensors/series?id={entity['id']}&column={name}&since=1971-01-01",
    )  # fmt: skip
    if entity in seen and name in one.plain:
        told_values = [value for value in told["values"] if value is not None]
        expect(one, "a past", (200, int(name in entity)), (status, len(told_values)))
    elif status == 200:
        expect(one, "a past of nothing", [], told["values"])
    await web(one, "profile", "/api/v1/data-sets/sensors/profile")
    status, told = await web(one, "rows of things", "/api/v1/data-sets/sensors/rows?count=true")
    expect(one, "rows of things", (200, len(seen)), (status, (told or {}).get("total")))


CONTEXT: Final = (_retrieved, _retrieved, _queried, _queried, _shown, _shown, _discovered, _changed,
                  _past, ask_screens, ask_screens)  # fmt: skip
