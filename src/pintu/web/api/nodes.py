"""/api/v1/nodes: neighbours as our own administrator and our own people use them."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.access import Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest, ResourceNotFound, Unauthorized
from pintu.kernel.exchange.agreements.words import Deletion, Recall
from pintu.kernel.exchange.nodes import Abroad, Document, Node, Nodes
from pintu.kernel.exchange.nodes.documents import fingerprint
from pintu.kernel.exchange.words import Question
from pintu.kernel.jsonld import CORE
from pintu.web.api.agreements import read_terms
from pintu.web.api.agreements import told as told_agreement
from pintu.web.api.exchange import neighbours_of, nodes_of
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.neighbours import Offered
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

MOST_BODY: Final = 256 * 1024
DATA_SET: Final = "nodes"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a wish to join; one of `fingerprint` and `code`."""

    url: str
    fingerprint: str = ""
    code: str = ""


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of what an administrator does with a neighbour."""

    fingerprint: str = ""
    note: str = ""


class Offering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an offer: names as people of the city write them."""

    types: list[str]
    attributes: list[str] = []
    tenant: str = ""


class Requested(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for an agreement of another node."""

    terms: dict[str, Any]
    reason: str
    key: str = ""
    amends: str = ""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a question to another node."""

    purpose: str
    reason: str
    question: Question = Question()


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an answer to a recall."""

    what: str
    rows: int = 0
    kept_by_law: str = ""
    why: str = ""


def operator(request: AnyRequest) -> tuple[Nodes, Visit]:
    """The room, for who operates the city."""
    visit = enter(request, house_of(request).rooms, Deed.OPERATE, data_set=DATA_SET)
    return nodes_of(request), visit


def member(request: AnyRequest, *, acts: bool = False) -> tuple[Nodes, Visit]:
    """The room, for somebody of an organisation; the room decides what of it is theirs."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, None)
    if not visit.actor.organisation:
        raise Unauthorized("Other nodes are asked for an organisation: sign in as a member of one")
    if acts:
        rooms.identity.check_csrf(raw_headers(request))
    return nodes_of(request), visit


async def body_of(request: AnyRequest, kind: type[Any]) -> Any:
    """The body, read as told; InvalidRequest, BadRequestData."""
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData(f"The body has {len(body)} bytes, more than {MOST_BODY}")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be used: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error


# --- the administrator's ------------------------------------------------------------------------
@get("/nodes", summary="Neighbours of this node")
async def list_nodes(request: AnyRequest) -> Response[bytes]:
    """Ourselves first, then everybody who joined, asks or left."""
    nodes, _ = operator(request)
    own = nodes.own.document()
    return as_json(
        {"self": _document(own), "nodes": [told(nodes, one) for one in nodes.register.list_nodes()]}
    )


@post("/nodes/look", status_code=200, summary="What the node at an address tells of itself")
async def look(request: AnyRequest) -> Response[bytes]:
    """Its name and the fingerprint to compare; nothing is kept."""
    nodes, _ = operator(request)
    wanted = await body_of(request, Wanted)
    return as_json(_document(await nodes.joining.look(wanted.url)))


@post("/nodes", status_code=200, summary="Ask a node to be our neighbour")
async def join(request: AnyRequest) -> Response[bytes]:
    """With the fingerprint that was compared over the telephone, or a code of its administrator."""
    nodes, visit = operator(request)
    wanted = await body_of(request, Wanted)
    found = await nodes.joining.ask(
        visit.actor, wanted.url, fingerprint=wanted.fingerprint, code=wanted.code
    )
    return as_json(told(nodes, found))


@post("/nodes/invitations", status_code=201, summary="A code that lets one node join at once")
async def invite(request: AnyRequest) -> Response[bytes]:
    """Shown once; good for a day and for one node."""
    nodes, visit = operator(request)
    code = await nodes.register.invite(visit.actor.id, nodes.parts.keys.signer("node").key_id)
    await nodes.joining.noted("invited", visit.actor)
    return as_json({"code": code}, 201)


@post("/nodes/rotate", status_code=200, summary="A new key for this node")
async def rotate(request: AnyRequest) -> Response[bytes]:
    """Signed for by the one before; neighbours follow by themselves."""
    nodes, visit = operator(request)
    old, new = await nodes.rotate(visit.actor)
    return as_json({"old": old, "new": new})


@post("/nodes/{name:str}/offer", status_code=200, summary="Offer types to a neighbour, to be read")
async def offer(request: AnyRequest, name: str) -> Response[bytes]:
    """`types` by name, `attributes` (none: all) and the tenant; no types: nothing any more. Types
    that tell of persons are refused: they are shared by an agreement.
    """
    _, visit = operator(request)
    asked = await body_of(request, Offering)
    types = tuple(sorted({CORE.stored(one) for one in asked.types}))
    names = tuple(sorted({CORE.stored(one) for one in asked.attributes}))
    told_now = Offered(tenant=asked.tenant, types=types, names=names)
    kept = await neighbours_of(request).offer(visit.actor, name, told_now)
    return as_json({"node": name, "tenant": kept.tenant, "types": sorted(kept.types)})


STATES: Final = {"suspend": "suspended", "resume": "joined", "leave": "left"}


@post("/nodes/{name:str}/{deed:str}", status_code=200, summary="Decide about a neighbour")
async def decide(request: AnyRequest, name: str, deed: str) -> Response[bytes]:
    """accept (with the fingerprint that was compared), suspend, resume, leave."""
    nodes, visit = operator(request)
    asked = await body_of(request, Decided)
    if deed == "accept":
        found = await nodes.joining.accept(visit.actor, name, fingerprint=asked.fingerprint)
    elif deed in STATES:
        state: Any = STATES[deed]
        found = await nodes.joining.change(visit.actor, name, state, asked.note)
    else:
        raise ResourceNotFound(f"Neighbours know no deed {deed[:40]!r}")
    return as_json(told(nodes, found))


@post("/nodes/minute", status_code=200, summary="Show heads and look for news now")
async def minute(request: AnyRequest) -> Response[bytes]:
    """What happens each minute by itself."""
    nodes, _ = operator(request)
    await nodes.each_minute()
    return as_json([told(nodes, one) for one in nodes.joined()])


# --- our people's ---------------------------------------------------------------------------------
@get("/nodes/{name:str}/catalogue", summary="What a neighbour offers to your organisation")
async def catalogue(request: AnyRequest, name: str) -> Response[bytes]:
    """Core metadata and columns, never rows."""
    nodes, visit = member(request)
    found = await nodes.consuming.catalogue(visit.actor, name)
    return as_json([msgspec.to_builtins(one) for one in found])


@get("/abroad/agreements", summary="Your organisation's agreements with other nodes")
async def list_abroad(request: AnyRequest) -> Response[bytes]:
    """As their nodes told them last."""
    nodes, visit = member(request)
    return as_json([told_abroad(one) for one in nodes.consuming.list_for(visit.actor)])


@post("/abroad/{node:str}/agreements", status_code=201, summary="Ask another node's owner")
async def request_one(request: AnyRequest, node: str) -> Response[bytes]:
    """As POST /api/v1/agreements; terms name the provider."""
    nodes, visit = member(request, acts=True)
    asked = await body_of(request, Requested)
    if not asked.terms.get("provider"):
        raise BadRequestData("Terms of another node name their provider")
    terms = read_terms(asked.terms, visit, house_of(request).rooms)
    found = await nodes.consuming.request(
        visit.actor,
        node,
        terms,
        reason=asked.reason,
        key=asked.key or secrets.token_hex(16),
        amends=asked.amends,
    )
    return as_json(told_abroad(found), 201)


@post("/abroad/{node:str}/agreements/{id:str}/sign", status_code=200, summary="Sign it here")
async def sign(request: AnyRequest, node: str, id: str) -> Response[bytes]:
    """With your organisation's key; in force when the provider has it."""
    nodes, visit = member(request, acts=True)
    return as_json(told_abroad(await nodes.consuming.sign(visit.actor, f"{id}@{node}")))


@post("/abroad/{node:str}/agreements/{id:str}/withdraw", status_code=200, summary="Give it up")
async def withdraw(request: AnyRequest, node: str, id: str) -> Response[bytes]:
    """`reason` says why."""
    nodes, visit = member(request, acts=True)
    asked = await body_of(request, dict)
    found = await nodes.consuming.withdraw(
        visit.actor, f"{id}@{node}", reason=str(asked.get("reason", ""))
    )
    return as_json(told_abroad(found))


@post("/abroad/{node:str}/agreements/{id:str}/rows", status_code=200, summary="Rows from there")
async def rows(request: AnyRequest, node: str, id: str) -> Response[bytes]:
    """Decided here and there, written down here and there; both receipts come back."""
    nodes, visit = member(request, acts=True)
    asked = await body_of(request, Asked)
    found = await nodes.ask(
        visit.actor, f"{id}@{node}", asked.question, purpose=asked.purpose, reason=asked.reason
    )
    return Response(
        msgspec.json.encode(found),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@get("/abroad/recalls", summary="What other nodes ask your organisation to delete")
async def recalls(request: AnyRequest) -> Response[bytes]:
    """Those that wait for an answer first."""
    nodes, visit = member(request)
    return as_json([_recall(node, one) for node, one in nodes.holding.recalls(visit.actor)])


@post("/abroad/{node:str}/recalls/{id:str}/answer", status_code=200, summary="Say what was deleted")
async def answer_recall(request: AnyRequest, node: str, id: str) -> Response[bytes]:
    """Signed with your organisation's key."""
    nodes, visit = member(request, acts=True)
    said = await body_of(request, Said)
    told_back = Deletion(
        recall=id,
        what=said.what,
        rows=said.rows,
        person="",
        at_us=0,
        kept_by_law=said.kept_by_law,
        why=said.why,
    )
    return as_json(_recall(node, await nodes.holding.answer_recall(visit.actor, node, told_back)))


# --- parts --------------------------------------------------------------------------------------
def _document(one: Document) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": one.url,
        "fingerprint": fingerprint(one.public),
        "organisations": [msgspec.to_builtins(party) for party in one.organisations],
    }


def told(nodes: Nodes, one: Node) -> dict[str, Any]:
    """A neighbour as JSON."""
    kept = msgspec.to_builtins(nodes.kept(one.name))
    times = {name.removesuffix("_us"): iso(kept.pop(name)) for name in ("last_us", "head_us")
             if kept.get(name)}  # fmt: skip
    return {
        **_document(one.document),
        "state": one.state,
        "since": iso(one.since_us) if one.since_us else None,
        "by": one.by,
        "note": one.note,
        "counted": kept | times,
    }


def told_abroad(one: Abroad) -> dict[str, Any]:
    """An agreement abroad as JSON."""
    return {"node": one.node, **told_agreement(one.agreement)}


def _recall(node: str, one: Recall) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(one)
    for name in [name for name in found if name.endswith("_us")]:
        value = found.pop(name)
        found[name.removesuffix("_us")] = iso(value) if value else None
    return {"node": node, **found}


HANDLERS: Final[tuple[Any, ...]] = (
    list_nodes,
    look,
    join,
    invite,
    rotate,
    minute,
    offer,
    decide,
    catalogue,
    list_abroad,
    request_one,
    sign,
    withdraw,
    rows,
    recalls,
    answer_recall,
)
