"""/api/v1/audit: heads and proofs for everybody, rows for auditors, nothing that changes one."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.response import Stream

from pintu.kernel.access.audited import Entry
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.audit.readers import WHOLE, may_read, scope_of, whole_log
from pintu.kernel.audit.sealing import told_of
from pintu.kernel.audit.tree import leaf_hash
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest, ResourceNotFound, Unavailable
from pintu.web.api.reading import as_json
from pintu.web.api.states import parse_time
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.audit import Audit, Head, Numbered
    from pintu.kernel.audit.searching import Wanted

TEXTS: Final = (
    "what", "actor", "person", "organisation", "owner", "data_set", "agreement", "purpose",
    "subject", "outcome",
)  # fmt: skip
MOST_TEXT: Final = 200


def audit_of(request: AnyRequest) -> tuple[Audit, Visit]:
    """The log's room and who asks; asks no gate: what is public is public."""
    rooms = house_of(request).rooms
    if rooms.audit is None:
        raise Unavailable("This city keeps no log")
    return rooms.audit, enter(request, rooms, None)


# --- for everybody --------------------------------------------------------------------------------
@get("/audit/checkpoint", summary="The newest signed head of the log (C2SP tlog-checkpoint)")
async def checkpoint(request: AnyRequest) -> Response[str]:
    """As text, with who countersigned it; ResourceNotFound before the first row."""
    audit, _ = audit_of(request)
    told = told_of(await audit.proofs.checkpoint())
    return Response(told, media_type="text/plain; charset=utf-8", headers=_OPEN)


@get("/audit/key", summary="The log's public key, as a verifier takes it")
async def key(request: AnyRequest) -> Response[str]:
    """NAME+ID+KEY: compare it with what the city published elsewhere."""
    audit, _ = audit_of(request)
    return Response(f"{audit.public()}\n", media_type="text/plain; charset=utf-8", headers=_OPEN)


@get("/audit/heads", summary="Signed heads, the newest first")
async def heads(request: AnyRequest) -> Response[bytes]:
    """`before` (rows) and `limit`; and why the log is not sealed any more, when it is not."""
    audit, _ = audit_of(request)
    before, limit = _whole(request, "before", 0), _whole(request, "limit", 100)
    found = await audit.proofs.heads(before=before or None, limit=limit)
    told = {"key": audit.public(), "trouble": audit.trouble, "heads": [head_told(o) for o in found]}
    return as_json(told)


@get("/audit/consistency", summary="The proof that one head goes on from another")
async def consistency(request: AnyRequest) -> Response[bytes]:
    """`from` and `to` (rows; without it the newest head)."""
    audit, _ = audit_of(request)
    old, size = _whole(request, "from", 0), _whole(request, "to", 0)
    head = audit.head()
    of = size or (0 if head is None else head.size)
    steps = await audit.consistency(old, of)
    return as_json({"from": old, "to": of, "proof": _base64(steps)})


@get("/audit/inclusion", summary="The proof that a row is in the log, for who has its receipt")
async def inclusion(request: AnyRequest) -> Response[bytes]:
    """`number` and `leaf` of the receipt, `size` of a head (without it the newest)."""
    audit, _ = audit_of(request)
    number, size = _whole(request, "number", 0), _whole(request, "size", 0)
    if not await _holds(audit, number, request.query_params.get("leaf", "")):
        raise ResourceNotFound(f"The log has no row {number} with this leaf")
    await audit.proofs.sealed(number)
    head = audit.head()
    of = size or (0 if head is None else head.size)
    steps = await audit.inclusion(number, of)
    return as_json({"number": number, "size": of, "proof": _base64(steps)})


@get("/audit/proof/{number:int}", summary="One row's proof as a file for pintu-verify")
async def proof(request: AnyRequest, number: int) -> Response[bytes]:
    """With the row for who holds its receipt (`leaf`), did it, is a party, or is an auditor; for
    everybody else its hash, path, head and signatures: that it is there, not what it says.
    """
    audit, visit = audit_of(request)
    with_row = await may_see(audit, visit, number, request.query_params.get("leaf", ""))
    answer = as_json(await audit.proofs.bundle(number, with_row=with_row))
    answer.headers["Content-Disposition"] = f'attachment; filename="proof-{number}.json"'
    return answer


# --- for auditors ---------------------------------------------------------------------------------
@get("/audit/rows", summary="Rows of the log, in order, for auditors of the city")
async def rows(request: AnyRequest) -> Response[bytes]:
    """`after` (a number) and `limit` (at most 1000)."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    after, limit = _whole(request, "after", 0), _whole(request, "limit", 100)
    if not 0 < limit <= 1_000:
        raise BadRequestData("A page has 1 to 1000 rows")
    return as_json([row_told(one) for one in await audit.rows(after, limit)])


@get("/audit/search", summary="Rows of the log by who, whom, what, when; for auditors")
async def search(request: AnyRequest) -> Response[bytes]:
    """what, actor, person, organisation, owner, data_set, agreement, purpose, subject (a digest),
    outcome (answered, refused), since, until, before, limit. That an auditor looked for a person
    is a row of the log itself.
    """
    audit, visit = audit_of(request)
    wanted = wanted_of(request, scope_of(visit.actor))
    if "subject" in wanted or "person" in wanted:
        await audit.enter(looked(visit, "search", wanted))
    return as_json([row_told(one) for one in await audit.search(**wanted)])


@get("/audit/anomalies", summary="What looks wrong, with the rows that show it; for auditors")
async def anomalies(request: AnyRequest) -> Response[bytes]:
    """`since` (without it the last 24 hours)."""
    audit, visit = audit_of(request)
    scope = scope_of(visit.actor)
    since = wanted_of(request, scope).get("since_us")
    found = await audit.anomalies(since_us=since, zone=visit.rooms.settings.tz, scope=scope)
    return as_json([{**msgspec.to_builtins(one), "last": iso(one.last_us)} for one in found])


@get(
    "/audit/export", summary="The whole log as one file for pintu-verify; for auditors of the city"
)
async def export(request: AnyRequest) -> Stream:
    """Lines of JSON; that it was taken is a row of the log itself."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    await audit.enter(looked(visit, "export", {}))
    headers = {
        "Content-Disposition": 'attachment; filename="log.jsonl"',
        "Cache-Control": "no-store",
    }
    return Stream(audit.export_lines(), media_type="application/x-ndjson", headers=headers)


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /audit/accept."""

    reason: str


@post("/audit/accept", status_code=200, summary="Let a log that was found wrong go on as a new era")
async def accept(request: AnyRequest) -> Response[bytes]:
    """By an auditor of the city, with a reason: both are the new era's first news."""
    audit, visit = audit_of(request)
    whole_log(visit.actor)
    visit.rooms.identity.check_csrf(raw_headers(request))
    try:
        told = msgspec.json.decode((await request.body())[:4096], type=Accepted)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"It is no reason in JSON: {error}") from error
    receipt = await audit.accept(visit.actor, check_reason(told.reason))
    return as_json({"number": receipt.number, "origin": audit.sealer.origin})


# --- told -----------------------------------------------------------------------------------------
_OPEN: Final = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}


def head_told(head: Head) -> dict[str, Any]:
    """A head as JSON; `note` is what is signed and by whom."""
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "at": iso(head.at_us),
        "note": told_of(head),
    }


def row_told(one: Numbered) -> dict[str, Any]:
    """A row as JSON."""
    told: dict[str, Any] = msgspec.to_builtins(one.row)
    told["at"] = iso(told.pop("at_us"))
    told.pop("salt", None)
    return {"number": one.number, **told}


async def may_see(audit: Audit, visit: Visit, number: int, leaf: str) -> bool:
    """May this visitor see what a row says?"""
    if await _holds(audit, number, leaf):
        return True
    return may_read(visit.actor, await audit.row(number))


async def _holds(audit: Audit, number: int, leaf: str) -> bool:
    """Is it the leaf of that row?"""
    told = leaf.strip().lower()[:64].encode("ascii", "replace")
    return hmac.compare_digest(leaf_hash(await audit.body(number)).hex().encode(), told)


def wanted_of(request: AnyRequest, scope: str) -> Wanted:
    """The search an address asks; BadRequestData names what cannot be read."""
    params = request.query_params
    asked: dict[str, Any] = {
        name: text[:MOST_TEXT] for name in TEXTS if (text := str(params.get(name, "")).strip())
    }
    if asked.get("outcome", "answered") not in ("answered", "refused"):
        raise BadRequestData("An outcome is answered or refused")
    for name in ("since", "until"):
        if params.get(name):
            asked[f"{name}_us"] = parse_time(str(params[name]))
            if not asked[f"{name}_us"]:
                raise BadRequestData(f"{name} is a time like 2026-11-23T08:00:00Z")
    for name in ("before", "limit"):
        if params.get(name):
            asked[name] = _whole(request, name, 0)
    if scope != WHOLE:
        asked["party"] = scope
    wanted: Wanted = asked  # type: ignore[assignment]
    return wanted


def looked(visit: Visit, deed: str, wanted: Any) -> Entry:
    """The row of a look at the log."""
    actor = visit.actor
    detail = {name: str(value) for name, value in wanted.items() if name != "subject"}
    return Entry(
        what="read",
        deed=deed,
        actor=actor.id,
        person=actor.person,
        organisation=actor.organisation,
        roles=tuple(sorted(actor.roles)),
        data_set="audit",
        purpose="audit",
        basis="auditor",
        subjects=(wanted["subject"],) if "subject" in wanted else (),
        detail=detail,
    )


def _whole(request: AnyRequest, name: str, default: int) -> int:
    told = str(request.query_params.get(name, default))
    if not told.isascii() or not told.isdecimal() or len(told) > 18:
        raise BadRequestData(f"{name} is a whole number")
    return int(told)


def _base64(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


HANDLERS: Final[tuple[Any, ...]] = (
    checkpoint, key, heads, consistency, inclusion, proof, rows, search, anomalies, export, accept,
)  # fmt: skip
