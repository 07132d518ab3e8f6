"""Programs that ask us who somebody is: the administrator registers and ends them."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadInput, Forbidden
from pintu.web.api.oidc import issuer_of, room_of
from pintu.web.house import house_of
from pintu.web.pages.people import checked, is_admin
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter


@get("/people/programs", include_in_schema=False)
async def programs(request: AnyRequest) -> Response[Any]:
    """Every program."""
    visit = enter(request, house_of(request).rooms, None)
    return await shown(request, visit)


async def shown(
    request: AnyRequest, visit: Visit, *, why: str = "", made: tuple[str, str] | None = None
) -> Response[Any]:
    """The page, and what came of a deed."""
    if not is_admin(visit.actor):
        raise Forbidden("Only the administrator registers programs")
    return page(
        visit,
        "programs.html",
        400 if why else 200,
        programs=await room_of(request).programs.list_all(),
        issuer=issuer_of(request),
        why=why,
        made=made,
    )


@post("/people/programs", include_in_schema=False)
async def register(request: AnyRequest) -> Response[Any]:
    """Register one; its secret is shown once."""
    visit, told = await checked(request)
    if not is_admin(visit.actor):
        raise Forbidden("Only the administrator registers programs")
    try:
        client, secret = await room_of(request).programs.register(
            told.get("title", ""),
            told.get("redirects", "").split(),
            secret=told.get("secret") == "yes",
            by=visit.actor.id,
        )
    except BadInput as error:
        return await shown(request, visit, why=error.detail)
    return await shown(request, visit, made=(client.id, secret))


@post("/people/programs/{id:str}/end", include_in_schema=False)
async def end(request: AnyRequest, id: str) -> Response[Any]:
    """End one: everything it has ends with it."""
    visit, _ = await checked(request)
    if not is_admin(visit.actor):
        raise Forbidden("Only the administrator ends programs")
    await room_of(request).programs.end(id, by=visit.actor.id)
    return Redirect("/people/programs", status_code=303)


PAGES: Final[tuple[Any, ...]] = (programs, register, end)
