"""The broker's socket: batches, reports, commands, changes and retries between two processes."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData, StateConflict, TooLarge, Unavailable
from pintu.kernel.intake import FieldLink, socket_server, wire
from pintu.kernel.intake.words import (
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
    Unreadable,
    Update,
)
from pintu.kernel.store.port import settled

from .conftest import NOON_US, Scene, batch, lamp
from .door import Door, Reader, command, until


# --- batches --------------------------------------------------------------------------------------
async def test_a_receipt_comes_after_commit(door: Door) -> None:
    """Many at once, each answered by what became of it."""
    link = await door.link()
    receipts = await asyncio.gather(
        *(link.accept(batch(f"b{n}", lamp(n), lamp(-n))) for n in range(1, 101))
    )
    assert [Receipt(f"b{n}", 2, 0) for n in range(1, 101)] == receipts
    assert 200 == len(await door.scene.log())


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
        msgspec.json.decode(c.payload)["activePower"]["value"]
        for c in await settled(scene.store.changes(0, 100))
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


async def test_what_is_taken_back_is_not_given(door: Door) -> None:
    """Not what stands in line on either side; who may be at it hears so."""
    link = await door.link()
    for one in ("a", "b", "c"):
        door.desk.dispatch(command(one))
    door.desk.recall(command("b"))
    recalled = Reader(link.recalls("street_lights"))
    assert [["b"]] == await recalled.wait(1)
    door.desk.dispatch(command("d"))
    mine = Reader(link.commands("street_lights"))
    assert ["a", "c", "d"] == [one.id for one in await mine.wait(3)]
    await mine.stop()
    await recalled.stop()


async def test_reports_of_one_moment_cross_together(door: Door) -> None:
    """Each has its own answer, in its own order."""
    link = await door.link()
    words = [("a", "sent"), ("b", "failed"), ("a", "acknowledged")]
    told = [link.report_command(CommandReport(*one)) for one in words]  # type: ignore[arg-type]
    answers = await asyncio.gather(*told, return_exceptions=True)
    assert [type(None), StateConflict, type(None)] == [type(one) for one in answers]
    assert ["sent", "acknowledged"] == [state for _, state, _ in door.desk.reported]


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
