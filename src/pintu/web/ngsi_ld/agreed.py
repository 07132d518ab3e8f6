"""NGSI-LD under an agreement: what may be asked, what is there of an entity, what was told.

Reads never see more than the narrowed document (`Projection.seen`), so that every representation
is made of what is there. Questions about anything else are refused in the words that are used for
what does not exist; entities outside of the agreed rows are not found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

from pintu.kernel.access import Projection
from pintu.kernel.context.match import attributes_of, match_q
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View
from pintu.kernel.context.selection import And, Linked, Or, Q, Selection, TypeSelection
from pintu.kernel.errors import Forbidden
from pintu.kernel.jsonld import Terms
from pintu.kernel.store.port import Kind, settled
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.paging import Window

NOWHERE: Final = "urn:pintu:no-type"
"""A type nothing has: what a relationship must lead to that may lead to nothing."""

COVERED: Final = frozenset(
    (
        "queryEntities", "queryEntitiesByPost", "retrieveEntity", "listEntityTypes",
        "retrieveEntityType", "listAttributes", "retrieveAttribute", "replaceEntity", "mergeEntity",
        "appendEntityAttributes", "updateEntityAttributes", "partialAttributeUpdate",
        "replaceEntityAttribute", "upsertEntityBatch", "updateEntityBatch", "mergeEntityBatch",
        "retrieveTemporalEvolution", "queryTemporalEvolution", "queryTemporalByPost",
        "createSubscription", "listSubscriptions", "retrieveSubscription", "updateSubscription",
        "deleteSubscription",
    )
)  # fmt: skip
"""Operations an agreement can be used for; it makes nothing and deletes nothing."""


def covered(call: Call) -> None:
    """Raise Forbidden for an operation that agreements do not cover."""
    if call.projection.agreement and call.operation.name not in COVERED:
        raise Forbidden(f"An agreement does not cover {call.operation.name}")


# --- reading ----------------------------------------------------------------------------------
def there(call: Call, record: Record | None, document: Any = None) -> Record | None:
    """The record as it is there for the caller; None when it is not. `document` is its body read,
    where somebody did."""
    projection = call.projection
    if record is None or projection.whole:
        return record
    seen = projection.seen
    if seen is not None:
        body = seen(record.body)
        return None if body is None else _narrowed(projection, record, body)
    if projection.rows is not None and not match_q(_read(record, document), projection.rows):
        return None
    return record


def _read(record: Record, document: Any) -> Any:
    if document is not None:
        return document
    import orjson

    return orjson.loads(record.body)


def _narrowed(projection: Projection, record: Record, body: bytes) -> Record:
    """The record with what is there of it; nobody is shown its times."""
    types = projection.types or frozenset()
    kept = tuple(one for one in record.types if one in types)
    return Record(record.number, record.id, kept, body, 0, 0, None)


def page_of(call: Call, records: list[Record]) -> list[Record]:
    """The records of a page as they are there."""
    projection = call.projection
    seen = projection.seen
    if seen is None:
        return records
    found = [(record, seen(record.body)) for record in records]
    return [_narrowed(projection, record, body) for record, body in found if body is not None]


def cut(call: Call, part: Window) -> Window:
    """The part of a collection within the rows of one call; Forbidden when more is asked for."""
    most = call.projection.most_rows
    if most is None or part.limit <= most:
        return part
    if "limit" in call.params:
        raise Forbidden(f"A call lets at most {most} rows, {part.limit} were asked for")
    return Window(most, part.offset, part.count, part.bodies)


def selected(asked: Selection, projection: Projection, terms: Terms) -> Selection:
    """The selection within an agreement; raises Forbidden naming what may not be asked for."""
    names = {key.path.attribute for key in asked.order}
    if asked.q is not None:
        names |= _names(asked.q)
    if asked.geo is not None:
        names.add(asked.geo.geoproperty)
    if asked.scope is not None:
        names.add("scope")
    refuse(projection, terms, names)
    refuse(projection, terms, asked.attributes, shown=True)
    attributes = asked.attributes
    if not projection.masks.keys().isdisjoint(attributes):
        attributes = ()  # which entities have a value would tell what a mask does not
    q = asked.q if asked.q is None else _within(asked.q, projection)
    rows = projection.rows
    if rows is not None:
        q = rows if q is None else And((q, rows))
    return dataclasses.replace(
        asked, q=q, types=_types(asked.types, projection), attributes=attributes, dataset_ids=()
    )


def refuse(
    projection: Projection, terms: Terms, names: Iterable[str], *, shown: bool = False
) -> None:
    """Raise Forbidden for names that are not seen as they are; with `shown`, for names that are
    not seen at all. The words are the same whether there is such an attribute or not."""
    allowed = projection.attributes or frozenset()
    refused = [
        name
        for name in names
        if name != "id" and (name not in allowed or (not shown and name in projection.masks))
    ]
    if refused:
        named = ", ".join(sorted(terms.shown(name) for name in refused))
        raise Forbidden(f"You may not ask for attribute {named}")


def _names(q: Q) -> frozenset[str]:
    if isinstance(q, (And, Or)):
        return frozenset().union(*(_names(part) for part in q.parts))
    return attributes_of(q) | _names(q.inner) if isinstance(q, Linked) else attributes_of(q)


def _within(q: Q, projection: Projection) -> Q:
    """The query, following relationships only to entities of the agreement."""
    if isinstance(q, (And, Or)):
        return type(q)(tuple(_within(part, projection) for part in q.parts))
    if not isinstance(q, Linked):
        return q
    types = projection.types or frozenset()
    kept = tuple(sorted(types.intersection(q.types) if q.types else types)) or (NOWHERE,)
    inner = _within(q.inner, projection)
    rows = projection.rows
    return Linked(q.path, kept, inner if rows is None else And((inner, rows)))


def _types(asked: TypeSelection | None, projection: Projection) -> TypeSelection | None:
    """The agreed types alone; an entity's other types are not there."""
    types = projection.types
    if types is None:
        return asked
    if asked is None:
        return TypeSelection(tuple(frozenset({one}) for one in sorted(types)))
    kept = tuple(some for some in asked.any_of if some <= types)
    return TypeSelection(kept or (frozenset({NOWHERE}),))


# --- what was told ----------------------------------------------------------------------------
def fields_of(call: Call, view: View | None) -> tuple[str, ...]:
    """The attributes an answer could show, for its row of the log."""
    names = call.projection.attributes
    if names is None:
        return ()
    if view is not None:
        for chosen in (view.pick, view.attrs):
            if chosen is not None:
                names = names & chosen
        if view.omit:
            names = names - view.omit
    return tuple(sorted(names))


# --- writing ----------------------------------------------------------------------------------
def refuse_members(call: Call, fragment: dict[str, Any]) -> None:
    """Raise Forbidden for a fragment that changes what an entity is: its types, scope, end."""
    projection = call.projection
    types = fragment.get("type", ())
    named = {types} if isinstance(types, str) else set(types)
    if not named <= (projection.types or frozenset()):
        raise Forbidden("Under an agreement an entity's types stay as they are")
    for member in ("scope", "expiresAt"):
        if member in fragment and member not in (projection.attributes or frozenset()):
            raise Forbidden(f"You may not write attribute {member}")


# --- what there is ----------------------------------------------------------------------------
async def agreed_kinds(call: Call, kinds: list[Kind], *, each: bool) -> list[Kind]:
    """The kinds as the entities that are there make them: one for each agreed type, or with `each`
    one for each of its attributes; counted among what is there."""
    projection = call.projection
    found = []
    for name in sorted(projection.types or ()):
        count = await _count(call, name, ())
        shapes = {
            attribute: shape
            for kind in kinds
            if name in kind.types
            for attribute, shape in kind.attributes
            if attribute in (projection.attributes or frozenset())
        }
        pairs = []
        for attribute, shape in sorted(shapes.items()):
            masked = attribute in projection.masks
            # how many have a value under a mask is not told: as many as there are
            number = count if masked else await _count(call, name, (attribute,))
            if masked and shape != "GeoProperty":
                shape = "Property"
            if number:
                pairs.append((attribute, shape))
            if number and each:
                found.append(Kind((name,), ((attribute, shape),), number))
        if count and not each:
            found.append(Kind((name,), tuple(pairs), count))
    return found


async def _count(call: Call, type: str, attributes: tuple[str, ...]) -> int:
    selection = Selection(
        tenant=call.tenant,
        types=TypeSelection((frozenset({type}),)),
        attributes=attributes,
        q=call.projection.rows,
        limit=0,
        count=True,
    )
    page = await settled(call.rooms.store.select(selection))
    return page.count or 0
