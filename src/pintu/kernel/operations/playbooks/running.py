"""Plays at work: one step after the other, judged by what the ledger measured, and backwards."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import Connection

from pintu.kernel.errors import PintuError, StateConflict
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.operations.playbooks import restoring, rows
from pintu.kernel.operations.playbooks.acting import Acting
from pintu.kernel.operations.playbooks.putting_back import arguments_back, written
from pintu.kernel.operations.playbooks.rows import Kept, KeptStep, KeptTarget
from pintu.kernel.operations.playbooks.showing import shown
from pintu.kernel.operations.playbooks.states import STEP_ENDED
from pintu.kernel.operations.playbooks.words import Play, Targets

if TYPE_CHECKING:
    from pintu.kernel.operations.playbooks.desk import Desk

log = logging.getLogger("pintu.operations")
GATHER_S: Final = 0.1
LONGEST_GATHER_S: Final = 1.0
REST: Final = 3.0  # times a turn's own length
LONGEST_S: Final = 5.0
ENDED: Final = frozenset({"done", "refused", "expired"})
TURNS: Final = 5_000
"""Steps of one advance: more than a play can have."""


class Hand(Protocol):
    """Does a kind of step that is no command: opens orders, sends messages. Both deeds are done
    once for each `key`, however often they are asked for."""

    async def do(self, play: Play, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        """Do it; how the one who does it calls it (an order's id, a message's)."""
        ...

    async def undo(self, play: Play, ref: str, *, key: str, reason: str) -> None:
        """Take it back as far as that is possible: cancel the order, send the all-clear."""
        ...


class Running:
    """Brings plays on, one turn at a time a play, whenever something happened to one."""

    def __init__(self, desk: Desk, acting: Acting, hands: dict[str, Hand]) -> None:
        self._desk, self._acting, self._hands = desk, acting, hands
        self._dirty: set[str] = set()
        self._turning: set[str] = set()
        self._took_s = 0.0  # the last turn
        self._event = asyncio.Event()
        self._locks: dict[str, asyncio.Lock] = {}
        self._task: asyncio.Task[None] | None = None
        self._turns: set[asyncio.Task[None]] = set()
        self._waits: dict[str, asyncio.TimerHandle] = {}
        self._unheard: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Go on with every play that is under way."""
        self._unheard.append(self._acting.commands.listen(self._heard))
        for id in await self._desk.opened.read(rows.under_way):
            self.wake(id)
        self._task = asyncio.create_task(self._run(), name="plays")

    async def stop(self) -> None:
        """What is under way goes on at the next start."""
        for stop in self._unheard:
            stop()
        for wait in self._waits.values():
            wait.cancel()
        tasks = [*self._turns, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, id: str) -> None:
        """Something happened to a play."""
        self._dirty.add(id)
        self._event.set()

    def _heard(self, entry: Entry, step: Step) -> None:
        if entry.cause.startswith("play:") and step.state not in ("desired", "sent"):
            self.wake(entry.cause[5:])

    def _later(self, id: str, seconds: float) -> None:
        known = self._waits.pop(id, None)
        if known is not None:
            known.cancel()
        loop = asyncio.get_running_loop()
        wait_s = min(max(seconds, 0.02), LONGEST_S)
        self._waits[id] = loop.call_later(wait_s, self.wake, id)

    async def _run(self) -> None:
        while True:
            await self._event.wait()
            self._event.clear()
            dirty, self._dirty = self._dirty, set()
            if dirty & self._turning:  # looked at again when it has had its turn
                self._dirty |= dirty & self._turning
                self._event.set()
            for id in dirty - self._turning:
                self._turning.add(id)
                self.later(self._turn(id))
            # Thousands of answers are looked at together, and a large play less often.
            await asyncio.sleep(min(max(GATHER_S, REST * self._took_s), LONGEST_GATHER_S))

    async def _turn(self, id: str) -> None:
        began_s = time.monotonic()
        try:
            await self.advance(id)
        except PintuError as error:
            log.warning("Play %s goes on later: %s", id, error.detail)
            self._later(id, 1.0)
        except Exception:  # a loop's edge: one play's mistake stops no other
            log.exception("Play %s cannot go on", id)
            self._later(id, LONGEST_S)
        finally:
            self._turning.discard(id)
            self._took_s = time.monotonic() - began_s

    def turn_of(self, id: str) -> asyncio.Lock:
        """Whoever changes a play from outside waits for its turn, and it for them."""
        return self._locks.setdefault(id, asyncio.Lock())

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the plays' turns, until `stop`."""
        task = asyncio.create_task(work)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def advance(self, id: str) -> None:
        """Do what can be done of a play now."""
        async with self.turn_of(id):
            for _ in range(TURNS):
                kept = await self._desk.kept(id)
                await self._acting.send_back(kept, self._later)
                moved = False
                if kept.state == "running":
                    moved = await self._forward(kept)
                elif kept.state == "undoing":
                    moved = await self._backward(kept)
                if not moved:
                    break

    # --- forward ----------------------------------------------------------------------------------
    async def _forward(self, kept: Kept) -> bool:
        states = {one.name: one.state for one in kept.groups}
        for group in kept.groups:
            after = kept.book.groups[group.number].after
            if group.state != "approved" or any(states[one] not in ENDED for one in after):
                continue
            own = [one for one in kept.steps if one.grouped == group.number]
            step = next((one for one in own if one.state not in STEP_ENDED), None)
            if step is None:
                await self._desk.group_ended(kept, group)
                return True
            if step.state == "waiting":
                await self._begin(kept, step)
                return True
            if await self._judge(kept, step):
                return True
        if all(one.state in ENDED for one in kept.groups):
            await self._desk.play_moved(kept, "finish", "playbook")
            return True
        return False

    async def _begin(self, kept: Kept, step: KeptStep) -> None:
        word, desk = step.word, self._desk
        if word.when is not None and not await desk.looking.holds(
            kept.tenant, word.when, kept.area
        ):
            await desk.step_moved(kept, step, "skip", detail="its condition does not hold")
            return
        if word.targets is not None and not step.targets:
            await desk.step_moved(kept, step, "skip", detail="there is nothing it is for")
            return
        seconds = word.wait_s if word.do == "wait" else word.within_s
        until_us = desk.now_us() + int(seconds * 1e6 * desk.clock.rate)
        found: list[KeptTarget] = []
        before: dict[str, str] = {}
        if word.do == "command":
            found = await desk.targets(kept.id, step.number)
            before = await self._before(kept, step, [one.entity for one in found])

        def also(connection: Connection) -> None:
            restoring.hold(connection, found, before)

        await desk.step_moved(kept, step, "begin", until_us=until_us, also=also)

    async def _before(self, kept: Kept, step: KeptStep, ids: Sequence[str]) -> dict[str, str]:
        """What puts each thing back, as it is now."""
        if not step.word.back or step.word.targets is None:
            return {}
        wanted = Targets(type=step.word.targets.type)
        things = await self._desk.looking.things(kept.tenant, wanted, None, ids)
        found = {one["id"]: written(arguments_back(step.word.back, one)) for one in things}
        for id, told in self._acting.on_their_way(kept, step).items():
            if id in found and step.word.back.keys() <= told.keys():
                found[id] = written({name: told[name] for name in step.word.back})
        return found

    async def _judge(self, kept: Kept, step: KeptStep) -> bool:
        """Whether a step that runs has ended; when not, it is looked at again in time."""
        word, desk = step.word, self._desk
        over = desk.now_us() >= step.until_us
        if word.do == "command":
            return await self._judge_command(kept, step)
        if word.do in ("order", "message"):
            await self._by_hand(kept, step)
            return True
        if word.do == "check" and word.check is not None:
            if await desk.looking.holds(kept.tenant, word.check, kept.area):
                await desk.step_moved(kept, step, "finish")
                return True
            if over:
                await desk.step_moved(kept, step, "fail", detail="it did not come true in time")
                return True
            self._later(kept.id, 1.0)
            return False
        if over:
            await desk.step_moved(kept, step, "finish")
            return True
        self._later(kept.id, desk.seconds_until(step.until_us))
        return False

    async def _judge_command(self, kept: Kept, step: KeptStep) -> bool:
        desk = self._desk
        found = await self._acting.send(kept, step, self._later)
        if found is None:
            return False
        reached, failed, why = await self._acting.came(found, step.word.until)
        if self._acting.stopped(kept):
            return False  # what the stop takes back meanwhile is no failure
        total = len(found)
        enough = reached >= step.word.enough * total
        if enough or reached + failed >= total or desk.now_us() >= step.until_us:
            event = "finish" if enough else "fall_short" if reached else "fail"
            detail = "" if enough else f"{reached} of {total}{': ' + why if why else ''}"
            failed = failed if enough else total - reached
            await desk.step_moved(
                kept, step, event, detail=detail, reached=reached, failed=failed, targets=total
            )
            return True
        if (reached, failed) != (step.reached, step.failed):
            await desk.counted(kept, step, reached, failed)
        self._later(kept.id, desk.seconds_until(step.until_us))
        return False

    async def _by_hand(self, kept: Kept, step: KeptStep) -> None:
        desk, hand = self._desk, self._hands.get(step.word.do)
        found = await desk.targets(kept.id, step.number)
        if hand is None:
            await desk.step_moved(kept, step, "fail", detail=f"nobody here does {step.word.do}s")
            return
        try:
            ref = await hand.do(
                shown(kept),
                step.word.given,
                key=f"{kept.id}/{step.number}",
                targets=[one.entity for one in found],
            )
        except PintuError as error:
            await desk.step_moved(kept, step, "fail", detail=error.detail, failed=1)
        else:
            await desk.step_moved(kept, step, "finish", ref=ref, reached=max(1, len(found)))

    # --- backward ---------------------------------------------------------------------------------
    async def _backward(self, kept: Kept) -> bool:
        for step in reversed(kept.steps):
            if step.state in ("skipped", "undone", "not_undone"):
                continue
            if step.state == "waiting":
                await self._desk.skip_waiting(kept)
                return True
            if step.state != "undoing":
                await self._begin_undo(kept, step)
                return True
            return await self._judge_undo(kept, step)
        await self._desk.play_moved(kept, "finish", "playbook")
        return True

    async def _begin_undo(self, kept: Kept, step: KeptStep) -> None:
        desk = self._desk
        if step.word.do == "command":  # also after a crash: nothing goes out behind what undoes it
            found = await desk.targets(kept.id, step.number)
            await self._acting.call_back(found, "playbook", f"undo: {kept.reason}"[:500])
        until_us = desk.now_us() + int(step.word.within_s * 1e6 * desk.clock.rate)

        def also(connection: Connection) -> None:
            found = rows.targets_of(connection, kept.id, step.number)
            restoring.let_go(connection, found)

        await desk.step_moved(kept, step, "undo", until_us=until_us, also=also, reached=0, failed=0)

    async def _judge_undo(self, kept: Kept, step: KeptStep) -> bool:
        desk = self._desk
        if step.word.do in ("order", "message") and step.ref:
            hand = self._hands.get(step.word.do)
            if hand is None:
                await desk.step_moved(kept, step, "fail", detail=f"nobody takes {step.ref} back")
                return True
            try:
                await hand.undo(
                    shown(kept),
                    step.ref,
                    key=f"{kept.id}/{step.number}/back",
                    reason=kept.reason,
                )
            except StateConflict as error:
                await desk.step_moved(kept, step, "fail", detail=error.detail)
                return True
        found = await desk.targets(kept.id, step.number)
        told = [one for one in found if one.back]
        reached, failed, why = await self._acting.came_back(told)
        if step.word.do == "command" and self._acting.stopped(kept):
            self._later(kept.id, LONGEST_S)
            return False
        over = desk.now_us() >= step.until_us
        if reached + failed < len(told) and not over:
            if (reached, failed) != (step.reached, step.failed):
                await desk.counted(kept, step, reached, failed)
            self._later(kept.id, desk.seconds_until(step.until_us))
            return False
        missing = len(told) - reached
        detail = f"{missing} of {len(told)} not put back{': ' + why if why else ''}"
        await desk.step_moved(
            kept,
            step,
            "fail" if missing else "finish",
            detail=detail if missing else "",
            reached=reached,
            failed=missing,
        )
        return True
