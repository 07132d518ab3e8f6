"""The text a scrape gets, in the form it asked for; imported when somebody first asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Collector(Protocol):
    """Whoever tells families."""

    def collect(self) -> Iterable[Metric]:
        """The families of this moment."""
        ...


def exposition(collector: Collector, accept: str) -> tuple[str, bytes]:
    """(media type, body): OpenMetrics when `accept` names it, else the text form of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    if "application/openmetrics-text" in accept:
        return OPENMETRICS, openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return TEXT, generate_latest(registry)
