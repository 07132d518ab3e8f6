"""Intake with its socket open, and what knocks at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pintu.kernel.errors import StateConflict
from pintu.kernel.intake import FieldLink, SocketServer, socket_server
from pintu.kernel.intake.words import (
    Command,
    CommandReport,
)

from .conftest import NOON_US, Scene

LAMP = "urn:ngsi-ld:Streetlight:x:L"


class Desk:
    """A command ledger reduced to what the socket asks of it."""

    def __init__(self) -> None:
        self.waiting: list[Command] = []
        self.reported: list[tuple[str, str, str]] = []
        self.dispatch: Callable[[Command], None] = lambda _: None
        self.recall: Callable[[Command], None] = lambda _: None

    def on_dispatch(self, dispatch: Callable[[Command], None]) -> Callable[[], None]:
        self.dispatch = dispatch
        return lambda: None

    def on_recall(self, recall: Callable[[Command], None]) -> Callable[[], None]:
        self.recall = recall
        return lambda: None

    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        return [command for command in self.waiting if command.piece in pieces]

    async def report_many(
        self, reports: Sequence[CommandReport], who: str, pieces: frozenset[str] | None = None
    ) -> list[Any]:
        for one in reports:
            if one.state != "failed":
                self.reported.append((one.id, one.state, who))
        wrong = StateConflict("A command that is confirmed cannot fail")
        return [wrong if one.state == "failed" else one for one in reports]


def command(id: str, attempt: int = 1, piece: str = "street_lights") -> Command:
    """A command on its way."""
    return Command(
        id, "demo", piece, "DimLamp", LAMP + "1", {"level": 40}, "token:x", NOON_US, attempt
    )


class Door:
    """Intake with its socket open, and links to it."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.desk = scene, Desk()
        self.path = scene.data / "broker.sock"
        self.links: list[FieldLink] = []
        self.server: SocketServer | None = None

    async def open(self) -> None:
        self.server = await socket_server(self.scene.intake, self.desk, self.scene.store, self.path)

    async def shut(self) -> None:
        if self.server is not None:
            await self.server.close()
            self.server = None

    async def link(
        self, name: str = "field", pieces: tuple[str, ...] = ("street_lights",)
    ) -> FieldLink:
        link = FieldLink(self.path, name=name, pieces=pieces)
        await link.start()
        self.links.append(link)
        if self.server is not None:
            await asyncio.wait_for(link.wait_connected(), 5)
        return link


async def until(holds: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.005)


class Reader:
    """Takes from an endless stream in the background."""

    def __init__(self, stream: AsyncIterator[Any]) -> None:
        self.taken: list[Any] = []
        self._task = asyncio.create_task(self._run(stream))

    async def _run(self, stream: AsyncIterator[Any]) -> None:
        async for one in stream:
            self.taken.append(one)

    async def wait(self, count: int) -> list[Any]:
        await until(lambda: len(self.taken) >= count)
        return self.taken

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
