"""Every fault that `make faults` tries: data, one row each."""

from __future__ import annotations

from typing import Final

from tests.faults.seen import Fault

NOTHING: Final = "nothing acknowledged lost, nothing wrong, back by itself"

FAULTS: Final = (
    Fault(name="kill -9 of the city, files", module="city_kill", way="sqlite",
          full=200, fast=4, holds=NOTHING, within_s=20, limit_s=3600),
    Fault(name="kill -9 of the city, PostgreSQL", module="city_kill", way="postgres",
          full=200, fast=3, holds=NOTHING, within_s=20, limit_s=3600),
    Fault(name="kill -9 of the store, files", module="store_kill",
          full=200, fast=4, holds=NOTHING, limit_s=1800),
    Fault(name="kill -9 of store and server, PostgreSQL", module="postgres_kill", way="kill",
          full=200, fast=4, holds=NOTHING, within_s=30, limit_s=1800),
    Fault(name="power cut, files", module="power_cut",
          full=100, fast=5, holds=NOTHING, limit_s=1800),
    Fault(name="database gone", module="postgres_kill", way="gone",
          full=60, fast=3, holds=NOTHING, within_s=30),
    Fault(name="HTTP bent every way", module="bent_http",
          full=20_000, fast=1_500, holds="an answer of RFC 9112 or a close; both doors agree"),
)  # fmt: skip
"""NATS, brokers and backup have rows of their own in MORE, each from its module's `FAULTS`."""

MORE: Final = ("nats_faults", "brokers_faults", "backup_faults")
"""Modules beside this one that may bring a tuple `FAULTS` of the same form."""
