"""Passkeys (W3C WebAuthn): made, shown and removed; a challenge is good once, for five minutes.

The relying party and the origin are the city's public address, else the Host of the request; a
numeric address can have no passkeys (WebAuthn asks for a name), `localhost` can.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.identity.once import Once
from pintu.kernel.identity.people import People
from pintu.kernel.identity.people_schema import PASSKEY
from pintu.kernel.identity.tokens import HOUR_US
from pintu.kernel.identity.words import Person

CHALLENGE_S: Final = 300
MOST: Final = 20
MOST_ANSWER: Final = 20_000


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """One passkey as its owner's list shows it; `name` is their own word for it."""

    id: str  # the credential's, hex
    name: str
    created_us: int
    used_us: int | None = None


def site_of(public_url: str, host: str, secure: bool) -> tuple[str, str] | None:
    """(relying party, origin) of a request; None where the address is a number."""
    origin = public_url or f"{'https' if secure else 'http'}://{host}"
    parts = urlsplit(origin)
    name = parts.hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return (name, f"{parts.scheme}://{parts.netloc}") if name else None
    return None


class Passkeys:
    """The passkeys of every account."""

    def __init__(self, people: People, once: Once) -> None:
        self._people, self._once, self._tables = people, once, people.tables

    async def offer(self, person: Person, site: tuple[str, str]) -> str:
        """What a browser needs to make a passkey for somebody, as JSON. BadRequestData when there
        are too many."""
        import webauthn
        from webauthn.helpers import structs

        known = await self._of(person.id)
        if len(known) >= MOST:
            raise BadRequestData(f"An account has at most {MOST} passkeys: remove one first")
        secret = await self._once.make("register", CHALLENGE_S, person=person.id)
        options = webauthn.generate_registration_options(
            rp_id=site[0],
            rp_name="Pintu",
            user_name=person.login,
            user_id=person.id.encode(),
            user_display_name=person.name,
            challenge=secret.encode(),
            timeout=CHALLENGE_S * 1000,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=row["credential"]) for row in known
            ],
        )
        return webauthn.options_to_json(options)

    async def add(self, person: Person, answer: str, site: tuple[str, str], name: str) -> None:
        """Keep the passkey a browser made for a challenge of ours; BadRequestData."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        challenge = challenge_of(answer)
        kept = await self._once.take("register", challenge)
        if kept is None or kept.person != person.id:
            raise BadRequestData("This passkey was not asked for within the last five minutes")
        try:
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge.encode(),
                expected_rp_id=site[0],
                expected_origin=site[1],
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError) as error:
            raise BadRequestData(f"This passkey cannot be kept: {error}") from error
        row = {
            "credential": made.credential_id,
            "person": person.id,
            "public_key": made.credential_public_key,
            "counter": made.sign_count,
            "name": name,
            "created_us": self._people.clock.now_us(),
        }
        by = f"person:{person.id}"
        await self._people.note("passkey added", by=by, person=person.id)
        await self._tables.run(lambda connection: connection.execute(PASSKEY.insert(), row))

    async def challenge(self, site: tuple[str, str]) -> str:
        """What a browser needs to show a passkey, as JSON: whose it is, the passkey says."""
        import webauthn
        from webauthn.helpers import structs

        secret = await self._once.make("passkey", CHALLENGE_S)
        options = webauthn.generate_authentication_options(
            rp_id=site[0],
            challenge=secret.encode(),
            timeout=CHALLENGE_S * 1000,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    async def recognise(self, answer: str, site: tuple[str, str]) -> Person | None:
        """Whose passkey answered a challenge of ours; None for anything that does not hold."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        try:
            challenge = challenge_of(answer)
            parsed = webauthn.helpers.parse_authentication_credential_json(answer)
        except (BadRequestData, WebAuthnException, ValueError, KeyError):
            return None
        if await self._once.take("passkey", challenge) is None:
            return None
        query = sa.select(PASSKEY).where(PASSKEY.c.credential == parsed.raw_id)
        row = await self._tables.read(lambda c: c.execute(query).mappings().first())
        if row is None:
            return None
        try:
            shown = webauthn.verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge.encode(),
                expected_rp_id=site[0],
                expected_origin=site[1],
                credential_public_key=row["public_key"],
                credential_current_sign_count=row["counter"],
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError):
            return None
        handle = parsed.response.user_handle
        if handle is not None and handle != row["person"].encode():
            return None
        await self._used(row["credential"], shown.new_sign_count)
        return self._people.find_person(row["person"])

    async def _used(self, credential: bytes, counter: int) -> None:
        now_us = self._people.clock.now_us()
        change = PASSKEY.update().where(PASSKEY.c.credential == credential)
        values = {"counter": counter, "used_us": now_us - now_us % HOUR_US}
        await self._tables.run(lambda connection: connection.execute(change.values(**values)))

    async def list_of(self, person: str) -> list[Passkey]:
        """Somebody's passkeys, oldest first."""
        return [
            Passkey(
                id=row["credential"].hex(),
                name=row["name"],
                created_us=row["created_us"],
                used_us=row["used_us"],
            )
            for row in await self._of(person)
        ]

    async def remove(self, person: str, id: str, *, by: str) -> None:
        """Take a passkey away; ResourceNotFound."""
        await self._people.note("passkey removed", by=by, person=person)
        where = (PASSKEY.c.person == person) & (PASSKEY.c.credential == _bytes(id))

        def work(connection: Connection) -> int:
            return connection.execute(PASSKEY.delete().where(where)).rowcount

        if not await self._tables.run(work):
            raise ResourceNotFound("This passkey does not exist")

    async def _of(self, person: str) -> list[Any]:
        query = sa.select(PASSKEY).where(PASSKEY.c.person == person)
        query = query.order_by(PASSKEY.c.created_us, PASSKEY.c.credential)
        return list(await self._tables.read(lambda c: c.execute(query).mappings().all()))


def challenge_of(answer: str) -> str:
    """The challenge that a browser says it answered; BadRequestData for what is no answer."""
    from webauthn.helpers import base64url_to_bytes

    if len(answer) > MOST_ANSWER:
        raise BadRequestData("This is too long for the answer of a passkey")
    try:
        told = json.loads(answer)
        client = json.loads(base64url_to_bytes(told["response"]["clientDataJSON"]))
        return base64url_to_bytes(client["challenge"]).decode()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequestData("This is no answer of a passkey") from error


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
