"""The wall in a real browser: 3 a.m. with one incident, keys alone, search, replay, every size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.drive import ROOT, free_port, poll, wait_for
from tests.browser.test_screens import RULES

SHOTS = Path("screenshots")
SIZES = {"wall": (3840, 2160), "desk": (1440, 900), "phone": (390, 844)}
expect.set_options(timeout=30_000)
READY = "document.getElementById('wall').dataset.loaded === '1' && !!document.body.dataset.base"


@contextmanager
def served(folder: Path, scene: str, points: int, rate: float) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.browser.serve_wall", str(port), str(points), str(rate)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [*command, str(folder), scene],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, 180)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("night"), "night", 1_500, 40) as address:
        yield address


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("crowded"), "crowded", 6_000, 40) as address:
        yield address


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("empty"), "empty", 0, 0) as address:
        yield address


def opened(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/wall{query}")
    poll(page, READY, 90)
    page.evaluate("document.fonts.ready.then(() => true)")


def test_one_incident_stands_first(screen: Page, night: str) -> None:
    """Its alarms are inside it: counted, drawn small, and not listed beside it."""
    opened(screen, night)
    expect(screen.locator('[data-tile="incidents"] b')).to_have_text("1")
    expect(screen.locator('[data-list="incidents"] .wall-row')).to_have_count(1)
    expect(screen.locator('[data-tile="alarms"] dd span')).to_contain_text("41 in incidents")
    assert screen.locator('[data-list="alarms"] .wall-row').count() <= 2
    before = screen.evaluate("pintuWall.now.applied")
    poll(screen, f"pintuWall.now.applied > {before} + 20", 15)


def test_the_wall_is_worked_by_keys_alone(screen: Page, night: str) -> None:
    """J goes down the lists, Enter shows it, Escape lets go, numbers hide layers, M mutes; switched
    off, keys do nothing."""
    opened(screen, night)
    screen.keyboard.press("j")
    screen.keyboard.press("Enter")
    expect(screen.locator("#card h2")).to_contain_text("Lights out")
    assert "/incidents/I0000" == screen.locator("#card a").get_attribute("href")
    screen.keyboard.press("Escape")
    expect(screen.locator("#card h2")).to_have_count(0)
    screen.keyboard.press("4")
    expect(screen.locator('[data-layer="orders"]')).to_have_attribute("aria-pressed", "false")
    assert "without=orders" in screen.url
    screen.keyboard.press("m")
    expect(screen.locator("#wall-mute")).to_have_attribute("aria-pressed", "true")
    screen.keyboard.press("?")
    screen.locator("#wall-keys-off").click()
    screen.locator("#wall-help-close").click()
    screen.keyboard.press("m")
    expect(screen.locator("#wall-mute")).to_have_attribute("aria-pressed", "true")


def test_search_flies_to_what_it_finds(screen: Page, night: str) -> None:
    """Pinyin of a street finds it, and it is shown on this map, not on another page."""
    opened(screen, night)
    screen.keyboard.press("/")
    screen.keyboard.type("tinglanlu12")
    screen.locator("#found a[data-at]").first.click()
    expect(screen.locator("#card h2")).to_contain_text("Tinglan Road 12")
    assert "/wall" in screen.url


def test_the_address_keeps_filters(screen: Page, night: str) -> None:
    """A wall opened by its address shows what was chosen."""
    opened(screen, night, "?without=points&from=high")
    expect(screen.locator('[data-layer="points"]')).to_have_attribute("aria-pressed", "false")
    assert "high" == screen.locator("#wall-least").input_value()


def test_an_incident_s_page_leads_to_its_place(screen: Page, night: str) -> None:
    """`?incident=` shows its card and leaves the address; one that is gone is said to be gone."""
    opened(screen, night, "?incident=I0000")
    expect(screen.locator("#card h2")).to_contain_text("Lights out")
    assert "incident=" not in screen.url
    opened(screen, night, "?incident=I9999")
    expect(screen.locator("#card")).to_contain_text("Incident I9999 does not stand on the wall")
    assert "/incidents/I9999" == screen.locator("#card a").get_attribute("href")


def test_a_past_moment_is_replayed_and_plainly_so(screen: Page, night: str) -> None:
    """The banner says that it is not now, time runs, and back to now is one button."""
    opened(screen, night)
    screen.wait_for_timeout(4_000)
    at = screen.evaluate("new Date(pintuWall.now.city() - 3000).toISOString().slice(0, 19) + 'Z'")
    opened_at = f"{night}/wall?at={at}&speed=1"
    screen.goto(opened_at)
    banner = screen.locator('#wall-banner[data-kind="replay"]')
    expect(banner).to_contain_text("This is not now", timeout=15_000)
    poll(screen, "pintuWall.now.state.rows.size > 40", 15)
    screen.locator("button[name=live]").click()
    expect(banner).to_have_count(0)
    poll(screen, READY, 90)
    assert "at=" not in screen.url


def test_a_lost_connection_is_said(screen: Page, night: str) -> None:
    """What stands there is marked as old, and goes on when the city is back."""
    opened(screen, night)
    screen.evaluate("() => { pintuWall.now.unfollow(); pintuWall.now.live = true; }")
    expect(screen.locator('#wall-banner[data-kind="lost"]')).to_contain_text(
        "The connection is lost", timeout=15_000
    )


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", sorted(SIZES))
def test_the_wall_looks_right_and_is_reachable(
    chromium: Browser, night: str, size: str, scheme: str, lang: str
) -> None:
    """No page wider than its screen, nothing axe objects to; a picture of each for people."""
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale=lang, color_scheme=scheme
    )
    page = context.new_page()
    try:
        opened(page, night)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page, options=RULES)
        assert 0 == found.violations_count, found.generate_report()
        page.wait_for_timeout(3_000)
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"wall-{size}-{scheme}-{lang}.png", full_page=width < 960)
    finally:
        context.close()


@pytest.mark.parametrize("scene", ["crowded", "empty"])
def test_the_wall_bears_everything_and_nothing(
    screen: Page, request: pytest.FixtureRequest, scene: str
) -> None:
    """Four hundred alarms and twenty-five incidents fit; a city with nothing says so."""
    opened(screen, request.getfixturevalue(scene))
    if scene == "crowded":
        expect(screen.locator('[data-tile="incidents"] b')).to_have_text("25")
        assert 40 == screen.locator('[data-list="alarms"] .wall-row').count()
        assert screen.locator('[data-list="alarms"] .more').inner_text()
    else:
        expect(screen.locator(".map-empty h2")).to_be_visible()
        expect(screen.locator('[data-list="incidents"] .calm')).to_be_visible()
    found = Axe().run(screen, options=RULES)
    assert 0 == found.violations_count, found.generate_report()
    screen.wait_for_timeout(2_000)
    SHOTS.mkdir(exist_ok=True)
    screen.screenshot(path=SHOTS / f"wall-{scene}.png")
