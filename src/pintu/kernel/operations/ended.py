"""When an incident is over: everybody who was told of it hears that; what the public was told ends
when a person says so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import Conflict, PintuError
from pintu.kernel.operations.journal import Deed

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.words import Incident
    from pintu.kernel.operations.opening import OperationsRoom

log = logging.getLogger("pintu.operations")

BACK_US: Final = 6 * 3_600_000_000
"""So far back incidents that were closed are looked for at a start: a crash tells nobody less."""

SAID: Final = {
    "resolved": ("已处置完毕", "dealt with"),
    "passed": ("已自行解除", "passed by itself"),
    "false": ("经核实为误报", "a false alarm"),
    "planned": ("为计划内作业", "planned work"),
    "drill": ("演练结束", "the drill is over"),
}


class Ended:
    """Listens for incidents that are closed. Each is told of once, by the number of its deed."""

    def __init__(self, room: OperationsRoom, our_name: str) -> None:
        """`our_name` is the sender of our own warnings (CAP)."""
        self._room, self._our_name = room, our_name
        self._tasks: set[asyncio.Task[None]] = set()
        self._deaf = room.journal.listen(self._heard)

    async def start(self) -> None:
        """Tell what an earlier life had no time to tell."""
        journal = self._room.journal
        since_us = journal.clock.now_us() - BACK_US
        for deed in await journal.list_deeds(since_us=since_us, limit=5_000):
            if closes(deed):
                await self._over(deed)

    async def stop(self) -> None:
        """What is being told is told to its end."""
        self._deaf()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _heard(self, deed: Deed) -> None:
        if closes(deed):
            task = asyncio.create_task(self._over(deed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _over(self, deed: Deed) -> None:
        incidents = self._room.incidents
        if incidents is None:
            return
        try:
            one = await incidents.get(deed.subject.partition(":")[2])
            if one.state != "closed" or one.closed_us != deed.at_us:
                return  # it was opened again since
            await self.tell(one, f"{deed.room}/{deed.number}", public=False)
            await self._warnings(one, deed)
        except PintuError as error:
            log.error("Not everybody hears that %s is over: %s", deed.subject, error.detail)

    async def tell(self, one: Incident, key: str, *, public: bool) -> None:
        """All who got something about an incident or its plans, and no all-clear since; with
        `public` also the channels that everybody hears."""
        notifier, plays = self._room.notifier, self._room.plays
        if notifier is None:
            return
        subject = f"incident:{one.id}"
        subjects = [subject]
        if plays is not None:
            subjects += [f"play:{it.id}" for it in await plays.list_for(subject)]
        zh, en = SAID.get(one.outcome, SAID["resolved"])
        name = {"zh": one.name.get("zh") or one.id, "en": one.name.get("en") or one.id}
        text = {
            "zh": f"事件已结束：{name['zh']}（{zh}）",
            "en": f"The incident is over: {name['en']} ({en})",
        }
        for about in subjects:
            await notifier.all_clear(about, tenant=one.tenant, text=text, key=key, public=public)

    async def unheard(self, one: Incident) -> list[str]:
        """Channels that everybody hears and that said something because of an incident, and not
        yet that it is over."""
        notifier, plays = self._room.notifier, self._room.plays
        if notifier is None:
            return []
        subject = f"incident:{one.id}"
        subjects = [subject]
        if plays is not None:
            subjects += [f"play:{it.id}" for it in await plays.list_for(subject)]
        return sorted({name for it in subjects for name in await notifier.unheard(one.tenant, it)})

    async def _warnings(self, one: Incident, deed: Deed) -> None:
        """The end of each public warning of ours that was about it, for a person to confirm."""
        warnings: Any = self._room.warnings
        if warnings is None:
            return
        zh, en = SAID.get(one.outcome, SAID["resolved"])
        note = f"{one.id}: {zh} / {en}" + (f". {one.reason}" if one.reason else "")
        for warning in await warnings.for_incident(one.tenant, one.id):
            if warning.message.sender != self._our_name:
                continue  # only who sent a warning ends it
            try:
                await warnings.propose_end(
                    warning.id, deed.who, sender=self._our_name, at_us=deed.at_us, note=note
                )
            except Conflict as error:  # it ended meanwhile
                log.info("Warning %s: %s", warning.id, error.detail)


def closes(deed: Deed) -> bool:
    """Whether an incident is over by a deed."""
    return deed.subject.startswith("incident:") and deed.verb == "closed"
