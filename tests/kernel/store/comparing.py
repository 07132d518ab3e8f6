"""One program run on two stores: equal answers, order where an order is promised, equal errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Page, Store, settled
from tests.kernel.store.programs import TENANTS, Step, made, program

Opening = Callable[[], Awaitable[Store]]
MOST_PAGES = 12
START_US = 1_790_000_000_000_000


@dataclass
class HandClock:
    """Time moves between the steps of a program, for both stores alike."""

    us: int = START_US
    rate: float = 1.0

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self.us


@dataclass
class Side:
    """One of the two stores: how to open it, and what it numbers its tenants."""

    opening: Opening
    store: Store
    tenants: dict[str, int] = field(default_factory=dict)
    heard: list[int] = field(default_factory=list)

    @classmethod
    async def open(cls, opening: Opening) -> Side:
        """Open an empty store, its tenants made."""
        side = cls(opening, await opening())
        side.listen()
        for name in TENANTS:
            side.tenants[name] = await side.store.open_tenant(name)
        return side

    def listen(self) -> None:
        """Note the positions of every commit."""
        self.store.on_commit(lambda changes: self.heard.extend(one.position for one in changes))

    async def do(self, step: Step) -> Any:
        """What the store answers to one step, free of what may differ between two stores."""
        try:
            answer = getattr(self, f"_{step.what}")(**step.told)
            return await answer
        except PintuError as error:
            return _error(error)

    async def _submit(self, calls: list[dict[str, Any]]) -> Any:
        waiting = [
            self.store.submit([made(one, self.tenants) for one in call["ops"]], call["source"])
            for call in calls
        ]
        outcomes = await asyncio.gather(*waiting)
        return [
            [(_error(one.error), one.verb, one.detail, one.position) for one in call]
            for call in outcomes
        ] + [self.store.head(), list(self.heard)[-50:]]

    async def _select(self, tenant: str, wanted: dict[str, Any], limit: int) -> Any:
        """Page after page, and the whole at once; again when an index was finished meanwhile."""
        for last in (False, False, True):
            await settle(self.store)
            try:
                shown = await self._walked(tenant, wanted, limit)
                break
            except AssertionError:
                if last:
                    raise
        return shown if wanted.get("order") else sorted(shown, key=lambda one: str(one["id"]))

    async def _walked(
        self, tenant: str, wanted: dict[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        pages: list[Record] = []
        counts = set()
        for _ in range(MOST_PAGES):
            page = await self._page(tenant, wanted, limit=limit, offset=len(pages), count=True)
            counts.add(page.count)
            pages += page.records
            if len(page.records) < limit:
                break
        whole = await self._page(tenant, wanted, limit=5_000)
        told = [orjson.loads(one) for one in await self._bodies(tenant, wanted)]
        shown = [_record(one) for one in whole.records]
        assert len(shown) == len({one["id"] for one in shown}), "An entity is there twice"
        assert [_record(one) for one in pages] == shown[: len(pages)], "The pages are another row"
        assert len(pages) in (len(shown), MOST_PAGES * limit), "The pages end before the end"
        assert counts == {len(shown)}, f"The pages count {counts}, there are {len(shown)}"
        assert sorted(one["id"] for one in told) == sorted(one["id"] for one in shown)
        return shown

    async def _page(self, tenant: str, wanted: dict[str, Any], **more: Any) -> Page:
        number = self.tenants[tenant]
        return await settled(self.store.select(Selection(tenant=number, **wanted, **more)))

    async def _bodies(self, tenant: str, wanted: dict[str, Any]) -> list[bytes]:
        page = await self._page(tenant, wanted, limit=5_000, bodies=True)
        return [one.body for one in page.records] if page.bodies is None else page.bodies

    async def _retrieve(self, tenant: str, id: str, limit: int) -> Any:
        found = await settled(self.store.retrieve(self.tenants[tenant], id))
        return None if found is None else _record(found)

    async def _history(self, tenant: str, id: str, limit: int) -> Any:
        number, before, found = self.tenants[tenant], None, []
        while page := await settled(self.store.history(number, id, before=before, limit=limit)):
            found += page
            before = page[-1].position
        return [self._change(one) for one in found]

    async def _past(self, tenant: str, types: Any, limit: int) -> Any:
        number, after, found = self.tenants[tenant], "", []
        while page := await settled(self.store.past_ids(number, types, after, limit)):
            found += page
            after = page[-1]
        assert sorted(set(found)) == found
        return found

    async def _changes(self, tenant: str, part: float, limit: int) -> Any:
        after = int(self.store.head() * part)
        found = await settled(self.store.changes(after, limit))
        return [self._change(one) for one in found]

    async def _kinds(self, tenant: str) -> Any:
        kinds = self.store.kinds(self.tenants[tenant])
        return sorted((one.types, one.attributes, one.count) for one in kinds)

    async def _expired(self, tenant: str, at: int, limit: int) -> Any:
        found = await settled(self.store.expired(at, limit))
        if len(found) == limit:
            return len(found)  # which of those that went at one time comes first is not promised
        return sorted((self._name(number), id) for number, id in found)

    async def _cursor(self, tenant: str, name: str, part: float | None) -> Any:
        position = None if part is None else int(self.store.head() * part)
        await self.store.save_cursor(name, position)
        return dict(sorted(self.store.cursors().items()))

    async def _trim(self, tenant: str, part: float) -> Any:
        return await self.store.trim(2**60, int(self.store.head() * part))

    async def _again(self, tenant: str) -> Any:
        """Closed and opened: nothing is lost, positions go on."""
        await self.store.close()
        self.store = await self.opening()
        self.listen()
        return self.store.head(), sorted(self.store.tenants()), sorted(self.store.cursors().items())

    def _name(self, number: int) -> str:
        return next(name for name, one in self.tenants.items() if one == number)

    def _change(self, one: Any) -> dict[str, Any]:
        shown = {name: getattr(one, name) for name in one.__struct_fields__}
        return {**shown, "tenant": self._name(one.tenant), "body": None}


def _record(record: Record) -> dict[str, Any]:
    shown = {name: getattr(record, name) for name in record.__struct_fields__}
    return {**shown, "number": None}


def _error(error: PintuError | None) -> Any:
    return None if error is None else (type(error).__name__, str(error))


async def settle(store: Store) -> None:
    """Wait until no index is being built."""
    for _ in range(4_000):
        told = store.statistics()
        if not told.get("learning") and not told.get("points_waiting"):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("An index is never finished")


async def compare(
    first: Opening,
    second: Opening,
    clock: HandClock,
    *,
    seed: int,
    steps: int,
    ids: int = 40,
    fill: int = 0,
) -> Counter[str]:
    """Run one program on both; AssertionError names the seed, the step and both answers.

    How often each sort of step was done and answered alike.
    """
    one, two = await Side.open(first), await Side.open(second)
    done: Counter[str] = Counter()
    try:
        for number, step in enumerate(program(seed, steps, ids=ids, fill=fill)):
            clock.us += 1_000_003
            answers = [await _told(side, step, (seed, number)) for side in (one, two)]
            assert answers[0] == answers[1], _difference((seed, number), step, answers)
            done[step.what] += 1
    finally:
        await one.store.close()
        await two.store.close()
    return done


async def _told(side: Side, step: Step, where: tuple[int, int]) -> Any:
    try:
        return await side.do(step)
    except AssertionError as error:
        raise AssertionError(f"Seed {where[0]}, step {where[1]}, {step}: {error}") from error


def _difference(where: tuple[int, int], step: Step, answers: list[Any]) -> str:
    one, two = answers
    if isinstance(one, list) and isinstance(two, list):
        differing = next((pair for pair in zip(one, two, strict=False) if pair[0] != pair[1]), None)
        sizes = f"{len(one)} and {len(two)} rows"
        one, two = differing or (sizes, sizes)
    shown = f"{str(one)[:600]}\n is not \n{str(two)[:600]}"
    return f"Seed {where[0]}, step {where[1]}, {str(step)[:600]}:\n{shown}"
