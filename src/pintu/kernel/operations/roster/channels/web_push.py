"""Web push: a message sealed for one browser (RFC 8291, RFC 8188) and sent in this city's name
(VAPID, RFC 8292). The sealing is pure: its key pair and salt are handed in."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pintu.kernel.calling import Ask, Caller
from pintu.kernel.operations.roster.channels import webhook
from pintu.kernel.operations.roster.channels.template import values_of
from pintu.kernel.operations.roster.words import Envelope, Outcome

CURVE: Final = ec.SECP256R1()
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RECORD: Final = 4_096
MOST_TEXT: Final = 3_000
"""Bytes of a payload; a push service takes 4,096 with everything around it."""

KEPT_S: Final = {"ring": 900}
"""How long a push service keeps a message for a browser that is away; others an hour."""


def seal(
    payload: bytes, browser: bytes, auth: bytes, own: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """The body of a push: `payload` that only the browser with that public key (65 bytes) and
    secret (16 bytes) can read. `own` and `salt` (16 bytes) are used once."""
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, browser)
    ours = public_bytes(own)
    shared = own.exchange(ec.ECDH(), theirs)
    material = _derive(shared, auth, b"WebPush: info\x00" + browser + ours, 32)
    key = _derive(material, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derive(material, salt, b"Content-Encoding: nonce\x00", 12)
    head = salt + RECORD.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return head + AESGCM(key).encrypt(nonce, payload + b"\x02", None)


def _derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(material)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def signing_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of this city among push services, from 32 random bytes that are kept."""
    return ec.derive_private_key(int.from_bytes(secret, "big") % (ORDER - 1) + 1, CURVE)


def authorization(
    key: ec.EllipticCurvePrivateKey, endpoint: str, subject: str, until_s: int
) -> str:
    """The Authorization header for a push service: who sends, until when that holds (epoch s)."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": until_s, "sub": subject}
    told = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
    r, s = decode_dss_signature(key.sign(told.encode(), ec.ECDSA(hashes.SHA256())))
    signature = b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={told}.{signature}, k={b64(public_bytes(key))}"


def _json(value: object) -> str:
    return b64(json.dumps(value, separators=(",", ":")).encode())


def b64(raw: bytes) -> str:
    """base64url without its end signs."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_b64(text: str) -> bytes:
    """The bytes of base64url; ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_of(envelope: Envelope) -> bytes:
    """What the page's worker gets: title, text, severity, and the page to open."""
    values = values_of(envelope)
    message = envelope.message
    told = {name: values[name] for name in ("title", "text", "severity", "subject", "kind", "city")}
    told |= {"link": message.link or "/duty", "key": envelope.key}
    while len(body := json.dumps(told, ensure_ascii=False).encode()) > MOST_TEXT:
        told["text"] = told["text"][: len(told["text"]) // 2]
    return body


async def send(
    caller: Caller,
    envelope: Envelope,
    key: ec.EllipticCurvePrivateKey,
    vouch: tuple[str, int],
) -> Outcome:
    """Push one envelope to a browser; `vouch` is (who answers for this city, until when)."""
    reach = envelope.reach
    try:
        browser, auth = (from_b64(reach.secrets[name]) for name in ("p256dh", "auth"))
        own = ec.generate_private_key(CURVE)
        body = seal(payload_of(envelope), browser, auth, own, secrets.token_bytes(16))
    except (ValueError, KeyError):
        return Outcome(taken=False, gone=True, detail="The browser's keys cannot be read")
    topic = hashlib.sha256(envelope.message.subject.encode()).digest()[:24]
    ask = Ask(
        method="POST",
        url=reach.address,
        headers=(
            ("Authorization", authorization(key, reach.address, *vouch)),
            ("Content-Encoding", "aes128gcm"),
            ("Content-Type", "application/octet-stream"),
            ("TTL", str(KEPT_S.get(envelope.message.kind, 3_600))),
            ("Urgency", "high"),
            ("Topic", b64(topic)),
        ),
        body=body,
        timeout_s=webhook.TIMEOUT_S,
        limit=webhook.MOST_ANSWER,
    )
    outcome = await webhook.post(caller, ask)
    if outcome.detail.endswith(("404", "410")):  # that subscription is over (RFC 8030, 7.3)
        return Outcome(taken=False, gone=True, detail="The browser does not listen any more")
    return outcome
