"""What a message means beside what is known already: pure.

Where a message can be read in two ways, the reading that keeps people warned holds: an Update of
something unknown is a warning, a Cancel of something unknown ends nothing, and nobody ends the
warning of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pintu.kernel.operations.warnings.geometry import coarse, geocodes_of, shape_of_message
from pintu.kernel.operations.warnings.states import follows
from pintu.kernel.operations.warnings.words import (
    RANK,
    Info,
    Message,
    PublicWarning,
    instant_us,
)

DEFAULT_TERM_US: Final = 24 * 3_600_000_000
"""How long a warning holds whose authority told no end."""
ACTING: Final = frozenset(("Actual", "Exercise"))
"""Statuses that make a warning; System, Test and Draft messages are kept and change nothing."""

DOUBTS: Final = {
    "updates_nothing": "It updates a message that never came here: taken as a new warning",
    "foreign": "It refers to another authority's warning, which stays in force",
    "updates_ended": "It updates a warning that had been cancelled: taken as a new one",
    "disputed": "Another authority says that this is over",
    "no_area": "It names no area: nobody can say whom it concerns",
    "unknown_place": "It names its area by codes that nobody here knows: no plan was proposed",
    "clock": "It was sent in the future: a clock is wrong",
    "unlike": "It updates what is meant otherwise (an exercise, a restricted warning): both stand",
}
"""Code → what somebody should look at."""

NOT_MEANT: Final = "A test, draft or system message changes nothing"
ANSWERS_NOTHING: Final = "This receipt names nothing that is known here"
NOT_THEIRS: Final = "Only who sent a warning ends it; what it names stays in force"
OLDER: Final = "A newer message of the same warning stands"
ENDED: Final = "It cancels what had ended"
UNLIKE: Final = (
    "What it names is meant otherwise (in earnest, an exercise, for the public): it stands"
)
CANCELS_NOTHING: Final = "It cancels nothing that is known here"
"""Why a message changed nothing."""

TELLS_TO_ACT: Final = frozenset(("Shelter", "Evacuate", "Prepare", "Execute", "Avoid"))
AHEAD_US: Final = 3_600_000_000


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a message does: `effect` as of `Taken`; `stays` is the warning it goes on with, `ends`
    those that end by it."""

    effect: str
    stays: PublicWarning | None = None
    ends: tuple[PublicWarning, ...] = ()
    disputes: tuple[PublicWarning, ...] = ()
    doubt: str = ""
    reason: str = ""


def judge(message: Message, referred: Sequence[PublicWarning], now_us: int) -> Verdict:
    """What a message does to the warnings it refers to and that are known here."""
    if message.status not in ACTING:
        return Verdict(effect="kept", reason=NOT_MEANT)
    if message.msg_type in ("Ack", "Error"):
        effect = "acknowledged" if message.msg_type == "Ack" else "reported"
        if not referred:
            return Verdict(effect="kept", reason=ANSWERS_NOTHING)
        return Verdict(effect=effect, ends=tuple(referred))
    meant = [one for one in referred if alike(message, one.message)]
    own = [one for one in meant if one.message.sender == message.sender]
    others = tuple(one for one in meant if one.message.sender != message.sender)
    unlike = bool(referred) and not meant
    if message.msg_type == "Cancel":
        if unlike:
            return Verdict(effect="kept", reason=UNLIKE)
        return _cancel(message, own, others)
    if message.msg_type == "Update":
        if unlike:
            return Verdict(effect="issued", doubt="unlike")
        return _update(message, own, others, now_us)
    return Verdict(effect="issued", doubt=doubt_of(message, now_us))


def alike(message: Message, other: Message) -> bool:
    """Whether one can change what the other says: an exercise ends nothing that is meant in
    earnest, and what is told to a few ends nothing that everybody was told."""
    if message.status != other.status:
        return False
    return message.scope == other.scope or message.scope == "Public"


def _cancel(
    message: Message, own: Sequence[PublicWarning], others: tuple[PublicWarning, ...]
) -> Verdict:
    sent_us = message.key[2]
    ends = tuple(one for one in own if follows(one.state, "cancel") and one.sent_us <= sent_us)
    if ends:
        return Verdict(effect="cancelled", ends=ends, disputes=_live(others))
    if others:
        return Verdict(effect="kept", disputes=_live(others), reason=NOT_THEIRS)
    if any(one.in_force for one in own):
        return Verdict(effect="kept", reason=OLDER)
    return Verdict(effect="kept", reason=ENDED if own else CANCELS_NOTHING)


def _update(
    message: Message,
    own: Sequence[PublicWarning],
    others: tuple[PublicWarning, ...],
    now_us: int,
) -> Verdict:
    doubt = doubt_of(message, now_us)
    live = [one for one in own if follows(one.state, "update")]
    if live:
        if all(one.sent_us > message.key[2] for one in live):
            return Verdict(effect="kept", reason=OLDER)
        # the oldest goes on: who took orders from it knows it by its id
        live.sort(key=lambda one: (not one.in_force, one.from_us, one.id))
        ends = tuple(one for one in live[1:] if one.in_force)
        return Verdict(effect="updated", stays=live[0], ends=ends, doubt=doubt)
    if own:
        return Verdict(effect="issued", doubt=doubt or "updates_ended")
    if others:
        return Verdict(effect="issued", doubt="foreign")
    return Verdict(effect="issued", doubt="updates_nothing")


def _live(some: Iterable[PublicWarning]) -> tuple[PublicWarning, ...]:
    return tuple(one for one in some if one.in_force)


def doubt_of(message: Message, now_us: int) -> str:
    """What is odd about a message by itself."""
    if message.key[2] > now_us + AHEAD_US:
        return "clock"
    if shape_of_message(message) is None and not geocodes_of(message):
        return "no_area"
    return ""


def named_by_code(message: Message) -> bool:
    """Whether codes are all that says where."""
    return bool(geocodes_of(message)) and shape_of_message(message) is None


def span_us(message: Message) -> tuple[int, int, bool]:
    """(from, until, whether no end was told): from the first beginning to the last end of its
    parts; a part that begins nowhere begins when it was sent."""
    sent_us = message.key[2]
    begins = [begin_us(one, sent_us) for one in message.infos] or [sent_us]
    ends = [instant_us(one.expires) for one in message.infos if one.expires]
    endless = len(ends) < len(message.infos) or not message.infos
    if endless:
        ends.append(max(begins) + DEFAULT_TERM_US)
    return min(begins), max(ends), endless


def begin_us(info: Info, sent_us: int) -> int:
    """When what it warns of begins: onset, else effective, else when it was sent."""
    told = info.onset or info.effective
    return instant_us(told) if told else sent_us


# --- warnings that contradict ---------------------------------------------------------------------
def contradict(one: PublicWarning, other: PublicWarning) -> bool:
    """Whether two warnings in force cannot both be followed: the same kind of danger at one place
    and time, but two steps of severity apart, or with advice that excludes the other's."""
    if one.id == other.id or not (one.acts and other.acts):
        return False
    if one.from_us >= other.until_us or other.from_us >= one.until_us:
        return False
    kinds = [{kind for info in w.message.infos for kind in info.categories} for w in (one, other)]
    if not kinds[0] & kinds[1]:
        return False
    if not (_far_apart(one.message, other.message) or _opposite(one.message, other.message)):
        return False
    return overlap(one.message, other.message)


def against(
    one: PublicWarning, live: Iterable[PublicWarning], touched: frozenset[str]
) -> tuple[str, ...]:
    """Which warnings in force contradict one. Only those a deed touched are compared again: what
    two others say of each other did not change by it."""
    known = set(one.contradicts)
    return tuple(
        sorted(
            other.id
            for other in live
            if (
                contradict(one, other)
                if one.id in touched or other.id in touched
                else other.id in known
            )
        )
    )


def _far_apart(one: Message, other: Message) -> bool:
    return abs(RANK[one.severity] - RANK[other.severity]) >= 2


def _opposite(one: Message, other: Message) -> bool:
    says, says_too = responses(one), responses(other)
    for a, b in ((says, says_too), (says_too, says)):
        if "AllClear" in a and b & TELLS_TO_ACT:
            return True
        if "Evacuate" in a and "Evacuate" not in b and "Shelter" in b and "Shelter" not in a:
            return True
    return False


def responses(message: Message) -> frozenset[str]:
    """All that it tells people to do."""
    return frozenset(one for info in message.infos for one in info.responses)


def overlap(one: Message, other: Message) -> bool:
    """Whether some place belongs to both areas."""
    if geocodes_of(one) & geocodes_of(other):
        return True
    here, there = shape_of_message(one), shape_of_message(other)
    if here is None or there is None:
        return False
    if not here.intersects(there):
        return False
    return bool(coarse(here).intersection(coarse(there)).area > 0)


def strictest(some: Iterable[PublicWarning]) -> PublicWarning:
    """Which of some is followed until a person says otherwise: the worst, then the newest."""
    return max(some, key=lambda one: (RANK[one.message.severity], one.sent_us, one.id))
