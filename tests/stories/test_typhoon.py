"""Typhoon-0: a warning comes, the city gets ready; it is cancelled, the city is as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from claims.operations_stand import run
from claims.operations_typhoon import typhoon

LAMPS = 30


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What happened in a small city."""
    return run(lambda folder: typhoon(folder, LAMPS))


def test_one_warning_is_one_plan(found: dict[str, Any]) -> None:
    """Approved, it lights every lamp in the area, opens an order and tells people."""
    assert (["storm"], LAMPS, ["open"], 1) == (
        found["plans"],
        found["bright"],
        found["orders"],
        found["told"],
    )
    assert found["during"] != found["before"]


def test_an_update_narrows_the_plan(found: dict[str, Any]) -> None:
    """Lamps outside of the new area are what they were, one of nine of them being bright anyway."""
    assert "updated" == found["update"]
    assert LAMPS // 2 <= found["narrowed"] <= LAMPS // 2 + 1


def test_a_cancel_restores_the_exact_state(found: dict[str, Any]) -> None:
    """All that the context says of lamps, the order called off, the all-clear sent; told once."""
    assert found["before"] == found["after"]
    assert found["plays_before"] == found["plays_after"]
    assert (["cancelled"], 1) == (found["orders_after"], found["cleared"])
    times = Counter(found["verbs"])
    assert {"issued": 1, "updated": 1, "cancelled": 1} == {
        verb: times[verb] for verb in ("issued", "updated", "cancelled")
    }
    assert 0 == times["left_undone"]
