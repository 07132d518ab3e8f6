"""Our accounts open doors elsewhere: code with PKCE S256, ID tokens, refreshing with rotation.

Small and strict (OAuth 2.1, RFC 9700): one response type, one challenge method, exact redirect
addresses, codes good once and for a minute. A code or a refresh token that is shown twice ends
everything that came from it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, Unauthorized
from pintu.kernel.identity.oidc.checking import hash_of
from pintu.kernel.identity.oidc.issuers import challenge_of
from pintu.kernel.identity.oidc.programs import Programs, knows_secret
from pintu.kernel.identity.oidc.signing import TokenKey, seconds
from pintu.kernel.identity.oidc.words import SCOPES, Client, Granted
from pintu.kernel.identity.once import Once
from pintu.kernel.identity.people import People
from pintu.kernel.identity.roles import roles_in
from pintu.kernel.identity.sign_in_schema import ONCE, REFRESH
from pintu.kernel.identity.tokens import hashed
from pintu.kernel.identity.words import Person
from pintu.kernel.tables import OpenTables

CODE_S: Final = 60
REPLAY_S: Final = 3600
ACCESS_S: Final = 600
ID_S: Final = 300
REFRESH_US: Final = 30 * 86_400_000_000
VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
LONGEST: Final = 1_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A program's request, as far as it holds."""

    client: Client
    redirect: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    challenge: str
    prompt: frozenset[str]
    max_age_s: int | None


def oauth(error: str, detail: str) -> BadRequestData:
    """A refusal in the words of RFC 6749."""
    return BadRequestData(detail, error=error)


class Provider:
    """What the endpoints do."""

    def __init__(self, tables: OpenTables, people: People, once: Once, key: TokenKey) -> None:
        self._tables, self._people, self._once = tables, people, once
        self.key = key
        self.programs = Programs(tables, people)

    def document(self, base: str) -> dict[str, Any]:
        """The discovery document of this city at its address."""
        return {
            "issuer": base,
            "authorization_endpoint": f"{base}/oidc/authorize",
            "token_endpoint": f"{base}/oidc/token",
            "userinfo_endpoint": f"{base}/oidc/userinfo",
            "revocation_endpoint": f"{base}/oidc/revoke",
            "jwks_uri": f"{base}/oidc/jwks",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic", "client_secret_post", "none",
            ],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": [
                "sub", "name", "preferred_username", "organisation", "roles", "auth_time",
            ],
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }  # fmt: skip

    # --- the front: a browser ---------------------------------------------------------------------
    async def client_of(self, told: dict[str, str]) -> tuple[Client, str]:
        """(program, address to go back to). BadRequestData is for the person to read: a browser is
        sent nowhere as long as it is not known where to."""
        client = await self.programs.find(told.get("client_id", ""))
        if client is None:
            raise BadRequestData("No program of that name is registered here")
        redirect = told.get("redirect_uri", "")
        if redirect not in client.redirects:
            raise BadRequestData("The program asks to go back to an address that is not its own")
        return client, redirect

    def read(self, client: Client, redirect: str, told: dict[str, str]) -> Asked:
        """The rest of a request; BadRequestData with `error` goes back to the program."""
        if told.get("response_type") != "code":
            raise oauth("unsupported_response_type", "Only response_type code is answered")
        if "request" in told or "request_uri" in told:
            raise oauth("request_not_supported", "Request objects are not read")
        if told.get("response_mode", "query") != "query":
            raise oauth("invalid_request", "Only response_mode query is answered")
        challenge = told.get("code_challenge", "")
        if told.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
            raise oauth("invalid_request", "A code_challenge with S256 is needed")
        scopes = tuple(one for one in SCOPES if one in told.get("scope", "").split())
        if "openid" not in scopes:
            raise oauth("invalid_scope", "The scope openid is needed")
        state, nonce = told.get("state", ""), told.get("nonce", "")
        if len(state) > LONGEST or len(nonce) > LONGEST:
            raise oauth("invalid_request", "state and nonce have at most 1000 characters")
        age = told.get("max_age", "")
        if age and not (age.isascii() and age.isdigit() and len(age) < 10):
            raise oauth("invalid_request", "max_age is no number of seconds")
        return Asked(
            client=client,
            redirect=redirect,
            scopes=scopes,
            state=state,
            nonce=nonce,
            challenge=challenge,
            prompt=frozenset(told.get("prompt", "").split()),
            max_age_s=int(age) if age else None,
        )

    async def needs_consent(self, asked: Asked, person: str) -> bool:
        """Whether somebody must be asked before this program hears of them."""
        if "consent" in asked.prompt:
            return True
        return not set(asked.scopes) <= await self.programs.consented(person, asked.client.id)

    async def code(self, asked: Asked, person: str, organisation: str, auth_us: int) -> str:
        """A code for what a person let a program know, good once and for a minute."""
        granted = Granted(
            client=asked.client.id,
            person=person,
            organisation=organisation,
            scopes=asked.scopes,
            auth_us=auth_us,
            session=secrets.token_hex(16),
            nonce=asked.nonce,
            redirect=asked.redirect,
            challenge=asked.challenge,
        )
        told = msgspec.json.encode(granted).decode()
        code = await self._once.make("code", CODE_S, person=person, granted=told)
        # told apart from one that never was when somebody shows it a second time
        await self._once.make("used code", REPLAY_S, secret=code, family=granted.session)
        return code

    # --- the back: a program ----------------------------------------------------------------------
    async def answer(
        self, form: dict[str, str], secret: tuple[str, str], base: str
    ) -> dict[str, Any]:
        """The token endpoint; BadRequestData with `error`, Unauthorized for a program that does
        not show its secret. `secret`: (client id, secret) as they were shown."""
        client = await self.programs.find(secret[0])
        if client is None or not knows_secret(client, secret[1]):
            raise Unauthorized("This program is not known here", error="invalid_client")
        if form.get("grant_type") == "authorization_code":
            return await self._by_code(client, form, base)
        if form.get("grant_type") == "refresh_token":
            return await self._by_refresh(client, form, base)
        raise oauth("unsupported_grant_type", "Only codes and refresh tokens are taken")

    async def _by_code(self, client: Client, form: dict[str, str], base: str) -> dict[str, Any]:
        code = form.get("code", "")
        kept = await self._once.take("code", code)
        if kept is None:
            before = await self._once.look("used code", code)
            if before is not None:
                await self.end_family(before.told["family"])
            raise oauth("invalid_grant", "This code is unknown, used or older than a minute")
        granted = msgspec.json.decode(kept.told["granted"], type=Granted)
        verifier = form.get("code_verifier", "")
        if granted.client != client.id or form.get("redirect_uri") != granted.redirect:
            raise oauth("invalid_grant", "This code was given to another program or address")
        shown = challenge_of(verifier) if VERIFIER.fullmatch(verifier) else ""
        if not hmac.compare_digest(shown, granted.challenge):
            raise oauth("invalid_grant", "The code_verifier does not fit the challenge")
        return await self._tokens(granted, base, first=True)

    async def _by_refresh(self, client: Client, form: dict[str, str], base: str) -> dict[str, Any]:
        key = hashed(form.get("refresh_token", "")[:LONGEST].encode("utf-8", "replace"))
        now_us = self._people.clock.now_us()

        def work(connection: Connection) -> tuple[str, Granted | None]:
            row = connection.execute(sa.select(REFRESH).where(REFRESH.c.hash == key)).first()
            if row is None or row.client != client.id or row.expires_us <= now_us:
                return "", None
            if row.used_us is not None:  # somebody has a copy: nobody may go on with it
                return row.family, None
            connection.execute(REFRESH.update().where(REFRESH.c.hash == key).values(used_us=now_us))
            return row.family, msgspec.json.decode(row.told, type=Granted)

        family, granted = await self._tables.run(work)
        if granted is None:
            if family:
                await self.end_family(family)
            raise oauth("invalid_grant", "This refresh token is unknown, used or too old")
        wished = set(form.get("scope", "").split()) or set(granted.scopes)
        if not wished <= set(granted.scopes):
            raise oauth("invalid_scope", "A refresh may not ask for more than was granted")
        return await self._tokens(granted, base, wished=wished)

    async def _tokens(
        self, granted: Granted, base: str, *, first: bool = False, wished: set[str] | None = None
    ) -> dict[str, Any]:
        person = self._person(granted)
        scopes = tuple(one for one in granted.scopes if wished is None or one in wished)
        narrowed = msgspec.structs.replace(granted, scopes=scopes)
        access = await self._once.make(
            "access", ACCESS_S, person=granted.session,
            granted=msgspec.json.encode(narrowed).decode(),
        )  # fmt: skip
        now_us = self._people.clock.now_us()
        claims = {
            **self.claims(narrowed, person),
            "iss": base,
            "aud": granted.client,
            "iat": seconds(now_us),
            "exp": seconds(now_us) + ID_S,
            "auth_time": seconds(granted.auth_us),
            "at_hash": hash_of(access, "RS256"),
        }
        if first and granted.nonce:
            claims["nonce"] = granted.nonce
        told: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": ACCESS_S,
            "scope": " ".join(scopes),
            "id_token": await self.key.signed(claims),
        }
        if "offline_access" in granted.scopes:
            told["refresh_token"] = await self._refresh(granted, now_us)
        return told

    async def _refresh(self, granted: Granted, now_us: int) -> str:
        text = secrets.token_urlsafe(32)
        row = {
            "hash": hashed(text.encode()),
            "family": granted.session,
            "client": granted.client,
            "person": granted.person,
            "told": msgspec.json.encode(granted),
            "used_us": None,
            "expires_us": now_us + REFRESH_US,
        }

        def work(connection: Connection) -> None:
            connection.execute(REFRESH.delete().where(REFRESH.c.expires_us <= now_us))
            connection.execute(REFRESH.insert(), row)

        await self._tables.run(work)
        return text

    def _person(self, granted: Granted) -> Person:
        person = self._people.find_person(granted.person)
        if person is None or person.disabled:
            raise oauth("invalid_grant", "This account cannot be used any more")
        return person

    def claims(self, granted: Granted, person: Person) -> dict[str, Any]:
        """What a program hears of a person, as far as its scopes go and roles still are."""
        told: dict[str, Any] = {"sub": person.id}
        if "profile" in granted.scopes:
            told |= {"name": person.name, "preferred_username": person.login}
        roles = roles_in(person, granted.organisation) if granted.organisation else frozenset()
        if "organisation" in granted.scopes and roles:
            told |= {"organisation": granted.organisation, "roles": sorted(roles)}
        return told

    async def userinfo(self, access: str) -> dict[str, Any]:
        """What an access token may hear; Unauthorized."""
        kept = await self._once.look("access", access)
        if kept is None:
            raise Unauthorized("Nobody knows this access token", error="invalid_token")
        granted = msgspec.json.decode(kept.told["granted"], type=Granted)
        person = self._people.find_person(granted.person)
        if person is None or person.disabled or await self.programs.find(granted.client) is None:
            raise Unauthorized("Nobody knows this access token", error="invalid_token")
        return self.claims(granted, person)

    async def revoke(self, token: str, secret: tuple[str, str]) -> None:
        """End what a refresh token stands for (RFC 7009); an unknown one is ended already."""
        client = await self.programs.find(secret[0])
        if client is None or not knows_secret(client, secret[1]):
            raise Unauthorized("This program is not known here", error="invalid_client")
        query = sa.select(REFRESH.c.family, REFRESH.c.client).where(
            REFRESH.c.hash == hashed(token[:LONGEST].encode("utf-8", "replace"))
        )
        row = await self._tables.read(lambda c: c.execute(query).first())
        if row is not None and row.client == client.id:
            await self.end_family(row.family)

    async def end_family(self, family: str) -> None:
        """Everything that came of one code ends: refresh tokens and access tokens."""
        gone = REFRESH.delete().where(REFRESH.c.family == family)
        open_ = ONCE.delete().where(ONCE.c.kind == "access", ONCE.c.person == family)

        def work(connection: Connection) -> None:
            connection.execute(gone)
            connection.execute(open_)

        await self._tables.run(work)
