"""The exchange's scene, lived by people in Chromium, in Chinese and in English; its pages as axe
sees them, at a desk and on a phone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.exchange_people import departments
from tests.browser.exchange_scene import RIGHT_DATE, Scene

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGES = {
    "agreements": ("demo_health", "/agreements"),
    "agreement": ("demo_school", "/agreements/{agreement}"),
    "request": ("demo_school", "/agreements/new?data_set=vaccinations"),
    "choose": ("demo_school", "/agreements/new"),
    "look-up": ("demo_school", "/look-up"),
    "form": ("demo_school", "/look-up/form"),
    "auditing": ("demo_auditor", "/auditing"),
    "my-records": ("demo_guardian", "/my-records"),
    "notices": ("demo_deputy", "/notices"),
    "demo-people": ("demo_guardian", "/demo-people"),
}


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chromium: Browser
) -> Iterator[Scene]:
    """A city of the demo's people, and their browsers, in one language."""
    folder = tmp_path_factory.mktemp("exchange") / "data"
    with departments(folder) as served:
        one = Scene(browser=chromium, served=served, folder=folder, lang=str(request.param))
        yield one
        one.close()


def test_the_scene(scene: Scene) -> None:
    """From two connected departments to a stranger who checks the proof with a public key only."""
    scene.connect()
    fields, differ = scene.islands()
    assert (14, 7) == (fields, round(differ))
    scene.request()
    scene.decide()
    receipt = scene.fill()
    refused = scene.pull()
    assert ("一次" if scene.lang == "zh-CN" else "at a time") in refused
    scene.look()
    scene.link()
    scene.object()
    assert [RIGHT_DATE, RIGHT_DATE] == scene.correct()
    scene.revoke()
    scene.recall()
    proved = scene.prove()
    assert 0 == proved.returncode, proved.stderr
    assert f"Row {receipt} of the log" in proved.stdout
    scene.audit()
    assert [] == scene.wrong


def test_nothing_passed_a_second_after_it_was_revoked(scene: Scene) -> None:
    """The log's own times say it: the last answer is older than the revocation plus a second."""
    page = scene.person("demo_auditor")
    path = f"/auditing?agreement={scene.found['agreement']}&format=csv"
    told = page.request.get(scene.served.address + path).text()
    rows = list(csv.DictReader(io.StringIO(told.lstrip("\ufeff"))))
    revoked = min(at(row) for row in rows if row["what"] == "agreement" and row["kind"] == "revoke")
    answered = max(at(row) for row in rows if row["what"] == "read")
    refused = [row for row in rows if row["what"] == "refused"]
    assert answered <= revoked + 1
    assert refused


def at(row: dict[str, str]) -> float:
    """When a row was written, in seconds."""
    return datetime.fromisoformat(row["time"]).timestamp()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_access(scene: Scene, name: str, width: int) -> None:
    """WCAG 2.2 AA as axe can tell, crowded with what the scene left; nothing is wider than the
    window."""
    login, path = PAGES[name]
    page = scene.person(login)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(scene.served.address + path.format(**scene.found))
    for folded in page.query_selector_all("main details:not([open]) > summary")[:6]:
        folded.click()
    found = Axe().run(page, options=RULES).response["violations"]
    assert [] == [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]
    assert 0 == page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")
    page.set_viewport_size({"width": 1440, "height": 900})
