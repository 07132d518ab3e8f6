"""Somebody connects a source by pages alone: told, looked at, mapped, tried, started."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from pintu.kernel.intake.doors.mapped import TableRows
from pintu.kernel.intake.mapping.frames import gcj02_from_wgs84
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.port import Op
from pintu.web.api.uploads import keep
from tests.web.conftest import HERE, sign_in
from tests.web.small_city import SmallCity, put

CSV = "编号,名称,学生数\nS1,演示一小,800\nS2,演示二小,\nS3,演示三小,abc\n".encode()


def errors_of(answer: httpx.Response) -> str:
    return re.sub(r"<[^>]+>", " ", answer.text)[:3000]


async def post(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await client.post(path, data=form, headers={"origin": HERE})


async def connect_upload(client: httpx.AsyncClient, csrf: str) -> None:
    """An upload source called schools, with its file handed in."""
    titles = {"title.zh": "学校（演示）", "title.en": "Schools (demo)"}
    form = {"csrf": csrf, "name": "schools", **titles}
    answer = await post(client, "/connect/new/upload", **form)
    assert 303 == answer.status_code, errors_of(answer)
    assert "/connect/schools/look" == answer.headers["location"]
    sent = await client.post(
        "/api/v1/uploads/schools?filename=../../学校.csv",
        content=CSV,
        headers={"x-csrf-token": csrf, "origin": HERE, "content-type": "application/octet-stream"},
    )
    assert 201 == sent.status_code, sent.text
    assert {"file": "学校.csv", "bytes": len(CSV), "next": "/connect/schools/look"} == sent.json()


async def test_a_stranger_cannot_connect(page: httpx.AsyncClient) -> None:
    """Without a session the form is refused, and nothing is kept."""
    assert 401 == (await page.get("/connect/new/upload")).status_code


async def test_every_door_has_a_form(page: httpx.AsyncClient, city: SmallCity) -> None:
    """Each door on the page opens a form that says what it must be told."""
    await sign_in(page, city)
    listed = (await page.get("/connect")).text
    doors = re.findall(r'href="/connect/new/(\w+)"', listed)
    assert {"mqtt", "push", "poll", "folder", "upload", "database"} <= set(doors)
    for door in doors:
        answer = await page.get(f"/connect/new/{door}")
        assert 200 == answer.status_code, door


async def test_a_form_without_a_title_says_so(page: httpx.AsyncClient, city: SmallCity) -> None:
    """What is missing comes back with what was typed."""
    csrf = await sign_in(page, city)
    answer = await post(page, "/connect/new/upload", csrf=csrf, owner="教育局")
    assert 400 == answer.status_code
    assert "give the source a name" in answer.text
    assert "教育局" in answer.text


async def test_a_form_without_its_csrf_token_is_refused(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Another site cannot connect a source in somebody's name."""
    await sign_in(page, city)
    answer = await post(page, "/connect/new/upload", **{"title.en": "x"})
    assert 403 == answer.status_code
    assert [] == city.rooms.configuration.list_saved("sources")


async def test_a_file_becomes_a_data_set(page: httpx.AsyncClient, city: SmallCity) -> None:
    """Handed in, looked at, mapped to a table, tried and started: one page after another."""
    csrf = await sign_in(page, city)
    await connect_upload(page, csrf)
    looked = await page.get("/connect/schools/look")
    assert 200 == looked.status_code
    assert "学生数" in looked.text
    mapped = await page.get("/connect/schools/mapping?target=table")
    assert 200 == mapped.status_code, errors_of(mapped)
    kept = await post(page, "/connect/schools/mapping", **mapping_form(csrf))
    assert 303 == kept.status_code, errors_of(kept)
    tried = await page.get(kept.headers["location"])
    assert 200 == tried.status_code, errors_of(tried)
    assert "abc" in tried.text  # the bad record is named before anything is kept
    started = await post(page, "/connect/schools/start", csrf=csrf)
    assert 303 == started.status_code
    saved = city.rooms.configuration.get("sources", "schools").content
    assert (True, ["schools"]) == (saved.get("enabled", True), saved["mappings"])
    assert "学生数" in city.rooms.configuration.get("datasets", "schools").text


def mapping_form(csrf: str, **changed: str) -> dict[str, str]:
    """The mapping of the three columns, as the page's form sends it."""
    rows = (("编号", "text", True), ("名称", "text", False), ("学生数", "whole", False))
    form = {"csrf": csrf, "version": "0", "target": "table", "data_set": "schools", "fields": "3"}
    for number, (column, kind, key) in enumerate(rows):
        form |= {f"f.{number}.from": column, f"f.{number}.to": column, f"f.{number}.kind": kind}
        form |= {f"f.{number}.key": "on"} if key else {}
    return form | changed


async def test_a_wrong_mapping_comes_back_with_every_mistake(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Nothing is kept of a mapping that cannot be read, and what was typed is still there."""
    csrf = await sign_in(page, city)
    await connect_upload(page, csrf)
    form = mapping_form(csrf, **{"f.2.unit": "furlong", "frame": "MARS"})
    answer = await post(page, "/connect/schools/mapping", **form)
    assert 400 == answer.status_code
    assert "furlong" in answer.text
    assert "MARS" in answer.text
    assert [] == city.rooms.configuration.list_saved("mappings")


async def test_a_source_that_nobody_mapped_does_not_start(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Start says what is missing."""
    csrf = await sign_in(page, city)
    await connect_upload(page, csrf)
    answer = await post(page, "/connect/schools/start", csrf=csrf)
    assert answer.status_code >= 400
    assert "no mapping yet" in answer.text


async def test_a_forgotten_source_is_gone_with_its_secret(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """The file of the source and its secret go; its versions stay."""
    csrf = await sign_in(page, city)
    form = {"csrf": csrf, "title.en": "Meters", "name": "meters", "s.password": "secret-7741"}
    answer = await post(page, "/connect/new/mqtt", **form, **{"s.broker": "mqtt://127.0.0.1:1"})
    keys = list((city.rooms.settings.data / "keys" / "sources").glob("*"))
    if answer.status_code == 303 and keys:
        assert [0o600] == [one.stat().st_mode & 0o777 for one in keys]
    shown = await page.get("/connect/meters")
    assert "secret-7741" not in shown.text
    await post(page, "/connect/meters/forget", csrf=csrf)
    assert [] == city.rooms.configuration.list_saved("sources")
    assert [] == list((city.rooms.settings.data / "keys" / "sources").glob("*"))
    assert 404 == (await page.get("/connect/meters")).status_code


async def test_a_file_of_a_strange_kind_is_refused(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """A program is not a table."""
    csrf = await sign_in(page, city)
    await connect_upload(page, csrf)
    answer = await page.post(
        "/api/v1/uploads/schools?filename=x.exe",
        content=b"MZ",
        headers={"x-csrf-token": csrf, "origin": HERE},
    )
    assert 400 == answer.status_code


async def test_the_same_file_handed_in_twice_at_once_is_whole(tmp_path: Path) -> None:
    """Two people who send one name do not write into each other's file."""

    async def parts(letter: bytes) -> AsyncIterator[bytes]:
        for _ in range(50):
            yield letter * 100
            await asyncio.sleep(0)

    target = tmp_path / "a.csv"
    sizes = await asyncio.gather(keep(parts(b"a"), target), keep(parts(b"b"), target))
    assert [5_000, 5_000] == list(sizes)
    assert target.read_bytes() in (b"a" * 5_000, b"b" * 5_000)
    assert [target] == list(tmp_path.iterdir())


async def test_a_source_whose_file_is_broken_can_be_forgotten(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Its page says what is wrong and offers it; the file is kept beside the versions."""
    csrf = await sign_in(page, city)
    folder = city.rooms.configuration.folder
    path = folder / "sources" / "meters.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('door = "mqtt\n', "utf-8")
    shown = await page.get("/connect/meters")
    assert 'action="/connect/meters/forget"' in shown.text
    answer = await post(page, "/connect/meters/forget", csrf=csrf)
    assert (303, False) == (answer.status_code, path.exists())
    assert 404 == (await page.get("/connect/meters")).status_code
    (kept,) = (folder / ".versions" / "sources" / "meters").glob("broken-*.toml")
    assert 'door = "mqtt\n' == kept.read_text("utf-8")


async def test_both_sources_tell_what_they_say_differently(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Two departments fill one data set: the page of each names the key, both values and since
    when, in the visitor's language."""
    await sign_in(page, city)
    columns = [{"name": "id", "key": True}, {"name": "beds", "title": {"zh": "床位", "en": "Beds"}}]
    configuration = city.rooms.configuration
    configuration.save("datasets", "wards", {"provider": "table", "columns": columns}, by="t")
    fields = [{"from": "id", "to": "id", "key": True}, {"from": "beds", "to": "beds"}]
    mapping = {"target": "table", "data_set": "wards", "fields": fields}
    for name, beds in (("health", "12"), ("civil", "15")):
        configuration.save("mappings", name, mapping, by="t")
        configuration.save("sources", name, {"door": "push", "mappings": [name]}, by="t")
        rows = [Row("W1", {"id": "W1", "beds": beds}), Row("W2", {"id": "W2", "beds": "9"})]
        found = TableRows(mapping=name, data_set="wards", rows=rows)
        await city.rooms.exchange.arrivals(name)(found, "m1")
    health = (await page.get("/connect/health", headers={"accept-language": "en"})).text
    civil = (await page.get("/connect/civil", headers={"accept-language": "zh-CN"})).text
    assert "health/health says 12, civil/civil says 15 for Beds of W1" in health
    assert "W1 的“床位”：civil/civil 说 15，health/health 说 12" in civil
    assert "W2" not in civil


async def test_the_offered_frame_is_taken_by_one_press(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """A dry run finds that points lie as GCJ-02 would put them: its button reads them so from then
    on, as a new version; a frame nobody offers is refused."""
    csrf = await sign_in(page, city)
    await connect_upload(page, csrf)
    number = await city.rooms.store.open_tenant("demo")
    lines = ["编号,名称,经度,纬度"]
    for n in range(8):
        at = (120.1 + n / 50, 30.2 + n / 70)
        entity: dict[str, Any] = {
            "id": f"urn:ngsi-ld:PointOfInterest:known:P{n}",
            "type": "PointOfInterest",
            "name": {"type": "Property", "value": f"演示点{n}"},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": at}},
        }
        await city.rooms.store.submit([Op(number, entity["id"], fresh=put(entity))], "test")
        lon, lat = gcj02_from_wgs84(*at)
        lines.append(f"P{n},演示点{n},{lon:.6f},{lat:.6f}")
    data = city.rooms.settings.data / "uploads" / "schools"
    for one in data.glob("*.csv"):
        one.unlink()
    (data / "points.csv").write_text("\n".join(lines), "utf-8")
    await page.get("/connect/schools/look?again=1")
    form = {
        "csrf": csrf, "version": "0", "target": "context", "type": "PointOfInterest",
        "id": "{编号}", "frame": "WGS-84", "fields": "2",
        "f.0.from": "名称", "f.0.to": "name", "f.0.kind": "text",
        "f.1.from": "经度\t纬度", "f.1.to": "location", "f.1.kind": "point",
    }  # fmt: skip
    kept = await post(page, "/connect/schools/mapping", **form)
    assert 303 == kept.status_code, errors_of(kept)
    tried = (await page.get(kept.headers["location"])).text
    assert 'name="frame" value="GCJ-02"' in tried, re.sub(r"<[^>]+>", " ", tried)[:2000]
    path = re.search(r'action="(/connect/schools/frame[^"]*)"', tried)
    assert path is not None
    told = {"csrf": csrf, "version": "1"}
    refused = await post(page, path[1], **told, frame="MARS")
    assert 400 == refused.status_code
    taken = await post(page, path[1], **told, frame="GCJ-02")
    assert 303 == taken.status_code, errors_of(taken)
    saved = city.rooms.configuration.get("mappings", "schools")
    assert (2, "GCJ-02") == (saved.version, saved.content["frame"])
    again = (await page.get(taken.headers["location"])).text
    assert "/connect/schools/frame" not in again
