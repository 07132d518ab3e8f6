"""Answers that wait for their rows of the log: the rows of one turn of the loop are one call of the
store, and its outcome sends them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pintu.kernel.access import Actor, Projection
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.gate import Compiled, Rows
from pintu.kernel.store.port import Op, Outcome
from pintu.web.ngsi_ld.answers import Pairs, problem
from pintu.web.ngsi_ld.message import Prepared, Response

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms as Broker

Sender = Callable[[Prepared | Response], None]


class Telling(msgspec.Struct, gc=False):
    """What answers to one caller under one projection have in common."""

    projection: Projection
    actor: Actor
    rows: Rows
    found: Compiled
    kept: Callable[[Compiled, int], None]
    echo: Pairs


class Entered:
    """An answer whose row is handed in; `send` is told it once that is durable."""

    __slots__ = ("_body", "_lines", "_row", "_rows", "_telling", "send")

    def __init__(self, telling: Telling, lines: bytes, body: bytes, row: bytes, rows: int) -> None:
        self._telling, self._lines, self._body = telling, lines, body
        self._row, self._rows = row, rows
        self.send: Sender = _nobody

    @property
    def op(self) -> Op:
        """The row as an operation of the store."""
        return Op(0, "", note=self._row)

    def failed(self, error: BaseException) -> None:
        """The row will never be: nothing is told."""
        self.send(problem(error, self._telling.echo))

    def settled(self, outcome: Outcome) -> None:
        """The row is durable, or was refused alone."""
        telling = self._telling
        if outcome.error is not None:
            self.failed(outcome.error)
            return
        telling.kept(telling.found, self._rows)
        leaf = telling.rows.leaf(self._row).encode()
        receipt = b"pintu-receipt: %d; leaf=%b\r\n" % (outcome.position, leaf)
        self.send(Prepared(self._lines + receipt, self._body))

    def __await__(self) -> Generator[None, None, Prepared | Response]:
        future: asyncio.Future[Prepared | Response] = asyncio.get_running_loop().create_future()
        self.send = future.set_result
        return (yield from future)


class Entering:
    """Hands in the rows of answers."""

    def __init__(self, rooms: Broker) -> None:
        self._rooms = rooms
        self._waiting: list[Entered] = []

    def enter(
        self, telling: Telling, lines: bytes, answer: tuple[bytes, str, int]
    ) -> Entered | None:
        """An answer (its body, its keyed digest, how many rows it holds) behind header lines; None
        when its row has to be written in the ordinary way.
        """
        body, digest, rows = answer
        row = telling.rows.row(rows, digest)
        if row is None:
            return None
        found = Entered(telling, lines, body, row, rows)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._waiting.append(found)
        return found

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            told = self._rooms.store.submit([one.op for one in waiting])
        except PintuError as error:
            _failed(waiting, error)
            return
        asyncio.ensure_future(told).add_done_callback(partial(_settled, waiting))


def _settled(waiting: list[Entered], told: asyncio.Future[list[Outcome]]) -> None:
    error = Unavailable("The server stops") if told.cancelled() else told.exception()
    if error is not None:
        _failed(waiting, error)
        return
    for one, outcome in zip(waiting, told.result(), strict=True):
        one.settled(outcome)


def _failed(waiting: list[Entered], error: BaseException) -> None:
    for one in waiting:
        one.failed(error)


def _nobody(answer: Prepared | Response) -> None:
    """Whoever asked has gone."""
