"""Heads of the log as text: C2SP tlog-checkpoint in a signed note, countersigned (cosignature/v1).

Pure. `NAME+ID+KEY` is how a public key is told with its name (a note's verifier key): what is
needed to check a head, and no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

import msgspec

from pintu.kernel.errors import BadInput
from pintu.kernel.identity.keys import SigningKey, verified

ED25519: Final = b"\x01"
COSIGNATURE: Final = b"\x04"
MOST_BYTES: Final = 64 * 1024
"""Of a head with all its signatures."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A head as its text says: whose log, how many rows, the root over them, when it was signed."""

    origin: str
    size: int
    root: bytes
    at_us: int = 0
    text: str = ""  # the part that is signed
    signatures: tuple[str, ...] = ()  # whole lines


def key_hash(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """The four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def verifier_key(name: str, public: str, kind: bytes = ED25519) -> str:
    """A public key (base64) with its name as one word."""
    raw = base64.b64decode(public)
    told = base64.b64encode(kind + raw).decode()
    return f"{name}+{key_hash(name, raw, kind).hex()}+{told}"


def body_of(origin: str, size: int, root: bytes, at_us: int) -> str:
    """The text that is signed. The fourth line is ours: the city's time in µs."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\nat_us {at_us}\n"


def signed(text: str, name: str, key: SigningKey) -> str:
    """The text with its signature: a head."""
    told = base64.b64decode(key.public)
    blob = base64.b64encode(key_hash(name, told) + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {name} {blob}\n"


def cosigned(text: str, name: str, key: SigningKey, at_s: int) -> str:
    """One line: we saw this head, at that second, and nothing we saw before speaks against it."""
    told = base64.b64decode(key.public)
    message = f"cosignature/v1\ntime {at_s}\n{text}".encode()
    blob = key_hash(name, told, COSIGNATURE) + at_s.to_bytes(8, "big") + key.sign(message)
    return f"\u2014 {name} {base64.b64encode(blob).decode()}"


def read_head(told: str) -> Head:
    """A head with its signatures, not yet checked; BadInput for anything that is none."""
    try:
        if len(told) > MOST_BYTES:
            raise ValueError("it is too long")
        text, _, tail = told.partition("\n\n")
        origin, size, root, *more = text.split("\n")
        if not origin or not size.isascii() or not size.isdecimal() or len(size) > 18:
            raise ValueError("its origin or size is none")
        if len(size) > 1 and size.startswith("0"):
            raise ValueError("its size begins with 0")
        raw = base64.b64decode(root, validate=True)
        if len(raw) != 32:
            raise ValueError("its root is no SHA-256")
        lines = tail.removesuffix("\n").split("\n") if tail else []
        at_us = next((int(one[6:]) for one in more if one.startswith("at_us ")), 0)
    except (ValueError, binascii.Error) as error:
        raise BadInput(f"This is no head of a log: {error}") from error
    return Head(origin=origin, size=int(size), root=raw, at_us=at_us, text=f"{text}\n",
                signatures=tuple(lines))  # fmt: skip


def signature_of(line: str) -> tuple[str, bytes]:
    """(name, key hash and signature) of a signature line; BadInput."""
    dash, _, rest = line.partition(" ")
    name, _, told = rest.rpartition(" ")
    try:
        blob = base64.b64decode(told, validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadInput("A signature line of the head cannot be read") from error
    if dash != "\u2014" or not name or len(blob) < 5:
        raise BadInput("A signature line of the head cannot be read")
    return name, blob


def is_signed(head: Head, name: str, public: str) -> bool:
    """Did the owner of the public key (base64) sign this head under that name?"""
    known = key_hash(name, base64.b64decode(public))
    for line in head.signatures:
        who, blob = signature_of(line)
        if who == name and blob[:4] == known:
            return verified(public, blob[4:], head.text.encode())
    return False


def cosigned_at(head: Head, line: str, name: str, public: str) -> int | None:
    """The second (since 1970 UTC) at which its owner countersigned the head; None: not so."""
    who, blob = signature_of(line)
    if who != name or blob[:4] != key_hash(name, base64.b64decode(public), COSIGNATURE):
        return None
    at_s = int.from_bytes(blob[4:12], "big")
    message = f"cosignature/v1\ntime {at_s}\n{head.text}".encode()
    return at_s if verified(public, blob[12:], message) else None
