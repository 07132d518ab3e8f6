"""/api/v1/exchange: what nodes ask of each other. Every call and every answer is signed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.errors import BadRequestData, PintuError, Unavailable
from pintu.kernel.exchange.nodes import From, Nodes, Received
from pintu.kernel.exchange.nodes.words import Shown, Told
from pintu.kernel.exchange.words import Answer
from pintu.web.house import house_of
from pintu.web.neighbours import Neighbourhood
from pintu.web.visit import AnyRequest
from pintu.web.why import receipt_line

log = logging.getLogger("pintu.web")
Work = Callable[[Nodes, From], Awaitable[Any]]
JSON: Final = "application/json"


def nodes_of(request: AnyRequest) -> Nodes:
    """The room of nodes; Unavailable in a city that has none."""
    found = house_of(request).rooms.nodes
    if found is None:
        raise Unavailable("This city is no node of an exchange")
    return found


def neighbours_of(request: AnyRequest) -> Neighbourhood:
    """Neighbours as sources of context; Unavailable in a city that has none."""
    found = house_of(request).rooms.neighbours
    if found is None:
        raise Unavailable("This city has no context sources")
    return found


async def received_of(request: AnyRequest) -> Received:
    """A request as its signature is checked: exactly the bytes that came."""
    scope: Any = request.scope
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        told = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {told}" if key in headers else told
    return Received(
        method=request.method,
        path=path.partition("?")[0] + (f"?{query}" if query else ""),
        headers=headers,
        body=await request.body(),
        peer=request.client.host if request.client else "",
    )


async def answered(request: AnyRequest, work: Work) -> Response[bytes]:
    """Check the call, do it, sign the answer; what is refused is signed too, so that nobody on the
    way can refuse in our name."""
    nodes, received = nodes_of(request), await received_of(request)
    receipt, name = "", ""
    try:
        asked = await nodes.receive(received)
        name = asked.node.name
        found = await work(nodes, asked)
        if isinstance(found, Answer):
            body = found.body
            receipt = receipt_line(found.receipt) if found.receipt is not None else ""
        else:
            body = msgspec.json.encode(found)
        status = 200
    except PintuError as error:
        if name:
            nodes.refused(name)
        status, body = error.status, msgspec.json.encode(error.problem(), enc_hook=str)
    return signed(nodes, received, (status, body), receipt)


def signed(
    nodes: Nodes, received: Received, answer: tuple[int, bytes], receipt: str = ""
) -> Response[bytes]:
    """An answer that only this node could give, to this call only."""
    status, body = answer
    asked = received.headers.get("signature", "")[:2_000]
    headers = nodes.own.sign_answer(status, body, asked=asked, receipt=receipt)
    headers["cache-control"] = "no-store"
    kind = JSON if status < 400 else "application/problem+json"
    return Response(body, status_code=status, media_type=kind, headers=headers)


# --- who we are -----------------------------------------------------------------------------------
@get("/.well-known/pintu-node", include_in_schema=False)
async def well_known(request: AnyRequest) -> Response[bytes]:
    """For anybody: a node's name, address and public keys are no secret."""
    return _document(request)


@get("/exchange/node", summary="This node: name, address, public keys, signed by itself")
async def node(request: AnyRequest) -> Response[bytes]:
    """The same as /.well-known/pintu-node."""
    return _document(request)


def _document(request: AnyRequest) -> Response[bytes]:
    body = msgspec.json.encode(nodes_of(request).own.document())
    return Response(body, media_type=JSON, headers={"cache-control": "no-cache"})


# --- joining --------------------------------------------------------------------------------------
@post("/exchange/join", status_code=200, summary="A node asks to be a neighbour")
async def join(request: AnyRequest) -> Response[bytes]:
    """Its document, signed with the key it tells; joined at once with a code, else it waits for the
    administrator."""

    async def work(nodes: Nodes, received: Received) -> bytes:
        return msgspec.json.encode(await nodes.joining.asked(received))

    return await _stranger(request, work)


@post("/exchange/keys", status_code=200, summary="A neighbour tells its new key")
async def keys(request: AnyRequest) -> Response[bytes]:
    """Its new document: taken when the key we know vouches for the new one."""

    async def work(nodes: Nodes, received: Received) -> bytes:
        await nodes.joining.keys_told(received)
        return b"{}"

    return await _stranger(request, work)


async def _stranger(
    request: AnyRequest, work: Callable[[Nodes, Received], Awaitable[bytes]]
) -> Response[bytes]:
    nodes, received = nodes_of(request), await received_of(request)
    try:
        status, body = 200, await work(nodes, received)
    except PintuError as error:
        status, body = error.status, msgspec.json.encode(error.problem(), enc_hook=str)
    return signed(nodes, received, (status, body))


@post("/exchange/leave", status_code=200, summary="A neighbour parts with us")
async def leave(request: AnyRequest) -> Response[bytes]:
    """Nothing of it is answered from here on."""

    async def work(nodes: Nodes, asked: From) -> dict[str, str]:
        await nodes.joining.left(asked.node.name)
        return {}

    return await answered(request, work)


# --- data sets and agreements -------------------------------------------------------------------
@post("/exchange/catalogue", status_code=200, summary="What is offered to the asking node")
async def catalogue(request: AnyRequest) -> Response[bytes]:
    """Core metadata and columns, never rows."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return nodes.providing.catalogue(asked)

    return await answered(request, work)


@post("/exchange/offers", status_code=200, summary="Entities the asking node may read here")
async def offers(request: AnyRequest) -> Response[bytes]:
    """Types and attributes by tenant; what it becomes there is a registration."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return neighbours_of(request).offered_to(asked)

    return await answered(request, work)


@post("/exchange/offers/news", status_code=200, summary="What a neighbour offers has changed")
async def offers_news(request: AnyRequest) -> Response[bytes]:
    """It is asked what it offers now."""

    async def work(nodes: Nodes, asked: From) -> Any:
        neighbours_of(request).heard(asked.node)
        return {}

    return await answered(request, work)


@post("/exchange/agreements", status_code=200, summary="Agreements of the asking organisation")
async def agreements(request: AnyRequest) -> Response[bytes]:
    """With their signatures, closed ones too."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return nodes.providing.agreements_of(asked)

    return await answered(request, work)


@post("/exchange/agreements/request", status_code=200, summary="Ask for an agreement from afar")
async def request_one(request: AnyRequest) -> Response[bytes]:
    """The agreement as requested; its owner decides here."""
    return await answered(request, lambda nodes, asked: nodes.providing.request(asked))


@post("/exchange/agreements/{id:str}", status_code=200, summary="One agreement as it is now")
async def agreement(request: AnyRequest, id: str) -> Response[bytes]:
    """For its consumer's organisation."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return nodes.providing.agreement(asked, id)

    return await answered(request, work)


@post("/exchange/agreements/{id:str}/sign", status_code=200, summary="A consumer signed afar")
async def sign(request: AnyRequest, id: str) -> Response[bytes]:
    """With its organisation's key, at its own node."""
    return await answered(request, lambda nodes, asked: nodes.providing.sign(asked, id))


@post("/exchange/agreements/{id:str}/withdraw", status_code=200, summary="A consumer gives it up")
async def withdraw(request: AnyRequest, id: str) -> Response[bytes]:
    """A request or an agreement."""
    return await answered(request, lambda nodes, asked: nodes.providing.withdraw(asked, id))


@post("/exchange/agreements/{id:str}/rows", status_code=200, summary="Rows under an agreement")
async def rows(request: AnyRequest, id: str) -> Response[bytes]:
    """Decided by this node's gate, written to its log; the receipt is signed with the answer."""
    return await answered(request, lambda nodes, asked: nodes.providing.rows(asked, id))


@post("/exchange/told", status_code=200, summary="A provider tells of an agreement or a recall")
async def told(request: AnyRequest) -> Response[bytes]:
    """What changed there, for the consumer's node."""

    async def work(nodes: Nodes, asked: From) -> dict[str, str]:
        await nodes.told(asked.node, _carried(asked, Told))
        return {}

    return await answered(request, work)


# --- recalls ----------------------------------------------------------------------------------
@post("/exchange/recalls", status_code=200, summary="Recalls to the asking organisation")
async def recalls(request: AnyRequest) -> Response[bytes]:
    """Signed by who asks."""
    return await answered(request, lambda nodes, asked: nodes.providing.recalls_of(asked))


@post("/exchange/recalls/{id:str}/answer", status_code=200, summary="What a holder deleted")
async def answer_recall(request: AnyRequest, id: str) -> Response[bytes]:
    """Signed by the holder at its own node."""
    return await answered(request, lambda nodes, asked: nodes.providing.answer_recall(asked, id))


# --- heads ------------------------------------------------------------------------------------
@post("/exchange/heads/seen", status_code=200, summary="The head of the caller's log we saw last")
async def heads_seen(request: AnyRequest) -> Response[bytes]:
    """Where the proof to its next head must begin."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return await nodes.heads.seen(asked, _carried(asked, dict[str, str]).get("origin", ""))

    return await answered(request, work)


@post("/exchange/heads", status_code=200, summary="Countersign the caller's head")
async def heads(request: AnyRequest) -> Response[bytes]:
    """409, with the head that speaks against it, for a log that was forked or rewound."""

    async def work(nodes: Nodes, asked: From) -> Any:
        return await nodes.heads.cosign(asked, _carried(asked, Shown))

    return await answered(request, work)


def _carried(asked: From, kind: Any) -> Any:
    try:
        return msgspec.json.decode(asked.call.body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequestData(f"What the call carries cannot be read: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (
    node,
    join,
    keys,
    leave,
    catalogue,
    offers,
    offers_news,
    agreements,
    request_one,
    agreement,
    sign,
    withdraw,
    rows,
    told,
    recalls,
    answer_recall,
    heads_seen,
    heads,
)
PUBLIC: Final[tuple[Any, ...]] = (well_known,)
