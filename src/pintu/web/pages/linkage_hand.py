"""Purpose and reason of somebody at the review desk: asked once a session, named at every look."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from pintu.kernel.errors import Unavailable
from pintu.kernel.linkage.acting import Hand

if TYPE_CHECKING:
    from pintu.kernel.linkage.linkage import Linkage
    from pintu.web.visit import Visit

MOST: Final = 1_000
LASTS_US: Final = 8 * 3_600_000_000  # a working day; then it is asked again
UNDOABLE: Final = 50


class Session:
    """One browser's work at the desk: why, and what was decided last."""

    def __init__(self, purpose: str, reason: str, at_us: int) -> None:
        self.purpose, self.reason, self.at_us = purpose, reason, at_us
        self.done: list[int] = []

    def decided(self, number: int) -> None:
        """A pair was decided here; the last fifty can be taken back by a key."""
        self.done.append(number)
        del self.done[:-UNDOABLE]


class Sessions:
    """Kept in memory: after a restart people are asked again."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def find(self, visit: Visit) -> Session | None:
        """The session of a visit, when its reason was told today."""
        found = self._known.get(_key(visit))
        if found is None or visit.words.now_us - found.at_us > LASTS_US:
            return None
        return found

    def begin(self, visit: Visit, purpose: str, reason: str) -> Session:
        """Somebody told purpose and reason; the gate has judged them."""
        made = self._known[_key(visit)] = Session(purpose, reason, visit.words.now_us)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return made


SESSIONS: Final = Sessions()


def _key(visit: Visit) -> tuple[str, str]:
    return visit.actor.id, visit.csrf


def hand_of(visit: Visit) -> Hand:
    """Who works, with what was told in this session or is named in this call."""
    session = SESSIONS.find(visit)
    if visit.why.purpose or visit.why.reason or session is None:
        return Hand(actor=visit.actor, purpose=visit.why.purpose, reason=visit.why.reason)
    return Hand(actor=visit.actor, purpose=session.purpose, reason=session.reason)


def room_of(visit: Visit) -> Linkage:
    """The room of linkage; Unavailable in a city that has none."""
    if visit.rooms.linkage is None:
        raise Unavailable("This city links no records")
    return visit.rooms.linkage
