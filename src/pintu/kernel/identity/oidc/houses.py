"""What other houses tell of themselves: discovery and keys, fetched through the guard and kept."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.egress import CONNECT_TIMEOUT_S, TOTAL_TIMEOUT_S, Egress
from pintu.kernel.errors import TooLarge, Unauthorized, Unavailable
from pintu.kernel.identity.oidc.checking import Expected, verified
from pintu.kernel.identity.oidc.words import Issuer

DOCUMENT_S: Final = 3600
KEYS_S: Final = 3600
AGAIN_S: Final = 60
"""An unknown key makes us ask again, so often at most: nobody sends us asking with made-up keys."""
LARGEST: Final = 200_000
NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(slots=True)
class Known:
    """What one house told, and when."""

    document: dict[str, Any] = field(default_factory=dict)
    document_us: int = 0
    keys: list[dict[str, Any]] = field(default_factory=list)
    keys_us: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Houses:
    """Asks other houses; remembers what they said."""

    def __init__(self, egress: Egress, clock: Clock) -> None:
        self._egress, self._clock = egress, clock
        self._known: dict[str, Known] = {}

    async def document(self, issuer: Issuer) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, 4); Unavailable for one that is
        not of this issuer or lacks what is needed."""
        known = self._known.setdefault(issuer.issuer, Known())
        async with known.lock:
            now_us = self._clock.now_us()
            if now_us - known.document_us < DOCUMENT_S * 1_000_000 and known.document:
                return known.document
            url = issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
            told = await self._fetch(url)
            if told.get("issuer") != issuer.issuer:
                raise Unavailable(f"{url} speaks for another issuer")
            for name in NEEDED:
                address = told.get(name)
                if not isinstance(address, str) or not _as_safe(address, issuer.issuer):
                    raise Unavailable(f"{url} has no {name} that can be used")
            known.document, known.document_us = told, now_us
            return told

    async def check(self, issuer: Issuer, token: str, expected: Expected) -> dict[str, Any]:
        """The claims of an ID token that holds; Unauthorized, Unavailable."""
        try:
            return verified(token, await self._keys(issuer, again=False), expected)
        except Unauthorized as error:
            if "unknownKey" not in error.extra:
                raise
            return verified(token, await self._keys(issuer, again=True), expected)

    async def _keys(self, issuer: Issuer, *, again: bool) -> list[dict[str, Any]]:
        document = await self.document(issuer)
        known = self._known[issuer.issuer]
        async with known.lock:
            now_us = self._clock.now_us()
            age_s = (now_us - known.keys_us) / 1_000_000
            if known.keys and (age_s < AGAIN_S or (age_s < KEYS_S and not again)):
                return known.keys
            told = await self._fetch(document["jwks_uri"])
            listed = told.get("keys")
            if not isinstance(listed, list) or len(listed) > 100:
                raise Unavailable(f"{document['jwks_uri']} lists no keys")
            known.keys = [one for one in listed if isinstance(one, dict)]
            known.keys_us = now_us
            return known.keys

    async def _fetch(self, url: str) -> dict[str, Any]:
        fetched = await self._egress.fetch(url, accept="application/json", limit=LARGEST)
        return _object(fetched.body, url)

    async def exchange(self, issuer: Issuer, form: dict[str, str]) -> dict[str, Any]:
        """POST to the token endpoint, as the client that is configured, following no redirect;
        Unauthorized when the house refuses, Unavailable when it does not answer."""
        import httpx

        document = await self.document(issuer)
        url = str(document["token_endpoint"])
        headers = {"Accept": "application/json"}
        told = dict(form)
        if issuer.client_secret_file:
            headers["Authorization"] = _basic(issuer, await asyncio.to_thread(_secret, issuer))
        else:
            told["client_id"] = issuer.client_id
        try:
            async with asyncio.timeout(2 * TOTAL_TIMEOUT_S):
                status, body = await self._post(url, told, headers)
        except TimeoutError as error:
            raise Unavailable(f"{url} does not answer") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"{url} cannot be asked: {type(error).__name__}") from error
        if status in (400, 401, 403):
            raise Unauthorized(f"{issuer.name} refused the sign-in ({status})")
        if status != 200:
            raise Unavailable(f"{url} answered {status}")
        return _object(body, url)

    async def _post(
        self, url: str, form: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        import httpx

        target = await self._egress.target(url)
        timeout = httpx.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        original = httpx.URL(url)
        pinned = original.copy_with(host=target.address)
        lines = {**headers, "Host": original.netloc.decode("ascii")}
        extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            request = client.build_request(
                "POST", pinned, data=form, headers=lines, extensions=extensions
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise TooLarge(f"{url} answered with more than {LARGEST} bytes")
                return response.status_code, bytes(body)
            finally:
                await response.aclose()


def _secret(issuer: Issuer) -> str:
    try:
        return issuer.secret()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"The secret for {issuer.name} cannot be read") from error


def _basic(issuer: Issuer, secret: str) -> str:
    """RFC 6749, 2.3.1: both parts are form-encoded first."""
    pair = f"{quote(issuer.client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _as_safe(address: str, issuer: str) -> bool:
    """An endpoint is reached over TLS wherever the issuer is."""
    parts = urlsplit(address)
    return bool(parts.hostname) and parts.scheme in ("https", urlsplit(issuer).scheme)


def _object(body: bytes, url: str) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{url} did not answer with JSON") from error
    if not isinstance(told, dict):
        raise Unavailable(f"{url} did not answer with a JSON object")
    return told
