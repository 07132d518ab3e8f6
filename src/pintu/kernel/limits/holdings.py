"""How many entities a tenant has, of how many bytes, kept true by what commits; and the guard that
lets a bounded tenant have no more.

Whether a write makes an entity is known where its transform meets the record: there it is refused,
alone, whatever door it came by. What is promised and not yet committed counts as there, until the
commit is told, or the operation that holds the promise is answered otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from pintu.kernel.context.record import Effect, Put, Record, Transform
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.limits.words import Allowed
from pintu.kernel.store.port import Change, Op, Outcome, Store, settled

PAGE: Final = 500
log = logging.getLogger("pintu.limits")
Over = Callable[[str, str, int], PintuError]


class Held:
    """What one bounded tenant has."""

    __slots__ = ("_ids", "_lock", "allowed", "bytes", "counted", "entities", "known", "name",
                 "promised")  # fmt: skip

    def __init__(self, name: str, allowed: Allowed) -> None:
        self.name, self.allowed = name, allowed
        self.entities = self.bytes = 0
        self.promised = 0  # let through, and not committed yet
        self._ids: dict[str, int] = {}  # for whom, by how many operations
        self._lock = threading.Lock()  # transforms may run on the store's own thread
        self.counted = False  # its entities were
        self.known = False  # its bytes were added up

    def promise(self, id: str) -> bool:
        """Whether there is room for one entity more; then it is promised."""
        most = self.allowed.entities
        with self._lock:
            if most is not None and self.entities + self.promised >= most:
                return False
            self.promised += 1
            self._ids[id] = self._ids.get(id, 0) + 1
            return True

    def give_back(self, id: str, *, made: bool = False) -> None:
        """A promise for this id is at its end, if there is one: it was `made`, or it was not."""
        with self._lock:
            self.entities += made
            left = self._ids.get(id, 0)
            if left:
                self.promised -= 1
                self._ids[id] = left - 1
            if left < 2:
                self._ids.pop(id, None)


class _Asked:
    """One call, and which of its operations hold a promise: one that is tried again holds one."""

    __slots__ = ("_ended", "_holds", "_ops")

    def __init__(self, ops: Sequence[Op]) -> None:
        self._ops, self._ended = ops, False
        self._holds: dict[int, Held] = {}

    def promised(self, number: int, held: Held) -> bool:
        """Whether an operation may make an entity."""
        if number not in self._holds:
            if not held.promise(self._ops[number].id):
                return False
            self._holds[number] = held
            if self._ended:  # nobody waits for it any more, and it is done nevertheless
                held.give_back(self._ops[number].id)
        return True

    def end(self, call: Any) -> None:
        """It is answered, or was never taken (None): what is held and was not made is given back.
        What was made is, too, once the commit is told, which counts it."""
        self._ended = True
        known = call is not None and not call.cancelled() and call.exception() is None
        outcomes: list[Outcome] = call.result() if known else []
        for number, held in self._holds.items():
            if not known or outcomes[number].verb != "created":
                held.give_back(self._ops[number].id)


class Holdings:
    """Every bounded tenant's; `store.submit` is wrapped as long as there is one."""

    def __init__(self, store: Store, over: Over) -> None:
        self._store, self._over = store, over
        self._inner: Any = getattr(store, "inner", store)
        self._submit: Any = self._inner.submit
        self._by_name: dict[str, Held] = {}
        self._by_number: dict[int, Held] = {}
        self._counting: asyncio.Task[None] | None = None
        self._listens = False

    def bound(self, allowed: Mapping[str, Allowed]) -> None:
        """These tenants are bounded from now on, and no others."""
        wanted = {n: a for n, a in allowed.items() if a.entities is not None or a.bytes is not None}
        for name in self._by_name.keys() - wanted.keys():
            del self._by_name[name]
        for name, told in wanted.items():
            held = self._by_name.get(name)
            if held is None:
                self._by_name[name] = Held(name, told)
            else:
                held.allowed = told
        self._by_number.clear()
        self._wrap()

    def _wrap(self) -> None:
        guarded: Any = self._guarded if self._by_name else self._submit
        paused = bool(getattr(self._store, "paused", False))
        self._inner.submit = guarded
        if self._store is not self._inner and not paused:
            self._store.submit = guarded  # type: ignore[method-assign]
        if self._by_name and not self._listens:
            self._listens = True
            self._store.on_commit(self._committed)

    def of(self, name: str) -> dict[str, int]:
        """What a tenant has, as far as it is counted."""
        number, held = self._store.tenant(name), self._by_name.get(name)
        if number is None:
            return {"entities": 0}
        found = {"entities": sum(kind.count for kind in self._store.kinds(number))}
        if held is not None and held.known:
            found["bytes"] = held.bytes
        return found

    def _number(self) -> None:
        """Find tenants that were made since."""
        for name, held in self._by_name.items():
            number = self._store.tenant(name)
            if number is not None:
                self._by_number[number] = held
                if not held.counted:  # a city that starts holds what it held before
                    self._count(number, held)

    def _count(self, number: int, held: Held) -> None:
        held.counted = True
        held.entities = sum(kind.count for kind in self._store.kinds(number))

    def tick(self) -> None:
        """Count anew when nothing is under way."""
        waiting = bool(self._store.statistics().get("waiting")) if self._by_name else False
        self._number()
        for number, held in self._by_number.items():
            if not waiting:
                self._count(number, held)
            if held.allowed.bytes is not None and not held.known and self._counting is None:
                self._counting = asyncio.get_running_loop().create_task(self._add_up(number, held))

    async def _add_up(self, number: int, held: Held) -> None:
        """Add up the bytes of what is there, a page at a time; what commits meanwhile is added by
        `_committed`, and may count twice until the next start: too much rather than too little."""
        held.bytes, offset = 0, 0
        try:
            while True:
                page = await settled(
                    self._store.select(Selection(tenant=number, limit=PAGE, offset=offset))
                )
                held.bytes += sum(len(one.body) for one in page.records)
                offset += PAGE
                if len(page.records) < PAGE:
                    break
                await asyncio.sleep(0)
            held.known = True
        except PintuError as error:
            log.warning("The bytes of tenant %s are not counted yet: %s", held.name, error)
        finally:
            self._counting = None

    def _committed(self, changes: list[Change]) -> None:
        for one in changes:
            held = self._by_number.get(one.tenant)
            if held is None:
                continue
            held.bytes += len(one.body or b"") - len(one.before or b"")
            if one.verb == "created":
                held.give_back(one.id, made=True)
            elif one.verb == "deleted":
                held.entities -= 1

    # --- the guard ----------------------------------------------------------------------------
    def _guarded(
        self, ops: Sequence[Op], source: str = "", **more: Any
    ) -> Awaitable[list[Outcome]]:
        bounded = self._by_number
        if len(bounded) < len(self._by_name):
            self._number()
        if not bounded or not any(op.tenant in bounded for op in ops):
            found: Any = self._submit(ops, source, **more)
            return found  # type: ignore[no-any-return]
        asked = _Asked(ops)
        guarded = [
            self._within(number, op, asked, bounded[op.tenant]) if op.tenant in bounded else op
            for number, op in enumerate(ops)
        ]
        try:
            found = self._submit(guarded, source, **more)
        except BaseException:  # the queue is full, the store is closed
            asked.end(None)
            raise
        found.add_done_callback(asked.end)
        return found  # type: ignore[no-any-return]

    def _within(self, number: int, op: Op, asked: _Asked, held: Held) -> Op:
        """The operation, refused where it goes over."""
        if op.note is not None:
            return op
        fresh, transform = op.fresh, op.transform

        def let(put: Put, record: Record | None) -> None:
            self._check_bytes(held, put, record)
            if record is None and not asked.promised(number, held):
                raise self._over(held.name, "entities", held.allowed.entities or 0)

        if fresh is not None:
            try:
                let(fresh, None)
            except PintuError as refused:
                return Op(op.tenant, op.id, _refusing(refused))
            return op
        if transform is None:
            return op

        def guarded(record: Record | None, now_us: int) -> Effect:
            effect = transform(record, now_us)
            if isinstance(effect, Put):
                let(effect, record)
            return effect

        return Op(op.tenant, op.id, guarded)

    def _check_bytes(self, held: Held, put: Put, record: Record | None) -> None:
        most = held.allowed.bytes
        if most is None or held.bytes < most:
            return
        if record is None or len(put.body or b"") > len(record.body):
            raise self._over(held.name, "bytes", most)


def _refusing(refused: PintuError) -> Transform:
    def transform(record: Record | None, now_us: int) -> Effect:
        raise refused

    return transform
