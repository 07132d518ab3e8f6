"""Programs that ask us who somebody is: registered by the administrator, with exact addresses."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.identity.oidc.words import Client
from pintu.kernel.identity.people import People
from pintu.kernel.identity.sign_in_schema import CLIENT, CONSENT, REFRESH
from pintu.kernel.tables import OpenTables, put_rows

MOST: Final = 200
MOST_REDIRECTS: Final = 10


class Programs:
    """Every program; read from its table when it is asked for, which is seldom."""

    def __init__(self, tables: OpenTables, people: People) -> None:
        self._tables, self._people = tables, people

    async def register(
        self, title: str, redirects: list[str], *, secret: bool, by: str
    ) -> tuple[Client, str]:
        """A new program and its secret, told once ("" for a public one); BadRequestData."""
        told = " ".join(title.split())
        if not 1 <= len(told) <= 100 or not told.isprintable():
            raise BadRequestData("A program needs a name of 1 to 100 printable characters")
        if not 1 <= len(redirects) <= MOST_REDIRECTS:
            raise BadRequestData(f"A program has 1 to {MOST_REDIRECTS} addresses to go back to")
        for one in redirects:
            check_redirect(one)
        text = secrets.token_urlsafe(32) if secret else ""
        client = Client(
            id=secrets.token_hex(8),
            title=told,
            redirects=redirects,
            secret_hash=hashlib.sha256(text.encode()).hexdigest() if secret else "",
            created_us=self._people.clock.now_us(),
            created_by=by,
        )
        await self._people.note("program registered", by=by, program=client.id)
        row = {"id": client.id, "told": msgspec.json.encode(client)}

        def work(connection: Connection) -> None:
            count = connection.execute(sa.select(sa.func.count()).select_from(CLIENT)).scalar_one()
            if count >= MOST:
                raise BadRequestData(f"There are {MOST} programs already: that is the limit")
            put_rows(connection, CLIENT, [row])

        await self._tables.run(work)
        return client, text

    async def list_all(self) -> list[Client]:
        """Every program, the ended ones too, oldest first."""
        rows = await self._tables.read(lambda c: c.execute(sa.select(CLIENT.c.told)).all())
        found = [msgspec.json.decode(row.told, type=Client) for row in rows]
        return sorted(found, key=lambda one: (one.created_us, one.id))

    async def find(self, id: str) -> Client | None:
        """A program that has not ended."""
        query = sa.select(CLIENT.c.told).where(CLIENT.c.id == id[:100])
        told = await self._tables.read(lambda c: c.execute(query).scalar())
        found = None if told is None else msgspec.json.decode(told, type=Client)
        return None if found is None or found.ended_us else found

    async def end(self, id: str, *, by: str) -> None:
        """Nobody signs in to this program with our accounts any more; ResourceNotFound."""
        found = await self.find(id)
        if found is None:
            raise ResourceNotFound(f"Program {id[:40]!r} does not exist or has ended")
        await self._people.note("program ended", by=by, program=id)
        ended = msgspec.structs.replace(found, ended_us=self._people.clock.now_us())
        row = {"id": id, "told": msgspec.json.encode(ended)}

        def work(connection: Connection) -> None:
            put_rows(connection, CLIENT, [row])
            connection.execute(REFRESH.delete().where(REFRESH.c.client == id))
            connection.execute(CONSENT.delete().where(CONSENT.c.client == id))

        await self._tables.run(work)

    # --- consent ----------------------------------------------------------------------------------
    async def consented(self, person: str, client: str) -> frozenset[str]:
        """What somebody lets a program know without being asked again."""
        query = sa.select(CONSENT.c.scopes).where(
            CONSENT.c.person == person, CONSENT.c.client == client
        )
        told = await self._tables.read(lambda c: c.execute(query).scalar())
        return frozenset((told or "").split())

    async def consent(self, person: str, client: str, scopes: tuple[str, ...]) -> None:
        """Somebody lets a program know this."""
        known = await self.consented(person, client)
        await self._people.note(
            "program let in", by=f"person:{person}", person=person, program=client,
            scopes=" ".join(scopes),
        )  # fmt: skip
        row = {"person": person, "client": client, "at_us": self._people.clock.now_us()}
        row["scopes"] = " ".join(sorted(known | set(scopes)))
        await self._tables.run(lambda connection: put_rows(connection, CONSENT, [row]))


def check_redirect(address: str) -> None:
    """BadRequestData for an address that nobody should be sent to: https, or http to this machine
    itself; no fragment, no user, no star."""
    try:
        parts = urlsplit(address)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        good = parts.scheme == "https" or (parts.scheme == "http" and local)
        good = good and bool(parts.hostname) and parts.username is None
    except ValueError:
        good = False
    if not good or "#" in address or "*" in address or len(address) > 500:
        raise BadRequestData(f"{address[:100]!r} is no https address to go back to")
    if not address.isascii() or not address.isprintable() or "\\" in address or " " in address:
        raise BadRequestData(f"{address[:100]!r} has signs that no address has")


def knows_secret(client: Client, secret: str) -> bool:
    """Whether a program showed its secret; a public one has none to show."""
    if not client.secret_hash:
        return secret == ""
    shown = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    return hmac.compare_digest(shown, client.secret_hash)
