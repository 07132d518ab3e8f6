"""What crosses the wire: a row of the log, or a part of a tenant's present; pure.

A row is relayed as the log has it: a whole document for what was created or replaced, what was
written for what was updated, nothing for what was deleted. So its cost does not depend on how far
behind a relay is, and the copy's history is the original's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from pintu.kernel.context.late import last_write_holds
from pintu.kernel.context.record import PresentVerb
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import Change

MOST_BYTES: Final = 1_040_000
"""Of one message, a little less than a NATS server takes as it comes (max_payload 1 MiB)."""

PART_BYTES: Final = 200_000
PART_ENTITIES: Final = 200

PLACE: Final = "Pintu"
"""One header for all of it: reading a header costs the client more than reading a message."""

MESSAGE_ID: Final = "Nats-Msg-Id"
EXPECTED: Final = "Nats-Expected-Last-Sequence"

_NOTHING: Final = msgspec.Raw(b"null")


class Row(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="row"):
    """One change. `held`: its writer's last write holds, whenever it was observed. `size`: the
    document had so many bytes, too many for a message; then there is no data."""

    id: str
    types: tuple[str, ...]
    verb: PresentVerb
    at_us: int
    held: bool = False
    size: int = 0
    data: msgspec.Raw = _NOTHING


class Part(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="part"):
    """What a tenant has now of ids after `after` up to `upto` ("": to the end), in their order:
    what else a copy has between them is gone."""

    after: str
    upto: str
    entities: list[msgspec.Raw]
    at_us: int


class Headers(NamedTuple):
    """What the header of a message says."""

    city: str
    position: int  # of the sender's log: everything that leaves up to here was sent
    previous: int  # the stream's sequence of the tenant's message before this one; 0: not known


_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Row | Part] = msgspec.json.Decoder(Row | Part)


def row_of(change: Change) -> Row:
    """A row of the log as it is relayed whole."""
    data = msgspec.Raw(change.payload) if change.payload else _NOTHING
    return Row(
        id=change.id,
        types=change.types,
        verb=change.verb,  # type: ignore[arg-type]
        at_us=change.at_us,
        held=last_write_holds(change.source),
        data=data,
    )


def encode(message: Row | Part) -> bytes:
    """A message as bytes; of a row that is too large only its size is told."""
    body = _encode(message)
    if len(body) > MOST_BYTES and isinstance(message, Row):
        size = len(bytes(message.data))
        body = _encode(msgspec.structs.replace(message, data=_NOTHING, size=size))
    return body


def decode(body: bytes) -> Row | Part:
    """The message; BadRequestData for what is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequestData(f"It is not a message of a relay: {error}") from error


def place(headers: Headers) -> str:
    """The header that says which message it is: CITY POSITION PREVIOUS."""
    return f"{headers.city} {headers.position} {headers.previous}"


def headers_of(headers: dict[str, str] | None) -> Headers:
    """What `place` said; BadRequestData when it is missing or none of ours."""
    told: dict[str, Any] = headers or {}
    try:
        city, position, previous = told[PLACE].split(" ")
        found = Headers(city, int(position), int(previous))
    except (KeyError, ValueError) as error:
        raise BadRequestData("It has not the header of a relay's message") from error
    if found.position < 0 or found.previous < 0:
        raise BadRequestData("A position of a relay's message is negative")
    return found
