"""The one writer: a thread that gathers what is waiting into one durable transaction after another.

The loop hands calls over through a C queue and gets one callback a group. A call whose operation
breaks unexpectedly is taken out of its group and fails alone; a full disk fails the group, leaves
nothing half-written and is over as soon as there is space.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty
from time import perf_counter
from typing import Any

import apsw

from pintu.kernel.clock import Clock, Onward
from pintu.kernel.counting import count, count_s, group_times
from pintu.kernel.errors import DiskFull, PintuError, Unavailable
from pintu.kernel.store.port import Change, Mark, Op, Outcome
from pintu.kernel.store.room import check_room
from pintu.kernel.store.sqlite.apply import Hands, Stamp
from pintu.kernel.store.sqlite.background import Background, Idle
from pintu.kernel.store.sqlite.calls import Call, Gathering, keep_mark
from pintu.kernel.store.sqlite.checkpoint import Checkpoints
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.schema import Tuning

POISONED_OPS = 16
"""Operations of one call that may break unexpectedly before the whole call is given up."""

LOOP_WAIT_S = 0.004
"""How long the writer waits for the loop to end its read transaction."""

PAUSE_S = 0.02
"""A gap after which nobody writes: shorter ones are the loop's own turns, under load too."""

log = logging.getLogger("pintu.store")
Listener = Callable[[list[Change]], None]


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        connection: apsw.Connection,
        names: Names,
        hands: Hands,
        *,
        clock: Clock,
        tuning: Tuning,
        checkpoints: Checkpoints,
    ) -> None:
        self._db = connection
        self._names = names
        self.hands = hands
        newest: Any = connection.execute("SELECT at FROM log ORDER BY position DESC LIMIT 1").get
        self._clock = Onward(clock, newest or 0)
        self._tuning = tuning
        self._gathering = Gathering()
        self._taken: deque[Call | None] = deque()  # the thread's, not yet in a group
        self._pause = False  # nobody writes
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.checkpoints = checkpoints
        checkpoints.release = self._let_readers_go
        self.background: Background = Idle()
        self.listeners: list[Listener] = []
        self.waiting = 0  # operations handed over and not answered, counted on the loop
        self.groups = 0
        self.grouped_ops = 0
        self.times = group_times()
        self.poisoned = 0
        self.disk_errors = 0
        self.last_error = ""
        self.closed = False
        self.answered = 0  # position of the newest change the loop was told about
        self._unpublished: deque[Callable[[], None]] = deque()
        self.before_answers: Callable[[], None] = _nothing

    # --- the loop's side -------------------------------------------------------------------------
    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the thread; without a loop the first submit brings it."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="pintu-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        ops: Sequence[Op],
        source: str,
        task: Callable[[], Any] | None = None,
        *,
        mark: Mark | None = None,
    ) -> Call:
        """Hand a call over, to be awaited on the loop until it is durable."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
            while self._unpublished:
                loop.call_soon(self._unpublished.popleft())
        if self.closed:
            raise Unavailable("The store is closed")
        check_room(self.waiting, len(ops), self._tuning.queue_ops)
        self.waiting += len(ops)
        call = Call(ops, source, task, mark)
        self._gathering.add(call, loop)
        return call

    def end(self) -> None:
        """Take no more; on the loop, which gathers."""
        if not self.closed:
            self.closed = True
            self._gathering.end()

    def close(self) -> None:
        """Finish what is queued and stop the thread; blocks."""
        if self._thread is not None:
            self.end()
            self._thread.join()
            self._thread = None

    def _settle(self, calls: list[Call], changes: list[Change], position: int) -> None:
        self.before_answers()
        self.answered = position
        while self._unpublished:
            self._unpublished.popleft()()
        self._gathering.answered(len(calls))
        for call in calls:
            self.waiting -= len(call.ops)
        if changes:
            began = perf_counter()
            for listener in self.listeners:
                self._tell(listener, changes)
            count_s(self.times["tell_us"], began, perf_counter())
        for call in calls:
            call.settle()

    def _tell(self, listener: Listener, changes: list[Change]) -> None:
        """One listener's mistake is logged and keeps no change from the others."""
        try:
            listener(changes)
        except Exception:
            log.exception("A listener to the changes of the store broke")

    def publish(self, done: Callable[[], None]) -> None:
        """From the writer thread: run `done` on the loop once its reads see this commit."""

        def now() -> None:
            self.before_answers()
            done()

        if self._loop is None:
            self._unpublished.append(done)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the next start reads it
                self._loop.call_soon_threadsafe(now)

    # --- the thread's side -----------------------------------------------------------------------
    def _run(self) -> None:
        going = True
        while going:
            calls, going = self._gather()
            self._pause = not calls
            if calls:
                self._group(calls)
            elif going:
                self.background.idle()
                self.checkpoints.when_quiet()
                if self.background.pending():
                    self._slice_alone()

    def _gather(self) -> tuple[list[Call], bool]:
        """Wait for a call, then take what else is there up to the cap; False at the end."""
        get, taken = self._gathering.queue.get, self._taken
        calls: list[Call] = []
        size = 0
        try:
            if not taken:
                wait = self.checkpoints.patience()
                if self.background.pending():
                    wait = 0.001 if self._pause else PAUSE_S
                taken.extend(get(timeout=wait) if wait is not None else get())
            while True:
                while taken:
                    call = taken.popleft()
                    if call is None:
                        return calls, False
                    calls.append(call)
                    size += len(call.ops) + 1
                    if size >= self._tuning.group_ops:
                        return calls, True
                taken.extend(get(block=False))
        except Empty:
            return calls, True

    def _group(self, calls: list[Call]) -> None:
        """One transaction for all calls; when one breaks, each gets its own.

        A slice of background work rides along: alone it would keep the next group waiting for the
        disk once more. When they fail together the group is tried without it.
        """
        ride = self._slice() if self.background.pending() else None
        failure = self._attempt(calls if ride is None else [*calls, ride])
        if ride is not None and self._rode(ride, failure):
            failure = self._attempt(calls)
        if failure is None:
            self._answer(calls, self.hands.changes)
        elif isinstance(failure, PintuError) or len(calls) == 0:
            for call in calls:
                call.error = _same(failure)
            self._answer(calls, [])
        else:
            for call in calls:
                self._alone(call)
        self.checkpoints.after_group()

    def _alone(self, call: Call) -> None:
        """A call of a broken group by itself; its operations that break are left out, with their
        error.
        """
        poisoned: dict[int, PintuError] = {}
        while True:
            failure = self._attempt([call], poisoned)
            if failure is None:
                break
            if isinstance(failure, _Poison):
                self.poisoned += 1
                self.last_error = str(failure)
                if call.task is None and len(poisoned) < POISONED_OPS:
                    poisoned[failure.index] = failure.translated()
                    continue
                failure = failure.translated()  # a task has nothing that could be left out
            call.error = failure if isinstance(failure, PintuError) else PintuError(str(failure))
            break
        self._answer([call], self.hands.changes if call.error is None else [])

    def _attempt(
        self, calls: list[Call], skip: dict[int, PintuError] | None = None
    ) -> Exception | None:
        """BEGIN, every operation, COMMIT; None when durable, else what went wrong, all rolled
        back.
        """
        hands, names, db = self.hands, self._names, self._db
        hands.begin()
        hands.wants_changes = bool(self.listeners)
        began = perf_counter()
        try:
            db.execute("BEGIN IMMEDIATE")
            now, stamps = self._clock.now_us(), dict[str, Stamp]()
            for call in calls:
                if call.task is not None:
                    hands.flush()
                    self._run_task(call)
                    continue
                stamp = stamps.get(call.source)
                if stamp is None:
                    number = names.source(call.source)
                    stamp = stamps[call.source] = Stamp(now, number, call.source)
                self._perform(call, stamp, skip)
            hands.flush()
            names.flush()
            applied = perf_counter()
            db.execute("COMMIT")
        except Exception as error:  # the loop's edge: whatever it is, the thread goes on
            self._roll_back()
            return _translated(error, self)
        names.commit()
        hands.commit()
        size = sum(len(call.ops) for call in calls)
        self.groups += 1
        self.grouped_ops += size
        count(self.times["operations"], size)
        count_s(self.times["apply_us"], began, applied)
        count_s(self.times["commit_us"], applied, perf_counter())
        return None

    def _run_task(self, call: Call) -> None:
        assert call.task is not None
        try:
            call.outcomes = call.task()
        except (apsw.Error, PintuError):
            raise
        except Exception as error:
            raise _Poison(0, error) from error

    def _perform(self, call: Call, stamp: Stamp, skip: dict[int, PintuError] | None) -> None:
        outcomes: list[Outcome] = []
        apply = self.hands.apply
        index = -1
        if call.mark and (refused := keep_mark(self._db, call.mark, stamp.now)):
            call.error = refused
            return
        try:
            for index, op in enumerate(call.ops):
                if skip is None:
                    outcomes.append(apply(op, stamp))
                    continue
                known = skip.get(index)
                outcomes.append(apply(op, stamp) if known is None else Outcome(error=known))
                self.hands.flush()  # what breaks here is this one's
        except (apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.BusyError):
            raise
        except Exception as error:
            raise _Poison(index, error) from error
        call.outcomes = outcomes

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as error:
            self.last_error = f"rollback: {error}"
        self._names.rollback()
        self.hands.rollback()

    def _slice(self) -> Call:
        """One slice of background work as a call nobody waits for: it is never answered."""
        return Call((), "", self.background.step, None)

    def _slice_alone(self) -> None:
        """One slice in its own transaction, when nobody writes."""
        ride = self._slice()
        self._rode(ride, self._attempt([ride]))

    def _rode(self, ride: Call, failure: Exception | None) -> bool:
        """Tell the background what became of its slice; true when it failed."""
        if failure is None:
            ride.outcomes()
            return False
        self.background.failed()
        self.last_error = f"background: {failure}"
        return True

    def _answer(self, calls: list[Call], changes: list[Change]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._settle, calls, changes, self.hands.position)
        except RuntimeError as error:  # the loop is closed: nobody waits any more
            self.last_error = str(error)

    def _let_readers_go(self) -> None:
        """Have the loop end its read transaction, and wait for that, but not long."""
        if self._loop is None or self._loop.is_closed():
            return
        gone = threading.Event()

        def let_go() -> None:
            self.before_answers()
            gone.set()

        try:
            self._loop.call_soon_threadsafe(let_go)
        except RuntimeError:
            return
        gone.wait(LOOP_WAIT_S)


class _Poison(Exception):
    """An operation that broke in a way its transform did not announce."""

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.index = index

    def translated(self) -> PintuError:
        """The error its caller gets."""
        return PintuError(f"The store cannot apply the operation: {self}")


def _nothing() -> None:
    return None


def _same(failure: Exception) -> PintuError:
    """A fresh instance for each call, so that tracebacks do not mix."""
    assert isinstance(failure, PintuError)
    return type(failure)(failure.detail, **failure.extra)


def _translated(error: Exception, writer: Writer) -> Exception:
    """SQLite's words for a disk that cannot be written, in ours."""
    if isinstance(error, apsw.FullError | apsw.IOError | apsw.ReadOnlyError | apsw.CantOpenError):
        writer.disk_errors += 1
        writer.last_error = str(error)
        return DiskFull(f"The disk cannot be written, nothing of this was stored: {error}")
    if isinstance(error, apsw.BusyError):
        return Unavailable(f"The store is locked by somebody else: {error}")
    return error
