"""The field process's end of the broker's socket: it comes back by itself and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import orjson

from pintu.kernel.errors import InvalidRequest, PintuError, TooManyRequests, Unavailable
from pintu.kernel.intake import wire
from pintu.kernel.intake.subscribed import Subscribed
from pintu.kernel.intake.wire import Frame
from pintu.kernel.intake.words import (
    Batch,
    Changed,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
)

log = logging.getLogger("pintu.intake")

PENDING = 256  # frames sent and not answered; more wait in `send`
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
BUSY_PAUSE_S = 0.5
WAITING = 1_000  # commands, or envelopes to read again, of one piece
REPORTS = 500  # of commands, in one frame
KNOWN_COMMANDS = 10_000


class _Pending:
    """A frame that wants an answer; it stays until it has one."""

    __slots__ = ("answer", "frame")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.answer: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()


class FieldLink:
    """One process's connection to the broker.

    `send` returns after the batch is durable, however often either side was restarted in between:
    what is
    not answered is sent again after each reconnect, and intake answers a key it knows without
    applying it
    twice. Waiting is bounded by back-pressure: 256 frames under way, then `send` itself waits.
    """

    def __init__(self, path: Path, *, name: str, pieces: Iterable[str] = ()) -> None:
        self._path, self._name, self._pieces = path, name, sorted(pieces)
        self._numbers = itertools.count(1)
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._room = asyncio.Semaphore(PENDING)
        self._reports: dict[str, SourceReport] = {}
        self._commands: dict[str, asyncio.Queue[Command]] = defaultdict(
            lambda: asyncio.Queue(WAITING)
        )
        self._retries: dict[str, asyncio.Queue[Envelope]] = defaultdict(
            lambda: asyncio.Queue(WAITING)
        )
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._recalled: OrderedDict[str, None] = OrderedDict()
        self._recalls: dict[str, asyncio.Queue[list[str]]] = defaultdict(asyncio.Queue)
        self._telling: list[tuple[CommandReport, asyncio.Future[None]]] = []
        self._tellers: set[asyncio.Task[None]] = set()
        self._subscribed: dict[int, Subscribed] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connects = 0

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to connect; does not wait for the broker."""
        self._task = asyncio.create_task(self._run(), name=f"link-{self._name}")

    async def stop(self) -> None:
        """Close. What is not answered raises Unavailable: its device was not acknowledged
        either.
        """
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(Unavailable("The link to the broker was closed"))
        for subscribed in self._subscribed.values():
            subscribed.close()

    @property
    def connected(self) -> bool:
        """True while the broker answers."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        """Wait until the broker answers."""
        await self._connected.wait()

    # --- out --------------------------------------------------------------------------------------
    async def accept(self, batch: Batch) -> Receipt:
        """Hand over a batch; returns after it is durable.

        Raises BadRequestData or TooLarge when the batch itself is wrong: handing it in again would
        not
        help. While the broker is away, or its disk is full, it waits.
        """
        while True:
            try:
                answer = await self._ask(lambda number: wire.Send(number, batch))
            except (Unavailable, TooManyRequests):  # over its rate it waits, and so does its device
                if self._task is None or self._task.done():
                    raise
                await asyncio.sleep(BUSY_PAUSE_S)
                continue
            assert answer.receipt is not None
            return answer.receipt

    async def report_command(self, report: CommandReport) -> None:
        """Report how a command goes; returns after the ledger has it. StateConflict: it is past
        that. What is reported at one moment goes together.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._telling.append((report, future))
        if len(self._telling) == 1:
            asyncio.get_running_loop().call_soon(self._tell)
        await future

    def _tell(self) -> None:
        told, self._telling = self._telling, []
        for at in range(0, len(told), REPORTS):
            task = asyncio.create_task(self._tell_some(told[at : at + REPORTS]))
            self._tellers.add(task)
            task.add_done_callback(self._tellers.discard)

    async def _tell_some(self, told: list[tuple[CommandReport, asyncio.Future[None]]]) -> None:
        reports = [one for one, _ in told]
        errors: list[PintuError | None]
        try:
            answer = await self._ask(lambda number: wire.Tell(number, reports))
            errors = [None if one is None else wire.raised(one) for one in answer.problems]
        except PintuError as error:
            errors = [error] * len(told)
        for (_, future), wrong in zip(told, errors, strict=True):
            if future.done():
                continue
            if wrong is None:
                future.set_result(None)
            else:
                future.set_exception(wrong)

    async def report_source(self, report: SourceReport) -> None:
        """Say how a source is. Never waits; only the newest of each source matters."""
        self._reports[report.source] = report
        self._write(wire.Reports([report]))

    async def _ask(self, make: Callable[[int], Frame]) -> wire.Answer:
        async with self._room:
            number = next(self._numbers)
            pending = self._pending[number] = _Pending(wire.encode(make(number)))
            try:
                if self._writer is not None:
                    self._writer.write(pending.frame)
                return await pending.answer
            finally:
                del self._pending[number]

    def _write(self, frame: Frame) -> None:
        if self._writer is not None:
            self._writer.write(wire.encode(frame))

    # --- in ---------------------------------------------------------------------------------------
    async def commands(self, piece: str) -> AsyncIterator[Command]:
        """Commands for a piece, each (id, attempt) once in this process's life."""
        while True:
            command = await self._commands[piece].get()
            if command.id not in self._recalled:
                yield command

    async def recalls(self, piece: str) -> AsyncIterator[list[str]]:
        """Ids of a piece's commands that must not be sent any more, where they were not yet."""
        while True:
            yield await self._recalls[piece].get()

    async def retries(self, piece: str) -> AsyncIterator[Envelope]:
        """Envelopes of a piece's sources that somebody took out of quarantine to be read again.

        They stay there until a batch with `retry_of` set to the envelope's key is accepted whole.
        """
        while True:
            yield await self._retries[piece].get()

    async def changes(self, types: Iterable[str], tenant: str) -> AsyncIterator[Changed]:
        """Every entity of these types (all when none is given) as it is now, then every change.

        In commit order, each once, over reconnects too. A slow reader is waited for: nothing is
        dropped,
        the broker reads its log instead of buffering; what it reads back carries the entity as it
        is by
        then. A broker that is lost while it tells what there is begins again.
        """
        number = next(self._numbers)
        subscribed = self._subscribed[number] = Subscribed(number, list(types), tenant)
        self._write(subscribed.request())
        try:
            while True:
                frame = await subscribed.next()
                if frame is None:
                    return
                for line in frame.lines:
                    if subscribed.is_new(line):
                        subscribed.consumed(line.position if frame.position is not None else None)
                        yield _changed(line)
                subscribed.consumed(frame.position)
                self._write(wire.Taken(number))
        finally:
            self._subscribed.pop(number, None)
            self._write(wire.Unsubscribe(number))

    # --- the connection ---------------------------------------------------------------------------
    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                with wire.socket_path(self._path) as path:
                    reader, writer = await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            try:
                await self._talk(reader, writer)
                pause_s = FIRST_PAUSE_S
            except (EOFError, OSError) as error:
                log.info("The link of %s to the broker is lost: %s", self._name, error)
            except InvalidRequest as error:
                log.error("The broker refuses %s: %s", self._name, error.detail)
                pause_s = LONGEST_PAUSE_S
            finally:
                self._writer = None
                self._connected.clear()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            await asyncio.sleep(pause_s)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wire.encode(wire.Hello(wire.VERSION, self._name, self._pieces)))
        first = await wire.read_to_process(reader)
        if not isinstance(first, wire.Welcome):
            raise InvalidRequest(getattr(first, "reason", "it did not say welcome"))
        self.connects += 1
        if self._reports:
            writer.write(wire.encode(wire.Reports(list(self._reports.values()))))
        for pending in list(self._pending.values()):
            writer.write(pending.frame)
        for subscribed in self._subscribed.values():
            subscribed.restart()
            writer.write(wire.encode(subscribed.request()))
        self._writer = writer
        self._connected.set()
        while True:
            self._take(await wire.read_to_process(reader))

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, wire.Answer):
            pending = self._pending.get(frame.number)
            if pending is not None and not pending.answer.done():
                if frame.problem is not None:
                    pending.answer.set_exception(wire.raised(frame.problem))
                else:
                    pending.answer.set_result(frame)
        elif isinstance(frame, wire.News):
            subscribed = self._subscribed.get(frame.number)
            if subscribed is not None:
                subscribed.put(frame)
        elif isinstance(frame, wire.Give):
            for command in frame.commands:
                self._take_command(command)
        elif isinstance(frame, wire.Recall):
            self._recalled.update(dict.fromkeys(frame.ids))
            while len(self._recalled) > KNOWN_COMMANDS:
                self._recalled.popitem(last=False)
            self._recalls[frame.piece].put_nowait(frame.ids)
        elif isinstance(frame, wire.ReadAgain):
            queue = self._retries[frame.envelope.source.partition("/")[0]]
            if not queue.full():  # it stays in quarantine, and can be retried again
                queue.put_nowait(frame.envelope)
        elif isinstance(frame, wire.Goodbye):
            raise InvalidRequest(frame.reason)

    def _take_command(self, command: Command) -> None:
        name = (command.id, command.attempt)
        queue = self._commands[command.piece]
        if name in self._known or queue.full():
            return  # the ledger sends it again when nobody answers
        self._known[name] = None
        if len(self._known) > KNOWN_COMMANDS:
            self._known.popitem(last=False)
        queue.put_nowait(command)


def _changed(line: wire.Line) -> Changed:
    entity = {} if line.body is None else orjson.loads(line.body)
    return Changed(line.id, line.types, line.verb, line.at_us, line.source, entity, line.changed)
