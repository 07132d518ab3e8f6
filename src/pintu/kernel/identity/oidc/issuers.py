"""Signing in with an account of another house: authorization code, PKCE, state and nonce."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.egress import Egress
from pintu.kernel.errors import AlreadyExists, BadRequestData, ResourceNotFound, Unauthorized
from pintu.kernel.identity.browsers import Proof
from pintu.kernel.identity.citizens import read_name
from pintu.kernel.identity.oidc.checking import Expected
from pintu.kernel.identity.oidc.houses import Houses
from pintu.kernel.identity.oidc.words import Issuer
from pintu.kernel.identity.once import Kept, Once
from pintu.kernel.identity.people import People
from pintu.kernel.identity.people_schema import ACCOUNT
from pintu.kernel.identity.words import Person

STATE_S: Final = 600


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Where a browser goes, and the cookie by which we know it when it comes back."""

    url: str
    browser: str


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """Who came back, and where they wanted to go."""

    proof: Proof
    go_on: str


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """An account of another house that opens one of ours."""

    issuer: str
    subject: str
    title: dict[str, str]


class Issuers:
    """Every house that is configured; accounts are joined by (issuer, subject), never by e-mail."""

    def __init__(self, told: list[Issuer], people: People, once: Once, egress: Egress) -> None:
        self._told = {one.name: one for one in told}
        self._people, self._once = people, once
        self._houses = Houses(egress, people.clock)

    def offered(self) -> list[Issuer]:
        """Those a person may choose, as configured."""
        return list(self._told.values())

    def get(self, name: str) -> Issuer:
        """One of them; ResourceNotFound."""
        found = self._told.get(name)
        if found is None:
            raise ResourceNotFound(f"{name[:80]!r} is no house whose accounts open doors here")
        return found

    async def begin(self, name: str, redirect: str, go_on: str, *, person: str = "") -> Begun:
        """Send a browser to another house; with `person` the account there is joined to theirs.
        Unavailable when the house does not tell where its door is."""
        issuer = self.get(name)
        document = await self._houses.document(issuer)
        verifier, nonce, browser = (secrets.token_urlsafe(48) for _ in range(3))
        state = await self._once.make(
            "oidc",
            STATE_S,
            person=person,
            issuer=name,
            verifier=verifier,
            nonce=nonce,
            redirect=redirect,
            go_on=go_on,
            browser=_digest(browser),
        )
        asked = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(issuer.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        door = str(document["authorization_endpoint"])
        return Begun(url=f"{door}{'&' if '?' in door else '?'}{urlencode(asked)}", browser=browser)

    async def finish(self, told: dict[str, str], browser: str, label: str) -> Came:
        """Recognise who came back with `state` and `code`. Unauthorized for a state that is not
        this browser's, was used or is old, for a refusal, a token that does not hold, and for an
        account nobody here has joined."""
        kept = await self._once.take("oidc", told.get("state", ""))
        if kept is None or not hmac.compare_digest(kept.told["browser"], _digest(browser)):
            raise Unauthorized("This sign-in was not begun in this browser, or is over")
        issuer = self.get(kept.told["issuer"])
        document = await self._houses.document(issuer)
        promised = document.get("authorization_response_iss_parameter_supported") is True
        if told.get("iss", "" if promised else issuer.issuer) != issuer.issuer:  # RFC 9207
            raise Unauthorized("The answer comes from another house")
        if told.get("error") or not told.get("code"):
            raise Unauthorized(f"{issuer.name} let nobody in: {told.get('error', '')[:80]}")
        claims = await self._claims(issuer, kept, told["code"])
        person = await self._person(issuer, kept, claims)
        await self._people.note(
            "signed in", by=f"person:{person.id}", person=person.id, issuer=issuer.issuer
        )
        proof = Proof(person=person.id, method="oidc", label=label)
        return Came(proof=proof, go_on=kept.told["go_on"])

    async def _claims(self, issuer: Issuer, kept: Kept, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept.told["redirect"],
            "code_verifier": kept.told["verifier"],
        }
        answer = await self._houses.exchange(issuer, form)
        token, access = answer.get("id_token"), answer.get("access_token", "")
        if not isinstance(token, str) or not isinstance(access, str):
            raise Unauthorized(f"{issuer.name} answered without an ID token")
        expected = Expected(
            issuer=issuer.issuer,
            audience=issuer.client_id,
            nonce=kept.told["nonce"],
            now_s=self._people.clock.now_us() // 1_000_000,
            access_token=access,
        )
        return await self._houses.check(issuer, token, expected)

    async def _person(self, issuer: Issuer, kept: Kept, claims: dict[str, Any]) -> Person:
        subject = str(claims["sub"])
        query = sa.select(ACCOUNT.c.person).where(
            ACCOUNT.c.issuer == issuer.issuer, ACCOUNT.c.subject == subject
        )
        known = await self._people.tables.read(lambda c: c.execute(query).scalar())
        if kept.person:
            if known is not None and known != kept.person:
                raise Unauthorized("That account opens another one here already")
            person = self._people.get_person(kept.person)
            if known is None:
                await self._join(issuer, subject, person)
        elif known is not None:
            person = self._people.get_person(known)
        elif issuer.sign_up:
            person = await self._make(issuer, subject, claims)
        else:
            raise Unauthorized(
                "No account here is joined to that one: sign in here first, and join it there"
            )
        if person.disabled:
            raise Unauthorized("This account cannot be used")
        return person

    async def _make(self, issuer: Issuer, subject: str, claims: dict[str, Any]) -> Person:
        """A new account without any role; what the other house calls somebody is only a name."""
        digest = hashlib.sha256(f"{issuer.issuer}\n{subject}".encode()).hexdigest()[:12]
        try:
            name = read_name(str(claims.get("name") or claims.get("preferred_username") or ""))
        except BadRequestData:
            name = f"{issuer.name} {digest[:6]}"
        login = f"{issuer.name.lower()}.{digest}"
        try:
            person = await self._people.create_person(login, name, by=f"issuer:{issuer.name}")
        except AlreadyExists:  # made a moment ago, the joining was cut off
            found = self._people.find_login(login)
            if found is None or await self.joined(found.id):
                raise
            person = found
        await self._join(issuer, subject, person)
        return person

    async def _join(self, issuer: Issuer, subject: str, person: Person) -> None:
        await self._people.note(
            "account joined", by=f"person:{person.id}", person=person.id, issuer=issuer.issuer
        )
        row = {
            "issuer": issuer.issuer,
            "subject": subject,
            "person": person.id,
            "created_us": self._people.clock.now_us(),
        }
        await self._people.tables.run(lambda connection: connection.execute(ACCOUNT.insert(), row))

    async def joined(self, person: str) -> list[Joined]:
        """The accounts of other houses that open somebody's."""
        query = sa.select(ACCOUNT).where(ACCOUNT.c.person == person).order_by(ACCOUNT.c.issuer)
        rows = await self._people.tables.read(lambda c: c.execute(query).mappings().all())
        titles = {one.issuer: one.title for one in self._told.values()}
        return [
            Joined(
                issuer=row["issuer"],
                subject=row["subject"],
                title=titles.get(row["issuer"]) or {"en": row["issuer"]},
            )
            for row in rows
        ]

    async def part(self, person: str, issuer: str) -> None:
        """An account of another house opens somebody's no longer."""
        await self._people.note(
            "account parted", by=f"person:{person}", person=person, issuer=issuer
        )
        gone = ACCOUNT.delete().where(ACCOUNT.c.person == person, ACCOUNT.c.issuer == issuer)

        def work(connection: Connection) -> None:
            connection.execute(gone)

        await self._people.tables.run(work)


def challenge_of(verifier: str) -> str:
    """PKCE S256 (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
