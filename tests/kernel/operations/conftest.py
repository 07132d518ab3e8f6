"""Where a city keeps its ledger, on each store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pintu.kernel.tables import CityTables, open_tables

Home = Callable[[], CityTables]
"""Opens the tables of one city; again for what a restart sees."""


@pytest.fixture
def home(tmp_path: Path, stores: str) -> Home:
    """A new city."""
    return partial(open_tables, tmp_path, stores)
