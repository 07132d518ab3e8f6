"""/api/v1/operations/streets: the states of streets, for programs."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get

from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.streets import streets_of, told
from pintu.web.visit import AnyRequest, enter


@get("/operations/streets", summary="Every street with its state, causes and coverage")
async def streets(request: AnyRequest, unwatched: bool = False) -> Response[bytes]:
    """The gravest first; of one `state`, or only those that nothing watches."""
    visit = enter(request, house_of(request).rooms)
    visit.whole_rows()
    found = streets_of(visit).list_streets(visit.tenant)
    state = request.query_params.get("state", "")  # the framework keeps that name for itself
    chosen = [one for one in found if not state or one.state == state]
    return as_json([told(one) for one in chosen if not (unwatched and one.coverage)])


@get("/operations/streets/{id:str}", summary="One street")
async def street(request: AnyRequest, id: str) -> Response[bytes]:
    """Its state, every cause that is kept, what watches it."""
    visit = enter(request, house_of(request).rooms)
    visit.whole_rows()
    return as_json(told(streets_of(visit).get(visit.tenant, id)))


HANDLERS: Final[tuple[Any, ...]] = (streets, street)
