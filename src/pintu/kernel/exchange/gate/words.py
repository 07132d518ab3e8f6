"""What the gate works with: agreements as it asks for them, compiled ones, what a call told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pintu.kernel.access import Deed, Projection

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement, Limits


class Agreements(Protocol):
    """The room of agreements, as the gate knows it."""

    def active(self, id: str) -> Agreement | None:
        """The version that is in force, from memory."""
        ...

    def of_consumer(self, organisation: str) -> Iterable[Agreement]:
        """The agreements of which an organisation is the consumer, from memory."""
        ...

    def held(self, agreement: str, rows: int) -> None:
        """The consumer got rows that it may keep: asked back when the agreement ends."""
        ...

    def listen(self, callback: Callable[[Agreement], None]) -> object:
        """Have every changed agreement told, on the loop."""
        ...

    @property
    def breaks_a_day(self) -> int:
        """In how many minutes of a day limits may be gone over until nothing passes any more."""
        ...

    def suspend_for(self, id: str, reason: str) -> Awaitable[object]:
        """Suspend what is in force (`ID/VERSION`): durable, in the log, told to both sides.
        StateConflict when that version is not in force, Unavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """An agreement as a decision needs it: looked up once, compared field by field."""

    id: str
    version: int
    data_set: str
    tenant: str
    owner: str
    consumer: str
    purpose: str
    deed: Deed
    persons: bool
    from_us: int
    until_us: int  # 0: no end
    limits: Limits
    retained: bool  # whether the consumer may keep what it gets
    projection: Projection
    fields: tuple[str, ...]  # all that is shown
    unqueryable: str = ""  # why NGSI-LD cannot serve it, when it cannot

    @property
    def name(self) -> str:
        """`ID/VERSION`."""
        return f"{self.id}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer held: for its row of the log. Bodies and subjects become keyed digests."""

    body: bytes = b""
    answer: str = ""  # the keyed digest of the body, where somebody knows it already
    fields: tuple[str, ...] = ()  # none: all the agreement shows
    rows: int = 0
    subjects: tuple[str, ...] = ()  # whom it was about, as the data set identifies them
    counted: str = ""  # the conditions of a count: many different ones are looked at by an auditor
