"""A row of the log: what its writer told, with its time, as the bytes that are hashed and kept."""

from __future__ import annotations

from binascii import hexlify
from os import urandom

import msgspec

from pintu.kernel.access.audited import Entry
from pintu.kernel.errors import BadInput


class Row(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An entry with the time (µs since 1970 UTC, the city's) at which it was handed in, and a
    random word: who sees a leaf's hash cannot find out what the row says by trying.
    """

    at_us: int
    salt: str = ""


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A row where it stands in the log."""

    number: int
    row: Row


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


def row_bytes(entry: Entry, at_us: int, salt: bytes = b"") -> bytes:
    """The row as it is kept: compact JSON, `at_us` first, members without meaning left out. `salt`
    is random unless it is told: letters and digits.
    """
    return b'{"at_us":%d,"salt":"%s",%s' % (at_us, salt or _salt(), _encode(entry)[1:])


class RowForm:
    """Rows that differ by their time, how many rows were told, and the answer: what is equal of
    them is encoded once.
    """

    __slots__ = ("_after", "_before")

    def __init__(self, entry: Entry) -> None:
        """`entry`: what every row says; about nobody in particular and without details."""
        shared = msgspec.structs.replace(entry, rows=0, answer="", schema=0)
        self._before = _encode(shared)[1:-1]
        self._after = b',"schema":%d}' % entry.schema if entry.schema else b"}"

    def row(self, at_us: int, rows: int, answer: str, salt: bytes = b"") -> bytes:
        """The bytes that `row_bytes` gives of the whole entry."""
        told = b',"rows":%d' % rows if rows else b""
        if answer:
            told += b',"answer":"%b"' % answer.encode()
        return b'{"at_us":%d,"salt":"%b",%b%b%b' % (
            at_us, salt or _salt(), self._before, told, self._after,
        )  # fmt: skip


class _Salts:
    """Random words of 16 hex signs; the system is asked for many at once."""

    def __init__(self) -> None:
        self._left: list[bytes] = []

    def __call__(self) -> bytes:
        if not self._left:
            more = hexlify(urandom(8 * 256))
            self._left = [more[at : at + 16] for at in range(0, len(more), 16)]
        return self._left.pop()


_salt = _Salts()


def read_row(body: bytes) -> Row:
    """A row that was kept; BadInput for anything else."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The row cannot be read: {error}") from error
