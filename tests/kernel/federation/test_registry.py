"""The registry: what was kept is there after a restart, on both stores; what is over is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pintu.kernel.errors import AlreadyExists, RegistrationConflict, ResourceNotFound
from pintu.kernel.federation import Happened, Registry, Wanted
from pintu.kernel.tables import open_tables
from tests.kernel.federation.registering import NOW_US, document, registration, types

LAMPS = Wanted(operation="queryEntity", types=types("Lamp"))


@dataclass(slots=True)
class Hand:
    """A clock that stands until the test moves it."""

    us: int = NOW_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@pytest.mark.asyncio
async def test_a_registration_outlives_a_restart(tmp_path: Path, stores: str) -> None:
    """Everything a registration says, who it is for, and that it is paused."""
    tables, clock = open_tables(tmp_path, stores), Hand()
    registry = Registry(tables, clock)
    told = registration("1", scope="/a/b", management={"timeout": 500}, operations=["retrieveOps"])
    kept = await registry.add(replace(told, node="north", agreement="AG-1", paused=True))
    await registry.add(replace(registration("2"), tenant="town"))
    tables.close()
    tables = open_tables(tmp_path, stores)
    again = Registry(tables, clock)
    assert kept == again.get("", kept.id)
    assert {"", "town"} == again.tenants
    assert [] == again.matching("", LAMPS), "a paused source is asked nothing"
    assert [kept.id] == [one.registration.id for one in again.discover("", LAMPS)]
    tables.close()


@pytest.mark.asyncio
async def test_listeners_hear_what_came_changed_and_went(tmp_path: Path) -> None:
    """In order, with what was before; an id is taken once, and nobody knows what was forgotten."""
    registry = Registry(open_tables(tmp_path), Hand())
    heard: list[Happened] = []
    registry.listen(heard.append)
    one = await registry.add(registration("1"))
    with pytest.raises(AlreadyExists, match="is registered already"):
        await registry.add(registration("1"))
    await registry.replace(registration("1", mode="redirect"))
    await registry.remove("", one.id)
    with pytest.raises(ResourceNotFound):
        await registry.remove("", one.id)
    assert ["added", "changed", "removed"] == [what.what for what in heard]
    assert [None, "inclusive", "redirect"] == [what.before and what.before.mode for what in heard]
    assert not registry.any("")


@pytest.mark.asyncio
async def test_what_is_over_is_gone(tmp_path: Path) -> None:
    """From the moment it expires nobody finds it; soon after, listeners hear and it is no more."""
    clock = Hand()
    registry = Registry(open_tables(tmp_path), clock)
    heard: list[Happened] = []
    one = await registry.add(registration("1", expiresAt="2023-11-14T22:14:00Z"))
    registry.listen(heard.append)
    clock.us += 30_000_000
    assert [one.id] == [share.registration.id for share in registry.matching("", LAMPS)]
    clock.us += 30_000_000
    assert [] == registry.matching("", LAMPS)
    with pytest.raises(ResourceNotFound):
        registry.get("", one.id)
    assert registry.any("")
    await registry.sweep()
    assert not registry.any("")
    assert ["removed"] == [what.what for what in heard]


EXCLUSIVE = {"entities": [{"type": "Lamp", "id": "urn:lamp:1"}], "propertyNames": ["level"]}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "second", "other", "refused"),
    [
        ("exclusive", "exclusive", EXCLUSIVE, True),
        ("exclusive", "redirect", EXCLUSIVE, True),
        ("redirect", "exclusive", EXCLUSIVE, True),
        ("redirect", "redirect", EXCLUSIVE, False),
        ("exclusive", "inclusive", EXCLUSIVE, False),
        ("inclusive", "exclusive", EXCLUSIVE, False),
        ("exclusive", "redirect", {"entities": [{"type": "Lamp"}]}, True),
        ("exclusive", "redirect", {"entities": [{"type": "Cabinet"}]}, False),
        ("exclusive", "redirect", {"entities": [{"type": "Lamp", "idPattern": "lamp:2"}]}, False),
        ("exclusive", "redirect", {"propertyNames": ["level"]}, True),
        ("exclusive", "redirect", {"propertyNames": ["colour"]}, False),
    ],
)
async def test_who_holds_data_alone(
    tmp_path: Path, first: str, second: str, other: dict[str, object], refused: bool
) -> None:
    """Nothing that is proxied stands beside an exclusive registration of the same data (4.3.6)."""
    registry = Registry(open_tables(tmp_path), Hand())
    await registry.add(registration("1", EXCLUSIVE, mode=first))
    adding = registry.add(registration("2", other, mode=second))
    if refused:
        with pytest.raises(RegistrationConflict):
            await adding
    else:
        await adding


@pytest.mark.asyncio
async def test_a_registration_does_not_stand_in_its_own_way(tmp_path: Path) -> None:
    """An exclusive one can be changed, though not into another's place."""
    registry = Registry(open_tables(tmp_path), Hand())
    await registry.add(registration("1", EXCLUSIVE, mode="exclusive"))
    await registry.replace(registration("1", EXCLUSIVE, mode="exclusive", description="x"))
    other = {"entities": [{"type": "Lamp", "id": "urn:lamp:2"}], "propertyNames": ["level"]}
    await registry.add(registration("2", other, mode="exclusive"))
    with pytest.raises(RegistrationConflict):
        await registry.replace(registration("2", EXCLUSIVE, mode="exclusive"))


def test_thousands_cost_little_more_than_ten() -> None:
    """Finding one of 3,000 by id and type, by type, or by a pattern looks at a few of them."""
    from pintu.kernel.federation.index import Index

    index = Index()
    for number in range(3_000):
        what = {"type": f"T{number % 900}"}
        if number % 3 == 1:
            what["id"] = f"urn:e:{number}"
        elif number % 3 == 2:
            what["idPattern"] = f"urn:city{number}:.*"
        one = registration(str(number), {"entities": [what]})
        index.add(one)
    looked = {
        "id": Wanted(ids=("urn:e:76",), types=types("T76")),
        "type": Wanted(types=types("T75")),
        "pattern": Wanted(ids=("urn:city77:lamp",), types=types("T77")),
    }
    assert {"id": 1, "type": 4, "pattern": 1} == {
        way: len(list(index.candidates(wanted))) for way, wanted in looked.items()
    }
    started = time.perf_counter()
    for _ in range(1_000):
        list(index.candidates(looked["pattern"]))
    assert 0.5 > time.perf_counter() - started, "far more than 20 µs each, even on a busy machine"
    assert document("1")["id"] == registration("1").id
