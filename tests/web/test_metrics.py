"""What is counted of a city: told to whom it may be told, in two forms, and naming nobody."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from pintu.kept_state import BASE, STREAM, keep_state
from pintu.kernel.counting import many
from pintu.kernel.store.pausing import Pausable
from pintu.web.metrics.meter import KEPT_SLOWEST, Meter
from pintu.web.metrics.sampling import STEPS, sampled
from pintu.web.metrics.screens import Screen
from pintu.web.ngsi_ld import Broker
from pintu.web.ngsi_ld.message import Request, Response
from tests.web.small_city import SmallCity

LAMP = b"/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:street_lights:L00001"


async def ask(broker: Broker, city: SmallCity, method: str, path: bytes, body: bytes = b"") -> int:
    headers = {b"authorization": f"Bearer {city.admin}".encode(), b"ngsild-tenant": b"demo"}
    if body:
        headers |= {b"content-type": b"application/json"}
        headers |= {b"content-length": b"%d" % len(body)}
    answer = broker.handle(Request(method, path, b"", headers, body, "127.0.0.1"))
    told = answer if isinstance(answer, Response) else await answer
    return told.status


async def test_figures_come_in_both_forms(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Parsers of Prometheus and of OpenMetrics read every family; what a monitoring system needs
    is among them."""
    city.rooms.meter.count(Screen("queryEntities", {b"ngsild-tenant": b"demo"}), 200, 0.003)
    answer = await page.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {one.name for one in read_text(answer.text)}
    wanted = {
        "pintu_requests", "pintu_request_seconds", "pintu_log_position", "pintu_feed_lag",
        "pintu_store_waiting", "pintu_store_bytes", "pintu_learned_indexes", "pintu_open_files",
        "pintu_intake_accepted", "pintu_intake_quarantined", "pintu_sources",
        "pintu_process_cpu_seconds", "pintu_process_resident_bytes", "pintu_quarantine_held",
    }  # fmt: skip
    assert set() == wanted - names
    accept = {"accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}
    answer = await page.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert set() == wanted - {one.name for one in read_open(answer.text)}


async def test_how_old_backups_are_is_told(
    city: SmallCity, page: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Where settings ask for backups: the age of the last whole copy, how far behind the stream is,
    and that they stand still."""
    settings = city.rooms.settings
    assert "pintu_backup" not in (await page.get("/metrics")).text
    kept = {"folder": "/x", "keys": "open"}
    city.rooms.settings = replace(settings, data=tmp_path, backup=kept)
    assert "pintu_backup_trouble 0.0" in (await page.get("/metrics")).text
    now_us = time.time_ns() // 1000
    keep_state(tmp_path, BASE, {"as_of_us": now_us - 7_200_000_000})
    keep_state(tmp_path, STREAM, {"at_us": now_us - 5_000_000, "trouble": "disk full"})
    told = {one.name: one.samples[0].value for one in read_text((await page.get("/metrics")).text)
            if one.name.startswith("pintu_backup")}  # fmt: skip
    assert 1 == told["pintu_backup_trouble"]
    assert 7_200 <= told["pintu_backup_age_seconds"] < 9_000
    assert 5 <= told["pintu_backup_behind_seconds"] < 1_800


async def test_strangers_read_no_figures(city: SmallCity) -> None:
    """From elsewhere a token that may operate is needed; by setting on this machine, too."""
    from pintu.web.app import build_app

    app: Any = build_app(city.rooms)
    key = {"authorization": f"Bearer {city.admin}"}

    async def status(peer: str, headers: dict[str, str]) -> int:
        transport = httpx.ASGITransport(app=app, client=(peer, 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/metrics", headers=headers)).status_code

    assert [401, 200, 200] == [
        await status("203.0.113.9", {}), await status("203.0.113.9", key),
        await status("127.0.0.1", {}),
    ]  # fmt: skip
    city.rooms.settings = replace(city.rooms.settings, metrics="token")
    assert [401, 200] == [await status("127.0.0.1", {}), await status("127.0.0.1", key)]


def test_labels_are_bounded() -> None:
    """Thousands of tenants are one class; a thousand slow requests leave ten, the slowest."""
    meter = Meter()
    meter.hosted(["county_a"], "demo")
    for number in range(2_000):
        asked = Screen("createEntity", {b"ngsild-tenant": b"t%d" % number})
        meter.count(asked, 201, number / 1e6)
    for tenant, name in ((b"", "default"), (b"demo", "demo"), (b"county_a", "hosted")):
        meter.count(Screen("createEntity", {b"ngsild-tenant": tenant}), 201, 0.001)
        assert ("createEntity", 201, name) in meter.rows
    assert 4 == len(meter.rows)
    assert 2_000 == many(meter.rows["createEntity", 201, "other"])
    assert KEPT_SLOWEST == len(meter.slowest)
    assert 1_990 == min(one.took_us for one in meter.slowest)
    meter.tick()
    meter.count(Screen("createEntity", {}), 201, 0.001)
    _, found = meter.lately()
    assert 1 == many(found["createEntity"])


@pytest.mark.parametrize("body", [b"", b'{"powerState":{"type":"Property","value":"on"}}'])
async def test_a_sampled_request_is_answered_the_same(city: SmallCity, body: bytes) -> None:
    """The way on which steps are timed gives the answer of the other, and a time for each step."""
    broker = Broker(city.rooms)
    other = sampled(broker)
    method = "PATCH" if body else "GET"
    assert await ask(broker, city, method, LAMP, body) == await ask(other, city, method, LAMP, body)
    assert 404 == await ask(other, city, "GET", LAMP + b"0")
    assert 2 == other.steps.requests
    spent = other.steps.spent
    assert STEPS == tuple(spent)
    assert min(spent[name] for name in ("parse", "who", "gate", "check", "store")) > 0
    assert (spent["wait"] > 0) == bool(body)
    assert 1 == pytest.approx(sum(share for _, _, share in other.steps.shares()))


async def test_a_sampled_request_writes_nothing_while_the_city_moves(city: SmallCity) -> None:
    """A paused store refuses on the way that is timed as on every other."""
    store: Any = Pausable(city.rooms.store, lambda: False)
    city.rooms.store = store
    other, body = sampled(Broker(city.rooms)), b'{"powerState":{"type":"Property","value":"on"}}'
    await store.pause(60)
    assert 503 == await ask(other, city, "PATCH", LAMP, body)
    store.resume()
    assert 204 == await ask(other, city, "PATCH", LAMP, body)
