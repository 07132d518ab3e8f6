"""Engines: speed, several brokers, NATS, Spark, backups, faults and operating a city, measured
(`make show NAME=engines`). Each part has a file of its own."""

from __future__ import annotations

from claims import (
    engines_speed,
)
from claims.words import Claim

CLAIMS: list[Claim] = [
    *engines_speed.CLAIMS,
]
