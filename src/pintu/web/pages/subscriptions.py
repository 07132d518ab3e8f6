"""Who is told what, where, and how that goes; what is parked is tried again where it is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError, ResourceNotFound, Unauthorized, Unavailable
from pintu.kernel.subscriptions.states import standing
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.subscriptions.delivering import Delivery
    from pintu.kernel.subscriptions.keeping import Subscriptions
    from pintu.kernel.subscriptions.words import Subscription

DATA_SET: Final = "subscriptions"
PAGE: Final = 50
SAID: Final = {
    "parked": mark("parked"),
    "refused": mark("refused"),
    "failed": mark("failing"),
    "behind": mark("behind"),
    "ok": mark("well"),
    "paused": mark("paused"),
    "expired": mark("over"),
}
ORDER: Final = tuple(SAID)
"""What wants somebody's attention stands first."""

WRONG: Final = ("parked", "refused", "failed")
DONE: Final = {
    "retry": mark("It is told again from where it stopped."),
    "park": mark("Nothing is sent to it until somebody says so."),
    "delete": mark("It is deleted; nothing more is sent to it."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One subscription, as the page shows it."""

    id: str
    tenant: str
    name: str
    state: str
    said: str
    what: tuple[str, ...]
    watched: tuple[str, ...]
    where: str
    who: str
    agreement: str
    sent: int
    failed: int
    success_us: int
    failure_us: int
    why: str
    lag: int


@get("/subscriptions", include_in_schema=False)
async def subscriptions(
    request: AnyRequest, how: str = "", q: str = "", start: int = 0, done: str = ""
) -> Response[Any]:
    """Own subscriptions, or all of them for whoever runs the city; what is wrong first."""
    visit = enter(request, house_of(request).rooms, None)
    if not visit.signed_in and not visit.may(Deed.OPERATE, DATA_SET):
        raise Unauthorized("Who looks at subscriptions says who they are: sign in")
    return shown(visit, state=how, q=q[:200], start=max(0, start), done=done)


def shown(
    visit: Visit, *, state: str = "", q: str = "", start: int = 0, done: str = "", why: str = ""
) -> Response[Any]:
    """The page; `why` says what was not done."""
    register, delivery = rooms_of(visit)
    whole = visit.may(Deed.OPERATE, DATA_SET)
    rows = [seen(visit, delivery, one) for one in register.every() if whole or mine(visit, one)]
    rows.sort(key=lambda one: (ORDER.index(one.state), one.tenant, one.name))
    tally = {word: sum(one.state == word for one in rows) for word in ORDER}
    found = [one for one in rows if (not state or one.state == state) and _has(one, q)]
    asked = {name: value for name, value in (("how", state), ("q", q)) if value}
    return page(
        visit,
        "subscriptions.html",
        400 if why else 200,
        rows=found[start : start + PAGE],
        total=len(rows),
        found=len(found),
        tally=[(word, visit.words.text(SAID[word]), count) for word, count in tally.items()],
        wrong_words=WRONG,
        wrong=sum(tally[word] for word in WRONG),
        whole=whole,
        state=state if state in SAID else "",
        q=q,
        start=start,
        older=_address({**asked, "start": str(start + PAGE)}) if start + PAGE < len(found) else "",
        newer=_address({**asked, "start": str(max(0, start - PAGE))}) if start else "",
        done=visit.words.text(DONE[done]) if done in DONE else "",
        why=why,
    )


def seen(visit: Visit, delivery: Delivery, one: Subscription) -> Seen:
    """One subscription; of its address only what is no secret."""
    state = delivery.subscriptions.state(one)
    lag = delivery.lag(one)
    word: str = standing(one, state, visit.rooms.clock.now_us())
    if word == "paused" and state.paused:
        word = "refused"
    elif word == "ok" and lag:
        word = "behind"
    document = one.document
    names = (document.get("subscriptionName"), document.get("description"))
    return Seen(
        id=one.id,
        tenant=one.tenant_name,
        name=str(next((name for name in names if name), one.id))[:200],
        state=word,
        said=visit.words.text(SAID[word]),
        what=_what(document),
        watched=tuple(sorted(one.watched or ()))[:10],
        where=place_of(one.endpoint.uri),
        who=visit.rooms.identity.people.name_of(one.asker.person or one.asker.id),
        agreement=one.asker.agreement,
        sent=state.times_sent,
        failed=state.times_failed,
        success_us=state.last_success_us,
        failure_us=state.last_failure_us,
        why=state.parked or state.paused or (state.last_error if state.attempts else ""),
        lag=lag,
    )


def _what(document: dict[str, Any]) -> tuple[str, ...]:
    """What entities it is about, as it was written."""
    found = []
    for one in document.get("entities", ())[:10]:
        named = one.get("id") or one.get("idPattern") or ""
        named = ", ".join(named[:3]) if isinstance(named, list) else named
        found.append(f"{one.get('type', '*')} {named}".strip()[:200])
    return tuple(found)


def place_of(uri: str) -> str:
    """An endpoint without what may be a secret: a user's password, a query."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return uri.partition(":")[0] + "://…"
    host = f"[{host}]" if ":" in host else host
    user = "…@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{port}{parts.path}" + ("?…" if parts.query else "")


def _has(one: Seen, q: str) -> bool:
    text = q.casefold().strip()
    told = (one.id, one.name, one.where, one.who, one.tenant, *one.what, *one.watched)
    return not text or any(text in part.casefold() for part in told)


def _address(asked: dict[str, str]) -> str:
    return "/subscriptions?" + urlencode(asked)


def mine(visit: Visit, one: Subscription) -> bool:
    """Whether the visitor subscribed."""
    return visit.signed_in and one.asker.id == visit.actor.id


def rooms_of(visit: Visit) -> tuple[Subscriptions, Delivery]:
    """The register and who tells; raises Unavailable in a city that tells nobody."""
    register, delivery = visit.rooms.subscriptions, visit.rooms.delivery
    if register is None or delivery is None:
        raise Unavailable("This city keeps no subscriptions")
    return register, delivery


@post("/subscriptions/decide", include_in_schema=False)
async def decide(request: AnyRequest) -> Response[Any]:
    """Try again, park or delete one: for whoever made it, and whoever runs the city."""
    visit = enter(request, house_of(request).rooms, None)
    form = await request.form()
    told = {name: str(value)[:2_000] for name, value in form.items()}
    visit.rooms.identity.check_csrf(raw_headers(request), told.get("csrf", ""))
    register, delivery = rooms_of(visit)
    number = visit.rooms.store.tenant(told.get("tenant", ""))
    one = register.find(number or 0, told.get("id", ""))
    if one is None or not mine(visit, one):
        act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
        visit.rooms.gate.decide(visit.actor, act)
    if one is None:
        raise ResourceNotFound("That subscription does not exist any more")
    deed = told.get("deed", "")
    try:
        if deed == "retry":
            delivery.retry(one)
        elif deed == "park":
            why = visit.words.text(mark("Somebody parked it by hand"))
            delivery.park(one, told.get("note", "").strip() or why)
        elif deed == "delete":
            await register.remove(one.tenant, one.id)
    except PintuError as error:
        return shown(visit, why=error.detail)
    return Redirect(_address({"done": deed}), status_code=303)


PAGES: Final[tuple[Any, ...]] = (subscriptions, decide)
