"""/api/v1/operations/incidents: what the pages show and do, for programs."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest
from pintu.kernel.operations.incidents.words import Alarm, Incident
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.incidents_one import deed, found_for
from pintu.web.pages.incidents_said import incidents_of
from pintu.web.visit import AnyRequest, Visit, enter

MOST_BODY: Final = 64 * 1024


class Doing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a deed: `acknowledge`, `assign` (to), `grade` (grade, reason), `merge` (others,
    reason), `split` (alarms, reason), `close` (outcome, reason), `reopen` (reason), `send` (what,
    target, crew, key: a work order), `all_clear` (of one that is closed: also by the channels that
    everybody hears)."""

    deed: str
    reason: str = ""
    to: str = ""
    grade: int = 0
    outcome: str = ""
    others: list[str] = []
    alarms: list[int] = []
    what: str = ""
    target: str = ""
    crew: str = ""
    key: str = ""


class Reporting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a report; the same key again is the same report."""

    text: str
    key: str
    category: str = "service"
    severity: str = "medium"
    source: str = ""
    lon: float | None = None
    lat: float | None = None


@get("/operations/incidents", summary="Incidents that are not over, the gravest first")
async def incidents(request: AnyRequest, ended: bool = False) -> Response[bytes]:
    """With `ended=true` those that are, newest first."""
    visit = _enter(request)
    room = incidents_of(visit)
    if ended:
        found = await room.list_incidents(visit.tenant, ("closed", "merged"), limit=1_000)
    else:
        found = await room.list_open(visit.tenant)
    return as_json([told(one) for one in found])


@get("/operations/incidents/{id:str}", summary="One incident with its alarms")
async def incident(request: AnyRequest, id: str, start: int = 0) -> Response[bytes]:
    """The incident, up to 500 of its alarms from `start` on, and what was done."""
    visit = _enter(request)
    room = incidents_of(visit)
    found = await found_for(visit, id)
    alarms = await room.list_alarms(id, limit=500, offset=max(start, 0))
    deeds = await room.journal.list_deeds(subject=f"incident:{id}", tenant=visit.tenant)
    done = [{"at": iso(one.at_us), "verb": one.verb, "who": one.who, "reason": one.reason,
             "detail": one.detail} for one in deeds]  # fmt: skip
    return as_json(told(found) | {"listed": [_alarm(one) for one in alarms], "deeds": done})


@get("/operations/detectors", summary="How right each detector was")
async def detectors(request: AnyRequest) -> Response[bytes]:
    """Alarms, incidents confirmed and mistaken, floods, how wrong its clock is."""
    visit = _enter(request)
    found = await incidents_of(visit).list_detectors(visit.tenant)
    return as_json([_plain(one) | {"reliability": round(one.reliability, 3)} for one in found])


@post("/operations/incidents/{id:str}/deeds", status_code=200, summary="Do something with it")
async def act(request: AnyRequest, id: str) -> Response[bytes]:
    """The incident as it is then (of a split: the new one)."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND)
    asked = msgspec.structs.asdict(await _body(request, Doing))
    return as_json(told(await deed(incidents_of(visit), visit, id, asked)))


@post("/operations/reports", status_code=201, summary="Report what somebody saw")
async def report(request: AnyRequest) -> Response[bytes]:
    """The id of the alert it became; in a moment it opens or joins an incident."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND)
    asked = await _body(request, Reporting)
    fields = msgspec.structs.asdict(asked)
    alert = await incidents_of(visit).report(
        fields, visit.actor.id, tenant=visit.tenant, key=asked.key
    )
    return as_json({"alert": alert}, 201)


def told(one: Incident) -> dict[str, Any]:
    """An incident as the API tells it; times as ISO 8601."""
    return {_named(name): value for name, value in _plain(one).items() if name != "tenant"}


def _alarm(one: Alarm) -> dict[str, Any]:
    return {_named(name): value for name, value in _plain(one).items() if name != "tenant"}


def _named(name: str) -> str:
    return name.removesuffix("_us")


def _plain(one: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(one)
    for name, value in plain.items():
        if name.endswith("_us") and name != "clock_off_us":
            plain[name] = iso(value) if value else ""
    return plain


def _enter(request: AnyRequest) -> Visit:
    visit = enter(request, house_of(request).rooms, None)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return visit


async def _body(request: AnyRequest, kind: type[Any]) -> Any:
    body = await request.body()
    if len(body) > MOST_BODY:
        raise InvalidRequest(f"The body has {len(body)} bytes, more than {MOST_BODY}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body says what cannot be: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (incidents, incident, detectors, act, report)
