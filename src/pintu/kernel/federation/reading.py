"""From a document to a Registration and back: what 5.2.9 allows, each mistake named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import urlsplit

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.parse import geometry_of
from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.federation import operations
from pintu.kernel.federation.members import moment_of, seconds_of, text_of, texts_of, uri_of
from pintu.kernel.federation.words import (
    MODES,
    Information,
    Interval,
    Management,
    Mode,
    Registration,
    Selector,
)
from pintu.kernel.jsonld import Terms

TYPE: Final = "ContextSourceRegistration"
INFORMATION_LIMIT: Final = 1_000
SELECTORS_LIMIT: Final = 10_000
NAMES_LIMIT: Final = 10_000
"""Attribute names of one registration altogether."""
PATTERNS_LIMIT: Final = 1_000
PLACES: Final = ("location", "observationSpace", "operationSpace")
READ_ONLY: Final = frozenset(
    ("createdAt", "modifiedAt", "status", "timesSent", "timesFailed", "lastSuccess", "lastFailure")
)
"""What the broker says of a registration; what a caller says of it is passed over."""

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_HOP_HEADERS = frozenset(
    (
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer",
        "expect", "via", "keep-alive", "ngsild-tenant",
    )
)  # fmt: skip


def stored(document: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """A document with its names stored: types, attributes, and members of the caller's own.

    Raises BadRequestData where it is not shaped as 5.2.9 says. What is read only is left out.
    """
    made: dict[str, Any] = {}
    for name, value in document.items():
        if name in READ_ONLY or name == "@context":
            continue
        if name == "information":
            made[name] = _stored_information(value, terms)
        else:
            made[name if name in MEMBERS else terms.stored(name)] = value
    return made


def shown(document: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """The way back: a stored document in the caller's names."""
    return {
        terms.shown(name) if name not in MEMBERS else name: (
            [_shown_information(one, terms) for one in value] if name == "information" else value
        )
        for name, value in document.items()
    }


def read(document: dict[str, Any], *, tenant: str, now_us: int) -> Registration:
    """The Registration of a stored document; raises BadRequestData naming the member that is wrong,
    TooLarge for one that asks too much.
    """
    get = document.get
    if get("type") != TYPE:
        raise BadRequestData(f"The type of a registration is {TYPE}")
    information = _information(get("information"))
    mode = get("mode", "inclusive")
    if mode not in MODES:
        raise BadRequestData(f"mode {str(mode)[:50]!r} is none of {', '.join(MODES)}")
    named = texts_of(get("operations"), "operations") if "operations" in document else None
    expires_us = moment_of(get("expiresAt"), "expiresAt") if "expiresAt" in document else None
    if expires_us is not None and expires_us <= now_us:
        raise BadRequestData("expiresAt lies in the past")
    for name in ("registrationName", "description", "tenant", "contextSourceAlias"):
        if name in document:
            text_of(document[name], name)
    for name in ("refreshRate",):
        if name in document:
            seconds_of(document[name], name)
    info, context = _source_info(get("contextSourceInfo"))
    scope = get("scope")
    datasets = get("datasetId")
    return Registration(
        id=uri_of(get("id"), "id"),
        tenant=tenant,
        mode=cast(Mode, mode),
        endpoint=_endpoint(get("endpoint")),
        information=information,
        operations=operations.expand(named or (operations.DEFAULT,)),
        source_tenant=get("tenant") or "",
        alias=get("contextSourceAlias", ""),
        scopes=() if scope is None else texts_of(scope, "scope"),
        dataset_ids=() if datasets is None else tuple(
            one if one == "@none" else uri_of(one, "datasetId")
            for one in texts_of(datasets, "datasetId")
        ),
        places={name: _place(document[name], name) for name in PLACES if name in document},
        observed=_interval(get("observationInterval"), "observationInterval"),
        managed=_interval(get("managementInterval"), "managementInterval"),
        management=_management(get("management"), here=get("localOnly") is True),
        context_source_info=info,
        context=context,
        expires_us=expires_us,
        document=document,
    )  # fmt: skip


MEMBERS: Final = frozenset(
    (
        "id", "type", "registrationName", "description", "information", "tenant",
        "observationInterval", "managementInterval", "location", "observationSpace",
        "operationSpace", "expiresAt", "endpoint", "contextSourceInfo", "scope", "mode",
        "operations", "refreshRate", "management", "datasetId", "contextSourceAlias",
    )
) | READ_ONLY  # fmt: skip


# --- information ---------------------------------------------------------------------------------
def _stored_information(value: Any, terms: Terms) -> Any:
    if not isinstance(value, list):
        return value
    return [_map_information(one, terms.stored) for one in value]


def _shown_information(value: Any, terms: Terms) -> Any:
    return _map_information(value, terms.shown)


def _map_information(value: Any, name_of: Callable[[str], str]) -> Any:
    if not isinstance(value, dict):
        return value
    made = dict(value)
    for member in ("propertyNames", "relationshipNames"):
        if isinstance(made.get(member), list):
            made[member] = [name_of(one) if isinstance(one, str) else one for one in made[member]]
    if isinstance(made.get("entities"), list):
        made["entities"] = [_map_entity(one, name_of) for one in made["entities"]]
    return made


def _map_entity(value: Any, name_of: Callable[[str], str]) -> Any:
    if not isinstance(value, dict):
        return value
    held = value.get("type")
    if isinstance(held, str):
        return {**value, "type": name_of(held)}
    if isinstance(held, list):
        return {**value, "type": [name_of(one) if isinstance(one, str) else one for one in held]}
    return value


def _information(value: Any) -> tuple[Information, ...]:
    if not isinstance(value, list) or not value:
        raise BadRequestData("A registration needs information, a list that is not empty")
    if len(value) > INFORMATION_LIMIT:
        raise TooLarge(f"information has {len(value)} members, at most {INFORMATION_LIMIT}")
    found = tuple(_one_information(one) for one in value)
    selectors = sum(len(one.selectors) for one in found)
    patterns = {one.id_pattern for some in found for one in some.selectors} - {""}
    for amount, limit, what in (
        (selectors, SELECTORS_LIMIT, "entities"),
        (len(patterns), PATTERNS_LIMIT, "idPatterns"),
        (sum(len(one.names) for one in found), NAMES_LIMIT, "attribute names"),
    ):
        if amount > limit:
            raise TooLarge(f"information names {amount} {what}, at most {limit}")
    return found


def _one_information(value: Any) -> Information:
    if not isinstance(value, dict):
        raise BadRequestData("A member of information is not an object")
    strange = value.keys() - {"entities", "propertyNames", "relationshipNames", "type"}
    if strange:
        raise BadRequestData(f"information has no member {', '.join(sorted(strange))[:100]}")
    entities = value.get("entities")
    if entities is not None and (not isinstance(entities, list) or not entities):
        raise BadRequestData("entities is a list that is not empty")
    names = {
        name: frozenset(texts_of(value[name], name)) if name in value else frozenset[str]()
        for name in ("propertyNames", "relationshipNames")
    }
    if entities is None and not any(names.values()):
        raise BadRequestData("A member of information names neither entities nor attributes")
    return Information(
        selectors=tuple(_selector(one) for one in entities or ()),
        properties=names["propertyNames"],
        relationships=names["relationshipNames"],
        names=names["propertyNames"] | names["relationshipNames"],
    )


def _selector(value: Any) -> Selector:
    if not isinstance(value, dict) or "type" not in value:
        raise BadRequestData("A member of entities needs a type")
    types = texts_of(value["type"], "type")
    pattern = value.get("idPattern", "")
    if "idPattern" in value:
        compile_pattern(text_of(pattern, "idPattern"))
    id = uri_of(value["id"], "id") if "id" in value else ""
    return Selector(types=frozenset(types), id=id, id_pattern="" if id else pattern)


# --- single members ------------------------------------------------------------------------------
def _endpoint(value: Any) -> str:
    text = uri_of(value, "endpoint")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise BadRequestData(f"endpoint {text[:100]!r} is not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequestData("endpoint is not an http or https address")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadRequestData("endpoint has a user name, a query or a fragment")
    return text.rstrip("/")


def _place(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict) and value.get("type") == "GeoProperty":
        value = value.get("value")
    if not isinstance(value, dict) or "coordinates" not in value:
        raise BadRequestData(f"{name} is not a GeoJSON geometry")
    try:
        return geometry_of(value.get("type"), value["coordinates"])
    except BadRequestData as error:
        raise BadRequestData(f"{name} is not a GeoJSON geometry: {error.detail}") from error


def _interval(value: Any, name: str) -> Interval | None:
    if value is None:
        return None
    if not isinstance(value, dict) or "startAt" not in value:
        raise BadRequestData(f"{name} is not an object with startAt")
    start = moment_of(value["startAt"], f"startAt of {name}")
    end = moment_of(value["endAt"], f"endAt of {name}") if "endAt" in value else None
    if end is not None and end < start:
        raise BadRequestData(f"{name} ends before it starts")
    return start, end


def _management(value: Any, *, here: bool) -> Management:
    """`here`: localOnly is said beside management, where other brokers read it, too."""
    if value is None:
        return Management(local_only=here)
    if not isinstance(value, dict):
        raise BadRequestData("management is not an object")
    strange = value.keys() - {"localOnly", "cacheDuration", "timeout", "cooldown", "type"}
    if strange:
        raise BadRequestData(f"management has no member {', '.join(sorted(strange))[:100]}")
    local = value.get("localOnly", here)
    if not isinstance(local, bool):
        raise BadRequestData("localOnly of management is neither true nor false")
    cache = value.get("cacheDuration")
    return Management(
        local_only=local,
        cache_s=None if cache is None else seconds_of(cache, "cacheDuration of management"),
        timeout_s=_milliseconds(value.get("timeout"), "timeout"),
        cooldown_s=_milliseconds(value.get("cooldown"), "cooldown"),
    )


def _milliseconds(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise BadRequestData(f"{name} of management is not a number of milliseconds above 0")
    return value / 1000


def _source_info(value: Any) -> tuple[tuple[tuple[str, str], ...], str]:
    """Headers for the source, and the @context to speak to it in (5.2.22, 4.3.6.5); a tenant and
    what the connection says itself are passed over."""
    if value is None:
        return (), ""
    if not isinstance(value, list) or len(value) > 100:
        raise BadRequestData("contextSourceInfo is not a list of at most 100 keys with values")
    headers: list[tuple[str, str]] = []
    context = ""
    for one in value:
        if not isinstance(one, dict) or not one.keys() >= {"key", "value"}:
            raise BadRequestData("A member of contextSourceInfo has no key or no value")
        key, text = text_of(one["key"], "key"), one["value"]
        if not isinstance(text, str) or len(text) > 4_000 or not text.isprintable():
            raise BadRequestData("A value of contextSourceInfo is not one printable line")
        if key == "jsonldContext":
            context = uri_of(text, "jsonldContext")
        elif not _HEADER.fullmatch(key):
            raise BadRequestData(f"contextSourceInfo cannot set header {key[:50]!r}")
        elif key.lower() not in _HOP_HEADERS:
            headers.append((key, text))
    return tuple(headers), context
