"""The operations room's speed: the benches of its parts beside their bars."""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from pathlib import Path
from typing import Any

from claims.words import Finding, NotRun, judged


def alarms() -> list[Finding]:
    """1,000 correlated alarms → at most five incidents; one broken detector; alert → deed."""
    bench = _bench("incidents")
    with tempfile.TemporaryDirectory(prefix="pintu-incidents-") as folder:
        lines = asyncio.run(bench.run(Path(folder), True))
    bars = {"blackout": "≤ 5 incidents", "storm": "≤ 5 incidents", "broken detector": "1"}
    return [
        judged(f"alarms together: {name}", said.partition(",")[0], bars.get(name, ""), bool(ok),
               said)
        for name, said, ok in lines
    ]  # fmt: skip


def proposal() -> list[Finding]:
    """A playbook of 600 steps is proposed within five seconds."""
    bench = _bench("commands")
    took_s = asyncio.run(bench.propose(600))
    bar_s = bench.STEPS_S
    return [
        judged("a playbook of 600 steps proposed", f"{took_s:.2f} s", f"≤ {bar_s:g} s",
               took_s <= bar_s),
    ]  # fmt: skip


def commands() -> list[Finding]:
    """5,000 lamps told at once by a demo city whose gateways lose and delay."""
    bench = _bench("commands")
    share, took_s = bench.measure(5_000)
    return [
        judged("5,000 lamps told at once: acknowledged in 10 s", f"{share:.2%}", "≥ 99.5 %",
               share >= bench.SHARE, f"the last after {took_s:.1f} s"),
    ]  # fmt: skip


def wall() -> list[Finding]:
    """2,000 changes a second for ten minutes into one open wall."""
    bench = _bench("wall")
    told = bench.judged(bench.run(600.0, 2_000.0, 21_500, 2.0), 2_000.0, 600.0)
    return [judged(name, figure, bar, kept) for name, figure, bar, kept in told]


def replay() -> list[Finding]:
    """Two minutes of 2,000 changes a second, played at 60x: it comes to its end in time."""
    bench = _bench("replay")
    told = asyncio.run(bench.measure(120, 2_000))
    return [
        judged("two minutes of 2,000 changes/s replayed at 60x", f"{told.took_s:.2f} s",
               f"≤ {told.due_s + bench.GRACE_S:.2f} s", told.kept,
               f"{told.a_core:,.0f} live events/s a core; a step late by p50 {told.late_p50_ms:.0f}"
               f" ms, p99 {told.late_p99_ms:.0f} ms"),
    ]  # fmt: skip


def _bench(name: str) -> Any:
    try:
        return importlib.import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        raise NotRun(f"bench.{name} is not there: {error}") from error
