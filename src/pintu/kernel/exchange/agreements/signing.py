"""What is signed of an agreement and of a recall: canonical JSON (RFC 8785), Ed25519."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

import msgspec
import rfc8785

from pintu.kernel.errors import BadRequestData
from pintu.kernel.exchange.agreements.words import (
    Agreement,
    Deletion,
    Limits,
    Recall,
    Signature,
    Terms,
)
from pintu.kernel.identity.keys import NODE, Keys, verified

SEAL: Final = b"pintu: seal of stored agreements, 1"
SEALS: Final = "agreements-seal"
"""The secret of the seals of a node whose first key was followed by another one."""

LATER: Final[frozenset[str]] = frozenset()
"""Members that Terms and Limits got after agreements were first signed: told only where they are
set, so that what was signed stays what it is. All others are told always, their defaults too:
whoever signs sees every limit."""


def canonical(agreement: Agreement) -> bytes:
    """What both sides sign: `{id, version, terms}`; BadRequestData for values JSON cannot tell."""
    body = {"id": agreement.id, "version": agreement.version, "terms": told(agreement.terms)}
    return _bytes(body, "terms")


def told(terms: Terms) -> dict[str, Any]:
    """Terms with every member, those that have their default too."""
    found = _whole(terms)
    found["limits"] = _whole(terms.limits)
    return found


def _whole(struct: Terms | Limits) -> dict[str, Any]:
    set_ones = msgspec.to_builtins(struct)
    return {
        one: msgspec.to_builtins(getattr(struct, one))
        for one in struct.__struct_fields__
        if one not in LATER or one in set_ones
    }


def canonical_recall(recall: Recall) -> bytes:
    """What the provider signs when it asks for copies to be deleted."""
    names = ("id", "agreement", "data_set", "provider", "holder", "via", "rows", "why")
    body = {one: getattr(recall, one) for one in names}
    return _bytes(
        {"recall": body | {"asked_us": recall.asked_us, "due_us": recall.due_us}}, "recall"
    )


def canonical_deletion(deletion: Deletion) -> bytes:
    """What the holder signs when it says what it did."""
    names = Deletion.__struct_fields__
    return _bytes({"deletion": {one: getattr(deletion, one) for one in names}}, "deletion")


def _bytes(body: dict[str, Any], what: str) -> bytes:
    try:
        return rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError) as error:
        raise BadRequestData(f"The {what} cannot be signed: {error}") from error


class Signatures:
    """Signs for organisations of this node, and knows whose signature is whose."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._secret = keys.secret(SEALS, make=False) or first_seal(keys)

    def sign(self, organisation: str, message: bytes, at_us: int) -> Signature:
        """An organisation's signature; BadRequestData for one of another node."""
        key = self._keys.signer(f"org.{organisation}")
        return Signature(
            organisation=organisation,
            key_id=key.key_id,
            public=key.public,
            at_us=at_us,
            signature=base64.b64encode(key.sign(message)).decode(),
        )

    def own_key(self, organisation: str) -> str:
        """The public key (base64) of an organisation of this node; "" for one of another."""
        if "@" in organisation:
            return ""
        return self._keys.signer(f"org.{organisation}").public

    def seal(self, body: bytes) -> bytes:
        """What shows that this node wrote a stored row as it stands."""
        return hmac.digest(self._secret, body, "sha256")

    def sealed(self, body: bytes, seal: bytes) -> bool:
        """Whether a stored row is as this node wrote it."""
        return hmac.compare_digest(self.seal(body), seal)


def first_seal(keys: Keys) -> bytes:
    """What the seals are made with as long as the node has its first key."""
    return hashlib.sha256(keys.signer(NODE).sign(SEAL)).digest()


def holds(signature: Signature, message: bytes) -> bool:
    """Whether a signature is one of the key it names; whose key that is must be asked besides."""
    try:
        raw = base64.b64decode(signature.signature, validate=True)
    except ValueError:
        return False
    return verified(signature.public, raw, message)
