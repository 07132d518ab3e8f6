"""Data sets: what can be asked for, whoever holds it. Names follow DCAT and GB/T 21063 where they
have a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from pintu.kernel.access import Actor, Receipt

Provider = Literal["context", "table", "file"]
Sharing = Literal["", "unconditional", "conditional", "none"]
Comparison = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in", "empty", "filled"]
Aggregate = Literal["count", "sum", "mean", "min", "max", "last"]


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of a data set."""

    name: str
    title: dict[str, str] = {}
    kind: str = "text"  # a FieldKind of a mapping
    unit: str = ""
    person: str = ""  # a PersonMark; any mark makes the data set one with persons
    key: bool = False
    codes: dict[str, str] = {}  # the code list its values are of: code to meaning
    sensitivity: int = (
        0  # 1 public, 2 within government, 3 under agreement, 4 of persons; 0: untold
    )
    authority: bool = False  # this data set is the one source of this field


class DataSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the catalogue, saved as `config/datasets/NAME.toml`."""

    name: str
    provider: Provider
    title: dict[str, str] = {}
    summary: dict[str, str] = {}
    owner: str = ""
    tenant: str = ""
    type: str = ""  # context: the entity type
    q: str = ""  # context: NGSI-LD query every row must hold
    columns: list[Column] = []
    source: str = ""  # the source that fills it
    theme: str = ""  # a code of `metadata.THEMES`
    frequency: str = ""  # how often it is brought up to date: a code of `metadata.FREQUENCIES`
    sharing: Sharing = ""
    sharing_reason: str = ""  # the condition, or on which basis it is not shared
    licence: str = ""  # under which it may be operated for the public
    published: str = ""  # the day it was entered into the catalogue, ISO 8601
    area: str = ""  # the division it covers, as people say it

    @property
    def persons(self) -> bool:
        """Whether a row says something of a person; until agreements exist only an administrator
        reads such rows."""
        return any(one.person for one in self.columns)


class Condition(msgspec.Struct, frozen=True):
    """One filter."""

    column: str
    comparison: Comparison
    value: Any = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a data set. Without `group` and `measure`: rows. With a group: one row a
    group with `aggregate` of `measure`; with a measure alone: one row for all."""

    columns: tuple[str, ...] = ()  # empty: all
    where: tuple[Condition, ...] = ()
    order: tuple[str, ...] = ()  # "pm25" or "-pm25"
    limit: int = 100
    offset: int = 0
    count: bool = False
    group: tuple[str, ...] = ()
    aggregate: Aggregate = "count"
    measure: str = ""

    @property
    def adds_up(self) -> bool:
        """Whether rows are added up rather than listed."""
        return bool(self.group or self.measure)


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: rows by column name (times as ISO 8601 texts, points as [lon, lat])."""

    columns: list[Column]
    rows: list[dict[str, Any]]
    total: int | None = None
    as_of_us: int = 0


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller names of itself: under which agreement, what for, in which words."""

    agreement: str = ""
    purpose: str = ""
    reason: str = ""
    subject: str = ""  # keyed digest of who asks for their own record, or a ward's


UNSAID: Final = Why()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is sent, and where its row of the log stands when it has one."""

    rows: Rows
    body: bytes
    receipt: Receipt | None = None
    agreement: str = ""  # ID/VERSION under which it was given


class Sent(msgspec.Struct, kw_only=True):
    """How an answer that is no rows is sent: `form` makes its bytes, which are then here with the
    receipt of their row of the log."""

    form: Callable[[Any], bytes] = msgspec.json.encode
    body: bytes = b""
    receipt: Receipt | None = None


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of a series."""

    at_us: int
    value: Any


class DataSets(Protocol):
    """The thin exchange, as pages and the API know it; every call asks the gate once."""

    def list_sets(self, actor: Actor) -> list[DataSet]:
        """The data sets whose existence the actor may know, by name."""
        ...

    def get(self, name: str) -> DataSet:
        """One; ResourceNotFound."""
        ...

    async def ask(self, actor: Actor, name: str, question: Question, why: Why = UNSAID) -> Rows:
        """Rows of a data set; what must be written down is, before this returns."""
        ...

    async def answer(
        self,
        actor: Actor,
        name: str,
        question: Question,
        why: Why = UNSAID,
        *,
        form: Callable[[Rows], bytes] | None = None,
    ) -> Answer:
        """The same with the bytes that are sent (as `form` makes them) and their receipt."""
        ...

    async def series(
        self,
        actor: Actor,
        name: str,
        value: tuple[str, str],
        why: Why = UNSAID,
        *,
        since_us: int,
        until_us: int,
        sent: Sent | None = None,
    ) -> list[Sample]:
        """The past of one value, `(row id, column)` (context: from history), oldest first, at most
        5,000."""
        ...

    async def profile(
        self, actor: Actor, name: str, why: Why = UNSAID, *, sent: Sent | None = None
    ) -> dict[str, Any]:
        """Measured, never typed in: rows, completeness, distinct, range and freshness a column."""
        ...
