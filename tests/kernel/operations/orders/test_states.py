"""The table of a work order: every pair is a step or a conflict, every state has an end."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.orders.states import CREW, HAND, PAST, TABLE, after, offered

STATES = sorted({state for state, _ in TABLE})


@pytest.mark.parametrize(("state", "verb"), sorted(product(STATES, PAST)))
def test_what_the_table_does_not_know_is_a_conflict(state: Any, verb: Any) -> None:
    """Every combination of state and verb is in the table or refused."""
    if (state, verb) in TABLE:
        wanted = TABLE[state, verb]
        assert after(state, verb, "working") == ("working" if wanted == "before" else wanted)
    else:
        with pytest.raises(StateConflict, match=f"An order that is {state} cannot"):
            after(state, verb)


def test_every_state_has_a_way_to_the_end() -> None:
    """Nothing is stuck: from everywhere an order can be closed or cancelled."""
    ends = {"closed", "cancelled"}
    for state in set(STATES) - ends:
        reached = {state}
        for _ in TABLE:
            reached |= {TABLE[one, verb] for one, verb in TABLE if one in reached}
        assert ends & reached, state


def test_a_crew_cannot_close() -> None:
    """Who does the work does not say that it is proven."""
    assert set() == CREW & {"close", "override", "cancel", "assign"}
    assert "settle" not in HAND
    assert {"reopen"} == set(offered("closed"))
