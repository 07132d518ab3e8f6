"""Asking all sources of a read at once, and putting together what they have with what is here
(5.7.1.4, 5.7.2.4).
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Record
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.federation import Federation, Share, Wanted
from pintu.kernel.federation.arrived import Arrived, Part, local_part, read_answer
from pintu.kernel.federation.forwarding import Answer, Came, Failed, Question, warning
from pintu.kernel.federation.merging import Claims, merge, record_of
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.answers import LD_JSON, Pairs
from pintu.web.ngsi_ld.distributed_read_asking import (
    MOST_AT_ONCE,
    Asked,
    Speech,
    batch,
    checked_after,
    of_ids,
    query,
    retrieval,
    speech,
)
from pintu.web.ngsi_ld.info import alias
from pintu.web.ngsi_ld.operation import Call

_COUNT = "ngsild-results-count"
_MOST_RETRIEVED = 50
"""Entities asked for one by one of a source that answers nothing but retrieveEntity."""
_IDS_AT_ONCE = 50
_LONG = 200_000
"""Bytes of an answer that take longer to read than others should wait."""
_LONGEST_S = 10.0
"""A source whose pages take longer altogether is left with what it told."""


Pieces = dict[str, list[Record | Part]]
"""What there is of each entity, by id."""


@dataclass(slots=True)
class Leg:
    """One source, what it is asked, and what came of it."""

    share: Share
    operation: str
    parts: dict[str, Part] = field(default_factory=dict)
    count: int | None = None
    more: bool = False  # it has entities that were not fetched
    unfiltered: bool = False  # it was not told the filters
    warnings: list[tuple[bytes, bytes]] = field(default_factory=list)
    failed: Failed | None = None
    map: str = ""  # where the source keeps which entities it told

    def take(self, parts: Iterable[Part]) -> int:
        """Keep parts that are new; how many were."""
        before = len(self.parts)
        for part in parts:
            self.parts.setdefault(part.id, part)
        return len(self.parts) - before


def federation(call: Call) -> Federation:
    """The sources of this city; only asked for where there are registrations."""
    found = call.rooms.federation
    assert found is not None
    return found


def came(call: Call) -> Came:
    """The way the request has come."""
    return Came(alias(call.rooms, call.tenant_name), call.request.headers)


def legs_of(call: Call, wanted: Wanted, operations: tuple[str, ...]) -> list[Leg]:
    """The sources to ask, each with the best of the operations it is registered for, in the order
    of registration."""
    found = []
    for share in federation(call).registry.matching(call.tenant_name, wanted):
        registered = share.registration.operations
        best = next((one for one in operations if one in registered), None)
        if best is not None:
            found.append(Leg(share, best))
    return found


@dataclass(slots=True)
class Gathering:
    """One read over this broker and the sources of its legs."""

    call: Call
    legs: list[Leg]
    asked: Asked

    @property
    def claims(self) -> Claims:
        """What exclusive and redirect sources took."""
        return Claims.of(leg.share for leg in self.legs)

    @property
    def warnings(self) -> Pairs:
        """NGSILD-Warning headers: of sources that failed, and of those behind them (6.3.17)."""
        return tuple(dict.fromkeys(one for leg in self.legs for one in leg.warnings))

    async def ask(self) -> None:
        """Ask every source at once; what they say is in the legs afterwards."""
        if len(self.legs) == 1:
            await self._ask(self.legs[0])
        elif self.legs:
            await asyncio.gather(*(self._ask(leg) for leg in self.legs))

    async def complete(self, ids: list[str]) -> None:
        """Ask sources that have more than they told for what they have of entities on the page."""
        asking = []
        for leg in self.legs:
            if leg.more and leg.operation != "retrieveEntity":
                missing = [id for id in ids if id not in leg.parts and leg.share.covers(id)]
                for start in range(0, len(missing), _IDS_AT_ONCE):
                    some = tuple(missing[start : start + _IDS_AT_ONCE])
                    asking.append(self._more(leg, some))
        if asking:
            await asyncio.gather(*asking)

    # --- one source -----------------------------------------------------------------------------
    async def _ask(self, leg: Leg) -> None:
        try:
            spoken = await speech(self.call, leg.share.registration)
        except PintuError as error:
            self._failed(leg, Failed("refused", f"{leg.share.registration.id}: {error.detail}"))
            return
        leg.unfiltered = checked_after(self.asked, spoken)
        if leg.operation == "retrieveEntity":
            await self._retrieve(leg, spoken)
        else:
            await self._pages(leg, spoken)

    async def _retrieve(self, leg: Leg, spoken: Speech) -> None:
        ids = leg.share.ids[:_MOST_RETRIEVED]
        leg.more = len(leg.share.ids) > _MOST_RETRIEVED
        shares = [of_ids(leg.share, (id,)) for id in ids]
        asking = [
            self._heard(leg, share, retrieval(share, self.asked, spoken), spoken)
            for share in shares
        ]
        await asyncio.gather(*asking)
        leg.unfiltered = leg.unfiltered or not self.asked.split

    async def _pages(self, leg: Leg, spoken: Speech) -> None:
        """As many pages as the request reaches: a source that never ends is left after those."""
        asked, offset, got = self.asked, 0, 0
        began = time.monotonic()
        make = batch if leg.operation == "queryBatch" else query
        size = min(asked.reach, MOST_AT_ONCE)
        while True:
            question = make(leg.share, asked, spoken, offset)
            came_back = await self._heard(leg, leg.share, question, spoken)
            if came_back is None:
                return
            new, length = came_back
            got += length
            leg.more = length == size or (leg.count is not None and got < leg.count)
            if not leg.more or not new or got >= asked.reach or size < 1:
                return
            if time.monotonic() - began > _LONGEST_S:
                detail = f"{leg.share.registration.id} was left after {got} entities: it is slow"
                self._warn(leg, Failed("away", detail))
                return
            offset += length

    async def _more(self, leg: Leg, ids: tuple[str, ...]) -> None:
        """The second round: some entities of a source by their ids."""
        share = of_ids(leg.share, ids)
        spoken = await speech(self.call, share.registration)
        make = batch if leg.operation == "queryBatch" else query
        asked = dataclasses.replace(self.asked, reach=len(ids), count=False)
        await self._heard(leg, share, make(share, asked, spoken), spoken)

    async def _heard(
        self, leg: Leg, share: Share, question: Question, spoken: Speech
    ) -> tuple[int, int] | None:
        """(new entities, entities in the answer) of one question; None when it failed."""
        sources = federation(self.call).sources
        assert sources is not None
        answer = await sources.ask(share.registration, question, came(self.call))
        if isinstance(answer, Failed):
            self._failed(leg, answer)
            return None
        own = answer.headers.get("ngsild-warning")
        if own:
            leg.warnings.append((b"ngsild-warning", own[:2000].encode("latin-1", "replace")))
        if answer.stale:
            detail = f"{share.registration.id} did not answer: this is what it said before"
            self._warn(leg, Failed("stale", detail))
        if answer.status == 404:
            return 0, 0
        try:
            terms = await self._terms(answer, spoken)
            arrived = await self._read(answer.body, terms, share)
        except PintuError as error:
            detail = f"{share.registration.id}: {error.detail}"
            self._failed(leg, Failed("invalid", detail))
            return None
        if arrived.strange:
            detail = f"{share.registration.id} answered {arrived.strange} that cannot be used: "
            self._warn(leg, Failed("invalid", detail + arrived.why))
        leg.map = answer.headers.get("ngsild-entitymap", leg.map)[:1000]
        count = answer.headers.get(_COUNT, "")
        if count.isdigit() and len(count) < 12:
            leg.count = int(count)
        return leg.take(arrived.parts), arrived.size

    async def _read(self, body: bytes, terms: Terms, share: Share) -> Arrived:
        """The parts in an answer; a long one is read beside the loop, so that nobody waits."""
        now = iso(self.call.rooms.clock.now_us())
        if len(body) < _LONG:
            return read_answer(body, terms, share, now)
        return await asyncio.to_thread(read_answer, body, terms, share, now)

    async def _terms(self, answer: Answer, spoken: Speech) -> Terms:
        """The terms an answer is written in: those asked for, or its own @context in ld+json."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.encode() != LD_JSON:
            return spoken.terms
        context = context_in(answer.body)
        if context is None:
            return spoken.terms
        library = self.call.rooms.library
        return library.now(context) or await library.terms(context)

    def _failed(self, leg: Leg, failed: Failed) -> None:
        leg.failed = failed
        self._warn(leg, failed)

    def _warn(self, leg: Leg, failed: Failed) -> None:
        leg.warnings.append(warning(failed, alias(self.call.rooms, self.call.tenant_name)))

    # --- together -------------------------------------------------------------------------------
    def union(self, records: Iterable[Record]) -> Pieces:
        """Everything there is of each entity: this broker's first, then the sources' in order."""
        found: Pieces = {one.id: [one] for one in records}
        for leg in self.legs:
            for id, part in leg.parts.items():
                found.setdefault(id, []).append(part)
        return found

    def merged(self, pieces: list[Record | Part], claims: Claims) -> Record | None:
        """One entity of all its pieces; None when nothing of it may be told."""
        first = pieces[0]
        alone = len(pieces) == 1 and not claims.touches(first.id, frozenset(first.types))
        if alone and isinstance(first, Record):  # its stored bytes stay what they are
            return first
        parts = [local_part(one) if isinstance(one, Record) else one for one in pieces]
        part = merge(parts, claims)
        return None if part is None else record_of(part)


def context_in(body: bytes) -> object | None:
    """The @context of an ld+json answer: of the entity, or of the first of a list."""
    import orjson

    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The answer is not JSON: {error}") from error
    if isinstance(found, list):
        found = found[0] if found else None
    return found.get("@context") if isinstance(found, dict) else None


async def alongside(asking: Awaitable[None], local: Awaitable[list[Record]]) -> list[Record]:
    """The sources' answers and this broker's own, side by side; the own records."""
    _, records = await asyncio.gather(asking, local)
    return records
