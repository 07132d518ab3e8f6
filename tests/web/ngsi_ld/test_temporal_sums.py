"""Aggregations from sums that are kept ready equal those from rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from pintu.kernel.analytics.history import History
from pintu.kernel.tables import open_tables
from pintu.web.ngsi_ld import temporal_reading
from tests.web.ngsi_ld.doors import Door, header, open_door

QUERY = "/temporal/entities?type=Lamp&attrs=power&timerel=after&timeAt=2025-03-01T00:00:00Z"
SUMS = "&options=aggregatedValues&aggrMethods=sum,avg,min,max,sumsq,totalCount"


@pytest_asyncio.fixture
async def packed(tmp_path: Path) -> AsyncIterator[Door]:
    """A door over a store whose log is packed, with three lamps read every quarter of an hour."""
    tables = open_tables(tmp_path, "sqlite:")
    async for door in open_door(tmp_path, "sqlite:"):
        rooms: Any = door.broker.rooms
        history = History(rooms.store, tables, rooms.clock, "sqlite:")
        rooms.past = history.past
        for lamp in range(3):
            whole = {"id": f"urn:lamp:{lamp}", "type": "Lamp", "level": reading(1, 0)}
            await door("POST", "/entities", {**whole, "power": reading(0.1, 0)})
            for quarter in range(20):
                told = {"power": reading(quarter * 0.1 + lamp, quarter)}
                await door("POST", f"/entities/urn:lamp:{lamp}/attrs", told)
        yield door
    tables.close()


def reading(value: float, quarter: int) -> dict[str, Any]:
    """A Property of a quarter of an hour."""
    at = f"2025-03-01T{quarter // 4:02d}:{quarter % 4 * 15:02d}:00Z"
    return {"type": "Property", "value": value, "observedAt": at}


@pytest.mark.parametrize("more", ["", "&limit=1&offset=1", "&orderBy=id;desc"])
@pytest.mark.parametrize("period", ["PT1H", "PT2H", "P1D"])
async def test_sums_and_rows_say_the_same(
    packed: Door, period: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, with the same links."""
    path = f"{QUERY}{SUMS}&aggrPeriodDuration={period}{more}"
    quick = await packed("GET", path)
    monkeypatch.setattr(temporal_reading, "summable", lambda question: False)
    slow = await packed("GET", path)
    assert orjson.loads(slow.body) == orjson.loads(quick.body)
    assert header(slow, b"link") == header(quick, b"link")
    assert 200 == quick.status and b'"sum"' in quick.body


@pytest.mark.parametrize(
    "told",
    [
        [{"power": reading(7, 3)}],
        [{"power": {**reading(7, 3), "datasetId": "urn:a"}}],
        [{"power": {**reading(7, 3), "value": "x"}}],
    ],
)
async def test_what_was_told_later_is_in_it(packed: Door, told: list[Any]) -> None:
    """An instance told anew, another data set, a text: the rows are asked."""
    path = f"{QUERY}{SUMS}&aggrPeriodDuration=PT1H&limit=1"
    before = (await packed("GET", path)).body
    for one in told:
        body = {"id": "urn:lamp:0", "type": "Lamp", **one}
        assert 204 == (await packed("POST", "/temporal/entities", body)).status
    after = (await packed("GET", path)).body
    assert before != after
