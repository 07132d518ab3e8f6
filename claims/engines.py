"""Engines: speed, several brokers, NATS, Spark, backups, faults and operating a city, measured
(`make show NAME=engines`). Each part has a file of its own."""

from __future__ import annotations

from claims import (
    engines_ibis,
    engines_speed,
    second_store,
)
from claims.ngsi_ld_conformance import official
from claims.words import Claim

CLAIMS: list[Claim] = [
    *engines_speed.CLAIMS,
    *engines_ibis.CLAIMS,
    Claim(name="suites on both stores", measure=second_store.suites, full=True),
    Claim(name="outside suite on both stores", measure=second_store.outside, full=True),
    Claim(name="outside suite, official, both doors", measure=official, full=True),
]
