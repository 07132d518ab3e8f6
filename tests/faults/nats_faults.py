"""What NATS may do to sites that are joined by it: rows of the table of faults."""

from __future__ import annotations

from typing import Final

from tests.faults.seen import Fault

HOLDS: Final = "nothing acknowledged lost, none twice, order kept, both sites equal"

FAULTS: Final = (
    Fault(name="NATS leader of three killed -9", module="nats_leader",
          full=10, fast=1, holds=HOLDS, within_s=30),
    Fault(name="line between sites cut", module="nats_cut",
          full=6, fast=2, holds=HOLDS, within_s=30),
    Fault(name="the broker that relays killed -9", module="nats_brokers",
          full=10, fast=0, holds=HOLDS, within_s=30, limit_s=900),
)  # fmt: skip
