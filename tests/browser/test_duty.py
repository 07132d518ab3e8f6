"""The duty desk in a real browser: it rings without a reload, aloud, and is worked by keyboard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.drive import ROOT, free_port, wait_for


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo's departments with its operations centre."""
    port, folder = free_port(), tmp_path_factory.mktemp("duty") / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_exchange", str(port), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, 180)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def person(chromium: Browser, centre: str, login: str, width: int = 1440) -> BrowserContext:
    """Somebody of the demo at their own browser."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, locale="zh-CN")
    context.request.post(
        centre + "/demo-people",
        form={"login": login, "next": "/system"},
        headers={"origin": centre},
    )
    return context


def until(page: Page, done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that is about to be so, while the page goes on."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, page.content()[:3_000]
        page.wait_for_timeout(50)


def rings(page: Page) -> int:
    return int(page.locator("[data-ringing]").get_attribute("data-ringing") or 0)


def test_it_rings_until_somebody_has_it(chromium: Browser, centre: str) -> None:
    """A drill rings on the officer's open page, aloud; M is quiet, A has it, and everybody sees."""
    officer, supervisor = (
        person(chromium, centre, one) for one in ("demo_duty", "demo_supervisor")
    )
    wrong: list[str] = []
    desk, other = officer.new_page(), supervisor.new_page()
    desk.on("pageerror", lambda error: wrong.append(str(error)))
    desk.goto(centre + "/duty")
    desk.click("h1")
    assert 0 == rings(desk)
    other.goto(centre + "/duty")
    other.get_by_role("button", name="演练呼叫").click()
    until(desk, lambda: rings(desk) == 1)
    until(desk, lambda: int(desk.locator("#desk").get_attribute("data-sounded") or 0) >= 1)
    assert [] == Axe().run(desk).response["violations"]
    desk.keyboard.press("m")
    assert "true" == desk.locator("#mute").get_attribute("aria-pressed")
    desk.keyboard.press("j")
    assert desk.evaluate("document.activeElement.dataset.ring !== undefined")
    desk.keyboard.press("a")
    desk.wait_for_url("**/duty?done=answered")
    assert 0 == rings(desk)
    until(other, lambda: rings(other) == 0)
    assert "沈演示" in other.locator(".lately").inner_text()
    assert [] == wrong
    officer.close()
    supervisor.close()


def test_a_push_is_shown_while_no_page_is_open(chromium: Browser, centre: str) -> None:
    """The worker shows what came, once a subject, and stays until somebody looks."""
    officer = person(chromium, centre, "demo_duty")
    officer.grant_permissions(["notifications"], origin=centre)
    page = officer.new_page()
    page.goto(centre + "/duty")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    session = officer.new_cdp_session(page)
    found: list[dict[str, str]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(told["registrations"])
    )
    session.send("ServiceWorker.enable")
    until(page, lambda: bool(found))
    told = {"title": "值班呼叫", "text": "路灯大面积熄灭", "kind": "ring", "subject": "incident:1"}
    for _ in range(2):
        session.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": centre,
                "registrationId": found[-1]["registrationId"],
                "data": json.dumps(told),
            },
        )
    shown = (
        "navigator.serviceWorker.getRegistration('/duty').then(r => r.getNotifications())"
        ".then(all => all.map(n => [n.title, n.body, n.requireInteraction]))"
    )
    until(page, lambda: page.evaluate(shown) == [["值班呼叫", "路灯大面积熄灭", True]])
    officer.close()


@pytest.mark.parametrize("path", ["/duty", "/roster", "/roster/ways", "/handover"])
def test_the_pages_fit_a_phone(chromium: Browser, centre: str, path: str, tmp_path: Path) -> None:
    """At 390 px nothing is wider than the screen, and axe has nothing to say."""
    officer = person(chromium, centre, "demo_supervisor", 390)
    page = officer.new_page()
    page.goto(centre + path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [] == [one["id"] for one in Axe().run(page).response["violations"]]
    officer.close()
