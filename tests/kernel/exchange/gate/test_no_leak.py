"""Random agreements, random questions, every route: nothing comes from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims.exchange_leaks import asked


@pytest.mark.parametrize("seed", [11, 12])
async def test_nothing_leaks(tmp_path: Path, seed: int) -> None:
    """A small round of `python -m claims exchange-leaks`, which asks 10,000 times."""
    folder = tmp_path / "data"
    folder.mkdir()
    tally = await asked(folder, 150, seed)
    assert [] == tally.wrong
    assert 10 < len(tally.asked)
    assert tally.statuses[200] <= len(tally.receipts)
