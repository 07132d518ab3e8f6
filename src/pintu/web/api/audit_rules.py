"""/api/v1/audit: what the city's auditors set: who is protected, what is shown later, from which
number on something is told. Each is in the log, with its reason, before it holds.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from litestar import Response, get, post

from pintu.kernel.access.reasons import check_reason
from pintu.kernel.audit import Protection, Rules
from pintu.kernel.audit.anomalies import Thresholds
from pintu.kernel.audit.readers import whole_log
from pintu.kernel.errors import BadRequestData, InvalidRequest
from pintu.kernel.exchange.gate.asking import subject_text
from pintu.web.api.audit import audit_of
from pintu.web.api.reading import as_json
from pintu.web.visit import AnyRequest, raw_headers

T = TypeVar("T")
MOST_BODY: Final = 16_384


class Protect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /audit/protections: about whom (an identity number as it is written, or the
    digest that identity keeps), from which organisations' looks, whether from the account too.
    """

    reason: str
    number: str = ""
    subject: str = ""
    organisations: tuple[str, ...] = ()
    alone: bool = False


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /audit/protections/ID/end."""

    reason: str


class SetRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /audit/rules."""

    reason: str
    rules: Rules


class SetThresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /audit/thresholds."""

    reason: str
    thresholds: Thresholds


async def read(request: AnyRequest, form: type[T]) -> T:
    """The body of a deed; InvalidRequest and BadRequestData say what is wrong with it."""
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData("A rule is at most 16 KiB long")
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The rule cannot be used: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The rule is not JSON: {error}") from error


@get("/audit/rules", summary="What is shown later, and what only to the person; for auditors")
async def rules(request: AnyRequest) -> Response[bytes]:
    """Rules and thresholds as they are now."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    limits = await audit.protections.fact("thresholds", Thresholds)
    now = await audit.protections.rules()
    told = {"rules": msgspec.to_builtins(now), "thresholds": msgspec.to_builtins(limits)}
    return as_json(told)


@post("/audit/rules", status_code=200, summary="Set what is shown later; by an auditor of the city")
async def set_rules(request: AnyRequest) -> Response[bytes]:
    """Delays by purpose, and the purposes kept back under a protection."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    visit.rooms.identity.check_csrf(raw_headers(request))
    told = await read(request, SetRules)
    if any(not 0 <= days <= 3_650 for days in told.rules.delays_days.values()):
        raise BadRequestData("A delay is 0 to 3650 days")
    reason = check_reason(told.reason)
    await audit.protections.set_fact(visit.actor, "rules", told.rules, reason)
    return as_json({"rules": msgspec.to_builtins(told.rules)})


@post("/audit/thresholds", status_code=200, summary="Set from which number on something is told")
async def set_thresholds(request: AnyRequest) -> Response[bytes]:
    """By an auditor of the city."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    visit.rooms.identity.check_csrf(raw_headers(request))
    told = await read(request, SetThresholds)
    if not 1 <= told.thresholds.window_days <= 366:
        raise BadRequestData("The window is 1 to 366 days")
    reason = check_reason(told.reason)
    await audit.protections.set_fact(visit.actor, "thresholds", told.thresholds, reason)
    return as_json({"thresholds": msgspec.to_builtins(told.thresholds)})


@post(
    "/audit/protections", status_code=201, summary="Keep looks at a person from who acts for them"
)
async def protect(request: AnyRequest) -> Response[bytes]:
    """By an auditor of the city, for somebody in danger; 201 with its id."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    visit.rooms.identity.check_csrf(raw_headers(request))
    told = await read(request, Protect)
    if bool(told.number.strip()) == bool(told.subject):
        raise BadRequestData("A protection names one person, by number or by digest")
    protection = Protection(
        subject=told.subject or audit.digest(subject_text(told.number)),
        organisations=told.organisations,
        alone=told.alone,
        since_us=visit.rooms.clock.now_us(),
    )
    id = await audit.protections.protect(visit.actor, protection, check_reason(told.reason))
    return as_json({"id": id}, 201)


@post("/audit/protections/{id:str}/end", status_code=200, summary="End a protection")
async def end(request: AnyRequest, id: str) -> Response[bytes]:
    """What it covered stays kept back; ResourceNotFound."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    visit.rooms.identity.check_csrf(raw_headers(request))
    told = await read(request, End)
    await audit.protections.end(visit.actor, id, check_reason(told.reason))
    return as_json({"id": id})


HANDLERS: Final[tuple[Any, ...]] = (rules, set_rules, set_thresholds, protect, end)
