"""What a projection leaves of a subscription: a notification is a read, and so are the conditions
under which it comes; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pintu.kernel.access import Projection
from pintu.kernel.context.match import attributes_of, linked_depth
from pintu.kernel.context.selection import And, Linked, Or, Q
from pintu.kernel.errors import Forbidden
from pintu.kernel.subscriptions.words import Hit, Subscription, Trigger

Doc = dict[str, Any]
_HEAD = frozenset(("id", "type"))
_COMES = frozenset({Trigger.ENTITY_CREATED, Trigger.ENTITY_DELETED})


def asked_names(subscription: Subscription) -> frozenset[str]:
    """Attributes whose values decide when a notification comes, by stored name."""
    found: set[str] = set(subscription.watched or ())
    found |= names_of(subscription.q)
    if subscription.geo is not None:
        found.add(subscription.geo.geoproperty)
    if subscription.scope is not None:
        found.add("scope")
    return frozenset(found)


def names_of(q: Q | None) -> frozenset[str]:
    """Every attribute a query looks at, of linked entities too."""
    if isinstance(q, (And, Or)):
        return frozenset().union(*(names_of(part) for part in q.parts))
    own = attributes_of(q)
    return own | names_of(q.inner) if isinstance(q, Linked) else own


def let(subscription: Subscription, projection: Projection) -> None:
    """Raise Forbidden when a subscription asks about what may not be seen as it is: the answer,
    that a notification came, would tell of it. The words are the same whether there is such an
    attribute or not."""
    if projection.whole:
        return
    if linked_depth(subscription.q) and (projection.rows is not None or projection.agreement):
        raise Forbidden("You may not ask about linked entities in a subscription")
    refused = sorted(name for name in asked_names(subscription) if not _lets(name, projection))
    if refused:
        raise Forbidden(f"You may not ask for attribute {', '.join(refused)}")


def _lets(name: str, projection: Projection) -> bool:
    return name in _HEAD or projection.lets(name)


def visible_names(
    hit: Hit, before: Doc, after: Doc, projection: Projection
) -> tuple[str, ...] | None:
    """The attributes of a hit that may be seen and of which something that may be seen changed;
    None when nothing of it is left to tell. `before` and `after` are what is there of them."""
    if projection.whole:
        return hit.names
    there = before if hit.change.verb == "deleted" else after
    if not there:
        return None
    if projection.seen is None:
        names = _kept(hit.names, projection)
    else:
        names = tuple(name for name in hit.names if before.get(name) != after.get(name))
    if names or hit.why & _COMES:
        return names
    return None


def _kept(names: Iterable[str], projection: Projection) -> tuple[str, ...]:
    return tuple(name for name in names if projection.lets(name))
