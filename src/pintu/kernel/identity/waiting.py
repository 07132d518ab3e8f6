"""How long somebody waits after wrong passwords: longer each time, never for ever.

| key | free failures | then |
|---|---|---|
| an account, from a browser it does not know | 5 | 15 s, doubled each time, up to 15 min |
| an account, from a browser that signed in to it before | 5 | the same, counted apart |
| an address (an IPv6 network of 64 bits) | 20 | the same, up to 1 h |

Whoever is made to wait is not counted again, so nobody is kept out longer by knocking; a browser
that is known, a passkey, a link and a token do not wait for what strangers did. A day without a
failure forgets. An attempt is counted before it is looked at and forgiven when it was right: many
at once are as many as one after another.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import TooManyRequests
from pintu.kernel.identity.sign_in_schema import ATTEMPT
from pintu.kernel.identity.tokens import hashed
from pintu.kernel.tables import OpenTables, put_rows

SECOND_US: Final = 1_000_000
FIRST_WAIT_S: Final = 15
FORGET_US: Final = 24 * 3600 * SECOND_US
FREE: Final = {"account": 5, "browser": 5, "address": 20}
LONGEST_S: Final = {"account": 900, "browser": 900, "address": 3600}
MOST: Final = 100_000


def network_of(address: str) -> str:
    """An address as it is counted: whoever has an IPv6 address has 2^64 of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def wait_s(kind: str, failures: int) -> int:
    """Seconds to wait after so many failures in a row."""
    over = failures - FREE[kind]
    return 0 if over <= 0 else min(FIRST_WAIT_S * 2 ** min(over - 1, 20), LONGEST_S[kind])


class Waiting:
    """Failures by key, in a table: a restart forgives nothing."""

    def __init__(self, tables: OpenTables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def count(self, *keys: tuple[str, str]) -> None:
        """Count one attempt on every (kind, who); TooManyRequests while one of them waits."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            known = {}
            for kind, who in keys:
                query = sa.select(ATTEMPT).where(ATTEMPT.c.key == key_of(kind, who))
                row = connection.execute(query).mappings().first()
                known[kind, who] = row if row is None else _set_back(connection, dict(row), now_us)
            longest = max((row["until_us"] for row in known.values() if row), default=0)
            if longest > now_us:
                return int(longest)
            put_rows(connection, ATTEMPT, [_next(*key, row, now_us) for key, row in known.items()])
            _forget(connection, now_us)
            return 0

        until_us = await self._tables.run(work)
        if until_us:
            seconds = -(-(until_us - now_us) // SECOND_US)
            raise TooManyRequests(f"Too many wrong passwords: wait {seconds} s", retryAfter=seconds)

    async def forgive(self, *keys: tuple[str, str]) -> None:
        """These were right, or somebody who may said that they are to be let in."""
        gone = ATTEMPT.delete().where(ATTEMPT.c.key.in_([key_of(*one) for one in keys]))
        await self._tables.run(lambda connection: connection.execute(gone))


def _set_back(connection: Connection, row: dict[str, Any], now_us: int) -> dict[str, Any]:
    """A clock that was set back makes nobody wait longer than they were told to."""
    ahead_us = row["at_us"] - now_us
    if ahead_us > 0:
        row |= {"at_us": now_us, "until_us": row["until_us"] - ahead_us}
        put_rows(connection, ATTEMPT, [row])
    return row


def key_of(kind: str, who: str) -> str:
    """Under what failures are kept: no login and no address in plain."""
    return hashed(f"{kind} {who}".encode("utf-8", "replace")).hex()


def _next(kind: str, who: str, row: object, now_us: int) -> dict[str, object]:
    before = dict(row) if row is not None else {"failures": 0, "at_us": 0}  # type: ignore[call-overload]
    failures = 1 + (before["failures"] if now_us - before["at_us"] < FORGET_US else 0)
    return {
        "key": key_of(kind, who),
        "failures": failures,
        "at_us": now_us,
        "until_us": now_us + wait_s(kind, failures) * SECOND_US,
    }


def _forget(connection: Connection, now_us: int) -> None:
    connection.execute(ATTEMPT.delete().where(ATTEMPT.c.at_us < now_us - FORGET_US))
    count = connection.execute(sa.select(sa.func.count()).select_from(ATTEMPT)).scalar_one()
    if count > MOST:
        oldest = sa.select(ATTEMPT.c.key).order_by(ATTEMPT.c.at_us).limit(count - MOST)
        connection.execute(ATTEMPT.delete().where(ATTEMPT.c.key.in_(oldest)))
