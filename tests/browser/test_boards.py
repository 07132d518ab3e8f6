"""Pages without code in a real browser: drawn, kept fresh, made by mouse and by keys alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import noted
from tests.browser.drive import ROOT, Served, free_port, poll, sign_in, wait_for

PAGES = {
    "boards": "/boards",
    "board": "/boards/air",
    "wall": "/boards/air_wall",
    "editor": "/boards/air/edit",
    "new": "/boards/new/edit",
    "data-sets": "/data-sets",
    "data-set": "/data-sets/air_days",
    "persons": "/data-sets/patients",
}
SIGNED = ("boards", "editor", "new")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
DRAWN = "[...document.querySelectorAll('[data-chart],[data-map]')].every(one => one.dataset.drawn)"


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small city with stations and pages, in a process of its own."""
    import os

    port = free_port()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_boards", str(port),
         str(tmp_path_factory.mktemp("air"))],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        address = f"http://127.0.0.1:{port}"
        wait_for(address + "/readyz", process)
        yield Served(address=address, token=token)
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def drawn(page: Page) -> None:
    poll(page, "document.body.dataset.board === 'ready'")
    poll(page, DRAWN)


@pytest.fixture
def editor(chromium: Browser, air: Served) -> Iterator[Page]:
    """The editor of the page, signed in."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en")
    for page in noted(context):
        sign_in(page, air)
        page.goto(air.address + PAGES["editor"])
        drawn(page)
        page.on("dialog", lambda dialog: dialog.accept())
        yield page


def test_every_block_is_drawn(screen: Page, air: Served) -> None:
    """Charts have their canvas, the map its points, and nothing is wider than the window."""
    screen.goto(air.address + PAGES["board"])
    drawn(screen)
    assert 2 == screen.locator("[data-chart] canvas").count()
    assert 1 == screen.locator("[data-map] canvas").count()
    assert 10 == screen.evaluate(
        "[...pintu.board.charts.values()].find(one => one.map).map.querySourceFeatures('points')"
        ".filter((one, i, all) => all.findIndex(o => o.id === one.id) === i).length"
    )
    assert 0 == screen.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_the_past_breaks_off_where_the_source_was_silent(screen: Page, air: Served) -> None:
    """Six hours without a value are a gap in the line, not a line across."""
    screen.goto(air.address + PAGES["board"])
    drawn(screen)
    told = screen.evaluate(
        "JSON.parse(document.querySelector('#block-4 script').textContent).series[0].data"
    )
    assert 1 == sum(value is None for _, value in told)


def test_a_tick_asks_again_and_changes_nothing_that_is_the_same(screen: Page, air: Served) -> None:
    """Every visible block asks; who shows the newest gets 204 and keeps its chart."""
    answers: list[int] = []
    screen.on("response", lambda one: answers.append(one.status) if "/blocks/" in one.url else None)
    screen.goto(air.address + PAGES["board"])
    drawn(screen)
    screen.evaluate("document.querySelector('#block-0').dataset.same = '1'")
    screen.wait_for_timeout(300)
    screen.evaluate("pintu.board.tick()")
    screen.wait_for_timeout(1500)
    assert 3 <= len(answers)
    assert {204} == set(answers)
    assert "1" == screen.locator("#block-0").get_attribute("data-same")


def test_a_table_is_sorted_and_paged_in_its_block(screen: Page, air: Served) -> None:
    """The rest of the page stays; the address says it, so that a link leads back."""
    screen.goto(air.address + PAGES["board"])
    drawn(screen)
    block = screen.locator("#block-8")
    block.get_by_role("link", name="AQI").click()
    expect(block.locator("th[aria-sort=ascending]")).to_contain_text("AQI")
    block.get_by_role("link", name="Next").click()
    expect(block).to_contain_text("Page 2 of 34")
    assert "b8.sort=aqi" in screen.url
    screen.reload()
    expect(screen.locator("#block-8")).to_contain_text("Page 2 of 34")


def test_a_filter_narrows_the_page(screen: Page, air: Served) -> None:
    """By the form; the address keeps it."""
    screen.goto(air.address + PAGES["board"])
    screen.get_by_label("District", exact=True).select_option("滨江区")
    screen.get_by_role("button", name="Filter").click()
    assert "f.district=" in screen.url
    expect(screen.locator("#block-0 .figure")).to_contain_text("2")


def at_of(page: Page, number: int) -> list[int]:
    told = page.locator(f'[data-handle="{number}"]').get_attribute("data-at") or ""
    return [int(one) for one in told.split(",")]


def test_a_block_is_moved_by_keys_alone(editor: Page) -> None:
    """Chosen, moved, widened: the button keeps the focus, so that it can be pressed again."""
    editor.locator("#deed-choose-1").press("Enter")
    editor.locator("#block-form").wait_for()
    editor.locator("#deed-narrower").press("Enter")
    poll(editor, "document.querySelector('[data-handle=\"1\"]').dataset.at === '3,0,2,2'")
    assert "deed-narrower" == editor.evaluate("document.activeElement.id")
    editor.keyboard.press("Enter")
    poll(editor, "document.querySelector('[data-handle=\"1\"]').dataset.at === '3,0,1,2'")


def test_a_block_is_dragged_and_sized_by_the_mouse(editor: Page) -> None:
    """To where the mouse lets go; what was there gives way."""
    box = editor.locator('[data-handle="0"] [data-grip]').bounding_box()
    grid = editor.locator("[data-drag]").bounding_box()
    assert box is not None
    assert grid is not None
    x, y = box["x"] + 8, box["y"] + 8
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + grid["width"] / 2, y + 3, steps=6)
    editor.mouse.up()
    poll(editor, "document.querySelector('[data-handle=\"0\"]').dataset.at.startsWith('6,0')")
    assert 6 == at_of(editor, 2)[0]
    assert 0 < at_of(editor, 2)[1]  # the text gave way
    corner = editor.locator('[data-handle="1"] [data-corner]').bounding_box()
    assert corner is not None
    x, y = corner["x"] + 8, corner["y"] + 8
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x - grid["width"] / 12, y, steps=6)
    editor.mouse.up()
    poll(editor, "document.querySelector('[data-handle=\"1\"]').dataset.at.startsWith('3,0,2')")


def test_a_page_is_made_and_saved(chromium: Browser, air: Served) -> None:
    """A title in two languages, a block, its data: saved, it is there for everybody."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en")
    for page in noted(context):
        sign_in(page, air)
        page.goto(air.address + PAGES["new"])
        page.fill("#name", "mine")
        page.fill("[id='title.zh']", "我的页面")
        page.fill("[id='title.en']", "My page")
        page.click("#deed-add-ranking")
        page.locator("[id='block.data']").select_option("context.AirQualityObserved")
        page.locator("[id='block.x']").select_option("name")
        page.locator("[id='block.y']").select_option("airQualityIndex")
        page.locator("[id='block.scale']").select_option("aqi")
        expect(page.locator("#preview .ranking tbody tr")).to_have_count(10)
        assert "My page" == page.input_value("[id='title.en']")
        page.click("#deed-save")
        page.wait_for_url(air.address + "/boards/mine")
        expect(page.locator("h1")).to_have_text("My page")
        expect(page.locator(".ranking tbody tr")).to_have_count(10)
        page.goto(air.address + "/boards/mine?lang=zh")
        expect(page.locator("h1")).to_have_text("我的页面")


def test_it_prints(screen: Page, air: Served) -> None:
    """On paper there is no rail, no button, and no block is cut off."""
    screen.goto(air.address + PAGES["board"])
    drawn(screen)
    screen.emulate_media(media="print")
    assert not screen.locator(".rail").is_visible()
    assert not screen.locator(".deeds").is_visible()
    cut = (
        "[...document.querySelectorAll('.block')].filter(one => one.scrollHeight"
        " > one.clientHeight + 2 && getComputedStyle(one).overflowY === 'hidden').length"
    )
    assert 0 == screen.evaluate(cut)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_access(chromium: Browser, air: Served, name: str, width: int, scheme: str) -> None:
    """WCAG 2.2 AA as axe can tell, in both languages, both looks, both widths; nothing is wider
    than the window."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        locale="zh-CN" if scheme == "dark" else "en",
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    for page in noted(context):
        if name in SIGNED:
            sign_in(page, air)
        page.goto(air.address + PAGES[name])
        if name in ("board", "wall", "editor"):
            drawn(page)
        if name == "editor":
            page.click("#deed-choose-4")
            page.locator("#block-form").wait_for()
            drawn(page)
        found = Axe().run(page, options=RULES)
        assert [] == [
            (one["id"], [node["html"][:160] for node in one["nodes"]])
            for one in found.response["violations"]
        ]
        assert 0 == page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")
        shots = Path("screenshots")
        if shots.is_dir():
            page.screenshot(path=shots / f"{name}-{width}-{scheme}.png")
