"""An entity's past: where values came from, and series with their gaps."""

from __future__ import annotations

import httpx
import msgspec
import orjson

from pintu.kernel.store.port import Change
from pintu.web.api.health import readiness
from pintu.web.api.past import gap_after_us, origins, with_gaps
from tests.web.small_city import LAMP, SmallCity


def change(position: int, verb: str, changed: tuple[str, ...] | None, source: str) -> Change:
    return Change(
        position=position,
        tenant=1,
        id="urn:1",
        types=("T",),
        verb=verb,  # type: ignore[arg-type]
        at_us=position * 1_000_000,
        source=source,
        changed=changed,
        payload=b"{}",
        previous=position - 1,
    )


def test_the_newest_write_of_each_attribute() -> None:
    """Each attribute came with the newest row that wrote it, within the present life."""
    log = [
        change(9, "updated", ("a",), "newest"),
        change(8, "updated", ("b",), "middle"),
        change(7, "created", None, "first"),
        change(6, "deleted", None, "before"),
        change(5, "created", None, "another life"),
    ]
    found = origins(log, ["a", "b", "c"])
    assert {"a": "newest", "b": "middle", "c": "first"} == {n: o.source for n, o in found.items()}
    assert {} == origins(log[3:], ["a"])


def test_a_gap_is_a_gap() -> None:
    """Where nothing came for five usual intervals a None stands, so that no line is drawn."""
    steady = [(n * 10_000_000, n) for n in range(10)]
    assert steady == with_gaps(steady)
    late = [*steady, (900_000_000, 5)]
    assert (90_000_001, None) == with_gaps(late)[10]
    assert 60_000_000 == gap_after_us([])


async def test_history_by_address(page: httpx.AsyncClient) -> None:
    """The series of an attribute holds each value in order; wrong wishes are refused."""
    where = f"/api/v1/history?id={LAMP.format(1)}&attribute="
    told = orjson.loads((await page.get(where + "illuminanceLevel")).content)
    assert [0.3, 0.7, 0.5] == told["values"][-3:]
    assert sorted(told["times"]) == told["times"]
    assert 400 == (await page.get(where + "voltage&hours=0")).status_code
    assert [] == (await page.get(where + "nothing")).json()["values"]


async def test_an_entity_by_address(page: httpx.AsyncClient) -> None:
    """The entity comes with where each value came from and its open alerts; others do not exist."""
    told = (await page.get(f"/api/v1/entities?id={LAMP.format(3)}")).json()
    assert "Streetlight" == told["entity"]["type"]
    assert "street_lights/mqtt" == told["origins"]["voltage"]["source"]
    assert 1 == len(told["alerts"])
    gone = await page.get("/api/v1/entities?id=urn:nobody")
    assert 404 == gone.status_code
    assert gone.headers["content-type"].startswith("application/problem+json")
    assert "urn:nobody" in gone.json()["detail"]


async def test_figures_for_prometheus(page: httpx.AsyncClient, city: SmallCity) -> None:
    """/metrics gives numbers by name in the text form; /readyz the newest position."""
    text = (await page.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert city.rooms.store.head() == float(lines["pintu_log_position"])
    assert float(lines["pintu_resident_bytes"]) > 1e6
    assert 2 == float(lines["pintu_quarantine_held"])
    ready = (await page.get("/readyz")).json()
    assert {"status": "ready", "position": city.rooms.store.head()} == ready


def test_readiness_says_what_is_wrong_with_the_store() -> None:
    """Away is 503; a standby and what was lost with a server are ready, and said."""
    status, told = readiness(7, {"away_s": 12.4, "writable": False})
    assert (503, "unavailable") == (status, told["status"])
    assert "for 12 s" in told["detail"]
    status, told = readiness(7, {"away_s": 0.0, "writable": False, "lost_positions": 3})
    assert (200, "ready", 7) == (status, told["status"], told["position"])
    assert "standby" in told["detail"] and "3 changes were lost" in told["detail"]
    assert (200, {"status": "ready", "position": 7}) == readiness(7, {"entities": 1})


async def test_the_interface_is_described(page: httpx.AsyncClient) -> None:
    """openapi.json names every operation of /api/v1 with a summary."""
    paths = (await page.get("/api/v1/openapi.json")).json()["paths"]
    assert {"/api/v1/map/lamps", "/api/v1/commands", "/api/v1/history"} <= set(paths)
    for path, operations in paths.items():
        for verb, operation in operations.items():
            assert operation.get("summary"), (path, verb)


def test_what_came_late_is_no_origin() -> None:
    """The present value came with the newest observation, not with the last row of the log."""
    now = {"a": {"type": "Property", "value": 2, "observedAt": "2026-01-01T08:00:02Z"}}
    then = b'{"a":{"type":"Property","value":1,"observedAt":"2026-01-01T08:00:01Z"}}'
    late = msgspec.structs.replace(change(9, "updated", ("a",), "late"), payload=then)
    log = [late, change(8, "updated", ("a",), "present")]
    assert "present" == origins(log, ["a"], now)["a"].source


async def test_the_chart_begins_with_what_moves(city: SmallCity, page: httpx.AsyncClient) -> None:
    """The first choice of the chart is a value that varied, not a fixed figure."""
    text = (await page.get(f"/entities/{LAMP.format(1)}")).text
    first = text.partition('<select id="attribute">')[2].partition('value="')[2]
    assert "illuminanceLevel" == first.partition('"')[0]
    assert first.index('"activePower"') < first.index('"workingHours"')
