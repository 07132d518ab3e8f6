"""What every answer of the screens tells a browser it may do: nothing but what we ship."""

from __future__ import annotations

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


async def headers(message: Message, scope: Scope) -> None:
    """Add the security headers to every response; NGSI-LD (for programs) keeps its own."""
    if message["type"] == "http.response.start" and not scope["path"].startswith("/ngsi-ld/"):
        found = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            found.setdefault(name, value)
