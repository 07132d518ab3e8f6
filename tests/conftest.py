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

LONGEST_FIRST = (
    "tests/test_cli_move_running.py",
    "tests/test_cli_move.py",
    "tests/kernel/store/test_same_answers.py",
    "tests/kernel/intake/test_loading_killed.py",
    "tests/kernel/intake/doors/test_database_path.py",
    "tests/puzzle/test_pieces_alone_and_absent.py",
    "tests/stories/test_air_words.py",
    "tests/stories/test_one_lamp.py",
    "tests/stories/test_bad_rows.py",
    "tests/stories/test_three_nodes.py",
    "tests/kernel/linkage/test_desk.py",
    "tests/kernel/linkage/test_unmerge.py",
    "tests/kernel/intake/test_wire_faults.py",
    "tests/kernel/intake/doors/test_database_replication.py",
    "tests/kernel/store/test_standby.py",
    "tests/kernel/store/test_living.py",
    "tests/kernel/exchange/agreements/test_kill.py",
    "tests/kernel/exchange/agreements/test_against_a_model.py",
    "tests/web/test_board_pages.py",
    "tests/test_cli.py",
)
"""Files that take long, often with few tests: one begun last would leave the other worker idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is begun first; the order is the same for every worker."""
    places = {file: number for number, file in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


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


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """The run's PostgreSQL ends with it, whoever asked for it; how it ended is kept."""
    SERVER.close()
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("pintu/ended", int(exitstatus))  # for tests.again
