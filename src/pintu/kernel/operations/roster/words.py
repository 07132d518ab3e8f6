"""What the roster speaks of: turns and shifts, who is rung, what is sent and what became of it."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Severity = Literal["critical", "high", "medium", "low", "informational"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low", "informational")
"""Worst first, as the vocabulary's alertSeverity has them."""

Post = Literal["duty", "supervisor", "foreman", "crew"]
POSTS: Final[tuple[Post, ...]] = ("duty", "supervisor", "foreman", "crew")
"""What somebody is on duty as, in the order in which they are rung; crews have their own orders
and are rung by nobody."""

Text = dict[str, str]
"""A sentence in `zh` and `en`."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One shift of a rota that comes again: on `day` of its cycle (0 is the first), from a time on
    the wall clock, so many minutes. `people` are account ids, first in line first."""

    day: int
    starts: str  # HH:MM
    minutes: int
    people: tuple[str, ...]
    post: Post = "duty"


class Rota(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Turns that come again every `days` days from `first_day` (YYYY-MM-DD) on, in a zone."""

    id: str
    tenant: str
    title: Text
    first_day: str
    days: int
    turns: tuple[Turn, ...]
    zone: str = "Asia/Shanghai"
    until_day: str = ""  # the last day on which a turn begins; "" is for ever
    event: str = ""  # of a major event with a roster of its own


class Shift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody on duty from a moment to another. `rank` 0 is rung first. `instead_of` is who had
    the shift before it was swapped."""

    id: str
    tenant: str
    person: str  # the account's id
    post: Post
    since_us: int
    until_us: int
    rank: int = 0
    rota: str = ""  # "" for a shift of its own
    event: str = ""
    instead_of: str = ""


class Swap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whoever was to be on duty, somebody else is, for a span."""

    id: str
    tenant: str
    person: str
    by: str  # who stands in
    since_us: int
    until_us: int
    reason: str = ""


Kind = Literal["email", "webhook", "push", "mqtt"]
KINDS: Final[tuple[Kind, ...]] = ("email", "webhook", "push", "mqtt")


class Reach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A way to reach a person, private to the roster's tables: nothing of it but `kind`, `channel`
    and a masked address is ever shown, told or logged.

    `channel` names the operator's channel it goes through (`email`, `mqtt`, `push`, or a webhook
    such as `sms`). `quiet` is a span of the wall clock in which nothing below `critical` comes
    through unless they are on duty; `least` the mildest severity that is sent at all.
    """

    id: str
    person: str
    kind: Kind
    channel: str
    address: str
    secrets: dict[str, str] = {}  # of a push subscription
    quiet: tuple[str, str] | None = None  # HH:MM to HH:MM
    least: Severity = "informational"
    lang: Literal["zh", "en"] = "zh"
    by: str = ""
    at_us: int = 0
    broken: str = ""  # why nothing is sent to it any more


RingState = Literal["ringing", "acknowledged", "withdrawn"]


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Something that rings until somebody says they have it. `step` is how often it went on to the
    next; `rung` who was rung so far, in order."""

    id: str
    tenant: str
    subject: str
    severity: Severity
    text: Text
    state: RingState
    step: int
    rung: tuple[str, ...]
    began_us: int
    changed_us: int
    next_us: int  # when it goes on to the next one; 0 when it does not ring any more
    by: str = ""  # who has it
    link: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent: a title and a text in both languages, about a subject of the journal."""

    subject: str
    title: Text
    text: Text
    severity: Severity = "medium"
    link: str = ""  # a page of this city
    kind: str = "message"  # ring, warning, all_clear, order …


ReceiptState = Literal["queued", "held", "delivered", "arrived", "failed", "withdrawn"]
DONE: Final = frozenset(("delivered", "arrived", "failed", "withdrawn"))
"""States in which nothing more is tried; a delivered one may still be said to have arrived."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message to one person by one way. `delivered`: the channel took it
    (250, 2xx, PUBACK); `arrived`: the channel's own report, or the person, said so. A person
    nobody knows a way to has one receipt of kind "" that failed."""

    id: str
    message: str
    tenant: str
    subject: str
    person: str
    kind: str
    channel: str
    state: ReceiptState
    attempts: int
    due_us: int
    changed_us: int
    detail: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended. `again` False: nothing would be different another time; `gone`: the
    address itself is no more."""

    taken: bool
    detail: str = ""
    again: bool = True
    gone: bool = False
    after_s: float = 0.0  # the endpoint asked us to wait so long


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is handed: where to, what, and the key under which the same is known if it
    comes twice."""

    reach: Reach
    message: Message
    key: str
    lang: str = "zh"
    link: str = ""  # absolute, where the city knows its public address
    receipt: str = ""  # where a channel may report what became of it
    city: str = "Pintu"


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What one watch leaves to the next: written by itself, completed and handed over by people.
    `content` is what `telling.tell_watch` made of the journal."""

    id: str
    tenant: str
    since_us: int
    until_us: int
    state: Literal["written", "handed_over", "taken"]
    content: dict[str, Any]
    sentences: tuple[dict[str, Any], ...] = ()  # {"who", "at_us", "text"}
    by: str = ""
    taken_by: str = ""
    changed_us: int = 0
