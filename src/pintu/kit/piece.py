"""A piece as one value: its connectors, its pure middle, its actions and its service, wired but
not started."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.device import Received as Received
from pintu.kernel.intake.words import Command, CommandState, Envelope, Unreadable, Update
from pintu.kernel.tables import OpenTables, PrivateTables
from pintu.kit.analyses import Columns
from pintu.kit.link import Changed
from pintu.kit.manifest import Manifest, is_kind

if TYPE_CHECKING:
    from pintu.kernel.intake.doors.mapped import TableRows


class Connector(Protocol):
    """(1) One connection to the world. The runtime starts it again, later and later, when it
    ends.

    It may also say its `pace` (a kit.lanes.Pace), and `again(envelope)`, which judges an envelope
    anew that comes out of quarantine."""

    name: str
    expected_interval_s: float  # how often it should be heard; 0: nobody knows

    @property
    def connected(self) -> bool:
        """True while the other side is there, heard or not."""
        ...

    def receive(self) -> AsyncIterator[Received]:
        """Connect, then hand out what comes; raises or ends when the connection is lost."""
        ...


class Watcher(Protocol):
    """(5) A deriver or detector: changes and ticks in, updates out. It keeps state, but only of
    what it
    was told: the same calls give the same answers."""

    name: str
    reads: tuple[str, ...]

    def changed(self, change: Changed, now_us: int) -> list[Update]:
        """What follows from one change."""
        ...

    def tick(self, now_us: int) -> list[Update]:
        """What follows from time having passed on the city's clock."""
        ...


class Hands(Protocol):
    """What an action may use while it acts."""

    clock: Clock

    def connector(self, name: str) -> Any:
        """The running connector of that name."""
        ...

    async def report(self, state: CommandState, detail: str = "") -> None:
        """Tell the ledger how far the command is."""
        ...

    async def until(
        self, entity_id: str, holds: Callable[[Changed], bool], timeout_s: float
    ) -> Changed | None:
        """The first change of an entity for which `holds` is true, or None after so long (real
        time)."""
        ...

    async def hand_in(self, updates: list[Update]) -> None:
        """Updates that follow from acting; they enter by intake like all others."""
        ...


Action = Callable[[Command, Hands], Awaitable[None]]


class Service(Protocol):
    """A piece's workflow over its private tables: what a person works through, and the deeds
    allowed."""

    async def changed(self, change: Changed, now_us: int) -> None:
        """Take note of one change."""
        ...

    async def rows(
        self, work_list: str, *, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """One page of a work list, as its columns say, most urgent first."""
        ...

    async def do(
        self, work_list: str, row: str, *, action: str, actor: str, note: str = ""
    ) -> dict[str, Any]:
        """One deed on one row; StateConflict when the row's state does not allow it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The wiring of one piece; `settings` in every field is what `read_settings` returned."""

    name: str
    read_settings: Callable[[Mapping[str, Any]], Any]
    connectors: Callable[[Any, Clock], Sequence[Connector]] = lambda _settings, _clock: ()
    normalise: Callable[[Envelope], Sequence[Update | Unreadable | TableRows]] = lambda _said: ()
    watchers: Callable[[Any], Sequence[Watcher]] = lambda _settings: ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    tables: PrivateTables | None = None
    service: Callable[[OpenTables, Clock], Service] | None = None
    finish: Mapping[str, Callable[[Any, Columns], Columns]] = field(default_factory=dict)


def load_piece(manifest: Manifest) -> Piece:
    """Import a piece and give its wiring, an empty one for a piece without code; ConfigurationError
    when its entry is not there or does not fit."""
    if not manifest.entry:
        return Piece(name=manifest.name, read_settings=lambda told: told)
    module, _, attribute = manifest.entry.partition(":")
    try:
        piece = getattr(importlib.import_module(module), attribute or "piece")
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            [f"Piece {manifest.name!r} has no {manifest.entry!r}: {error}"]
        ) from error
    if not isinstance(piece, Piece):
        raise ConfigurationError([f"{manifest.entry!r} is not a Piece"])
    mistakes = []
    if piece.name != manifest.name:
        mistakes.append(f"Piece {manifest.name!r} calls itself {piece.name!r} in its wiring")
    declared = {one.name for one in manifest.commands}
    for name in sorted(set(piece.finish) - {one.name for one in manifest.analyses}):
        mistakes.append(f"Piece {manifest.name!r} finishes {name!r}, which it does not declare")
    for name in sorted(declared ^ set(piece.actions)):
        where = "its manifest" if name in declared else "its wiring"
        mistakes.append(f"Piece {manifest.name!r} has command {name!r} only in {where}")
    if mistakes:
        raise ConfigurationError(mistakes)
    return piece


def settings_of(manifest: Manifest, told: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of the manifest with what the city was told over them; ConfigurationError lists
    every mistake."""
    mistakes = []
    values = {one.name: one.default for one in manifest.settings}
    kinds = {one.name: one.kind for one in manifest.settings}
    for name, value in told.items():
        if name not in kinds:
            known = ", ".join(sorted(kinds)) or "none"
            mistakes.append(
                f"pieces.{manifest.name}.{name} is not a setting; settings are: {known}"
            )
        elif not is_kind(value, kinds[name]):
            mistakes.append(f"pieces.{manifest.name}.{name} is not of kind {kinds[name]!r}")
        else:
            values[name] = value
    if mistakes:
        raise ConfigurationError(mistakes)
    return values
