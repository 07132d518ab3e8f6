"""A subscription as data: whom it concerns, what is told, to whom and for whom (5.2.12)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.context.render import Format
from pintu.kernel.context.selection import GeoSelection, Q, ScopeSelection, TypeSelection
from pintu.kernel.store.port import Change

Accept = Literal["application/json", "application/ld+json", "application/geo+json"]
Pairs = tuple[tuple[str, str], ...]
Key = tuple[int, str]
"""Number of the tenant and id: what a subscription is known by."""


class Trigger(StrEnum):
    """What may happen that somebody wants to hear of (5.2.12 notificationTrigger)."""

    ENTITY_CREATED = "entityCreated"
    ENTITY_UPDATED = "entityUpdated"
    ENTITY_DELETED = "entityDeleted"
    ATTRIBUTE_CREATED = "attributeCreated"
    ATTRIBUTE_UPDATED = "attributeUpdated"
    ATTRIBUTE_DELETED = "attributeDeleted"


USUAL_TRIGGERS: Final = frozenset({Trigger.ATTRIBUTE_CREATED, Trigger.ATTRIBUTE_UPDATED})
"""What is told when a subscription names no triggers."""


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """One member of `entities` (5.2.33): ids, or else ids of a pattern, of some types (None: of
    any)."""

    ids: frozenset[str] = frozenset()
    id_pattern: str | None = None
    types: TypeSelection | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where notifications go (5.2.15). `receiver_info` are headers, `notifier_info` is about the
    way there (MQTT-Version, MQTT-QoS, and what else the subscriber named)."""

    uri: str
    accept: Accept = "application/json"
    receiver_info: Pairs = ()
    notifier_info: Pairs = ()
    timeout_s: float | None = None
    cooldown_s: float | None = None

    @property
    def scheme(self) -> str:
        """http, https, mqtt or mqtts."""
        return self.uri.partition(":")[0].lower()

    @property
    def mqtt(self) -> bool:
        """Whether notifications are published instead of posted."""
        return self.scheme in ("mqtt", "mqtts")

    def notifier(self, key: str) -> str | None:
        """The value of a key of notifierInfo."""
        return next((value for name, value in self.notifier_info if name == key), None)


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What a notification shows (5.2.14); names are stored names, None means not narrowed.

    `pick` and `omit` are texts of stored names in the attribute projection language (4.21): a
    linked entity may be narrowed in braces. `attributes` also narrows which entities are told of.
    """

    attributes: frozenset[str] | None = None
    pick: str | None = None
    omit: str | None = None
    format: Format = "normalized"
    sys_attrs: bool = False
    show_changes: bool = False
    join: Literal["", "flat", "inline"] = ""
    join_level: int = 1
    lang: str | None = None
    dataset_ids: frozenset[str] | None = None
    geometry_property: str = "location"


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who subscribed and on what grounds: a notification is a read of theirs, decided when it is
    sent."""

    id: str
    kind: str = "service"
    grants: frozenset[str] = frozenset()
    local: bool = False
    person: str = ""
    organisation: str = ""
    roles: frozenset[str] = frozenset()
    agreement: str = ""
    purpose: str = ""
    reason: str = ""

    @classmethod
    def of(cls, actor: Actor, act: Act) -> Asker:
        """Who acts just now, and how they named it."""
        return cls(
            id=actor.id,
            kind=actor.kind,
            grants=actor.grants,
            local=actor.local,
            person=actor.person,
            organisation=actor.organisation,
            roles=actor.roles,
            agreement=act.agreement,
            purpose=act.purpose or "",
            reason=act.reason or "",
        )

    def actor(self) -> Actor:
        """As they were when they subscribed; `Identity.standing` says what they are now."""
        return Actor(
            id=self.id,
            kind=self.kind,
            grants=self.grants,
            local=self.local,
            person=self.person,
            organisation=self.organisation,
            roles=self.roles,
        )

    def act(self, tenant: str) -> Act:
        """A notification as what it is to the gate: a read."""
        return Act(
            deed=Deed.READ,
            tenant=tenant,
            agreement=self.agreement,
            purpose=self.purpose or None,
            reason=self.reason or None,
        )


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, read once: nothing in it changes, a changed one is another value.

    `document` is what was sent, with stored names, without status and counters; `context` is the
    @context it came with (None: the core alone), `terms_from` the one that notifications are made
    with. Without `selectors` any entity that has a watched attribute is meant.
    """

    id: str
    tenant: int
    tenant_name: str
    document: dict[str, Any]
    selectors: tuple[Selector, ...] = ()
    watched: frozenset[str] | None = None
    triggers: frozenset[Trigger] = USUAL_TRIGGERS
    q: Q | None = None
    geo: GeoSelection | None = None
    scope: ScopeSelection | None = None
    interval_s: float | None = None
    throttling_s: float | None = None
    expires_us: int | None = None
    active: bool = True
    local_only: bool = False
    split_entities: bool = False
    endpoint: Endpoint
    telling: Telling = Telling()
    context: Any = None
    terms_from: Any = None
    asker: Asker
    created_us: int = 0
    modified_us: int = 0

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.tenant, self.id

    def expired(self, now_us: int) -> bool:
        """Whether its end has passed."""
        return self.expires_us is not None and self.expires_us <= now_us

    def live(self, now_us: int) -> bool:
        """Whether changes are told just now."""
        return self.active and not self.expired(now_us)


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How telling goes (5.2.14 output members); changes all the time and is kept apart.

    `cursor` is the position up to which every change was told or was no business of it. `parked`
    says why nothing is sent any more until somebody presses retry; "" when it is not parked.
    `paused` says why the gate refused it. `owing`: changes after `cursor` are still to be told;
    otherwise it goes on wherever the follower of the feed does. `attempts` that failed in a row.
    """

    times_sent: int = 0
    times_failed: int = 0
    last_notification_us: int = 0
    last_success_us: int = 0
    last_failure_us: int = 0
    last_error: str = ""
    cursor: int = 0
    parked: str = ""
    paused: str = ""
    owing: bool = False
    attempts: int = 0


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A change that a subscription wants to hear of: which attributes made it so (none for an
    entity that came or went without any), and why."""

    subscription: Subscription
    change: Change
    names: tuple[str, ...]
    why: frozenset[Trigger]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One notification ready to be sent: an HTTP body with its headers; MQTT wraps both (7.2)."""

    id: str
    content_type: str
    headers: Pairs
    body: bytes
    entities: int
