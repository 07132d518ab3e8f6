"""What a source no longer has: its entity is kept and told ended, or deleted, as the mapping says.

Only a load that read everything may tell that something is gone; a source that suddenly has nothing
at all is more likely broken than empty, and nothing of it ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, Literal

from pintu.kernel.clock import Clock, iso
from pintu.kernel.intake.loading_words import Accepts, Landed
from pintu.kernel.intake.runs import Run, Runs
from pintu.kernel.intake.words import Batch, Update

ENDED: Final = "endedAt"
"""The word of the vocabulary that says since when its source no longer has a thing."""

AT_ONCE: Final = 1_000
NULL: Final = "urn:ngsi-ld:null"
EMPTY: Final = {
    "zh": "来源里一条记录也没有了：更像是出了错，原有实体全部保留、不作标记",
    "en": "The source has no record at all any more: that looks like a mistake, so every entity "
    "stays as it is",
}
Gone = Literal["keep", "delete"]


class Leaving:
    """The entities of one mapping that come and go."""

    def __init__(
        self, link: Accepts, runs: Runs, *, run: Run, clock: Clock, tenant: str, gone: Gone
    ) -> None:
        self._link, self._things, self._run = link, runs.things, run
        self._clock, self._tenant, self._gone = clock, tenant, gone
        self._any_ended: bool | None = None

    async def returned(self, ids: Sequence[str]) -> list[Update]:
        """Updates that take the mark from those that were gone and are there again."""
        run = self._run
        if self._any_ended is None:
            self._any_ended = await self._things.any_ended(run.source, run.mapping)
        if not self._any_ended or self._gone == "delete":
            return []
        back = await self._things.ended_among(run.source, run.mapping, ids)
        return [Update({"id": one, ENDED: NULL}, "amend") for one in back]

    async def finish(self, source: str, *, whole: bool) -> Landed:
        """Everything was read: what did not come is gone. A load that was not `whole` ends
        nothing: what cannot be read today is not gone."""
        run, count = self._run, 0
        first = await self._things.absent(run.source, run.mapping, limit=AT_ONCE)
        if whole and first and not await self._things.any_seen(run.source, run.mapping):
            return Landed(landed=0, messages=[EMPTY])
        while whole and first:
            count += await self._end(source, first)
            first = await self._things.absent(run.source, run.mapping, limit=AT_ONCE)
        await self._things.turn(run.source, run.mapping)
        return Landed(landed=count, messages=[self._said(count)] if count else [])

    async def _end(self, source: str, ids: Sequence[str]) -> int:
        """These are gone: how many of them no other mapping of the source has; durable when it
        returns, once more changes nothing."""
        run, now_us = self._run, self._clock.now_us()
        there = await self._things.elsewhere(run.source, run.mapping, ids)
        digest = hashlib.blake2b("\n".join(ids).encode(), digest_size=8).hexdigest()
        key = f"{run.number}/{run.mapping}/gone {now_us} {digest}"
        updates = [self._ending(one, now_us) for one in ids if one not in there]
        for at in range(0, len(updates), AT_ONCE):
            part = updates[at : at + AT_ONCE]
            await self._link.accept(Batch(source, self._tenant, f"{key}#{at}", part, quiet=True))
        await self._things.end(run.source, run.mapping, ids, now_us)
        self._any_ended = True
        return len(updates)

    async def removed(self, source: str, ids: Sequence[str]) -> Landed:
        """The source says that it deleted these."""
        count = await self._end(source, ids) if ids else 0
        return Landed(landed=count, messages=[self._said(count)] if count else [])

    def _ending(self, id: str, now_us: int) -> Update:
        if self._gone == "delete":
            return Update({"id": id}, "delete")
        at: dict[str, Any] = {"@type": "DateTime", "@value": iso(now_us)}
        return Update({"id": id, ENDED: {"type": "Property", "value": at}}, "amend")

    def _said(self, count: int) -> dict[str, str]:
        if self._gone == "delete":
            return {
                "zh": f"{count} 个实体已不在来源中，已从公共情境删除",
                "en": f"{count} entities are no longer in the source and were deleted",
            }
        return {
            "zh": f"{count} 个实体已不在来源中，保留并标明终止时间（endedAt）",
            "en": f"{count} entities are no longer in the source; they stay, marked with endedAt",
        }
