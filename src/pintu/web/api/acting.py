"""/api/v1: what may be done: commands to the world, and the quarantine's retry and drop."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, delete, get, post

from pintu.kernel.access import Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest, ResourceNotFound
from pintu.kernel.intake.words import Command
from pintu.web.api.reading import as_json, entity_of
from pintu.web.held import Whose
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, enter

MAX_BODY = 64 * 1024


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/v1/commands."""

    name: str
    target: str
    arguments: dict[str, Any] = {}
    piece: str = ""
    key: str = ""  # the same key twice is one command


def told(command: Command, steps: list[Any]) -> dict[str, Any]:
    """A command and its steps, as JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(command)
    plain["createdAt"] = iso(plain.pop("created_us"))
    plain["steps"] = []
    for step in steps:
        one = msgspec.to_builtins(step)
        one["at"] = iso(one.pop("at_us"))
        plain["steps"].append(one)
    plain["state"] = plain["steps"][-1]["state"] if steps else "desired"
    return plain


@post("/commands", status_code=202, summary="Ask a thing of the city to do something")
async def ask(request: AnyRequest) -> Response[bytes]:
    """202 with the command in the ledger; its steps come as events and under its address."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.COMMAND)
    body = await request.body()
    if len(body) > MAX_BODY:
        raise BadRequestData("A command is at most 64 KiB long")
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The command cannot be used: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The command is not JSON: {error}") from error
    await entity_of(visit, asked.target)
    piece = asked.piece or piece_of(house.rooms.pieces, asked.name)
    command = await house.rooms.commands.request(
        visit.actor,
        piece,
        asked.name,
        asked.target,
        asked.arguments,
        key=asked.key or uuid.uuid4().hex,
        tenant=visit.tenant,
    )
    steps = await house.rooms.commands.history(command.id)
    return as_json(told(command, steps), 202)


def piece_of(pieces: list[Any], name: str) -> str:
    """The piece whose manifest offers the command; BadRequestData when none does."""
    for manifest in pieces:
        if manifest.command(name) is not None:
            return str(manifest.name)
    raise BadRequestData(f"No piece of this city knows the command {name!r}")


@get("/commands", summary="The newest commands of one entity")
async def commands_of(request: AnyRequest, target: str) -> Response[bytes]:
    """Newest first, each with its steps."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    await entity_of(visit, target)
    found = await house.rooms.commands.for_target(target, tenant=visit.tenant, limit=20)
    shown = []
    for entry in found:
        steps = await house.rooms.commands.history(entry.command.id)
        shown.append(told(entry.command, steps))
    return as_json(shown)


@get("/quarantine", summary="What nobody could read or accept")
async def quarantine(
    request: AnyRequest, source: str | None = None, before: int | None = None
) -> Response[bytes]:
    """Newest first, 50 at a time; the messages themselves are under their own address. Of those
    about persons also key, meta and reason, which may quote them, are not told here."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="quarantine")
    held = await house.rooms.intake.quarantine.list(source=source, before=before)
    shown, whose = [], Whose(house.rooms)
    for entry in held:
        if entry.tenant == visit.tenant:
            plain = msgspec.to_builtins(entry)
            plain.pop("body", None)
            plain["persons"] = whose.persons(entry) is not None
            if plain["persons"]:
                plain |= {"key": "", "meta": {}, "reason": ""}
            shown.append(plain)
    return as_json(shown)


@post("/quarantine/{number:int}/retry", status_code=200, summary="Try one again")
async def retry(request: AnyRequest, number: int) -> Response[bytes]:
    """The receipt: accepted, or held again with the newest reason, which is told to who may see
    the message itself only when it is about persons."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, data_set="quarantine")
    held = await held_of(house.rooms, visit.tenant, number)
    receipt = msgspec.to_builtins(await house.rooms.intake.retry(number))
    if Whose(house.rooms).persons(held) is not None:
        receipt["errors"] = []
    return as_json(receipt)


@delete("/quarantine/{number:int}", status_code=204, summary="Let go of one")
async def drop(request: AnyRequest, number: int) -> None:
    """204; it is gone for good."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, data_set="quarantine")
    await held_of(house.rooms, visit.tenant, number)
    await house.rooms.intake.quarantine.drop(ids=[number])


async def held_of(rooms: Any, tenant: str, number: int) -> Any:
    """One held message of the tenant; another tenant's does not exist here."""
    held = await rooms.intake.quarantine.show(number)
    if held.tenant != tenant:
        raise ResourceNotFound(f"Quarantine entry {number} does not exist")
    return held
