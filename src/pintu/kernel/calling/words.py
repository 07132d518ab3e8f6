"""What is asked, what is answered, and the few ways in which neither comes about."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.errors import PintuError, Unavailable

Kind = Literal["refused", "timeout", "garbage", "closed", "unknown", "tls", "busy"]
"""refused: nobody listens there · timeout · garbage: it does not speak HTTP, or against its rules ·
closed: it let go before it answered · unknown: the name has no address · tls: its certificate is
not believed · busy: too many calls to it wait already."""

MOST_BODY: Final = 4_000_000


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `headers` are sent as they are, but for those that frame a message: they are
    ours. `limit` bounds the body of the answer in bytes, `timeout_s` the whole call."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout_s: float = 5.0
    limit: int = MOST_BODY


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answer, whatever its status; header names in small letters, repeated ones joined by
    ", "."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def failure(kind: Kind, detail: str) -> Unavailable:
    """What the other side, or the way to it, did wrong."""
    return Unavailable(detail if kind in detail else f"{detail} ({kind})", kind=kind)


def kind_of(error: PintuError) -> str:
    """The kind of a failed call; "" for an error that is none."""
    return str(error.extra.get("kind", ""))
