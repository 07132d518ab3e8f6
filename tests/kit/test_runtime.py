"""One piece running: kept alive, normalised, handed in, acknowledged after commit, watched, acted
on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import pintu.kit.sources as sources
from pintu.kernel.errors import BadInput
from pintu.kernel.intake.words import Command, Envelope, Unreadable, Update
from pintu.kit import runtime
from pintu.kit.link import Changed
from pintu.kit.manifest import Manifest, parse_manifest
from pintu.kit.piece import Hands, Piece, Received
from pintu.kit.testing import FakeClock, MemoryLink

MANIFEST = parse_manifest(
    {
        "name": "counters", "owner": "Somebody", "maturity": "sketch", "writes": ["Device"],
        "title": {"zh": "计数", "en": "Counters"}, "summary": {"zh": "数人。", "en": "Counts."},
    }
)  # fmt: skip


class Wire:
    """A connector that hands out what is put in; a string put in breaks the connection."""

    name = "wire"
    expected_interval_s = 1.0
    connected = True

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Envelope | str] = asyncio.Queue()
        self.acknowledged: list[str] = []
        self.connects = 0

    async def receive(self) -> AsyncIterator[Received]:
        self.connects += 1
        while True:
            one = await self.queue.get()
            if isinstance(one, str):
                raise ConnectionError(one)

            async def acknowledge(key: str = one.key) -> None:
                self.acknowledged.append(key)

            yield Received(one, acknowledge)

    def put(self, key: str, body: bytes, sender: str = "a") -> None:
        self.queue.put_nowait(Envelope("wire", key, 0, body, {"sender": sender}))


def normalise(envelope: Envelope) -> list[Update | Unreadable]:
    """`3` is a device whose value is 3; `x` is nothing; `!` is our own mistake."""
    if envelope.body == b"!":
        raise KeyError("our mistake")
    if not envelope.body.isdigit():
        raise BadInput("Not a number")
    value = {"type": "Property", "value": int(envelope.body)}
    return [Update({"id": "urn:ngsi-ld:Device:counters:1", "type": "Device", "value": value})]


class Doubler:
    """Finds that a value over 10 is much; fails on 13."""

    name = "detect"
    reads: tuple[str, ...] = ("Device",)

    def changed(self, change: Changed, now_us: int) -> list[Update]:
        value = change.entity["value"]["value"]
        if value == 13:
            raise ValueError("unlucky")
        much = {"type": "Property", "value": value > 10}
        return [Update({"id": "urn:ngsi-ld:Alert:counters:1", "type": "Alert", "much": much})]

    def tick(self, now_us: int) -> list[Update]:
        return []


async def reset(command: Command, hands: Hands) -> None:
    """Reports, waits for zero, reports again."""
    await hands.report("sent")
    seen = await hands.until(command.target, lambda one: one.entity["value"]["value"] == 0, 5)
    await hands.report("confirmed" if seen else "failed")


class Stand:
    def __init__(self) -> None:
        self.wire, self.link = Wire(), MemoryLink(FakeClock())
        self.piece = Piece(
            name="counters",
            read_settings=lambda told: told,
            connectors=lambda _settings, _clock: [self.wire],
            normalise=normalise,
            watchers=lambda _settings: [Doubler()],
            actions={"ResetCounter": reset},
        )

    def sent_in(self) -> list[Any]:
        return [
            one.updates[0].entity["value"]["value"]
            for one in self.link.batches
            if one.source == "counters/wire" and one.updates
        ]


@contextlib.asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    stand = Stand()

    def loaded(_manifest: Manifest) -> Piece:
        return stand.piece

    monkeypatch.setattr(runtime, "load_piece", loaded)
    monkeypatch.setattr(runtime, "REPORT_EVERY_S", 0.05)
    monkeypatch.setattr(sources, "BACK_OFF_S", (0.01, 0.02, 0.03, 0.04, 0.05, 0.06))
    task = asyncio.create_task(runtime.run_piece(MANIFEST, stand.link, stand.link.clock))
    try:
        yield stand
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool], timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_message_is_acknowledged_after_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the city is away nothing is acknowledged; when it is back everything is, in order."""
    async with running(monkeypatch) as stand:
        stand.link.away = True
        for number in range(5):
            stand.wire.put(f"k{number}", str(number).encode())
        await asyncio.sleep(0.3)
        assert ([], []) == (stand.sent_in(), stand.wire.acknowledged)
        stand.link.away = False
        await until(lambda: len(stand.wire.acknowledged) == 5)
        assert [0, 1, 2, 3, 4] == stand.sent_in()


async def test_what_cannot_be_read_is_kept_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input and our own mistakes both end in quarantine, acknowledged; the next one is read."""
    async with running(monkeypatch) as stand:
        for key, body in (("a", b"x"), ("b", b"!"), ("c", b"7")):
            stand.wire.put(key, body)
        await until(lambda: len(stand.wire.acknowledged) == 3)
        assert ["Not a number", "The normaliser failed: KeyError: 'our mistake'"] == [
            one.reason for one in stand.link.quarantine
        ]
        assert {"counters/wire"} == {one.envelope.source for one in stand.link.quarantine}
        assert [7] == stand.sent_in()


async def test_a_lost_connection_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source says why it was down, and what comes after is taken."""
    async with running(monkeypatch) as stand:
        stand.wire.queue.put_nowait("the cable")
        await until(lambda: stand.wire.connects == 2)
        stand.wire.put("a", b"1")
        await until(lambda: stand.sent_in() == [1])
        await until(lambda: stand.link.source_reports["counters/wire"].messages == 1)
        assert "up" == stand.link.source_reports["counters/wire"].state


async def test_a_flooding_sender_is_refused_and_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Above its rate a sender's messages are counted, a few kept as evidence; another one is
    heard."""
    async with running(monkeypatch) as stand:
        for number in range(400):
            stand.wire.put(f"k{number}", b"1", "flooder")
        stand.wire.put("mine", b"5", "quiet")
        await until(lambda: len(stand.wire.acknowledged) == 401)
        kept = [one for one in stand.link.quarantine if "Sender 'flooder' sends more" in one.reason]
        assert 1 <= len(kept) <= 25
        assert 5 in stand.sent_in()
        await until(lambda: "refused" in stand.link.source_reports["counters/wire"].detail)


async def test_watchers_see_changes_and_one_bad_entity_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A detector that fails on one change is asked about the next."""
    async with running(monkeypatch) as stand:
        await asyncio.sleep(0.05)
        stand.wire.put("a", b"13")
        stand.wire.put("b", b"12")
        await until(lambda: "urn:ngsi-ld:Alert:counters:1" in stand.link.context.entities)
        found = [one for one in stand.link.batches if one.source == "counters/detect"]
        assert [(True, 1)] == [(one.updates[0].entity["much"]["value"], one.depth) for one in found]


async def test_a_command_waits_for_what_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """sent at once, confirmed when the world shows it."""
    async with running(monkeypatch) as stand:
        await asyncio.sleep(0.05)
        target = "urn:ngsi-ld:Device:counters:1"
        stand.link.ask(Command("c1", "demo", "counters", "ResetCounter", target, {}, "x", 0))
        await until(lambda: stand.link.states("c1") == ["sent"])
        stand.wire.put("a", b"4")
        stand.wire.put("b", b"0")
        await until(lambda: stand.link.states("c1") == ["sent", "confirmed"])


async def test_what_is_taken_back_in_time_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was not sent yet ends in silence; one that was goes on: what its device says
    is evidence."""
    async with running(monkeypatch) as stand:
        room, target = asyncio.Event(), "urn:ngsi-ld:Device:counters:1"

        async def slow(command: Command, hands: Hands) -> None:
            await room.wait()
            await reset(command, hands)

        actions = {"ResetCounter": reset, "Slow": slow}
        object.__setattr__(stand.piece, "actions", actions)
        for id, name in (("c1", "ResetCounter"), ("c2", "Slow"), ("c3", "Slow")):
            stand.link.ask(Command(id, "demo", "counters", name, target, {}, "x", 0))
        await until(lambda: stand.link.states("c1") == ["sent"])
        stand.link.recall("c1", "c2")
        await asyncio.sleep(0.01)
        room.set()
        await until(lambda: stand.link.states("c3") == ["sent"])
        stand.wire.put("b", b"0")
        await until(lambda: stand.link.states("c3") == ["sent", "confirmed"])
        assert (["sent", "confirmed"], []) == (stand.link.states("c1"), stand.link.states("c2"))


async def test_a_command_nobody_knows_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at once with a reason instead of timing out."""
    async with running(monkeypatch) as stand:
        stand.link.ask(Command("c2", "demo", "counters", "Explode", "urn:x", {}, "x", 0))
        await until(lambda: stand.link.states("c2") == ["failed"])


async def test_a_retried_envelope_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of quarantine it is applied although its key was answered before."""
    async with running(monkeypatch) as stand:
        stand.wire.put("a", b"7")
        await until(lambda: stand.sent_in() == [7])
        stand.link.retry(Envelope("counters/wire", "a", 0, b"7", {}))
        await until(lambda: stand.sent_in() == [7, 7])
