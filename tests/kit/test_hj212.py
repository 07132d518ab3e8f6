"""Stations over a real socket: what is kept is acknowledged, what is bad is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvloop

from pintu.kernel.errors import ConfigurationError
from pintu.kit.hj212 import Hj212Connector, Hj212Limits, read_listen
from pintu.kit.protocols import Frame, read_hj212, write_hj212
from pintu.kit.testing import FakeClock
from pintu.protocols.hj212 import framed, write_packets
from tests.kit.hj212_stand import MN, Client, hour, stand


async def test_a_frame_is_acknowledged_after_it_is_kept() -> None:
    """The envelope is the frame; the 9014 with its QN comes after the acknowledgement, not
    before."""
    async with stand(keep=False) as one:
        client = await one.client()
        body = write_hj212(hour(9))
        await client.send(body)
        await one.until(lambda: len(one.got) == 1)
        envelope = one.envelopes[0]
        assert (body, f"{MN} 20261122090000009 2061 20261122090000 ") == (
            envelope.body,
            envelope.key,
        )
        assert ("22", "2061", MN) == tuple(envelope.meta[k] for k in ("st", "cn", "sender"))
        assert await client.silent()
        await one.got[0].acknowledge()
        answer = await client.answer()
        assert ("9014", "20261122090000009", MN, "4") == tuple(
            answer.fields[name] for name in ("CN", "QN", "MN", "Flag")
        )


async def test_no_answer_is_sent_that_is_not_wanted() -> None:
    """Bit A of Flag off: kept, and silence."""
    async with stand() as one:
        client = await one.client()
        await client.send(write_hj212(hour(9, flag="4")))
        await one.until(lambda: len(one.got) == 1)
        assert await client.silent()


async def test_split_and_joined_frames_come_in_order() -> None:
    """Byte by byte, two in one packet, garbage between."""
    async with stand() as one:
        client = await one.client()
        frames = [write_hj212(hour(number)) for number in range(6)]
        await client.send(frames[0][:7], frames[0][7:60], frames[0][60:] + frames[1])
        await client.send(frames[2] + b"what is this" + frames[3][:20], frames[3][20:])
        await client.send(b"".join(frames[4:]))
        await one.until(lambda: len(one.got) == 7)
        good = [envelope.body for envelope in one.envelopes if "bad" not in envelope.meta]
        assert frames == good
        assert [f"2026112{2}0{n}0000" for n in range(6)] == [
            read_hj212(body).data_time for body in good
        ]
        bad = [envelope for envelope in one.envelopes if "bad" in envelope.meta]
        assert [(b"what is this", "12 bytes between frames belong to none")] == [
            (envelope.body, envelope.meta["bad"]) for envelope in bad
        ]


async def test_a_damaged_frame_reaches_quarantine_and_no_answer() -> None:
    """Its reason is in meta, its key is its own, so the good one sent again is taken."""
    async with stand() as one:
        client = await one.client()
        good = write_hj212(hour(9))
        await client.send(good.replace(b"Avg=9", b"Avg=8"))
        await one.until(lambda: len(one.got) == 1)
        assert await client.silent()
        await client.send(good)
        assert "9014" == (await client.answer()).fields["CN"]
        bad, taken = one.envelopes
        assert "CRC" in bad.meta["bad"] and bad.key.startswith("bad ")
        assert good == taken.body and "bad" not in taken.meta


async def test_half_a_frame_and_silence_is_given_up() -> None:
    """After the idle time it is told, and the connection goes on."""
    async with stand(limits=Hj212Limits(half_frame_s=0.1)) as one:
        client = await one.client()
        good = write_hj212(hour(9))
        await client.send(good[:50])
        await one.until(lambda: len(one.got) == 1, 5)
        assert "ends after 44" in one.envelopes[0].meta["bad"]
        await client.send(good)
        assert "9014" == (await client.answer()).fields["CN"]


async def test_half_a_frame_and_a_closed_connection_is_told() -> None:
    """The good one before it is not lost with it."""
    async with stand() as one:
        client = await one.client()
        good = write_hj212(hour(9))
        await client.send(good + good[:50])
        client.writer.close()
        await one.until(lambda: len(one.got) == 2)
        assert [False, True] == ["bad" in envelope.meta for envelope in one.envelopes]


async def test_a_station_that_sends_no_more_still_hears_its_answers() -> None:
    """A half-closed connection ends when everything is kept, not before."""
    async with stand(keep=False) as one:
        client = await one.client()
        await client.send(write_hj212(hour(8)) + write_hj212(hour(9)))
        client.writer.write_eof()
        await one.until(lambda: len(one.got) == 2)
        for received in one.got:
            await received.acknowledge()
            assert "9014" == (await client.answer()).fields["CN"]
        assert await client.closed()


async def test_what_is_sent_again_is_answered_and_not_handed_out_twice() -> None:
    """The same bytes again: known. The same key before it is kept: intake knows it by its key."""
    async with stand() as one:
        client = await one.client()
        body = write_hj212(hour(9))
        for _ in range(3):
            await client.send(body)
            assert "9014" == (await client.answer()).fields["CN"]
        assert 1 == len(one.got)
    async with stand(keep=False) as one:
        client = await one.client()
        await client.send(body + body)
        await one.until(lambda: len(one.got) == 2)
        assert 1 == len({envelope.key for envelope in one.envelopes})


async def test_packets_of_one_answer_are_taken_one_by_one() -> None:
    """Each has its key; one without DataTime comes behind the first, so that it can be read."""
    factors = {f"a{number:05d}": {"Avg": "1.25", "Flag": "N"} for number in range(80)}
    frame = hour(9)
    packets = write_packets(Frame(fields=frame.fields, data_time=frame.data_time, factors=factors))
    second = read_hj212(packets[1])
    packets[1] = write_hj212(Frame(fields=second.fields, factors=second.factors))
    async with stand() as one:
        client = await one.client()
        for packet in packets:
            await client.send(packet)
            assert "9014" == (await client.answer()).fields["CN"]
        assert ["1", "2", "3"] == [envelope.key[-1] for envelope in one.envelopes]
        read = [read_hj212(envelope.body) for envelope in one.envelopes]
        assert {frame.data_time} == {one.data_time for one in read}
        assert set(factors) == {code for one in read for code in one.factors}


async def test_a_wrong_password_is_refused_without_telling_it() -> None:
    """Neither the right one nor the one tried is in the envelope; nothing is answered."""
    async with stand(passwords={MN: "right#77"}) as one:
        client = await one.client()
        await client.send(write_hj212(hour(9, password="wrong#88")))
        await client.send(write_hj212(hour(9, mn="UNKNOWN1", password="right#77")))
        await one.until(lambda: len(one.got) == 2)
        assert await client.silent()
        wrong, unknown = one.envelopes
        assert f"The password of station {MN} is not the one in" in wrong.meta["bad"]
        told = wrong.body + repr(wrong.meta).encode() + wrong.key.encode()
        assert b"right#77" not in told and b"wrong#88" not in told
        assert "Station UNKNOWN1 is unknown: add it to" in unknown.meta["bad"]
        await client.send(write_hj212(hour(9, password="right#77")))
        assert "9014" == (await client.answer()).fields["CN"]


async def test_a_station_that_is_known_by_now_leaves_quarantine() -> None:
    """Judged anew on a retry: taken when it is known, else refused again."""
    async with stand(passwords={}) as one:
        client = await one.client()
        await client.send(write_hj212(hour(9)))
        await one.until(lambda: len(one.got) == 1)
        held = one.envelopes[0]
    later = Hj212Connector("hj212", "127.0.0.1:9870", FakeClock(), passwords={MN: "123456"})
    assert "bad" not in later.again(held).meta
    stranger = Hj212Connector("hj212", "127.0.0.1:9870", FakeClock(), passwords={})
    assert "is unknown" in stranger.again(held).meta["bad"]


async def test_an_unknown_command_is_told() -> None:
    """It is neither dropped nor acknowledged."""
    async with stand() as one:
        client = await one.client()
        fields = {**hour(9).fields, "CN": "2999"}
        await client.send(write_hj212(Frame(fields=fields)))
        await client.send(write_hj212(Frame(fields=hour(9).fields)))
        await one.until(lambda: len(one.got) == 2)
        assert "Command 2999" in one.envelopes[0].meta["bad"]
        assert "has no DataTime" in one.envelopes[1].meta["bad"]
        assert await client.silent()


async def test_frames_of_2005_are_answered_in_their_own_form() -> None:
    """Without QN an upload is known by its bytes; with Flag the QN stands in CP."""
    plain = b"ST=32;CN=2011;PW=123456;MN=0873HHMZWSLH02;CP=&&DataTime=20160103133030;060-Rtd=3&&"
    old = hour(9, flag="1")
    async with stand() as one:
        client = await one.client()
        await client.send(framed(plain), framed(plain), write_hj212(old))
        told = await client.reader.readuntil(b"\r\n")
        assert framed(b"ST=91;CN=9014;CP=&&QN=20261122090000009;CN=2061&&") == told
        assert 2 == len(one.got)


async def test_too_many_connections_of_one_address_are_closed() -> None:
    """Two are let in, the third is not; when one leaves, another may come."""
    async with stand(limits=Hj212Limits(per_address=2)) as one:
        first, second = await one.client(), await one.client()
        await one.until(lambda: one.connector.counts["connections"] == 2)
        third = await one.client()
        assert await third.closed()
        first.writer.close()
        await one.until(lambda: len(one.connector._peers) == 1)
        fourth = await one.client()
        await fourth.send(write_hj212(hour(9)))
        assert "9014" == (await fourth.answer()).fields["CN"]
        await second.send(write_hj212(hour(8)))
        assert "9014" == (await second.answer()).fields["CN"]


async def test_whoever_speaks_something_else_is_let_go() -> None:
    """Endless garbage ends the connection, and its memory is bounded."""
    async with stand(limits=Hj212Limits(damaged_bytes=5_000)) as one:
        client = await one.client()
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                await client.send(b"x" * 1000)
        assert await client.closed()
        assert 1 == one.connector.counts["closed for speaking something else"]
        assert all(len(envelope.body) <= 2_000 for envelope in one.envelopes)


async def test_nothing_more_is_read_while_nothing_is_kept() -> None:
    """What waits, waits at the station; once it is kept all of it comes, in order."""
    limits = Hj212Limits(in_flight=8, in_flight_each=5)
    async with stand(limits=limits, keep=False) as one:
        first, second = await one.client(), await one.client()
        await first.send(b"".join(write_hj212(hour(number)) for number in range(40)))
        await second.send(b"".join(write_hj212(hour(n, mn="SECOND")) for n in range(40)))
        await asyncio.sleep(0.1)
        assert 8 == len(one.got)
        for done in range(80):
            await one.until(lambda seen=done: len(one.got) > seen)  # type: ignore[misc]
            await one.got[done].acknowledge()
        for mn in (MN, "SECOND"):
            mine = [e.body for e in one.envelopes if e.meta["sender"] == mn]
            assert [write_hj212(hour(number, mn=mn)) for number in range(40)] == mine


async def test_a_flooding_station_is_read_slowly_and_loses_nothing() -> None:
    """Its neighbour does not wait for it."""
    limits = Hj212Limits(sender_a_second=50, sender_burst=10)
    async with stand(limits=limits) as one:
        flooding, calm = await one.client(), await one.client()
        await flooding.send(b"".join(write_hj212(hour(number)) for number in range(40)))
        await calm.send(write_hj212(hour(9, mn="CALM")))
        await calm.answer(0.3)
        assert 40 > len(one.got)
        await one.until(lambda: len(one.got) == 41)


async def test_a_station_that_takes_no_answers_is_let_go() -> None:
    """It is not read while it does not read, and closed after a while."""
    limits = Hj212Limits(slow_s=0.2, sender_a_second=1e6, sender_burst=1e6)
    async with stand(limits=limits) as one:
        await one.client()  # the connector listens
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", one.port))
        client = Client(*await asyncio.open_connection(sock=narrow))
        one.clients.append(client)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        body = b"".join(write_hj212(hour(number % 190)) for number in range(600))
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(10):
                while not one.connector.counts["closed for taking no answers"]:
                    client.writer.write(body)
                    await asyncio.wait_for(client.writer.drain(), 5)
        assert 1 == one.connector.counts["closed for taking no answers"]


def test_it_runs_on_the_loop_of_the_field_process() -> None:
    """Transports and sockets of uvloop are its own: kept, acknowledged, half-closed, flooding."""

    async def all_of_it() -> None:
        await test_a_frame_is_acknowledged_after_it_is_kept()
        await test_split_and_joined_frames_come_in_order()
        await test_a_station_that_sends_no_more_still_hears_its_answers()
        await test_nothing_more_is_read_while_nothing_is_kept()
        await test_a_flooding_station_is_read_slowly_and_loses_nothing()
        await test_too_many_connections_of_one_address_are_closed()
        await test_whoever_speaks_something_else_is_let_go()
        await test_a_station_that_takes_no_answers_is_let_go()

    uvloop.run(all_of_it())


def test_an_address_is_read_or_refused() -> None:
    """HOST:PORT, also of IPv6."""
    assert ("127.0.0.1", 9870) == read_listen("127.0.0.1:9870")
    assert ("::1", 9870) == read_listen("[::1]:9870")
    for wrong in ("9870", "host", "host:0", "host:99999", "host:x"):
        with pytest.raises(ConfigurationError):
            read_listen(wrong)
