"""Pages of the operations room that no other test opens: for everybody, in both languages, at a
desk and on a phone; a picture of each for people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.drive import sign_in
from tests.browser.operations_people import a_night
from tests.browser.operations_scene import (
    CREW,
    DESK,
    OFFICER,
    PHONE,
    SHOTS,
    Scene,
)
from tests.browser.test_screens import RULES

ADMIN = "administrator"
PATHS = {
    "/wall": OFFICER,
    "/my-orders": CREW,
    "/roster/channels": ADMIN,
    "/streets": OFFICER,
    "/plays": OFFICER,
}


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def scene(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A night in which something has happened, and its people."""
    folder = tmp_path_factory.mktemp("rooms")
    with a_night(folder) as night:
        one = Scene(browser=chromium, night=night, lang=request.param, folder=folder)
        night.ask("incident")
        one.people[ADMIN] = chromium.new_context(locale=one.lang).new_page()
        sign_in(one.people[ADMIN], night.served)
        yield one
        one.close()
        assert [] == one.wrong


@pytest.mark.parametrize("path", sorted(PATHS))
def test_the_room_is_for_everybody(scene: Scene, path: str) -> None:
    """No rule of WCAG 2.2 AA that a machine can check is broken, and nothing is wider than its
    screen."""
    page = scene.person(PATHS[path])
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        answer = page.goto(scene.night.served.address + path)
        assert answer is not None and 200 == answer.status
        page.wait_for_timeout(3_000 if path == "/wall" else 200)
        found = Axe().run(page, options=RULES)
        assert 0 == found.violations_count, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        SHOTS.mkdir(parents=True, exist_ok=True)
        name = path.strip("/").replace("/", "-")
        page.screenshot(
            path=str(SHOTS / f"room-{name}-{width}-{scene.lang}.png"), full_page=width < 960
        )
