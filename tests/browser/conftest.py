"""One browser and one small city for all browser tests; skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.drive import Served, find_chromium, launch, served_city


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("chromium is not on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_city(300, 20, tmp_path_factory.mktemp("city")) as served:
        yield served


@pytest.fixture
def screen(chromium: Browser) -> Iterator[Page]:
    """A desk-sized page that notes what goes wrong in it."""
    yield from noted(chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en"))


def noted(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    yield page
    context.close()
    assert [] == [line for line in wrong if "Failed to load resource" not in line]
