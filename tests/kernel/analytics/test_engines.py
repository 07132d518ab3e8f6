"""Questions about history as a whole are answered as plain Python would, wherever rows lie."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.analytics.engines.answering import Order, answered_by
from pintu.kernel.analytics.engines.calendar import days, offsets
from pintu.kernel.analytics.engines.editing import edited_samples
from pintu.kernel.analytics.engines.engine import DuckEngine
from pintu.kernel.analytics.engines.gathering import gather
from pintu.kernel.analytics.engines.words import (
    Answer,
    Chart,
    Hours,
    Kind,
    Limits,
    Profile,
    Question,
    Running,
    Sums,
    check_engine,
    checked,
)
from pintu.kernel.context.temporal import writing
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.context.temporal.folding import fold
from pintu.kernel.errors import BadRequestData, ConfigurationError, TooComplex
from pintu.kernel.store.port import Op
from pintu.kernel.tables import TableFile
from tests.kernel.analytics import reference
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading, sensor
from tests.kernel.analytics.reference import differing, expected

HOUR_US = 3_600_000_000
SINCE_US = BEGIN_US - 8 * DAY_US  # Europe's clocks change on the second day, Cuba's on the ninth
ASKED: tuple[Kind, ...] = (
    Sums(), Sums(step_s=86_400), Sums(step_s=2 * 86_400), Chart(step_s=5_400), Chart(), Profile(),
    Profile(each=True), Hours(at_least=10.0, hold_s=40_000), Hours(states=("on", "it's 5, or")),
    Running(),
)  # fmt: skip
ONE_STORE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
"""What has nothing to do with where packs are kept."""
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/Havana")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckEngine]:
    """DuckDB that may read what tests write."""
    made = DuckEngine(tmp_path_factory.getbasetemp().parent, Limits())
    yield made
    made.close()


def question(ask: Kind, zone: str = "UTC", **said: Any) -> Question:
    """Of all sensors over all the time."""
    told: dict[str, Any] = {
        "types": ("Sensor",), "attributes": ("t", "state"), "since_us": SINCE_US,
        "until_us": BEGIN_US + 8 * DAY_US, "zone": zone, **said,
    }  # fmt: skip
    return checked(Question(ask=ask, **told))


async def answer(town: Town, engine: DuckEngine, asked: Question, **limits: int) -> Answer:
    """As the city's own process answers."""
    history, most = town.history, Limits(**limits)
    edited, told = await edited_samples(history, 1, asked)
    folder = history.filing.folder
    source = await history.opened.read(lambda c: gather(c, folder, 1, asked, most))
    return answered_by(engine, source, Order(1, asked, edited, told), most)


async def lived(town: Town, told: dict[Any, Any], chance: random.Random, writes: int) -> None:
    """Numbers and texts, late ones, ones told again, several data sets, things without a time."""
    for _ in range(writes):
        town.clock.now += chance.randrange(HOUR_US)
        late = chance.choice([0, 0, 0, 3 * HOUR_US, 2 * DAY_US, 5 * DAY_US])
        at_us = town.clock.now - late
        at_us -= at_us % chance.choice([1, 1_000, 1_000_000, HOUR_US])
        id, name = sensor(chance.randrange(3)), chance.choice(["t", "t", "state"])
        value = chance.choice([chance.randrange(400) / 10, chance.random(), -3, None, "it's 5, or"])
        if name == "state":
            value = chance.choice(["on", "off", "it's 5, or", True])
        dataset = chance.choice(["", "", "urn:d:1"])
        instance = reading(value, at_us)
        if dataset:
            instance["datasetId"] = dataset
        await town.write(id, **{name: instance, chance.choice(["u", "v"]): reading(1)})
        told[id, name, dataset, at_us] = "null" if value is None else value


async def everywhere(town: Town, seed: int) -> dict[Any, Any]:
    """A life in files, in packs of a day that is in a file, and in packs alone."""
    told: dict[Any, Any] = {}
    chance = random.Random(seed)
    for _ in range(2):
        await lived(town, told, chance, 60)
        await town.history.night()
    town.clock.now += DAY_US
    await town.history.night()
    await lived(town, told, chance, 30)
    await town.history.pack()
    return told


async def test_every_question_is_answered_as_plain_python_does(
    town: Town, engine: DuckEngine
) -> None:
    """Each expression, days of zones whose clocks change among them, over files and packs."""
    told = await everywhere(town, 1)
    assert any(town.history.filing.folder.glob("*/*.parquet"))
    whole = town.history.opened.__class__ is TableFile  # where packs are is nobody's business
    for number, ask in enumerate(ASKED if whole else ASKED[6:8]):
        asked = question(ask, ZONES[number % 3])
        found = await answer(town, engine, asked)
        assert ("", 0) == (differing(expected(told, asked), found.columns), found.passed), ask


@ONE_STORE
async def test_some_things_and_some_of_the_time(town: Town, engine: DuckEngine) -> None:
    """A question of named things, one attribute and a part of the time is asked of these alone."""
    told = await everywhere(town, 2)
    part = {"since_us": BEGIN_US - DAY_US, "until_us": BEGIN_US + DAY_US + 12345}
    for ask in (Sums(step_s=600), Hours(at_least=0.0), Running()):
        asked = question(ask, "Europe/Berlin", ids=(sensor(1),), attributes=("t",), **part)
        found = await answer(town, engine, asked)
        right = expected(told, asked)
        assert right and differing(right, found.columns) == "", ask
    nobody = question(Sums(), types=("Nobody",))
    assert {} == (await answer(town, engine, nobody)).columns


@ONE_STORE
async def test_a_past_that_was_edited_counts_as_it_is_now(town: Town, engine: DuckEngine) -> None:
    """Instances that were posted, changed and erased afterwards, of days that are in files."""
    told = await everywhere(town, 3)
    one, at_us = sensor(1), BEGIN_US - 2 * DAY_US
    posted = {"t": [reading(70.5, at_us), reading(71.5, at_us + HOUR_US)]}
    await town.store.submit([Op(1, one, writing.record(("Sensor",), posted))])
    told[one, "t", "", at_us], told[one, "t", "", at_us + HOUR_US] = 70.5, 71.5
    await town.history.night()
    asked = question(Sums())
    assert "" == differing(expected(told, asked), (await answer(town, engine, asked)).columns)
    series = fold(sensor(2), await town.rows(sensor(2)), ("t",)).series["t"][None]
    instance = next(row for row in series.instances if isinstance(row.document["value"], float))
    changed = {**instance.document, "value": 1_000.25}
    edit = writing.amend(("Sensor",), series, instance, changed)
    await town.store.submit([Op(1, sensor(2), edit)])
    erase = writing.erase(("Sensor",), "state", None)
    await town.store.submit([Op(1, sensor(0), erase)])
    await town.history.pack()
    told[sensor(2), "t", "", micros(changed["observedAt"])] = 1_000.25
    told = {key: value for key, value in told.items() if key[:2] != (sensor(0), "state")}
    for ask in (Sums(), Hours(states=("on",))):
        asked = question(ask)
        found = await answer(town, engine, asked)
        assert "" == differing(expected(told, asked), found.columns)


@ONE_STORE
async def test_hostile_names_are_values(town: Town, engine: DuckEngine, tmp_path: Path) -> None:
    """What somebody names never becomes a statement: it is looked for, and found where it is."""
    bad = "t') FROM x; DROP TABLE y; COPY (SELECT 1) TO '" + str(tmp_path / "out") + "' --"
    await town.write(sensor(1), **{bad: reading("a'b\\", BEGIN_US), "t": reading(1, BEGIN_US)})
    town.clock.now += 2 * DAY_US
    await town.history.night()
    told = {(sensor(1), bad, "", BEGIN_US): "a'b\\", (sensor(1), "t", "", BEGIN_US): 1}
    for names in ((bad,), (bad, "t")):
        asked = question(Hours(states=("a'b\\", "'; --")), attributes=names, ids=(sensor(1), bad))
        found = await answer(town, engine, asked)
        assert "" == differing(expected(told, asked), found.columns)
    assert [] == list(tmp_path.glob("out*"))


@ONE_STORE
async def test_too_much_is_refused(town: Town, engine: DuckEngine) -> None:
    """Rows of the answer, of files and of packs have limits, each with a sentence."""
    for hour in range(6):
        await town.write(sensor(1), t=reading(hour, BEGIN_US + hour * HOUR_US))
    town.clock.now += 2 * DAY_US
    await town.history.night()
    for hour in range(6):
        await town.write(sensor(1), t=reading(hour, BEGIN_US + DAY_US + hour * HOUR_US))
    await town.history.pack()
    with pytest.raises(TooComplex, match="more than 5 rows"):
        await answer(town, engine, question(Sums()), rows=5)
    with pytest.raises(TooComplex, match="changes"):
        await answer(town, engine, question(Sums()), samples=5)
    with pytest.raises(TooComplex, match="in no file yet"):
        await answer(town, engine, question(Sums()), fresh=5)


@ONE_STORE
async def test_what_tells_of_other_things_is_in_no_way(
    town: Town, engine: DuckEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However differently other attributes are written, a question of one looks at its rows; one
    that is itself told in too many ways is refused."""
    monkeypatch.setattr("pintu.kernel.analytics.engines.answering.MOST_SHAPES", 3)
    for number in range(6):
        await town.write(sensor(1), t=reading(number, BEGIN_US + number))
        await town.write(sensor(1), note=reading("x" * number, BEGIN_US))
    town.clock.now += 2 * DAY_US
    await town.history.night()
    found = await answer(town, engine, question(Sums(), attributes=("t",)))
    assert [15.0] == found.columns["sum"]
    with pytest.raises(TooComplex, match="more than 3 ways"):
        await answer(town, engine, question(Sums(), attributes=("note",)))


@pytest.mark.parametrize("said", [
    {"types": ()}, {"attributes": ()}, {"until_us": SINCE_US}, {"zone": "Mars/Base"},
    {"zone": "../../etc/passwd"}, {"until_us": SINCE_US + 4_000 * DAY_US},
    {"ask": Sums(step_s=59)}, {"ask": Chart(step_s=100_000)}, {"ask": Hours()},
    {"ask": Hours(at_least=1, states=("on",))}, {"ask": Hours(at_least=1, hold_s=80_000)},
    {"ask": Running(hours=25)}, {"ask": Running(least=9)},
])  # fmt: skip
def test_what_cannot_be_asked_is_said(said: dict[str, Any]) -> None:
    """A question that makes no sense is refused before anything is started."""
    with pytest.raises(BadRequestData, match="cannot be asked"):
        question(**{"ask": Sums(), **said})


def test_an_engine_is_named_by_its_address() -> None:
    """DuckDB or a cluster; anything else is a mistake in the configuration."""
    assert "spark://host:7077" == check_engine("spark://host:7077")
    for bad in ("spark://", "local[*]", "", "http://host"):
        with pytest.raises(ConfigurationError, match="neither duckdb nor"):
            check_engine(bad)


@settings(max_examples=10)
@given(
    zone=st.sampled_from((*ZONES, "UTC", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Beirut")),
    first=st.integers(0, 18_000),
    length=st.integers(1, 400),
)
def test_days_of_a_zone(zone: str, first: int, length: int) -> None:
    """Days follow each other, begin when the zone's date changes, and offsets are the clock's."""
    since_us, until_us = first * DAY_US, (first + length) * DAY_US
    chance = random.Random(first * 1_000 + length)
    told, changes = days(zone, since_us, until_us), offsets(zone, since_us, until_us)
    assert all(a.end_us == b.begin_us and a.day + 1 == b.day for a, b in pairwise(told))
    for _ in range(20):
        at_us = chance.randrange(since_us, until_us)
        day = reference.day_of(at_us, zone)
        assert [day] == [one.day for one in told if one.begin_us <= at_us < one.end_us]
        offset = next(offset for until, offset in changes if at_us < until)
        at = reference.local(at_us, zone)
        assert offset == at.utcoffset().total_seconds() * 1e6  # type: ignore[union-attr]
