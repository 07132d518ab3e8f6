"""What the pieces' own suites share with all others: each store there is, and parts demanded."""

from __future__ import annotations

from tests.conftest import city_address, city_server, pytest_runtest_makereport, stores

__all__ = ["city_address", "city_server", "pytest_runtest_makereport", "stores"]
