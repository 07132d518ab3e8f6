"""Engines: speed, several brokers, NATS, Spark, backups, faults and operating a city, measured
(`make show NAME=engines`). Each part has a file of its own."""

from __future__ import annotations

from claims import (
    engines_backup,
    engines_brokers,
    engines_faults,
    engines_ibis,
    engines_nats,
    engines_operate,
    engines_speed,
    second_store,
)
from claims.ngsi_ld_conformance import official
from claims.words import Claim

CLAIMS: list[Claim] = [
    *engines_speed.CLAIMS,
    *engines_brokers.CLAIMS,
    *engines_nats.CLAIMS,
    *engines_ibis.CLAIMS,
    *engines_backup.CLAIMS,
    *engines_faults.CLAIMS,
    *engines_operate.CLAIMS,
    Claim(name="suites on both stores", measure=second_store.suites, full=True),
    Claim(name="outside suite on both stores", measure=second_store.outside, full=True),
    Claim(name="outside suite, official, both doors", measure=official, full=True),
]
