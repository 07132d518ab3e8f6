"""One thing of the city: what it says, how old, where from, its past, its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from litestar import Response, get

from pintu.kernel.access import Deed
from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.kernel.store.port import settled
from pintu.web.agreed import answering, enter_one, sent
from pintu.web.api import past, states
from pintu.web.api.past import Origin
from pintu.web.api.reading import entity_of
from pintu.web.house import House, house_of
from pintu.web.pages import labels
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit

NOT_ATTRIBUTES = ("id", "type", "scope", "expiresAt")
DIM = "DimLamp"
RECENT_COMMANDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One attribute as the table shows it."""

    name: str
    label: str
    kind: str
    value: str
    unit: str
    at_us: int
    stale: bool
    origin: Origin | None
    link: str
    charted: bool
    observed: bool


def lines_of(visit: Visit, entity: dict[str, Any], origins: dict[str, Origin]) -> list[Line]:
    """The attributes of an entity in stored order; several instances, several lines."""
    found = []
    for name, attribute in entity.items():
        if name in NOT_ATTRIBUTES:
            continue
        instances = attribute if isinstance(attribute, list) else [attribute]
        for instance in instances:
            if isinstance(instance, dict):
                found.append(_line(visit, name, instance, origins.get(name)))
    return found


def chart_order(lines: list[Line], varying: set[str]) -> list[Line]:
    """What may be charted: what moves first, then what is observed at all, then fixed figures."""
    found = [line for line in lines if line.charted]
    return sorted(found, key=lambda line: (line.name not in varying, not line.observed))


def _line(visit: Visit, name: str, instance: dict[str, Any], origin: Origin | None) -> Line:
    value = states.value_of({"x": instance}, "x")
    at_us = states.parse_time(str(instance.get("observedAt", "")))
    observed = at_us > 0
    at_us = at_us or (origin.at_us if origin else 0)
    link = value if instance.get("type") == "Relationship" and isinstance(value, str) else ""
    old = visit.words.now_us - at_us > states.STALE_AFTER_US
    label = labels.attribute_label(name, visit.words)
    if "datasetId" in instance:
        label = f"{label} ({str(instance['datasetId']).rpartition(':')[2]})"
    return Line(
        name=name,
        label=label,
        kind=str(instance.get("type", "")),
        value=labels.value_label(name, value, visit.words) or labels.said(value, visit.words),
        unit=labels.unit_sign(instance.get("unitCode")),
        at_us=at_us,
        stale=observed and old,
        origin=origin,
        link=link,
        charted=isinstance(value, int | float | bool) and "datasetId" not in instance,
        observed=observed,
    )


@get("/entities/{id:path}", include_in_schema=False)
async def entity_page(request: AnyRequest, id: str, part: str = "") -> Response[str]:
    """The page of one thing; `?part=` gives one part of it again."""
    house = house_of(request)
    visit = enter_one(request, house.rooms)
    id = id.removeprefix("/")
    if visit.agreed:
        async with answering(visit):
            return await sent(visit, await _agreed(house, visit, id, part), 1)
    if not visit.number:
        raise ResourceNotFound(f"Entity {id} does not exist")
    if part == "commands":
        return page(visit, "part_commands.html", **await command_values(house, visit, id))
    record = await entity_of(visit, id)
    entity = visit.see(orjson.loads(record.body))
    log = await settled(house.rooms.store.history(visit.number, id, limit=past.LOOK_BACK))
    names = [name for name in entity if name not in NOT_ATTRIBUTES]
    lines = lines_of(visit, entity, past.origins(log, names, entity))
    if part == "values":
        return page(visit, "part_values.html", lines=lines, record=record)
    picture = await house.pictures.of(visit.number)
    dimmable = _dimmable(house, record.types)
    row = picture.points.row_of.get(id)
    layered = row is not None and picture.looks.layered(record.types)
    look = picture.looks.all[picture.points.state[row]] if layered and row is not None else None
    known: dict[str, Any] = {
        "record": record,
        "name": labels.name_of(entity, visit.words),
        "type_label": labels.type_label(record.types, visit.words),
        "lines": lines,
        "look": look,
    }
    if part == "card":
        return page(visit, "part_card.html", **known)
    return page(
        visit,
        "entity.html",
        **known,
        charted=chart_order(lines, past.varying(log)),
        raw=orjson.dumps(entity, option=orjson.OPT_INDENT_2).decode(),
        alerts=picture.open_alerts(id),
        level=round(states.dim_level(entity) or 0),
        dimmable=dimmable,
        place=states.position_of(entity),
        **(await command_values(house, visit, id) if dimmable else {}),
    )


async def _agreed(house: House, visit: Visit, id: str, part: str) -> Response[str]:
    """What an agreement lets be seen of a thing: its values; neither its times, sources, alerts and
    past, nor commands."""
    if part not in ("", "values", "card"):
        raise Forbidden("Under an agreement only the values of a thing are seen")
    record = await entity_of(visit, id)
    entity = visit.see(orjson.loads(record.body))
    types = tuple(visit.types(record.types))
    looks = house.pictures.looks
    known: dict[str, Any] = {
        "record": Record(record.number, record.id, types, b"", 0, 0, None),
        "name": labels.name_of(entity, visit.words),
        "type_label": labels.type_label(types, visit.words),
        "lines": lines_of(visit, entity, {}),
        "look": looks.all[looks.of(types, entity)[0]] if looks.layered(types) else None,
    }
    template = {"": "entity.html", "card": "part_card.html", "values": "part_values.html"}[part]
    return page(
        visit, template, **known, charted=[], alerts=[], level=0, dimmable=False,
        raw=orjson.dumps(entity, option=orjson.OPT_INDENT_2).decode(),
        place=states.position_of(entity),
    )  # fmt: skip


def _dimmable(house: House, types: tuple[str, ...]) -> bool:
    """True when a piece of this city has the dim command for such a thing."""
    for manifest in house.rooms.pieces:
        command = manifest.command(DIM)
        if command is not None and command.target in types:
            return True
    return False


async def command_values(house: House, visit: Visit, id: str) -> dict[str, Any]:
    """The newest commands of a thing with their steps, and whether this visitor may ask for one."""
    commands = house.rooms.commands
    found = await commands.for_target(id, tenant=visit.tenant, limit=RECENT_COMMANDS)
    ledger = [(entry, await commands.history(entry.command.id)) for entry in found]
    return {"ledger": ledger, "may_command": visit.may(Deed.COMMAND), "dim": DIM, "id": id}
