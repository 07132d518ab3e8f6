"""A subscription as people see it again: their names, how it stands, what was counted (5.8.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.context.parse import parse_q
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms
from pintu.kernel.subscriptions.asking import q_of, q_text, rename_types
from pintu.kernel.subscriptions.members import (
    MEMBERS,
    STORED_CSF,
    STORED_Q,
    rename_projection,
)
from pintu.kernel.subscriptions.words import State, Subscription

Document = dict[str, Any]
_TRIGGERS = ["attributeCreated", "attributeUpdated"]
_TEXTS = {"q": STORED_Q, "csf": STORED_CSF}


def shown(
    subscription: Subscription,
    state: State,
    terms: Terms,
    now_us: int,
    *,
    sys_attrs: bool = False,
) -> Document:
    """What a retrieval answers, without @context."""
    kept = subscription.document
    document: Document = {"id": subscription.id, "type": "Subscription"}
    for name in MEMBERS:
        if name in kept:
            show = _SHOWN.get(name)
            document[name] = kept[name] if show is None else show(kept[name], terms)
    for name, stored in _TEXTS.items():
        if name in kept:
            document[name] = _text(kept[name], kept[stored], subscription, terms)
    document.setdefault("notificationTrigger", _TRIGGERS)
    if isinstance(subscription.terms_from, str):
        document.setdefault("jsonldContext", subscription.terms_from)
    document["status"] = status(subscription, now_us)
    document["notification"] |= counted(state)
    if sys_attrs:
        document["createdAt"] = iso(subscription.created_us)
        document["modifiedAt"] = iso(subscription.modified_us)
    return document


def status(subscription: Subscription, now_us: int) -> str:
    """active, paused or expired (5.2.12)."""
    if subscription.expired(now_us):
        return "expired"
    return "active" if subscription.active else "paused"


def counted(state: State) -> Document:
    """The output members of notification (5.2.14.2); none before anything was sent."""
    if not state.times_sent:
        return {}
    failed = state.last_failure_us > state.last_success_us
    found: Document = {
        "status": "failed" if failed else "ok",
        "timesSent": state.times_sent,
        "timesFailed": state.times_failed,
    }
    for name, at_us in (
        ("lastNotification", state.last_notification_us),
        ("lastSuccess", state.last_success_us),
        ("lastFailure", state.last_failure_us),
    ):
        if at_us:
            found[name] = iso(at_us)
    return found


def _text(sent: str, kept: Any, subscription: Subscription, terms: Terms) -> str:
    """A query as it was sent to whoever has the @context it was sent with, else in their names;
    as it was sent, too, where their names cannot say it."""
    if terms.source == subscription.context:
        return sent
    tree = q_of(kept)
    text = q_text(tree, terms.shown)
    try:
        return text if parse_q(text, terms) == tree else sent
    except BadRequestData:
        return sent


def _names(value: list[str], terms: Terms) -> list[str]:
    return [terms.shown(name) for name in value]


def _entities(value: list[Document], terms: Terms) -> list[Document]:
    return [{**one, "type": rename_types(one["type"], terms.shown)} for one in value]


def _geo(value: Document, terms: Terms) -> Document:
    if "geoproperty" not in value:
        return value
    return {**value, "geoproperty": terms.shown(value["geoproperty"])}


def _notification(value: Document, terms: Terms) -> Document:
    found = dict(value)
    if "attributes" in found:
        found["attributes"] = _names(found["attributes"], terms)
    for name in ("pick", "omit"):
        if name in found:
            found[name] = rename_projection(found[name], terms.shown)
    return found


_SHOWN: dict[str, Callable[[Any, Terms], Any]] = {
    "entities": _entities,
    "watchedAttributes": _names,
    "geoQ": _geo,
    "expandValues": _names,
    "jsonKeys": _names,
    "notification": _notification,
}
