"""Paths into payloads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping.paths import compile_path, records_of

PAYLOAD: dict[str, Any] = {
    "data": {"items": [{"v": 1}, {"v": 2}]},
    "PM2.5": 9,
    "a.b": "whole",
    "浓度[mg/m³]": 3,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.items[0].v", 1),
        ("data.items[-1].v", 2),
        ("data.items[7].v", None),
        ("data.nothing.v", None),
        ("PM2.5", 9),
        ("a.b", "whole"),
        ("浓度[mg/m³]", 3),
        ("data.items.v", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, value: Any) -> None:
    """A column of that very name goes first; nothing there is None."""
    assert value == compile_path(path)(PAYLOAD)


def test_records_are_found_at_their_path() -> None:
    """A list of objects, one object, or words that say what is there."""
    assert [{"v": 1}, {"v": 2}] == records_of(PAYLOAD, "data.items")
    assert [PAYLOAD] == records_of(PAYLOAD, "")
    assert [{"v": 1}] == records_of([{"v": 1}], "")
    for path in ("PM2.5", "nothing"):
        with pytest.raises(BadInput, match="There are no records"):
            records_of(PAYLOAD, path)


@given(st.text(min_size=1, max_size=40))
def test_no_path_breaks_it(path: str) -> None:
    """Any text is a path or a column's name."""
    try:
        compile_path(path)(PAYLOAD)
    except BadInput as error:
        assert "steps" in error.detail
