"""10,000 HJ 212 frames through a real socket, 5 % damaged, 5 % split, 5 % joined: nothing bad is
taken, nothing good is lost (`python -m claims hj212`)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

from claims.words import Claim, Finding, judged
from pintu.kit import Envelope, Piece, Unreadable, Update
from pintu.kit.hj212 import Hj212Connector
from pintu.kit.protocols import Frame, read_hj212, write_hj212
from pintu.kit.sources import SourceRunner
from pintu.kit.testing import FakeClock, MemoryLink, free_port
from pintu.protocols.hj212 import BadFrame, data_of
from pintu.protocols.hj212_stream import Stream

FRAMES, STATIONS = 10_000, 50
DAMAGED = SPLIT = JOINED = 0.05
PATIENCE_S = 60.0


@dataclass(slots=True)
class Line:
    """What one station sends, in the pieces it is sent in, and what it hears."""

    good: set[str] = field(default_factory=set)  # QN
    bad: set[str] = field(default_factory=set)
    writes: list[bytes] = field(default_factory=list)
    redrawn: int = 0  # damages that no receiver can tell: the checksum has 256 values
    heard: list[str] = field(default_factory=list)


def make_line(station: int, count: int, dice: random.Random) -> Line:
    """Frames of one station, some damaged, split over two writes, or two in one write."""
    line = Line()
    held = b""
    for number in range(count):
        qn = f"2026112200{number // 60:02d}{number % 60:02d}{station:03d}"
        frame = write_hj212(_hour(station, number, qn))
        chance = dice.random()
        if chance < DAMAGED:
            frame = _damaged(frame, dice, line)
            line.bad.add(qn)
            line.writes.append(held + frame)
            held = b""
            continue
        line.good.add(qn)
        if chance < DAMAGED + SPLIT:
            at = dice.randrange(1, len(frame))
            line.writes += [held + frame[:at], frame[at:]]
            held = b""
        elif chance < DAMAGED + SPLIT + JOINED and number + 1 < count:
            held += frame
        else:
            line.writes.append(held + frame)
            held = b""
    if held:
        line.writes.append(held)
    return line


def _hour(station: int, number: int, qn: str) -> Frame:
    return Frame(
        fields={
            "QN": qn,
            "ST": "22",
            "CN": "2061",
            "PW": "123456",
            "MN": f"DE30C1A1{station:016d}",
            "Flag": "5",
        },
        data_time=f"202611{1 + number // 24 % 28:02d}{number % 24:02d}0000",
        factors={
            code: {"Min": "1", "Avg": f"{number % 90 + 0.5}", "Max": "99", "Flag": "N"}
            for code in ("a34004", "a34002", "a21026", "a21004", "a21005", "a05024")
        },
    )


def _damaged(frame: bytes, dice: random.Random, line: Line) -> bytes:
    """Bytes changed, lost or doubled anywhere, also in length, checksum and end; drawn again while
    the frame's own checksum takes it for sound."""
    while True:
        at, kind = dice.randrange(len(frame)), dice.randrange(5)
        if kind == 0:
            other = bytes([frame[at] ^ dice.randrange(1, 256)])
            found = frame[:at] + other + frame[at + 1 :]
        elif kind == 1:
            found = frame[: max(1, at)]
        elif kind == 2:
            found = frame[:at] + dice.randbytes(dice.randint(1, 8)) + frame[at:]
        elif kind == 3:
            found = frame[:at] + frame[at + dice.randint(1, 20) :]
        else:
            digits = b"%04d" % dice.randrange(10_000)
            found = frame[:2] + digits + frame[6:]
        with contextlib.suppress(BadFrame):
            data_of(found)
            line.redrawn += 1
            continue
        if found and not _sound_inside(found):
            return found
        line.redrawn += 1


def _sound_inside(damaged: bytes) -> bool:
    """True when what was done leaves a whole sound frame, only something around it."""
    stream = Stream()
    stream.feed(damaged)
    while (found := stream.flush()) is not None:
        if found.frame is not None:
            return True
    return False


def _normalise(envelope: Envelope) -> list[Update | Unreadable]:
    if "bad" in envelope.meta:
        return [Unreadable(envelope, envelope.meta["bad"])]
    qn = read_hj212(envelope.body).fields["QN"]
    value = {"type": "Property", "value": qn}
    return [Update({"id": f"urn:ngsi-ld:Frame:{qn}", "type": "Frame", "qn": value})]


async def _send(line: Line, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    listening = asyncio.create_task(_listen(line, reader))
    for part in line.writes:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(listening, PATIENCE_S)
    writer.close()


async def _listen(line: Line, reader: asyncio.StreamReader) -> None:
    stream = Stream()
    while chunk := await reader.read(65_536):
        stream.feed(chunk)
        while (found := stream.next()) is not None:
            if found.frame is not None and found.frame.fields["CN"] == "9014":
                line.heard.append(found.frame.fields["QN"])


async def _run(lines: list[Line]) -> MemoryLink:
    clock, port = FakeClock(), free_port(9870, 9899)
    link = MemoryLink(clock)
    connector = Hj212Connector("hj212", f"127.0.0.1:{port}", clock, ask_missing=False)
    piece = Piece(name="claim", read_settings=lambda told: told, normalise=_normalise)
    runner = SourceRunner(connector, piece, link, clock, tenant="")
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.3)
    try:
        await asyncio.gather(*(_send(line, port) for line in lines))
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    return link


def frames_lose_nothing() -> list[Finding]:
    """Bad frames that were taken or acknowledged, good ones that were not: all four are nought."""
    dice = random.Random(212)
    lines = [make_line(number, FRAMES // STATIONS, dice) for number in range(STATIONS)]
    link = asyncio.run(_run(lines))
    taken = [u.entity["qn"]["value"] for batch in link.batches for u in batch.updates]
    good = {qn for line in lines for qn in line.good}
    bad = {qn for line in lines for qn in line.bad}
    heard = [qn for line in lines for qn in line.heard]
    wrong = len(bad & set(taken)) + len(bad & set(heard)) + len(taken) - len(set(taken))
    lost = len(good - set(taken)) + len(good - set(heard))
    redrawn = sum(line.redrawn for line in lines)
    said = f"{len(good)} good, {len(bad)} damaged, {len(link.quarantine)} finds in quarantine"
    return [
        judged("HJ 212: bad frames taken or acknowledged", str(wrong), "0", wrong == 0,
               f"of {len(bad)}; {redrawn} more that the checksum cannot tell were drawn again"),
        judged("HJ 212: good frames lost or not acknowledged", str(lost), "0", lost == 0, said),
    ]  # fmt: skip


CLAIMS = [Claim(name="frames", measure=frames_lose_nothing)]
