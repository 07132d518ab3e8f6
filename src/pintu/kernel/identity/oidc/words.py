"""The words of OpenID Connect: houses we trust, programs that trust us, what was granted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

SCOPES: Final = ("openid", "profile", "organisation", "offline_access")
"""What a program may ask us for: who somebody is, what they are called, for whom they act, and to
ask again later."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """A house whose accounts open doors here, as `[[oidc]]` of pintu.toml tells it."""

    name: str
    issuer: str
    client_id: str
    title: dict[str, str] = {}
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile")
    sign_up: bool = False  # whoever comes from there gets an account without any role

    def secret(self) -> str:
        """The secret agreed with that house; read when it is needed, so that it may be changed."""
        return Path(self.client_secret_file).read_text("utf-8").strip()


class Client(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A program that asks us who somebody is. Without a secret it is a public one (PKCE alone)."""

    id: str
    title: str
    redirects: list[str]  # exact addresses
    secret_hash: str = ""  # hex of SHA-256
    created_us: int = 0
    created_by: str = ""
    ended_us: int = 0


class Granted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person let a program know, from a code on through every refresh."""

    client: str
    person: str
    organisation: str
    scopes: tuple[str, ...]
    auth_us: int  # when they signed in
    session: str  # of which session; "" when it does not matter any more
    nonce: str = ""
    redirect: str = ""
    challenge: str = ""  # PKCE S256


def read_issuers(told: Any) -> tuple[list[Issuer], list[str]]:
    """The houses of a configuration, and a sentence for each mistake in it."""
    found: list[Issuer] = []
    mistakes: list[str] = []
    if not isinstance(told, list):
        return [], ["pintu.toml: oidc is not a list of tables; write [[oidc]]"]
    for number, one in enumerate(told, 1):
        try:
            issuer = msgspec.convert(one, Issuer)
        except msgspec.ValidationError as error:
            mistakes.append(f"pintu.toml: [[oidc]] number {number}: {error}")
            continue
        unknown = set(one) - set(Issuer.__struct_fields__)
        mistakes += [f"pintu.toml: [[oidc]] {issuer.name}: {name} is unknown" for name in unknown]
        mistakes += [f"pintu.toml: [[oidc]] {issuer.name}: {why}" for why in wrong_with(issuer)]
        found.append(issuer)
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        mistakes.append("pintu.toml: two [[oidc]] have one name")
    return found, mistakes


def wrong_with(issuer: Issuer) -> list[str]:
    """What is wrong with one of them."""
    wrong = []
    parts = urlsplit(issuer.issuer)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        wrong.append("issuer is not an https address")
    if parts.query or parts.fragment:
        wrong.append("issuer has a query")
    if not issuer.name.replace("-", "").isalnum() or not issuer.name.isascii():
        wrong.append("name is not of letters, digits and hyphens")
    if not issuer.client_id:
        wrong.append("client_id is empty")
    if "openid" not in issuer.scopes:
        wrong.append("scopes lack openid")
    return wrong
