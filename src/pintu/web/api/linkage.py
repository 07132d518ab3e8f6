"""/api/v1/linkage: plans, runs of the matching, pairs, groups with golden records, objections."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, get, post, put
from litestar.params import QueryParameter

from pintu.kernel.context.decode import decode_json
from pintu.kernel.errors import BadRequestData
from pintu.kernel.linkage.words import PairState, Plan, Ref, Verdict
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.linkage_hand import hand_of, room_of
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

T = TypeVar("T", bound=msgspec.Struct)

DATA_SET: Final = "linkage"
MOST_BODY: Final = 256 * 1024


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a verdict."""

    verdict: Verdict
    note: str = ""


class Joined(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a merge: records as [data set, key]."""

    records: list[Ref]


class Undone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an undoing; `apart`: what was joined is different and stays so."""

    event: int
    apart: bool = True


class Picked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a choice; without a record the authority's word holds again."""

    attribute: str
    record: Ref | None = None


class Objected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an objection."""

    data_set: str
    key: str
    column: str
    wish: str | int | float | bool | None
    why: str


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an owner's answer; `value` is what is written when it accepts."""

    accept: bool
    answer: str = ""
    value: str | int | float | bool | None = None


# --- plans and runs -------------------------------------------------------------------------------
@get("/linkage/plans", summary="What is linked with what")
async def plans(request: AnyRequest) -> Response[bytes]:
    """Every plan with its counts of pairs and its last run."""
    visit = _enter(request)
    room = room_of(visit)
    told = []
    for one in await room.list_plans():
        counts = await room.desk.progress(one.name)
        told.append(
            {**_told(one), "pairs": counts, "run": _told(await room.running.latest(one.name))}
        )
    return as_json(told)


@put("/linkage/plans/{name:str}", summary="Make or change a plan", status_code=204)
async def save_plan(request: AnyRequest, name: str) -> None:
    """Sources with the column of each role, authority an attribute, thresholds, budget of pairs."""
    visit = _enter(request)
    plan = await _body(request, Plan)
    if plan.name != name:
        raise BadRequestData(f"The plan in the body is called {plan.name[:80]!r}, not {name!r}")
    await room_of(visit).save_plan(plan, hand_of(visit))


@post("/linkage/plans/{name:str}/run", summary="Match the data sets of a plan", status_code=200)
async def run(request: AnyRequest, name: str) -> Response[bytes]:
    """Answers when it is done; what it found is laid down also when nobody waits any more."""
    visit = _enter(request)
    task = asyncio.ensure_future(room_of(visit).run(name, hand_of(visit)))
    return as_json(_told(await asyncio.shield(task)))


# --- pairs ----------------------------------------------------------------------------------------
@get("/linkage/plans/{name:str}/pairs", summary="Pairs that a person decides, or decided")
async def pairs(
    request: AnyRequest,
    name: str,
    which: Annotated[PairState, QueryParameter(name="state")] = "open",
    limit: int = 100,
    offset: int = 0,
) -> Response[bytes]:
    """References and scores; who they are is told by the golden record or at the desk."""
    visit = _enter(request)
    room = room_of(visit)
    room.may_work(await room.get_plan(name), hand_of(visit))
    found = await room.desk.list_pairs(name, which, limit=limit, offset=offset)
    return as_json([_told(one) for one in found])


@post("/linkage/pairs/{number:int}/verdict", summary="Say what a pair is", status_code=200)
async def verdict(request: AnyRequest, number: int) -> Response[bytes]:
    """same, different or unsure."""
    visit = _enter(request)
    said = await _body(request, Said)
    found = await room_of(visit).desk.decide(number, said.verdict, hand_of(visit), said.note)
    return as_json(_told(found))


@post("/linkage/pairs/{number:int}/take-back", summary="Open a pair again", status_code=200)
async def take_back(request: AnyRequest, number: int) -> Response[bytes]:
    """What `same` had joined is parted exactly as it was."""
    visit = _enter(request)
    return as_json(_told(await room_of(visit).desk.take_back(number, hand_of(visit))))


# --- groups ---------------------------------------------------------------------------------------
@get("/linkage/plans/{name:str}/clusters", summary="Records that are one")
async def clusters(
    request: AnyRequest, name: str, limit: int = 100, offset: int = 0
) -> Response[bytes]:
    """The largest first."""
    visit = _enter(request)
    room = room_of(visit)
    room.may_work(await room.get_plan(name), hand_of(visit))
    return as_json(
        [_told(one) for one in await room.list_clusters(name, limit=limit, offset=offset)]
    )


@get("/linkage/clusters/{id:str}", summary="A golden record with the source of every value")
async def cluster(request: AnyRequest, id: str) -> Response[bytes]:
    """What holds by authority, what everybody says, where they differ, and what happened to it."""
    visit = _enter(request)
    room = room_of(visit)
    golden = await room.golden(id, hand_of(visit))
    events = [
        {name: value for name, value in _told(one).items() if name not in ("before", "after")}
        for one in await room.events(id)
    ]
    return as_json({**_told(golden), "events": events})


@post("/linkage/plans/{name:str}/merge", summary="Join records", status_code=200)
async def merge(request: AnyRequest, name: str) -> Response[bytes]:
    """The event; null when they are one already."""
    visit = _enter(request)
    body = await _body(request, Joined)
    return as_json(_told(await room_of(visit).merge(name, body.records, hand_of(visit))))


@post("/linkage/unmerge", summary="Undo an event exactly", status_code=200)
async def unmerge(request: AnyRequest) -> Response[bytes]:
    """The clusters before it are back, byte by byte."""
    visit = _enter(request)
    body = await _body(request, Undone)
    done = await room_of(visit).unmerge(body.event, hand_of(visit), apart=body.apart)
    return as_json(_told(done))


@post("/linkage/clusters/{id:str}/pick", summary="Whose word holds here", status_code=200)
async def pick(request: AnyRequest, id: str) -> Response[bytes]:
    """For one attribute of one cluster."""
    visit = _enter(request)
    body = await _body(request, Picked)
    return as_json(
        _told(await room_of(visit).pick(id, body.attribute, body.record, hand_of(visit)))
    )


# --- objections -----------------------------------------------------------------------------------
@get("/linkage/objections", summary="Objections to your organisation, or of it")
async def objections(request: AnyRequest, mine: bool = False) -> Response[bytes]:
    """To your organisation; with `mine=true` those it made."""
    visit = _enter(request)
    own = visit.actor.organisation or (visit.actor.person or visit.actor.id)
    room = room_of(visit).objections
    found = await (room.list_all(by=own) if mine else room.list_all(owner=own))
    return as_json([_told(one) for one in found])


@post("/linkage/objections", summary="Say that a value is wrong", status_code=200)
async def object_to(request: AnyRequest) -> Response[bytes]:
    """Of a row that is yours to see: it goes to the owner of the value's authority."""
    visit = _enter(request)
    body = await _body(request, Objected)
    hand, room = hand_of(visit), room_of(visit)
    room.may_see(body.data_set, hand)
    ref = Ref(body.data_set, body.key)
    found = await room.objections.object(ref, body.column, body.wish, body.why, hand)
    return as_json(_told(found))


@post("/linkage/objections/{number:int}/answer", summary="Accept or refuse", status_code=200)
async def answer(request: AnyRequest, number: int) -> Response[bytes]:
    """Accepted: corrected in every data set that holds it."""
    visit = _enter(request)
    body = await _body(request, Answered)
    room, hand = room_of(visit).objections, hand_of(visit)
    if body.accept:
        return as_json(_told(await room.accept(number, body.value, body.answer, hand)))
    return as_json(_told(await room.refuse(number, body.answer, hand)))


def _enter(request: AnyRequest) -> Visit:
    house = house_of(request)
    if request.method != "GET":
        house.rooms.identity.check_csrf(raw_headers(request))
    return enter(request, house.rooms, data_set=DATA_SET)


async def _body(request: AnyRequest, kind: type[T]) -> T:
    """The body as that kind; a name twice in one object, NaN and infinities are refused."""
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData(f"The body has {len(body)} bytes; {MOST_BODY} may be sent")
    try:
        return msgspec.convert(decode_json(body)[0], kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be read: {error}") from error


def _told(one: Any) -> Any:
    return msgspec.to_builtins(one)


HANDLERS: Final[tuple[Any, ...]] = (
    plans, save_plan, run, pairs, verdict, take_back, clusters, cluster, merge, unmerge, pick,
    objections, object_to, answer,
)  # fmt: skip
