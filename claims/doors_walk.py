"""A walk in Chromium from an empty city: a PostgreSQL, a file and an MQTT device join by pages
alone, and a page of the three is made; timed, with screenshots in zh and en."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.http_ops import City
from claims.words import Finding, NotRun, judged

ROOT = Path(__file__).resolve().parents[1]
POINTS = ROOT.parent / "shared" / "data" / "basemap" / "hangzhou_public_points.geojson"
SHOTS = ROOT / "screenshots" / "doors"
BAR_MIN = 60.0  # "within an hour", of a person; a program types faster and still waits for pages
PUMPS = 200


@dataclass(slots=True)
class Walk:
    """One browser in one language on one city."""

    page: Any
    address: str
    lang: str
    began_s: float = field(default_factory=time.monotonic)
    marks: list[tuple[str, float]] = field(default_factory=list)

    def shot(self, name: str) -> None:
        """A picture of the whole page as it is now."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SHOTS / f"{name}-{self.lang}.png"), full_page=True)

    def mark(self, name: str) -> None:
        """How long it took so far."""
        self.marks.append((name, time.monotonic() - self.began_s))

    def go(self, path: str) -> None:
        """Open a page of the city."""
        self.page.goto(self.address + path)

    def sign_in(self, token: str) -> None:
        """With the administrator's token."""
        self.go(f"/sign-in?lang={self.lang}")
        # a city with people's accounts folds this way in
        self.page.locator("details:has(#token)").evaluate("fold => { fold.open = true; }")
        self.page.fill("#token", token)
        self.page.click("form:has(#token) button")
        self.page.wait_for_load_state()

    def tell(self, door: str, title: tuple[str, str], **settings: str) -> None:
        """The form of a door: titles and what it must be told; its page of what is there next."""
        self.go(f"/connect/new/{door}")
        self.page.fill("#title-zh", title[0])
        self.page.fill("#title-en", title[1])
        for folded in self.page.query_selector_all("details:not([open]) > summary"):
            folded.click()
        for name, value in settings.items():
            place = self.page.locator(f"#s-{name}")
            if place.evaluate("one => one.tagName") == "SELECT":
                place.select_option(value)
            else:
                place.fill(value)
        self.page.click("main form button.main")
        self.page.wait_for_url("**/look", timeout=30_000)

    def look_map_try_start(self, name: str, query: str = "") -> None:
        """The usual way on from what is there: map it as guessed, try it, start it."""
        self.shot(f"{name}-look")
        self.page.click("main a.button.main[href*='/mapping?']")
        self.page.wait_for_url(re.compile("/mapping[?]"))
        if query:
            self.page.goto(self.page.url + query)
        self.shot(f"{name}-mapping")
        self.page.click("form.stack button.main")
        self.page.wait_for_url(re.compile("/try[?]"), timeout=30_000)
        self.shot(f"{name}-try")
        self.page.click("form[action$='/start'] button")
        self.page.wait_for_load_state()
        self.mark(name)


@contextlib.contextmanager
def a_browser() -> Iterator[Any]:
    """A Chromium, or NotRun."""
    try:
        from playwright.sync_api import sync_playwright

        from tests.browser.drive import launch
    except ModuleNotFoundError as error:
        raise NotRun(f"{error.name} is not installed") from error
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except RuntimeError as error:
            raise NotRun(str(error)) from error
        yield browser
        browser.close()


@contextlib.contextmanager
def departments() -> Iterator[tuple[Any, int]]:
    """A department's PostgreSQL with pumps in it, and a broker with a station nobody knows."""
    from pintu.kit.testing import find_mosquitto, mosquitto
    from tests.real_databases import postgres, program

    if program("postgres") is None:
        raise NotRun("PostgreSQL is not installed")
    if find_mosquitto() is None:
        raise NotRun("mosquitto is not installed")
    with postgres() as server, mosquitto(port=9941) as port:
        server.run("CREATE DATABASE pumps")
        server.run(
            "CREATE TABLE pump (id integer PRIMARY KEY, name text NOT NULL, lon float8, lat float8,"
            " capacity_m3h float8, built date, changed timestamptz DEFAULT now())",
            "INSERT INTO pump SELECT n, 'demo pump ' || n, 120.1 + n * 0.0005, 30.1 + n * 0.0004,"
            f" 100 + n, date '2001-01-01' + n FROM generate_series(1, {PUMPS}) n",
            database="pumps",
        )
        with speaking(port):
            yield server, port


@contextlib.contextmanager
def speaking(port: int) -> Iterator[None]:
    """A weather mast that says something every half second, in its own words."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    stop = threading.Event()

    def speak() -> None:
        number = 0
        while not stop.wait(0.5):
            number += 1
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            body = {"id": "mast-7", "time": at, "temperature": 20 + number % 5, "humidity": 55}
            client.publish("masts/mast-7/now", json.dumps(body), qos=1)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        client.loop_stop()
        client.disconnect()


def connect_three(walk: Walk, server: Any, port: int) -> None:
    """A database, a file and a device, by pages alone."""
    walk.go("/connect")
    walk.shot("connect")
    walk.tell(
        "database",
        ("水泵台账（演示）", "Pump register (demo)"),
        system="postgresql",
        host="127.0.0.1",
        port=str(server.port),
        database="pumps",
        user="owner",
        password="demo-password",
    )
    walk.look_map_try_start("database", "&target=table")
    walk.tell("upload", ("公共服务点", "Public points"))
    walk.go("/connect/public_points")
    walk.page.set_input_files("#file", str(POINTS))
    walk.page.click("#upload button")
    walk.page.wait_for_url("**/look", timeout=30_000)
    walk.look_map_try_start("file")
    walk.tell(
        "mqtt",
        ("气象杆（演示）", "Weather mast (demo)"),
        broker=f"mqtt://127.0.0.1:{port}",
        topics="masts/#",
    )
    walk.look_map_try_start("device", "&type=WeatherObserved")


def arrived(city: City) -> dict[str, int]:
    """What of the three is in the city now."""
    from claims.life import ask

    found = {}
    for name in ("PointOfInterest", "WeatherObserved"):
        path = f"/ngsi-ld/v1/entities?type={name}&limit=1&count=true"
        status, count = ask(city, "GET", path)
        found[name] = count if status == 200 and isinstance(count, int) else 0
    status, told = ask(city, "GET", "/api/v1/data-sets/pump_register_demo/rows?limit=1&count=true")
    found["pump"] = int((told or {}).get("total") or 0) if status == 200 else 0
    return found


def walk_through() -> list[Finding]:
    """The whole walk; needs PostgreSQL, mosquitto, Chromium and the Hangzhou file."""
    if not POINTS.exists():
        raise NotRun("the Hangzhou public points are not here")
    os.environ["PINTU_EGRESS_ALLOW"] = "127.0.0.1"
    with (
        departments() as (server, port),
        tempfile.TemporaryDirectory(prefix="pintu-walk-", ignore_cleanup_errors=True) as name,
        a_browser() as browser,
    ):
        city = City(Path(name) / "data")
        try:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            address = f"http://127.0.0.1:{city.port}"
            walk = Walk(page=context.new_page(), address=address, lang="zh-CN")
            walk.sign_in(city.token)
            connect_three(walk, server, port)
            deadline = time.monotonic() + 60
            wanted = {"PointOfInterest": 844, "WeatherObserved": 1, "pump": PUMPS}
            found = arrived(city)
            while found != wanted and time.monotonic() < deadline:
                time.sleep(0.5)
                found = arrived(city)
            walk.mark("arrived")
            make_page(walk)
            walk.mark("page")
            look_again(walk, browser, city)
        finally:
            city.stop()
    minutes = walk.marks[-1][1] / 60
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in walk.marks)
    return [
        judged("three sources joined by pages", str(found), str(wanted), found == wanted),
        judged(
            "the walk, empty city to a page of the three",
            f"{minutes:.1f} min",
            f"≤ {BAR_MIN:.0f} min",
            minutes <= BAR_MIN,
            steps,
        ),
    ]


def make_page(walk: Walk) -> None:
    """A page of the three by the editor: a map of the file, a table of the database, and the
    newest value of the device."""
    page = walk.page
    walk.go("/boards/new/edit")
    page.fill("#name", "three")
    page.fill("[id='title.zh']", "三个来源")
    page.fill("[id='title.en']", "Three sources")
    add_block(walk, "map", "context.PointOfInterest", {"block.place": "location"})
    add_block(walk, "table", "pump_register_demo", {})
    add_block(walk, "number", "context.WeatherObserved", {"block.y": "temperature"})
    walk.shot("editor")
    page.click("#deed-save")
    page.wait_for_url("**/boards/three", timeout=20_000)
    page.wait_for_timeout(2_500)
    walk.shot("three")
    for told in ("demo pump 1", "三个来源"):
        if told not in page.inner_text("main"):
            raise NotRun(f"the page of the three does not show {told!r}")


def add_block(walk: Walk, kind: str, data_set: str, choices: dict[str, str]) -> None:
    """One block with its data set and columns; the editor answers after each choice."""
    page = walk.page
    page.click(f"#deed-add-{kind}")
    page.wait_for_function(
        "kind => document.querySelector(\"[name='block.kind']\")?.value === kind", arg=kind
    )
    page.wait_for_timeout(500)
    page.select_option("[id='block.data']", data_set)
    page.wait_for_timeout(1_200)
    for name, value in choices.items():
        page.select_option(f"[id='{name}']", value)
        page.wait_for_timeout(800)
    for box in page.query_selector_all("input[type=checkbox][name='block.columns']")[:4]:
        box.check()
    page.wait_for_timeout(800)


def look_again(walk: Walk, browser: Any, city: City) -> None:
    """The pages as a person sees them in both languages, at desk and phone width."""
    for lang in ("zh-CN", "en"):
        for width in (1440, 390):
            context = browser.new_context(viewport={"width": width, "height": 900})
            one = Walk(page=context.new_page(), address=walk.address, lang=lang)
            one.sign_in(city.token)
            for path, name in (
                ("/connect", "connect"),
                ("/connect/public_points", "source"),
                ("/connect/public_points/mapping", "mapping"),
                ("/sources", "sources"),
                ("/vocabulary", "vocabulary"),
                ("/vocabulary/types/PointOfInterest", "word"),
                ("/boards/three", "page"),
            ):
                one.go(path)
                one.page.wait_for_timeout(1_500)
                one.shot(f"{name}-{width}")
            context.close()


if __name__ == "__main__":
    for finding in walk_through():
        sys.stdout.write(finding.line() + "\n")
