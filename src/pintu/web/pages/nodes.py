"""Neighbours: who they are, what flows, when they were heard of, what failed, whom to accept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.nodes.documents import fingerprint
from pintu.web.api.exchange import nodes_of
from pintu.web.api.nodes import STATES
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes import Node, Nodes

DATA_SET: Final = "nodes"
LONGEST: Final = 500
SAID: Final = {
    "asked": mark("asks to join"),
    "invited": mark("was asked, has not accepted"),
    "joined": mark("is a neighbour"),
    "suspended": mark("is suspended"),
    "left": mark("has left"),
}
ORDER: Final = ("asked", "joined", "suspended", "invited", "left")
DONE: Final = {
    "joined": mark("You are neighbours now."),
    "asked": mark("It was asked. Its administrator compares our fingerprint and accepts."),
    "changed": mark("Done; it is in the log."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What an agreement lets pass between a neighbour and us."""

    text: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One neighbour, as the page shows it."""

    name: str
    url: str
    state: str
    said: str
    fingerprint: str
    organisations: tuple[str, ...]
    since_us: int
    last_us: int
    head_us: int
    calls: tuple[int, int]
    rows: tuple[int, int]
    failures: int
    refused: int
    failure: str
    forked: str
    rests: bool
    to_us: tuple[Flow, ...]
    from_us: tuple[Flow, ...]


@get("/nodes", include_in_schema=False)
async def nodes(request: AnyRequest, done: str = "") -> Response[Any]:
    """Who asks first, then neighbours, then those that left."""
    visit = enter(request, house_of(request).rooms, Deed.OPERATE, data_set=DATA_SET)
    return shown(visit, nodes_of(request), done=done)


def shown(
    visit: Visit, room: Nodes, *, done: str = "", why: str = "", code: str = "", found: Any = None
) -> Response[Any]:
    """The page; `found` is a node that was looked at and is not joined yet."""
    words = visit.words
    known = sorted(room.register.list_nodes(), key=lambda one: (ORDER.index(one.state), one.name))
    return page(
        visit,
        "nodes.html",
        400 if why else 200,
        own=room.own,
        nodes=[seen(visit, room, one) for one in known],
        asking=sum(one.state == "asked" for one in known),
        done=words.text(DONE[done]) if done in DONE else "",
        why=why,
        code=code,
        found=found,
        found_fingerprint=fingerprint(found.public) if found is not None else "",
    )


def seen(visit: Visit, room: Nodes, one: Node) -> Seen:
    """One neighbour."""
    kept, document, words = room.kept(one.name), one.document, visit.words
    return Seen(
        name=one.name,
        url=document.url,
        state=one.state,
        said=words.text(SAID[one.state]),
        fingerprint=fingerprint(document.public),
        organisations=tuple(words.pick(party.name) or party.id for party in document.organisations),
        since_us=one.since_us,
        last_us=kept.last_us,
        head_us=kept.head_us,
        calls=(kept.calls_in, kept.calls_out),
        rows=(kept.rows_in, kept.rows_out),
        failures=kept.failures,
        refused=kept.refused,
        failure=kept.last_failure,
        forked=kept.forked,
        rests=room.parts.calling.resting_s(document.url) > 0,
        to_us=flows_to_us(visit, room, one.name),
        from_us=flows_from_us(visit, one.name),
    )


def flows_to_us(visit: Visit, room: Nodes, name: str) -> tuple[Flow, ...]:
    """Agreements under which our organisations ask the neighbour."""
    return tuple(
        Flow(
            text=f"{one.agreement.terms.data_set} → "
            f"{one.agreement.terms.consumer.partition('@')[0]} ({one.agreement.state})",
            link="",
        )
        for one in room.shelf.agreements()
        if one.node == name and one.agreement.state in ("active", "suspended", "approved")
    )


def flows_from_us(visit: Visit, name: str) -> tuple[Flow, ...]:
    """Agreements under which the neighbour asks us."""
    agreements, document = visit.rooms.agreements, visit.rooms.nodes
    if agreements is None or document is None:
        return ()
    node = document.register.get(name)
    return tuple(
        Flow(text=f"{one.terms.data_set} → {party.id}@{name}", link=f"/agreements/{one.id}")
        for party in node.document.organisations
        for one in agreements.of_consumer(f"{party.id}@{name}")
    )


async def _form(request: AnyRequest) -> tuple[Visit, Nodes, dict[str, str]]:
    """Who operates the city, the room, and the fields of a form of ours."""
    visit = enter(request, house_of(request).rooms, None)
    form = await request.form()
    told = {name: str(value)[:LONGEST] for name, value in form.items()}
    visit.rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    return visit, nodes_of(request), told


@post("/nodes/look", include_in_schema=False)
async def look(request: AnyRequest) -> Response[Any]:
    """What the node at an address tells of itself, to be compared; with a code it joins at once."""
    visit, room, told = await _form(request)
    url, code = told.get("url", "").strip(), told.get("code", "").strip()
    try:
        if code:
            joined = await room.joining.ask(visit.actor, url, code=code)
            return Redirect(f"/nodes?done={_word(joined)}", status_code=303)
        return shown(visit, room, found=await room.joining.look(url))
    except PintuError as error:
        return shown(visit, room, why=error.detail)


@post("/nodes/join", include_in_schema=False)
async def join(request: AnyRequest) -> Response[Any]:
    """The operator typed what the other one read over the telephone."""
    visit, room, told = await _form(request)
    try:
        found = await room.joining.ask(
            visit.actor, told.get("url", ""), fingerprint=told.get("fingerprint", "")
        )
    except PintuError as error:
        return shown(visit, room, why=error.detail)
    return Redirect(f"/nodes?done={_word(found)}", status_code=303)


@post("/nodes/invite", include_in_schema=False)
async def invite(request: AnyRequest) -> Response[Any]:
    """A code, shown once."""
    visit, room, _ = await _form(request)
    code = await room.register.invite(visit.actor.id, room.parts.keys.signer("node").key_id)
    await room.joining.noted("invited", visit.actor)
    return shown(visit, room, code=code)


@post("/nodes/{name:str}/decide", include_in_schema=False)
async def decide(request: AnyRequest, name: str) -> Response[Any]:
    """Accept with the fingerprint that was compared, suspend, resume, part."""
    visit, room, told = await _form(request)
    deed = told.get("deed", "")
    try:
        if deed == "accept":
            await room.joining.accept(visit.actor, name, fingerprint=told.get("fingerprint", ""))
            return Redirect("/nodes?done=joined", status_code=303)
        state: Any = STATES.get(deed, "")
        await room.joining.change(visit.actor, name, state, told.get("note", ""))
    except PintuError as error:
        return shown(visit, room, why=error.detail)
    return Redirect("/nodes?done=changed", status_code=303)


def _word(node: Node) -> str:
    return "joined" if node.state == "joined" else "asked"


PAGES: Final[tuple[Any, ...]] = (nodes, look, join, invite, decide)
