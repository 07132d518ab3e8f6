"""The foreman's list: a table of states, walked in every combination."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pintu.kit import Changed, ResourceNotFound, StateConflict
from pintu.kit.tables import open_tables
from pintu.kit.testing import FakeClock
from pintu.pieces.street_lights.model import Fault, alert_id
from pintu.pieces.street_lights.service import LIST, TABLE, TABLES, FaultService

ALERT = alert_id(Fault.FAILED, "L1")
STATES = ("open", "assigned", "repaired", "closed")
DEEDS = ("assign", "release", "report_repair", "verify", "reopen")
PATH = {
    "open": (),
    "assigned": ("assign",),
    "repaired": ("assign", "report_repair"),
    "closed": ("assign", "report_repair", "CLEAR", "verify"),
}


@pytest.fixture
def service(tmp_path: Path, stores: str) -> Iterator[FaultService]:
    """A service on tables of its own, on each store."""
    tables = open_tables(tmp_path, stores)
    yield FaultService(tables.register(TABLES), FakeClock())
    tables.close()


def alert(status: str, name: str = ALERT) -> Changed:
    entity: dict[str, Any] = {
        "id": name, "type": "Alert",
        "status": {"value": status},
        "name": {"languageMap": {"zh": "不亮：青榆路3号杆", "en": "Failed lamp: 青榆路3号杆"}},
        "alertSource": {"object": "urn:ngsi-ld:Streetlight:street_lights:L1"},
    }  # fmt: skip
    return Changed(name, ("Alert",), "updated", 0, "", entity)


async def brought_to(service: FaultService, state: str) -> None:
    await service.changed(alert("open"), 1_000_000)
    for step in PATH[state]:
        if step == "CLEAR":
            await service.changed(alert("cleared"), 2_000_000)
        else:
            await service.do(LIST, ALERT, action=step, actor="foreman")


@pytest.mark.parametrize(("state", "action"), list(product(STATES, DEEDS)))
async def test_the_table_is_all_that_may_happen(
    service: FaultService, state: str, action: str
) -> None:
    """Each pair of the table does what it says; every other one is refused and changes nothing."""
    await brought_to(service, state)
    wanted = TABLE.get((state, action))
    if wanted is None or action == "verify":
        with pytest.raises(StateConflict):
            await service.do(LIST, ALERT, action=action, actor="foreman")
    else:
        done = await service.do(LIST, ALERT, action=action, actor="foreman")
        assert wanted == done["state"]


async def test_a_fault_appears_with_what_a_person_needs(service: FaultService) -> None:
    """What, where, since when, and what may be done."""
    await service.changed(alert("open"), 1_795_183_205_000_000)
    (row,) = await service.rows(LIST)
    wanted = ("不亮", "青榆路3号杆", "2026-11-20T14:00:05Z", "faulty", ["assign"])
    told = (row["kind"]["title"]["zh"], row["place"], row["since"], row["measured"], row["actions"])
    assert wanted == told


async def test_a_repair_is_verified_by_measurement_only(service: FaultService) -> None:
    """While the lamp still measures as faulty nobody can close it; then it closes and leaves the
    list."""
    await brought_to(service, "repaired")
    with pytest.raises(StateConflict):
        await service.do(LIST, ALERT, action="verify", actor="foreman")
    await service.changed(alert("cleared"), 2_000_000)
    done = await service.do(LIST, ALERT, action="verify", actor="foreman")
    assert (done["state"], await service.rows(LIST)) == ("closed", [])


async def test_what_clears_by_itself_closes_and_comes_back(service: FaultService) -> None:
    """An open fault that is gone needs nobody; back again it is open again."""
    await brought_to(service, "open")
    await service.changed(alert("cleared"), 2_000_000)
    assert await service.rows(LIST) == []
    await service.changed(alert("open"), 3_000_000)
    assert [one["state"] for one in await service.rows(LIST)] == ["open"]


async def test_every_deed_is_written_down(service: FaultService) -> None:
    """Who did what, in order; told twice it is written once."""
    await brought_to(service, "repaired")
    await service.changed(alert("open"), 2_000_000)
    told = [(one["action"], one["actor"]) for one in await service.deeds(ALERT)]
    wanted = [
        ("raised", "street_lights/detect"),
        ("assign", "foreman"),
        ("report_repair", "foreman"),
    ]
    assert wanted == told


async def test_other_pieces_alerts_are_not_ours(service: FaultService) -> None:
    """An alert of another piece, or of a kind nobody knows, makes no row."""
    await service.changed(alert("open", "urn:ngsi-ld:Alert:water:failed:P1"), 1)
    await service.changed(alert("open", "urn:ngsi-ld:Alert:street_lights:stolen:L1"), 1)
    assert await service.rows(LIST) == []


async def test_an_unknown_list_or_row_does_not_exist(service: FaultService) -> None:
    """404, not an empty answer."""
    with pytest.raises(ResourceNotFound):
        await service.rows("orders")
    with pytest.raises(ResourceNotFound):
        await service.do(LIST, "nothing", action="assign", actor="foreman")
