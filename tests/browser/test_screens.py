"""The screens in a real browser: the map moves, a lamp obeys, pages fit, keys suffice."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.drive import Served, poll, sign_in, wait_for_map

LAMP = "/entities/urn:ngsi-ld:Streetlight:street_lights:L00012"
PAGES = {
    "map": "/",
    "entity": LAMP,
    "work": "/work/lamp_faults",
    "things": "/entities?type=Streetlight",
    "search": "/search?q=L0001",
    "sources": "/sources",
    "quarantine": "/quarantine",
    "quarantined": "/quarantine/1",
    "pieces": "/pieces",
    "vocabulary": "/vocabulary",
    "system": "/system",
    "sign-in": "/sign-in",
    "missing": "/nothing",
}
SHOTS = Path("screenshots")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def opened(page: Page, city: Served, name: str) -> None:
    page.goto(city.address + PAGES[name])
    if name == "map":
        wait_for_map(page)
    page.evaluate("document.fonts.ready.then(() => true)")


def test_the_map_moves(screen: Page, city: Served) -> None:
    """The map draws every lamp and shows changes as they come, without being loaded again."""
    opened(screen, city, "map")
    assert 300 == screen.evaluate("pintu.map.rows.size")
    before = screen.evaluate("pintu.map.changes")
    poll(screen, f"pintu.map.changes > {before} + 20", 15)
    assert screen.locator("#open-count").inner_text() in ("3", "4")
    assert "demo" == screen.locator(".badge.demo").inner_text()


def test_the_map_needs_no_base(screen: Page, city: Served) -> None:
    """Who may see things and not what lies under them, under an agreement for instance, sees them
    over bare lines."""
    screen.route("**/api/v1/map/base", lambda route: route.fulfill(status=403, body="{}"))
    opened(screen, city, "map")
    assert 300 == screen.evaluate("pintu.map.rows.size")


def test_a_lamp_on_the_map_opens_its_card(screen: Page, city: Served) -> None:
    """The alert's link flies to the lamp and shows what it says, its age and a way on."""
    opened(screen, city, "map")
    screen.locator("a[data-fly]").first.click()
    card = screen.locator("#card .card")
    card.wait_for()
    assert "Failed" in card.inner_text()


def test_a_lamp_is_dimmed(screen: Page, city: Served) -> None:
    """A command goes desired → sent → acknowledged → confirmed, each step shown as it happens."""
    sign_in(screen, city)
    opened(screen, city, "entity")
    screen.locator("#level").fill("40")
    screen.locator("#dim button").click()
    screen.locator('.command[data-state="confirmed"]').first.wait_for(timeout=15_000)
    steps = screen.locator(".command").first.locator(".steps li.done")
    assert 4 == steps.count()


def test_the_past_is_charted(screen: Page, city: Served) -> None:
    """The chart holds the values of the log."""
    screen.goto(city.address + "/entities/urn:ngsi-ld:Streetlight:street_lights:L00001")
    poll(screen, "Number(document.getElementById('chart').dataset.points) >= 3")
    assert screen.locator("#chart canvas").count() >= 1


def test_search_finds_things_and_pages(screen: Page, city: Served) -> None:
    """Part of an id, full-width digits too, lists the thing; a page is found by its title."""
    opened(screen, city, "sources")
    screen.keyboard.press("/")
    screen.keyboard.type("L000１2")
    screen.locator("#found a", has_text="L00012").wait_for()
    screen.locator("#find").fill("quarantine")
    screen.locator('#found a[href="/quarantine"]').wait_for()


def test_the_quarantine_is_worked(screen: Page, city: Served) -> None:
    """An operator lets go of a message, after being asked, and it is gone from the list."""
    sign_in(screen, city)
    opened(screen, city, "quarantine")
    held = screen.locator("ul.held > li").count()
    screen.on("dialog", lambda dialog: dialog.accept())
    screen.locator('button[data-act="DELETE"]').first.click()
    expect(screen.locator("ul.held > li")).to_have_count(held - 1)


@pytest.mark.parametrize("width", [390, 1440])
def test_a_foreman_works_with_keys_alone(chromium: Browser, city: Served, width: int) -> None:
    """Tab to the crew, type it, Enter: the row is assigned; released, it is open again."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, locale="en")
    page = context.new_page()
    try:
        sign_in(page, city)
        page.goto(city.address + PAGES["work"] + "?q=L00012")
        row = page.locator("#rows tbody tr")
        assert 1 == row.count()
        page.locator("#by-q").focus()
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name === 'note'"):
                break
        page.keyboard.type("Crew 3")
        page.keyboard.press("Enter")
        expect(row).to_contain_text("Crew 3")
        expect(row.locator('[data-word="assigned"]')).to_be_visible()
        assert page.url.endswith("?q=L00012")
        row.get_by_role("button", name="Release").press("Enter")
        expect(row.locator('[data-word="open"]')).to_be_visible()
    finally:
        context.close()


def test_a_list_is_filtered_sorted_and_fetched(screen: Page, city: Served) -> None:
    """A heading sorts, the form filters, both stay in the address; the file comes by a link."""
    opened(screen, city, "work")
    screen.get_by_role("link", name="Lamp or feeder").click()
    assert "sort=target" in screen.url
    screen.fill("#by-q", "L00021")
    screen.get_by_role("button", name="Filter").click()
    expect(screen.locator("#rows tbody tr")).to_have_count(1)
    assert "sort=target" in screen.url
    with screen.expect_download() as fetched:
        screen.get_by_role("link", name="Export CSV").click()
    assert "lamp_faults.csv" == fetched.value.suggested_filename
    assert 2 == len(Path(fetched.value.path()).read_text("utf-8-sig").splitlines())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_access(chromium: Browser, city: Served, name: str, width: int, scheme: str) -> None:
    """WCAG 2.2 AA as axe can tell: contrast, names, roles, targets; light and dark, both widths."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        locale="zh-CN" if scheme == "dark" else "en",
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    try:
        sign_in(page, city) if name in ("entity", "work") else None
        opened(page, city, name)
        found = Axe().run(page, options=RULES)
        wrong = [
            (one["id"], node["target"], node["failureSummary"][:300])
            for one in found.response["violations"]
            for node in one["nodes"]
        ]
        assert [] == wrong
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
    finally:
        context.close()


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", ["map", "entity", "quarantine", "sources", "work"])
def test_pictures(chromium: Browser, city: Served, name: str, width: int, lang: str) -> None:
    """Pictures of the main pages in both languages and widths are made, for somebody to look at."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, locale=lang)
    page = context.new_page()
    try:
        sign_in(page, city)
        opened(page, city, name)
        page.wait_for_timeout(800)
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}-{lang}-{width}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 10_000
    finally:
        context.close()


def test_keyboard_alone(screen: Page, city: Served) -> None:
    """Tab reaches skip link, search, rail, map and alerts, each with a visible ring."""
    opened(screen, city, "map")
    reached = []
    for _ in range(24):
        screen.keyboard.press("Tab")
        reached.append(
            screen.evaluate(
                "(() => { const e = document.activeElement;"
                " return [e.className && e.className.toString() || e.id || e.tagName,"
                " getComputedStyle(e).outlineStyle]; })()"
            )
        )
    names = " ".join(name for name, _ in reached)
    assert "skip" == reached[0][0]
    assert "maplibregl-canvas" in names
    unseen = [name for name, outline in reached if outline == "none" and name != "page-map"]
    assert [] == unseen


def test_no_character_is_a_box(screen: Page, city: Served) -> None:
    """The bundled fonts hold rare names: one of them draws each character, none is a box."""
    screen.goto(city.address + "/sign-in")
    missing = screen.evaluate(
        """async () => {
          const text = "滨江㐂𠮷·䶮㛃鿃鿍𬭼𫖯喆ÀЖα（）";
          const stack = '"Noto Sans SC Variable", "Source Han Serif CN", "Noto Sans JP Variable"';
          await document.fonts.load(`16px ${stack}`, text);
          const canvas = document.createElement("canvas").getContext("2d");
          const ranges = [...document.fonts].map(f => f.unicodeRange.split(",").map(r => {
            const [low, high] = r.trim().slice(2).split("-");
            return [parseInt(low, 16), parseInt(high || low, 16)];
          }));
          const within = point => ([low, high]) => low <= point && point <= high;
          const held = point => ranges.some(face => face.some(within(point)));
          return [...text].filter(one => !held(one.codePointAt(0)));
        }"""
    )
    assert [] == missing


def test_offline_is_said(chromium: Browser, city: Served) -> None:
    """When the city cannot be reached the page keeps what it shows and says that it may be old."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    page = context.new_page()
    try:
        opened(page, city, "map")
        context.set_offline(True)
        page.evaluate("pintu.map.stream.onerror(new Event('error'))")
        assert "lost" in page.locator("#notice").inner_text()
        assert 300 == page.evaluate("pintu.map.rows.size")
    finally:
        context.close()
