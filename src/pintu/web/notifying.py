"""Notifications under an agreement, glued to the gate: counted against it, then written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pintu.kernel.access import Act, Actor, Gate, Projection
from pintu.kernel.errors import Unavailable
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.subscriptions.words import Message


def writer(gate: Gate) -> Callable[[Actor, Act, Projection, Message], Awaitable[object]]:
    """What enters a notification into the log before it is sent, as `writing_down` does answers.

    Raises Unavailable without a log, Forbidden or TooManyRequests over the agreement's rows.
    """

    async def write_down(
        actor: Actor, act: Act, projection: Projection, message: Message
    ) -> object:
        if not isinstance(gate, ExchangeGate):
            raise Unavailable("The log is not there: what must be written down is not told")
        gate.recorder.ready()
        found = gate.under(projection)
        if found is not None:
            gate.limits.rows(found, message.entities)
        told = Told(body=message.body, rows=message.entities)
        return await gate.record(actor, act, projection, told)

    return write_down
