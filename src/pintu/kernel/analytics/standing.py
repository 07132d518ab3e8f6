"""How an entity stood between two rows of its chain, kept small."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from pintu.kernel.context.standing import Standing

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Standing).decode


def kept(standing: Standing) -> bytes:
    """As it is kept."""
    return zlib.compress(_encode(standing), 1)


NOBODY: Final = kept(Standing(times={}))
"""Nothing was there."""


def read_standing(told: bytes | None) -> Standing:
    """What was kept; None: the entity was not there."""
    return Standing(times={}) if told is None else _decode(zlib.decompress(told))
