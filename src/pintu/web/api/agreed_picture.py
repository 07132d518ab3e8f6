"""The picture of what an agreement lets be seen: points, open alerts and names of narrowed things.

It is made of nothing else, so that no count, legend, cell or search can tell of anything outside.
Whoever asks was let through by the gate a moment before; a picture is only kept for moments, so
that the parts of one page need not read the same things again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import BadRequestData, TooComplex
from pintu.kernel.store.port import settled
from pintu.web.agreed import MOST, within
from pintu.web.api.names import Called, called, texts_of
from pintu.web.api.picture import LOAD_PAGE, Picture, Pictures

if TYPE_CHECKING:
    from pintu.kernel.access import Projection
    from pintu.web.visit import Visit

KEPT: Final = 4
KEPT_S: Final = 3.0


class AgreedPicture(Picture):
    """Loaded once; nothing changes it."""

    visit: Visit

    async def _load(self) -> None:
        self.names: dict[str, Called] = {}
        visit, see = self.visit, self.visit.see
        asked = within(visit, Selection(tenant=self.tenant, limit=LOAD_PAGE))
        for offset in range(0, MOST + LOAD_PAGE, LOAD_PAGE):
            if offset > MOST:
                raise TooComplex(f"This agreement is about more than {MOST:,} things: list them")
            # how many may be sent at once is counted of what is drawn, not of what is looked at
            step = replace(asked, offset=offset, limit=LOAD_PAGE)
            page = await settled(self.rooms.store.select(step))
            for record in page.records:
                entity = see(orjson.loads(record.body))
                if entity:
                    self._narrowed(record.id, tuple(visit.types(record.types)), entity)
            if len(page.records) < LOAD_PAGE:
                break
        self._waiting = None

    def _narrowed(self, id: str, types: tuple[str, ...], entity: dict[str, object]) -> None:
        self._show(id, types, entity, 0)
        texts = texts_of(entity)
        if texts:
            self.names[id] = called(texts)


class AgreedPictures:
    """The last few, by agreement as it was compiled: another version or schema is another one."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._known: dict[str, tuple[Projection, float, AgreedPicture]] = {}

    async def of(self, visit: Visit) -> AgreedPicture:
        """The picture of a visit's agreement; TooComplex for one about too many things."""
        name = f"{visit.projection.agreement} {visit.number}"
        known = self._known.get(name)
        if (
            known is not None
            and known[0] is visit.projection
            and time.monotonic() - known[1] < KEPT_S
        ):
            return known[2]
        made = AgreedPicture(self._pictures.rooms, visit.number, self._pictures.looks)
        made.visit = visit
        await made.ready()
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[name] = (visit.projection, time.monotonic(), made)
        return made


async def picture_for(pictures: Pictures, visit: Visit) -> Picture:
    """The living picture of a tenant, or that of the agreement the visit names."""
    return await pictures.agreed.of(visit) if visit.agreed else await pictures.of(visit.number)


def no_past(visit: Visit) -> None:
    """BadRequestData for a map of another moment under an agreement: it covers what is."""
    if visit.agreed:
        raise BadRequestData("Under an agreement the map is of now")
