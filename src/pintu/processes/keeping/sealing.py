"""Keys inside a backup: under a passphrase (scrypt, AES-256-GCM), so that who finds the backup
cannot speak as the city.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pintu.kernel.errors import ConfigurationError, PintuError

HEAD: Final = b"PINTU-SEALED-1\n"
SALT, NONCE, KEY = 16, 12, 32
COST: Final = 2**15
LEAST: Final = 12
"""Signs of a passphrase."""


class WrongPassphrase(PintuError):
    """What was sealed was not sealed with this passphrase, or was changed since."""


class Passphrase:
    """One passphrase; deriving a key takes 0.1 s, so each salt's is kept."""

    def __init__(self, text: str) -> None:
        if len(text) < LEAST:
            raise ConfigurationError([f"A passphrase has at least {LEAST} signs"])
        self._text = text.encode()
        self._keys: dict[bytes, AESGCM] = {}
        self._salt = os.urandom(SALT)

    def _key(self, salt: bytes) -> AESGCM:
        if salt not in self._keys:
            raw = Scrypt(salt=salt, length=KEY, n=COST, r=8, p=1).derive(self._text)
            self._keys[salt] = AESGCM(raw)
        return self._keys[salt]

    def seal(self, content: bytes, name: str) -> bytes:
        """The content under the passphrase; `name` says what it is and must be told to open it."""
        nonce = os.urandom(NONCE)
        box = self._key(self._salt).encrypt(nonce, content, name.encode())
        return HEAD + self._salt + nonce + box

    def open(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under that name; WrongPassphrase."""
        if not sealed.startswith(HEAD):
            raise WrongPassphrase(f"{name} is not sealed with a passphrase")
        salt, rest = sealed[len(HEAD) :][:SALT], sealed[len(HEAD) + SALT :]
        try:
            return self._key(salt).decrypt(rest[:NONCE], rest[NONCE:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise WrongPassphrase(
                f"{name} does not open: another passphrase, or it was changed"
            ) from error


def is_secret(name: str) -> bool:
    """Is a file of the data folder (its relative path) one that lets somebody speak as the city?"""
    return name == "admin.token" or name.split("/")[0] == "keys"


def read_passphrase(path: Path) -> Passphrase:
    """The first line of a file; ConfigurationError when there is none."""
    try:
        text = path.read_text("utf-8").split("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"The passphrase file {path} cannot be read: {error}"]) from error
    return Passphrase(text)
