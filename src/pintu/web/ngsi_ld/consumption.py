"""Reading entities: retrieve, query by parameters, query by a document (5.7.1, 5.7.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import orjson

from pintu.kernel.context.linking import Links, Look
from pintu.kernel.context.parse import parse_types
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.store.port import Page, settled
from pintu.web.ngsi_ld.agreed import cut, fields_of, page_of, there
from pintu.web.ngsi_ld.answers import GEO_JSON, JSON, LD_JSON, data_headers, shown_context
from pintu.web.ngsi_ld.asking import read_selection, refuse_hidden, refuse_too_wide
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.joining import read_join
from pintu.web.ngsi_ld.looking import PLAIN, VIEW_PARAMS, read_view
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.paging import Window, page_headers, window
from pintu.web.ngsi_ld.params import flag
from pintu.web.ngsi_ld.picking import WHOLE, Tree, read_tree
from pintu.web.ngsi_ld.querying import read_query

_EXPIRES = b'"expiresAt"'
_SCOPE = b'"scope"'
_EVERY = Window(100_000)


def retrieve_entity(call: Call) -> Result:
    """5.7.1: one entity by id; answered on the spot when the store has it at hand."""
    id = uri(call.parts[0], "Entity id")
    params = call.params
    if not params and call.accept == JSON and call.projection.whole:
        found = call.rooms.store.retrieve(call.tenant, id)
        if found is None:
            raise ResourceNotFound(f"{id} does not exist")
        if found.__class__ is Record and call.terms.is_core:
            body = found.body
            if stored_as_shown(body):
                headers = data_headers(JSON, call.terms)
                return Response(200, body, headers + call.echo if call.echo else headers)
    return _retrieve(call, id)


async def _retrieve(call: Call, id: str) -> Response:
    found = call.rooms.store.retrieve(call.tenant, id)
    return await entity_told(call, id, found)


async def entity_told(
    call: Call, id: str, found: Record | Awaitable[Record | None] | None, look: Look | None = None
) -> Response:
    """An entity as the call asks to be shown it, wherever it was found; `look` finds those it leads
    to (None: here alone). Raises ResourceNotFound when it is not there for the caller."""
    params, terms = call.params, call.terms
    view = read_view(params, terms, call.projection, call.accept)
    tree = read_tree(params)
    join = read_join(call, params, view, tree)
    if join is not None and look is not None:
        join.look = look
    record = there(call, await settled(found))
    if record is None:
        raise ResourceNotFound(f"{id} does not exist")
    call.rows = 1
    if call.projection.recorded:
        call.fields = fields_of(call, tree.applied(view, terms))
        if not params and call.accept == JSON and terms.is_core and stored_as_shown(record.body):
            return Response(200, record.body, data_headers(JSON, terms) + call.echo)
    if "type" in params:
        _check_type(call, record)
    view = _as_of_now(call, view, [record])
    if join is not None:
        join.view = view
    document: dict[str, Any] = orjson.loads(record.body)
    if "attrs" in params and view.attrs is not None and view.attrs.isdisjoint(document):
        raise ResourceNotFound(f"{id} has none of the attributes asked for")
    if join is not None and join.inline:
        first = await join.shown_inline(record, document, tree, 0, join.visited)
    else:
        first = render(record, terms, tree.applied(view, terms))
    if not first:
        raise ResourceNotFound(f"{id} has none of the members asked for")
    if join is None or join.inline:
        return _document(call, first)
    linked = await join.linked_flat([(record, document)])
    call.rows += len(linked)
    return _documents(call, [first, *linked]) if linked else _document(call, first)


def _as_of_now(call: Call, view: View, records: list[Record]) -> View:
    """The view, leaving out attributes whose time is over where there are any (4.22)."""
    if any(_EXPIRES in record.body for record in records):
        return dataclasses.replace(view, now_us=call.at_us or call.rooms.clock.now_us())
    return view


def _check_type(call: Call, record: Record) -> None:
    wanted = parse_types(call.params["type"], call.terms)
    if wanted is not None and not any(some <= set(record.types) for some in wanted.any_of):
        raise ResourceNotFound(f"{record.id} is not of type {call.params['type'][:100]}")


# --- queries ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query, read: what was asked for, which part of it, and how it is to be shown."""

    call: Call
    params: dict[str, Any]
    part: Window
    view: View
    tree: Tree
    join: Links | None

    @property
    def shown(self) -> View:
        """The view of the entities themselves, as against those they lead to."""
        return self.tree.applied(self.view, self.call.terms)


def query_entities(call: Call) -> Result:
    """5.7.2 by parameters: a page of entities."""
    params = call.params
    part = cut(call, window(params))
    return answer(read_asked(call, params, part))


def query_by_post(call: Call) -> Result:
    """5.7.2 by a Query document (5.2.23); pages by the parameters of the request."""
    part = cut(call, window(call.params))
    params = read_query(call.document)
    for name in ("options", "format", "lang", "geometryProperty", "explain", "local"):
        if name in call.params:
            params.setdefault(name, call.params[name])
    return answer(read_asked(call, params, part))


def read_asked(call: Call, params: dict[str, Any], part: Window) -> Query:
    """A query with everything about its answer read; raises BadRequestData."""
    if not flag(params, "local") and "local" in params and params.get("type") == "*":
        raise BadRequestData("type=* is answered from here alone: local cannot be false")
    view = read_view(params, call.terms, call.projection, call.accept)
    tree = read_tree(params)
    refuse_too_wide(params, call.terms, picked=tree.pick or ())
    join = read_join(call, params, view, tree)
    return Query(call=call, params=params, part=part, view=view, tree=tree, join=join)


def answer(query: Query) -> Result:
    """Answer at once when the store can and nothing is linked; otherwise wait."""
    call, params = query.call, query.params
    if "entities" in params:
        return _union(query, params["entities"])
    return shown(query, call.rooms.store.select(selection_of(query)))


def selection_of(query: Query) -> Selection:
    """What a query asks a store for; raises as `read_selection` and Forbidden."""
    call, params = query.call, query.params
    selection = read_selection(params, call.terms, call.tenant, call.projection, query.part)
    picked = query.tree.attributes(call.terms)
    if picked and not selection.attributes:
        refuse_hidden(call.projection, call.terms, picked)
        if call.projection.masks.keys().isdisjoint(picked):
            selection = dataclasses.replace(selection, attributes=picked)
    return selection


def plain_query(call: Call, part: Window) -> Query:
    """The query of a call that narrows nothing of what is shown."""
    return Query(call=call, params=call.params, part=part, view=PLAIN, tree=WHOLE, join=None)


def shown(query: Query, found: Page | Awaitable[Page]) -> Result:
    """The answer at once when the page is there and nothing is linked."""
    if query.join is None and isinstance(found, Page):
        return _page(query, found)
    return later(query, found)


async def later(query: Query, found: Page | Awaitable[Page]) -> Response:
    """The answer once the page is there."""
    page: Page = await settled(found)
    call, join = query.call, query.join
    if join is None:
        return _page(query, page)
    records = page_of(call, page.records[: query.part.limit])
    documents = [(record, orjson.loads(record.body)) for record in records]
    call.fields = fields_of(call, query.shown)
    if join.inline:
        members = [
            await join.shown_inline(record, document, query.tree, 0, join.visited)
            for record, document in documents
        ]
    else:
        view = _as_of_now(call, query.shown, records)
        rendered = [render(record, call.terms, view) for record in records]
        members = [shown for shown in rendered if shown]
        members += await join.linked_flat(documents)
    headers = _headers(call, query.part, page)
    call.rows = len(members) + len(join.known) * join.inline
    return _documents(call, members, *headers, plan=_plan(query, page))


async def _union(query: Query, entities: list[dict[str, Any]]) -> Response:
    """The union of several entity selectors: each is asked for as far as the page reaches."""
    call, part = query.call, query.part
    reach = _EVERY if part.count else Window(part.offset + part.limit + 1)
    params = {name: value for name, value in query.params.items() if name != "entities"}
    found: dict[str, Record] = {}
    for selector in entities:
        selection = read_selection(
            {**params, **selector}, call.terms, call.tenant, call.projection, reach
        )
        page = await settled(call.rooms.store.select(selection))
        for record in page.records:
            found.setdefault(record.id, record)
    records = sorted(found.values(), key=lambda record: record.number)
    cut = records[part.offset : part.offset + part.limit + 1]
    union = Page(cut, len(records) if part.count else None, "union of entity selectors")
    return await later(query, union)


def _page(query: Query, page: Page) -> Response:
    """Stored bytes joined as they are when nothing narrows them, rendered otherwise."""
    call, records = query.call, page.records[: query.part.limit]
    headers = _headers(call, query.part, page)
    plan = _plan(query, page)
    view = query.shown
    if call.projection.recorded:
        return _recorded_page(query, records, headers)
    whole = view is PLAIN and call.projection.whole and call.terms.is_core
    if whole and plan is None and call.accept == JSON:
        body = joined(page, query.part)
        if body is not None:
            return Response(200, body, (*data_headers(JSON, call.terms), *headers, *call.echo))
    view = _as_of_now(call, view, records)
    members = [render(record, call.terms, view) for record in records]
    return _documents(call, [shown for shown in members if shown], *headers, plan=plan)


def _recorded_page(
    query: Query, records: list[Record], headers: tuple[tuple[bytes, bytes], ...]
) -> Response:
    """A page of what is there of some records: joined as it is where nothing else was asked for."""
    call, view = query.call, query.shown
    found = page_of(call, records)
    call.rows, call.fields = len(found), fields_of(call, view)
    plain = call.accept == JSON and call.terms.is_core
    if plain and query.params.keys().isdisjoint(VIEW_PARAMS):
        body = b"[" + b",".join([one.body for one in found]) + b"]"
        if stored_as_shown(body):
            return Response(200, body, (*data_headers(JSON, call.terms), *headers, *call.echo))
    view = _as_of_now(call, view, found)
    members = [render(record, call.terms, view) for record in found]
    return _documents(call, [shown for shown in members if shown], *headers)


def stored_as_shown(body: bytes, scoped: bool = True) -> bool:
    """Whether stored bytes are what is sent: nothing in them has an end, and no scope is shown in
    another form; `scoped` is what the store says of scopes. (One letter is looked for first: `x`
    is rare, a page is 12 KB, and to look for a word in it takes longer than to find one row.)
    """
    return (b"x" not in body or _EXPIRES not in body) and not (scoped and _SCOPE in body)


def joined(page: Page, part: Window, scoped: bool = True) -> bytes | None:
    """A page as its stored bytes joined; None when some of them have to be rendered."""
    bodies = page.bodies
    if bodies is None:
        bodies = [record.body for record in page.records]
    body = b"[" + b",".join(bodies[: part.limit]) + b"]"
    return body if stored_as_shown(body, scoped) else None


def follow(part: Window, page: Page) -> bool:
    """Whether there are more entities after this page."""
    length = len(page.records if page.bodies is None else page.bodies)
    if length > part.limit:
        return True
    count = page.count if part.count else None
    return count is not None and part.offset + length < count


def _headers(call: Call, part: Window, page: Page) -> tuple[tuple[bytes, bytes], ...]:
    count = page.count if part.count else None
    request, more = call.request, follow(part, page)
    if more or part.offset:
        part = Window(part.limit, part.offset, part.count, part.bodies, call.accept)
    return page_headers(request.path, request.query, part, more=more, count=count)


def _plan(query: Query, page: Page) -> str | None:
    """How the store found a page; under an agreement that would tell what its rows are."""
    asked = flag(query.params, "explain")
    return page.plan if asked and not query.call.projection.agreement else None


# --- documents --------------------------------------------------------------------------------
def _document(call: Call, shown: dict[str, Any]) -> Response:
    headers = data_headers(call.accept, call.terms)
    if call.accept == LD_JSON:
        shown = {**shown, "@context": shown_context(call.terms)}
    elif call.accept == GEO_JSON:
        shown, headers = _geo_context(call, shown, headers)
    return Response(200, orjson.dumps(shown), (*headers, *call.echo))


def _documents(
    call: Call, members: list[dict[str, Any]], *more: tuple[bytes, bytes], plan: str | None = None
) -> Response:
    headers = data_headers(call.accept, call.terms)
    shown: Any = members
    if call.accept == LD_JSON:
        context = shown_context(call.terms)
        shown = [{**member, "@context": context} for member in members]
    elif call.accept == GEO_JSON:
        collection = {"type": "FeatureCollection", "features": members}
        shown, headers = _geo_context(call, collection, headers)
    if plan is not None:
        more = (
            *more,
            (b"pintu-plan", plan.encode("ascii", "replace")[:2000]),
            (b"pintu-basis", call.projection.basis.encode("ascii", "replace")),
        )
    return Response(200, orjson.dumps(shown), (*headers, *more, *call.echo))


def _geo_context(call: Call, shown: dict[str, Any], headers: Any) -> tuple[dict[str, Any], Any]:
    """6.3.6: GeoJSON carries the @context in the body, or with Prefer: body=json in the Link
    header.
    """
    if b"body=json" in call.request.headers.get(b"prefer", b"").replace(b" ", b"").split(b";"):
        link = data_headers(JSON, call.terms)[1:]
        return shown, (*headers, *link)
    return {**shown, "@context": shown_context(call.terms)}, headers
