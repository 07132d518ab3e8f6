"""The ways to people: kept in the roster's private tables, shown masked, never told."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, TooLarge
from pintu.kernel.operations.roster import receipts
from pintu.kernel.operations.roster.book import Book, account, new_id
from pintu.kernel.operations.roster.quiet import check_quiet
from pintu.kernel.operations.roster.schema import REACH
from pintu.kernel.operations.roster.words import KINDS, SEVERITIES, Reach
from pintu.kernel.tables import put_rows

MOST_WAYS: Final = 20
MOST_ADDRESS: Final = 2_000


class Ways:
    """Every way to everybody, in memory; people keep their own, administrators anybody's."""

    def __init__(self, book: Book, secret: bytes) -> None:
        """`secret` marks what a channel may report back."""
        self._secret = secret
        self._book = book
        self._ways: dict[str, Reach] = book.opened.read_now(receipts.reaches)

    def of(self, person: str) -> list[Reach]:
        """The ways to somebody, oldest first."""
        own = (one for one in self._ways.values() if one.person == account(person))
        return sorted(own, key=lambda one: (one.at_us, one.id))

    def find(self, id: str) -> Reach | None:
        """One way."""
        return self._ways.get(id)

    def mark(self, receipt: str) -> str:
        """What a channel's report about a receipt must say: proof that the channel was asked."""
        return hmac.new(self._secret, receipt.encode(), hashlib.sha256).hexdigest()[:32]

    async def save(self, actor: Actor, tenant: str, reach: Reach) -> Reach:
        """Keep a way to oneself, or as an administrator to anybody; a new one where its id is "".

        Raises BadRequestData, TooLarge for more than twenty, Forbidden for somebody else's.
        """
        self._may(actor, tenant, reach.person)
        person = account(reach.person)
        known = self._ways.get(reach.id)
        if reach.id and (known is None or known.person != person):
            raise ResourceNotFound(f"Way {reach.id[:40]} does not exist")
        if known is None and len(self.of(person)) >= MOST_WAYS:
            raise TooLarge(f"There are {MOST_WAYS} ways already")
        _check(reach)
        now_us = self._book.clock.now_us()
        kept = msgspec.structs.replace(
            reach, id=reach.id or new_id(), person=person, by=actor.id, at_us=now_us, broken=""
        )
        twin = next((one for one in self.of(person) if _same(one, kept)), None)
        if twin is not None and not reach.id:
            kept = msgspec.structs.replace(kept, id=twin.id)
        await self._keep(kept)
        return kept

    async def remove(self, actor: Actor, tenant: str, id: str) -> None:
        """Nothing is sent that way any more, and its address is gone."""
        known = self._ways.get(id)
        if known is None:
            raise ResourceNotFound(f"Way {id[:40]} does not exist")
        self._may(actor, tenant, known.person)
        await self._book.opened.run(lambda c: c.execute(REACH.delete().where(REACH.c.id == id)))
        del self._ways[id]

    async def break_off(self, id: str, why: str) -> None:
        """An endpoint said that this address is no more: nothing is sent there until it is saved
        again."""
        known = self._ways.get(id)
        if known is not None and not known.broken:
            await self._keep(msgspec.structs.replace(known, broken=why[:300] or "gone"))

    async def _keep(self, reach: Reach) -> None:
        row = {"id": reach.id, "person": reach.person, "told": msgspec.json.encode(reach)}

        def work(connection: Connection) -> None:
            put_rows(connection, REACH, [row])

        await self._book.opened.run(work)
        self._ways[reach.id] = reach

    def _may(self, actor: Actor, tenant: str, person: str) -> None:
        own = bool(actor.person) and actor.person == account(person)
        if not own and not self._book.operates(actor, tenant):
            raise Forbidden("People keep the ways to themselves, and administrators")


def masked(reach: Reach) -> str:
    """An address as a page may show it: enough to know it again."""
    address = reach.address
    if reach.kind == "push":
        return ""
    if reach.kind == "email":
        name, _, host = address.partition("@")
        return f"{name[:1]}***@{host}"
    if "://" in address:
        host = address.partition("://")[2].partition("/")[0].rpartition("@")[2]
        return f"{address.partition(':')[0]}://{host}/***"
    return f"{address[:3]}***{address[-2:]}" if len(address) > 7 else "***"


def _check(reach: Reach) -> None:
    if reach.kind not in KINDS or reach.least not in SEVERITIES:
        raise BadRequestData("A way is of a kind we know, for messages of a severity we know")
    if not 1 <= len(reach.address) <= MOST_ADDRESS or not reach.address.isprintable():
        raise BadRequestData("A way needs an address")
    if reach.kind == "email":
        name, _, host = reach.address.partition("@")
        if not name or "." not in host or any(one in reach.address for one in " ,;<>\"'"):
            raise BadRequestData("An e-mail address looks like name@example.org")
    if reach.kind == "push" and not {"p256dh", "auth"} <= reach.secrets.keys():
        raise BadRequestData("A browser's subscription has two keys")
    check_quiet(reach.quiet)


def _same(one: Reach, other: Reach) -> bool:
    return (one.kind, one.channel, one.address) == (other.kind, other.channel, other.address)
