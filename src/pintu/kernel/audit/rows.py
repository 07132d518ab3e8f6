"""A row of the log: what its writer told, with its time, as the bytes that are hashed and kept."""

from __future__ import annotations

import msgspec

from pintu.kernel.access.audited import Entry
from pintu.kernel.errors import BadInput


class Row(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An entry with the time (µs since 1970 UTC, the city's) at which it was handed in."""

    at_us: int


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A row where it stands in the log."""

    number: int
    row: Row


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


def row_bytes(entry: Entry, at_us: int) -> bytes:
    """The row as it is kept: compact JSON, `at_us` first, members without meaning left out."""
    return b'{"at_us":%d,%s' % (at_us, _encode(entry)[1:])


def read_row(body: bytes) -> Row:
    """A row that was kept; BadInput for anything else."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The row cannot be read: {error}") from error
