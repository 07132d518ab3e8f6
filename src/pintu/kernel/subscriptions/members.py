"""The members of a subscription as people write them: each checked and brought to stored names
(5.2.12 to 5.2.15, 5.2.22, 5.2.33)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from pintu.kernel.context.languages import read_ranges
from pintu.kernel.context.linking import MOST_LEVELS
from pintu.kernel.context.parse import parse_geo, parse_id_pattern, parse_scope, parse_types
from pintu.kernel.context.picking import Branches, Tree, parse_tree, split_names
from pintu.kernel.context.scalars import check_name, check_time, check_uri
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import NULL, Terms
from pintu.kernel.subscriptions.asking import rename_types
from pintu.kernel.subscriptions.words import Trigger

STORED_Q: Final = "@q"
STORED_CSF: Final = "@csf"
"""Where a kept document has these as they were understood; neither is ever shown."""

MOST_SELECTORS: Final = 100
MOST_IDS: Final = 1000
MOST_NAMES: Final = 200
MOST_PAIRS: Final = 50
MOST_TEXT: Final = 4096
LONGEST_S: Final = 10.0 * 365 * 86_400

_ACCEPTED: Final = ("application/json", "application/ld+json", "application/geo+json")
_FORMATS: Final = ("normalized", "concise", "keyValues", "simplified")
_JOINS: Final = ("flat", "inline", "@none")
_VERSIONS: Final = ("mqtt3.1.1", "mqtt5.0")
_GEO: Final = ("georel", "geometry", "coordinates", "geoproperty")
_OURS: Final = frozenset(
    ("host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te",
     "trailer", "expect", "keep-alive", "proxy-connection", "link", "ngsild-tenant")
)  # fmt: skip
"""Headers that say how a message is sent and what it is."""
_HEAD: Final = frozenset(("id", "type", "scope"))

Read = Callable[[Any, Terms], Any]


def deleted(value: Any) -> bool:
    """Whether a member of a fragment says "take it away" (5.5.8, RFC 7396)."""
    return value is None or (value.__class__ is str and value == NULL)


def _text(what: str) -> Read:
    def read(value: Any, terms: Terms) -> str:
        if not isinstance(value, str) or not value or len(value) > MOST_TEXT:
            raise BadRequestData(f"{what} is not a text of 1 to {MOST_TEXT} characters")
        return value

    return read


def _yes_or_no(what: str) -> Read:
    def read(value: Any, terms: Terms) -> bool:
        if value.__class__ is not bool:
            raise BadRequestData(f"{what} is neither true nor false")
        return bool(value)

    return read


def _amount(what: str, *, most: float = LONGEST_S, zero: bool = False) -> Read:
    def read(value: Any, terms: Terms) -> float | int:
        if value.__class__ not in (int, float) or not math.isfinite(value):
            raise BadRequestData(f"{what} is not a number")
        if value < 0 or value > most or (value == 0 and not zero):
            raise BadRequestData(f"{what} is {value}, not a number above 0 and up to {most:g}")
        amount: float | int = value
        return amount

    return read


def _members(value: Any, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise BadRequestData(f"{what} is not a list of 1 to {most} members")
    return value


def _names(what: str) -> Read:
    def read(value: Any, terms: Terms) -> list[str]:
        found = _members(value, what, MOST_NAMES)
        return [terms.stored(check_name(name, f"A member of {what}")) for name in found]

    return read


# --- whom it concerns ---------------------------------------------------------------------------
def _entities(value: Any, terms: Terms) -> list[dict[str, Any]]:
    found = [_selector(one, terms) for one in _members(value, "entities", MOST_SELECTORS)]
    many = sum(len(one["id"]) if isinstance(one.get("id"), list) else 1 for one in found)
    if many > MOST_IDS + MOST_SELECTORS:
        raise BadRequestData(f"entities names {many} ids, at most {MOST_IDS} are allowed")
    return found


def _selector(member: Any, terms: Terms) -> dict[str, Any]:
    if not isinstance(member, dict):
        raise BadRequestData("A member of entities is not an object")
    kind = member.get("type")
    if not isinstance(kind, str) or not kind:
        raise BadRequestData("A member of entities needs a type")
    parse_types(kind, terms)
    found: dict[str, Any] = {}
    if "id" in member:
        ids = member["id"]
        for one in _members(ids if isinstance(ids, list) else [ids], "id of entities", MOST_IDS):
            check_uri(one, "An id of entities")
        found["id"] = ids
    if "idPattern" in member:
        if not isinstance(member["idPattern"], str):
            raise BadRequestData("idPattern of a member of entities is not a text")
        found["idPattern"] = parse_id_pattern(member["idPattern"])
    found["type"] = rename_types(kind, terms.stored)
    return found


def _triggers(value: Any, terms: Terms) -> list[str]:
    known = [one.value for one in Trigger]
    for one in _members(value, "notificationTrigger", len(known)):
        if one not in known:
            raise BadRequestData(
                f"notificationTrigger {str(one)[:50]!r} is not one of {', '.join(known)}"
            )
    return list(dict.fromkeys(value))


def _geo(value: Any, terms: Terms) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData("geoQ is not an object")
    get = value.get
    asked = parse_geo(get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms)
    if asked is None:
        raise BadRequestData("geoQ needs georel, geometry and coordinates")
    found = {name: value[name] for name in _GEO if name in value}
    if "geoproperty" in found:
        found["geoproperty"] = asked.geoproperty
    return found


def _scope(value: Any, terms: Terms) -> str:
    parse_scope(value)
    return str(value)


def _datasets(value: Any, terms: Terms) -> Any:
    for one in _members(value if isinstance(value, list) else [value], "datasetId", MOST_NAMES):
        if one != "@none":
            check_uri(one, "datasetId")
    return value


def _language(value: Any, terms: Terms) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequestData("lang is not a text")
    read_ranges(value)
    return value


def _end(value: Any, terms: Terms) -> str:
    return check_time(value, "expiresAt")


def _context(value: Any, terms: Terms) -> str:
    text = check_uri(value, "jsonldContext")
    if urlsplit(text).scheme not in ("http", "https"):
        raise BadRequestData(f"jsonldContext {text[:100]!r} is not a web address")
    return text


# --- what is told, and where --------------------------------------------------------------------
def _notification(value: Any, terms: Terms) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData("notification is not an object")
    found: dict[str, Any] = {}
    for name, read in _TOLD.items():
        if name in value:
            if deleted(value[name]):
                raise BadRequestData(f"{name} of notification is null")
            found[name] = read(value[name], terms)
    if "endpoint" not in found:
        raise BadRequestData("notification needs an endpoint")
    parse_tree(found.get("pick"), found.get("omit"))
    if "attributes" in found and ("pick" in found or "omit" in found):
        raise BadRequestData("attributes cannot be used together with pick or omit")
    if found.get("showChanges") and found.get("format") in ("keyValues", "simplified"):
        raise BadRequestData("showChanges cannot be told in the simplified format")
    if "joinLevel" in found and found.get("join", "@none") == "@none":
        raise BadRequestData("joinLevel is only read together with join")
    return found


def _choice(what: str, choices: tuple[str, ...]) -> Read:
    def read(value: Any, terms: Terms) -> str:
        if value not in choices or not isinstance(value, str):
            raise BadRequestData(f"{what} {str(value)[:60]!r} is not one of {', '.join(choices)}")
        return value

    return read


def _projection(what: str) -> Read:
    def read(value: Any, terms: Terms) -> list[str]:
        if isinstance(value, str):
            value = list(split_names(value, what))
        _members(value, what, MOST_NAMES)
        tree = parse_tree(value, None)
        return _branches(tree, terms.stored)

    return read


def _branches(tree: Tree, rename: Callable[[str], str]) -> list[str]:
    return [*_renamed(tree.pick or {}, rename)]


def _renamed(branches: Branches, rename: Callable[[str], str]) -> list[str]:
    return [
        (name if name in _HEAD else rename(name))
        + ("{" + ",".join(_renamed(inner, rename)) + "}" if inner else "")
        for name, inner in branches.items()
    ]


def rename_projection(members: list[str], rename: Callable[[str], str]) -> list[str]:
    """The members of pick or omit with each name changed."""
    return _branches(parse_tree(members, None), rename)


def _level(value: Any, terms: Terms) -> int:
    if value.__class__ is not int or not 1 <= value <= MOST_LEVELS:
        raise BadRequestData(f"joinLevel is not a whole number from 1 to {MOST_LEVELS}")
    return int(value)


def _endpoint(value: Any, terms: Terms) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData("endpoint is not an object")
    found: dict[str, Any] = {}
    for name, read in _WAY.items():
        if name in value:
            if deleted(value[name]):
                raise BadRequestData(f"{name} of endpoint is null")
            found[name] = read(value[name], terms)
    if "uri" not in found:
        raise BadRequestData("endpoint needs a uri")
    return found


def _uri(value: Any, terms: Terms) -> str:
    text = check_uri(value, "uri of endpoint")
    try:
        parts = urlsplit(text)
        known = parts.scheme.lower() in ("http", "https", "mqtt", "mqtts")
        port = parts.port
    except ValueError as error:
        raise BadRequestData(f"uri of endpoint {text[:100]!r} cannot be read: {error}") from error
    if not known or not parts.hostname or port == 0:
        raise BadRequestData(
            f"uri of endpoint {text[:100]!r} is not an address of http, https, mqtt or mqtts"
        )
    if parts.scheme.lower().startswith("mqtt") and not parts.path.strip("/"):
        raise BadRequestData(f"uri of endpoint {text[:100]!r} names no topic")
    return text


def _pairs(what: str) -> Read:
    def read(value: Any, terms: Terms) -> list[dict[str, str]]:
        if not isinstance(value, list) or len(value) > MOST_PAIRS:
            raise BadRequestData(f"{what} is not a list of at most {MOST_PAIRS} pairs")
        return [_pair(one, what) for one in value]

    return read


def _pair(one: Any, what: str) -> dict[str, str]:
    if not isinstance(one, dict):
        raise BadRequestData(f"A member of {what} is not an object with key and value")
    key, text = one.get("key"), one.get("value")
    if not isinstance(key, str) or not key or not isinstance(text, str):
        raise BadRequestData(f"A member of {what} needs a key and a value, both texts")
    if len(key) + len(text) > MOST_TEXT or any(ord(c) < 32 or ord(c) == 127 for c in key + text):
        raise BadRequestData(f"A member of {what} is too long or holds a control character")
    return {"key": key, "value": text}


def _headers(value: Any, terms: Terms) -> list[dict[str, str]]:
    found: list[dict[str, str]] = _pairs("receiverInfo")(value, terms)
    for one in found:
        if not one["key"].isascii() or any(c in one["key"] for c in ' ()<>@,;:\\"/[]?={}'):
            raise BadRequestData(f"receiverInfo {one['key'][:60]!r} is not the name of a header")
        if one["key"].lower() in _OURS:
            raise BadRequestData(f"receiverInfo names {one['key']}, which the city sets itself")
    return found


def _way(value: Any, terms: Terms) -> list[dict[str, str]]:
    found: list[dict[str, str]] = _pairs("notifierInfo")(value, terms)
    for one in found:
        if one["key"] == "MQTT-QoS" and one["value"] not in ("0", "1", "2"):
            raise BadRequestData(f"MQTT-QoS {one['value'][:20]!r} is not 0, 1 or 2")
        if one["key"] == "MQTT-Version" and one["value"] not in _VERSIONS:
            raise BadRequestData(
                f"MQTT-Version {one['value'][:20]!r} is not one of {', '.join(_VERSIONS)}"
            )
    return found


_WAY: Final[dict[str, Read]] = {
    "uri": _uri,
    "accept": _choice("accept", _ACCEPTED),
    "timeout": _amount("timeout", most=600_000),
    "cooldown": _amount("cooldown", most=LONGEST_S * 1000, zero=True),
    "receiverInfo": _headers,
    "notifierInfo": _way,
}
_TOLD: Final[dict[str, Read]] = {
    "attributes": _names("attributes"),
    "pick": _projection("pick"),
    "omit": _projection("omit"),
    "format": _choice("format", _FORMATS),
    "endpoint": _endpoint,
    "sysAttrs": _yes_or_no("sysAttrs"),
    "showChanges": _yes_or_no("showChanges"),
    "join": _choice("join", _JOINS),
    "joinLevel": _level,
}
MEMBERS: Final[dict[str, Read]] = {
    "subscriptionName": _text("subscriptionName"),
    "description": _text("description"),
    "entities": _entities,
    "watchedAttributes": _names("watchedAttributes"),
    "notificationTrigger": _triggers,
    "timeInterval": _amount("timeInterval"),
    "q": _text("q"),
    "geoQ": _geo,
    "csf": _text("csf"),
    "scopeQ": _scope,
    "isActive": _yes_or_no("isActive"),
    "localOnly": _yes_or_no("localOnly"),
    "splitEntities": _yes_or_no("splitEntities"),
    "expandValues": _names("expandValues"),
    "jsonKeys": _names("jsonKeys"),
    "notification": _notification,
    "expiresAt": _end,
    "throttling": _amount("throttling"),
    "lang": _language,
    "datasetId": _datasets,
    "jsonldContext": _context,
}
"""What is kept of a subscription, in the order in which it is shown."""
