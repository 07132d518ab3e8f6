"""Whether an ID token is what it says: pure, over keys that were fetched before.

OpenID Connect Core 1.0, 3.1.3.7, and RFC 8725: the algorithm is one of ours and fits the key, a key
is found by its id, `none` and anything keyed with a shared secret are nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import warnings
from typing import Any, Final

import msgspec

from pintu.kernel.errors import Unauthorized

KEY_OF: Final = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP", "Ed25519": "OKP",
}  # fmt: skip
"""Algorithm → the kind of key it needs. What is not here is refused."""

DIGEST: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
AHEAD_S: Final = 60
"""How far an issuer's clock may be before ours."""
BEHIND_S: Final = 300
"""How old a token may be that was fetched a moment ago."""
LONGEST: Final = 20_000


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must say."""

    issuer: str
    audience: str
    nonce: str
    now_s: int
    access_token: str = ""


def read_header(token: str) -> dict[str, Any]:
    """The header of a signed token; Unauthorized for what is none, or is signed in a way we do
    not take."""
    if len(token) > LONGEST or token.count(".") != 2:
        raise Unauthorized("The other house answered with something that is no token")
    header = _json(token.partition(".")[0])
    if header.get("alg") not in KEY_OF:
        raise Unauthorized(f"A token signed with {str(header.get('alg'))[:20]!r} is not taken")
    if "crit" in header or "b64" in header:
        raise Unauthorized("A token with critical extensions is not taken")
    return header


def find_key(header: dict[str, Any], keys: list[dict[str, Any]]) -> dict[str, Any]:
    """The key a header names; without a name there must be one of that kind. Unauthorized, with
    `unknownKey`: they may have changed since they were read."""
    kind, alg = KEY_OF[header["alg"]], header["alg"]
    fit = [
        one
        for one in keys
        if one.get("kty") == kind and one.get("use", "sig") == "sig" and one.get("alg", alg) == alg
    ]
    if header.get("kid") is not None:
        fit = [one for one in fit if one.get("kid") == header["kid"]]
    if len(fit) != 1:
        raise Unauthorized("The token's key is not among those of the other house", unknownKey=True)
    return fit[0]


def verified(token: str, keys: list[dict[str, Any]], expected: Expected) -> dict[str, Any]:
    """The claims of a token that holds in every respect; Unauthorized says in which it does not."""
    from joserfc import jws
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    header = read_header(token)
    told = find_key(header, keys)
    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        public = {name: value for name, value in told.items() if name not in ("d", "k")}
        key = kinds[told["kty"]].import_key(public)
        with warnings.catch_warnings():  # EdDSA has a newer name, which few houses use yet
            warnings.simplefilter("ignore", SecurityWarning)
            signed = jws.deserialize_compact(token, key, algorithms=[header["alg"]])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unauthorized("The token's signature does not hold") from error
    claims = _decoded(bytes(signed.payload))
    _check(claims, header, expected)
    return claims


def _check(claims: dict[str, Any], header: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Unauthorized("The token was issued by somebody else")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if expected.audience not in listed:
        raise Unauthorized("The token was issued for somebody else")
    if (len(listed) > 1 or "azp" in claims) and claims.get("azp") != expected.audience:
        raise Unauthorized("The token was issued to somebody else")
    times = [claims.get(name) for name in ("exp", "iat")]
    times += [claims[name] for name in ("nbf",) if name in claims]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
        raise Unauthorized("The token does not say when it was issued and when it ends")
    exp, iat, *not_before = (float(one) for one in times if one is not None)
    if not expected.now_s < exp:
        raise Unauthorized("The token has expired")
    if max([iat, *not_before]) > expected.now_s + AHEAD_S:
        raise Unauthorized("The token comes from the future: one of the two clocks is wrong")
    if iat < expected.now_s - BEHIND_S:
        raise Unauthorized("The token is too old: one of the two clocks is wrong")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), _ascii(expected)):
        raise Unauthorized("The token does not answer this sign-in")
    if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
        raise Unauthorized("The token does not say who it is about")
    if "at_hash" in claims and claims["at_hash"] != hash_of(expected.access_token, header["alg"]):
        raise Unauthorized("The token belongs to another access token")


def _ascii(expected: Expected) -> bytes:
    return expected.nonce.encode()


def hash_of(text: str, alg: str) -> str:
    """`at_hash`: the left half of the digest the algorithm uses, base64url."""
    digest = DIGEST.get(alg[-3:], hashlib.sha512)(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _json(part: str) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise Unauthorized("The other house answered with something that is no token") from error
    return _decoded(raw)


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Unauthorized("The other house answered with something that is no token") from error
    if not isinstance(told, dict):
        raise Unauthorized("The other house answered with something that is no token")
    return told
