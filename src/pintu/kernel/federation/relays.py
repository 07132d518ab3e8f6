"""Subscriptions that other brokers were asked to keep for ours, and what they told until it is told
on (5.8.1.4, 5.8.6): kept in private tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.context.record import Record
from pintu.kernel.errors import Unavailable
from pintu.kernel.tables import CityTables, PrivateTables, put_rows

if TYPE_CHECKING:
    from alembic.operations import Operations

MOST_WAITING: Final = 1_000
"""Notifications of sources that wait for one subscriber; a source is asked to come again later."""

MOST_HELD: Final = 64_000_000
"""Bytes of all that wait together: they are in memory, too."""

Key = tuple[str, str]
"""Tenant and id of a subscription of ours."""


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription of ours at one source. `remote` is its id there: nobody else knows it, so
    that who names it is who was told. `sent` tells whether the source has what we want now.
    """

    tenant: str
    subscription: str
    registration: str
    remote: str
    state: Literal["wanted", "there", "unwanted"] = "wanted"
    sent: str = ""
    via: str = ""


METADATA = sa.MetaData()


def _relay() -> list[sa.Column[object]]:
    return [
        sa.Column("remote", sa.String, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    ]


def _told() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("subscription", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("records", sa.LargeBinary, nullable=False),
    ]


RELAY = sa.Table("relay", METADATA, *_relay())
TOLD = sa.Table("told", METADATA, *_told())


def _first(op: Operations) -> None:
    op.create_table("relay", *_relay())
    op.create_table("told", *_told())


TABLES = PrivateTables(name="relays", metadata=METADATA, migrations=(_first,))
_RELAYS = msgspec.json.Decoder(Relay)
_RECORDS = msgspec.msgpack.Decoder(list[Record])


class Relays:
    """Known in memory; what it returns is durable."""

    def __init__(self, tables: CityTables) -> None:
        self._tables = tables.register(TABLES)
        self._by_remote: dict[str, Relay] = {}
        self._by_key: dict[Key, dict[str, Relay]] = {}
        self._waiting: dict[Key, dict[int, list[Record]]] = {}
        self._held = 0
        self._number = 0
        self._tables.read_now(self._load)

    def _load(self, connection: Connection) -> None:
        for row in connection.execute(sa.select(RELAY)).mappings():
            self._put(_RELAYS.decode(row["document"]))
        for row in connection.execute(sa.select(TOLD).order_by(TOLD.c.number)).mappings():
            key = row["tenant"], row["subscription"]
            records = _RECORDS.decode(row["records"])
            self._waiting.setdefault(key, {})[row["number"]] = records
            self._held += _size(records)
            self._number = max(self._number, row["number"])

    # --- at sources -----------------------------------------------------------------------------
    def find(self, remote: str) -> Relay | None:
        """The relay whose id at its source this is."""
        return self._by_remote.get(remote)

    def of(self, key: Key) -> dict[str, Relay]:
        """Those of one subscription, by registration."""
        return dict(self._by_key.get(key, {}))

    def known(self) -> list[Key]:
        """Subscriptions that have any."""
        return list(self._by_key)

    async def keep(self, relay: Relay) -> None:
        """Keep a new one, or a changed one in place of the one with its id."""
        self._put(relay)
        row = {"remote": relay.remote, "document": msgspec.json.encode(relay)}
        await self._tables.run(lambda connection: put_rows(connection, RELAY, [row]))

    async def forget(self, relay: Relay) -> None:
        """Nothing is at its source any more."""
        self._by_remote.pop(relay.remote, None)
        key = relay.tenant, relay.subscription
        mine = self._by_key.get(key, {})
        current = mine.get(relay.registration)
        if current is not None and current.remote == relay.remote:
            del mine[relay.registration]
        if not mine:
            self._by_key.pop(key, None)
        same = RELAY.c.remote == relay.remote
        await self._tables.run(lambda connection: connection.execute(RELAY.delete().where(same)))

    def _put(self, relay: Relay) -> None:
        self._by_remote[relay.remote] = relay
        self._by_key.setdefault((relay.tenant, relay.subscription), {})[relay.registration] = relay

    # --- told, and not yet told on --------------------------------------------------------------
    async def take(self, key: Key, records: list[Record]) -> None:
        """Keep what a source told until it is told on; raises Unavailable when too much waits."""
        waiting = self._waiting.setdefault(key, {})
        if len(waiting) >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING} notifications wait for {key[1]}", retryAfter=30)
        if self._held + _size(records) > MOST_HELD:
            raise Unavailable("Too much that sources told waits for subscribers", retryAfter=30)
        self._held += _size(records)
        self._number += 1
        number = waiting_number = self._number
        waiting[waiting_number] = records
        row: dict[str, Any] = {
            "tenant": key[0], "subscription": key[1], "number": number,
            "records": msgspec.msgpack.encode(records),
        }  # fmt: skip
        await self._tables.run(lambda connection: put_rows(connection, TOLD, [row]))

    def first(self, key: Key) -> tuple[int, list[Record]] | None:
        """What waits longest for a subscriber."""
        return next(iter(self._waiting.get(key, {}).items()), None)

    def waiting(self) -> list[Key]:
        """Subscribers that something waits for."""
        return [key for key, some in self._waiting.items() if some]

    async def done(self, key: Key, number: int | None = None) -> None:
        """It is told on; without a number nothing of it is wanted any more."""
        some = self._waiting.get(key, {})
        if number is None:
            self._waiting.pop(key, None)
            self._held -= sum(map(_size, some.values()))
        else:
            self._held -= _size(some.pop(number, []))
        same = (TOLD.c.tenant == key[0]) & (TOLD.c.subscription == key[1])
        if number is not None:
            same &= TOLD.c.number == number
        await self._tables.run(lambda connection: connection.execute(TOLD.delete().where(same)))


def _size(records: list[Record]) -> int:
    return sum(len(one.body) for one in records)
