"""The same loads and questions on both stores: the same rows, order, totals and errors."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from pintu.kernel.errors import DeadlineExceeded, PintuError
from pintu.kernel.exchange import Condition, DataSet, Question, forms, read_data_set
from pintu.kernel.exchange.landing import TableLanding, open_landing
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.exchange.words import Comparison
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.tables.copying import checksums, make_equal
from tests.kernel.exchange.conftest import NOON_US, HandClock

KINDS = ("text", "number", "whole", "yes_no", "time", "date", "code", "point")
ZONES = ("Asia/Shanghai", "UTC", "Asia/Kathmandu", "America/St_Johns")
VALUES: dict[str, list[Any]] = {
    "text": ["甲", "乙", "a", "A", "Ab%_\\", "", "é", "z", "12", " 7 ", "3.5x", "\U0001f600", '"'],
    "number": [0, -1, 2.5, 3, 3.0, 1e20, -0.25, 0.1, 2**53 + 2, 9e15, 1e-7, 100.0, 7.75],
    "whole": [0, 1, 2, -3, 2**62, 2**70, 41],
    "yes_no": [True, False],
    "time": ["2026-09-20T15:30:00Z", "2026-09-20T16:30:00Z", "2026-12-31T16:00:00Z",
             "2026-02-01T00:00:00.5Z", "2026-09-20T15:30:00+08:00", "2025-01-01T00:00"],
    "date": ["2026-09-20", "2026-09-21", "2026-02-30", "2024-12-30"],
    "code": ["on", "off", "坏"],
    "point": [[120.1, 30.2], [0, 0], {"type": "Point", "coordinates": [1, 2]}],
}  # fmt: skip
ASKED: dict[str, list[Any]] = {
    "number": ["1", 2.5, 3, "1e20", 0.1, -1, 100, "1,000", "x"],
    "yes_no": ["是", "0", "maybe"],
    "time": ["2026-09-21", "2026-09-20T23:30", "2026-12-31T16:00:00Z", "2026"],
}
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
STEPS = ("", "@hour", "@day", "@week", "@month", "@year", "@minute")


@dataclass(slots=True)
class Pair:
    """The same city twice: in files, and on a server."""

    both: list[CityTables]
    clock: HandClock

    def landings(self, data_set: DataSet, source: str) -> list[TableLanding]:
        return [open_landing(one, self.clock, data_set, source=source) for one in self.both]

    def providers(self, zone: str) -> list[TableProvider]:
        return [TableProvider(one, self.clock, zone) for one in self.both]


@pytest.fixture
def pair(tmp_path: Path, city_address: str) -> Iterator[Pair]:
    """Nothing is in it yet."""
    made = Pair([open_tables(tmp_path), open_tables(tmp_path, city_address)], HandClock(NOON_US))
    yield made
    for one in made.both:
        one.close()


def data_set_of(random_: random.Random) -> DataSet:
    """Some columns of any kind, one with a name no server takes."""
    columns = [
        {"name": f"列{n}" if n else "列" * 60, "kind": random_.choice(KINDS)}
        for n in range(random_.randint(2, 5))
    ]
    return read_data_set("mixed", {"provider": "table", "columns": columns})


def value_of(random_: random.Random, kind: str) -> Any:
    """Mostly a value of the column's kind; some are empty, some of another kind."""
    told = random_.random()
    if told < 0.15:
        return None
    return random_.choice(VALUES[kind if told < 0.85 else random_.choice(list(VALUES))])


def rows_of(random_: random.Random, data_set: DataSet) -> list[Row]:
    """Some rows; keys come again, also within a chunk, and some rows have none."""
    found = []
    for _ in range(random_.randint(1, 40)):
        values = {one.name: value_of(random_, one.kind) for one in data_set.columns}
        key = random_.choice(["", *(f"K{n}" for n in range(25)), "k" * 600, '键"\\,{}'])
        found.append(Row(key, values))
    return found


def question_of(random_: random.Random, data_set: DataSet) -> Question:
    """Any question; some cannot be answered."""
    names = [one.name for one in data_set.columns]
    kinds = {one.name: one.kind for one in data_set.columns}

    def condition() -> Condition:
        name, what = random_.choice(names), random_.choice(COMPARISONS)
        told = ASKED.get(kinds[name].replace("whole", "number"), VALUES["text"] + ["%", "_", "."])
        value: Any = random_.choice(told)
        if what == "in":
            value = random_.sample(told, random_.randint(0, 3))
        return Condition(name, what, value)

    where = tuple(condition() for _ in range(random_.choice([0, 0, 1, 2])))
    order = tuple(random_.choice(["", "-"]) + one for one in random_.sample(names, 2))
    page: dict[str, Any] = {
        "where": where, "order": order, "limit": random_.choice([0, 3, 100]),
        "offset": random_.choice([0, 0, 2]), "count": random_.random() < 0.5,
    }  # fmt: skip
    if random_.random() < 0.4:
        return Question(**page, columns=tuple(random_.sample(names, random_.randint(0, 2))))
    group = tuple(
        one + random_.choice(STEPS) for one in random_.sample(names, random_.randint(0, 2))
    )
    measure = random_.choice(["", random_.choice(names)])
    aggregate = random_.choice(["count", "min", "max", "last", "sum", "mean"])
    return Question(**page, group=group, measure=measure, aggregate=aggregate)  # type: ignore[arg-type]


async def answer(provider: TableProvider, data_set: DataSet, question: Question) -> Any:
    """(columns, rows, total), or the error in its words."""
    try:
        found = await provider.ask(data_set, question)
    except PintuError as error:
        return type(error).__name__, error.detail
    return found.columns, found.rows, found.total


def near(one: Any, other: Any) -> bool:
    """Equal; sums may differ in their last digits: nobody promises an order of adding up."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(near(one[n], other[n]) for n in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


@pytest.mark.parametrize("seed", range(12))
async def test_both_stores_answer_alike(pair: Pair, seed: int) -> None:
    """Rows landed, changed, removed and brought back by two sources, then any question."""
    random_ = random.Random(seed)
    data_set = data_set_of(random_)
    sources = {name: pair.landings(data_set, name) for name in ("a", "b")}
    providers = pair.providers(random_.choice(ZONES))
    for step in range(random_.randint(3, 8)):
        pair.clock.us += random_.choice([0, 1_000_000])
        landings = sources[random_.choice("ab")]
        rows, key = rows_of(random_, data_set), random_.choice(["", f"c{step // 2}"])
        landed = [await one.land(key, f"p{step}", rows, []) for one in landings]
        assert landed[0] == landed[1]
        if random_.random() < 0.3:
            keys = [f"K{random_.randint(0, 25)}" for _ in range(4)]
            gone = [await one.remove(keys) for one in landings]
            assert gone[0] == gone[1]
        if random_.random() < 0.3:
            whole = random_.random() < 0.8
            ended = [await one.finish(whole=whole) for one in landings]
            assert ended[0] == ended[1]
        assert [f"p{step}"] * 2 == [await one.position() for one in landings]
    facts = [await one.facts(data_set) for one in providers]
    assert facts[0] == facts[1]
    told = [await one.disagreements(data_set, ["a"], limit=50) for one in providers]
    assert told[0] == told[1]
    for _ in range(60):
        question = question_of(random_, data_set)
        answers = [await answer(one, data_set, question) for one in providers]
        assert near(answers[0], answers[1]), (question, answers)


async def test_a_data_set_moves_there_and_back(pair: Pair, tmp_path: Path) -> None:
    """Every value is what it was, and the next load goes on behind the last one."""
    random_ = random.Random(1)
    data_set = data_set_of(random_)
    here = pair.landings(data_set, "a")[0]
    for step in range(4):
        await here.land(f"c{step}", f"p{step}", rows_of(random_, data_set), [])
    source = pair.both[0].open("datasets", "mixed")
    target = pair.both[1].open("datasets", "moved")
    back = open_tables(tmp_path / "back").open("datasets", "mixed")
    assert make_equal(source, target)
    assert make_equal(target, back)
    assert 0 == make_equal(source, target)
    assert checksums(source) == checksums(target)
    assert checksums(source) == checksums(back)
    for one in (source, target, back):
        one.close()
    moved = read_data_set("moved", {"provider": "table", "columns": [
        {"name": one.name, "kind": one.kind} for one in data_set.columns
    ]})  # fmt: skip
    there = open_landing(pair.both[1], pair.clock, moved, source="a")
    assert "p3" == await there.position()
    more = rows_of(random_, data_set)
    assert (await here.land("c9", "p9", more, [])) == (await there.land("c9", "p9", more, []))
    asked = Question(limit=500, count=True)
    rows = [
        (await one.ask(which, asked)).rows
        for one, which in zip(pair.providers("UTC"), (data_set, moved), strict=True)
    ]
    assert rows[0] == rows[1]


async def test_what_one_process_makes_another_sees(pair: Pair, city_address: str) -> None:
    """Without asking the server whether it is there at every question."""
    data_set = data_set_of(random.Random(2))
    looking = pair.providers("UTC")[1]
    assert not looking.exists(data_set)
    other = open_tables(pair.both[1].data, city_address)
    landing = open_landing(other, pair.clock, data_set, source="a")
    await landing.land("c", "p", [Row("K1", {data_set.columns[0].name: "x"})], [])
    other.close()
    assert 1 == (await looking.ask(data_set, Question(count=True))).total


async def test_the_server_ends_a_question_that_takes_too_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the other store, and the next question is answered."""
    data_set = data_set_of(random.Random(2))
    landing = pair.landings(data_set, "a")[1]
    name = data_set.columns[0].name
    for n in range(3):
        rows = [Row(f"K{n}.{m}", {name: f"{m:06d}"}) for m in range(5_000)]
        await landing.land(f"c{n}", f"p{n}", rows, [])
    provider = pair.providers("UTC")[1]
    with monkeypatch.context() as patched:
        patched.setattr(forms, "DEADLINE_S", 0.004)
        with pytest.raises(DeadlineExceeded, match="narrow it with a condition"):
            await provider.ask(data_set, Question(group=(name,), aggregate="sum", measure=name))
    assert 15_000 == (await provider.ask(data_set, Question(limit=1, count=True))).total
