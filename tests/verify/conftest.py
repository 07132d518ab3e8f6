"""A made-up log with heads, signed with a key of its own: what a stranger may be handed."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pintu_verify.merkle import leaf_of
from tests.kernel.audit import naive

START_US = 1_763_873_000_000_000


class Signer:
    """A key with a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.generate()
        self.raw = self._private.public_key().public_bytes_raw()

    def told(self, kind: int = 1) -> str:
        """NAME+ID+KEY."""
        body = base64.b64encode(bytes([kind]) + self.raw).decode()
        return f"{self.name}+{self.id(kind).hex()}+{body}"

    def id(self, kind: int) -> bytes:
        """Four bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([kind]) + self.raw).digest()[:4]

    def sign(self, text: str) -> str:
        """A line."""
        blob = base64.b64encode(self.id(1) + self._private.sign(text.encode())).decode()
        return f"\u2014 {self.name} {blob}\n"

    def cosign(self, text: str, at_s: int) -> str:
        """A countersignature's line."""
        message = f"cosignature/v1\ntime {at_s}\n{text}".encode()
        blob = self.id(4) + at_s.to_bytes(8, "big") + self._private.sign(message)
        return f"\u2014 {self.name} {base64.b64encode(blob).decode()}\n"


@dataclass
class Log:
    """Rows and heads; `write` makes the file of an export."""

    rows: list[bytes] = field(default_factory=list)
    heads: list[tuple[int, str]] = field(default_factory=list)
    city: Signer = field(default_factory=lambda: Signer("city.example"))
    at_us: int = START_US

    def add(self, count: int, **more: Any) -> None:
        """Rows, a second apart."""
        for _ in range(count):
            self.at_us += 1_000_000
            row = {"at_us": self.at_us, "what": "read", "n": len(self.rows), **more}
            self.rows.append(json.dumps(row).encode())

    def text(self, size: int | None = None, at_us: int | None = None) -> str:
        """What is signed of a head."""
        of = self.rows[:size]
        root = naive.root([leaf_of(row) for row in of])
        told = base64.b64encode(root).decode()
        return f"{self.city.name}\n{len(of)}\n{told}\nat_us {at_us or self.at_us}\n"

    def seal(self, at_us: int | None = None) -> str:
        """A head over all rows."""
        text = self.text(at_us=at_us)
        head = f"{text}\n{self.city.sign(text)}"
        self.heads.append((len(self.rows), head))
        return head

    def write(self, path: Path, rows: list[tuple[int, bytes]] | None = None) -> str:
        """The export; of other rows with the same heads when they are told."""
        numbered = rows if rows is not None else list(enumerate(self.rows, 1))
        lines: list[Any] = [{"format": "pintu-log/1", "origin": self.city.name}]
        for place, (number, row) in enumerate(numbered, 1):
            lines.append([number, row.decode()])
            lines += [{"head": head} for size, head in self.heads if size == place]
        path.write_text("".join(json.dumps(one) + "\n" for one in lines))
        return str(path)


@pytest.fixture
def log() -> Log:
    """Three heads over 40 rows, and two rows that are not sealed."""
    made = Log()
    for count in (7, 13, 20):
        made.add(count)
        made.seal()
    made.add(2)
    return made
