"""/api/v1/operations: plans, many commands at once and the stop, as the pages do them."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from litestar import Response, get, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest, ResourceNotFound
from pintu.kernel.operations import Ask
from pintu.kernel.operations.playbooks.words import Play
from pintu.web.api.acting import piece_of
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.plays_said import plays_of
from pintu.web.visit import AnyRequest, Visit, enter

MOST_BODY: Final = 4 * 1024 * 1024
MOST_ASKS: Final = 5_000
DAY_US: Final = 86_400_000_000
T = TypeVar("T")


class One(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of many commands."""

    target: str
    arguments: dict[str, Any]
    key: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of many commands of one name."""

    name: str
    commands: list[One]
    piece: str = ""


class Proposed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a proposal. Without an area, where the cause is; with neither, everywhere."""

    playbook: str
    cause: str
    area: dict[str, Any] | None = None
    targets: list[str] = []
    dry: bool = False


class Decided(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a deed on a plan: approve, refuse, undo, go_on."""

    deed: str
    group: str = ""
    reason: str = ""


class Stopped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a stop, or of its release."""

    reason: str
    release: bool = False


def _room(request: AnyRequest) -> Visit:
    """A reading visit of somebody who works in the operations room."""
    visit = enter(request, house_of(request).rooms, None)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return visit


async def _body(request: AnyRequest, shape: type[T]) -> T:
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData("The body is longer than 4 MiB")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be used: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error


def told(play: Play) -> dict[str, Any]:
    """A plan, as JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(play)
    for name in ("created", "changed"):
        plain[f"{name}At"] = iso(plain.pop(f"{name}_us"))
    return plain


@get("/operations/plays", summary="Plans: the newest, or those of one cause")
async def plays(request: AnyRequest, cause: str = "") -> Response[bytes]:
    """Newest first, each with its groups and steps."""
    visit = _room(request)
    room = plays_of(visit)
    found = await room.list_for(cause) if cause else await room.list_plays(visit.tenant)
    return as_json([told(one) for one in found if one.tenant == visit.tenant])


@post("/operations/plays", status_code=201, summary="Propose a playbook for a cause")
async def propose(request: AnyRequest) -> Response[bytes]:
    """The plan; the same playbook for the same cause, while one is alive, is that plan."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND)
    asked = await _body(request, Proposed)
    room = plays_of(visit)
    area = asked.area
    if area is None and not asked.targets:
        area = await room.area_of(visit.tenant, asked.cause)
    work = room.dry_run if asked.dry else room.propose
    made = await work(
        visit.actor,
        asked.playbook,
        asked.cause,
        area=area,
        targets=asked.targets,
        tenant=visit.tenant,
    )
    return as_json(told(made), 200 if asked.dry else 201)


@get("/operations/plays/{id:str}", summary="One plan")
async def play(request: AnyRequest, id: str) -> Response[bytes]:
    """With its groups and steps."""
    visit = _room(request)
    return as_json(told(await _mine(visit, id)))


@post("/operations/plays/{id:str}/deeds", status_code=200, summary="Do something with a plan")
async def decide(request: AnyRequest, id: str) -> Response[bytes]:
    """Approve or refuse a group, take the plan back, let it go on after a stop."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND)
    asked = await _body(request, Decided)
    await _mine(visit, id)
    room = plays_of(visit)
    if asked.deed == "approve":
        done = await room.approve(visit.actor, id, asked.group)
    elif asked.deed == "refuse":
        done = await room.refuse(visit.actor, id, asked.group, asked.reason)
    elif asked.deed == "undo":
        done = await room.undo_play(visit.actor, id, asked.reason)
    elif asked.deed == "go_on":
        done = await room.go_on(visit.actor, id)
    else:
        raise BadRequestData(f"{asked.deed[:50]!r} is nothing that can be done with a plan")
    return as_json(told(done))


async def _mine(visit: Visit, id: str) -> Play:
    found = await plays_of(visit).get(id)
    if found.tenant != visit.tenant:
        raise ResourceNotFound(f"Play {id} does not exist")
    return found


@post("/operations/commands", status_code=202, summary="Many commands of one name at once")
async def ask_many(request: AnyRequest) -> Response[bytes]:
    """Their ids in the order asked (null for each refused, with its reason under `refused`)."""
    visit = enter(request, house_of(request).rooms, Deed.COMMAND)
    asked = await _body(request, Asked)
    if len(asked.commands) > MOST_ASKS:
        raise BadRequestData(f"At most {MOST_ASKS} commands can be asked for at once")
    piece = asked.piece or piece_of(visit.rooms.pieces, asked.name)
    asks = [
        Ask(piece=piece, name=asked.name, target=one.target, arguments=one.arguments, key=one.key)
        for one in asked.commands
    ]
    many = await visit.rooms.commands.request_many(visit.actor, asks, tenant=visit.tenant)
    refused = [{"target": ask.target, "why": error.detail} for ask, error in many.refused]
    ids = [one.id if one is not None else None for one in many.commands]
    return as_json({"ids": ids, "refused": refused}, 202)


@get("/operations/commands/counts", summary="How many commands of the last day are in each state")
async def counts(request: AnyRequest) -> Response[bytes]:
    """State → number."""
    visit = _room(request)
    since_us = visit.rooms.clock.now_us() - DAY_US
    return as_json(await visit.rooms.commands.counts(visit.tenant, since_us))


@post("/operations/stop", status_code=200, summary="Stop everything, or release it as one of two")
async def stop(request: AnyRequest) -> Response[bytes]:
    """The stop as it stands; `released` when the second person asked."""
    visit = enter(request, house_of(request).rooms, Deed.COMMAND)
    asked = await _body(request, Stopped)
    commands = visit.rooms.commands
    work = commands.release if asked.release else commands.stop_all
    found = await work(visit.actor, asked.reason, tenant=visit.tenant)
    return as_json(
        {
            "since": iso(found.since_us),
            "who": found.who,
            "reason": found.reason,
            "askedBy": found.asked_by,
            "released": bool(found.released_us),
        }
    )


HANDLERS: Final[tuple[Any, ...]] = (
    plays, propose, play, decide, ask_many, counts, stop,
)  # fmt: skip
