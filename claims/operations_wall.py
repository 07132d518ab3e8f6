"""A wall left open for a week: the page hears a week of events in a minute, in the shapes that the
city tells them, and holds at its end what it held after its first day."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.wall import grown, heap_mib
from claims.words import Finding, NotRun, judged
from tests.browser.drive import ROOT, find_chromium, free_port, launch, wait_for

DAYS, POINTS, GROWTH = 7, 6_000, 0.05
DAY = Path(__file__).with_suffix(".js").read_text("utf-8").partition("\n")[2]


def measure() -> list[Finding]:
    """Heap, nodes and rows of the page after each day of a week."""
    if find_chromium() is None:
        raise NotRun("there is no chromium on this machine")
    with tempfile.TemporaryDirectory(prefix="pintu-week-") as folder:
        days = _week(Path(folder) / "city")
    first, last = days[1], days[-1]
    lines = {name: [one[name] for one in days] for name in ("heap", "nodes", "listeners")}
    growth = {name: grown(values) for name, values in lines.items()}
    found = [
        judged(f"a wall open for {DAYS} days: growth of {title} after the first days",
               f"{growth[name]:+.1%} (at the end {last[name]:,.1f})", f"< {GROWTH:.0%}",
               growth[name] < GROWTH, ", ".join(f"{one:,.1f}" for one in lines[name]))
        for name, title in (("heap", "the page's heap, MiB"), ("nodes", "its nodes"),
                            ("listeners", "what it listens to"))
    ]  # fmt: skip
    told = f"{first['rows']:.0f} → {last['rows']:.0f}"
    kept = last["rows"] <= 1.05 * first["rows"]
    return [*found, judged("rows that stand on it, day 1 → day 7", told, "no more", kept)]


def _week(folder: Path) -> list[dict[str, float]]:
    """What the page held when it was loaded and after each day."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    command = [sys.executable, "-m", "tests.browser.serve_wall", str(port), str(POINTS), "0"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    city = subprocess.Popen(
        [*command, str(folder)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, text=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", city, 180)
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"http://127.0.0.1:{port}/wall")
            page.locator("#wall[data-loaded]").wait_for(timeout=60_000)
            days = []
            for day in range(DAYS + 1):
                rows = page.evaluate(DAY, [day, POINTS])["rows"] if day else 0
                page.wait_for_timeout(2_500)
                days.append({"rows": rows, **_held(page)})
            browser.close()
    finally:
        city.terminate()
        city.wait(20)
    return days


def _held(page: Any) -> dict[str, float]:
    session = page.context.new_cdp_session(page)
    heap = heap_mib(session)
    found = session.send("Memory.getDOMCounters")
    session.detach()
    return {"heap": heap, "nodes": found["nodes"], "listeners": found["jsEventListeners"]}
