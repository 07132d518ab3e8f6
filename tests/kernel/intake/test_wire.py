"""The broker's socket: batches, reports, commands, changes and retries between two processes."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData, StateConflict, TooLarge, Unavailable
from pintu.kernel.intake import FieldLink, SocketServer, changes, socket_server, wire
from pintu.kernel.intake.words import (
    Batch,
    Changed,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
    Unreadable,
    Update,
)

from .conftest import NOON_US, Scene, batch, lamp

LAMP = "urn:ngsi-ld:Streetlight:x:L"


class Desk:
    """A command ledger reduced to what the socket asks of it."""

    def __init__(self) -> None:
        self.waiting: list[Command] = []
        self.reported: list[tuple[str, str, str]] = []
        self.dispatch: Callable[[Command], None] = lambda _: None

    def on_dispatch(self, dispatch: Callable[[Command], None]) -> Callable[[], None]:
        self.dispatch = dispatch
        return lambda: None

    def to_send(self, pieces: frozenset[str]) -> list[Command]:
        return [command for command in self.waiting if command.piece in pieces]

    async def report(self, report: CommandReport, who: str) -> Any:
        if report.state == "failed":
            raise StateConflict("A command that is confirmed cannot fail")
        self.reported.append((report.id, report.state, who))


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


@pytest.fixture
async def door(scene: Scene) -> AsyncIterator[Door]:
    """A door, opened."""
    door = Door(scene)
    await door.open()
    yield door
    for link in door.links:
        await link.stop()
    await door.shut()


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


# --- batches --------------------------------------------------------------------------------------
async def test_a_receipt_comes_after_commit(door: Door) -> None:
    """Many at once, each answered by what became of it."""
    link = await door.link()
    receipts = await asyncio.gather(
        *(link.accept(batch(f"b{n}", lamp(n), lamp(-n))) for n in range(1, 101))
    )
    assert [Receipt(f"b{n}", 2, 0) for n in range(1, 101)] == receipts
    assert 200 == len(door.scene.log())


async def test_a_wrong_batch_comes_back_as_its_error(door: Door) -> None:
    """And the link lives on."""
    link = await door.link()
    with pytest.raises(BadRequestData, match="depth 9"):
        await link.accept(batch("b1", lamp(1), depth=9))
    with pytest.raises(BadRequestData, match="cannot be written"):
        await link.accept(
            batch("b2", Update({"id": "urn:a:b", "type": "T", "p": {"value": object()}}))
        )
    with pytest.raises(TooLarge, match="16777216"):
        await link.accept(
            batch("b3", Update({"id": "urn:a:b", "type": "T", "p": {"value": "x" * 17_000_000}}))
        )
    assert 1 == (await link.accept(batch("b4", lamp(1)))).accepted


async def test_what_is_handed_in_while_the_broker_is_away_waits(scene: Scene) -> None:
    """And arrives in order when it comes."""
    door = Door(scene)
    link = await door.link()
    waiting = [
        asyncio.create_task(link.accept(batch(f"b{n}", lamp(1, power=n)))) for n in range(20)
    ]
    await asyncio.sleep(0.1)
    assert not link.connected
    await door.open()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    values = [
        msgspec.json.decode(c.payload)["activePower"]["value"] for c in scene.store.changes(0, 100)
    ]
    assert list(range(20)) == values
    await link.stop()
    await door.shut()


async def test_a_store_that_is_away_is_tried_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender's batch waits with the link; nothing is lost."""
    submit, failures = door.scene.store.submit, 2

    async def sometimes(*arguments: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise Unavailable("The queue is full")
        return await submit(*arguments)

    monkeypatch.setattr(door.scene.store, "submit", sometimes)
    monkeypatch.setattr("pintu.kernel.intake.link.BUSY_PAUSE_S", 0.01)
    link = await door.link()
    assert 1 == (await link.accept(batch("b1", lamp(1)))).accepted


async def test_a_broker_that_comes_back_is_found_again(door: Door) -> None:
    """Batches across the gap are answered once."""
    link = await door.link()
    await link.accept(batch("b1", lamp(1)))
    await door.shut()
    await until(lambda: not link.connected)
    waiting = asyncio.create_task(link.accept(batch("b1", lamp(1))))
    await door.open()
    assert (await asyncio.wait_for(waiting, 5)).repeated
    assert 2 == link.connects


async def test_stopping_a_link_tells_those_who_wait(scene: Scene) -> None:
    """They know that nothing was promised."""
    link = FieldLink(scene.data / "nobody.sock", name="field")
    await link.start()
    waiting = asyncio.create_task(link.accept(batch("b1", lamp(1))))
    await asyncio.sleep(0.02)
    await link.stop()
    with pytest.raises(Unavailable):
        await waiting


# --- the socket itself ----------------------------------------------------------------------------
async def test_only_the_owner_may_knock(door: Door) -> None:
    """0600, and gone when the door is shut."""
    assert 0o600 == stat.S_IMODE(door.path.stat().st_mode)
    await door.shut()
    assert not door.path.exists()


async def test_a_socket_left_behind_is_taken_over_a_living_one_is_not(door: Door) -> None:
    """A crash leaves a file; a second broker on one folder is refused."""
    with pytest.raises(Unavailable, match="Another broker"):
        await socket_server(door.scene.intake, door.desk, door.scene.store, door.path)
    left = door.scene.data / "left.sock"
    with socket.socket(socket.AF_UNIX) as dead, wire.socket_path(left) as short:
        dead.bind(short)
    server = await socket_server(door.scene.intake, door.desk, door.scene.store, left)
    await server.close()


async def test_a_deep_data_folder_is_no_obstacle(scene: Scene) -> None:
    """A Unix socket's path may have 107 bytes; a folder's may have more."""
    deep = scene.data / ("d" * 120)
    deep.mkdir()
    door = Door(scene)
    door.path = deep / "broker.sock"
    await door.open()
    link = await door.link()
    assert 1 == (await link.accept(batch("b1", lamp(1)))).accepted
    await link.stop()
    await door.shut()


async def knock(path: Path, *frames: bytes) -> list[Any]:
    """What the broker answers to these bytes before it hangs up."""
    with wire.socket_path(path) as short:
        reader, writer = await asyncio.open_unix_connection(short)
    for frame in frames:
        writer.write(frame)
    answers = []
    try:
        while True:
            answers.append(await asyncio.wait_for(wire.read_to_process(reader), 6))
    except EOFError:
        return answers
    finally:
        writer.close()


HELLO = wire.encode(wire.Hello(wire.VERSION, "test", []))


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ((b"\x00\x00\x00\x02{}",), "cannot be read"),
        ((b"\xff\xff\xff\xff",), "4294967295 bytes is announced"),
        ((wire.encode(wire.Hello(99, "old", [])),), "version 99"),
        ((wire.encode(wire.Unsubscribe(1)),), "not a Hello"),
        ((HELLO, HELLO), "second Hello"),
        ((HELLO, b"\x00\x00\x00\x01\xc1"), "cannot be read"),
        ((HELLO, wire.LENGTH.pack(5_001) + b"\x91" * 5_000 + b"\x01"), "cannot be read"),
        (
            (HELLO, *(wire.encode(wire.Subscribe(n, [], "demo", 0)) for n in range(65))),
            "64 subscriptions",
        ),
    ],
)
async def test_what_is_not_the_wire_is_shown_the_door(
    door: Door, frames: tuple[bytes, ...], reason: str
) -> None:
    """With the reason; others are not disturbed."""
    link = await door.link()
    answers = await knock(door.path, *frames)
    assert reason in answers[-1].reason
    assert 1 == (await link.accept(batch("b1", lamp(1)))).accepted


async def test_a_process_that_says_nothing_is_let_go(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection without a Hello does not stay."""
    monkeypatch.setattr("pintu.kernel.intake.server.HELLO_TIMEOUT_S", 0.05)
    assert [] == await knock(door.path)


# --- reports and commands -------------------------------------------------------------------------
def report(state: str = "up") -> SourceReport:
    """How the lamps' source is."""
    return SourceReport("street_lights/mqtt", "street_lights", 7, 70, 0, NOON_US, 0, state, "", 5)  # type: ignore[arg-type]


async def test_a_source_s_health_crosses_and_ends_with_its_process(door: Door) -> None:
    """A process that is gone takes its sources down; one that comes back tells again by itself."""
    link = await door.link()
    await link.report_source(report())
    sources = door.scene.intake.sources
    await until(lambda: [source.health for source in sources()] == ["up"])
    await link.stop()
    await until(lambda: [source.health for source in sources()] == ["down"])
    assert "process field is not connected" == sources()[0].report.detail  # type: ignore[union-attr]
    await link.start()
    await until(lambda: [source.health for source in sources()] == ["up"])


async def test_commands_go_to_the_process_that_has_the_piece(door: Door) -> None:
    """What waited before it came, and what comes later; each attempt once."""
    door.desk.waiting = [command("a"), command("other", piece="traffic")]
    link, other = await door.link(), await door.link("other", ("traffic",))
    mine, others = Reader(link.commands("street_lights")), Reader(other.commands("traffic"))
    for sent in (command("b"), command("b"), command("b", attempt=2)):
        door.desk.dispatch(sent)
    assert [command("a"), command("b"), command("b", 2)] == await mine.wait(3)
    assert [command("other", piece="traffic")] == await others.wait(1)
    await mine.stop()
    await others.stop()


async def test_how_a_command_goes_is_in_the_ledger_before_the_link_returns(door: Door) -> None:
    """A conflict comes back as one."""
    link = await door.link()
    await link.report_command(CommandReport("a", "sent"))
    assert [("a", "sent", "process:field")] == door.desk.reported
    with pytest.raises(StateConflict, match="cannot fail"):
        await link.report_command(CommandReport("a", "failed"))


async def test_a_held_envelope_is_read_again_by_its_piece(door: Door) -> None:
    """Over the socket and back; accepted, it leaves the quarantine."""
    link = await door.link()
    bad = Unreadable(Envelope("street_lights/mqtt", "m1", NOON_US, b"?"), "no reader yet")
    await link.accept(batch("b1", unreadable=[bad]))
    (held,) = await door.scene.intake.quarantine.list()
    retrying = asyncio.create_task(door.scene.intake.retry(held.id))
    reader = Reader(link.retries("street_lights"))
    assert [bad.envelope] == await reader.wait(1)
    await link.accept(batch("m1 again", lamp(1), retry_of="m1"))
    assert 1 == (await retrying).accepted
    assert [] == await door.scene.intake.quarantine.list()
    await reader.stop()


# --- changes --------------------------------------------------------------------------------------
def values(taken: list[Changed]) -> list[tuple[str, str, Any]]:
    """(lamp, verb, power) of what a watcher saw."""
    return [
        (c.id.removeprefix(LAMP), c.verb, c.entity.get("activePower", {}).get("value"))
        for c in taken
    ]


async def test_a_watcher_sees_what_there_is_and_then_what_changes(door: Door) -> None:
    """Of its types and tenant, whole entities, in order."""
    link = await door.link()
    await link.accept(batch("b1", lamp(1, power=1), lamp(2, power=2)))
    watcher = Reader(link.changes(["Streetlight"], "demo"))
    assert {("1", "created", 1), ("2", "created", 2)} == set(values(await watcher.wait(2)))
    await link.accept(batch("b2", lamp(1, power=3), Update({"id": "urn:a:b", "type": "Other"})))
    await link.accept(Batch("x/y", "elsewhere", "k", [lamp(5)]))
    await link.accept(batch("b3", lamp(3, power=4)))
    assert [("1", "updated", 3), ("3", "created", 4)] == values(await watcher.wait(4))[2:]
    seen = watcher.taken[2]
    assert (("activePower",), "street_lights/mqtt") == (seen.changed, seen.source)
    await watcher.stop()


async def test_a_tenant_may_come_later_than_its_watcher(door: Door) -> None:
    """Nobody has to wait for the first message to subscribe."""
    link = await door.link()
    watcher = Reader(link.changes([], "later"))
    await asyncio.sleep(0.05)
    await link.accept(Batch("x/y", "later", "k", [lamp(5)]))
    assert [("5", "created", 60)] == values(await watcher.wait(1))
    await watcher.stop()


async def test_a_slow_watcher_loses_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker keeps few changes in memory and reads the rest from its log; the lag is shown."""
    monkeypatch.setattr(changes, "RECENT", 20)
    monkeypatch.setattr(changes, "FRAME_LINES", 10)
    link = await door.link()
    stream = link.changes([], "demo")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    for number in range(30):
        await link.accept(batch(f"b{number}", *(lamp(n, power=number) for n in range(10))))
    seen = [await waiting]
    await asyncio.sleep(0.05)
    lag = door.server.lags()["field"]  # type: ignore[union-attr]
    while len(seen) < 300:
        seen.append(await asyncio.wait_for(anext(stream), 5))
    assert 290 <= lag
    assert [str(n % 10) for n in range(300)] == [lamp_number for lamp_number, _, _ in values(seen)]
    await stream.aclose()


async def test_a_watcher_goes_on_over_a_restart_of_the_broker(door: Door) -> None:
    """Each change once, those during the gap too."""
    link = await door.link()
    watcher = Reader(link.changes([], "demo"))
    await asyncio.sleep(0.05)
    await link.accept(batch("b1", lamp(1, power=1)))
    await watcher.wait(1)
    await door.shut()
    await door.scene.intake.accept(batch("b2", lamp(1, power=2)))
    await door.open()
    await link.accept(batch("b3", lamp(2, power=3)))
    await watcher.wait(3)
    await asyncio.sleep(0.05)
    assert [("1", "created"), ("1", "updated"), ("2", "created")] == [
        v[:2] for v in values(watcher.taken)
    ]
    await watcher.stop()


async def test_a_subscription_that_ends_is_forgotten(door: Door) -> None:
    """On both sides."""
    link = await door.link()
    for _ in range(100):
        stream = link.changes([], "demo")
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()
    assert 1 == (await link.accept(batch("b1", lamp(1)))).accepted
    assert {} == link._subscribed


async def test_everything_there_is_comes_in_pages(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More entities than fit a frame."""
    monkeypatch.setattr(changes, "PAGE", 7)
    link = await door.link()
    await link.accept(batch("b1", *(lamp(n) for n in range(50))))
    watcher = Reader(link.changes([], "demo"))
    assert 50 == len({change.id for change in await watcher.wait(50)})
    await watcher.stop()


def test_every_error_crosses_as_what_it_is() -> None:
    """The nearest kind the other side knows."""
    for error in (BadRequestData("a"), TooLarge("b"), Unavailable("c"), StateConflict("d")):
        crossed = wire.raised(wire.problem(error))
        assert (type(error), error.detail) == (type(crossed), crossed.detail)
    assert "PintuError" == type(wire.raised(wire.Problem("Strange", "x"))).__name__


def test_long_paths_are_shortened_only_when_they_must_be() -> None:
    """The file descriptor of the folder stands for it."""
    with wire.socket_path(Path("/tmp/a.sock")) as short:
        assert "/tmp/a.sock" == short
    assert os.path.isdir("/proc/self/fd")
