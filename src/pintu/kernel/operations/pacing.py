"""Handing commands to the processes that take them, a window at a time a piece: five thousand at
once must neither fill a socket nor stand in front of the one that is asked for next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from pintu.kernel.intake.words import Command

WINDOW: Final = 800
"""Less than what a process keeps in line (`intake.link.WAITING`)."""
MOVING_S: Final = 30.0
Dispatch = Callable[[Command], None]
Recall = Callable[[Command], None]
Ready = Callable[[list[Command]], tuple[list[Command], list[Command]]]
"""Asked in the moment commands are handed out: those that may go now, and those that somebody looks
at first and then hands out; what is in neither goes nowhere."""


def all_ready(commands: list[Command]) -> tuple[list[Command], list[Command]]:
    """For who has nothing to ask."""
    return commands, []


class Pacing:
    """Who takes commands, and what was given to them and not reported on yet."""

    def __init__(self, ready: Ready = all_ready) -> None:
        self._ready = ready
        self._dispatchers: list[Dispatch] = []
        self._recallers: list[Recall] = []
        self._given: dict[str, dict[str, Command]] = {}  # by piece, by id
        self._next: dict[str, deque[Command]] = {}
        self._lined: set[str] = set()
        self._moved: dict[str, float] = {}  # when a process last took something of a piece

    def on_dispatch(self, dispatch: Dispatch) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        self._dispatchers.append(dispatch)
        return lambda: self._dispatchers.remove(dispatch)

    def on_recall(self, recall: Recall) -> Callable[[], None]:
        """Tell `recall` of every command that was given and is not to be sent any more."""
        self._recallers.append(recall)
        return lambda: self._recallers.remove(recall)

    def give(self, commands: Iterable[Command]) -> None:
        """Hand them out, or line them up behind what was."""
        pieces: dict[str, None] = {}
        for command in commands:
            given = self._given.get(command.piece, {}).get(command.id)
            if command.id in self._lined or (given and given.attempt == command.attempt):
                continue  # twice is once
            pieces[command.piece] = None
            self._next.setdefault(command.piece, deque()).append(command)
            self._lined.add(command.id)
        for piece in pieces:
            self._pump(piece)

    def hand_out(self, commands: Iterable[Command]) -> None:
        """These were looked at, and go now."""
        for command in commands:
            for dispatch in list(self._dispatchers):
                dispatch(command)

    def heard(self, commands: Iterable[Command], *, taken: bool) -> None:
        """Something became of commands (`taken`: a process told it): there is room for others."""
        pieces: dict[str, None] = {}
        for command in commands:
            if taken:
                self._moved[command.piece] = time.monotonic()
            given = self._given.get(command.piece)
            if given is not None and given.pop(command.id, None) is not None:
                pieces[command.piece] = None
        for piece in pieces:
            self._pump(piece)

    def comes(self, command: Command) -> bool:
        """Whether it stands in our own line behind others that are being taken."""
        moved_s = self._moved.get(command.piece, -MOVING_S)
        return command.id in self._lined and time.monotonic() - moved_s < MOVING_S

    def take_back(self, commands: Iterable[Command]) -> None:
        """These are not to be given any more; who was given one and may not have sent it yet hears
        that."""
        gone: set[str] = set()
        for command in commands:
            gone.add(command.id)
            for recall in list(self._recallers):
                recall(command)
        if not self._lined & gone:
            return
        self._lined -= gone
        for piece, lined in self._next.items():
            self._next[piece] = deque(one for one in lined if one.id not in gone)

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
                given[command.id] = command
                first.append(command)
            else:
                self._next[command.piece].append(command)
                self._lined.add(command.id)
        return first

    def _pump(self, piece: str) -> None:
        lined, given = self._next.get(piece), self._given.setdefault(piece, {})
        while lined and len(given) < WINDOW:
            some = [lined.popleft() for _ in range(min(len(lined), WINDOW - len(given)))]
            self._lined.difference_update(one.id for one in some)
            now, first = self._ready(some)
            given.update((one.id, one) for one in (*now, *first))
            self.hand_out(now)
