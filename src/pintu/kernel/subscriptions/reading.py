"""Reading a subscription: from what somebody sent to a checked document with stored names, and
from that document to a `Subscription` (5.2.12, 5.8.1, 5.8.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE, Terms
from pintu.kernel.subscriptions.asking import kept_q, q_of
from pintu.kernel.subscriptions.members import (
    MEMBERS,
    STORED_CSF,
    STORED_Q,
    deleted,
)
from pintu.kernel.subscriptions.words import (
    USUAL_TRIGGERS,
    Asker,
    Endpoint,
    Selector,
    Subscription,
    Telling,
    Trigger,
)

Document = dict[str, Any]
_TOGETHER: Final = ("watchedAttributes", "throttling")
_FORMATS: Final = {"keyValues": "simplified", "simplified": "simplified", "concise": "concise"}


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a subscription besides what was sent."""

    id: str
    tenant: int
    tenant_name: str
    asker: Asker
    context: Any = None
    terms_from: Any = None
    created_us: int = 0
    modified_us: int = 0


def read_document(sent: Document, terms: Terms, now_us: int) -> Document:
    """What was sent to be kept: known members alone, checked, with stored names.

    Raises BadRequestData naming what is missing, wrong or does not go together.
    """
    if sent.get("type") != "Subscription":
        raise BadRequestData("A subscription needs the type Subscription")
    document: Document = {}
    for name, read in MEMBERS.items():
        if name in sent:
            if deleted(sent[name]):
                raise BadRequestData(f"{name} of a subscription is null")
            document[name] = read(sent[name], terms)
    _add_texts(document, terms)
    check(document)
    _check_end(document, now_us)
    return document


def changed_document(kept: Document, fragment: Document, terms: Terms, now_us: int) -> Document:
    """A kept document with a fragment merged in (5.8.2): members take the place of those that
    were, null takes one away.

    Raises BadRequestData, also for what no subscription can be without.
    """
    if fragment.get("type", "Subscription") != "Subscription":
        raise BadRequestData("The type of a subscription cannot become another one")
    document = dict(kept)
    for name, read in MEMBERS.items():
        if name not in fragment:
            continue
        if deleted(fragment[name]):
            if name == "notification":
                raise BadRequestData("A subscription cannot be without notification")
            document.pop(name, None)
        else:
            document[name] = read(fragment[name], terms)
        if name in ("q", "csf"):
            document.pop(STORED_Q if name == "q" else STORED_CSF, None)
    _add_texts(document, terms)
    check(document)
    if "expiresAt" in fragment:
        _check_end(document, now_us)
    return document


def _add_texts(document: Document, terms: Terms) -> None:
    """Keep q and csf as they were understood beside the texts that were sent."""
    expanding = [terms.shown(name) for name in document.get("expandValues", ())]
    for sent, stored in (("q", STORED_Q), ("csf", STORED_CSF)):
        if sent in document and stored not in document:
            try:
                tree = parse_q(_plain(document[sent]), terms, expand_values=expanding)
            except BadRequestData as error:
                raise BadRequestData(sent + error.detail.removeprefix("q")) from error
            document[stored] = kept_q(tree)


def _plain(text: Any) -> Any:
    """A query as it is written: some clients percent-encode in a body what they would in a URL."""
    encoded = isinstance(text, str) and "%22" in text and '"' not in text
    return unquote(text) if encoded else text


def check(document: Document) -> None:
    """Raise BadRequestData when members are missing or do not go together."""
    if "notification" not in document:
        raise BadRequestData("A subscription needs notification")
    if "entities" not in document and "watchedAttributes" not in document:
        raise BadRequestData("A subscription needs entities, watchedAttributes or both")
    if "timeInterval" in document:
        for name in _TOGETHER:
            if name in document:
                raise BadRequestData(f"timeInterval and {name} do not go together")


def _check_end(document: Document, now_us: int) -> None:
    ends = document.get("expiresAt")
    if ends is not None and instant_us(ends) <= now_us:
        raise BadRequestData(f"expiresAt {ends} has passed")


def instant_us(text: str) -> int:
    """Microseconds since 1970 of a checked timestamp."""
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def build(document: Document, filed: Filed) -> Subscription:
    """The subscription that a checked document describes."""
    selectors = tuple(_selector(one) for one in document.get("entities", ()))
    watched = document.get("watchedAttributes")
    told = document.get("notificationTrigger")
    scope, q = document.get("scopeQ"), document.get(STORED_Q)
    geo = document.get("geoQ", {})
    ends = document.get("expiresAt")
    notification = document["notification"]
    get = geo.get
    return Subscription(
        id=filed.id,
        tenant=filed.tenant,
        tenant_name=filed.tenant_name,
        document=document,
        selectors=selectors,
        watched=None if watched is None else frozenset(watched),
        triggers=USUAL_TRIGGERS if told is None else frozenset(map(Trigger, told)),
        q=None if q is None else q_of(q),
        geo=parse_geo(get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), CORE),
        scope=None if scope is None else parse_scope(scope),
        interval_s=document.get("timeInterval"),
        throttling_s=document.get("throttling"),
        expires_us=None if ends is None else instant_us(ends),
        active=document.get("isActive", True),
        local_only=document.get("localOnly", False),
        split_entities=document.get("splitEntities", False),
        endpoint=_endpoint(notification["endpoint"]),
        telling=_telling(document, notification),
        context=filed.context,
        terms_from=filed.terms_from,
        asker=filed.asker,
        created_us=filed.created_us,
        modified_us=filed.modified_us,
    )


def _selector(member: Document) -> Selector:
    ids = member.get("id", ())
    pattern = member.get("idPattern")
    return Selector(
        ids=frozenset((ids,) if isinstance(ids, str) else ids),
        id_pattern=None if pattern is None else parse_id_pattern(pattern),
        types=parse_types(member["type"], CORE),
    )


def _endpoint(member: Document) -> Endpoint:
    timeout, cooldown = member.get("timeout"), member.get("cooldown")
    return Endpoint(
        uri=member["uri"],
        accept=member.get("accept", "application/json"),
        receiver_info=_pairs(member.get("receiverInfo", ())),
        notifier_info=_pairs(member.get("notifierInfo", ())),
        timeout_s=None if timeout is None else timeout / 1000,
        cooldown_s=None if cooldown is None else cooldown / 1000,
    )


def _pairs(members: Any) -> tuple[tuple[str, str], ...]:
    return tuple((one["key"], one["value"]) for one in members)


def _telling(document: Document, notification: Document) -> Telling:
    get = notification.get
    attributes, pick, omit = get("attributes"), get("pick"), get("omit")
    datasets = document.get("datasetId")
    join = get("join", "@none")
    return Telling(
        attributes=None if attributes is None else frozenset(attributes),
        pick=None if pick is None else ",".join(pick),
        omit=None if omit is None else ",".join(omit),
        format=_FORMATS.get(get("format", ""), "normalized"),  # type: ignore[arg-type]
        sys_attrs=get("sysAttrs", False),
        show_changes=get("showChanges", False),
        join="" if join == "@none" else join,
        join_level=get("joinLevel", 1),
        lang=document.get("lang"),
        dataset_ids=None if datasets is None else frozenset(_listed(datasets)),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def reread(row: Any, tenant: int) -> Subscription:
    """A subscription as its row of the private tables tells it."""
    document: Document = msgspec.json.decode(row.document)
    context, terms_from = msgspec.json.decode(row.context)
    filed = Filed(
        id=row.id,
        tenant=tenant,
        tenant_name=row.tenant,
        asker=msgspec.json.decode(row.asker, type=Asker),
        context=context,
        terms_from=terms_from,
        created_us=row.created_us,
        modified_us=row.modified_us,
    )
    return build(document, filed)
