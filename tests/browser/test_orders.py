"""A crew's phone without a network: what is done there is sent once, when there is one again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import noted
from tests.browser.drive import ROOT, free_port, poll, wait_for
from tests.web.identity_city import PASSWORD

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a city with a queue of orders; a service worker needs a name."""
    port, folder = free_port(), tmp_path_factory.mktemp("orders") / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_orders", str(port), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    """A phone-sized page that notes what goes wrong in it."""
    yield from noted(chromium.new_context(viewport=PHONE, locale="en"))  # type: ignore[arg-type]


def sign_in(page: Page, address: str, login: str) -> None:
    page.goto(address + "/sign-in?next=/account")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("form:has(#password) button")
    page.wait_for_url(address + "/account")


def job(page: Page, id: str) -> str:
    """What a card says."""
    return page.locator(f'[data-order="{id}"]').inner_text()


def press(page: Page, id: str, title: str) -> None:
    page.locator(f'[data-order="{id}"]').get_by_role("button", name=title, exact=True).click()


def test_a_crew_works_without_a_network(night: str, phone: Page) -> None:
    """The page opens again without a network, keeps three deeds over a reload, and sends each once
    when the network is back; a deed that came too late is told, not lost."""
    page = phone
    sign_in(page, night, "cui")
    page.goto(night + "/my-orders")
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()  # now the worker has the page and what it needs
    poll(page, "!!navigator.serviceWorker.controller")
    page.wait_for_selector('[data-order="1"]')
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector('[data-order="1"]')
    poll(page, "document.getElementById('network').dataset.off === '1'")
    press(page, "1", "We take it")
    page.wait_for_selector('[data-order="1"].unsent')
    assert "Confirmed" in job(page, "1")
    press(page, "1", "We are there")
    press(page, "1", "Work is done")
    page.fill("#reason", "lamp exchanged (demo)")
    page.get_by_role("button", name="Work is done", exact=True).first.click()
    page.reload()
    page.wait_for_selector('[data-order="1"].unsent')
    assert "Waiting for proof" in job(page, "1")
    assert "3 deeds wait to be sent" in page.locator("#queued").inner_text()
    folder = os.environ.get("PINTU_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / "my-orders-offline-en-390.png", full_page=True)
    page.context.set_offline(False)
    poll(page, "document.getElementById('queued').hidden")
    page.wait_for_selector('[data-order="1"]:not(.unsent)')
    told = page.evaluate("fetch('/api/v1/operations/orders/1').then(a => a.json())")
    assert ("reported", "lamp exchanged (demo)") == (told["state"], told["reason"])
    assert told["confirmed"] <= told["arrived"] <= told["reported"]


def test_a_deed_too_late_is_told(night: str, phone: Page, chromium: Browser) -> None:
    """The foreman took the order back meanwhile: the phone says that its deed was not accepted and
    why, until somebody has read it."""
    page = phone
    sign_in(page, night, "cui")
    page.goto(night + "/my-orders")
    page.wait_for_selector('[data-order="2"]')
    page.context.set_offline(True)
    press(page, "2", "We are there")
    page.wait_for_selector('[data-order="2"].unsent')
    desk = chromium.new_context(viewport=DESK, locale="en")  # type: ignore[arg-type]
    other = desk.new_page()
    sign_in(other, night, "fan")
    other.goto(night + "/orders/2")
    other.get_by_role("button", name="Take back", exact=True).click()
    other.wait_for_selector("text=no crew yet")
    desk.close()
    page.context.set_offline(False)
    page.wait_for_selector("#refused .panel")
    assert "Not accepted: We are there" in page.locator("#refused").inner_text()
    page.get_by_role("button", name="I have read it").click()
    poll(page, "!document.querySelector('#refused .panel')")


@pytest.mark.parametrize("path", ["/orders", "/orders/3", "/crews", "/orders?crew=lamps-1"])
def test_the_pages_are_for_everybody(night: str, screen: Page, path: str) -> None:
    """No rule of WCAG 2.2 AA that a machine can check is broken, at a desk and on a phone."""
    sign_in(screen, night, "fan")
    for size in (DESK, PHONE):
        screen.set_viewport_size(size)  # type: ignore[arg-type]
        screen.goto(night + path)
        assert [] == [one["id"] for one in Axe().run(screen).response["violations"]]
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
