"""What the platform asks of stations: missing hours, clocks, and every way a request may fail."""

from __future__ import annotations

import asyncio

import pytest

from pintu.kernel.errors import BadInput, Unavailable
from pintu.kit.hj212 import Hj212Limits
from pintu.kit.hj212_hours import MissingHours
from pintu.kit.protocols import Frame, write_hj212
from tests.kit.hj212_stand import MN, Client, hour, stand


async def test_a_missing_hour_is_asked_for_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours 3 and 4 did not come: the platform asks for them with BeginTime and EndTime."""
    monkeypatch.setattr("pintu.kit.hj212_hours.WAITS_S", (0.1, 60.0, 300.0))
    async with stand(ask_missing=True) as one:
        client = await one.client()
        for number in (1, 2, 5):
            await client.send(write_hj212(hour(number)))
            await client.answer()
        request = await client.answer(5)
        assert ("2061", "5", {"BeginTime": "20261122030000", "EndTime": "20261122040000"}) == (
            request.fields["CN"],
            request.fields["Flag"],
            request.parameters,
        )
        back = {**request.fields, "Flag": "4", "ST": "91"}
        await client.send(
            write_hj212(Frame(fields={**back, "CN": "9011"}, parameters={"QnRtn": "1"}))
        )
        for number in (3, 4):
            told = hour(number)
            fields = {**request.fields, "Flag": "5"}
            again = Frame(fields=fields, data_time=told.data_time, factors=told.factors)
            await client.send(write_hj212(again))
            assert "9014" == (await client.answer()).fields["CN"]
        await client.send(
            write_hj212(Frame(fields={**back, "CN": "9012"}, parameters={"ExeRtn": "1"}))
        )
        await asyncio.sleep(0.05)
        assert [] == one.connector.missing.missing(MN)
        assert 5 == len({envelope.key for envelope in one.envelopes})


async def test_a_clock_that_is_ahead_misses_no_hours() -> None:
    """Only hours that can be over count: a day ahead is a wrong clock, not a missing day."""
    async with stand() as one:
        client = await one.client()
        for number in (1, 2, 30, 3):
            await client.send(write_hj212(hour(number)))
            await client.answer()
        assert [] == one.connector.missing.missing(MN)


async def test_a_station_gets_the_time_it_asks_for() -> None:
    """1013 is answered with 9013 and a 1012 with the city's time."""
    async with stand() as one:
        client = await one.client()
        await client.send(write_hj212(Frame(fields={**hour(9).fields, "CN": "1013"})))
        assert "9013" == (await client.answer()).fields["CN"]
        request = await client.answer()
        assert ("1012", "20261122120000") == (
            request.fields["CN"],
            request.parameters["SystemTime"],
        )


async def asked(client: Client, told: dict[str, dict[str, str]]) -> Frame:
    """Answer the next request with these commands and parameters."""
    request = await client.answer()
    for command, parameters in told.items():
        fields = {**request.fields, "CN": command, "Flag": "4"}
        await client.send(write_hj212(Frame(fields=fields, parameters=parameters)))
    return request


async def test_the_platform_reads_a_stations_clock() -> None:
    """1011: ready, the time, done."""
    async with stand() as one:
        client = await one.client()
        await client.send(write_hj212(hour(9)))
        await client.answer()
        reading = asyncio.create_task(one.connector.asking.read_clock(MN))
        told = {"9011": {"QnRtn": "1"}, "1011": {"SystemTime": "20261122090001"},
                "9012": {"ExeRtn": "1"}}  # fmt: skip
        await asked(client, told)
        assert "20261122090001" == await reading


async def test_a_request_that_fails_says_why() -> None:
    """Refused, failed, no answer, not connected, no history: each in words."""
    limits = Hj212Limits(answer_s=0.1, tries=2, finish_s=0.2)
    async with stand(limits=limits) as one:
        client = await one.client()
        await client.send(write_hj212(hour(9)))
        await client.answer()
        asking = one.connector.asking
        for told, words in (
            ({"9011": {"QnRtn": "3"}}, "wrong password"),
            ({"9011": {"QnRtn": "1"}, "9012": {"ExeRtn": "5"}}, "busy"),
            ({"9011": {"QnRtn": "1"}}, "did not finish"),
            ({}, "does not answer"),
        ):
            span = ("20261122000000", "20261122010000")
            task = asyncio.create_task(asking.history(MN, "2061", *span))
            await asked(client, told)
            with pytest.raises(Unavailable, match=words):
                await task
        with pytest.raises(Unavailable, match="not connected"):
            await asking.set_clock("NOBODY")
        with pytest.raises(BadInput, match="has no history"):
            await asking.history(MN, "2011", "20261122000000", "20261122000000")


def test_missing_hours_are_asked_for_three_times_and_let_go() -> None:
    """Contiguous hours in one request; what came or is not there is not asked for again."""
    hours = MissingHours()
    for told in ("2026112201", "2026112202", "2026112205", "2026112207"):
        hours.heard(MN, told + "0000", 100.0)
    assert ["20261122030000", "20261122040000", "20261122060000"] == hours.missing(MN)
    assert [] == hours.due(104.0)
    assert [(MN, "20261122030000", "20261122040000")] == hours.due(105.0)
    assert [] == hours.due(106.0)
    hours.heard(MN, "20261122030000", 107.0)
    assert [(MN, "20261122040000", "20261122040000")] == hours.due(165.0)
    hours.settled(MN, "20261122040000", "20261122040000", 166.0)
    for now_s in (167.0, 227.0, 527.0):
        assert [(MN, "20261122060000", "20261122060000")] == hours.due(now_s)
    assert ([], []) == (hours.due(9_999.0), hours.missing(MN))


def test_hours_that_are_too_old_or_no_times_are_not_missed() -> None:
    """Three days back at most; a year's jump of a clock asks for no year."""
    hours = MissingHours()
    for told in ("20251122010000", "20261122010000", "2026", ""):
        hours.heard(MN, told, 0.0)
    assert 72 == len(hours.missing(MN))
    hours.heard(MN, "20261122090000", 0.0)
    assert 71 == len(hours.missing(MN))
