"""The past of entities read from the log itself: every row is still there."""

from __future__ import annotations

import asyncio
from typing import Any

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change, Store, settled

STEP = 1_000


class LogPast:
    """`port.Past` over a store's log: a chain walked backwards, whatever times are asked for. A
    reading that was observed long ago may have come yesterday, so nothing can be left out.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def rows(
        self,
        tenant: int,
        id: str,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int,
    ) -> list[Change]:
        """All rows of the entity's chain, oldest first."""
        found: list[Change] = []
        before: int | None = None
        while True:
            page = await settled(self._store.history(tenant, id, before=before, limit=STEP))
            found += page
            if len(found) > limit:
                raise TooComplex(f"Entity {id} has more than {limit} changes: narrow the time")
            if len(page) < STEP:
                found.reverse()
                return found
            before = page[-1].position
            await asyncio.sleep(0)

    async def ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str]:
        """As `Store.past_ids`."""
        return await settled(self._store.past_ids(tenant, types, after, limit))

    def aggregate(self, spec: Any) -> None:
        """Nothing here is kept ready: whoever asks computes it from rows."""
