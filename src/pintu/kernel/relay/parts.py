"""The present of a tenant, told a part at a time, in the order of ids: for a copy that has nothing
yet, or whose reader lost rows that no log has any more.

A part says from which id to which it speaks: what a copy has between them and the part has not is
gone. So parts need no memory, neither here nor there, and may be told again.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pintu.kernel.relay.rows import MOST_BYTES, PART_BYTES, PART_ENTITIES, Part
from pintu.kernel.store.port import Store, settled


async def next_part(
    store: Store, tenant: int, after: str, seen: Callable[[bytes], bytes | None], at_us: int
) -> Part:
    """The part after an id; its `upto` is "" when it is the last. What is larger than a message
    is left out of it and stays as a copy has it."""
    ids = await settled(store.past_ids(tenant, None, after, PART_ENTITIES))
    entities: list[msgspec.Raw] = []
    size = 0
    for number, id in enumerate(ids):
        record = await settled(store.retrieve(tenant, id))
        body = None if record is None else seen(record.body)
        if body is None or len(body) > MOST_BYTES - 10_000:
            continue
        if entities and size + len(body) > PART_BYTES:
            return Part(after=after, upto=ids[number - 1], entities=entities, at_us=at_us)
        entities.append(msgspec.Raw(body))
        size += len(body)
    upto = ids[-1] if len(ids) == PART_ENTITIES else ""
    return Part(after=after, upto=upto, entities=entities, at_us=at_us)
