"""The picture of one tenant as of a moment: what the map shows while its time slider is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pintu.kernel.clock import iso
from pintu.kernel.context.scalars import check_time
from pintu.kernel.context.selection import Selection
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.errors import BadRequestData, OperationNotSupported
from pintu.web.api.picture import Picture, Pictures

if TYPE_CHECKING:
    from pintu.kernel.analytics.moments import Moment
    from pintu.web.rooms import Rooms

KEPT: Final = 4
"""Moments that are remembered: a map that is moved asks for the same one again."""
DEADLINE_S: Final = 20.0
MOST: Final = 20_000


class PastPicture(Picture):
    """Loaded once from a moment; nothing changes it."""

    moment: Moment

    def now_us(self) -> int:
        """What was open then is open."""
        return self.moment.at_us

    async def _load(self) -> None:
        asked = Selection(tenant=self.tenant, limit=MOST)
        for record in (await self.moment.select(asked)).records:
            self._take(record)
        self._waiting = None


async def past_picture(pictures: Pictures, tenant: int, at: str) -> PastPicture:
    """The picture as of a moment, to the second; raises BadRequestData for one that cannot be
    told, TooComplex and DeadlineExceeded where that is too much work.
    """
    at_us = await checked_moment(pictures.rooms, at) // 1_000_000 * 1_000_000
    known = pictures.past.get((tenant, at_us))
    if known is None:
        history = pictures.rooms.history
        assert history is not None
        known = PastPicture(pictures.rooms, tenant, pictures.looks)
        known.moment = history.moment(at_us, deadline_s=DEADLINE_S)
        await known.ready()
        while len(pictures.past) >= KEPT:
            pictures.past.pop(next(iter(pictures.past)))
        pictures.past[tenant, at_us] = known
    return known


async def checked_moment(rooms: Rooms, text: str) -> int:
    """The moment in µs; raises BadRequestData for one ahead of the clock, or before what is still
    known.
    """
    history = getattr(rooms, "history", None)
    if history is None:
        raise OperationNotSupported("This city keeps no history: at cannot be asked for")
    at_us, now_us = micros(check_time(text, "at")), rooms.clock.now_us()
    if at_us > now_us:
        raise BadRequestData(f"at is {text}, which lies ahead: it is {iso(now_us)} here")
    begins_us = await history.begins_us()
    if at_us < begins_us:
        raise BadRequestData(f"at is {text}, before this city's history: {iso(begins_us)} at first")
    return at_us
