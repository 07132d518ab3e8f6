"""The demo's stations against the platform's own connector: two codecs that never met, over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.demo import hj212_wire
from pintu.demo.__main__ import read_arguments
from pintu.demo.air_series import HOUR, MadeUp, Reading, Replay, find_folder, make_series
from pintu.demo.air_stations import (
    DAY_S,
    AirSite,
    AirStation,
    make_air_sites,
    plan_air_faults,
    write_list,
)
from pintu.demo.faults import Fault, FaultPlan
from pintu.demo.hj212_wire import Ear, Logger, seconds, stamp
from pintu.kit.hj212 import Hj212Connector
from pintu.kit.piece import Received
from pintu.kit.protocols import Frame, read_hj212
from pintu.kit.testing import FakeClock, free_port

NOON = 1_795_233_600.0  # 2026-11-21 12:00 in Beijing


@dataclass
class Clock:
    """Stands at noon until it is told to go on."""

    at_s: float = NOON + 60
    rate: float = 1.0

    def now_s(self) -> float:
        return self.at_s


@dataclass(frozen=True)
class Flat:
    """Every hour the same."""

    label: str = "演示 / demo"

    def hour(self, number: int) -> Reading:
        return {"a34004": 30.0 + number % 24, "a21005": 0.7, "a01001": -3.0}


SITE = AirSite("DE3000000000000000000001", "演示", 120.2, 30.2, Flat())


class Stand:
    """A platform that keeps all it gets, and one station."""

    def __init__(self, faults: list[Fault], *, ask_missing: bool = True) -> None:
        port = free_port(9870, 9899)
        self.port, self.clock, self.got = port, Clock(), list[Received]()
        told = FakeClock(int(self.clock.at_s * 1e6))
        self.connector = Hj212Connector(
            "hj212", f"127.0.0.1:{port}", told, passwords={SITE.mn: "123456"},
            ask_missing=ask_missing,
        )  # fmt: skip
        self.station = AirStation(SITE, FaultPlan(faults), self.clock, seed=1)

    async def keep(self) -> None:
        async for received in self.connector.receive():
            self.got.append(received)
            await received.acknowledge()

    @property
    def frames(self) -> list[Frame]:
        good = [one.envelope for one in self.got if "bad" not in one.envelope.meta]
        return [read_hj212(one.body) for one in good]

    def hours(self) -> list[str]:
        return [one.data_time for one in self.frames if one.fields["CN"] == "2061"]

    async def until_hours(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.hours()) < count:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def stand(*faults: Fault, ask_missing: bool = True) -> AsyncIterator[Stand]:
    one = Stand(list(faults), ask_missing=ask_missing)
    tasks = [
        asyncio.create_task(one.keep()),
        asyncio.create_task(
            one.station.run("127.0.0.1", one.port, interval_s=0.2, begins_in_s=0.05)
        ),
    ]
    try:
        yield one
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def fault(kind: str, begins_h: float, lasts_h: float) -> Fault:
    return Fault(
        "A00001", kind, SITE.mn, NOON + begins_h * HOUR, NOON + (begins_h + lasts_h) * HOUR
    )


async def test_a_new_station_tells_three_days_then_goes_on() -> None:
    """72 hours and the day, oldest first, real-time readings, and each new hour as it ends."""
    async with stand() as one:
        await one.until_hours(72)
        assert [stamp(NOON - (72 - n) * HOUR) for n in range(72)] == one.hours()
        one.clock.at_s += HOUR
        await one.until_hours(73)
        assert stamp(NOON) == one.hours()[-1]
        first = one.frames[0]
        assert {"Min", "Avg", "Max", "Flag"} == set(first.factors["a34004"])
        commands = {frame.fields["CN"] for frame in one.frames}
        assert {"2011", "2031", "2061"} == commands
        now = [frame for frame in one.frames if frame.fields["CN"] == "2011"]
        assert {"Rtd", "Flag"} == set(now[-1].factors["a34004"])


async def test_lost_hours_come_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform sees the gap, asks with BeginTime and EndTime, and has every hour."""
    monkeypatch.setattr("pintu.kit.hj212_hours.WAITS_S", (0.1, 60.0, 300.0))
    async with stand(fault("lost_hours", -10, 3)) as one:
        await one.until_hours(72)
        assert {stamp(NOON - (72 - n) * HOUR) for n in range(72)} == set(one.hours())
        assert stamp(NOON - 8 * HOUR) in one.hours()[69:]


async def test_a_noisy_line_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged frames are refused, not acknowledged, and sent again."""
    monkeypatch.setattr("pintu.demo.air_stations.ACKNOWLEDGED_WITHIN_S", 0.1)
    monkeypatch.setattr("pintu.demo.air_stations.TRIES", 20)
    async with stand(fault("noise", -100, 200)) as one:
        await one.until_hours(72)
        assert 72 == len(set(one.hours()))
        assert any("bad" in received.envelope.meta for received in one.got)


async def test_a_wrong_clock_is_a_day_off_until_it_is_set() -> None:
    """1012 brings it back; 1011 tells it."""
    async with stand(fault("clock_off", -1, 5), ask_missing=False) as one:
        await one.until_hours(72)
        off = await one.connector.asking.read_clock(SITE.mn)
        assert DAY_S == abs(seconds(off) - one.clock.at_s)
        await one.connector.asking.set_clock(SITE.mn)
        assert stamp(one.clock.at_s) == await one.connector.asking.read_clock(SITE.mn)


def test_faults_change_what_is_told() -> None:
    """Flat stands still, a spike is fifteen times as much, milligrams are a thousandth."""
    number = int(NOON // HOUR)
    honest = [Flat().hour(number + later) for later in range(3)]
    told = {}
    for kind in ("flat", "spike", "milligrams"):
        station = AirStation(SITE, FaultPlan([fault(kind, 0, 3)]), Clock(), seed=1)
        told[kind] = [station.reading(number + later) for later in range(3)]
        assert Flat().hour(number - 5) == station.reading(number - 5)
    one = next(code for code in ("a34004", "a21005") if told["spike"][0][code] != honest[0][code])
    assert [honest[0][one]] * 3 == [hour[one] for hour in told["flat"]]
    assert pytest.approx([hour[one] * 15 for hour in honest]) == [h[one] for h in told["spike"]]
    assert pytest.approx(honest[2]["a34004"] / 1000) == told["milligrams"][2]["a34004"]
    assert honest[2]["a21005"] == told["milligrams"][2]["a21005"]


def test_faults_are_planned_by_the_seed() -> None:
    """The same seed, the same faults; every kind comes; none in the first six hours."""
    sites = make_air_sites(make_series(12, 1, None))
    plan = plan_air_faults(sites, rate=0.1, seed=7, from_s=NOON)
    assert plan.faults == plan_air_faults(sites, rate=0.1, seed=7, from_s=NOON).faults
    assert 6 == len({one.kind for one in plan.faults})
    assert NOON + 6 * HOUR < min(one.begins_s for one in plan.faults)
    assert [] == plan_air_faults(sites, rate=0, seed=7, from_s=NOON).faults


def test_a_made_up_series_is_of_this_world() -> None:
    """Every factor, in its range, the same each time it is asked."""
    for number in range(500_000, 500_000 + 24 * 40):
        told = MadeUp(3).hour(number)
        assert told == MadeUp(3).hour(number)
        assert 11 == len(told) and all(0 <= told[one] for one in told if one != "a01001")
        assert told["a34004"] < 300 and told["a21005"] < 5 and 90 < told["a01006"] < 110
        assert 0 <= told["a01002"] <= 100 and 0 <= told["a01008"] < 360


def test_real_hours_are_told_at_their_day_and_hour() -> None:
    """The 1st of March 2013, midnight in Beijing, at Aotizhongxin; gaps stay gaps."""
    folder = find_folder()
    if folder is None:
        pytest.skip("the real hours are not beside the project")
    series = make_series(12, 4, folder)  # seed 4: the year from March 2013
    assert isinstance(series[0], Replay) and "Aotizhongxin" in series[0].label
    told = series[0].hour(int(seconds("20270301000000") // HOUR))
    wanted = {"a34004": 4, "a34002": 4, "a21026": 4, "a21004": 7, "a21005": 0.3, "a05024": 77}
    assert wanted == pytest.approx({code: told[code] for code in wanted})
    assert "times" not in series[2].label and "times 0.93" in series[3].label
    year = [series[0].hour(int(NOON // HOUR) + n) for n in range(24 * 365)]
    assert 0 < sum("a34004" not in one for one in year) < 2_000
    assert all(not math.isnan(value) for one in year for value in one.values())


def test_the_29th_of_february_is_there_in_every_year() -> None:
    """A day that was not then is told as the day before."""
    folder = find_folder()
    if folder is None:
        pytest.skip("the real hours are not beside the project")
    for seed in range(4):
        one = make_series(1, seed, folder)[0]
        assert one.hour(int(seconds("20280229120000") // HOUR))


def test_the_wire_is_the_standards() -> None:
    """Appendix A's example, and what the platform wrote is heard, in any pieces, past damage."""
    data = (
        b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;"
        b"Flag=5;CP=&&RtdInterval=30&&"
    )
    assert 0x1C80 == hj212_wire.crc(data)
    logger = Logger("A1", "pw")
    frame = logger.answer("9011", "20260101000000000", "QnRtn=1")
    ear = Ear()
    heard = [told for byte in b"##12" + frame + b"##9" + frame for told in ear.hear(bytes([byte]))]
    assert ["9011", "9011"] == [told.fields["CN"] for told in heard]
    assert {"QnRtn": "1"} == heard[0].items
    with pytest.raises(ValueError, match="bytes of data"):
        logger.answer("9011", "20260101000000000", "x" * 1100)


def test_the_list_of_stations_says_what_they_are(tmp_path: Path) -> None:
    """Twelve with their places, each badged."""
    sites = make_air_sites(make_series(12, 1, None))
    write_list(sites, tmp_path / "stations.json")
    told = json.loads((tmp_path / "stations.json").read_text("utf-8"))["stations"]
    assert (12, 12) == (len(told), len({one["mn"] for one in told}))
    assert all(one["demo"] and "演示" in one["name"] and "demo" in one["provider"] for one in told)
    assert all(120.1 < one["lon"] < 120.3 and 30.1 < one["lat"] < 30.3 for one in told)


def test_wrong_options_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once."""
    with pytest.raises(SystemExit):
        read_arguments(["--air-stations", "99", "--air-interval", "0", "--air-port", "0"])
    told = capsys.readouterr().err
    assert all(one in told for one in ("--air-stations", "--air-interval", "--air-port"))
