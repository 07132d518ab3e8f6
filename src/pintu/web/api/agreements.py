"""/api/v1/agreements: who may see what of whom; asked for, decided, signed, ended, recalled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.clock import iso
from pintu.kernel.errors import (
    BadRequestData,
    InvalidRequest,
    ResourceNotFound,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.exchange.agreements import Agreement, Agreements, Checked, Terms
from pintu.web.api.reading import as_json
from pintu.web.api.states import parse_time
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.access import Actor

MOST_BODY: Final = 256 * 1024
TIMES: Final = ("from", "until")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/v1/agreements. The same key twice is one request."""

    terms: dict[str, Any]
    reason: str
    amends: str = ""  # the agreement in force of which this is to be the next version
    key: str = ""


class Deed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a deed. `version` is the one that was looked at."""

    version: int = 0
    reason: str = ""
    key: str = ""


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an answer to a recall; `kept_by_law` is a code of the legal bases."""

    what: str
    rows: int = 0
    kept_by_law: str = ""
    why: str = ""
    key: str = ""


# --- looking ------------------------------------------------------------------------------------
@get("/agreements", summary="The agreements you may know of")
async def agreements(request: AnyRequest, closed: bool = False) -> Response[bytes]:
    """Of your organisation, on either side; an auditor of the city sees all. Newest change first;
    with `closed=true` also those that are over."""
    room, visit = _enter(request)
    return as_json([told(one) for one in room.list_for(visit.actor, closed=closed)])


@get("/agreements/{id:str}", summary="One agreement with its steps and what was checked")
async def agreement(request: AnyRequest, id: str, version: int = 0) -> Response[bytes]:
    """The version asked for, else the one in force, else the newest; every version's state, every
    step, recalls and copies held; ResourceNotFound for whom it is none of their business."""
    room, visit = _enter(request)
    found = room.get(visit.actor, id, version or None)
    return as_json(
        {
            **told(found),
            "versions": [{"version": one.version, "state": one.state} for one in room.versions(id)],
            "steps": [_plain(one) for one in await room.steps(id)],
            "recalls": [_plain(one) for one in await room.recalls(id)],
            "copies": [_plain(one) for one in await room.copies(id)],
            "checked": _checked(room, found),
        }
    )


@get("/recalls", summary="Recalls of copies, asked of you or by you")
async def recalls(request: AnyRequest) -> Response[bytes]:
    """Those that wait for an answer first, by their deadline."""
    room, visit = _enter(request)
    return as_json([_plain(one) for one in await room.list_recalls(visit.actor)])


@get("/standing/{organisation:str}", summary="How an organisation keeps its word, as measured")
async def standing(request: AnyRequest, organisation: str) -> Response[bytes]:
    """Requests and recalls that wait or are overdue, limits broken, the share answered in time."""
    room, _ = _enter(request)
    people = house_of(request).rooms.people
    if people is None or people.find_organisation(organisation) is None:
        raise ResourceNotFound(f"Organisation {organisation[:80]!r} does not exist")
    found = await room.standing(organisation)
    return as_json({**msgspec.to_builtins(found), "share_in_time": found.share_in_time})


# --- deeds --------------------------------------------------------------------------------------
@post("/agreements/check", status_code=200, summary="What stands against terms, before sending")
async def check(request: AnyRequest) -> Response[bytes]:
    """Errors, warnings, and what the consumer could put together of one person."""
    room, visit = _enter(request)
    asked = await _body(request, Asked)
    terms = read_terms(asked.terms, visit, house_of(request).rooms)
    return as_json(_told_check(room.check(terms, amends=asked.amends)))


@post("/agreements", status_code=201, summary="Ask for an agreement")
async def request_one(request: AnyRequest) -> Response[bytes]:
    """201 with the agreement as requested; 400 with `findings` that stand against it."""
    room, visit = _enter(request, acts=True)
    asked = await _body(request, Asked)
    terms = read_terms(asked.terms, visit, house_of(request).rooms)
    made = await room.request(
        visit.actor, terms, reason=asked.reason, amends=asked.amends, key=_key(request, asked.key)
    )
    return as_json(told(made), 201)


@post("/agreements/{id:str}/{deed:str}", status_code=200, summary="Do something with an agreement")
async def do(request: AnyRequest, id: str, deed: str) -> Response[bytes]:
    """approve, refuse, sign, withdraw, suspend, resume, revoke; the agreement as it is then. 409
    when its state, or somebody meanwhile, does not allow it."""
    room, visit = _enter(request, acts=True)
    work = _DEEDS.get(deed)
    if work is None:
        raise ResourceNotFound(f"Agreements know no deed {deed[:40]!r}")
    asked = await _body(request, Deed)
    asked = msgspec.structs.replace(asked, key=_key(request, asked.key))
    return as_json(told(await work(room, visit.actor, id, asked)))


@post("/recalls/{id:str}/answer", status_code=200, summary="Say what was deleted")
async def answer(request: AnyRequest, id: str) -> Response[bytes]:
    """A signed deletion record, or by which law copies must be kept."""
    room, visit = _enter(request, acts=True)
    asked = await _body(request, Answered)
    told_back = await room.answer_recall(
        visit.actor,
        id,
        what=asked.what,
        rows=asked.rows,
        kept_by_law=asked.kept_by_law,
        why=asked.why,
        key=_key(request, asked.key),
    )
    return as_json(_plain(told_back))


Work = Callable[[Agreements, "Actor", str, Deed], Awaitable[Agreement]]
_DEEDS: Final[dict[str, Work]] = {
    "approve": lambda room, who, id, asked: room.approve(
        who, id, version=asked.version, note=asked.reason, key=asked.key
    ),
    "refuse": lambda room, who, id, asked: room.refuse(
        who, id, version=asked.version, reason=asked.reason, key=asked.key
    ),
    "sign": lambda room, who, id, asked: room.sign(who, id, version=asked.version, key=asked.key),
    "withdraw": lambda room, who, id, asked: room.withdraw(
        who, id, version=asked.version, reason=asked.reason, key=asked.key
    ),
    "suspend": lambda room, who, id, asked: room.suspend(
        who, id, version=asked.version, reason=asked.reason, key=asked.key
    ),
    "resume": lambda room, who, id, asked: room.resume(
        who, id, version=asked.version, note=asked.reason, key=asked.key
    ),
    "revoke": lambda room, who, id, asked: room.revoke(
        who, id, version=asked.version, reason=asked.reason, key=asked.key
    ),
}


# --- parts --------------------------------------------------------------------------------------
def _enter(request: AnyRequest, *, acts: bool = False) -> tuple[Agreements, Visit]:
    """The room and who asks; nobody in particular knows of no agreement."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, None)
    if rooms.agreements is None:
        raise Unavailable("This city keeps no agreements")
    if visit.actor.kind == "anonymous":
        raise Unauthorized("Agreements are told to members of the two sides and to auditors")
    if acts:
        rooms.identity.check_csrf(raw_headers(request))
    return rooms.agreements, visit


async def _body(request: AnyRequest, kind: type[Any]) -> Any:
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData(f"The body has {len(body)} bytes, more than {MOST_BODY}")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be used: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error


def _key(request: AnyRequest, key: str) -> str:
    return key or request.headers.get("idempotency-key", "")


def read_terms(given: dict[str, Any], visit: Visit, rooms: Any) -> Terms:
    """Terms as somebody sent them: `from` and `until` as ISO times; without a provider the data
    set's owner, without a consumer the sender's own organisation. BadRequestData."""
    body = dict(given)
    for name in TIMES:
        if name in body:
            text = str(body.pop(name) or "")
            body[f"{name}_us"] = parse_time(text)
            if text and not body[f"{name}_us"]:
                raise BadRequestData(f"{name!r} is no time: {text[:40]!r}")
    strange = sorted(set(body) - set(Terms.__struct_fields__))
    if strange:
        raise BadRequestData(f"Terms have no member {strange[0][:40]!r}")
    body.setdefault("consumer", visit.actor.organisation)
    if not body.get("provider") and isinstance(body.get("data_set"), str):
        body["provider"] = rooms.exchange.get(body["data_set"]).owner
    try:
        return msgspec.convert(body, Terms)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The terms cannot be read: {error}") from error


def told(one: Agreement) -> dict[str, Any]:
    """An agreement as JSON, times as ISO texts."""
    found = _plain(one)
    found["terms"] = _plain(one.terms)
    return found


def _plain(struct: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(struct)
    for name in [one for one in found if one.endswith("_us")]:
        found[name.removesuffix("_us")] = iso(found[name]) if found[name] else None
        del found[name]
    return found


def _checked(room: Agreements, one: Agreement) -> dict[str, Any] | None:
    """What stands against it by now; None when its data set is gone."""
    try:
        return _told_check(room.check(one.terms, amends=one.id))
    except ResourceNotFound:
        return None


def _told_check(checked: Checked) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(checked)
    return {**found, "ok": not checked.errors}


HANDLERS: Final[tuple[Any, ...]] = (
    agreements,
    check,
    agreement,
    request_one,
    do,
    recalls,
    standing,
    answer,
)
