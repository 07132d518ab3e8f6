"""Data sets of the context: rows, conditions, groups, what the gate narrows, the past."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.access import Act, Actor, Projection
from pintu.kernel.context.parse import parse_q
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    TooComplex,
    Unauthorized,
)
from pintu.kernel.exchange import Condition, Exchange, Question, Readable
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Op
from tests.kernel.exchange.conftest import ADMIN, NOBODY, READER, Scene, setting

AIR = "context.AirQualityObserved"
ID = "urn:ngsi-ld:AirQualityObserved:env:"


async def asked(scene: Scene, **question: Any) -> list[dict[str, Any]]:
    return (await scene.exchange.ask(ADMIN, AIR, Question(**question))).rows


def where(column: str, comparison: Any, value: Any = None) -> tuple[Condition, ...]:
    return (Condition(column, comparison, value),)


async def test_every_type_that_is_there_is_a_data_set(scene: Scene) -> None:
    """Nobody declares it; its columns are the attributes that occur."""
    assert [AIR] == [one.name for one in scene.exchange.list_sets(READER)]
    columns = {one.name: one.kind for one in scene.exchange.get(AIR).columns}
    assert {"id", "type", "observedAt", "name", "district", "location", "pm25"} <= set(columns)
    assert "point" == columns["location"]


async def test_who_may_not_read_does_not_even_learn_the_names(scene: Scene) -> None:
    """The list is empty, and asking by name is refused."""
    assert [] == scene.exchange.list_sets(NOBODY)
    with pytest.raises(Unauthorized):
        await scene.exchange.ask(NOBODY, AIR, Question())


async def test_values_are_simple(scene: Scene) -> None:
    """Points are [lon, lat], relationships ids, languages a map, observedAt the newest."""
    rows = await asked(
        scene,
        columns=("id", "name", "pm25", "location", "refDevice", "observedAt"),
        where=where("id", "=", ID + "A2"),
    )
    assert [
        {
            "id": ID + "A2",
            "name": {"zh": "滨江站", "en": "A2"},
            "pm25": 80,
            "location": [120.1, 30.2],
            "refDevice": "urn:ngsi-ld:Device:env:A2",
            "observedAt": "2026-09-20T16:30:00Z",
        }
    ] == rows


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (("pm25", ">", 50), "A2 A3"),
        (("pm25", "<=", "80"), "A1 A2"),
        (("pm25", "!=", 80), "A1 A3"),
        (("pm25", "empty", None), "A4"),
        (("pm25", "filled", None), "A1 A2 A3"),
        (("district", "=", "滨江"), "A2 A3"),
        (("district", "contains", "江"), "A2 A3"),
        (("district", "contains", ".*"), ""),
        (("district", "in", ["上城", "西湖"]), "A1 A4"),
        (("district", "in", "上城,西湖"), "A1 A4"),
        (("district", "in", []), ""),
        (("name", "contains", "a4"), "A4"),
        (("id", "contains", "env:A1"), "A1"),
        (("observedAt", ">=", "2026-09-21"), "A2 A3 A4"),  # midnight in Hangzhou is 16:00Z
        (("refDevice", "=", "urn:ngsi-ld:Device:env:A3"), "A3"),
    ],
)
async def test_conditions_mean_the_same_wherever_they_are_tested(
    scene: Scene, condition: tuple[str, Any, Any], names: str
) -> None:
    """By the store's q where that is exact, else row by row."""
    await asked(scene)  # kinds of columns are learnt from the first answer
    rows = await asked(scene, columns=("id",), where=where(*condition), order=("id",))
    assert names.split() == [row["id"].rpartition(":")[2] for row in rows]


async def test_a_count_is_that_of_the_filter_not_of_the_page(scene: Scene) -> None:
    """Both for what the store counts and for what is walked."""
    for condition in (where("pm25", ">", 1), where("observedAt", "filled")):
        answer = await scene.exchange.ask(
            ADMIN, AIR, Question(where=condition, limit=1, count=True)
        )
        assert (1, 3 if condition[0].column == "pm25" else 4) == (len(answer.rows), answer.total)


async def test_order_puts_empty_values_last_both_ways(scene: Scene) -> None:
    """Rising and falling."""
    rising = [row["pm25"] for row in await asked(scene, columns=("pm25",), order=("pm25",))]
    falling = [row["pm25"] for row in await asked(scene, columns=("pm25",), order=("-pm25",))]
    assert ([35, 80, 120, None], [120, 80, 35, None]) == (rising, falling)


async def test_texts_sort_by_pinyin(scene: Scene) -> None:
    """滨 bīn, 上 shàng, 西 xī: not by code point."""
    rows = await asked(scene, columns=("district",), order=("district",))
    assert ["滨江", "滨江", "上城", "西湖"] == [row["district"] for row in rows]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("count", {"滨江": 2, "上城": 1, "西湖": 1}),
        ("mean", {"滨江": 100, "上城": 35, "西湖": None}),
        ("sum", {"滨江": 200, "上城": 35, "西湖": None}),
        ("max", {"滨江": 120, "上城": 35, "西湖": None}),
        ("last", {"滨江": 120, "上城": 35, "西湖": None}),
    ],
)
async def test_groups_are_added_up(scene: Scene, aggregate: Any, expected: Any) -> None:
    """One row a group; a group without a value has none."""
    measure = "" if aggregate == "count" else "pm25"
    rows = await asked(scene, group=("district",), aggregate=aggregate, measure=measure)
    assert expected == {row["district"]: row[measure or "count"] for row in rows}


async def test_a_day_is_the_towns_day(scene: Scene) -> None:
    """16:30 UTC is already tomorrow in Hangzhou."""
    rows = await asked(scene, group=("observedAt@day",))
    found = [(row["observedAt@day"], row["count"]) for row in rows]
    assert [("2026-09-20", 1), ("2026-09-21", 3)] == found


@pytest.mark.parametrize(
    "question",
    [
        {"columns": ("no",)},
        {"where": where("no", "=", 1)},
        {"order": ("-no",)},
        {"group": ("no",)},
        {"group": ("observedAt@fortnight",)},
        {"group": ("district",), "aggregate": "mean"},
        {"where": where("pm25", ">", "many")},
    ],
)
async def test_what_is_not_there_is_named(scene: Scene, question: dict[str, Any]) -> None:
    """A question about a column nobody knows is refused in words."""
    await asked(scene)
    with pytest.raises(BadRequestData):
        await asked(scene, **question)


async def test_pages_have_a_size(scene: Scene) -> None:
    """Nobody asks for a million rows at once."""
    with pytest.raises(TooComplex):
        await asked(scene, limit=1_000_000)


class Narrow:
    """A gate that lets one district and hides one attribute."""

    def decide(self, actor: Actor, act: Act) -> Projection:
        rows = parse_q('district=="滨江"', CORE)
        return Projection(rows=rows, hidden=frozenset({"pm25"}), basis="agreement")


async def test_what_the_gate_hides_is_neither_shown_nor_asked_after(scene: Scene) -> None:
    """Rows are narrowed, the column is gone, and a condition on it would tell what it holds."""
    readable = Readable(store=scene.store, gate=Narrow(), clock=scene.clock)
    exchange = Exchange(scene.configuration, scene.tables, readable)
    answer = await exchange.ask(READER, AIR, Question(count=True))
    assert 2 == answer.total
    assert all("pm25" not in row for row in answer.rows)
    for question in (
        Question(where=where("pm25", ">", 100)),
        Question(order=("pm25",)),
        Question(group=("district",), aggregate="mean", measure="pm25"),
    ):
        with pytest.raises(Forbidden):
            await exchange.ask(READER, AIR, question)
    with pytest.raises(Forbidden):
        await exchange.series(READER, AIR, (ID + "A2", "pm25"), since_us=0, until_us=2**62)
    outside = await exchange.series(READER, AIR, (ID + "A1", "district"), since_us=0, until_us=9)
    assert [] == outside


async def test_the_past_of_a_value_comes_from_its_chain(scene: Scene) -> None:
    """Oldest first, by the time of observing, a late reading in its place."""
    tenant = scene.store.tenant("") or 0
    for value, at in ((90, "2026-09-20T18:00:00Z"), (85, "2026-09-20T17:00:00Z")):
        await scene.store.submit([Op(tenant, ID + "A2", setting("pm25", value, at))], "env")
    found = await scene.exchange.series(ADMIN, AIR, (ID + "A2", "pm25"), since_us=0, until_us=2**62)
    assert [80, 85, 90] == [one.value for one in found]


async def test_a_profile_is_measured(scene: Scene) -> None:
    """Rows, how full, how many values, the range, the newest time."""
    told = await scene.exchange.profile(ADMIN, AIR)
    assert (4, 4, "2026-09-21T13:00:00Z") == (told["rows"], told["measured"], told["newest"])
    expected = {"filled": 0.75, "distinct": 3, "low": 35, "high": 120}
    assert expected == told["columns"]["pm25"]


async def test_a_data_set_may_be_a_query(scene: Scene) -> None:
    """Its q holds for every row, whatever else is asked."""
    scene.save("binjiang", {"provider": "context", "type": "AirQualityObserved",
                            "q": 'district=="滨江"'})  # fmt: skip
    answer = await scene.exchange.ask(
        ADMIN, "binjiang", Question(where=where("pm25", "<", 100), count=True)
    )
    assert 1 == answer.total


async def test_a_name_nobody_knows_is_said_so(scene: Scene) -> None:
    """Whatever it looks like."""
    for name in ("nothing", "context.Nothing", "../../etc/passwd", "a.b.c", ""):
        with pytest.raises(ResourceNotFound):
            scene.exchange.get(name)


async def test_a_measure_alone_is_added_up_over_everything(scene: Scene) -> None:
    """One row, also where nothing fits."""
    assert [{"pm25": 120}] == await asked(scene, aggregate="max", measure="pm25")
    nothing = await asked(
        scene, aggregate="max", measure="pm25", where=where("district", "=", "no")
    )
    assert [{"pm25": None}] == nothing
