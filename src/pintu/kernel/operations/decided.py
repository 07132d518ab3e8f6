"""What a town decided for its operations room over what the house assumes: promises of work, how
near alarms are one thing, when the duty phone goes on. Files of `config/operations`, read at the
start and whenever somebody saves them here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import BadRequestData, ConfigurationError, PintuError
from pintu.kernel.operations.incidents.rules import MINUTE_US, RELATED, Near, Rules
from pintu.kernel.operations.orders.calendar import Calendar
from pintu.kernel.operations.orders.service import LEVELS, OFFICE, Level, ServiceClock
from pintu.kernel.operations.roster.duty import Going

if TYPE_CHECKING:
    from pintu.kernel.configuration import Configuration, Saved
    from pintu.kernel.operations.opening import OperationsRoom

log = logging.getLogger("pintu.operations")

KIND: Final = "operations"
NAMES: Final = ("promises", "reaches", "duty")
MOST_MINUTES: Final = 60 * 24 * 60
"""Sixty days, as minutes: no promise and no window is longer."""

_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
WINDOWS: Final = {
    "same_min": ("same_us", MINUTE_US),
    "again_min": ("again_us", MINUTE_US),
    "cause_min": ("cause_us", MINUTE_US),
    "shared_min": ("shared_us", MINUTE_US),
    "waits_high_s": ("waits_high_us", 1_000_000),
    "waits_medium_s": ("waits_medium_us", 1_000_000),
    "waits_low_s": ("waits_low_us", 1_000_000),
    "passes_min": ("passes_us", MINUTE_US),
    "passes_grave_min": ("passes_grave_us", MINUTE_US),
    "follows_min": ("follows_us", MINUTE_US),
}
"""Name in the file → field of `Rules` and its unit in µs."""


class Decided:
    """Reads and keeps the decisions, and gives them to the parts that follow them."""

    def __init__(self, room: OperationsRoom, configuration: Configuration, zone: str) -> None:
        self._room, self._configuration, self._zone = room, configuration, zone
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Follow what is written; of a file that cannot be used the house's own words stand."""
        for mistake in self.apply():
            log.error("%s", mistake)

    async def stop(self) -> None:
        """What is planned anew is planned at the next start, too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def find(self, name: str) -> Saved | None:
        """A decision as it is written, or None; ConfigurationError when it cannot be read."""
        return self._configuration.find(KIND, name)

    def apply(self) -> list[str]:
        """Give every part what was decided; one sentence for each file that cannot be used."""
        mistakes = []
        for name in NAMES:
            try:
                saved = self.find(name)
                self._give(name, saved.content if saved is not None else {})
            except ConfigurationError as error:
                mistakes += error.mistakes
            except PintuError as error:
                mistakes.append(f"config/{KIND}/{name}.toml: {error.detail}")
        return mistakes

    def save(
        self, name: str, content: dict[str, Any], *, by: str, over: int | None = None
    ) -> Saved:
        """Keep a decision, and follow it from now on. BadRequestData for one that cannot be
        followed, StateConflict when somebody saved since version `over`."""
        if name not in NAMES:
            raise BadRequestData(f"There is nothing called {name[:40]!r} to decide")
        _read(name, content, self._zone)  # before it is kept
        saved = self._configuration.save(KIND, name, content, by=by, over=over)
        self._give(name, saved.content)
        if name == "promises":
            task = asyncio.get_running_loop().create_task(self._plan_anew())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return saved

    def _give(self, name: str, content: Mapping[str, Any]) -> None:
        told, room = _read(name, content, self._zone), self._room
        if name == "promises" and room.orders is not None:
            room.orders.service = told
        elif name == "reaches" and room.incidents is not None:
            room.incidents.follow(told)
        elif name == "duty" and room.duty is not None:
            room.duty.going = told

    async def _plan_anew(self) -> None:
        """Orders that go on have other deadlines now."""
        orders = self._room.orders
        if orders is None or orders.plan is None:
            return
        for order in await orders.unfinished():
            with contextlib.suppress(PintuError):  # it is looked at by its old deadline
                await orders.plan(order)


# --- pure: from a file to what a part follows ---------------------------------------------------
def _read(name: str, content: Mapping[str, Any], zone: str) -> Any:
    if name == "promises":
        return promises_of(content, zone)
    return reaches_of(content) if name == "reaches" else going_of(content)


def promises_of(content: Mapping[str, Any], zone: str) -> ServiceClock:
    """The service clock: `hours` such as "08:30-12:00 13:30-17:30", `worked` and `free` days over
    the holidays that everybody has, `levels.SEVERITY` with minutes to `confirm`, `arrive` and
    `finish` and `always`. What is not said is as the house assumes. BadRequestData."""
    own = {_day(one): works for name, works in (("worked", True), ("free", False))
           for one in _list(content, name)}  # fmt: skip
    levels = dict(LEVELS)
    told = content.get("levels", {})
    if not isinstance(told, Mapping) or (unknown := told.keys() - LEVELS.keys()):
        raise BadRequestData(f"There is no severity {next(iter(unknown), '')!r} to promise for")
    for severity, known in LEVELS.items():
        some = told.get(severity, {})
        minutes = {one: _number(some, one, getattr(known, one)) for one in
                   ("confirm", "arrive", "finish")}  # fmt: skip
        if not minutes["confirm"] <= minutes["arrive"] <= minutes["finish"]:
            raise BadRequestData(f"Severity {severity} is confirmed, then reached, then finished")
        always = some.get("always", known.always)
        levels[severity] = Level(**minutes, always=bool(always))
    hours = hours_of(str(content["hours"])) if "hours" in content else OFFICE
    return ServiceClock(zone=zone, calendar=Calendar(own), hours=hours, levels=levels)


def hours_of(said: str) -> tuple[tuple[int, int], ...]:
    """Spans of the wall clock as minutes of the day, in order. BadRequestData."""
    found: list[tuple[int, int]] = []
    for one in said.split():
        read = _SPAN.fullmatch(one)
        if read is None:
            raise BadRequestData(f"Hours {one[:30]!r} are not like 08:30-12:00")
        since = int(read[1]) * 60 + int(read[2])
        until = int(read[3]) * 60 + int(read[4]) if read[3] else 1440
        if since >= until or (found and since < found[-1][1]):
            raise BadRequestData(f"Hours {one} end before they begin, or lie over others")
        found.append((since, until))
    if not found:
        raise BadRequestData("Somebody works at some hour")
    return tuple(found)


def reaches_of(content: Mapping[str, Any]) -> Rules:
    """The rules of incidents: windows (`WINDOWS`), `extent_m`, and `near."ONE OTHER"` with `metres`
    and `minutes` for two kinds of alarms. BadRequestData."""
    told: dict[str, Any] = {field: _number(content, name, getattr(Rules(), field) // unit) * unit
            for name, (field, unit) in WINDOWS.items()}  # fmt: skip
    related = dict(RELATED)
    pairs = content.get("near", {})
    for pair, some in pairs.items() if isinstance(pairs, Mapping) else ():
        kinds = frozenset(str(pair).split())
        if kinds not in RELATED or not isinstance(some, Mapping):
            raise BadRequestData(f"Alarms of kinds {str(pair)[:60]!r} are not related")
        known = RELATED[kinds]
        metres = _number(some, "metres", int(known.metres), most=10_000)
        minutes = _number(some, "minutes", known.us // MINUTE_US)
        related[kinds] = replace(known, metres=float(metres), us=minutes * MINUTE_US)
    extent_m = _number(content, "extent_m", int(Rules().extent_m), most=100_000)
    return Rules(**told, extent_m=float(extent_m), related=related)


def going_of(content: Mapping[str, Any]) -> Going:
    """How the duty phone goes on: `next_s`, `slower_s`, and from which `grade` an incident rings.
    BadRequestData."""
    usual = Going()
    next_s = _number(content, "next_s", int(usual.next_s), least=15, most=3_600)
    slower_s = _number(content, "slower_s", int(usual.slower_s), least=next_s, most=86_400)
    grade = _number(content, "grade", usual.grade, most=4)
    return Going(next_s=float(next_s), slower_s=float(slower_s), grade=grade)


def _number(
    told: Mapping[str, Any], name: str, usual: int, *, least: int = 1, most: int = MOST_MINUTES
) -> int:
    said = told.get(name, usual)
    if isinstance(said, bool) or not isinstance(said, int) or not least <= said <= most:
        raise BadRequestData(f"{name} is a whole number from {least} to {most}, not {said!r}")
    return said


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    told = content.get(name, [])
    if not isinstance(told, list) or len(told) > 1_000:
        raise BadRequestData(f"{name} is a list of days")
    return told


def _day(told: Any) -> date:
    if isinstance(told, date):
        return told
    try:
        return date.fromisoformat(str(told))
    except ValueError as error:
        raise BadRequestData(f"Day {str(told)[:30]!r} is not like 2026-10-01") from error


def shown(near: Near) -> tuple[int, int]:
    """(metres, minutes) as people set them."""
    return int(near.metres), near.us // MINUTE_US
