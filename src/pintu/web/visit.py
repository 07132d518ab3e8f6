"""One call of a page, stream or API operation: who asks, in which language, of which tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from litestar import Request

from pintu.kernel.access import WHOLE, Act, Actor, Deed, Projection
from pintu.kernel.errors import BadRequestData, Forbidden, Refused, Unauthorized
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.words import UNSAID, Why
from pintu.web.why import LONGEST, spoken
from pintu.web.words import COOKIE, Words, choose_language

if TYPE_CHECKING:
    from pintu.kit.views import WorkList
    from pintu.web.rooms import Rooms

AnyRequest = Request[Any, Any, Any]
NAMED: Final = ("agreement", "purpose", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who asks for what; `see` narrows an entity to what the gate lets through."""

    rooms: Rooms
    actor: Actor
    words: Words
    tenant: str
    csrf: str
    path: str
    projection: Projection = WHOLE
    theme: str = "auto"
    why: Why = UNSAID
    act: Act | None = None  # what was decided, where an answer must be written down

    @property
    def number(self) -> int:
        """The tenant's number in the store; 0 (which holds nothing) before its first write."""
        return self.rooms.store.tenant(self.tenant) or 0

    @property
    def signed_in(self) -> bool:
        """Somebody in particular asks."""
        return self.actor.kind != "anonymous"

    def may(self, deed: Deed, data_set: str = "context") -> bool:
        """Whether to offer a button; the door behind it asks again."""
        try:
            self.rooms.gate.decide(
                self.actor, Act(deed=deed, tenant=self.tenant, data_set=data_set)
            )
        except (Unauthorized, Forbidden):
            return False
        return True

    @property
    def agreed(self) -> bool:
        """Whether an agreement decides what is there (see `web/agreed.py`)."""
        return bool(self.projection.agreement)

    def types(self, names: Iterable[str]) -> list[str]:
        """Those of some entity types that are there for the visitor."""
        agreed = self.projection.types
        return [one for one in names if agreed is None or one in agreed]

    def to(self, address: str) -> str:
        """An address of ours that goes on under the same agreement, purpose and reason."""
        if not self.agreed:
            return address
        named = {name: getattr(self.why, name) for name in NAMED}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(named)}"

    def see(self, entity: dict[str, Any]) -> dict[str, Any]:
        """A stored entity without what the projection hides, masks put on; empty when it is not
        there at all."""
        projection = self.projection
        if projection.whole:
            return entity
        if projection.seen is not None:
            return projection.seen.entity(entity) or {}
        kept = ("id", "type", "scope", "expiresAt")
        return {
            name: value for name, value in entity.items() if name in kept or projection.lets(name)
        }

    def work_lists(self) -> list[WorkList]:
        """The work lists of this visit's tenant."""
        return self.rooms.work.lists(self.tenant) if self.rooms.work is not None else []

    def whole_rows(self) -> None:
        """Views that add up the whole tenant refuse who may see some rows or attributes only."""
        if self.projection.rows is not None:
            raise Forbidden("This view adds up all entities; your grant covers some of them")
        if not self.projection.whole:
            raise Forbidden("This view reads all attributes; your grant covers some of them")


def why_of(request: AnyRequest, form: Mapping[str, Any] | None = None) -> Why:
    """What the caller names of itself: `agreement`, `purpose`, `reason` of a form or the address,
    else the headers `Pintu-Agreement`, `Pintu-Purpose`, `Pintu-Reason` (percent-encoded UTF-8, as
    RFC 8187 has it too: `UTF-8''…`).

    Raises BadRequestData for what cannot be read.
    """
    found, headers = {}, raw_headers(request)
    for name in NAMED:
        told = (form or {}).get(name) or request.query_params.get(name)
        if not told:
            told = spoken(headers.get(f"pintu-{name}".encode(), b""))
        if told:
            if not isinstance(told, str) or len(told) > LONGEST:
                raise BadRequestData(f"The {name} of a call is a text of at most {LONGEST} signs")
            found[name] = told.strip()
    return Why(**found) if found else UNSAID


def raw_headers(request: AnyRequest) -> dict[bytes, bytes]:
    """Header lines as the kernel wants them: lower-case bytes, the last of a name wins."""
    return dict(request.scope["headers"])


def enter(
    request: AnyRequest,
    rooms: Rooms,
    deed: Deed | None = Deed.READ,
    data_set: str = "context",
) -> Visit:
    """Find who asks and ask the gate once; deed None is a page that tells nothing of the city.

    Raises Unauthorized, Forbidden or TooManyRequests as the kernel does.
    """
    headers = raw_headers(request)
    peer = request.client.host if request.client else ""
    actor = rooms.identity.actor(headers, peer)
    session = rooms.identity.find_session(headers)
    settings = rooms.settings
    lang = choose_language(
        request.query_params.get("lang"),
        request.cookies.get(COOKIE),
        request.headers.get("accept-language", ""),
        settings.lang,
    )
    tenant = settings.demo_tenant if settings.demo else ""
    projection = WHOLE
    if deed is not None:
        # pages that know no masks are not asked for under an agreement: see web/agreed.py
        projection = rooms.gate.decide(actor, Act(deed=deed, tenant=tenant, data_set=data_set))
    if deed not in (None, Deed.READ) and request.method != "GET":
        rooms.identity.check_csrf(headers)
    return Visit(
        rooms=rooms,
        actor=actor,
        words=Words(lang, settings.tz, rooms.clock.now_us(), "lang" in request.query_params),
        tenant=tenant,
        csrf=session.csrf if session else "",
        path=request.url.path,
        projection=projection,
        theme=theme_of(request),
        why=why_of(request),
    )


def still_allowed(request: AnyRequest, visit: Visit) -> Callable[[], bool]:
    """Whether who opened a stream may still read: asked while it is open. It keeps no session
    alive, and counts once a minute as one call more."""
    headers, peer = raw_headers(request), request.client.host if request.client else ""
    act = Act(deed=Deed.READ, tenant=visit.tenant, data_set="context")
    asked = 0

    def still() -> bool:
        nonlocal asked
        asked += 1
        gate, identity = visit.rooms.gate, visit.rooms.identity
        try:
            actor = identity.actor(headers, peer, asks=False)
            if asked % 240 and isinstance(gate, ExchangeGate):
                return gate.allows(actor, act)
            gate.decide(actor, act)
        except Refused:
            return False
        return True

    return still


def theme_of(request: AnyRequest) -> str:
    """Light, dark, or as the visitor's system has it."""
    wish = request.cookies.get("pintu_theme", "auto")
    return wish if wish in ("light", "dark") else "auto"
