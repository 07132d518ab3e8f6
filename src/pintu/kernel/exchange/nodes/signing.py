"""The marks of a signed request to another node (RFC 9421), whoever sends it."""

from __future__ import annotations

import secrets

from pintu.kernel.clock import Clock
from pintu.kernel.exchange.nodes import httpsig
from pintu.kernel.identity.keys import NODE, Keys


def signed_request(keys: Keys, clock: Clock, method: str, url: str, body: bytes) -> dict[str, str]:
    """content-digest, signature-input and signature of a request to an absolute address."""
    key = keys.signer(NODE)
    digest = httpsig.content_digest(body)
    text = httpsig.params_text(
        httpsig.REQUEST,
        created=clock.now_us() // 1_000_000,
        nonce=secrets.token_urlsafe(18),
        keyid=key.key_id,
    )
    values = httpsig.request_values(method, url, digest)
    marks = httpsig.signed(values, httpsig.REQUEST, text, key.sign)
    return {"content-digest": digest, **marks}
