"""The inspector's list: a table of states, walked in every combination."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pintu.kit import Changed, ResourceNotFound, StateConflict
from pintu.kit.tables import open_tables
from pintu.kit.testing import FakeClock
from pintu.pieces.environment.model.cases import Case, alert_id
from pintu.pieces.environment.service import LIST, TABLE, TABLES, CaseService

EXCEEDED = alert_id(Case.EXCEEDANCE, "S0~pm25")
DROPPED = alert_id(Case.SUDDEN_DROP, "S0~pm25")
STATES = ("open", "assigned", "found", "closed")
DEEDS = ("assign", "release", "report_finding", "close", "reopen")
PATH = {
    "open": (),
    "assigned": ("assign",),
    "found": ("assign", "report_finding"),
    "closed": ("assign", "report_finding", "close"),
}


@pytest.fixture
def service(tmp_path: Path, stores: str) -> Iterator[CaseService]:
    """A service on tables of its own, on each store."""
    tables = open_tables(tmp_path, stores)
    yield CaseService(tables.register(TABLES), FakeClock())
    tables.close()


def alert(status: str, name: str = EXCEEDED) -> Changed:
    entity: dict[str, Any] = {
        "id": name, "type": "Alert", "status": {"value": status},
        "name": {"languageMap": {"zh": "PM2.5 超标：演示站", "en": "Exceedance, PM2.5: 演示站"}},
        "description": {"languageMap": {"zh": "均值 80，超过限值 60", "en": "80, above 60"}},
        "alertSource": {"object": "urn:ngsi-ld:AirQualityObserved:environment:S0"},
    }  # fmt: skip
    return Changed(name, ("Alert",), "updated", 0, "", entity)


async def brought_to(service: CaseService, state: str, name: str = EXCEEDED) -> None:
    await service.changed(alert("open", name), 1_000_000)
    for step in PATH[state]:
        await service.do(LIST, name, action=step, actor="inspector", note="seen")


@pytest.mark.parametrize(("state", "action"), list(product(STATES, DEEDS)))
async def test_the_table_is_all_that_may_happen(
    service: CaseService, state: str, action: str
) -> None:
    """Each pair of the table does what it says; every other one is refused and changes nothing."""
    await brought_to(service, state)
    wanted = TABLE.get((state, action))
    if wanted is None:
        with pytest.raises(StateConflict):
            await service.do(LIST, EXCEEDED, action=action, actor="inspector", note="seen")
    else:
        done = await service.do(LIST, EXCEEDED, action=action, actor="inspector", note="seen")
        assert wanted == done["state"]


async def test_a_case_appears_with_what_an_inspector_needs(service: CaseService) -> None:
    """What, which pollutant, where, why, since when, and what may be done."""
    await service.changed(alert("open"), 1_795_183_205_000_000)
    (row,) = await service.rows(LIST)
    assert (
        row["kind"]["title"]["zh"], row["pollutant"], row["place"], row["reason"]["title"]["zh"],
        row["measured"], row["actions"],
    ) == ("超标", "PM2.5", "演示站", "均值 80，超过限值 60", "holds", ["assign"])  # fmt: skip


async def test_an_exceedance_that_is_over_closes_by_itself(service: CaseService) -> None:
    """It needs nobody; there again it is open again."""
    await brought_to(service, "open")
    await service.changed(alert("cleared"), 2_000_000)
    assert await service.rows(LIST) == []
    await service.changed(alert("open"), 3_000_000)
    assert [one["state"] for one in await service.rows(LIST)] == ["open"]


async def test_a_suspicion_stays_until_somebody_has_looked(service: CaseService) -> None:
    """A station that is right again may have been tampered with all the same."""
    await brought_to(service, "open", DROPPED)
    await service.changed(alert("cleared", DROPPED), 2_000_000)
    (row,) = await service.rows(LIST)
    assert (row["state"], row["measured"]) == ("open", "cleared")


async def test_a_finding_says_something(service: CaseService) -> None:
    """An empty one is refused."""
    await brought_to(service, "assigned")
    with pytest.raises(StateConflict):
        await service.do(LIST, EXCEEDED, action="report_finding", actor="inspector", note=" ")


async def test_suspicions_come_before_exceedances(service: CaseService) -> None:
    """The gravest first, then the oldest."""
    await service.changed(alert("open"), 1)
    await service.changed(alert("open", DROPPED), 2)
    assert [one["id"] for one in await service.rows(LIST)] == [DROPPED, EXCEEDED]


async def test_every_deed_is_written_down(service: CaseService) -> None:
    """Who did what, in order; told twice it is written once."""
    await brought_to(service, "found")
    await service.changed(alert("open"), 2_000_000)
    told = [(one["action"], one["actor"], one["note"]) for one in await service.deeds(EXCEEDED)]
    assert told == [
        ("raised", "environment/detect", ""),
        ("assign", "inspector", "seen"),
        ("report_finding", "inspector", "seen"),
    ]


async def test_other_alerts_are_not_ours_and_unknown_rows_do_not_exist(
    service: CaseService,
) -> None:
    """An alert of another piece makes no row; 404, not an empty answer."""
    await service.changed(alert("open", "urn:ngsi-ld:Alert:water:exceedance:S0"), 1)
    await service.changed(alert("open", "urn:ngsi-ld:Alert:environment:stolen:S0"), 1)
    assert await service.rows(LIST) == []
    with pytest.raises(ResourceNotFound):
        await service.rows("orders")
    with pytest.raises(ResourceNotFound):
        await service.do(LIST, "nothing", action="assign", actor="inspector")
