"""Schemas as pages: every version of a data set's columns, what changed, whom it breaks."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.exchange.finding.words import Use
from pintu.kernel.exchange.schemas import Broken, Change, Schemas
from pintu.kernel.exchange.schemas.comparing import broken_by
from pintu.kernel.exchange.schemas.register import Drift
from pintu.kernel.exchange.schemas.words import Schema
from pintu.kernel.exchange.words import DataSet
from pintu.web.house import house_of
from pintu.web.pages.board_values import called, title_of
from pintu.web.pages.data_sets_about import known_sets, owner_said
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

DATA_SET: Final = "catalogue"
CHANGES: Final = {
    "added": mark("added"),
    "removed": mark("removed"),
    "kind": mark("another kind of values"),
    "unit": mark("another unit"),
    "codes_added": mark("new values of the code list"),
    "codes_removed": mark("values of the code list are gone"),
    "key": mark("another key"),
    "person": mark("another person mark"),
    "sensitivity": mark("another sensitivity"),
}
COMPATIBLE: Final = {
    "full": mark("nobody needs to do anything"),
    "backward": mark("old readers break, new ones read old rows too"),
    "forward": mark("old readers go on, new ones do not understand old rows"),
    "none": mark("breaks old and new readers"),
}


def schemas_of(visit: Visit) -> Schemas:
    """The registry; ResourceNotFound in a city that has none."""
    if visit.rooms.schemas is None:
        raise ResourceNotFound("This city keeps no schemas")
    return visit.rooms.schemas


@get("/schemas", include_in_schema=False)
async def schemas(request: AnyRequest) -> Response[Any]:
    """What changed and nobody told, and the version in force of every data set."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    registry, known = schemas_of(visit), known_sets(visit)
    drifts = [one for one in await registry.drifts(unseen=True) if one.data_set in known]
    current = [one for one in registry.list_current() if one.data_set in known]
    current.sort(key=lambda one: (-(one.since_us if one.version > 1 else 0), one.data_set))
    return page(
        visit,
        "schemas.html",
        drifts=[drift_said(one, visit, known[one.data_set]) for one in drifts],
        schemas=[schema_said(one, visit, known[one.data_set]) for one in current],
    )


@get("/schemas/{name:str}", include_in_schema=False)
async def schema(request: AnyRequest, name: str) -> Response[Any]:
    """Every version of one data set, newest first."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    registry = schemas_of(visit)
    found = visit.rooms.exchange.get(name)
    versions = await registry.versions(name)
    if not versions or name not in known_sets(visit):
        raise ResourceNotFound(f"Nothing is known of a schema of {name[:100]!r}")
    drifts = await registry.drifts(name)
    return page(
        visit,
        "schema.html",
        data_set=found,
        title=called(found, visit.words),
        versions=[schema_said(one, visit, found) for one in versions],
        drifts=[drift_said(one, visit, found) for one in drifts],
        may_see_to=may_see_to(visit, found),
    )


@post("/schemas/drifts/{number:int}", include_in_schema=False)
async def see_to(request: AnyRequest, number: int) -> Response[Any]:
    """Somebody of the owner says that a change of values was seen to."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    registry = schemas_of(visit)
    drift = next((one for one in await registry.drifts() if one.number == number), None)
    if drift is None:
        raise ResourceNotFound(f"There is no change of values number {number}")
    found = visit.rooms.exchange.get(drift.data_set)
    if not may_see_to(visit, found):
        wish = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
        visit.rooms.gate.decide(visit.actor, wish)
    await registry.seen(number, by=visit.actor.id)
    return Response(None, status_code=303, headers={"Location": f"/schemas/{drift.data_set}"})


def may_see_to(visit: Visit, data_set: DataSet) -> bool:
    """Whoever answers for the data set, or runs the city."""
    own = bool(data_set.owner) and visit.actor.organisation == data_set.owner
    roles = visit.actor.roles & {"owner", "deputy", "steward", "officer"}
    return bool(own and roles) or visit.may(Deed.OPERATE, DATA_SET)


def users_of(uses: list[Use]) -> list[Broken]:
    """Agreements and pages as the rules of compatibility know them."""
    return [
        Broken(kind=one.kind, id=one.id, consumer=one.consumer, fields=one.fields)
        for one in uses
        if one.kind == "agreement" or one.kind == "page"
    ]


def change_said(change: Change, visit: Visit, data_set: DataSet) -> dict[str, Any]:
    """One change in words."""
    column = next((one for one in data_set.columns if one.name == change.field), None)
    return {
        "field": title_of(column, visit.words) if column is not None else change.field,
        "name": change.field,
        "what": visit.words.text(CHANGES[change.what]),
        "before": change.before,
        "after": change.after,
        "breaks": not change.keeps_old_readers,
    }


def schema_said(found: Schema, visit: Visit, data_set: DataSet) -> dict[str, Any]:
    """One version with its changes and whom they break now."""
    finder = visit.rooms.finder
    users = users_of(finder.uses(data_set.name)) if finder is not None else []
    keys = [one.name for one in found.fields if one.key]
    return {
        "data_set": found.data_set,
        "title": called(data_set, visit.words),
        "version": found.version,
        "since_us": found.since_us,
        "fields": found.fields,
        "changes": [change_said(one, visit, data_set) for one in found.changes],
        "compatible": visit.words.text(COMPATIBLE[found.compatibility]) if found.changes else "",
        "breaks": found.compatibility in ("backward", "none"),
        "broken": [
            {
                "title": owner_said(visit, one.consumer) if one.consumer else one.id,
                "href": f"/agreements/{one.id}" if one.kind == "agreement" else f"/boards/{one.id}",
                "fields": ", ".join(one.fields),
            }
            for one in broken_by(found.changes, users, keys)
        ],
    }


def drift_said(drift: Drift, visit: Visit, data_set: DataSet) -> dict[str, Any]:
    """One change that nobody told, with whom it concerns."""
    finder = visit.rooms.finder
    users = users_of(finder.uses(data_set.name)) if finder is not None else []
    touched = [one for one in users if not one.fields or drift.change.field in one.fields]
    return {
        "number": drift.number,
        "data_set": drift.data_set,
        "title": called(data_set, visit.words),
        "change": change_said(drift.change, visit, data_set),
        "at_us": drift.at_us,
        "version": drift.version,
        "seen_by": drift.seen_by,
        "concerns": len(touched),
    }


PAGES: Final[tuple[Any, ...]] = (schemas, schema, see_to)
