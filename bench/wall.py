"""The wall under load: `python -m bench.wall [--seconds 600] [--rate 2000] [--points 21500]`.

A city of 21,500 points, 1,500 of which blink, and two alarms a second through intake; one Chromium
with the wall open. Printed: event → applied in the page (from the commit, by one clock), alarm in
(handed to intake) → on the wall, and how the page's heap and the city's memory grew after the first
tenth of the run. A second page that hears the same and draws nothing
is the floor. A page keeps its last 20,000 latencies, so they are collected every few seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from bench.measuring import at
from tests.browser.drive import ROOT, find_chromium, free_port, launch, wait_for

BAR_MS, GROWTH, LOOKS = 500, 0.05, 5
COLLECT = (
    "() => { const w = pintuWall.now; const found = { events: w.latencies, alarms: w.alarms,"
    " applied: w.applied }; w.latencies = []; w.alarms = []; w.applied = 0; return found; }"
)
FLOOR = (
    "() => { window.floor = []; window.pintu.listen({ topics: 'map', bbox: '-180,-85,180,85' },"
    " { map: (data) => { const lag = Date.now() - data.sent; for (let i = 3; i < data.rows.length;"
    " i += 4) window.floor.push(data.rows[i] + lag); } }); }"
)
TAKE_FLOOR = "() => { const found = window.floor; window.floor = []; return found; }"
Seen = dict[str, list[float]]


def heap_mib(session: Any) -> float:
    """What the page's heap holds: the least of some looks after a sweep each, for a page that goes
    on hearing 2,000 changes a second has made garbage again before it is looked at."""

    def look() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"])

    return min(look() for _ in range(LOOKS)) / 2**20


def rss_mib(pid: int) -> float:
    """Memory of the city's process."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def watched(pages: tuple[Any, Any], pid: int, seconds: float) -> tuple[Seen, float, Seen]:
    """Latencies, changes applied a second, and memory at ten moments of the run; the second page
    is the floor's."""
    page, bare = pages
    session = page.context.new_cdp_session(page)
    seen: Seen = {"events": [], "alarms": [], "floor": []}
    memory: Seen = {"page": [], "city": []}
    applied, began, next_s = 0.0, time.monotonic(), 0.0
    page.evaluate(COLLECT)
    while (passed := time.monotonic() - began) < seconds:
        page.wait_for_timeout(min(2_500, max(50, 1000 * (seconds - passed))))
        told = page.evaluate(COLLECT)
        seen["events"] += told["events"]
        seen["alarms"] += told["alarms"]
        seen["floor"] += bare.evaluate(TAKE_FLOOR)
        applied += told["applied"]
        if time.monotonic() - began >= next_s:
            next_s += seconds / 10
            memory["page"].append(heap_mib(session))
            memory["city"].append(rss_mib(pid))
    memory["page"].append(heap_mib(session))
    memory["city"].append(rss_mib(pid))
    return seen, applied / (time.monotonic() - began), memory


def grown(values: list[float]) -> float:
    """How much more the last third holds than the third after the first tenth."""
    later = values[1:]
    third = max(1, len(later) // 3)
    return sum(later[-third:]) / sum(later[:third]) - 1


def run(seconds: float, rate: float, points: int, alarms: float) -> dict[str, Any]:
    """One run; the figures by name. RuntimeError where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    if find_chromium() is None:
        raise RuntimeError("there is no chromium on this machine")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pintu-wall-") as folder:
        made = Path(folder) / "city"
        command = [sys.executable, "-m", "tests.browser.serve_wall", str(port), str(points)]
        paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
        environment = {**os.environ, "PYTHONPATH": paths, "PINTU_TEST_ALARMS": str(alarms)}
        city = subprocess.Popen(
            [*command, str(rate), str(made)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", city, 180)  # type: ignore[arg-type]
            with sync_playwright() as playwright:
                browser = launch(playwright)
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(f"http://127.0.0.1:{port}/wall")
                page.locator("#wall[data-loaded]").wait_for(timeout=60_000)
                page.wait_for_timeout(min(20_000, 200 * seconds))
                bare = browser.new_context().new_page()
                bare.goto(f"http://127.0.0.1:{port}/sources")
                bare.evaluate(FLOOR)
                seen, applied, memory = watched((page, bare), city.pid, seconds)
                browser.close()
        finally:
            city.terminate()
            city.wait(20)
    return {"seen": seen, "applied": applied, "memory": memory}


def judged(found: dict[str, Any], rate: float, seconds: float) -> list[tuple[str, str, str, bool]]:
    """(what, figure, bar, whether it is kept) of a run."""
    events, alarms = found["seen"]["events"], found["seen"]["alarms"]
    lines = []
    for name, values in (
        ("event → applied in the page, p99", events),
        ("alarm in → on the wall, p99", alarms),
    ):
        figure = f"{at(values, 0.99):.0f} ms (p50 {at(values, 0.5):.0f}; {len(values):,} of them)"
        kept = bool(values) and at(values, 0.99) <= BAR_MS
        lines.append((name, figure, f"≤ {BAR_MS} ms", kept))
    told = f"{len(events) / seconds:,.0f} of {rate:,.0f} changes"
    page, city = found["memory"]["page"], found["memory"]["city"]
    heap = f"{grown(page):+.1%} (at the end {page[-1]:.1f} MiB)"
    process = f"{grown(city):+.1%} (at the end {city[-1]:.0f} MiB)"
    floor = found["seen"]["floor"]
    bare = f"{at(floor, 0.99):.0f} ms (p50 {at(floor, 0.5):.0f})"
    lines += [
        ("  floor: the same events in a page that draws nothing, p99", bare, "(reported)", True),
        ("looks told a second (one a thing and tick)", told, "(reported)", True),
        ("growth of the page's heap", heap, f"< {GROWTH:.0%}", grown(page) < GROWTH),
        ("growth of the city's process", process, "(reported)", True),
    ]
    return lines


def main() -> int:
    """Run, print, and say by the exit code whether every bar was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--points", type=int, default=21_500)
    parser.add_argument("--alarms", type=float, default=2)
    told = parser.parse_args()
    lines = judged(run(told.seconds, told.rate, told.points, told.alarms), told.rate, told.seconds)
    for name, figure, bar, kept in lines:
        print(f"{'ok   ' if kept else 'short'} {name}: {figure}; {bar}", flush=True)
    return 0 if all(kept for *_, kept in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
