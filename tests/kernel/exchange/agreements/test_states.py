"""The state table: every deed in every state either moves or conflicts, in the room as on paper."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pintu.kernel.errors import StateConflict
from pintu.kernel.exchange.agreements import Agreement
from pintu.kernel.exchange.agreements.deeds import CLOCK, GATE, Asked
from pintu.kernel.exchange.agreements.states import (
    DEEDS,
    STATES,
    TABLE,
    WAITING,
    move_of,
)
from pintu.kernel.exchange.agreements.words import CLOSED

from .conftest import ASKER, CHIEF, DEPUTY, OWNER, Town, terms

WHY = "入学核验疫苗接种"
BY_ITSELF = ("escalate", "overdue", "remind", "break", "expire", "supersede")
WAYS: dict[str, tuple[str, ...]] = {
    "requested": (),
    "escalated": ("escalate",),
    "approved": ("approve",),
    "active": ("approve", "sign"),
    "suspended": ("approve", "sign", "suspend"),
    "refused": ("refuse",),
    "withdrawn": ("withdraw",),
    "revoked": ("approve", "sign", "revoke"),
    "expired": ("expire",),
    "superseded": ("approve", "sign", "supersede"),
}


@pytest.mark.parametrize(("state", "deed"), sorted(itertools.product(STATES, DEEDS)))
def test_what_the_table_does_not_know_is_a_conflict(state: Any, deed: Any) -> None:
    """Every pair is in the table or refused, naming the state."""
    if (state, deed) in TABLE:
        assert TABLE[state, deed] is move_of(state, deed)
    else:
        with pytest.raises(StateConflict, match=f"An agreement that is {state} cannot"):
            move_of(state, deed)


def test_what_is_over_stays_over_and_nothing_hangs() -> None:
    """No deed leaves a closed state; every other state has a way out by itself and by people."""
    assert set() == {state for state, _ in TABLE} & CLOSED
    for state in set(STATES) - CLOSED:
        assert (state, "expire") in TABLE
        assert (state, "withdraw") in TABLE
    assert {"requested", "escalated", "approved"} == set(WAITING)
    assert all((state, deed) in TABLE for state, deed in WAITING.items())
    assert set(WAYS) == set(STATES)


async def one_deed(town: Town, agreement: Agreement, deed: str) -> Agreement:
    """Do a deed as whoever may do it."""
    room, id = town.room, agreement.id
    if deed in BY_ITSELF:
        actor = GATE if deed == "break" else CLOCK
        return await room._room.deed(
            Asked(actor=actor, deed=deed, id=id, version=agreement.version, why=WHY)  # type: ignore[arg-type]
        )
    side = TABLE[next(state for state, one in TABLE if one == deed), deed].side  # type: ignore[index]
    actor = CHIEF if side == "consumer" else OWNER
    reason = {"reason": WHY} if deed in ("refuse", "suspend", "revoke") else {}
    done: Agreement = await getattr(room, deed)(actor, id, version=agreement.version, **reason)
    return done


@pytest.mark.parametrize("state", STATES)
async def test_the_room_obeys_the_table(here: Town, state: str) -> None:
    """An agreement brought into each state takes exactly the steps the table has, each written
    down once, and a refused one leaves nothing behind."""
    for deed in DEEDS:
        if deed == "request":
            continue
        made = await here.room.request(ASKER, terms(), reason=WHY)
        for step in WAYS[state]:
            made = await one_deed(here, made, step)
        assert state == made.state
        rows = len(here.log.rows)
        if (state, deed) in TABLE:  # type: ignore[comparison-overlap]
            done = await one_deed(here, made, deed)
            assert TABLE[state, deed].after == done.state  # type: ignore[index]
            assert (deed, done.state) == (here.log.rows[-1].deed, here.log.rows[-1].basis)
        else:
            with pytest.raises(StateConflict):
                await one_deed(here, made, deed)
            assert rows == len(here.log.rows)
        found = here.room.find(made.id)
        assert found is not None
        in_force = here.room.active(made.id)
        assert (found.state == "active") == (in_force is not None)


@pytest.mark.parametrize("state", ["requested", "escalated"])
async def test_the_deputy_decides_only_after_the_owners_silence(here: Town, state: str) -> None:
    """Before the deadline the owner alone; afterwards either."""
    made = await here.room.request(ASKER, terms(), reason=WHY)
    if state == "requested":
        with pytest.raises(Exception, match="Only an owner of health"):
            await here.room.approve(DEPUTY, made.id)
    else:
        await one_deed(here, made, "escalate")
        assert "approved" == (await here.room.approve(DEPUTY, made.id)).state
