"""Both stores give the same answers to the same random programs of writes and questions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pintu.kernel.store.opening import open_store
from tests.kernel.store.comparing import HandClock, compare

FIRST = int(os.environ.get("PINTU_SEED", "1"))
"""Programs are numbered from here: another number, other programs."""
MANY = int(os.environ.get("PINTU_PROGRAMS", "3"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + MANY))
async def test_a_random_program_is_answered_alike(
    seed: int, tmp_path: Path, city_address: str
) -> None:
    """Conflicts, several tenants, every operator, order, pages, counts, history, changes, kinds,
    expiry, trimming, reopening: equal answers and equal errors."""
    clock = HandClock()
    steps = (120, 120, 40)[seed % 3]
    done = await compare(
        lambda: open_store("sqlite:", tmp_path, clock=clock),
        lambda: open_store(city_address, tmp_path, clock=clock),
        clock,
        seed=seed,
        steps=steps,
        ids=(6, 40, 300)[seed % 3],
        fill=(0, 0, 2_000)[seed % 3],
    )
    assert done["submit"] >= steps and done["select"] > steps
