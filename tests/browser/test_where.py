"""Where time goes, in a real browser: crowded, empty, and with a store that does not answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.drive import ROOT, Served, free_port, sign_in, wait_for
from tests.browser.test_screens import RULES, SHOTS

LOOKS = ("crowded", "empty", "failing")


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Served]]:
    port = free_port()
    folder = tmp_path_factory.mktemp("where")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_where", str(port), str(folder)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        found = []
        for place in range(3):
            address = f"http://127.0.0.1:{port + place}"
            wait_for(address + "/healthz", process)
            found.append(Served(address=address, token=token))
        yield found
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("look", LOOKS)
def test_every_look_can_be_read(
    chromium: Browser, cities: list[Served], look: str, width: int, scheme: str
) -> None:
    """WCAG 2.2 AA as axe can tell, nothing wider than the screen, a picture to look at; what is
    missing is said in words."""
    lang = "zh-CN" if scheme == "dark" else "en"
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, locale=lang,
        color_scheme=scheme,  # type: ignore[arg-type]
    )  # fmt: skip
    page = context.new_page()
    try:
        city = cities[LOOKS.index(look)]
        if look == "crowded":
            sign_in(page, city)
        page.goto(city.address + "/system")
        expect(page.locator("#figures .panel").first).to_be_visible()
        assert (look == "failing") == (page.locator(".panel.bad").count() == 1)
        if lang == "en" and look == "empty":
            expect(page.get_by_text("none was until now")).to_be_visible()
        if look == "crowded":
            assert page.locator("#figures tbody tr").count() > 80
            assert "county_3" in page.locator("#figures").inner_text()
        assert [] == Axe().run(page, options=RULES).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"where-{look}-{lang}-{width}.png", full_page=True)
    finally:
        context.close()


def test_keys_suffice_and_figures_follow(screen: Page, cities: list[Served]) -> None:
    """Tables that are wider than a phone take the keyboard; the figures are read again by
    themselves; to whom may not operate no tenant is named."""
    screen.goto(cities[0].address + "/system")
    reached = set()
    for _ in range(80):
        screen.keyboard.press("Tab")
        reached.add(screen.evaluate("document.activeElement.getAttribute('aria-label') || ''"))
    assert {"Requests", "Learned indexes"} <= reached
    assert "county_3" not in screen.locator("#figures").inner_text()
    with screen.expect_response("**/system?part=figures", timeout=15_000) as read:
        pass
    assert 200 == read.value.status
    expect(screen.locator("#figures .panel").first).to_be_visible()
