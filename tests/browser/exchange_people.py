"""People of the demo, each at a browser of their own, in a city that has their departments."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.drive import ROOT, Served, free_port, wait_for

SHOTS = ROOT / "screenshots" / "exchange"
OWNER_S = 14.0
"""How long an owner, and then the deputy, has in this scene."""


@contextlib.contextmanager
def departments(folder: Path, days: float = OWNER_S / 86_400) -> Iterator[Served]:
    """A city with the demo's people and none of their data, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.browser.serve_exchange", str(port), str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [*command, str(days)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
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
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@dataclass(slots=True, kw_only=True)
class People:
    """The people of one run, each with a browser, and what they found out."""

    browser: Browser
    served: Served
    folder: Path
    lang: str
    shots: bool = True
    people: dict[str, Page] = field(default_factory=dict)
    contexts: list[BrowserContext] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    # --- people -------------------------------------------------------------------------------
    def person(self, login: str) -> Page:
        """Somebody of the demo at their own browser."""
        if login in self.people:
            return self.people[login]
        context = self.browser.new_context(
            viewport={"width": 1440, "height": 900}, locale=self.lang
        )
        self.contexts.append(context)
        page = self.people[login] = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.goto(f"{self.served.address}/demo-people?lang={self.lang}")
        page.click(f"form:has(input[value='{login}']) button")
        page.wait_for_url(self.served.address + "/")
        return page

    def go(self, login: str, path: str) -> Page:
        """Somebody opens a page of the city."""
        page = self.person(login)
        page.goto(self.served.address + path)
        return page

    def shot(self, page: Page, name: str) -> None:
        """A picture of the whole page at a desk and on a phone."""
        if not self.shots:
            return
        SHOTS.mkdir(parents=True, exist_ok=True)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=str(SHOTS / f"{name}-{width}-{self.lang}.png"), full_page=True)
        page.set_viewport_size({"width": 1440, "height": 900})

    def close(self) -> None:
        """Every browser."""
        for one in self.contexts:
            one.close()

    def told(self, login: str, link: str, seconds: float = OWNER_S + 20) -> None:
        """Until somebody's notices hold one that leads to a page."""
        deadline = time.monotonic() + seconds
        while True:
            page = self.go(login, "/notices")
            if page.locator(f"main a[href^='{link}']").count():
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{login} was told nothing of {link} within {seconds} s")
            page.wait_for_timeout(500)
