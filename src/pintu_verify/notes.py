"""Signed heads as text: C2SP signed notes and tlog-checkpoints, Ed25519, cosignature/v1."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST = 64 * 1024
SIGNS, COSIGNS = 1, 4
DASH = "\u2014"
BARE = 44
"""Signs of a key's 32 bytes as base64; with a name and an id there are more."""


class Unreadable(Exception):
    """What was handed in is not what it should be: nothing was checked."""


@dataclass(frozen=True)
class Key:
    """A public key; `name` is empty when only its bytes were told."""

    name: str
    public: bytes

    def of(self, name: str, kind: int) -> bytes:
        """The four bytes by which signatures name it."""
        told = name.encode() + b"\n" + bytes([kind]) + self.public
        return hashlib.sha256(told).digest()[:4]

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Is the signature this key's?"""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_key(told: str) -> Key:
    """`NAME+ID+KEY`, the base64 of 32 bytes, or a file that holds one of them."""
    text = told.strip()
    try:
        if Path(text).is_file():
            text = Path(text).read_text(encoding="utf-8").strip()
    except (OSError, ValueError, UnicodeDecodeError):
        pass
    name, _, rest = text.partition("+")
    digest, _, body = rest.partition("+")
    try:
        if len(digest) == 8 and body and len(text) != BARE:  # a bare key may have two + as well
            raw = base64.b64decode(body, validate=True)
            key = Key(name, raw[1:])
            fits = raw[:1] in (b"\x01", b"\x04") and key.of(name, raw[0]).hex() == digest
        else:
            key = Key("", base64.b64decode(text, validate=True))
            fits = True
    except (ValueError, binascii.Error):
        raise Unreadable(f"{told[:80]!r} is no public key") from None
    if len(key.public) != 32 or not fits:
        raise Unreadable(f"{told[:80]!r} is no public key")
    return key


@dataclass(frozen=True)
class Head:
    """One head as it is written; nothing of it is believed yet."""

    origin: str
    size: int
    root: bytes
    at_us: int | None
    text: str
    lines: tuple[str, ...]

    def signed_by(self, key: Key) -> bool:
        """Did this key sign it, under the name of the log?"""
        for name, blob in map(_signature, self.lines):
            if name == self.origin and blob[:4] == key.of(name, SIGNS):
                return key.signed(blob[4:], self.text.encode())
        return False

    def cosigned_by(self, key: Key) -> int | None:
        """The second at which this key countersigned it, or None."""
        for name, blob in map(_signature, self.lines):
            if (key.name in ("", name)) and blob[:4] == key.of(name, COSIGNS) and len(blob) == 76:
                at_s = int.from_bytes(blob[4:12], "big")
                message = f"cosignature/v1\ntime {at_s}\n{self.text}".encode()
                return at_s if key.signed(blob[12:], message) else None
        return None


def _signature(line: str) -> tuple[str, bytes]:
    name, _, told = line.removeprefix(f"{DASH} ").rpartition(" ")
    try:
        return name, base64.b64decode(told, validate=True)
    except (ValueError, binascii.Error):
        return name, b""


def read_head(told: str) -> Head:
    """A head from its text."""
    if len(told) > MOST or "\n\n" not in told:
        raise Unreadable("A head is no signed note")
    text, _, tail = told.partition("\n\n")
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
        told_at = [line[6:] for line in lines[3:] if line.startswith("at_us ")]
        at_us = int(told_at[0]) if told_at else None
        if not origin or not size.isascii() or not size.isdecimal() or len(root) != 32:
            raise ValueError
        if len(size) > 18 or (size != "0" and size.startswith("0")):
            raise ValueError
    except (ValueError, IndexError, binascii.Error):
        raise Unreadable("A head has no origin, size and root in its first three lines") from None
    signatures = tuple(line for line in tail.split("\n") if line.startswith(f"{DASH} "))
    return Head(origin, int(size), root, at_us, f"{text}\n", signatures)
