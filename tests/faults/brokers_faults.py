"""Rows of the table for several brokers on one PostgreSQL."""

from __future__ import annotations

from typing import Final

from tests.faults.seen import Fault

HOLDS: Final = "nothing acknowledged lost, told at least once, each entity's changes in order"

FAULTS: Final = (
    Fault(name="kill -9 of the leading broker", module="brokers_kill", way="kill",
          full=20, fast=1, holds=HOLDS, within_s=10, limit_s=900),
    Fault(name="the leading broker hangs", module="brokers_kill", way="hang",
          full=4, fast=0, holds=HOLDS, within_s=10, limit_s=300),
    Fault(name="rolling restart of all brokers", module="brokers_kill", way="restart",
          full=4, fast=0, holds=f"{HOLDS}; nobody refused", limit_s=600),
)  # fmt: skip
