"""The broker's end of the socket: field processes hand in batches, and get commands and changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from pintu.kernel.errors import DiskFull, InvalidRequest, PintuError, Unavailable
from pintu.kernel.intake import wire
from pintu.kernel.intake.changes import Follower, Recent
from pintu.kernel.intake.intake import Intake
from pintu.kernel.intake.quarantine import Held
from pintu.kernel.intake.wire import Frame
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.store.port import Store

log = logging.getLogger("pintu.intake")

CONNECTIONS = 32
UNDER_WAY = 64  # batches of one connection not yet answered; more are not read
TELLING = 32  # the same of groups of reports on commands, which share commits
GIVEN = 200  # commands in one frame
SUBSCRIPTIONS = 64  # of one connection
HELLO_TIMEOUT_S = 5.0
UNREAD_BYTES = 8_000_000  # a process that does not read gets no more commands


class CommandDesk(Protocol):
    """What the socket needs of the command ledger (operations stands above intake)."""

    def on_dispatch(self, dispatch: Callable[[Command], None]) -> Callable[[], None]:
        """Give every command that is to be sent to `dispatch`; returns how to stop that."""
        ...

    def on_recall(self, recall: Callable[[Command], None]) -> Callable[[], None]:
        """Tell `recall` of every command that was given and must not be sent any more."""
        ...

    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        """What a process that just connected must be given."""
        ...

    async def report_many(
        self, reports: Sequence[CommandReport], who: str, pieces: frozenset[str] | None = None
    ) -> Sequence[Any]:
        """A process tells how commands of its pieces go; an error stands for what is refused."""
        ...


class SocketServer:
    """Accepts connections until closed."""

    def __init__(self, intake: Intake, commands: CommandDesk, store: Store, path: Path) -> None:
        self._intake, self._commands, self._store, self._path = intake, commands, store, path
        self._recent = Recent(store)
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._stop_dispatch: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Bind the socket (0600 from its first moment) and begin; Unavailable when somebody listens
        there.
        """
        listening = _bind(self._path)
        self._server = await asyncio.start_unix_server(self._accept, sock=listening, backlog=64)
        self._stop_dispatch = [
            self._commands.on_dispatch(self._dispatch),
            self._commands.on_recall(self._recall),
        ]
        self._intake.on_retry(self._retry)

    async def close(self) -> None:
        """Stop; batches under way are finished, their senders may not hear of it and send them
        again.
        """
        for stop in self._stop_dispatch:
            stop()
        self._intake.on_retry(None)
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._working, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def connected(self) -> list[tuple[str, list[str]]]:
        """(name, pieces) of every process that is there."""
        return [(one.name, sorted(one.pieces)) for one in self._connections]

    def lags(self) -> dict[str, int]:
        """By process: how many log positions its slowest subscription is behind."""
        return {one.name: one.lag() for one in self._connections}

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(self, reader, writer)
        try:
            await connection.run()
        except InvalidRequest as error:
            log.warning("A process beside the broker is refused: %s", error.detail)
            connection.write(wire.Goodbye(error.detail))
        except (EOFError, OSError, TimeoutError) as error:
            log.info("A process beside the broker is gone: %s", error)
        except asyncio.CancelledError:
            pass  # the server closes; asyncio logs a handler that ends cancelled
        except Exception:  # a loop's edge: one connection's mistake closes no other
            log.exception("A connection to the broker failed")
        finally:
            self._connections.discard(connection)
            self._tasks.discard(task)
            await connection.close()

    def _dispatch(self, command: Command) -> None:
        for connection in self._connections:
            if command.piece in connection.pieces:
                connection.give(command)

    def _recall(self, command: Command) -> None:
        for connection in self._connections:
            if command.piece in connection.pieces:
                connection.recall(command)

    def _retry(self, held: Held) -> bool:
        piece = held.source.partition("/")[0]
        for connection in self._connections:
            if piece in connection.pieces:
                connection.write(wire.ReadAgain(held.tenant, held.envelope()))
                return True
        return False

    # what a connection needs
    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work that outlives the connection it came by: what was handed in is finished."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    @property
    def intake(self) -> Intake:
        """Where batches go."""
        return self._intake

    @property
    def commands(self) -> CommandDesk:
        """Where command reports go."""
        return self._commands

    def follower(self, frame: wire.Subscribe, send: Callable[[wire.News], None]) -> Follower:
        """A subscription."""
        return Follower(
            self._store,
            self._recent,
            number=frame.number,
            types=frame.types,
            tenant=frame.tenant,
            send=send,
        )

    def welcome(self, connection: _Connection) -> None:
        """A process said hello: it counts from now on, and gets what waits for it."""
        if len(self._connections) >= CONNECTIONS:
            raise InvalidRequest(f"There are {CONNECTIONS} processes connected already")
        self._connections.add(connection)
        connection.write(wire.Welcome(wire.VERSION))
        for command in self._commands.to_send(connection.pieces):
            connection.give(command)


class _Connection:
    """One process, as the broker sees it."""

    def __init__(
        self, server: SocketServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.name = ""
        self.pieces: frozenset[str] = frozenset()
        self._server, self._reader, self._writer = server, reader, writer
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._telling = asyncio.Semaphore(TELLING)
        self._followers: dict[int, tuple[Follower, asyncio.Task[None]]] = {}
        self._sources: set[str] = set()
        self._giving: list[Command] = []
        self._recalling: list[Command] = []

    async def run(self) -> None:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            hello = await wire.read_to_broker(self._reader)
        if not isinstance(hello, wire.Hello):
            raise InvalidRequest("The first frame is not a Hello")
        if hello.version != wire.VERSION:
            raise InvalidRequest(
                f"{hello.name[:50]} speaks version {hello.version} of the wire, "
                f"this broker {wire.VERSION}"
            )
        self.name, self.pieces = hello.name[:100], frozenset(hello.pieces)
        self._server.welcome(self)
        while True:
            await self._take(await wire.read_to_broker(self._reader))
            await self._writer.drain()

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, wire.Send):
            await self._room.acquire()
            self._begin(self._batch(frame), self._room)
        elif isinstance(frame, wire.Tell):
            await self._telling.acquire()
            self._begin(self._told(frame), self._telling)
        elif isinstance(frame, wire.Reports):
            for report in frame.reports:
                self._sources.add(report.source)
                self._server.intake.report(report)
        elif isinstance(frame, wire.Subscribe):
            self._follow(frame)
        elif isinstance(frame, wire.Unsubscribe):
            follower = self._followers.pop(frame.number, None)
            if follower is not None:
                follower[1].cancel()
        elif isinstance(frame, wire.Taken):
            follower = self._followers.get(frame.number)
            if follower is not None:
                follower[0].taken()
        else:
            raise InvalidRequest("A second Hello came")

    def _begin(self, work: Coroutine[Any, Any, None], room: asyncio.Semaphore) -> None:
        task = self._server.begin(work)
        task.add_done_callback(lambda _: room.release())

    async def _batch(self, frame: wire.Send) -> None:
        try:
            receipt = await self._server.intake.accept(frame.batch)
        except PintuError as error:
            self.write(wire.Answer(frame.number, problem=wire.problem(error)))
        except Exception:  # a loop's edge: the sender must hear something, and keeps the batch
            log.exception("Batch %s of %s failed", frame.batch.key, frame.batch.source)
            self.write(
                wire.Answer(frame.number, problem=wire.Problem("Unavailable", "Intake failed"))
            )
        else:
            self.write(wire.Answer(frame.number, receipt))

    async def _told(self, frame: wire.Tell) -> None:
        who = f"process:{self.name}"
        try:
            done = await self._server.commands.report_many(frame.reports, who, self.pieces)
        except PintuError as error:
            self.write(wire.Answer(frame.number, problem=wire.problem(error)))
        except Exception:  # a loop's edge: the sender must hear something, and tells it again
            log.exception("Reports of %s failed", self.name)
            problem = wire.Problem("Unavailable", "The ledger failed")
            self.write(wire.Answer(frame.number, problem=problem))
        else:
            told = [wire.problem(one) if isinstance(one, PintuError) else None for one in done]
            self.write(wire.Answer(frame.number, problems=told))

    def _follow(self, frame: wire.Subscribe) -> None:
        if len(self._followers) >= SUBSCRIPTIONS:
            raise InvalidRequest(f"{self.name} has {SUBSCRIPTIONS} subscriptions already")
        follower = self._server.follower(frame, self.write)
        task = asyncio.create_task(self._following(follower, frame.after))
        self._followers[frame.number] = (follower, task)

    async def _following(self, follower: Follower, after: int | None) -> None:
        try:
            await follower.run(after)
        except Exception:  # a loop's edge: closing makes the process ask again from where it was
            log.exception("A subscription of %s failed", self.name)
            self._writer.close()

    def lag(self) -> int:
        return max((follower.lag for follower, _ in self._followers.values()), default=0)

    def give(self, command: Command) -> None:
        """Hand out a command, unless the process does not read: the ledger tries again later."""
        if self._writer.transport.get_write_buffer_size() < UNREAD_BYTES:
            self._giving.append(command)
            self._soon()

    def recall(self, command: Command) -> None:
        """Say that a command must not be sent any more."""
        self._recalling.append(command)
        self._soon()

    def _soon(self) -> None:
        """What is handed out at one moment crosses together."""
        if len(self._giving) + len(self._recalling) == 1:
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        gone = {one.id for one in self._recalling}
        giving = [one for one in self._giving if one.id not in gone]
        recalling, self._giving, self._recalling = self._recalling, [], []
        for piece in {one.piece for one in recalling}:
            self.write(wire.Recall(piece, [one.id for one in recalling if one.piece == piece]))
        for at in range(0, len(giving), GIVEN):
            self.write(wire.Give(giving[at : at + GIVEN]))

    def write(self, frame: Frame) -> None:
        if not self._writer.is_closing():
            self._writer.write(wire.encode(frame))

    async def close(self) -> None:
        """Let go. Batches under way go on: what they say nobody hears, so they are sent again and
        known.
        """
        for _, task in self._followers.values():
            task.cancel()
        self._server.intake.lost(self._sources, f"process {self.name} is not connected")
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def _bind(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with wire.socket_path(path) as short:
            if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
                _refuse_if_alive(short)
                path.unlink()
            before = os.umask(0o177)
            try:
                listening.bind(short)
            finally:
                os.umask(before)
    except OSError as error:
        listening.close()
        raise DiskFull(f"Socket {path} cannot be made: {error.strerror}") from error
    except PintuError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _refuse_if_alive(short: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(short)
        except OSError:
            return
    raise Unavailable("Another broker listens on this data folder's socket")


async def socket_server(
    intake: Intake, commands: CommandDesk, store: Store, path: Path
) -> SocketServer:
    """Open the field's door at `path`; `await server.close()` shuts it."""
    server = SocketServer(intake, commands, store, path)
    await server.start()
    return server
