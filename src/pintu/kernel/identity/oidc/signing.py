"""The key our ID tokens are signed with: RSA, because every program knows RS256."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.identity.tokens import write_private

FILE: Final = "oidc.pem"
BEFORE: Final = "oidc-before.pem"


class TokenKey:
    """The key in `DATA/keys/oidc.pem`, made when it is first needed. To change it, an operator
    renames it to `oidc-before.pem`, whose public half is told until it is taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: list[Any] = []
        self._lock = asyncio.Lock()

    async def keys(self) -> list[Any]:
        """The key, then the one before it."""
        async with self._lock:
            if not self._keys:
                self._keys = await asyncio.to_thread(self._load)
            return self._keys

    async def public(self) -> dict[str, Any]:
        """What programs check our tokens with (RFC 7517)."""
        return {
            "keys": [
                {**one.as_dict(private=False), "use": "sig", "alg": "RS256", "kid": kid_of(one)}
                for one in await self.keys()
            ]
        }

    async def signed(self, claims: dict[str, Any], *, kind: str = "JWT") -> str:
        """A token that says this."""
        from joserfc import jwt

        key = (await self.keys())[0]
        header = {"alg": "RS256", "typ": kind, "kid": kid_of(key)}
        return jwt.encode(header, claims, key, algorithms=["RS256"])

    def _load(self) -> list[Any]:
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        path = self._folder / FILE
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = RSAKey.generate_key(2048)
            write_private(path, made.as_pem(private=True).decode().strip())
        found = []
        for one in (path, self._folder / BEFORE):
            if one.exists():
                try:
                    found.append(RSAKey.import_key(one.read_bytes()))
                except (JoseError, ValueError, OSError) as error:
                    raise ConfigurationError([f"Key {one} cannot be read: {error}"]) from error
        return found


def kid_of(key: Any) -> str:
    """How a key is called: its thumbprint (RFC 7638)."""
    return str(key.thumbprint())


def seconds(us: int) -> int:
    """A time of ours as tokens tell it."""
    return us // 1_000_000
