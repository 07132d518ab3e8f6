"""Every fault that `make faults` tries: data, one row each. The quick form has what no test beside
it asks, and takes a minute on two cores."""

from __future__ import annotations

from typing import Final

from tests.faults.seen import Fault

NOTHING: Final = "nothing acknowledged lost, nothing wrong, back by itself"

FAULTS: Final = (
    Fault(name="kill -9 of the city, files", module="city_kill", way="sqlite",
          full=200, fast=2, holds=NOTHING, within_s=20, limit_s=3600),
    Fault(name="kill -9 of the city, PostgreSQL", module="city_kill", way="postgres",
          full=200, fast=0, holds=NOTHING, within_s=20, limit_s=3600),
    Fault(name="kill -9 of the store, files", module="store_kill",
          full=200, fast=2, holds=NOTHING, limit_s=1800),
    Fault(name="kill -9 of store and server, PostgreSQL", module="postgres_kill", way="kill",
          full=200, fast=2, holds=NOTHING, within_s=30, limit_s=1800),
    Fault(name="power cut, files", module="power_cut",
          full=100, fast=3, holds=NOTHING, limit_s=1800),
    Fault(name="disk full and freed", module="city_disk", way="full",
          full=10, fast=0, holds="507, nothing half-written, reads go on, writes resume",
          within_s=20),
    Fault(name="disk that may only be read, and again", module="city_disk", way="readonly",
          full=10, fast=1, holds="507, nothing half-written, reads go on, writes resume",
          within_s=20),
    Fault(name="clock jumps of one hour", module="clock_jump",
          full=24, fast=2, holds="times in order, what waits is done, nothing lost", within_s=20),
    Fault(name="slow disk, 50 to 500 ms a sync", module="slow_disk",
          full=6, fast=0, holds="503 before memory, reads go on", within_s=20),
    Fault(name="database gone", module="postgres_kill", way="gone",
          full=60, fast=0, holds=NOTHING, within_s=30),
    Fault(name="clients that never read", module="never_reads",
          full=400, fast=0, holds="memory bounded, others served", within_s=10),
    Fault(name="idle connections", module="idle_connections",
          full=10_000, fast=0, holds="new requests served; one too many is 503", within_s=10),
    Fault(name="HTTP bent every way", module="bent_http",
          full=20_000, fast=700, holds="an answer of RFC 9112 or a close; both doors agree"),
)  # fmt: skip
"""NATS, brokers and backup have rows of their own in MORE, each from its module's `FAULTS`."""

MORE: Final = ("nats_faults", "brokers_faults", "backup_faults")
"""Modules beside this one that may bring a tuple `FAULTS` of the same form."""
