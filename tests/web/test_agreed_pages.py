"""The map, lists, search and pages of things under an agreement: narrowed, counted, written down.

What they show is compared with a plain model by `claims exchange-leaks`; here is the rest.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

from claims.exchange_leaks_city import PURPOSE, Scene, open_scene
from pintu.kernel.access import Mask
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.words import Condition
from pintu.web import events

REASON = "入学登记需要核对"
WHY = {"agreement": "ag-1", "purpose": PURPOSE, "reason": REASON}
TERMS = Terms(
    data_set="sensors", provider="works", consumer="school", purpose=PURPOSE, basis="law",
    fields={"district": Mask(), "location": Mask(), "note": Mask(kind="truncate", keep=3)},
    where=(Condition("district", "=", "D1"),), limits=Limits(calls_a_minute=0, rows_a_day=100),
)  # fmt: skip


async def test_screens_under_an_agreement(tmp_path: Path, monkeypatch: Any) -> None:
    """Each answer has its row, with who, why and how many; links go on under the agreement; who
    names no purpose, asks for a past, or for another page learns nothing; a stream tells nothing
    but that it is time to ask again; past the rows of a day and once revoked nothing is shown."""
    scene = await open_scene(tmp_path, random.Random(3))
    scene.shelf.put(Agreement(id="ag-1", version=1, terms=TERMS, state="active"))
    audit = scene.city.rooms.audit
    assert audit is not None
    seen = [one["id"] for one in scene.entities
            if "Sensor" in one["type"] and one["district"]["value"] == "D1"]  # fmt: skip
    try:
        shown = await ask(scene, "/entities?type=Sensor")
        assert 200 == shown.status_code
        assert f"agreement=ag-1&amp;purpose={PURPOSE}" in shown.text
        row = await audit.row(int(shown.headers["pintu-receipt"].partition(";")[0]))
        assert ("school", REASON, "ag-1/1", len(seen)) == (
            row.organisation, row.reason, row.agreement, row.rows
        )  # fmt: skip
        assert audit.digest(shown.content) == row.answer
        lamps = (await ask(scene, "/api/v1/map/lamps")).json()
        assert lamps["size"] <= len(seen) and lamps["open"] == 0
        assert 'data-why="agreement=ag-1' in (await ask(scene, "/")).text
        by_header = {f"pintu-{name}": quote(value) for name, value in WHY.items()}
        told = await scene.web.get(
            f"/api/v1/entities?id={seen[0]}", headers={**scene.headers, **by_header}
        )
        assert {"entity"} == told.json().keys()
        refused = {
            "/api/v1/map/lamps?at=2026-01-01T00:00:00Z": 400,
            f"/entities/{seen[0]}?part=commands": 403,
            "/events?topics=map,commands": 403,
            "/entities?type=Sensor&sort=note": 403,
            "/entities?type=Sensor&q=secret": 403,
            "/entities/urn:ngsi-ld:Sensor:none": 404,
        }
        assert refused == {path: (await ask(scene, path)).status_code for path in refused}
        assert 403 == (await ask(scene, "/entities?type=Sensor", purpose="curiosity")).status_code
        assert 403 == (await ask(scene, "/api/v1/search?q=Q", reason="test")).status_code
        assert 403 == (await ask(scene, "/wall")).status_code  # it knows no masks: one's own rights
        monkeypatch.setattr(events, "MINUTE_S", 0.01)
        stream = (await ask(scene, "/events")).text
        assert "resync" in stream and "Sensor" not in stream and "event: map" not in stream
        for _ in range(20):
            last = await ask(scene, "/entities?type=Sensor&format=csv")
        assert 429 == last.status_code
        scene.shelf.known.clear()
        assert 403 == (await ask(scene, "/api/v1/map/lamps")).status_code
    finally:
        await scene.web.aclose()
        await scene.city.close()


async def ask(scene: Scene, path: str, **more: str) -> Any:
    """A screen as the school office asks for it."""
    return await scene.web.get(
        path.partition("?")[0],
        params={**dict(one.split("=", 1) for one in path.partition("?")[2].split("&") if one),
                **WHY, **more},
        headers=scene.headers,
    )  # fmt: skip
