"""The time slider of the map: back to a moment, and to now again."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.drive import Served, poll, wait_for_map

BACK = "input[name=back]"


def test_the_map_goes_back_and_lives_again(screen: Page, city: Served) -> None:
    """A moment of before the city is an empty map that says so; one key leads back to now."""
    screen.goto(city.address + "/")
    wait_for_map(screen)
    slider = screen.locator(f"#when {BACK}")
    slider.focus()
    for _ in range(3):
        screen.keyboard.press("ArrowLeft")
    poll(screen, "pintu.map.at && pintu.map.size === 0")
    assert "was then" in screen.locator(".when-said").inner_text()
    assert slider.get_attribute("aria-valuetext") == screen.locator("#when output").inner_text()
    screen.get_by_role("button", name="Back to now").click()
    poll(screen, "!pintu.map.at && pintu.map.size === 300 && !!pintu.map.stream")


def test_a_moment_ago_the_map_was_the_same(screen: Page, city: Served) -> None:
    """What is shown of a moment is what stood there then; one that cannot be told says why."""
    screen.goto(city.address + "/")
    wait_for_map(screen)
    screen.evaluate("pintu.map.go(new Date(Date.now() - 1000).toISOString())")
    poll(screen, "pintu.map.rows.size === 300 && !pintu.map.stream && pintu.map.mode === 'points'")
    screen.evaluate("pintu.map.go('2999-01-01T00:00:00Z')")
    poll(screen, "document.querySelector('.when-said').textContent.includes('lies ahead')")
