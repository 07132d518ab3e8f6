"""The page of subscriptions in a real browser: read by everybody, worked with keys alone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.drive import Served, sign_in
from tests.browser.test_screens import RULES, SHOTS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_everybody_can_read_it(chromium: Browser, city: Served, width: int, scheme: str) -> None:
    """WCAG 2.2 AA as axe can tell, nothing wider than the screen, a picture to look at."""
    lang = "zh-CN" if scheme == "dark" else "en"
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        locale=lang,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    try:
        sign_in(page, city)
        page.goto(city.address + "/subscriptions")
        expect(page.locator(".told > li")).to_have_count(3)
        assert [] == Axe().run(page, options=RULES).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"subscriptions-{lang}-{width}.png", full_page=True)
    finally:
        context.close()


def test_a_parked_one_is_tried_again_with_keys_alone(screen: Page, city: Served) -> None:
    """Parked with the keyboard, then tried again; what was done is said."""
    sign_in(screen, city)
    screen.goto(city.address + "/subscriptions?lang=en&q=hotline")
    screen.get_by_role("button", name="Park").press("Enter")
    expect(screen.get_by_role("status").first).to_contain_text("Nothing is sent to it")
    screen.goto(city.address + "/subscriptions?lang=en&how=parked&q=hotline")
    screen.get_by_role("button", name="Try again").press("Enter")
    expect(screen.get_by_role("status").first).to_contain_text("It is told again")


def test_who_sees_none_is_told_how_one_comes(screen: Page, city: Served) -> None:
    """A visitor without a grant reads what will be here."""
    screen.goto(city.address + "/subscriptions?lang=en")
    expect(screen.locator(".empty")).to_contain_text("/ngsi-ld/v1/subscriptions")
