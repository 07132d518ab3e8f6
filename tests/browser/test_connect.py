"""Connecting a source in a real browser: by keys alone, while it waits, and as axe sees it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import noted
from tests.browser.drive import Served, poll, served_city, sign_in

ROWS = ["编号,名称,经度,纬度,服务状态"] + [
    f"H{n:02d},演示服务厅{n},{120.1 + n / 100:.4f},{30.2 + n / 200:.4f},{state}"
    for n, state in enumerate(["开放"] * 10 + ["盘点中"])
]
CSV = "\n".join([*ROWS, "H98,演示远点,125.5,34.2,开放", "H99,演示坏点,30.2,120.1,开放"])
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGES = {
    "connect": "/connect",
    "connect-upload": "/connect/new/upload",
    "connect-database": "/connect/new/database",
    "connect-settings": "/connect/halls/settings",
    "connect-look": "/connect/halls/look",
    "connect-mapping": "/connect/halls/mapping?type=PointOfInterest",
    "connect-table": "/connect/halls/mapping?target=table",
    "connect-try": "/connect/halls/try",
    "connect-source": "/connect/halls",
    "connect-broken": "/connect/broken",
    "connect-failed": "/connect/nowhere/look",
    "word": "/vocabulary/types/PointOfInterest",
    "propose": "/vocabulary/propose",
}
FORM_BUTTON = "main form button.main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A served city, its folder, and a port that takes calls and never answers."""

    served: Served
    data: Path
    mute: int
    file: Path

    def at(self, path: str) -> str:
        """The address of a page."""
        return self.served.address + path


@pytest.fixture(scope="module")
def mute() -> Iterator[int]:
    """A port of somebody who listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        for one in held:
            one.close()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, chromium: Browser, mute: int) -> Iterator[Town]:
    """A small city in which somebody connected a list of halls, and wrote one file wrong."""
    data = tmp_path_factory.mktemp("town")
    file = tmp_path_factory.mktemp("files") / "halls.csv"
    file.write_text(CSV, "utf-8-sig")
    with served_city(20, 0, data) as served:
        one = Town(served=served, data=data, mute=mute, file=file)
        context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en")
        for page in noted(context):
            sign_in(page, served)
            halls(page, one)
            poll_source(page, one, "nowhere", 1)
        (data / "config" / "sources" / "broken.toml").write_text('door = "upload\n')
        yield one


def halls(page: Page, town: Town) -> None:
    """The list of halls, mapped as guessed."""
    page.goto(town.at("/connect/new/upload"))
    page.fill("#title-zh", "服务厅（演示）")
    page.fill("#title-en", "Service halls (demo)")
    page.fill("#name", "halls")
    page.click(FORM_BUTTON)
    page.wait_for_url("**/look")
    page.goto(town.at("/connect/halls"))
    page.set_input_files("#file", str(town.file))
    page.click("#upload button")
    page.wait_for_url("**/look")
    page.goto(town.at(PAGES["connect-mapping"]))
    page.click("form.stack button.main")
    page.wait_for_url("**/try?**")


def poll_source(page: Page, town: Town, name: str, port: int) -> None:
    """A source that asks a port of this machine now and then."""
    page.goto(town.at("/connect/new/poll"))
    page.fill("#title-en", f"Meters {name} (demo)")
    page.fill("#name", name)
    page.fill("#s-url", f"http://127.0.0.1:{port}/")
    page.click(FORM_BUTTON)
    page.wait_for_url("**/look")


def tab_to(page: Page, css: str, most: int = 150) -> None:
    """Press Tab until something that fits has the focus; each stop on the way has a ring."""
    for _ in range(most):
        page.keyboard.press("Tab")
        found, ring = page.evaluate(
            "css => { const e = document.activeElement;"
            " return [e.matches(css), e === document.body || getComputedStyle(e).outlineStyle]; }",
            css,
        )
        assert "none" != ring, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if found:
            return
    raise AssertionError(f"{css} cannot be reached by Tab on {page.url}")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_list_is_connected_by_keys_alone(chromium: Browser, town: Town, width: int) -> None:
    """From the doors to a running source: chosen, told, handed in, mapped, tried, started."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, locale="en")
    name = f"keys_{width}"
    for page in noted(context):
        sign_in(page, town.served)
        page.goto(town.at("/connect"))
        tab_to(page, "a[href='/connect/new/upload']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/connect/new/upload")
        tab_to(page, "#title-en")
        page.keyboard.type("By keys (demo)")
        tab_to(page, "#name")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.wait_for_url("**/look")
        tab_to(page, f"main a.button.main[href='/connect/{name}']")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/connect/{name}")
        tab_to(page, "#file")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        chooser.value.set_files(str(town.file))
        tab_to(page, "#upload button")
        page.keyboard.press("Enter")
        page.wait_for_url("**/look")
        tab_to(page, "main a.button.main[href*='/mapping']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/mapping?**")
        tab_to(page, "select[data-again=type]")
        page.keyboard.type("Point of")
        assert "type=" not in page.url  # walking through the choices opens no page
        page.keyboard.press("Enter")
        page.wait_for_url("**&type=PointOfInterest")
        tab_to(page, "select[data-line]")
        page.keyboard.type("Closed")
        answered = "one => one.some(text => text.value.includes('= closed'))"
        assert page.locator("textarea").evaluate_all(answered)
        tab_to(page, "form.stack button.main")
        page.keyboard.press("Enter")
        page.wait_for_url("**/try?**")
        assert "盘点中" not in page.inner_text("main")  # it was answered
        tab_to(page, "form[action$='/start'] button")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/connect/{name}")
        expect(page.locator(f"form[action='/connect/{name}/stop'] button")).to_be_visible()


def test_a_dry_run_shows_where_points_lie(screen: Page, town: Town) -> None:
    """A map of the sample is drawn; the point far from all others is named, the swapped one too."""
    sign_in(screen, town.served)
    screen.goto(town.at(PAGES["connect-try"]))
    poll(screen, "document.getElementById('places').dataset.drawn === '1'")
    told = screen.inner_text("main")
    assert "演示远点" in told
    assert "km away" in told
    assert "look swapped" in told


def test_a_slow_look_says_so(chromium: Browser, town: Town) -> None:
    """While the other side does not answer, the page says that it asks; then what went wrong."""
    context = chromium.new_context(viewport={"width": 390, "height": 900}, locale="zh-CN")
    for page in noted(context):
        sign_in(page, town.served)
        poll_source(page, town, "mute", town.mute)
        expect(page.get_by_role("status").first).to_contain_text("可能需要 20 秒")
        assert [] == seen_by_axe(page)
        expect(page.get_by_role("alert")).to_contain_text("秒内没有应答", timeout=30_000)
        assert page.url.endswith("/connect/mute/look")


def test_focus_follows_the_page(screen: Page, town: Town) -> None:
    """On the mapping page Tab goes questions, what it becomes, columns, the button: as read."""
    sign_in(screen, town.served)
    screen.goto(town.at(PAGES["connect-mapping"]))
    screen.locator("#main").focus()
    tops = []
    for _ in range(60):
        screen.keyboard.press("Tab")
        top, done = screen.evaluate(
            "(() => { const e = document.activeElement;"
            " return [Math.round(e.getBoundingClientRect().top + scrollY),"
            " e.matches('form.stack button.main')]; })()"
        )
        tops.append(top)
        if done:
            break
    assert done
    rows = [round(top / 60) for top in tops]
    assert rows == sorted(rows)


def seen_by_axe(page: Page) -> list[tuple[str, list[str]]]:
    """What axe holds against a page."""
    found = Axe().run(page, options=RULES)
    return [
        (one["id"], [node["html"][:160] for node in one["nodes"]])
        for one in found.response["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_access(chromium: Browser, town: Town, name: str, width: int, scheme: str) -> None:
    """WCAG 2.2 AA as axe can tell, in both languages and looks and at both widths; nothing is wider
    than the window, nothing is said in the console."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        locale="zh-CN" if scheme == "dark" else "en",
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    for page in noted(context):
        sign_in(page, town.served)
        page.goto(town.at(PAGES[name]))
        if name == "connect-try":
            poll(page, "document.getElementById('places').dataset.drawn === '1'")
        for folded in page.query_selector_all("main details:not([open]) > summary")[:6]:
            folded.click()
        assert [] == seen_by_axe(page)
        assert 0 == page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")
        shots = Path("screenshots")
        if shots.is_dir():
            page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
