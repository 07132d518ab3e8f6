"""One subscription being told: what waits for it, in order, and the one message under way.

The log is the buffer: a channel holds a bounded number of hits; over that it falls behind and is
read for again from the log when it has room. One message after another, so that an entity's changes
arrive in their order; several entities share a message when they wait anyway.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.states import Outcome
from pintu.kernel.subscriptions.words import Hit, State, Subscription

log = logging.getLogger("pintu.subscriptions")

MOST_HITS: Final = 200
"""Hits one channel keeps in memory."""

MOST_RESTING: Final = 20
"""The same while its endpoint fails: ten thousand dead ones cost little."""

MOST_TOGETHER: Final = 100
"""Entities of one message."""

MOST_BYTES: Final = 1_000_000
"""Documents of one message, before they are composed."""


class Paused(msgspec.Struct, frozen=True):
    """The gate refused it: nothing is sent until somebody, or a later look, says otherwise."""

    why: str


MOST_HELD: Final = 4_000_000
"""Bytes of documents one channel keeps in memory before it falls behind; one hit always fits."""

Told = Outcome | Paused
Heard = Callable[[Outcome], None]
Tell = Callable[[Subscription, Sequence[Hit]], Awaitable[Told]]


class UnderWay(Protocol):
    """A message that was sent without a task."""

    def cancel(self) -> None:
        """Nobody wants to hear how it ends."""
        ...


Begin = Callable[[Subscription, Sequence[Hit], Heard], UnderWay | None]


class Desk(Protocol):
    """What a channel needs of the room around it."""

    clock: Clock
    tell: Tell
    """Compose what the gate lets be seen, write it down, send it once."""
    begin: Begin
    """The same at once, where nothing has to be waited for; None: something has."""

    def changed(self, channel: Channel) -> None:
        """Its state is to be saved."""
        ...

    def counted(self, channel: Channel) -> None:
        """Nothing but its counters changed: they are saved some time."""
        ...

    def hungry(self, channel: Channel) -> None:
        """It is behind and has room: read the log for it."""
        ...


class Channel:
    """What one subscription is owed; lives on the loop."""

    __slots__ = (
        "_desk", "_held", "_sent", "_task", "_timer", "_waiter", "behind", "closed", "queue",
        "seen", "state", "subscription", "under_way",
    )  # fmt: skip

    def __init__(self, subscription: Subscription, state: State, desk: Desk, seen: int) -> None:
        """`seen`: changes up to there are no business of it, or queued."""
        self.subscription, self.state, self._desk = subscription, state, desk
        self.queue: deque[Hit] = deque()
        self.seen = seen
        self.behind = False
        self.under_way = 0  # hits at the head of the queue that a message is under way for
        self.closed = False
        self._task: asyncio.Task[None] | None = None
        self._sent: UnderWay | None = None  # without a task
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None  # of who asks how it goes
        self._held = 0  # bytes of documents in the queue

    # --- what is owed -----------------------------------------------------------------------------
    def offer(self, hit: Hit) -> None:
        """A change that happened just now concerns it."""
        position = hit.change.position
        if self.behind or position <= self.seen or self.state.paused:
            return
        if self._full:
            self.behind, self.seen = True, position - 1
            return
        self._put(hit)
        self.stir()

    def fill(self, hit: Hit) -> bool:
        """A change read from the log for it; False when there is no room for it."""
        position = hit.change.position
        if position > self.seen:
            if self._full:
                self.seen = position - 1
                return False
            self._put(hit)
            self.stir()  # making rows whole takes its time: what is there waits for no page
        return True

    def _put(self, hit: Hit) -> None:
        self.queue.append(hit)
        self._held += _size(hit)

    def _take(self, many: int) -> None:
        for _ in range(many):
            self._held -= _size(self.queue.popleft())

    def _empty(self) -> None:
        self.queue.clear()
        self._held = self.under_way = 0

    def cursor(self, followed: int) -> int:
        """Up to where everything was told or no business of it; `followed`: the follower's
        position."""
        if self.queue:
            return self.queue[0].change.position - 1
        return self.seen if self.behind else max(self.seen, followed)

    @property
    def owing(self) -> bool:
        """Whether something is still to be told."""
        return bool(self.queue) or self.behind

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost if it were forgotten."""
        busy = self._task is not None or self._sent is not None or self._timer is not None
        return not (self.owing or busy)

    @property
    def stopped(self) -> bool:
        """Whether nothing is sent until somebody says so."""
        return bool(self.state.parked or self.state.paused)

    @property
    def has_room(self) -> bool:
        """Whether the log is to be read for it now."""
        resting = self._timer is not None or self.stopped
        few = len(self.queue) < self._most // 2 and self._held < MOST_HELD // 2
        return self.behind and not resting and few

    @property
    def _full(self) -> bool:
        return len(self.queue) >= self._most or self._held >= MOST_HELD

    @property
    def _most(self) -> int:
        return MOST_RESTING if self.state.attempts else MOST_HITS

    def _trim(self) -> None:
        """Its endpoint fails: what is over the bound is read from the log again."""
        if len(self.queue) > MOST_RESTING:
            self.behind, self.seen = True, self.queue[MOST_RESTING].change.position - 1
            while len(self.queue) > MOST_RESTING:
                self._held -= _size(self.queue.pop())

    async def settled(self, wait_s: float) -> None:
        """Wait a moment for what is being sent: whoever asks how it goes hears of it."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=wait_s)
        elif self._sent is not None:
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._waiter,), timeout=wait_s)

    # --- sending ----------------------------------------------------------------------------------
    def stir(self) -> None:
        """Send what waits, unless it rests after a failure."""
        if self._timer is None:
            self.go_on()

    def go_on(self) -> None:
        """Send what waits, if it may be sent now."""
        if self._task is None and self._sent is None and not self.stopped and not self.closed:
            self._cancel_timer()
            if not self.queue:
                if self.behind:
                    self._desk.hungry(self)
            elif not self._at_once():
                self._task = asyncio.get_running_loop().create_task(self._run())

    def _at_once(self) -> bool:
        """Send the next message without a task, where nothing has to be waited for."""
        subscription = self.subscription
        if subscription.throttling_s or self.state.attempts:
            return False
        if not subscription.live(self._desk.clock.now_us()):
            return False
        hits = [self.queue[0]] if len(self.queue) == 1 else together(self.queue)
        self._sent = self._desk.begin(subscription, hits, self._heard)
        if self._sent is None:
            return False
        self.under_way = len(hits)
        return True

    def _heard(self, outcome: Outcome) -> None:
        """How a message ended that was sent without a task."""
        self._sent = None
        self._ended(outcome)
        if self._waiter is not None:
            self._waiter.set_result(None)
            self._waiter = None
        if self.queue and self._timer is None:
            self.go_on()
        elif self.has_room:
            self._desk.hungry(self)

    def drop(self, seen: int) -> None:
        """Forget what waits: changes up to `seen` are no business of it any more."""
        self._cancel()
        self._empty()
        self.behind, self.seen = False, seen

    def park(self, why: str) -> None:
        """Send nothing until somebody says so: what waits stays in the log, as long as that keeps
        it."""
        self.state.parked = why[:500] or "It failed too often"
        self.seen = self.cursor(self.seen)
        self._empty()
        self.behind = True
        self._cancel_timer()

    def close(self) -> None:
        """Send nothing more."""
        self.closed = True
        self._cancel()

    def _cancel(self) -> None:
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._sent is not None:
            self._sent.cancel()
            self._sent = None
        if self._waiter is not None:
            self._waiter.cancel()
            self._waiter = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self, city_s: float) -> None:
        real_s = city_s / self._desk.clock.rate
        self._timer = asyncio.get_running_loop().call_later(real_s, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.go_on()

    async def _run(self) -> None:
        mine = asyncio.current_task()
        try:
            while self.queue and not self.stopped and self._timer is None:
                await self._once()
        except Exception as error:  # a loop's edge: it is tried again, and parked after many
            log.exception("Subscription %s cannot be told", self.subscription.id)
            self._settle(Outcome(why="unreached", detail=f"{type(error).__name__}: {error}"))
        finally:
            if self._task is mine:
                self._task = None
                self.under_way = 0
        if self._task is None and self.queue and self._timer is None:
            self.go_on()
        elif self.has_room:
            self._desk.hungry(self)

    async def _once(self) -> None:
        """One message, or a pause until it may be sent."""
        subscription, now_us = self.subscription, self._desk.clock.now_us()
        if not subscription.live(now_us):
            self._empty()
            self._desk.changed(self)
            return
        # set back, the clock would have it wait the whole of it again and again
        self.state.last_notification_us = min(self.state.last_notification_us, now_us)
        wait_s = states.throttled_s(subscription, self.state, now_us)
        if wait_s > 0:
            self._later(wait_s)
            return
        throttled = bool(subscription.throttling_s)
        hits = list(self.queue) if throttled else together(self.queue)
        self.under_way = len(hits)
        told = await self._desk.tell(subscription, latest(hits) if throttled else hits)
        if isinstance(told, Paused):
            self._pause(told.why)
            return
        self._ended(told)

    def _ended(self, outcome: Outcome) -> None:
        """A message is through; where somebody emptied the queue meanwhile, nothing of it is."""
        if outcome.taken:
            self._take(self.under_way)
        self.under_way = 0
        self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        """Count an attempt, and rest after one that failed."""
        state = self.state
        well = outcome.taken and not state.attempts and not self.subscription.throttling_s
        if outcome is not NOTHING and outcome.why != "held":
            states.answered(state, outcome, self._desk.clock.now_us())
        if well:
            self._desk.counted(self)
            return
        if not outcome.taken:
            if states.parks(state.attempts, outcome):
                self.park(outcome.detail)
            else:
                self._trim()
                endpoint = self.subscription.endpoint
                self._later(states.pause_s(state.attempts, endpoint, outcome, random.random()))
        self._desk.changed(self)

    def _pause(self, why: str) -> None:
        """Refused: what waited is not told later, when it would be somebody else's decision."""
        self.state.paused = why[:500]
        self._empty()
        self.behind = False
        self._desk.changed(self)


NOTHING: Final = Outcome(detail="nothing of it may be seen")
"""Taken without a message: the projection left nothing to tell."""


def _size(hit: Hit) -> int:
    change = hit.change
    return len(change.body or b"") + len(change.before or b"")


def together(queue: deque[Hit]) -> list[Hit]:
    """The head of a queue as far as one message holds it: each entity once, in order."""
    found: list[Hit] = []
    ids: set[str] = set()
    size = 0
    for hit in queue:
        change = hit.change
        size += len(change.body or change.before or b"")
        full = len(found) >= MOST_TOGETHER or size > MOST_BYTES
        if found and (full or change.id in ids):
            break
        ids.add(change.id)
        found.append(hit)
    return found


def latest(hits: list[Hit]) -> list[Hit]:
    """What throttling leaves of several changes: each entity once, as it is now, with what it was
    before the first of them."""
    found: dict[str, Hit] = {}
    for hit in hits:
        earlier = found.pop(hit.change.id, None)
        found[hit.change.id] = hit if earlier is None else _one(earlier, hit)
    return list(found.values())


def _one(earlier: Hit, later: Hit) -> Hit:
    change = msgspec.structs.replace(later.change, before=earlier.change.before)
    names = tuple(dict.fromkeys((*earlier.names, *later.names)))
    return Hit(later.subscription, change, names, earlier.why | later.why)
