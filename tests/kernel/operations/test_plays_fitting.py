"""Plays that come by themselves, playbooks that cannot be, and what the city is told of a play."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.operations.journal import Deed
from pintu.kernel.store.port import settled

from .conftest import Home
from .plays_book import BOOK, begun, book, lit
from .plays_town import DUTY, SQUARE, Town, lamp, until

Open = Callable[..., Any]


@pytest.fixture
async def open_town(home: Home, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a city with four lamps and a playbook, again for what a restart sees."""
    towns: list[Town] = []

    async def make(told: dict[str, Any] | None = None, **more: Any) -> Town:
        town = Town(home(), tmp_path, **more)
        towns.append(town)
        if len(towns) == 1:
            town.configuration.save("playbooks", "full", told or BOOK, by="test")
            await town.put(*[lamp(number, 0.1 * number) for number in range(1, 5)])
        await town.start()
        return town

    yield make
    for town in towns:
        await town.end()


# --- by itself ------------------------------------------------------------------------------------
def incident(**more: Any) -> dict[str, Any]:
    """One beside the first lamp, as the room of incidents tells the city of it."""
    place = {"type": "Point", "coordinates": [120.001, 30.005]}
    return {
        "id": "urn:ngsi-ld:Incident:operations:9",
        "type": "Incident",
        "category": "infrastructure",
        "severity": "high",
        "location": {"type": "GeoProperty", "value": place},
        **more,
    }


def deed(town: Town, verb: str) -> Deed:
    """What the room of incidents says."""
    at_us = town.clock.now_us()
    return Deed(subject="incident:9", verb=verb, who="detector", at_us=at_us, tenant="demo")


@pytest.mark.parametrize(
    ("more", "count"), [({}, 1), ({"flood": True}, 0), ({"severity": "low"}, 0)]
)
async def test_an_incident_brings_what_fits_it_and_takes_it_along(
    open_town: Open, more: dict[str, Any], count: int
) -> None:
    """Once, however often it is raised; a flood brings nothing; when it is closed it is undone."""
    fit = {"kinds": ["incident"], "severities": ["high"]}
    near = {"targets": {"type": "Streetlight", "reach_m": 120}}
    town = await open_town({**book(step=near), "fit": fit})
    await town.put(incident(**more))
    for verb in ("opened", "raised"):
        town.plays._heard(deed(town, verb))
        await until(lambda: not town.plays.running._turns)
    found = await town.plays.list_for("incident:9")
    assert (count, [2] * count) == (len(found), [one.steps[0].targets for one in found])
    if found:
        await town.plays.approve(DUTY, found[0].id, "light")
        await until(partial(lit, town, 100, 100, 30, 40))
        town.plays._heard(deed(town, "closed"))
        await until(partial(lit, town, 10, 20, 30, 40))


async def test_a_playbook_that_cannot_be_is_left_out_and_told_of(open_town: Open) -> None:
    """Every mistake at once; the city's own plans go on."""
    town = await open_town()
    wrong = book(step={"enough": 2.0, "targets": {"type": "Streetlight", "q": "((("}})
    town.configuration.save("playbooks", "wrong", wrong, by="test")
    town.configuration.save("playbooks", "worse", {"title": "no"}, by="test")
    assert "full" in {one.name for one in town.plays.list_playbooks()}
    assert {"wrong", "worse"}.isdisjoint(one.name for one in town.plays.list_playbooks())
    assert 3 == len(town.plays.mistakes())


async def test_what_the_city_is_told_is_a_word_of_the_vocabulary(open_town: Open) -> None:
    """A plan is an entity whose state follows the play's; nobody's name is in it."""
    from pintu.vocabulary import vocabulary

    town = await open_town()
    id = await begun(town, area=SQUARE)
    tenant = town.store.tenant("demo")
    assert tenant is not None
    record = await settled(town.store.retrieve(tenant, f"urn:ngsi-ld:ResponsePlan:operations:{id}"))
    assert record is not None
    entity = orjson.loads(record.body)
    assert [] == vocabulary().check(entity)
    assert ("proposed", 4) == (entity["status"]["value"], entity["targetsTotal"]["value"])
    assert b"duty" not in record.body
