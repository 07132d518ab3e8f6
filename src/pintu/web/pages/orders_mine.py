"""A crew's own orders on a phone: works without a network, and sends what was done when it is
back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get

from pintu.kernel.errors import Unauthorized
from pintu.kernel.operations.orders.routes import plan
from pintu.kernel.operations.orders.states import (
    CREW,
    REASONED,
    TABLE,
    UNFINISHED,
    Verb,
    offered,
)
from pintu.kernel.operations.orders.words import State
from pintu.web.house import house_of
from pintu.web.pages.labels import severity_title
from pintu.web.pages.orders import DATA_SET
from pintu.web.pages.orders_said import (
    ASKED,
    ON_PHONES,
    STATES,
    VERBS,
    deadlines_said,
    orders_of,
)
from pintu.web.pages.render import STATIC, asset, page
from pintu.web.visit import AnyRequest, Visit, enter

if TYPE_CHECKING:
    from pintu.kernel.operations.orders import Ranked

SCOPE: Final = "/my-orders"
KEPT: Final = (
    "vendor/fonts/fonts.css",
    "shell.css",
    "orders.css",
    "shell.js",
    "my_orders.js",
    "vendor/htmx.org/htmx.min.js",
    "icon.svg",
)
"""What the phone keeps to draw the page without a network; fonts join as they are used."""

WORKER: Final = STATIC / "my_orders_worker.js"


def enter_mine(request: AnyRequest) -> Visit:
    """A visit of a person; Unauthorized for who is nobody in particular."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    if not visit.actor.person:
        raise Unauthorized("Orders are given to people of a crew: sign in with an account")
    return visit


@get(SCOPE, include_in_schema=False)
async def my_orders(request: AnyRequest) -> Response[Any]:
    """The orders of the visitor's crews, in the order in which they are driven to."""
    visit = enter_mine(request)
    return page(
        visit,
        "my_orders.html",
        told=await told_of(visit),
        worker=f"{SCOPE}/worker.js",
        said=texts(visit),
    )


@get(f"{SCOPE}/list.json", include_in_schema=False)
async def my_list(request: AnyRequest) -> dict[str, Any]:
    """The same as data, for the page that is open already."""
    return await told_of(enter_mine(request))


@get(f"{SCOPE}/worker.js", include_in_schema=False)
async def worker(request: AnyRequest) -> Response[bytes]:
    """The service worker of this page and no other, with the addresses of what it keeps."""
    enter(request, house_of(request).rooms, data_set=DATA_SET)
    kept = [SCOPE, *(asset(one) for one in KEPT if (STATIC / one).exists())]
    return Response(
        _worker(WORKER, tuple(kept)),
        media_type="text/javascript",
        headers={"Service-Worker-Allowed": SCOPE, "Cache-Control": "no-cache"},
    )


def _worker(path: Path, kept: tuple[str, ...]) -> bytes:
    listed = ", ".join(f'"{one}"' for one in kept)
    return path.read_text("utf-8").replace("/* KEPT */", listed).encode()


async def told_of(visit: Visit) -> dict[str, Any]:
    """What a phone is told: the orders of its crews, each with what may be done. No other crew's,
    and nothing of any person."""
    room, words = orders_of(visit), visit.words
    mine = await room.crews_of(visit.actor)
    crews = [one for one in await room.desk.list_crews(visit.tenant) if one.id in mine]
    working = await room.desk.on_shift(visit.tenant)
    told = []
    for crew in crews:
        ranked = await room.queue(visit.tenant, crew.id)
        by_id = {one.order.id: one for one in ranked}
        route = await asyncio.to_thread(plan, ranked, crew.place)
        metres = {one.order.id: one.metres for one in route.stops}
        driven = [*metres, *(id for id in by_id if id not in metres)]
        told.append(
            {
                "id": crew.id,
                "name": words.pick(crew.name),
                "works": crew.id in working,
                "orders": [_order(by_id[id], metres.get(id), visit) for id in driven],
            }
        )
    return {
        "crews": told,
        "at": words.iso(words.now_us),
        "person": visit.actor.person,
        "csrf": visit.csrf,
    }


def _order(one: Ranked, metres: int | None, visit: Visit) -> dict[str, Any]:
    order, words = one.order, visit.words
    room = orders_of(visit)
    return {
        "id": order.id,
        "what": words.pick(order.what),
        "where": order.where or order.target.rpartition(":")[2],
        "place": order.place,
        "metres": metres,
        "severity": order.severity,
        "severity_said": severity_title(order.severity, words),
        "state": order.state,
        "before": order.before,
        "late": one.late,
        "reason": order.reason if order.state == "suspended" else "",
        "deadlines": [
            {"title": each["title"], "due": words.iso(each["due_us"]), "said": each["left"]}
            for each in deadlines_said(order, room, words)
        ],
        "deeds": on_phone(order.state),
    }


def on_phone(state: State) -> list[Verb]:
    """What a crew may do in a state, the next step first."""
    may = offered(state)
    return [verb for verb in ON_PHONES if verb in may]


def texts(visit: Visit) -> dict[str, Any]:
    """Everything the page says by itself, in the visitor's language."""
    words = visit.words
    return {
        "states": {name: words.text(title) for name, title in STATES.items()},
        "verbs": {verb: words.text(VERBS[verb]) for verb in CREW},
        "asks": {verb: words.text(ASKED[verb]) for verb in CREW if verb in ASKED},
        "needs": sorted(CREW & REASONED),
        "offered": {state: on_phone(state) for state in UNFINISHED},
        "after": {f"{state}/{verb}": then for (state, verb), then in TABLE.items() if verb in CREW},
        "waiting": words.text("not sent yet"),
        "queued": words.text("%(n)s deeds wait to be sent"),
        "offline": words.text("No network. What you do is kept here and sent by itself."),
        "online": words.text("Connected. Everything is sent."),
        "sending": words.text("Sending …"),
        "refused": words.text("Not accepted"),
        "understood": words.text("I have read it"),
        "signed_out": words.text("Sign in again to send what waits here; nothing is lost."),
        "other": words.text(
            "Somebody else's deeds wait on this phone; they are sent when they sign in."
        ),
        "none": words.text("Nothing to do. New orders appear here by themselves."),
        "map": words.text("Show the way"),
        "metres": words.text("%(n)s m from the stop before"),
        "kilometres": words.text("%(n)s km from the stop before"),
        "back": words.text("Back"),
        "resting": words.text("not on shift"),
        "as_of": words.text("as of %(time)s"),
        "no_crew": words.text("You are in no crew. A foreman puts people into crews."),
    }


PAGES: Final[tuple[Any, ...]] = (my_orders, my_list, worker)
