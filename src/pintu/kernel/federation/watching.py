"""What a subscription to registrations is: read from its document (5.2.12, 5.11), and asked whether
a registration is one it wants.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.selection import Q
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.finding import q_suits, read_span
from pintu.kernel.federation.index import entries_of
from pintu.kernel.federation.matching import has, suits
from pintu.kernel.federation.members import moment_of, text_of, uri_of
from pintu.kernel.federation.words import Information, Registration, Selector, Wanted
from pintu.kernel.jsonld import Terms

TYPE: Final = "Subscription"
ENTITIES_LIMIT: Final = 1_000
SHORTEST_INTERVAL_S: Final = 1.0
Why = Literal["newlyMatching", "updated", "noLongerMatching"]
SAID_BY_US: Final = frozenset(("status", "createdAt", "modifiedAt"))
COUNTED: Final = frozenset(
    ("status", "timesSent", "timesFailed", "lastNotification", "lastSuccess", "lastFailure")
)
"""Members of `notification` that the broker says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where notifications go (5.2.15)."""

    uri: str
    accept: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    way: tuple[tuple[str, str], ...] = ()  # notifierInfo: MQTT-Version, MQTT-QoS
    timeout_s: float = 5.0
    cooldown_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Somebody who wants to hear of registrations. `document` is what was sent, names stored."""

    id: str
    tenant: str
    wanted: tuple[Wanted, ...]
    q: Q | None
    endpoint: Endpoint
    interval_s: float = 0.0
    throttling_s: float = 0.0
    active: bool = True
    expires_us: int | None = None
    context: Any = None  # what its notifications speak
    asker: dict[str, Any] = field(default_factory=dict)  # who subscribed
    created_us: int = 0
    modified_us: int = 0
    document: dict[str, Any] = field(default_factory=dict)

    def status(self, now_us: int) -> str:
        """active, paused or expired (5.2.12)."""
        if self.expires_us is not None and self.expires_us <= now_us:
            return "expired"
        return "active" if self.active else "paused"

    def part_of(self, registration: Registration, now_us: int) -> list[dict[str, Any]]:
        """The information of a registration that it wants to hear of, in stored names; empty:
        nothing.
        """
        if not registration.lives(now_us) or not suits(registration, self.wanted[0]):
            return []
        if self.q is not None and not q_suits(registration, self.q, alone=False):
            return []
        found = (_relevant(registration, one, self.wanted) for one in registration.information)
        return [one for one in found if one is not None]


def _relevant(
    registration: Registration, information: Information, wanted: tuple[Wanted, ...]
) -> dict[str, Any] | None:
    """What of one information lies in any of what is wanted."""
    kept: dict[Selector, None] = {}
    names: set[str] = set()
    matched = False
    for one in wanted:
        entries = entries_of(registration, information)
        held = [entry.selector for entry in entries if has(entry, one)]
        if not held:
            continue
        matched = True
        kept.update((selector, None) for selector in held if selector is not None)
        names |= information.names & one.names if one.names else information.names
    if not matched:
        return None
    told: dict[str, Any] = {}
    if kept:
        told["entities"] = [_entity(one) for one in kept]
    for member, held_names in (
        ("propertyNames", information.properties & names),
        ("relationshipNames", information.relationships & names),
    ):
        if held_names:
            told[member] = sorted(held_names)
    return told


def _entity(selector: Selector) -> dict[str, Any]:
    """An EntityInfo; its types are a list, however many they are (5.2.8)."""
    told: dict[str, Any] = {"type": sorted(selector.types)}
    if selector.id:
        told["id"] = selector.id
    elif selector.id_pattern:
        told["idPattern"] = selector.id_pattern
    return told


def stored_watcher(document: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """A document with its types and attribute names stored; what the broker says is left out."""
    made = {name: value for name, value in document.items() if name not in SAID_BY_US}
    made.pop("@context", None)
    return _mapped(made, terms.stored)


def shown_watcher(document: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """The way back."""
    return _mapped(document, terms.shown)


def _mapped(document: dict[str, Any], name_of: Any) -> dict[str, Any]:
    made = dict(document)
    if isinstance(made.get("watchedAttributes"), list):
        made["watchedAttributes"] = [
            name_of(one) if isinstance(one, str) else one for one in made["watchedAttributes"]
        ]
    if isinstance(made.get("entities"), list):
        made["entities"] = [
            {**one, "type": name_of(one["type"])}
            if isinstance(one, dict) and isinstance(one.get("type"), str) and _plain(one["type"])
            else one
            for one in made["entities"]
        ]
    return made


def _plain(text: str) -> bool:
    """Whether a type is one name, not an expression of several (4.17)."""
    return not any(sign in text for sign in ",;|()*")


def read_watcher(
    document: dict[str, Any], terms: Terms, *, tenant: str, now_us: int | None
) -> Watcher:
    """The Watcher of a stored document; q, csf and expressions of types in it are read with the
    subscriber's `terms`. `now_us` None: what was kept is read again, over or not.

    Raises BadRequestData naming the member that is wrong.
    """
    get = document.get
    if get("type") != TYPE:
        raise BadRequestData(f"The type of a subscription is {TYPE}")
    expires_us = moment_of(get("expiresAt"), "expiresAt") if "expiresAt" in document else None
    if expires_us is not None and now_us is not None and expires_us <= now_us:
        raise BadRequestData("expiresAt lies in the past")
    if not isinstance(get("isActive", True), bool):
        raise BadRequestData("isActive is neither true nor false")
    for name in ("subscriptionName", "description"):
        if name in document:
            text_of(document[name], name)
    interval = _seconds(get("timeInterval"), "timeInterval")
    if interval and ("throttling" in document or "watchedAttributes" in document):
        raise BadRequestData("timeInterval goes with neither throttling nor watchedAttributes")
    return Watcher(
        id=uri_of(get("id"), "id"),
        tenant=tenant,
        wanted=_wanted(document, terms),
        q=parse_q(text_of(get("q"), "q"), terms) if "q" in document else None,
        endpoint=_endpoint(get("notification")),
        interval_s=max(interval, SHORTEST_INTERVAL_S) if interval else 0.0,
        throttling_s=_seconds(get("throttling"), "throttling"),
        active=get("isActive", True),
        expires_us=expires_us,
        context=terms.source,
        document=document,
    )


def _wanted(document: dict[str, Any], terms: Terms) -> tuple[Wanted, ...]:
    get = document.get
    watched, entities = get("watchedAttributes"), get("entities")
    if watched is not None and (not isinstance(watched, list) or not watched):
        raise BadRequestData("watchedAttributes is a list that is not empty")
    if entities is not None and (not isinstance(entities, list) or not entities):
        raise BadRequestData("entities is a list that is not empty")
    if entities is None and watched is None:
        raise BadRequestData("A subscription needs entities or watchedAttributes")
    if entities is not None and len(entities) > ENTITIES_LIMIT:
        raise BadRequestData(f"entities has {len(entities)} members, at most {ENTITIES_LIMIT}")
    shared = Wanted(
        names=frozenset(text_of(one, "A watched attribute") for one in watched or ()),
        geo=_geo(get("geoQ"), terms),
        scope=parse_scope(text_of(get("scopeQ"), "scopeQ")) if "scopeQ" in document else None,
        csf=parse_q(text_of(get("csf"), "csf"), terms) if "csf" in document else None,
        span=_span(get("temporalQ")),
        strict=True,
    )
    if entities is None:
        return (shared,)
    return tuple(_of_entity(one, shared, terms) for one in entities)


def _of_entity(value: Any, shared: Wanted, terms: Terms) -> Wanted:
    if not isinstance(value, dict) or "type" not in value:
        raise BadRequestData("A member of entities needs a type")
    text = text_of(value["type"], "type")
    pattern = value.get("idPattern")
    ids = value.get("id", [])
    ids = [ids] if isinstance(ids, str) else ids
    if not isinstance(ids, list):
        raise BadRequestData("id of entities is neither a URI nor a list of them")
    return replace(
        shared,
        ids=tuple(uri_of(one, "id") for one in ids),
        id_pattern=None if pattern is None else parse_id_pattern(text_of(pattern, "idPattern")),
        types=parse_types(text, terms),
    )


def _geo(value: Any, terms: Terms) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRequestData("geoQ is not an object")
    get = value.get
    return parse_geo(get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms)


def _span(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRequestData("temporalQ is not an object")
    return read_span(value)


def _seconds(value: Any, name: str) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise BadRequestData(f"{name} is not a number of seconds above 0")
    return float(value)


def _endpoint(notification: Any) -> Endpoint:
    if not isinstance(notification, dict):
        raise BadRequestData("A subscription needs notification, an object")
    value = notification.get("endpoint")
    if not isinstance(value, dict):
        raise BadRequestData("notification needs endpoint, an object")
    uri = uri_of(value.get("uri"), "uri of endpoint")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise BadRequestData(f"uri of endpoint is not an address: {error}") from error
    if parts.scheme not in ("http", "https", "mqtt", "mqtts") or not parts.hostname:
        raise BadRequestData("uri of endpoint is not an http, https, mqtt or mqtts address")
    if parts.scheme.startswith("mqtt") and not parts.path.strip("/"):
        raise BadRequestData("uri of endpoint names no topic")
    accept = value.get("accept", "application/json")
    if accept not in ("application/json", "application/ld+json"):
        raise BadRequestData("accept of endpoint is neither application/json nor ld+json")
    return Endpoint(
        uri=uri,
        accept=accept,
        headers=_pairs(value, "receiverInfo"),
        way=_pairs(value, "notifierInfo"),
        timeout_s=min(_seconds(value.get("timeout"), "timeout") / 1000 or 5.0, 60.0),
        cooldown_s=_seconds(value.get("cooldown"), "cooldown") / 1000,
    )


def _pairs(value: dict[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    info = value.get(name, [])
    if not isinstance(info, list) or not all(_pair(one) for one in info):
        raise BadRequestData(f"{name} is not a list of keys with values")
    return tuple((one["key"], one["value"]) for one in info)


def _pair(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) and value[name].isprintable() for name in ("key", "value")
    )
