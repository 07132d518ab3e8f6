"""What the platform asks of stations: history, their clocks; each request with its 9011 and
9012."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadInput, Unavailable
from pintu.kit.hj212_peer import Peer
from pintu.protocols.hj212 import Frame, is_time, write_frame
from pintu.protocols.hj212_words import REFUSALS, RESULTS

HISTORY = {"2031": "days", "2051": "minutes", "2061": "hours"}
"""Commands that take BeginTime and EndTime."""
READY, DONE, NO_DATA = "1", "1", "100"
UNDER_WAY = 50
log = logging.getLogger("pintu.kit")


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request under way."""

    begun: asyncio.Future[str]  # QnRtn of the 9011
    done: asyncio.Future[str]  # ExeRtn of the 9012
    frames: list[Frame] = field(default_factory=list)  # what came between, such as the 1011


class Asking:
    """Requests to the stations that are connected; what they answer finds its request here.

    Every method raises Unavailable when the station is not connected, refuses, fails or does not
    answer in time.
    """

    def __init__(
        self,
        clock: Clock,
        stations: Mapping[str, tuple[Peer, Frame]],
        passwords: Mapping[str, str],
        *,
        zone_hours: float,
        answer_s: float,
        tries: int,
        finish_s: float,
    ) -> None:
        self._clock, self._stations, self._passwords = clock, stations, passwords
        self._zone = timedelta(hours=zone_hours)
        self._answer_s, self._tries, self._finish_s = answer_s, tries, finish_s
        self._asked: dict[tuple[str, str], Asked] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest_us = 0

    # --- requests ---------------------------------------------------------------------------------
    async def history(self, mn: str, command: str, begin: str, end: str) -> None:
        """Ask for days (2031), minutes (2051) or hours (2061) again, `begin` to `end` both
        included, YYYYMMDDhhmmss in the station's time; they come in like all data. BadInput when
        these are none."""
        if command not in HISTORY:
            raise BadInput(f"Command {command} has no history; {', '.join(sorted(HISTORY))} have")
        if not is_time(begin) or not is_time(end) or begin > end:
            raise BadInput(f"{begin!r} to {end!r} is no span of time")
        await self.ask(mn, command, {"BeginTime": begin, "EndTime": end})

    async def read_clock(self, mn: str) -> str:
        """What time the station has (1011), as YYYYMMDDhhmmss; "" when it does not say."""
        frames = await self.ask(mn, "1011", {})
        return next((one.parameters.get("SystemTime", "") for one in frames), "")

    async def set_clock(self, mn: str) -> None:
        """Give the station the city's time (1012)."""
        await self.ask(mn, "1012", {"SystemTime": self.local_time()})

    async def ask(self, mn: str, command: str, parameters: dict[str, str]) -> list[Frame]:
        """Send a request until a 9011 comes, wait for the 9012; gives what came between, but for
        data."""
        qn = self._new_qn()
        frame = self._request(mn, qn, command, parameters)
        loop = asyncio.get_running_loop()
        asked = self._asked[mn, qn] = Asked(begun=loop.create_future(), done=loop.create_future())
        try:
            await self._begin(mn, frame, asked)
            async with asyncio.timeout(self._finish_s):
                result = await asked.done
        except TimeoutError as error:
            raise Unavailable(f"Station {mn} began {command} and did not finish it") from error
        finally:
            del self._asked[mn, qn]
        if result not in (DONE, NO_DATA):
            said = RESULTS.get(result, f"result {result!r}")
            raise Unavailable(f"Station {mn} could not do {command}: {said}")
        return asked.frames

    def _request(self, mn: str, qn: str, command: str, parameters: dict[str, str]) -> bytes:
        if mn not in self._stations:
            raise Unavailable(f"Station {mn} is not connected")
        heard = self._stations[mn][1].fields
        edition = int(heard.get("Flag", "0")) & ~3
        if not edition and "EndTime" in parameters:  # 2005 parts them by a comma
            parameters = {"BeginTime": "{BeginTime},EndTime={EndTime}".format(**parameters)}
        fields = {
            "QN": qn,
            "ST": heard["ST"],
            "CN": command,
            "PW": self._passwords.get(mn) or heard.get("PW", ""),
            "MN": mn,
            "Flag": str(edition | 1),
        }
        return write_frame(Frame(fields=fields, parameters=parameters))

    async def _begin(self, mn: str, frame: bytes, asked: Asked) -> None:
        for _ in range(self._tries):
            if mn in self._stations:
                self._stations[mn][0].write(frame)
            answered, _ = await asyncio.wait(
                [asked.begun, asked.done],
                timeout=self._answer_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if answered:
                break
        else:
            raise Unavailable(f"Station {mn} does not answer a request")
        if asked.begun.done() and asked.begun.result() != READY:
            said = asked.begun.result()
            raise Unavailable(f"Station {mn} refuses: {REFUSALS.get(said, said)}")

    def answered(self, frame: Frame) -> bool:
        """Note a 9011, a 9012 or what came between; False when nobody asked."""
        qn = frame.fields.get("QN") or frame.parameters.get("QN", "")
        asked = self._asked.get((frame.fields["MN"], qn))
        if asked is None:
            return False
        command = frame.fields["CN"]
        if command == "9011":
            if not asked.begun.done():
                asked.begun.set_result(frame.parameters.get("QnRtn", ""))
        elif command == "9012":
            if not asked.done.done():
                asked.done.set_result(frame.parameters.get("ExeRtn", ""))
        elif len(asked.frames) < 100:
            asked.frames.append(frame)
        return True

    # --- in the background ------------------------------------------------------------------------
    def start(self, asking: Coroutine[Any, Any, None]) -> bool:
        """Ask without waiting for it; False (and not asked) when too much is asked already."""
        if len(self._tasks) >= UNDER_WAY:
            asking.close()
            return False
        task = asyncio.create_task(_tried(asking))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def stop(self) -> None:
        """End what is asked in the background."""
        for task in list(self._tasks):
            task.cancel()

    # --- time -------------------------------------------------------------------------------------
    def local_time(self) -> str:
        """The city's time as stations write it, YYYYMMDDhhmmss."""
        return self._local(self._clock.now_us())[:14]

    def _local(self, at_us: int) -> str:
        moment = datetime.fromtimestamp(at_us / 1_000_000, UTC) + self._zone
        return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}"

    def _new_qn(self) -> str:
        """17 digits that no request of ours had before."""
        self._newest_us = max(self._newest_us + 1000, self._clock.now_us())
        return self._local(self._newest_us)


async def _tried(asking: Coroutine[Any, Any, None]) -> None:
    try:
        await asking
    except (Unavailable, BadInput) as error:
        log.info("%s", error.detail)
