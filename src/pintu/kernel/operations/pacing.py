"""Handing commands to the processes that take them, a window at a time a piece: five thousand at
once must neither fill a socket nor stand in front of the one that is asked for next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from pintu.kernel.intake.words import Command

WINDOW: Final = 500
MOVING_S: Final = 30.0
Dispatch = Callable[[Command], None]


class Pacing:
    """Who takes commands, and what was given to them and not reported on yet."""

    def __init__(self) -> None:
        self._dispatchers: list[Dispatch] = []
        self._given: dict[str, dict[str, int]] = {}  # id → attempt
        self._next: dict[str, deque[Command]] = {}
        self._lined: set[str] = set()
        self._moved: dict[str, float] = {}  # when a process last took something of a piece

    def on_dispatch(self, dispatch: Dispatch) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        self._dispatchers.append(dispatch)
        return lambda: self._dispatchers.remove(dispatch)

    def give(self, commands: Iterable[Command]) -> None:
        """Hand them out, or line them up behind what was."""
        pieces: dict[str, None] = {}
        for command in commands:
            given = self._given.get(command.piece, {})
            if command.id in self._lined or given.get(command.id) == command.attempt:
                continue  # twice is once
            pieces[command.piece] = None
            self._next.setdefault(command.piece, deque()).append(command)
            self._lined.add(command.id)
        for piece in pieces:
            self._pump(piece)

    def heard(self, command: Command, *, taken: bool) -> None:
        """Something became of a command (`taken`: a process told it): there is room for another."""
        if taken:
            self._moved[command.piece] = time.monotonic()
        given = self._given.get(command.piece)
        if given is not None and command.id in given:
            del given[command.id]
            self._pump(command.piece)

    def comes(self, command: Command) -> bool:
        """Whether it stands in our own line behind others that are being taken."""
        moved_s = self._moved.get(command.piece, -MOVING_S)
        return command.id in self._lined and time.monotonic() - moved_s < MOVING_S

    def take_back(self, ids: frozenset[str]) -> None:
        """These are not to be given any more."""
        if not self._lined & ids:
            return
        self._lined -= ids
        for piece, lined in self._next.items():
            self._next[piece] = deque(one for one in lined if one.id not in ids)

    def fresh(self, pieces: frozenset[str], commands: list[Command]) -> list[Command]:
        """A process that has these pieces begins anew: the first of what it must be given; the
        others follow."""
        for piece in pieces:
            self._lined -= {one.id for one in self._next.get(piece, ())}
            self._given[piece], self._next[piece] = {}, deque()
        first: list[Command] = []
        for command in commands:
            given = self._given[command.piece]
            if len(given) < WINDOW:
                given[command.id] = command.attempt
                first.append(command)
            else:
                self._next[command.piece].append(command)
                self._lined.add(command.id)
        return first

    def _pump(self, piece: str) -> None:
        lined, given = self._next.get(piece), self._given.setdefault(piece, {})
        while lined and len(given) < WINDOW:
            command = lined.popleft()
            self._lined.discard(command.id)
            given[command.id] = command.attempt
            for dispatch in list(self._dispatchers):
                dispatch(command)
