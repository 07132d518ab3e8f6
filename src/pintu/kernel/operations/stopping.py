"""The operator's stop for everything, and its release by two: rows of the ledger."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.schema import STOP
from pintu.kernel.tables import OpenTables

RELEASE_WITHIN_S = 600.0
"""The second person must ask within so many real seconds of the first."""


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of a tenant. `released_us` 0: it stands; `asked_by`: who first asked to release it."""

    number: int
    tenant: str
    since_us: int
    who: str
    reason: str
    asked_by: str = ""
    asked_us: int = 0
    released_by: str = ""
    released_us: int = 0


class Stopping:
    """The stops that stand, known at once to whoever is about to send something."""

    def __init__(self, file: OpenTables, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._stops = {one.tenant: one for one in file.read_now(standing)}

    def of(self, tenant: str) -> Stop | None:
        """The stop of a tenant that stands, or None."""
        return self._stops.get(tenant)

    def check(self, tenant: str) -> None:
        """Raises StateConflict while commands of a tenant are stopped."""
        stop = self._stops.get(tenant)
        if stop is not None:
            raise StateConflict(f"Commands are stopped: {stop.reason}", stopped=True)

    async def list_stops(self, tenant: str, limit: int = 20) -> list[Stop]:
        """Stops of a tenant, newest first."""
        return await self._file.read(lambda connection: stops_of(connection, tenant, limit))

    async def begin(self, tenant: str, who: str, reason: str) -> tuple[Stop, list[Deed]]:
        """Stop a tenant's commands; the stop that stands already is that, without a deed."""
        at_us, before = self._clock.now_us(), self._stops.get(tenant)

        def work(connection: Connection) -> tuple[Stop, list[Deed]]:
            begun = stop(connection, tenant, who=who, reason=reason, at_us=at_us)
            if begun.since_us != at_us or begun.who != who:
                return begun, []
            return begun, [enter(connection, _deed(begun, "stopped", who, at_us, reason))]

        # Before it is durable: what is asked for while it is written must not slip through.
        self._stops[tenant] = before or Stop(
            number=0, tenant=tenant, since_us=at_us, who=who, reason=reason
        )
        try:
            found, deeds = await self._file.run(work)
        except PintuError:
            if before is None:
                del self._stops[tenant]
            raise
        self._stops[tenant] = found
        return found, deeds

    async def release(self, tenant: str, who: str, reason: str) -> tuple[Stop, list[Deed]]:
        """One of two asks to let commands go again; `released_us` is set when both did."""
        at_us = self._clock.now_us()
        patience_us = int(RELEASE_WITHIN_S * 1e6 * self._clock.rate)

        def work(connection: Connection) -> tuple[Stop, list[Deed]]:
            found = release(connection, tenant, who=who, at_us=at_us, patience_us=patience_us)
            verb = "released" if found.released_us else "release_asked"
            return found, [enter(connection, _deed(found, verb, who, at_us, reason))]

        found, deeds = await self._file.run(work)
        if found.released_us:
            self._stops.pop(tenant, None)
        else:
            self._stops[tenant] = found
        return found, deeds


def _deed(found: Stop, verb: str, who: str, at_us: int, reason: str) -> Deed:
    return Deed(
        subject=f"stop:{found.number}",
        verb=verb,
        who=who,
        at_us=at_us,
        tenant=found.tenant,
        reason=reason,
    )


def standing(connection: Connection) -> list[Stop]:
    """The stops that stand."""
    rows = connection.execute(sa.select(STOP).where(STOP.c.released_us == 0))
    return [_stop(row) for row in rows]


def stops_of(connection: Connection, tenant: str, limit: int) -> list[Stop]:
    """Stops of a tenant, newest first."""
    asked = sa.select(STOP).where(STOP.c.tenant == tenant).order_by(STOP.c.number.desc())
    return [_stop(row) for row in connection.execute(asked.limit(limit))]


def stop(connection: Connection, tenant: str, *, who: str, reason: str, at_us: int) -> Stop:
    """Begin a stop; the one that stands already is that."""
    for one in standing(connection):
        if one.tenant == tenant:
            return one
    values = {
        "tenant": tenant,
        "since_us": at_us,
        "who": who,
        "reason": reason,
        "asked_by": "",
        "asked_us": 0,
        "released_by": "",
        "released_us": 0,
    }
    key = connection.execute(STOP.insert().values(values)).inserted_primary_key
    return Stop(number=int(key[0]) if key else 0, **values)  # type: ignore[arg-type]


def release(connection: Connection, tenant: str, *, who: str, at_us: int, patience_us: int) -> Stop:
    """One person asks to release the stop of a tenant: the second one within the patience does.

    Raises StateConflict when nothing is stopped, or the same person asks again.
    """
    found = next((one for one in standing(connection) if one.tenant == tenant), None)
    if found is None:
        raise StateConflict("Nothing is stopped")
    fresh = found.asked_by and at_us - found.asked_us <= patience_us
    if fresh and found.asked_by == who:
        raise StateConflict("A second person must release the stop", asked_by=who)
    change: dict[str, Any] = {"released_by": who, "released_us": at_us}
    if not fresh:
        change = {"asked_by": who, "asked_us": at_us}
    connection.execute(STOP.update().where(STOP.c.number == found.number).values(change))
    return msgspec.structs.replace(found, **change)


def _stop(row: Any) -> Stop:
    return Stop(**row._mapping)
