"""The relay of a running city: its connections, both halves, and how they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.feed import Feed
from pintu.kernel.intake import Intake
from pintu.kernel.relay import names
from pintu.kernel.relay.applying import Refuse
from pintu.kernel.relay.bus import Bus, ended
from pintu.kernel.relay.incoming import Incoming
from pintu.kernel.relay.leaving import Asked
from pintu.kernel.relay.outgoing import Outgoing
from pintu.kernel.relay.words import Line, Relay
from pintu.kernel.store.port import Store

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = logging.getLogger("pintu.relay")
LISTEN_S: Final = 0.5


class _Question(msgspec.Struct):
    """What another city, or the command line, asks of the outgoing half."""

    what: str = "status"
    tenant: str = ""


def _always() -> bool:
    return True


def alerts_tenant(told: Relay) -> str | None:
    """Where it is told that a route is down: in the default tenant, unless that is a copy, then in
    one that leaves; None: nowhere."""
    copies = {route.here for one in told.coming for route in one.routes}
    return next((one for one in ("", *(out.tenant for out in told.out)) if one not in copies), None)


class RelayRoom:
    """Opened with what `[relay]` tells; runs between `start` and `stop`."""

    def __init__(
        self,
        told: Relay,
        rooms: tuple[Store, Feed, Intake, Clock],
        asked: Asked,
        *,
        may_lead: Callable[[], bool] = _always,
        refuse: Callable[[str], Refuse | None] = lambda tenant: None,
    ) -> None:
        """`may_lead` says whether this broker of several relays; `refuse` of strict tenants."""
        store, feed, intake, clock = rooms
        self.told = told
        self._buses: dict[Line, Bus] = {}
        self._bus(told.line)  # also where nothing leaves: it is asked there how it is
        self.outgoing: Outgoing | None = None
        if told.out:
            bus = self._bus(told.line)
            self.outgoing = Outgoing(told, bus, (store, feed, clock), asked, may_lead)
        self.incoming = [
            Incoming(
                route,
                self._bus(one.line),
                (store, intake, clock),
                reader=told.city,
                alerts=alerts_tenant(told),
                may_lead=may_lead,
                refuse=refuse(route.here),
            )
            for one in told.coming
            for route in one.routes
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def _bus(self, line: Line) -> Bus:
        if line not in self._buses:
            self._buses[line] = Bus(line, f"pintu {self.told.city}")
        return self._buses[line]

    async def start(self) -> None:
        """Begin to relay; NATS may be away."""
        for bus in self._buses.values():
            bus.start()
        run: list[Callable[[], Awaitable[None]]] = [one.run for one in self.incoming]
        run.append(self._answer)
        if self.outgoing is not None:
            run.append(self.outgoing.run)
        for one in run:
            self._tasks.append(asyncio.create_task(self._kept(one), name="relay"))

    async def _kept(self, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception:  # a loop's edge: a mistake of one half ends neither it nor the other
                log.exception("A half of the relay broke; begun again")
                await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """End both halves; what is not acknowledged is sent again by the next life."""
        tasks, self._tasks = self._tasks, []
        await ended(tasks)
        for bus in self._buses.values():
            await bus.stop()

    # --- questions from outside -------------------------------------------------------------------
    async def _answer(self) -> None:
        """Answer who asks how this city's relay is, or for its present."""
        bus = self._bus(self.told.line)
        stop: Callable[[], Awaitable[None]] | None = None
        heard_in = -1
        while True:
            await bus.wait()
            if stop is None or bus.opened != heard_in:
                try:
                    stop, heard_in = (
                        await bus.listen(names.asking(self.told.city), self._asked),
                        (bus.opened),
                    )
                except PintuError:
                    stop = None
            await asyncio.sleep(LISTEN_S)

    async def _asked(self, message: Msg) -> None:
        try:
            question = msgspec.json.decode(message.data or b"{}", type=_Question)
        except msgspec.DecodeError:
            return
        if question.what == "present" and self.outgoing is not None:
            for tenant in {one.tenant for one in self.told.out} & {question.tenant}:
                await self.outgoing.tell_again(tenant)
        if message.reply:
            await self._bus(self.told.line).publish(message.reply, orjson.dumps(self.status()))

    # --- how it is --------------------------------------------------------------------------------
    def status(self) -> dict[str, Any]:
        """Both halves as they are now."""
        out = self.outgoing
        found: dict[str, Any] = {"city": self.told.city, "out": None, "in": []}
        if out is not None:
            stream = out.stream
            found["out"] = {
                "state": out.state,
                "position": out.position,
                "behind": out.behind,
                "sent": out.sent,
                "telling": out.telling(),
                "refused": out.refusals(),
                "stream": None if stream is None else msgspec.to_builtins(stream),
            }
        found["in"] = [
            {
                "city": one.route.city,
                "tenant": one.route.tenant,
                "here": one.route.here,
                "state": one.state,
                "position": one.position,
                "waiting": one.waiting,
                "landed": one.landed,
                "held": one.held,
                "gaps": one.gaps,
            }
            for one in self.incoming
        ]
        return found

    def figures(self) -> dict[str, float]:
        """The same as numbers, for Prometheus."""
        out = self.outgoing
        found: dict[str, float] = {}
        if out is not None:
            found["pintu_relay_out_up"] = float(out.state == "up")
            found["pintu_relay_out_behind"] = float(out.behind)
            found["pintu_relay_out_sent_total"] = float(out.sent)
            found["pintu_relay_out_refused"] = float(len(out.refusals()))
        if self.incoming:
            found["pintu_relay_in_down"] = float(sum(one.state != "up" for one in self.incoming))
            found["pintu_relay_in_waiting"] = float(sum(one.waiting for one in self.incoming))
            late_us = max(one.late_us for one in self.incoming)
            found["pintu_relay_in_late_seconds"] = late_us / 1e6  # of the newest that came
            found["pintu_relay_in_landed_total"] = float(sum(one.landed for one in self.incoming))
            found["pintu_relay_in_held_total"] = float(sum(one.held for one in self.incoming))
            found["pintu_relay_in_gaps_total"] = float(sum(one.gaps for one in self.incoming))
        return found
