"""Signing keys of this node and of its organisations, and the public keys of everybody known.

Ed25519. Private keys lie in `DATA/keys/` (folder 0700, files 0600) and never leave it; a public key
is told as base64 of its 32 bytes and called by its key id: the first 16 hex signs of its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pintu.kernel.errors import BadRequestData, ConfigurationError, DiskFull
from pintu.kernel.identity.tokens import write_private

NODE: Final = "node"
"""The name of the node's own key; an organisation's key is called `org.ID`."""

NAME: Final = re.compile(r"node|log|org\.[a-z][a-z0-9-]{0,62}")
SECRET: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}(\.[0-9]{1,6})?")


class SigningKey:
    """One private key in memory."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes_raw()
        self.public = base64.b64encode(raw).decode()
        self.key_id = key_id(raw)

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes)."""
        return self._private.sign(message)


class Keys:
    """The private keys of one data folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, SigningKey] = {}

    def signer(self, name: str = NODE) -> SigningKey:
        """The key of that name; ConfigurationError for one that cannot be read, DiskFull."""
        found = self._open.get(name)
        if found is None:
            if not NAME.fullmatch(name):
                raise BadRequestData(f"{name[:80]!r} is no name of a key")
            found = self._open[name] = SigningKey(self._load(name))
        return found

    def next(self, name: str) -> SigningKey:
        """A key that is to take the place of the one of that name; made once, until it does."""
        return SigningKey(self._load(f"{name}.next"))

    def take_next(self, name: str) -> SigningKey:
        """From here on the next key is the one of that name; the one before is gone."""
        new = self._folder / f"{name}.next.pem"
        try:
            if not new.exists():
                raise ConfigurationError([f"There is no key {new} to take"])
            new.replace(self._folder / f"{name}.pem")
        except OSError as error:
            raise DiskFull(f"Key {new} cannot be taken: {error.strerror}") from error
        self._open.pop(name, None)
        return self.signer(name)

    def secret(self, name: str, *, make: bool = True) -> bytes | None:
        """32 random bytes that are kept for good under that name, for keyed digests; None when
        there are none and none are to be made. Raises as `signer`.
        """
        if not SECRET.fullmatch(name):
            raise BadRequestData(f"{name[:80]!r} is no name of a secret")
        path = self._folder / f"{name}.secret"
        text = self._read(path)
        if not text:
            if not make:
                return None
            text = secrets.token_hex(32).encode()
            write_private(path, text.decode())
        try:
            return bytes.fromhex(text.decode("ascii"))
        except ValueError as error:
            raise ConfigurationError([f"Secret {path} cannot be read: {error}"]) from error

    def keep_secret(self, name: str, raw: bytes) -> None:
        """Keep 32 bytes under a name that has none yet; what is there stays."""
        if self.secret(name, make=False) is None:
            write_private(self._folder / f"{name}.secret", raw.hex())

    def _read(self, path: Path) -> bytes:
        """What a file of the folder holds; b"" when it is not there."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(self._folder, 0o700)
            return path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise DiskFull(f"Key folder {self._folder} cannot be used: {error.strerror}") from error

    def _load(self, name: str) -> Ed25519PrivateKey:
        path = self._folder / f"{name}.pem"
        text = self._read(path)
        if not text:
            made = Ed25519PrivateKey.generate()
            pem = made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            write_private(path, pem.decode().strip())
            return made
        try:
            found = serialization.load_pem_private_key(text, None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError([f"Key {path} cannot be read: {error}"]) from error
        if not isinstance(found, Ed25519PrivateKey):
            raise ConfigurationError([f"Key {path} is not an Ed25519 key"])
        return found


def key_id(public: bytes) -> str:
    """How a public key (32 bytes) is called."""
    return hashlib.sha256(public).hexdigest()[:16]


def verified(public: str, signature: bytes, message: bytes) -> bool:
    """Whether the owner of a public key (base64) signed this; False for anything malformed."""
    try:
        raw = base64.b64decode(public, validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True
