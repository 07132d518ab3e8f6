"""Rows joined by sample: how two departments write one thing, and what chance alone does."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest

from pintu.kernel.exchange.finding.pairing import compare, find_twins
from pintu.kernel.exchange.finding.salt import Salt
from pintu.kernel.exchange.finding.sketching import Sketching
from pintu.kernel.exchange.finding.words import Sketch, Twin
from pintu.kernel.exchange.words import Column, DataSet

SALT = Salt(b"s" * 32)
ROADS = ("滨江", "长河", "江虹", "文一", "庆春")


def sketch(
    name: str, rows: list[dict[str, Any]], kinds: dict[str, str] | None = None, salt: Salt = SALT
) -> Sketch:
    columns = [
        Column(name=one, kind=(kinds or {}).get(one, "text"), key=one in ("id", "nr"))
        for one in rows[0]
    ]
    sketching = Sketching(DataSet(name=name, provider="table", columns=columns), salt)
    sketching.add(rows)
    return sketching.made(1)


def things(count: int = 200, seed: int = 1) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {
            "id": f"T-{chance.randrange(10**9):09}",
            "degrees": round(chance.uniform(-5, 38), 1),
            "state": chance.choice(("正常", "正常", "故障", "停用")),
            "place": f"{chance.choice(ROADS)}路{chance.randrange(900)}号{chance.randrange(30)}幢",
        }
        for _ in range(count)
    ]


KINDS = {"degrees": "number", "state": "code"}


def found(left: Sketch, right: Sketch) -> Twin:
    twin = compare(left, right)
    assert twin is not None
    return twin


def test_another_unit_another_code_list_another_way_of_writing() -> None:
    """Fahrenheit, numbers for words, a city before the address: one data set."""
    made = things()
    codes = {"正常": 1, "故障": 2, "停用": 9}
    copy = [
        {
            "nr": one["id"].lower(), "f": round(one["degrees"] * 1.8 + 32, 1),
            "zt": codes[one["state"]], "dz": f"杭州市{one['place']}（东）",
        }
        for one in made[:120]
    ]  # fmt: skip
    twin = found(sketch("a", made, KINDS), sketch("b", copy, {"f": "number", "zt": "code"}))
    how = {(one.left, one.right): one.how for one in twin.fields}
    assert {("degrees", "f"): "linear", ("state", "zt"): "codes", ("place", "dz"): "text"} == how
    linear = next(one for one in twin.fields if one.how == "linear")
    assert (1.8, 32) == (round(linear.factor, 1), round(linear.offset))
    assert twin.whole
    assert 0.9 < twin.overlap


def test_the_share_of_what_differs_is_measured() -> None:
    """A tenth of the values is wrong."""
    made = things(400)
    copy = [
        {**one, "place": "别处"} if n % 10 == 0 else one for n, one in enumerate(made)
    ]  # fmt: skip
    twin = found(sketch("a", made, KINDS), sketch("b", copy, KINDS))
    place = next(one for one in twin.fields if one.left == "place")
    assert place.agree is not None
    assert 0.05 < 1 - place.agree < 0.16


@pytest.mark.parametrize("seed", range(6))
def test_chance_is_no_evidence(seed: int) -> None:
    """The same things, other values: two registers of one street are not one register."""
    one, other = things(150, seed), things(150, seed + 100)
    for left, right in zip(one, other, strict=True):
        right["id"] = left["id"]
    twin = compare(sketch("a", one, KINDS), sketch("b", other, KINDS))
    assert twin is None or not twin.whole


def test_numbers_of_rows_are_nobodys_key() -> None:
    """1, 2, 3 … stands in every register."""
    chance = random.Random(3)
    made = [
        sketch(name, [{"serial": n, "sex": chance.choice("男女"), "sum": chance.randrange(500)}
                      for n in range(1, 300)], {"serial": "whole", "sum": "whole"})
        for name in ("a", "b", "c")
    ]  # fmt: skip
    assert [] == [one for one in find_twins(made) if one.whole]


def test_another_salt_compares_with_nothing() -> None:
    """What one node measured says nothing to who has not its salt."""
    made = things()
    assert compare(sketch("a", made), sketch("b", made, salt=Salt(b"t" * 32))) is None


def test_the_same_city_gives_the_same_findings() -> None:
    """Whatever order data sets come in."""
    made = things()
    sets = [sketch("a", made, KINDS), sketch("b", made[:100], KINDS), sketch("c", things(90, 5))]
    ids = {one.id for one in find_twins(sets)}
    assert ids == {one.id for one in find_twins(sets[::-1])}
    assert 1 == len(ids)


def test_empty_and_constant_columns_break_nothing() -> None:
    """No rows, no values, one value, places, numbers that are none."""
    rows = [
        {"id": f"x{n}", "none": None, "same": 1, "at": [120.0, 30.0 + n], "odd": float("nan")}
        for n in range(30)
    ]
    kinds = {"same": "number", "at": "point", "odd": "number"}
    twin = compare(sketch("a", rows, kinds), sketch("b", rows, kinds))
    assert twin is None or {"at"} == {one.left for one in twin.fields}
    empty = Sketching(DataSet(name="e", provider="table", columns=[Column(name="id")]), SALT)
    assert [] == find_twins([empty.made(1), sketch("a", rows, kinds)])


def test_rows_are_held_packed_and_pages_make_no_difference() -> None:
    """What is held until the sketch is made is less than half of the rows; page by page or at once,
    the sketch is the same."""
    columns = [Column(name=one, kind=KINDS.get(one, "text")) for one in things(1)[0]]
    data_set = DataSet(name="t", provider="table", columns=columns)
    paged, whole = Sketching(data_set, SALT), Sketching(data_set, SALT)
    tracemalloc.start()
    try:
        rows = things(2_000)
        taken = tracemalloc.get_traced_memory()[0]
        for start in range(0, 2_000, 300):
            paged.add(rows[start : start + 300])
        held = tracemalloc.get_traced_memory()[0] - taken
    finally:
        tracemalloc.stop()
    whole.add(rows)
    assert 0 < held < taken / 2
    assert whole.made(1) == paged.made(1)
