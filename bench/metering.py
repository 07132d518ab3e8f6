"""`python -m bench.metering`: what counting costs a request, beside prometheus-client's own.

Prints nanoseconds of the smallest of seven runs, and the share of a promised retrieve (15 µs).
"""

from __future__ import annotations

import sys
import timeit
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram

from pintu.kernel.limits.bucket import Bucket
from pintu.web.metrics.meter import Meter
from pintu.web.ngsi_ld.message import Request

TIMES = 200_000
BAR_NS = 1_000.0


def main() -> int:
    """Measure and print; 1 when counting costs a request over 1 µs."""
    meter, bucket = Meter(), Bucket(1e9, 1e9, 0.0)
    meter.slow_us = 10**9
    asked = Request("GET", b"", b"", {b"ngsild-tenant": b"demo"}, b"", "", "retrieveEntity")
    registry = CollectorRegistry()
    names = ["operation", "status", "tenant_class"]
    counter = Counter("requests", "Theirs", names, registry=registry)
    seconds = Histogram("seconds", "Theirs", ["operation"], registry=registry)

    def ours() -> None:
        began = perf_counter()
        meter.count(asked, 200, perf_counter() - began)

    def theirs() -> None:
        began = perf_counter()
        counter.labels("retrieveEntity", "200", "demo").inc()
        seconds.labels("retrieveEntity").observe(perf_counter() - began)

    def limit() -> None:
        bucket.take(perf_counter())

    limited = dict.fromkeys(f"county_{n}" for n in range(20))

    def unlimited() -> None:
        _ = "demo" in limited

    found = {}
    for name, call in (
        ("counting, ours", ours), ("counting, theirs", theirs), ("a token bucket", limit),
        ("a tenant without a file", unlimited),
    ):  # fmt: skip
        found[name] = min(timeit.repeat(call, number=TIMES, repeat=7)) / TIMES * 1e9
        print(f"{name:>24} {found[name]:8.0f} ns  {found[name] / 150:6.2f} % of 15 µs")
    return 0 if found["counting, ours"] <= BAR_NS else 1


if __name__ == "__main__":
    sys.exit(main())
