"""Twelve air stations (演示) that speak HJ 212: hours as they end, real-time readings between, what
was not acknowledged again, and whatever the platform asks for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pintu.demo.air_series import HOUR, Reading, Series
from pintu.demo.district import degrees
from pintu.demo.faults import Fault, FaultPlan
from pintu.demo.hj212_wire import Ear, Logger, Told, seconds, stamp

PASSWORD = "123456"
BACKLOG_H = 72
"""Hours a station tells when it is new: the rolling means of a day need them."""
PAST_EVERY_S = 1.0
"""Real seconds between older hours out of a logger's memory, told beside what is new."""
ACKNOWLEDGED_WITHIN_S, TRIES = 5.0, 3
DAY_S = 86_400.0
POLLUTANTS = ("a34004", "a34002", "a21026", "a21004", "a05024", "a21005")
DIGITS = {"a21005": 3, "a01006": 2}
KINDS = {
    "flat": (5, 14),
    "spike": (1, 2),
    "milligrams": (3, 10),
    "clock_off": (2, 6),
    "lost_hours": (2, 5),
    "noise": (4, 12),
}
"""Faults with how many hours they last."""
PLACES = (
    ("青榆", 1.6, 6.9), ("白鹭", 2.6, 5.9), ("望舒", 5.0, 6.8), ("柳岸", 6.3, 5.6),
    ("晴川", 7.6, 6.9), ("观潮", 9.2, 6.0), ("锦程", 0.9, 1.4), ("启帆", 2.2, 2.6),
    ("智汇", 3.4, 0.9), ("丰登", 5.2, 2.0), ("海晏", 7.1, 2.7), ("云图", 9.0, 1.1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AirSite:
    """Where a station stands, and whose hours it tells."""

    mn: str
    name: str
    lon: float
    lat: float
    series: Series


class Now(Protocol):
    """What a station needs of a clock."""

    @property
    def rate(self) -> float:
        """City seconds in a real second."""
        ...

    def now_s(self) -> float:
        """The city's time in seconds since 1970 UTC."""
        ...


def make_air_sites(series: list[Series]) -> list[AirSite]:
    """One station a series, at most twelve; places are made up."""
    sites = []
    for number, (place, one) in enumerate(zip(PLACES, series, strict=False), 1):
        lon, lat = degrees(place[1:])
        sites.append(AirSite(f"DE30{number:020d}", f"{place[0]}空气站（演示）", lon, lat, one))
    return sites


def write_list(sites: list[AirSite], path: Path) -> None:
    """The list of stations as an owner would hand it in: `{"stations": [{mn, name, lon, lat …}]}`,
    each with what its numbers are."""
    told = [
        {
            "mn": one.mn,
            "name": one.name,
            "lon": one.lon,
            "lat": one.lat,
            "provider": one.series.label,
            "demo": True,
        }
        for one in sites
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"stations": told}, ensure_ascii=False, indent=1), "utf-8")
    partial.replace(path)


def plan_air_faults(
    sites: list[AirSite], *, rate: float, seed: int, from_s: float, days: float = 30.0
) -> FaultPlan:
    """About `rate` of the time each station has a fault; the first six hours have none."""
    begin = from_s - from_s % DAY_S
    faults: list[Fault] = []
    for site in sites:
        chance = random.Random(f"air {seed} {site.mn} {int(begin)}")
        at_s = from_s + 6 * HOUR
        while rate > 0 and at_s < from_s + days * DAY_S:
            kind = chance.choice(sorted(KINDS))
            lasts_s = chance.uniform(*KINDS[kind]) * HOUR
            at_s += chance.expovariate(1.0) * lasts_s * (1 - rate) / rate
            faults.append(Fault(f"A{len(faults) + 1:05d}", kind, site.mn, at_s, at_s + lasts_s))
            at_s += lasts_s
    return FaultPlan(faults)


class AirStation:
    """One station with its logger: a TCP client that comes back by itself."""

    def __init__(
        self, site: AirSite, plan: FaultPlan, clock: Now, *, seed: int, past_h: int = 0
    ) -> None:
        """`past_h`: how far back its memory goes, beyond what a new station tells at once."""
        self.site, self.plan, self.clock = site, plan, clock
        self._past = [BACKLOG_H, past_h]  # hours back that are told next, and the last of them
        self.logger = Logger(site.mn, PASSWORD)
        self._chance = random.Random(f"station {seed} {site.mn}")
        self._told_until = 0  # the hour after the newest one that is acknowledged or lost
        self._day_told = 0
        self._clock_set_s = 0.0
        self._waiting = "", asyncio.Event()
        self._sending = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, host: str, port: int, *, interval_s: float, begins_in_s: float) -> None:
        """Connect, talk, and connect again when the platform goes away; until cancelled."""
        await asyncio.sleep(begins_in_s)
        pause_s = 1.0
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                reader, self._writer = await asyncio.open_connection(host, port)
                try:
                    await self._talk(reader, interval_s)
                finally:
                    self._writer.close()
                    self._writer = None
            pause_s = 1.0 if time.monotonic() - began > 60 else min(30.0, pause_s * 2)
            await asyncio.sleep(pause_s * self._chance.uniform(0.7, 1.3))

    async def _talk(self, reader: asyncio.StreamReader, interval_s: float) -> None:
        listening = asyncio.create_task(self._listen(reader))
        telling = asyncio.create_task(self._tell(interval_s))
        both = {listening, telling, asyncio.create_task(self._tell_past())}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    # --- telling ----------------------------------------------------------------------------------
    async def _tell(self, interval_s: float) -> None:
        next_s = 0.0
        while True:
            await self._tell_hours()
            if time.monotonic() >= next_s:
                now_s = self.clock.now_s()
                factors = self._now(now_s)
                qn = stamp(now_s + self._shift(now_s), millis=True)
                await self._send("2011", qn, now_s, factors)
                # a crystal is never exact: stations drift apart
                next_s = time.monotonic() + interval_s * self._chance.uniform(0.97, 1.03)
            hour_ends_s = (HOUR - self.clock.now_s() % HOUR) / self.clock.rate
            await asyncio.sleep(
                max(0.05, min(next_s - time.monotonic(), hour_ends_s + self._chance.random()))
            )

    async def _tell_past(self) -> None:
        """The memory's older hours, newest first and slowly: what is new goes before."""
        while self._past[0] < self._past[1]:
            await asyncio.sleep(PAST_EVERY_S)
            number = int(self.clock.now_s() // HOUR) - self._past[0] - 1
            await self._tell_hour(number, self._hour_qn(number))
            self._past[0] += 1
        await asyncio.Event().wait()

    async def _tell_hours(self) -> None:
        """The hours that ended and were not acknowledged, oldest first; after midnight the day."""
        current = int(self.clock.now_s() // HOUR)
        for number in range(max(self._told_until, current - BACKLOG_H), current):
            if not self._has(number, "lost_hours"):
                await self._tell_hour(number, self._hour_qn(number))
            self._told_until = number + 1
        midnight = (current + 8) // 24 * 24 - 8
        if self._day_told != midnight and self._told_until >= midnight:
            await self._send("2031", self._hour_qn(midnight), (midnight - 24) * HOUR,
                             self._day(midnight - 24))  # fmt: skip
            self._day_told = midnight

    async def _tell_hour(self, number: int, qn: str) -> None:
        factors = self._shown(self.reading(number), number)
        if factors:
            await self._send("2061", qn, number * HOUR, factors)

    async def _send(
        self, command: str, qn: str, at_s: float, factors: dict[str, dict[str, str]]
    ) -> None:
        """Send until it is acknowledged; TimeoutError when it is not."""
        told = stamp(at_s + self._shift(self.clock.now_s()))
        frame = self.logger.data(command, qn, time=told, factors=factors)
        async with self._sending:  # one frame is under way at a time: answers name only the QN
            self._waiting = qn, asyncio.Event()
            for _ in range(TRIES):
                await self._write(frame)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._waiting[1].wait(), ACKNOWLEDGED_WITHIN_S)
                    return
        raise TimeoutError

    async def _write(self, frame: bytes) -> None:
        """As lines do: now and then in two parts, and damaged while the line has noise."""
        if self._writer is None:
            raise EOFError
        if self._has_now("noise") and self._chance.random() < 0.2:
            at = self._chance.randrange(6, len(frame) - 6)
            frame = frame[:at] + bytes([frame[at] ^ 0x15]) + frame[at + 1 :]
        async with self._writing:
            if self._chance.random() < 0.1:
                at = self._chance.randrange(1, len(frame))
                self._writer.write(frame[:at])
                await self._writer.drain()
                await asyncio.sleep(0.05)
                frame = frame[at:]
            self._writer.write(frame)
            await self._writer.drain()

    # --- answering --------------------------------------------------------------------------------
    async def _listen(self, reader: asyncio.StreamReader) -> None:
        ear = Ear()
        while chunk := await reader.read(4096):
            for told in ear.hear(chunk):
                if told.fields.get("CN") in ("9013", "9014"):
                    qn, acknowledged = self._waiting
                    if told.fields.get("QN") == qn:
                        acknowledged.set()
                else:
                    self._answering(told)
        raise EOFError

    def _answering(self, told: Told) -> None:
        task = asyncio.create_task(self._obey(told))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _obey(self, told: Told) -> None:
        """Answer one request: 9011 that it begins or why not, what is asked for, 9012."""
        qn, command = told.fields.get("QN", ""), told.fields.get("CN", "")
        if told.fields.get("PW") != PASSWORD:
            return await self._answer("9011", qn, "QnRtn=3")
        if command not in ("1011", "1012", "2031", "2051", "2061"):
            return await self._answer("9011", qn, "QnRtn=8")
        await self._answer("9011", qn, "QnRtn=1")
        result = "1"
        now_s = self.clock.now_s()
        if command == "1011":
            await self._answer("1011", qn, f"SystemTime={stamp(now_s + self._shift(now_s))}")
        elif command == "1012":
            self._clock_set_s = now_s
        else:
            result = await self._again(command, qn, told.items)
        return await self._answer("9012", qn, f"ExeRtn={result}")

    async def _again(self, command: str, qn: str, items: dict[str, str]) -> str:
        """Tell hours or days again; "100" when there are none, "3" when the times are wrong."""
        try:
            begin, end = seconds(items["BeginTime"]), seconds(items["EndTime"])
        except (KeyError, ValueError):
            return "3"
        current = int(self.clock.now_s() // HOUR)
        first, last = int(begin // HOUR), min(int(end // HOUR), current - 1)
        if command == "2051" or not 0 <= last - first <= 24 * 31:
            return "100"
        for number in range(first, last + 1):
            if command == "2061":
                await self._tell_hour(number, qn)
            elif (number + 8) % 24 == 0 and number + 24 <= current:
                await self._send("2031", qn, number * HOUR, self._day(number))
        return "1"

    async def _answer(self, command: str, qn: str, items: str) -> None:
        await self._write(self.logger.answer(command, qn, items))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the line broke: the platform asks again

    # --- what is measured -------------------------------------------------------------------------
    def reading(self, number: int) -> Reading:
        """An hour as the analysers tell it, right or wrong."""
        told = dict(self.site.series.hour(number))
        fault = self.plan.now(self.site.mn, (number + 0.5) * HOUR)
        if fault is None:
            return told
        stuck = self.site.series.hour(int(fault.begins_s // HOUR))
        among = [code for code in POLLUTANTS if code in stuck] or [POLLUTANTS[0]]
        one = among[zlib.crc32(fault.id.encode()) % len(among)]
        if fault.kind == "flat":
            told[one] = stuck.get(one, 42.0)
        elif fault.kind == "spike" and one in told:
            told[one] *= 15
        elif fault.kind == "milligrams":
            for code in POLLUTANTS[:-1]:
                if code in told:
                    told[code] /= 1000
        return told

    def _shown(self, told: Reading, number: int) -> dict[str, dict[str, str]]:
        shown = {}
        for code, value in told.items():
            digits = DIGITS.get(code, 4 if 0 < value < 0.5 else 1)
            spread = 0.02 + zlib.crc32(f"{number} {code}".encode()) % 100 / 1000
            low, high = sorted((value * (1 - spread), value * (1 + spread)))
            shown[code] = {
                "Min": f"{low:.{digits}f}",
                "Avg": f"{value:.{digits}f}",
                "Max": f"{high:.{digits}f}",
                "Flag": "N",
            }
        return shown

    def _now(self, now_s: float) -> dict[str, dict[str, str]]:
        number, share = int(now_s // HOUR), now_s % HOUR / HOUR
        here, then = self.reading(number), self.reading(number + 1)
        found = {}
        for code, value in here.items():
            value += (then.get(code, value) - value) * share
            digits = DIGITS.get(code, 4 if 0 < value < 0.5 else 1)
            found[code] = {"Rtd": f"{value:.{digits}f}", "Flag": "N"}
        return found

    def _day(self, first: int) -> dict[str, dict[str, str]]:
        sums: dict[str, list[float]] = {}
        for number in range(first, first + 24):
            for code, value in self.reading(number).items():
                sums.setdefault(code, []).append(value)
        return {
            code: {
                "Min": f"{min(values):.3f}",
                "Avg": f"{sum(values) / len(values):.3f}",
                "Max": f"{max(values):.3f}",
                "Flag": "N",
            }
            for code, values in sums.items()
        }

    # --- faults -----------------------------------------------------------------------------------
    def _has(self, number: int, kind: str) -> bool:
        fault = self.plan.now(self.site.mn, (number + 0.5) * HOUR)
        return fault is not None and fault.kind == kind

    def _has_now(self, kind: str) -> bool:
        fault = self.plan.now(self.site.mn, self.clock.now_s())
        return fault is not None and fault.kind == kind

    def _shift(self, now_s: float) -> float:
        """Seconds by which its clock is wrong: a day ahead or a day behind, until it is set."""
        fault = self.plan.now(self.site.mn, now_s)
        if fault is None or fault.kind != "clock_off" or self._clock_set_s > fault.begins_s:
            return 0.0
        return DAY_S if zlib.crc32(fault.id.encode()) % 2 else -DAY_S

    def _hour_qn(self, number: int) -> str:
        """The same each time an hour is told, so that the platform knows it again."""
        own = zlib.crc32(self.site.mn.encode()) % 50_000 / 1000
        return stamp((number + 1) * HOUR + own, millis=True)
