"""Notifications: none lost in a day of failures and kills, and how soon they come."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from bench import calling, notify
from bench.http_ops import City
from claims.words import Claim, Finding, judged
from tests.faults.notify_kill import day

DAY_S: Final = 240.0
KILLS: Final = 20
QUICK_S: Final = 15.0
QUICK_KILLS: Final = 4


def _day(seconds: float, kills: int) -> list[Finding]:
    figures, broken = day(seconds, kills)
    told = f"{figures['told']} of {figures['changes']}"
    name = f"24 simulated hours, {kills} kill -9: told, in order"
    return [
        judged(name, f"{told} changes", "none lost", not broken, "; ".join(broken)[:300]),
        judged("messages to failing endpoints in them", str(figures["refused"]), "> 0",
               figures["refused"] > 0),
    ]  # fmt: skip


def a_day() -> list[Finding]:
    """The whole day."""
    return _day(DAY_S, KILLS)


def a_quick_day() -> list[Finding]:
    """The same in seconds."""
    return _day(QUICK_S, QUICK_KILLS)


def speed() -> list[Finding]:
    """From a change to its notification, at 100 and at 2,000 changes a second."""
    asked = argparse.Namespace(subscriptions=100, idle=0, seconds=10.0, rates=[100, 2000])
    with tempfile.TemporaryDirectory(prefix="claims-notify-") as folder:
        place = Path(folder) / "city"
        place.mkdir()
        city = City(place, "--open", "--no-pieces")
        try:
            calm, busy = (seen for _, seen in uvloop.run(notify.every(asked, city)))
        finally:
            city.stop()
    above = calm["p50_ms"] - calm["sync_ms"]
    return [
        judged("100 a second: p50 above the run's fdatasync", f"{above:.2f} ms",
               f"<= {notify.ABOVE_MS} ms", above <= notify.ABOVE_MS),
        judged("100 a second: p99", f"{calm['p99_ms']:.2f} ms", f"<= {notify.P99_MS} ms",
               calm["p99_ms"] <= notify.P99_MS),
        judged("2,000 a second: p99", f"{busy['p99_ms']:.1f} ms", f"<= {notify.BUSY_P99_MS} ms",
               busy["p99_ms"] <= notify.BUSY_P99_MS),
        judged("2,000 a second: lost", f"{busy['lost']:.0f} of {busy['n']:.0f}", "none",
               not busy["lost"]),
    ]  # fmt: skip


def one_call() -> list[Finding]:
    """CPU of one outgoing POST beside a bare socket's."""
    found = calling.measured(40_000, 16)
    figure = f"{found['caller']:.1f} µs (floor {found['floor']:.1f})"
    return [
        judged("CPU of a small POST on a kept connection", figure, f"<= {calling.BAR_US:g} µs",
               found["caller"] <= calling.BAR_US)
    ]  # fmt: skip


CLAIMS = [
    Claim(name="a quick day of failures", measure=a_quick_day),
    Claim(name="a day of failures", measure=a_day, full=True),
    Claim(name="soon", measure=speed, speed=True),
    Claim(name="one call", measure=one_call, speed=True),
]
