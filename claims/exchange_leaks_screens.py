"""Questions about things by the city's own screens: the map, lists, files, search, one thing."""

from __future__ import annotations

import math
from typing import Any, Final
from urllib.parse import quote

from claims.exchange_leaks_asking import Round, expect, web
from claims.exchange_leaks_city import CONTEXT_FIELDS
from claims.exchange_leaks_model import marks_in, plain_value


async def ask_screens(one: Round, seen: list[dict[str, Any]]) -> None:
    """One question by one of them, judged."""
    await one.chance.choice(SCREENS)(one, seen)


def _most(one: Round) -> int:
    return one.terms.limits.rows_a_call or 1_000_000


def _places(one: Round, seen: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Where things stand on the map of the agreement, in degrees."""
    mask = one.terms.fields.get("location")
    found = {}
    for entity in seen:
        at = plain_value(entity.get("location"))
        if mask is None or at is None:
            continue
        place = at["coordinates"]
        if mask.kind == "generalise" and mask.step > 0:
            place = [math.floor(round(x / mask.step, 9)) * mask.step for x in place]
        elif mask.kind != "plain":
            continue
        if abs(place[0]) <= 180 and abs(place[1]) <= 90:
            found[entity["id"]] = (round(place[0], 6), round(place[1], 6))
    return found


def _frame(places: dict[str, tuple[float, float]]) -> set[str]:
    """The box around things, to 0.002 degrees: it is told of what is on the map."""
    if not places:
        return set()
    sides: list[float] = []
    for axis in (0, 1):
        cells = [math.floor(round(place[axis] * 1e6) / 2_000) for place in places.values()]
        sides += [min(cells) * 0.002, (max(cells) + 1) * 0.002]
    return marks_in(sides)


async def _map(one: Round, seen: list[dict[str, Any]]) -> None:
    """Points where there are few enough, else cells; never one that is not there, nor elsewhere."""
    expected = _places(one, seen)
    one.allowed |= _frame(expected) | {"7032000"}  # that is the size of a cell of zoom 2
    zoom = one.chance.choice(("2", "12", "20"))
    status, told = await web(one, "map", f"/api/v1/map/lamps?zoom={zoom}&bbox=-180,-85,180,85")
    if status != 200:
        expect(one, "a map of too many", (True, 403), (len(expected) > _most(one), status))
    elif told["mode"] == "points":
        found = {
            told["prefix"] + id: (lon / 1e6, lat / 1e6)
            for id, lon, lat in zip(told["ids"], told["lon"], told["lat"], strict=True)
        }
        expect(one, "points of a map", expected, found)
        expect(one, "rows of a map", True, len(found) <= _most(one))
    else:
        counted = sum(sum(cell[2:]) for cell in told["cells"])
        expect(one, "things in cells", len(expected), counted)
        expect(one, "cells of a map", True, len(told["cells"]) <= _most(one))
    await web(one, "map page", "/")
    await web(one, "map of then", "/api/v1/map/lamps?at=2020-01-01T00:00:00Z")


async def _listed(one: Round, seen: list[dict[str, Any]]) -> None:
    """The list and its file, sorted and filtered by what may be asked by."""
    name = one.chance.choice(CONTEXT_FIELDS)
    status, told = await web(one, "file", "/entities?type=Sensor&format=csv")
    ids = {entity["id"] for entity in seen}
    lines = [line for line in str(told).splitlines()[1:] if line.startswith("urn:")]
    expect(one, "a file", (200, min(len(ids), _most(one))), (status, len(lines)))
    expect(one, "ids of a file", set(), {line.partition(",")[0] for line in lines} - ids)
    for wish in (f"sort={name}", f"q={quote(name)}", "id=Sensor"):
        status, _ = await web(one, "list", f"/entities?type=Sensor&{wish}")
        if wish.startswith("q="):
            expect(one, f"a list by {name}", 200 if name in one.plain else 403, status)
    for other in ("Vault", ""):
        await web(one, "list of another type", f"/entities?type={other}")


async def _found(one: Round, seen: list[dict[str, Any]]) -> None:
    """Search, by id and by a name that may be there for others only."""
    entity = one.chance.choice(one.scene.entities)
    status, told = await web(one, "search", f"/api/v1/search?q={entity['id']}")
    there = [entity["id"]] if entity in seen else []
    expect(one, "search by id", (200, there), (status, [x["id"] for x in told]))
    name = plain_value(entity.get("name"))
    if name is not None:
        status, told = await web(one, "search", f"/api/v1/search?q={name['zh']}")
        there = there if "name" in one.plain else []
        expect(one, "search by name", (200, there), (status, [x["id"] for x in told]))
    await web(one, "search page", f"/search?q={entity['id']}")


async def _one(one: Round, seen: list[dict[str, Any]]) -> None:
    """One thing as a document, a page and a card."""
    entity = one.chance.choice(one.scene.entities)
    status, told = await web(one, "one thing", f"/api/v1/entities?id={entity['id']}")
    expect(one, "one thing", 200 if entity in seen else 404, status)
    if status == 200:
        plain = {name: entity[name] for name in one.plain if name in entity}
        shown = {name: told["entity"][name] for name in one.plain if name in told["entity"]}
        expect(one, "what one thing says", plain, shown)
        expect(one, "its other members", set(), told.keys() - {"entity"})
    for wish in ("", "?part=card", "?part=values"):
        status, _ = await web(one, "page of a thing", f"/entities/{entity['id']}{wish}")
        expect(one, "page of a thing", 200 if entity in seen else 404, status)


SCREENS: Final = (_map, _listed, _found, _one)
