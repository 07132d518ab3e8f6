"""Other sources of context that this city asks: what each is asked, how it answers, and a hand on
the tap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.federation import Federation, Registration
from pintu.kernel.federation.operations import WRITES
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.federation.health import Health

DATA_SET: Final = "nodes"
A_PAGE: Final = 50
_MACHINES: Final = re.compile(r"(?::? \[Errno \d+\].*| \([a-z]+\))$")
MODES: Final = {
    "inclusive": mark("beside our own data"),
    "exclusive": mark("holds these attributes alone"),
    "redirect": mark("holds these entities alone"),
    "auxiliary": mark("where nobody else has data"),
}
STANDS: Final = {
    "failing": mark("does not answer"),
    "resting": mark("left alone for a while"),
    "paused": mark("paused by a person"),
    "new": mark("not asked yet"),
    "answers": mark("answers"),
}
ORDER: Final = ("failing", "resting", "paused", "answers", "new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One source, as the page shows it."""

    id: str
    tenant: str
    name: str
    host: str
    node: str
    mode: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    writes: bool
    stand: str
    said: str
    p50_ms: float | None
    p95_ms: float | None
    asked: int
    failed: int
    from_cache: int
    answered_us: int
    rests_until_us: int
    warning: str
    warned_us: int
    expires_us: int
    paused: bool


@get("/neighbours", include_in_schema=False)
async def neighbours(request: AnyRequest, q: str = "", offset: int = 0) -> Response[Any]:
    """Who fails first, then those who answer, by name; a page at a time."""
    visit = enter(request, house_of(request).rooms, Deed.OPERATE, data_set=DATA_SET)
    return shown(visit, q[:100], max(0, offset))


def shown(visit: Visit, q: str = "", offset: int = 0, why: str = "") -> Response[Any]:
    """The page."""
    federation = room_of(visit)
    every = [seen(visit, federation, one) for one in federation.registry]
    wanted = [one for one in every if q.lower() in _words(one)] if q else every
    wanted.sort(key=lambda one: (ORDER.index(one.stand), one.name.lower(), one.id))
    offers = federation.offers
    nodes = visit.rooms.nodes
    joined = [] if nodes is None else nodes.joined()
    return page(
        visit,
        "neighbours.html",
        400 if why else 200,
        asked=wanted[offset : offset + A_PAGE],
        total=len(every),
        found=len(wanted),
        failing=sum(one.stand in ("failing", "resting") for one in every),
        q=q,
        offset=offset,
        a_page=A_PAGE,
        why=why,
        joined=[one.name for one in joined],
        offered=[] if offers is None else [it for one in joined for it in offers.of(one.name)],
    )


def room_of(visit: Visit) -> Federation:
    """The registrations; Unavailable in a city that keeps none."""
    federation = visit.rooms.federation
    if federation is None:
        raise Unavailable("This city has no context sources")
    return federation


def seen(visit: Visit, federation: Federation, one: Registration) -> Asked:
    """One source with how it does."""
    health = federation.health_of(one)
    now_us = visit.rooms.clock.now_us()
    stand = _stand(one, health, now_us)
    types = {name for some in one.information for it in some.selectors for name in it.types}
    names = {name for some in one.information for name in some.names}
    return Asked(
        id=one.id,
        tenant=one.tenant,
        name=str(one.document.get("registrationName") or one.node or _host(one)),
        host=_host(one),
        node=one.node,
        mode=visit.words.text(MODES[one.mode]),
        types=tuple(sorted(map(_short, types))),
        names=tuple(sorted(map(_short, names))),
        writes=not one.operations.isdisjoint(WRITES),
        stand=stand,
        said=visit.words.text(STANDS[stand]),
        p50_ms=None if health is None else health.quantile_ms(0.5),
        p95_ms=None if health is None else health.quantile_ms(0.95),
        asked=0 if health is None else health.asked,
        failed=0 if health is None else health.failed,
        from_cache=0 if health is None else health.from_cache,
        answered_us=0 if health is None else health.last_answered_us,
        rests_until_us=health.rests_until_us if health is not None and stand == "resting" else 0,
        warning="" if health is None else _plainly(health.last_failure, one.id),
        warned_us=0 if health is None else health.last_failed_us,
        expires_us=one.expires_us or 0,
        paused=one.paused,
    )


def _stand(one: Registration, health: Health | None, now_us: int) -> str:
    if one.paused:
        return "paused"
    if health is None or not (health.asked or health.from_cache):
        return "new"
    if not health.in_a_row:
        return "answers"
    return "resting" if health.rests_until_us > now_us else "failing"


def _plainly(warning: str, id: str) -> str:
    """A failure in its words, without the id that stands beside it and numbers of the machine."""
    told = warning.removeprefix(f"{id}: ")
    return _MACHINES.sub("", told)


def _host(one: Registration) -> str:
    return urlsplit(one.endpoint).netloc


def _short(name: str) -> str:
    """The last part of an IRI: what people call it."""
    return name.rstrip("/#").replace("#", "/").rpartition("/")[2] if "://" in name else name


def _words(one: Asked) -> str:
    return " ".join((one.name, one.host, one.id, one.tenant, *one.types)).lower()


@post("/neighbours/tap", include_in_schema=False)
async def tap(request: AnyRequest) -> Response[Any]:
    """Pause a source, or ask it again; written down."""
    visit = enter(request, house_of(request).rooms, None)
    form = await request.form()
    told = {name: str(value)[:2_000] for name, value in form.items()}
    visit.rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    federation, paused = room_of(visit), told.get("deed") == "pause"
    try:
        await federation.registry.pause(told.get("tenant", ""), told.get("id", ""), paused=paused)
    except PintuError as error:
        return shown(visit, why=error.detail)
    if visit.rooms.nodes is not None:
        deed = "source paused" if paused else "source resumed"
        await visit.rooms.nodes.joining.noted(
            deed, visit.actor, id=told.get("id", ""), tenant=told.get("tenant", "")
        )
    return Redirect("/neighbours", status_code=303)


PAGES: Final[tuple[Any, ...]] = (neighbours, tap)
