"""The incoming half: one tenant of another city landed in its copy here, in order, once.

How far it was landed is a mark in the transaction of what was landed. A message that cannot be read
or believed goes to quarantine with its reason and holds up nothing. Each message names the one
before it: where that never came, the other city is asked to tell the present.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Final, NamedTuple

import orjson

from pintu.kernel.clock import Clock
from pintu.kernel.context.record import Keep, Remove, Transform
from pintu.kernel.errors import BadRequestData, PintuError, StateConflict
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Envelope, SourceReport, Unreadable
from pintu.kernel.relay import names
from pintu.kernel.relay.applying import (
    Refuse,
    foreseen,
    read_document,
    replacing,
    transform_of,
)
from pintu.kernel.relay.bus import Bus
from pintu.kernel.relay.reading import Came, Reader
from pintu.kernel.relay.rows import Headers, Part, decode, headers_of
from pintu.kernel.relay.words import Route
from pintu.kernel.store.port import Mark, Op, Store, settled

log = logging.getLogger("pintu.relay")

AGAIN_S: Final = 0.5
TELL_S: Final = 2.0
ASK_AGAIN_S: Final = 60.0
SLICE: Final = 50
"""Messages read before others have their turn."""

IDS: Final = 1_000


class Step(NamedTuple):
    """What is done to one entity, and what of which message says so: the whole, or one entity of a
    part (`tail` names it, `body` is its document)."""

    id: str
    transform: Transform
    came: Came
    tail: str = ""
    body: bytes | None = None


class Incoming:
    """One route; `run` until cancelled."""

    def __init__(
        self,
        route: Route,
        bus: Bus,
        rooms: tuple[Store, Intake, Clock],
        *,
        reader: str,
        alerts: str | None,
        may_lead: Callable[[], bool],
        refuse: Refuse | None = None,
    ) -> None:
        """`reader` is this city's name; `alerts` the tenant in which it is told that the route is
        down, which must not be a copy; `refuse` of a strict tenant."""
        self.route, self._bus, self._reader, self._alerts = route, bus, reader, alerts
        self._store, self._intake, self._clock = rooms
        self._may_lead, self._refuse = may_lead, refuse
        self._mark = names.route_mark(route.city, route.tenant)
        self._born = names.born_mark(route.city, route.tenant)
        self._source = names.source(route.city, holds=False)
        self._at = 0  # the sequence of the newest message that was landed
        self._expected = 0  # … that came
        self._asked_s = -ASK_AGAIN_S
        self._told_s = 0.0
        self.state = "starting"
        self.waiting = 0
        self.landed = 0
        self.bytes = 0
        self.held = 0
        self.gaps = 0
        self.last_us = 0
        self.late_us = 0  # from the commit there to the commit here, of the newest message

    @property
    def position(self) -> int:
        """The sequence of the stream up to which it was landed."""
        return self._at

    # --- life -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Land for as long as this broker may, whatever NATS and the store do meanwhile."""
        said = ""
        while True:
            if not self._may_lead():
                self.state = "another broker of this city relays"
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                if self._bus.connected:
                    await self._session()
                self.state = f"NATS is away: {self._bus.trouble}"
            except PintuError as error:
                self.state = error.detail or error.title
                if self.state != said:
                    log.warning("%s of %s: %s", self.route.tenant, self.route.city, self.state)
                said = self.state
            self._report("down")
            await asyncio.sleep(AGAIN_S)

    async def _session(self) -> None:
        """From where it was landed to whatever ends the session."""
        here = await self._store.open_tenant(self.route.here)
        await self._where(here)
        reader = Reader(self._bus, self._reader, self.route)
        try:
            await reader.open(self._at)
            self.state = "up"
            while self._may_lead():
                came = await reader.batch(1.0)
                self.waiting = reader.waiting
                if came:
                    await self._land(here, came)
                self._report("up")
        finally:
            await reader.close()

    async def _where(self, here: int) -> None:
        """Where it goes on, and whether that is there still."""
        kept: int | None = await settled(self._store.kept(self._mark))
        route = self.route
        stream = await self._bus.find_stream(names.stream(route.city))
        if stream is None:
            raise StateConflict(f"{route.city} has no stream yet")
        if kept is None:
            if any(kind.count for kind in self._store.kinds(here)):
                raise StateConflict(
                    f"Tenant {route.here or 'default'} holds entities already: a copy of "
                    f"{route.city}'s begins empty, name another tenant"
                )
            await self._store.submit((), mark=Mark(self._mark, 0, before=0))
            kept = 0
        born: int | None = await settled(self._store.kept(self._born))
        if kept and (kept > stream.last or born != stream.born_us):
            log.error("The stream of %s was begun anew: its present is asked for", route.city)
            await self._store.submit((), mark=Mark(self._mark, 0, before=kept))
            kept = 0
            await self._ask_for_the_present()
        elif kept == 0 and stream.first > 1:
            await self._ask_for_the_present()
        if born != stream.born_us:
            await self._store.submit((), mark=Mark(self._born, stream.born_us))
        self._at = self._expected = kept

    # --- landing ----------------------------------------------------------------------------------
    async def _land(self, here: int, came: list[Came]) -> None:
        """Land what came, each run of one writer's sort in a transaction with its mark."""
        told: list[tuple[Came, bool, list[Step]]] = []
        unreadable: list[Unreadable] = []  # held before the mark passes it
        for number, one in enumerate(came, 1):
            if one.sequence <= self._at:
                continue
            try:
                told.append(await self._read(here, one, unreadable))
            except BadRequestData as error:
                unreadable.append(Unreadable(self._envelope(one), error.detail))
                told.append((one, False, []))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        if unreadable:
            await self._hold(unreadable)
        for held, run in groupby(told, key=lambda entry: entry[1]):
            entries = list(run)
            steps = [step for _, _, many in entries for step in many]
            held_now = await self._foresee(here, steps)
            last = entries[-1][0]
            outcomes = await self._store.submit(
                [Op(here, one.id, one.transform) for one in steps],
                names.source(self.route.city, holds=held),
                mark=Mark(self._mark, last.sequence, before=self._at),
            )
            self._at = last.sequence
            refused = {number: one.error for number, one in enumerate(outcomes) if one.error}
            await self._refused(steps, {n: refused[n] for n in refused.keys() - held_now})
            self.landed += len(entries)
            self.bytes += sum(len(one.body) for one, _, _ in entries)

    async def _read(
        self, here: int, came: Came, unreadable: list[Unreadable]
    ) -> tuple[Came, bool, list[Step]]:
        """A message as steps. Raises BadRequestData for one that cannot be read or is not of
        this city."""
        headers = headers_of(came.headers)
        if headers.city != self.route.city:
            raise BadRequestData(f"It is of {headers.city}, not of {self.route.city}")
        await self._follows(came, headers)
        message = decode(came.body)
        self.last_us = self._clock.now_us()
        self.late_us = max(self.last_us - message.at_us, 0)
        if isinstance(message, Part):
            return came, True, await self._part(here, came, message, unreadable)
        transform = transform_of(message, self._refuse)
        return came, message.held, [Step(message.id, transform, came)]

    async def _follows(self, came: Came, headers: Headers) -> None:
        """Ask for the present when the tenant's message before this one never came."""
        before, self._expected = self._expected, came.sequence
        if headers.previous == before or 0 < headers.previous < before:
            return
        self.gaps += 1
        log.error(
            "Messages of %s's %s before sequence %d have left its stream before they came: its "
            "present is asked for", self.route.city, self.route.tenant or "default", came.sequence,
        )  # fmt: skip
        await self._ask_for_the_present()

    async def _part(
        self, here: int, came: Came, part: Part, unreadable: list[Unreadable]
    ) -> list[Step]:
        """What a part does: its entities are there, others between its ids are not."""
        steps: list[Step] = []
        told: set[str] = set()
        for number, raw in enumerate(part.entities):
            body = bytes(raw)
            try:
                document, _ = read_document(body)
                told.add(document["id"])
                transform = replacing(body, refuse=self._refuse)
                steps.append(Step(document["id"], transform, came, f"#{number}", body))
            except BadRequestData as error:
                envelope = self._envelope(came, f"#{number}", body)
                unreadable.append(Unreadable(envelope, error.detail))
        after = part.after
        while True:
            ids = await settled(self._store.past_ids(here, None, after, IDS))
            for id in ids:
                if part.upto and id > part.upto:
                    return steps
                if id not in told:
                    steps.append(Step(id, _gone, came))
            if len(ids) < IDS:
                return steps
            after = ids[-1]

    async def _foresee(self, here: int, steps: list[Step]) -> set[int]:
        """What the vocabulary of a strict tenant will refuse is held before the mark passes it: a
        kill behind the commit takes nothing from what people are told. Which of the steps."""
        if self._refuse is None:
            return set()
        ids = list(dict.fromkeys(one.id for one in steps))
        found = await asyncio.gather(*(settled(self._store.retrieve(here, id)) for id in ids))
        errors = foreseen(
            ((one.id, one.transform) for one in steps),
            dict(zip(ids, found, strict=True)),
            self._clock.now_us(),
        )
        wrong = {number: error for number, error in enumerate(errors) if error is not None}
        await self._refused(steps, wrong)
        return set(wrong)

    async def _refused(self, steps: list[Step], errors: Mapping[int, PintuError]) -> None:
        """Steps that were refused are held, with the reason."""
        wrong = [
            Unreadable(
                self._envelope(steps[number].came, steps[number].tail, steps[number].body),
                error.detail or error.title,
            )
            for number, error in sorted(errors.items())
        ]
        if wrong:
            await self._hold(wrong)

    async def _hold(self, unreadable: list[Unreadable]) -> None:
        self.held += len(unreadable)
        now_us = self._clock.now_us()
        await self._intake.quarantine.put(self.route.here, unreadable, now_us)

    def _envelope(self, came: Came, tail: str = "", body: bytes | None = None) -> Envelope:
        meta = {"topic": came.subject, "kind": "envelope"}
        key = f"{names.stream(self.route.city)}/{came.sequence}{tail}"
        return Envelope(self._source, key, self._clock.now_us(), body or came.body, meta)

    # --- telling ----------------------------------------------------------------------------------
    async def _ask_for_the_present(self) -> None:
        """Ask the other city to tell the tenant's present; not more than once a minute."""
        if time.monotonic() - self._asked_s < ASK_AGAIN_S:
            return
        self._asked_s = time.monotonic()
        told = {"what": "present", "tenant": self.route.tenant, "from": self._reader}
        try:
            await self._bus.request(names.asking(self.route.city), orjson.dumps(told))
        except PintuError as error:
            log.warning("%s cannot be asked for its present: %s", self.route.city, error.detail)
            self._asked_s -= ASK_AGAIN_S * 0.9

    def _report(self, state: str) -> None:
        """How the route is, on the page of sources and for its alert."""
        now_s = time.monotonic()
        if self._alerts is None or now_s - self._told_s < TELL_S:
            return
        self._told_s = now_s
        self._intake.report(SourceReport(
            source=f"relay/{self.route.city}/{self.route.tenant or 'default'}",
            piece="relay",
            messages=self.landed,
            bytes=self.bytes,
            unreadable=self.held,
            last_us=self.last_us,
            lag_us=self.late_us,
            state="up" if state == "up" else "down",
            detail="" if state == "up" else self.state[:500],
            tenant=self._alerts,
        ))  # fmt: skip


def _gone(record: object, now_us: int) -> Keep | Remove:
    return Keep() if record is None else Remove()
