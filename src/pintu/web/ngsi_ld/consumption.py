"""Reading entities: retrieve, query by parameters, query by a document (5.7.1, 5.7.2)."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from pintu.kernel.context.match import match_q
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render, whole_bytes
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.store.port import Page
from pintu.web.ngsi_ld.answers import GEO_JSON, JSON, LD_JSON, data_headers, shown_context
from pintu.web.ngsi_ld.asking import SELECT_PARAMS, read_selection
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.joining import Join, read_join
from pintu.web.ngsi_ld.looking import PLAIN, read_view
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.paging import Window, page_headers, window
from pintu.web.ngsi_ld.params import flag
from pintu.web.ngsi_ld.picking import WHOLE, Tree, read_tree
from pintu.web.ngsi_ld.querying import read_query
from pintu.web.ngsi_ld.waiting import settled

_SELECTORS = frozenset(("type", "attrs", "q", "georel", "geometry", "coordinates", "pick"))


def retrieve_entity(call: Call) -> Result:
    """5.7.1: one entity by id; answered on the spot when the store has it at hand."""
    id = uri(call.parts[0], "Entity id")
    params = call.params
    if not params and call.accept == JSON and call.projection.whole:
        found = call.rooms.store.retrieve(call.tenant, id)
        if found is None:
            raise ResourceNotFound(f"{id} does not exist")
        if found.__class__ is Record and call.terms.is_core:
            headers = data_headers(JSON, call.terms)
            return Response(200, whole_bytes(found), headers + call.echo if call.echo else headers)
    return _retrieve(call, id)


async def _retrieve(call: Call, id: str) -> Response:
    params, terms = call.params, call.terms
    view = read_view(params, terms, call.projection, call.accept)
    tree = read_tree(params)
    join = read_join(call, params, view, tree)
    record = await settled(call.rooms.store.retrieve(call.tenant, id))
    if record is None or not _visible(call, record):
        raise ResourceNotFound(f"{id} does not exist")
    if "type" in params:
        _check_type(call, record)
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
    return _documents(call, [first, *linked]) if linked else _document(call, first)


def _check_type(call: Call, record: Record) -> None:
    from pintu.kernel.context.parse import parse_types

    wanted = parse_types(call.params["type"], call.terms)
    if wanted is not None and not any(some <= set(record.types) for some in wanted.any_of):
        raise ResourceNotFound(f"{record.id} is not of type {call.params['type'][:100]}")


def _visible(call: Call, record: Record) -> bool:
    rows = call.projection.rows
    return rows is None or match_q(orjson.loads(record.body), rows)


# --- queries ----------------------------------------------------------------------------------
def query_entities(call: Call) -> Result:
    """5.7.2 by parameters: a page of entities."""
    params = call.params
    part = window(params)
    if params.keys().isdisjoint(_SELECTORS) and not flag(params, "local"):
        raise BadRequestData("A query needs type, attrs, q, a geoquery, or local=true")
    return _query(call, params, part)


def query_by_post(call: Call) -> Result:
    """5.7.2 by a Query document (5.2.23); pages by the parameters of the request."""
    part = window(call.params)
    params = read_query(call.document)
    for name in ("options", "format", "lang", "geometryProperty", "explain", "local"):
        if name in call.params:
            params.setdefault(name, call.params[name])
    return _query(call, params, part)


def _query(call: Call, params: dict[str, Any], part: Window) -> Result:
    """Answer at once when the store can and nothing is linked; otherwise wait."""
    terms = call.terms
    flag(params, "local")
    view = read_view(params, terms, call.projection, call.accept)
    tree = read_tree(params)
    join = read_join(call, params, view, tree)
    several = params.pop("entities", None) if "entities" in params else None
    if several is not None:
        return _query_several(call, params, part, view, tree, join, several)
    selection = read_selection(params, terms, call.tenant, call.projection, part)
    picked = tree.attributes(terms)
    if picked and not selection.attributes:
        selection = dataclasses.replace(selection, attributes=picked)
    found = call.rooms.store.select(selection)
    if join is None and isinstance(found, Page):
        return _page(call, params, part, found, tree.applied(view, terms))
    return _later(call, params, part, found, view, tree, join)


async def _later(
    call: Call,
    params: dict[str, Any],
    part: Window,
    found: Any,
    view: View,
    tree: Tree,
    join: Join | None,
) -> Response:
    page: Page = await settled(found)
    if join is None:
        return _page(call, params, part, page, tree.applied(view, call.terms))
    documents = [(record, orjson.loads(record.body)) for record in page.records]
    if join.inline:
        members = [
            await join.shown_inline(record, document, tree, 0, join.visited)
            for record, document in documents
        ]
    else:
        applied = tree.applied(view, call.terms)
        members = [render(record, call.terms, applied) for record, _ in documents]
        members += await join.linked_flat(documents)
    return _documents(call, members, *_headers(call, part, page), plan=_plan(params, page))


async def _query_several(
    call: Call,
    params: dict[str, Any],
    part: Window,
    view: View,
    tree: Tree,
    join: Join | None,
    entities: list[dict[str, Any]],
) -> Response:
    """The union of several entity selectors: each is asked for as far as the page reaches."""
    reach = Window(part.offset + part.limit + 1, 0, part.count)
    found: dict[str, Record] = {}
    for selector in entities:
        selection = read_selection(
            {**params, **selector},
            call.terms,
            call.tenant,
            call.projection,
            Window(100_000, 0, False) if part.count else reach,
        )
        page = await settled(call.rooms.store.select(selection))
        for record in page.records:
            found.setdefault(record.id, record)
    records = sorted(found.values(), key=lambda record: record.number)
    cut = records[part.offset : part.offset + part.limit + 1]
    page = Page(cut, len(records) if part.count else None, "union of entity selectors")
    return await _later(call, params, part, page, view, tree, join)


def _page(call: Call, params: dict[str, Any], part: Window, page: Page, view: View) -> Response:
    """Stored bytes joined as they are when nothing narrows them, rendered otherwise."""
    headers = _headers(call, part, page)
    records = page.records[: part.limit]
    plan = _plan(params, page)
    if (
        call.accept == JSON
        and plan is None
        and view is PLAIN
        and call.projection.whole
        and call.terms.is_core
    ):
        body = b"[" + b",".join([whole_bytes(record) for record in records]) + b"]"
        return Response(200, body, (*data_headers(JSON, call.terms), *headers, *call.echo))
    members = [render(record, call.terms, view) for record in records]
    return _documents(call, [shown for shown in members if shown], *headers, plan=plan)


def _headers(call: Call, part: Window, page: Page) -> tuple[tuple[bytes, bytes], ...]:
    count = page.count if part.count else None
    more = len(page.records) > part.limit
    if not more and count is not None:
        more = part.offset + len(page.records) < count
    request = call.request
    return page_headers(request.path, request.query, part, more=more, count=count)


def _plan(params: dict[str, Any], page: Page) -> str | None:
    return page.plan if flag(params, "explain") else None


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


__all__ = ["SELECT_PARAMS", "WHOLE", "query_by_post", "query_entities", "retrieve_entity"]
