"""What pieces declare as questions about the past is answered by an engine as they would."""

from __future__ import annotations

import random
import tomllib
from datetime import date
from typing import Any

import pytest

from pintu.kernel.analytics.engines.answering import Order, answered_by
from pintu.kernel.analytics.engines.engine import DuckEngine
from pintu.kernel.analytics.engines.gathering import gather
from pintu.kernel.analytics.engines.words import Answer, Limits, Question
from pintu.kernel.context.record import Put, Record
from pintu.kernel.errors import ConfigurationError, ResourceNotFound
from pintu.kernel.store.port import Op
from pintu.kit import find_pieces, load_piece
from pintu.kit.analyses import PieceAnalyses
from pintu.kit.manifest import parse_manifest
from pintu.pieces.environment.model.air import POLLUTANTS, date_of, hours_of, station_id
from pintu.pieces.environment.model.index import limits_at, report
from pintu.pieces.environment.model.means import day_values
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading

HOUR_US = 3_600_000_000
ZONE = "Asia/Shanghai"
TENANTS = {"environment": "demo", "street_lights": "demo"}
ONE_STORE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
PIECES = find_pieces()
BY_NAME = {one.name: one for one in PIECES}


def analyses(town: Town) -> PieceAnalyses:
    """As a city has them, with an engine in this process."""
    engine = DuckEngine(town.history.filing.folder, Limits())

    async def ask(tenant: int, question: Question) -> Answer:
        folder, limits = town.history.filing.folder, Limits()
        read = town.history.opened.read
        source = await read(lambda c: gather(c, folder, tenant, question, limits))
        return answered_by(engine, source, Order(tenant, question), limits)

    return PieceAnalyses(PIECES, ask, zone=ZONE, told={}, tenants=TENANTS)


async def tell(town: Town, id: str, type: str, **attributes: Any) -> None:
    """Write attributes of a thing of a type."""

    def transform(record: Record | None, now: int) -> Put:
        verb = "created" if record is None else "updated"
        doc = {"id": id, "type": type, **attributes}
        return Put(doc, verb, tuple(attributes))  # type: ignore[arg-type]

    await town.store.submit([Op(1, id, transform)], "field")


@ONE_STORE
async def test_days_long_past_have_the_index_they_had(town: Town) -> None:
    """Hours that are missing, in doubt, or called doubtful later: the index of each day is what the
    piece made of it then."""
    chance, code = random.Random(4), "S1"
    id, first = station_id(code), BEGIN_US // DAY_US - 3
    hours: dict[tuple[int, str], float] = {}
    for hour in range(hours_of(first)[0], hours_of(first + 3)[0]):
        town.clock.now = max(town.clock.now, BEGIN_US) + 1
        told = {}
        for one in POLLUTANTS:
            value = round(chance.random() * 200 / (50 if one.milli else 1), 3)
            good = chance.random() > 0.1
            if chance.random() > 0.08:
                quality = {"type": "Property", "value": "good" if good else "suspect"}
                told[one.attribute] = {**reading(value, hour * HOUR_US), "quality": quality}
                if good:
                    hours[hour, one.code] = value
        await tell(town, id, "AirQualityObserved", **told)
    later = next(key for key in hours if key[1] == "O3")
    doubt = {**reading(999.0, later[0] * HOUR_US), "quality": {"type": "Property", "value": "bad"}}
    await tell(town, id, "AirQualityObserved", o3=doubt)
    del hours[later]
    town.clock.now += 2 * DAY_US
    await town.history.night()
    span = (hours_of(first)[0] * HOUR_US, hours_of(first + 3)[0] * HOUR_US)
    found = (await analyses(town).answer((1, "demo"), "daily_indices", span)).columns
    settings: Any = load_piece(BY_NAME["environment"]).read_settings(
        {one.name: one.default for one in BY_NAME["environment"].settings}
    )
    right = []
    for day in range(first, first + 3):
        on = date.fromisoformat(date_of(day))
        limits = limits_at(settings.limits, on)
        ozone = limits.limits["O3"]["8h"][1] if limits else None
        means = day_values(lambda hour, name: hours.get((hour, name)), day, ozone)
        told_then = report(settings.editions.at(on), means.values, "daily")
        right.append((date_of(day), told_then.index, [*told_then.primary], [*told_then.missing]))
    names = ("day", "index", "primary", "missing")
    assert right == list(zip(*(found[name] for name in names), strict=True))
    assert any(index is not None for _, index, _, _ in right)


@ONE_STORE
async def test_a_lamp_burns_as_long_as_it_draws_power(town: Town) -> None:
    """Ten hours of a night, two of them after midnight of the city's clock, seconds exact."""
    lamp, midnight = "urn:ngsi-ld:Streetlight:street_lights:L1", BEGIN_US - 8 * HOUR_US
    for hour in range(-10, 6):
        watts = 60.0 if -8 <= hour < 2 else 0.5
        power = reading(watts, midnight + hour * HOUR_US)
        await tell(town, lamp, "Streetlight", activePower=power)
    await town.history.pack()
    span = (midnight - DAY_US, midnight + 6 * HOUR_US)
    found = (await analyses(town).answer((1, "demo"), "burning_hours", span)).columns
    assert [8 * 3_600.0, 2 * 3_600.0] == found["seconds"]
    assert [10 * 3_600.0, 6 * 3_600.0] == found["known"]
    with pytest.raises(ResourceNotFound, match="does not exist"):
        await analyses(town).answer((1, "elsewhere"), "burning_hours", span)


def test_a_question_that_cannot_be_asked_is_a_mistake_of_the_manifest() -> None:
    """An unknown kind, a word too many, and no type: each is named."""
    folder = BY_NAME["public_points"].folder
    assert folder is not None
    told = tomllib.loads((folder / "piece.toml").read_text("utf-8"))
    title = {"zh": "问", "en": "asks"}
    good = {"name": "a", "title": title, "types": ["T"], "attributes": ["t"]}
    for bad in (
        {**good, "ask": {"kind": "everything"}},
        {**good, "ask": {"kind": "hours", "at_least": 1.0, "sql": "DROP"}},
        {**good, "ask": {"kind": "sums"}, "types": []},
        {**good, "ask": "sums"},
    ):
        with pytest.raises(ConfigurationError, match="is no question"):
            parse_manifest({**told, "analyses": [bad]}, folder=folder)
    right = parse_manifest({**told, "analyses": [{**good, "ask": {"kind": "sums"}}]}, folder=folder)
    assert ["a"] == [one.name for one in right.analyses]
