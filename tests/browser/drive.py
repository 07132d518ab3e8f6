"""What browser tests share: a served city, a Chromium, and waiting until a map is drawn."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
)
DRAWN = (
    "new Promise(done => { const m = window.pintu.map.gl;"
    " if (m.loaded() && m.areTilesLoaded()) done(); else m.once('idle', () => done()); })"
)
THERE = "!!(window.pintu && pintu.map && pintu.map.mode && document.body.dataset.base)"


def find_chromium() -> str | None:
    """The Chromium of this machine: PINTU_CHROMIUM, or one on the path."""
    named = os.environ.get("PINTU_CHROMIUM", "")
    if named:
        return named if Path(named).exists() else None
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


def launch(playwright: Playwright) -> Browser:
    """A Chromium that draws WebGL in software; RuntimeError when there is none."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("there is no chromium on this machine")
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A city on its address."""

    address: str
    token: str


@contextmanager
def served_city(lamps: int, rate: float, folder: Path) -> Iterator[Served]:
    """A small city in a process of its own, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.browser.serve", str(port), str(lamps), str(rate)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [*command, str(folder)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        address = f"http://127.0.0.1:{port}"
        wait_for(address + "/readyz", process)
        yield Served(address=address, token=token)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(address: str, process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    """Until the address answers; RuntimeError when the process ended or it takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the city's process ended with {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{address} does not answer within {seconds} s")


def poll(page: Page, expression: str, seconds: float = 30.0) -> None:
    """Until an expression is true; the page's policy forbids waiting inside it with eval."""
    until = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > until:
            raise RuntimeError(f"{expression} is not true within {seconds} s on {page.url}")
        page.wait_for_timeout(50)


def wait_for_map(page: Page) -> None:
    """Until the map has its data and has drawn it."""
    poll(page, THERE)
    page.evaluate(DRAWN)


def sign_in(page: Page, city: Served) -> None:
    """Open a browser session with the administrator's token."""
    page.goto(city.address + "/sign-in")
    page.locator("details:has(#token)").evaluate("fold => { fold.open = true; }")
    page.fill("#token", city.token)
    page.click("form:has(#token) button")
    page.wait_for_url(city.address + "/")
