"""The relay of a city, wired: what `[relay]` tells, and the house asked before anything leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pintu.city_words import unknown_words
from pintu.kernel.access import Act, Actor, Projection
from pintu.kernel.errors import Unavailable
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.subscriptions.rebuilding import Rebuilder

if TYPE_CHECKING:
    from pintu.kernel.relay.room import RelayRoom
    from pintu.kernel.store.port import Change
    from pintu.web.rooms import Rooms

LOOK_S: Final = 5.0
"""How often the catalogue is asked which types tell of persons."""


class House:
    """What the relay asks: `leaving.Asked` over the rooms of a city."""

    def __init__(self, rooms: Rooms) -> None:
        self.gate = rooms.gate
        self._rooms = rooms
        self._rebuilder = Rebuilder(rooms.store)
        self._persons: dict[str, frozenset[str]] = {}
        self._until_s = 0.0

    def standing(self, actor: Actor) -> Actor | None:
        """Who a token is today."""
        return self._rooms.identity.standing(actor)

    def holds(self, actor: Actor, act: Act, projection: Projection) -> bool:
        """Whether what the gate decided is so at this moment."""
        gate = self.gate
        return isinstance(gate, ExchangeGate) and gate.holds(actor, act, projection)

    def persons(self, tenant: str) -> frozenset[str]:
        """Types of a tenant of which the catalogue says that their rows tell of persons."""
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._until_s = now_s + LOOK_S
            found: dict[str, set[str]] = {}
            for one in self._rooms.exchange.catalogue.list_sets():
                if one.provider == "context" and one.persons:
                    found.setdefault(one.tenant, set()).add(one.type)
            self._persons = {name: frozenset(types) for name, types in found.items()}
        return self._persons.get(tenant, frozenset())

    async def rebuild(self, change: Change) -> Change:
        """A row of the log with the documents before and after it."""
        return await self._rebuilder.rebuild(change)

    async def write_down(
        self, actor: Actor, act: Act, projection: Projection, body: bytes, rows: int
    ) -> object:
        """Enter what is about to leave into the log, counted against its agreement; Unavailable
        without a log, Forbidden or TooManyRequests over the agreement's rows."""
        gate = self.gate
        if not isinstance(gate, ExchangeGate):
            raise Unavailable("The log is not there: what must be written down does not leave")
        gate.recorder.ready()
        found = gate.under(projection)
        if found is not None:
            gate.limits.rows(found, rows)
        return await gate.record(actor, act, projection, Told(body=body, rows=rows))


def open_relay(rooms: Rooms) -> RelayRoom | None:
    """The relay as settings tell it; None where they tell of none. Raises Unavailable without the
    client of NATS."""
    settings = rooms.settings
    if not settings.relay:
        return None
    from pintu.kernel.relay.room import RelayRoom
    from pintu.kernel.relay.words import read_relay

    told = read_relay(settings.relay, city=settings.node_name)[0]
    if told is None:
        return None
    try:
        import nats  # noqa: F401
    except ImportError as error:
        raise Unavailable("[relay] needs pip install 'pintu[nats]'") from error
    strict = settings.strict_tenants
    return RelayRoom(
        told,
        (rooms.store, rooms.feed, rooms.intake, rooms.clock),
        House(rooms),
        refuse=lambda tenant: unknown_words if tenant in strict else None,
    )
