"""A department hands in a list with rows nobody can read, mends the mapping on its page, tries the
held rows again, and they are on the map: in the city that `pintu up` starts, by its pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.http_ops import City

ROWS = 12
BAD = (3, 7, 11)
SOURCE = "halls"


def listed() -> bytes:
    """Town halls of a made-up town (演示); three are `盘点中`, which no code list has."""
    lines = ["编号,名称,经度,纬度,服务状态"]
    for number in range(ROWS):
        state = "盘点中" if number in BAD else "开放"
        place = f"{120.1 + number / 100:.4f},{30.2 + number / 200:.4f}"
        lines.append(f"H{number:02d},演示服务厅{number},{place},{state}")
    return "\n".join(lines).encode("utf-8-sig")


class FormOf(HTMLParser):
    """What the largest form of a page would send, as a browser fills it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = self._text = ""
        self._within = False
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in given}
        name = told.get("name", "")
        if tag == "form":
            self._within = "stack" in told.get("class", "")
        elif not self._within:
            return
        elif tag == "input" and name and (told.get("type") != "checkbox" or "checked" in told):
            self.values[name] = told.get("value", "on")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in told or self._select not in self.values:
                self.values[self._select] = told.get("value", "")
        elif tag == "textarea":
            self._text = name
            self.values[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.values[self._text] += data


class Officer:
    """Somebody with a browser and the administrator's token."""

    def __init__(self, city: City) -> None:
        self.here = f"http://127.0.0.1:{city.port}"
        self.client = httpx.Client(
            base_url=self.here, headers={"accept": "text/html", "accept-language": "zh-CN"},
            timeout=40,
        )  # fmt: skip
        self.post("/sign-in", token=city.token, next="/system")
        self.csrf = self.see("/system").partition('data-csrf="')[2].partition('"')[0]

    def see(self, path: str) -> str:
        answer = self.client.get(path)
        assert 200 == answer.status_code, answer.text[:2000]
        return answer.text

    def post(self, path: str, **form: str) -> str:
        answer = self.client.post(path, data=form, headers={"origin": self.here})
        assert 303 == answer.status_code, answer.text[:3000]
        return str(answer.headers["location"])

    def send(self, path: str, content: bytes = b"") -> Any:
        headers = {"x-csrf-token": self.csrf, "origin": self.here, "accept": "application/json"}
        answer = self.client.post(path, content=content, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def count(self, kind: str) -> int:
        path = f"/ngsi-ld/v1/entities?type={kind}&limit=0&count=true&local=true"
        answer = self.client.get(path, headers={"accept": "application/json"})
        return int(answer.headers.get("ngsild-results-count", "0"))


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Officer]:
    city = City(Path(tmp_path_factory.mktemp("rows")) / "data")
    try:
        one = Officer(city)
        yield one
        one.client.close()
    finally:
        city.stop()


def until(true: Callable[[], bool], seconds: float = 40.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.3)


def test_bad_rows_land_after_the_mapping_is_mended(officer: Officer) -> None:
    """Nine of twelve rows land, three wait with their lines; the value that was missing in the
    mapping is answered on its page; tried again, the three land and the quarantine is empty."""
    titles = {"title.zh": "服务厅（演示）", "title.en": "Service halls (demo)", "name": SOURCE}
    officer.post("/connect/new/upload", csrf=officer.csrf, **titles)
    officer.send(f"/api/v1/uploads/{SOURCE}?filename=halls.csv", listed())
    page = officer.see(f"/connect/{SOURCE}/mapping?type=PointOfInterest")
    assert "盘点中" in page  # the guess asks what it means
    form = FormOf(page).values
    tried = officer.post(f"/connect/{SOURCE}/mapping?table=halls", **form)
    assert "盘点中" in officer.see(tried)  # the dry run names the three
    officer.post(f"/connect/{SOURCE}/start", csrf=officer.csrf)
    until(lambda: officer.count("PointOfInterest") == ROWS - len(BAD))

    held = officer.see(f"/quarantine?source=loads/{SOURCE}")
    assert "盘点中" in held
    assert f"/quarantine?source=loads/{SOURCE}" in officer.see(f"/connect/{SOURCE}").replace(
        "%2F", "/"
    )
    entries = officer.client.get("/api/v1/quarantine", headers={"accept": "application/json"})
    numbers = [one["id"] for one in entries.json()]
    assert numbers

    form = FormOf(officer.see(f"/connect/{SOURCE}/mapping?table=halls")).values
    line = next(name for name, told in form.items() if told == "服务状态").removesuffix(".from")
    form[f"{line}.codes"] = "盘点中 = closed"
    officer.post(f"/connect/{SOURCE}/mapping?table=halls", **form)
    time.sleep(3)  # a change holds within two seconds
    for number in numbers:
        receipt = officer.send(f"/api/v1/quarantine/{number}/retry")
        assert 0 == receipt["quarantined"], receipt
    until(lambda: officer.count("PointOfInterest") == ROWS, 10)
    empty = officer.client.get("/api/v1/quarantine", headers={"accept": "application/json"})
    assert [] == empty.json()
