"""A place in the feed as an opaque text: callers keep it and hand it back, nothing else."""

from __future__ import annotations

import base64
import binascii

from pintu.kernel.errors import BadRequestData

_MARK = b"p1"


def cursor_of(position: int) -> str:
    """The cursor of a reader that has passed `position`."""
    return base64.urlsafe_b64encode(_MARK + position.to_bytes(8, "big")).decode().rstrip("=")


def position_of(cursor: str) -> int:
    """The position a cursor stands for; BadRequestData when it is none of ours."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestData(f"The cursor {cursor[:40]!r} is not one of this feed") from error
    if len(raw) != 10 or raw[:2] != _MARK:
        raise BadRequestData(f"The cursor {cursor[:40]!r} is not one of this feed")
    return int.from_bytes(raw[2:], "big")
