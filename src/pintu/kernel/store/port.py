"""The store's port: one way to change an entity, one way to ask, one log of what happened.

A write is a pure *transform* of what is stored: the store reads the present record, calls the
transform on its writer, and keeps what comes back together with its change record in one
transaction. Both SQLite and PostgreSQL can do that in batches; neither knows NGSI-LD's verbs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from pintu.kernel.context.record import Put, Record, Transform, Verb
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import PintuError, StateConflict

T = TypeVar("T")
VERBS: tuple[Verb, ...] = (
    "created",
    "replaced",
    "updated",
    "deleted",
    "recorded",
    "amended",
    "erased",
)
VERB_NUMBER = {verb: number for number, verb in enumerate(VERBS)}
"""How a log row holds its verb."""


class Mark(NamedTuple):
    """A name and the number to be kept under it: how far somebody who writes here has read
    elsewhere. Unlike a cursor it is no position of this log, so that it holds nothing back when
    that is trimmed.

    With `before` the number must be that one until now (none is 0), or the call is refused whole
    with StateConflict: who was away for a while must not go back behind what another did meanwhile.
    """

    name: str
    number: int
    before: int | None = None

    def refused(self, now: int | None) -> StateConflict | None:
        """Why the call of this mark may not be done where the number is `now`."""
        if self.before is None or self.before == (now or 0):
            return None
        return StateConflict(f"{self.name!r} is at {now or 0}, not at {self.before} any more")


MARKED = "mark "
"""Where stores keep marks among the cursors, so that they move and are backed up with them."""


async def settled(answer: T | Awaitable[T]) -> T:
    """What a store answers at once or later, awaited when it is later."""
    if isinstance(answer, Awaitable):
        return await answer
    return answer


class Op(msgspec.Struct, gc=False):
    """One operation on one entity.

    With `fresh` set the entity must not exist: the store may insert without reading first, and
    answers AlreadyExists otherwise; `transform` is then not called. With `note` it touches no
    entity: the bytes become the next row of the notes, in the transaction of the call's other
    operations, and the outcome's `position` is the row's number.
    """

    tenant: int
    id: str
    transform: Transform | None = None
    fresh: Put | None = None
    note: bytes | None = None


class Outcome(msgspec.Struct, gc=False):
    """What became of one operation; `error` None means it is durable."""

    error: PintuError | None = None
    verb: Verb | None = None  # None: nothing was written
    detail: Any = None
    position: int = 0


class Change(msgspec.Struct, frozen=True, gc=False):
    """One row of the log: what a write did to one entity. Change feed and history are both read
    from it.

    `payload`: for created and replaced the whole stored document; for updated `{attr: instance(s)
    | null}` of what was written (null: deleted); for deleted empty; for recorded, amended and
    erased what `context/temporal` reads. `previous` is the position of the entity's change before
    this one (0: none), so that an entity's history is a linked list through the log.
    """

    position: int
    tenant: int
    id: str
    types: tuple[str, ...]
    verb: Verb
    at_us: int
    source: str
    changed: tuple[str, ...] | None
    payload: bytes
    previous: int
    body: bytes | None = (
        None  # the document after the write; present on live fan-out, absent when read back
    )
    before: bytes | None = None  # the document before it, likewise; None also when there was none
    created_us: int = 0  # live: when the entity was created
    times: bytes | None = None  # live: `Record.times` of the document after the write


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a selection. `count` only when asked; `plan` says which indexes served it.

    `bodies` may stand instead of records when the selection asked for no more and was answered at
    once.
    """

    records: list[Record]
    count: int | None = None
    plan: str = ""
    bodies: list[bytes] | None = None


class Joined(msgspec.Struct, gc=False):
    """A page as the stored documents it shows, joined by commas; whether more follow it, and how
    many there are when that was asked.
    """

    body: bytes
    more: bool
    count: int | None = None


Blank = int | float | tuple[float, float]
"""What a statement leaves open: the number of its one comparison, or a longitude and latitude."""


class Statement(Protocol):
    """A selection of stored documents that is asked again and again with another number in its
    comparison or another place to be near to.
    """

    def page(self, blank: Blank) -> Joined | None:
        """What `select` finds with this number or place, in the same order; None: ask `select`."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of entities with the same types and the same (attribute, NGSI-LD attribute type)
    pairs.
    """

    types: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    count: int


class Store(Protocol):
    """What every store promises; `tests/kernel/store` is one suite that each implementation
    passes.
    """

    def tenant(self, name: str) -> int | None:
        """The number of a tenant, or None when nothing was ever written to it. "" is 1, the
        default.
        """
        ...

    def tenants(self) -> dict[str, int]:
        """Every tenant by name."""
        ...

    def open_tenant(self, name: str) -> Awaitable[int]:
        """The number of a tenant, made on the first write (14)."""
        ...

    def submit(
        self, ops: Sequence[Op], source: str = "", *, mark: Mark | None = None
    ) -> Awaitable[list[Outcome]]:
        """Apply operations in order; resolves after they are durable. Operations of one id in one
        call see each other. One that fails fails alone. Raises Unavailable when the queue is
        full, DiskFull when the disk is; then nothing of the call is stored. `mark` is kept in
        the same transaction, whatever becomes of single operations; StateConflict when it stands
        elsewhere than it says, then nothing of the call is stored.
        """
        ...

    def check_room(self, ops: int) -> None:
        """Raise Unavailable when `submit` of so many operations would, the queue being full."""
        ...

    def retrieve(self, tenant: int, id: str) -> Record | Awaitable[Record | None] | None:
        """One entity by id: a point read on the caller's loop."""
        ...

    def select(self, selection: Selection) -> Page | Awaitable[Page]:
        """A page of entities, exact. Answers at once when an index serves it, else from a reader
        thread with a deadline (DeadlineExceeded).
        """
        ...

    def scoped(self) -> bool:
        """May a document that was read until now have a scope? False only when none ever had, and
        true before the first that has one can be read: ask after reading.
        """
        ...

    def document(self, tenant: int, id: str) -> bytes | None:
        """The stored document of an entity that is at hand; None: ask `retrieve`."""
        ...

    def prepare(self, selection: Selection) -> Statement | None:
        """A statement for selections that differ from this one by their number or place; None
        when there is none for their like.
        """
        ...

    def kinds(self, tenant: int) -> list[Kind]:
        """What there is: the raw material of /types and /attributes."""
        ...

    def changes(self, after: int, limit: int) -> list[Change] | Awaitable[list[Change]]:
        """The log after a position, in commit order: what is not shown yet comes later, never
        before what was shown.
        """
        ...

    def head(self) -> int:
        """The newest position whose changes were told to the listeners."""
        ...

    def history(
        self, tenant: int, id: str, *, before: int | None = None, limit: int = 1000
    ) -> list[Change] | Awaitable[list[Change]]:
        """An entity's changes, newest first, deleted entities included; also walks into earlier
        lives.
        """
        ...

    def past_ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str] | Awaitable[list[str]]:
        """Ids greater than `after`, in order, of entities that are present, deleted, or known to
        history only; by the types they have or had last.
        """
        ...

    def notes(
        self, after: int, limit: int
    ) -> list[tuple[int, bytes]] | Awaitable[list[tuple[int, bytes]]]:
        """(number, bytes) of the notes after a number, in order, without a gap; never changed and
        never trimmed.
        """
        ...

    def notes_head(self) -> int:
        """The number of the newest durable note, 0 before the first."""
        ...

    def on_commit(self, listener: Callable[[list[Change]], None]) -> None:
        """Call `listener` on the loop with the changes of each commit, in order, after it is
        durable.
        """
        ...

    def trim(self, before_us: int, up_to_position: int) -> Awaitable[int]:
        """Drop log rows that are older and that every cursor has passed; returns how many."""
        ...

    def cursors(self) -> dict[str, int]:
        """Every durable cursor of the feed: the position its reader has passed. From memory."""
        ...

    def save_cursor(self, name: str, position: int | None) -> Awaitable[None]:
        """Keep a durable cursor (None: forget it)."""
        ...

    def kept(self, name: str) -> int | Awaitable[int | None] | None:
        """The number under a mark's name, else the position of the cursor of that name, read anew:
        another broker of the city may have moved it."""
        ...

    def expired(
        self, now_us: int, limit: int = 1000
    ) -> list[tuple[int, str]] | Awaitable[list[tuple[int, str]]]:
        """(tenant, id) of entities whose `expiresAt` has passed, longest past first."""
        ...

    def backup(self, target: Path) -> Awaitable[None]:
        """A consistent copy while writing goes on."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Figures for the system page: entities, log rows, queue, group size, learned indexes,
        bytes.
        """
        ...

    async def close(self) -> None:
        """Finish what is queued, then let go."""
        ...


class Past(Protocol):
    """What happened to entities, wherever the rows lie by now: the log, packs, files."""

    def rows(
        self,
        tenant: int,
        id: str,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int,
    ) -> list[Change] | Awaitable[list[Change]]:
        """Rows of one entity's chain that may hold instances of that time, oldest first, whole and
        equal to what the log had; raises TooComplex when there are more than `limit`.

        "Of that time" by any of their times: what was written then, or observed then and written
        whenever. Rows outside may come along. Rows that change others (amended, erased) and the
        row that began the entity's life always come.
        """
        ...

    def ids(
        self, tenant: int, types: TypeSelection | None, after: str, limit: int
    ) -> list[str] | Awaitable[list[str]]:
        """As `Store.past_ids`."""
        ...

    def aggregate(self, spec: Any) -> Any:
        """The aggregated rows of a `context.temporal` request, or None: compute it from rows."""
        ...
