"""What all tests share: parts the machine must have are demanded by PINTU_REQUIRE, not skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.postgres import SERVER, city_address, city_server, stores

__all__ = ["city_address", "city_server", "stores"]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("pintu", deadline=None)
settings.load_profile("pintu")

REQUIRED = {one for one in os.environ.get("PINTU_REQUIRE", "").split(",") if one}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test skipped for want of a required part has failed."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].lower()
        wanted = sorted(one for one in REQUIRED if one.lower() in reason)
        if wanted and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"PINTU_REQUIRE asks for {', '.join(wanted)}: {report.longrepr[2]}"
    return report


def pytest_sessionfinish() -> None:
    """The run's PostgreSQL ends with it, whoever asked for it."""
    SERVER.close()
