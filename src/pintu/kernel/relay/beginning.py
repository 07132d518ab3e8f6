"""Where the outgoing half begins: the city's stream, its newest message, and whether that tells of
the log that is here."""

from __future__ import annotations

import contextlib
import logging
from typing import Final

from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.relay import names
from pintu.kernel.relay.bus import Bus, Kept, Refusal, Stream
from pintu.kernel.relay.rows import Row, decode, headers_of
from pintu.kernel.relay.words import Relay
from pintu.kernel.store.port import Store, settled

log = logging.getLogger("pintu.relay")

DUPLICATES_S: Final = 120
EXISTS: Final = 10058
FULL: Final = 10047
DAY_S: Final = 86_400

LOOKED_THROUGH: Final = 1_000
"""Newest messages of a stream that are looked through for one of ours."""


async def open_stream(bus: Bus, told: Relay) -> Stream:
    """The city's stream, made where there is none. Raises Unavailable when it cannot be."""
    name = names.stream(told.city)
    found = await bus.find_stream(name)
    if found is not None:
        return found
    age_s = int(told.max_age_days * DAY_S)
    config = {
        "name": name,
        "subjects": [names.all_of(told.city)],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": told.replicas,
        "max_age": age_s * 1_000_000_000,
        "max_bytes": told.max_mb * 1_000_000,
        "duplicate_window": min(DUPLICATES_S, age_s) * 1_000_000_000,
    }
    try:
        await bus.api(f"STREAM.CREATE.{name}", config)
    except Refusal as error:
        if error.error == FULL:
            size = f"{told.max_mb} MB in {told.replicas} replicas"
            said = f"NATS has no room for a stream of {size}: {error.detail}"
            raise Unavailable(said) from error
        if error.error != EXISTS:
            raise
    found = await bus.find_stream(name)
    if found is None:
        raise Unavailable(f"The stream {name} was made and is not there")
    log.info("The stream %s was made, %d replicas", name, told.replicas)
    return found


async def newest_of(bus: Bus, city: str, stream: Stream) -> Kept | None:
    """The newest message of ours: what others put behind it, who may not, is passed over."""
    name = names.stream(city)
    for sequence in range(stream.last, max(stream.last - LOOKED_THROUGH, 0), -1):
        found = await bus.find_message(name, {"seq": sequence})
        if found is None:
            continue
        with contextlib.suppress(BadRequestData):
            if headers_of(found.headers).city == city:
                return found
    return None


async def is_of(store: Store, newest: Kept, head: int) -> bool:
    """Whether the log still has the row that the stream's newest message tells of."""
    position = headers_of(newest.headers).position
    if position > head:
        return False
    try:
        message = decode(newest.body)
    except BadRequestData:
        return False
    rows = await settled(store.changes(position - 1, 1)) if position else []
    if not rows or rows[0].position != position or not isinstance(message, Row):
        return True
    return (rows[0].id, rows[0].at_us) == (message.id, message.at_us)
