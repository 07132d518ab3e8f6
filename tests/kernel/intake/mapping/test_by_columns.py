"""Rows mapped together are the rows mapped one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pintu.kernel.intake.mapping import compile_mapping, read_mapping
from pintu.kernel.intake.mapping.mapper import Mapper

ODD: list[Any] = [
    "", " ", "-", " - ", "N/A", None, "0", "1.5", "1,234", "x" * 200, "a\x00b", 3, 2.5, True,
    "2026-01-01 08:00:00", "２０２６", "是", "nan", float("nan"), ["a"], {"a": 1}, "  padded ",
    "121.5,31.2", "1e400", "9007199254740993", "_1", "1_0",
]  # fmt: skip
KINDS = ("text", "number", "whole", "yes_no", "time", "date", "code", "point")


def mapper_of(seed: int) -> Mapper:
    """A table mapping with some columns of any kind."""
    random_ = random.Random(seed)
    fields: list[dict[str, Any]] = [
        {"from": f"c{n}", "to": f"t{n}", "kind": random_.choice(KINDS),
         "required": random_.random() < 0.1}
        for n in range(random_.randint(1, 5))
    ]  # fmt: skip
    fields[0]["key"] = random_.random() < 0.7
    if random_.random() < 0.3:
        fields.append({"to": "fixed", "constant": "演示"})
    told = {"name": "m", "target": "table", "data_set": "d", "fields": fields}
    return compile_mapping(read_mapping(told), None, source="s")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(60))
def test_together_is_one_by_one(seed: int) -> None:
    """Whatever stands in the cells: the same rows, the same keys, the same bad records."""
    random_ = random.Random(seed)
    usual = ["1", "2.5", "一", "2026-01-01 08:00:00"]
    share = random_.choice([0.0, 0.001, 0.02, 0.5])
    records = [
        (
            line,
            {
                f"c{n}": random_.choice(ODD) if random_.random() < share else random_.choice(usual)
                for n in range(5)
            },
        )
        for line in range(1, 450)
    ]
    mapper = mapper_of(seed)
    assert repr(mapper._each(records)) == repr(mapper.rows(records))
