"""/api/v1/analyses: what pieces ask of history as a whole, over the address."""

from __future__ import annotations

import httpx

from tests.web.conftest import browser
from tests.web.small_city import LAMP, SmallCity

PLACE = "/api/v1/analyses"


async def test_a_question_of_a_piece_is_answered(page: httpx.AsyncClient, city: SmallCity) -> None:
    """The list says what there is; an answer has columns of equal length, and what it cost."""
    told = {one["name"]: one for one in (await page.get(PLACE)).json()}
    assert ["Streetlight"] == told["burning_hours"]["types"]
    found = (await page.get(f"{PLACE}/burning_hours?ids={LAMP.format(1)}")).json()
    assert "duckdb" == found["engine"] and 0 == found["passed"] and found["read"] > 0
    assert {LAMP.format(1)} == set(found["columns"]["id"])
    assert 1 == len({len(column) for column in found["columns"].values()})
    many = ",".join(["urn:x:1"] * 1_001)
    for wrong, status in {
        "/nothing": 404, "/burning_hours?since=yesterday": 400, f"/burning_hours?ids={many}": 400,
        "/burning_hours?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z": 400,
    }.items():  # fmt: skip
        assert status == (await page.get(PLACE + wrong)).status_code, wrong


async def test_strangers_ask_nothing(city: SmallCity) -> None:
    """Who may not read the city may not add it up either."""
    async with browser(city, peer="10.0.0.7") as stranger:
        for path in (PLACE, f"{PLACE}/burning_hours"):
            assert (await stranger.get(path)).status_code in (401, 403)
