"""What a scrape is told: every figure of a city as families of Prometheus, made when asked for.

No label holds an id, a tenant's name, an address or anybody who asked. Sources are named up to a
bound; what is beyond it stands together as `other`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from pintu import __version__
from pintu.kept_state import BASE, STREAM, read_state
from pintu.kernel.counting import BUCKETS, TOTAL
from pintu.web.metrics import machine

if TYPE_CHECKING:
    from pintu.web.house import House

MOST_SOURCES: Final = 100
MOST_READERS: Final = 50
FINEST, COARSEST = 5, 24  # 32 µs to 16.8 s: finer and coarser buckets are folded into the next

COUNTERS: Final = frozenset(
    ("groups", "groups_again", "grouped_ops", "poisoned", "disk_errors", "checkpoints",
     "cache_hits", "cache_misses", "lookups", "lookup_keys", "reader_reads", "reader_late")
)  # fmt: skip
"""Figures of a store that only grow."""


class Families:
    """A Collector over one house; `collect` reads, and changes nothing."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterable[Metric]:
        """Every family there is something to say about."""
        house = self._house
        rooms = house.rooms
        yield from requests(rooms.meter.rows)
        figures = rooms.store.statistics()
        yield from store(figures)
        yield from groups(figures.get("times", {}))
        yield from feed(rooms)
        yield from intake(rooms)
        yield from telling(rooms)
        yield from log(rooms)
        yield from relay(rooms)
        yield from backups(rooms)
        yield from quotas(rooms)
        yield from processes()
        yield from gauges(
            {
                "pintu_up_seconds": ("Since this process started", time.time() - machine.STARTED_S),
                "pintu_event_clients": ("Pages that listen", len(house.hub.clients)),
                "pintu_pictures": ("Tenants whose map is kept", len(house.pictures.by_tenant)),
            }
        )
        yield counter("pintu_event_clients_dropped", "Pages let go: too slow", house.hub.dropped)
        info = GaugeMetricFamily("pintu_build", "Which Pintu this is", labels=["version"])
        info.add_metric([__version__], 1)
        yield info


def counter(name: str, told: str, value: float) -> Metric:
    """A family of one counter; the text form adds `_total`."""
    return CounterMetricFamily(name, told, value=value)


def gauges(told: dict[str, tuple[str, float]]) -> Iterator[Metric]:
    """Families of one gauge each."""
    for name, (text, value) in told.items():
        yield GaugeMetricFamily(name, text, value=float(value))


# --- requests ---------------------------------------------------------------------------------
def requests(rows: dict[Any, list[int]]) -> Iterator[Metric]:
    """Counts by operation, status and class of tenant; how long they took by operation."""
    counts = CounterMetricFamily(
        "pintu_requests", "Answers that began", labels=["operation", "status", "tenant_class"]
    )
    taken: dict[str, list[int]] = {}
    for (operation, status, name), row in sorted(rows.items()):
        word = operation or "none"
        counts.add_metric([word, str(status), name], sum(row[:BUCKETS]))
        sums = taken.setdefault(word, [0] * (BUCKETS + 1))
        taken[word] = [a + b for a, b in zip(sums, row, strict=True)]
    yield counts
    family = HistogramMetricFamily(
        "pintu_request_seconds", "From the whole request to its answer", labels=["operation"]
    )
    for word, row in taken.items():
        family.add_metric([word], buckets(row, 1e6), row[TOTAL] / 1e6)
    yield family


def buckets(row: list[int], unit: float) -> list[tuple[str, float]]:
    """(upper bound, how many at most that) of a histogram of whole numbers, `unit` of them one."""
    found, passed = [], 0
    for bucket in range(BUCKETS):
        passed += row[bucket]
        if FINEST <= bucket <= COARSEST:
            found.append((f"{(1 << bucket) / unit:.6g}", float(passed)))
    return [*found, ("+Inf", float(passed))]


# --- the store --------------------------------------------------------------------------------
def store(figures: dict[str, Any]) -> Iterator[Metric]:
    """Figures of a store by their names; learned indexes are counted by state."""
    learned = figures.get("learned") or []
    for name, value in figures.items():
        if name == "learned" or not isinstance(value, int | float):
            continue
        told = f"The store's own figure {name}"
        if name in COUNTERS:
            yield counter(f"pintu_store_{name}", told, value)
        else:
            yield GaugeMetricFamily(f"pintu_store_{name}", told, value=float(value))
    states: dict[str, int] = {}
    for one in learned:
        states[str(one["state"])] = states.get(str(one["state"]), 0) + 1
    family = GaugeMetricFamily("pintu_learned_indexes", "By state", labels=["state"])
    for state in ("ready", "building", "waiting"):
        family.add_metric([state], states.get(state, 0))
    yield family
    held = sum(int(one.get("bytes", 0)) for one in learned)
    yield GaugeMetricFamily("pintu_learned_index_bytes", "What they hold, about", value=held)


def groups(times: dict[str, list[int]]) -> Iterator[Metric]:
    """How large groups of writes were, and how long each step of them took. Of PostgreSQL applying
    is part of the commit: both are one statement."""
    for key, name, text, unit in (
        ("operations", "group_operations", "Operations of one group, durable together", 1.0),
        ("apply_us", "apply_seconds", "Applying a group, before its commit", 1e6),
        ("commit_us", "commit_seconds", "The commit of a group, until it is on the disk", 1e6),
        ("tell_us", "tell_seconds", "Telling feed, subscriptions and pages of a group", 1e6),
    ):
        row = times.get(key)
        if row is None or not any(row):
            continue
        family = HistogramMetricFamily(f"pintu_store_{name}", text)
        family.add_metric([], sizes(row) if unit == 1 else buckets(row, unit), row[TOTAL] / unit)
        yield family


def sizes(row: list[int]) -> list[tuple[str, float]]:
    """The same for small whole numbers: 1, 3, 7 … at most."""
    found, passed = [], 0
    for bucket in range(BUCKETS):
        passed += row[bucket]
        if 1 <= bucket <= 14:
            found.append((str((1 << bucket) - 1), float(passed)))
    return [*found, ("+Inf", float(passed))]


# --- feed, intake, subscriptions, log ---------------------------------------------------------
def feed(rooms: Any) -> Iterator[Metric]:
    """How far each named reader of the log is behind."""
    yield counter("pintu_feed_changes", "Changes handed on live", rooms.feed.live_changes)
    yield GaugeMetricFamily("pintu_log_position", "The newest change", value=rooms.store.head())
    lag = GaugeMetricFamily("pintu_feed_lag", "Changes a reader is behind", labels=["reader"])
    lags = sorted(rooms.feed.lag().items(), key=lambda one: -one[1])
    for name, value in lags[:MOST_READERS]:
        lag.add_metric([name], value)
    yield lag


def intake(rooms: Any) -> Iterator[Metric]:
    """What each source handed in, and what is held of it."""
    found = sorted(rooms.intake.sources(), key=lambda one: -one.accepted)
    families = {
        name: CounterMetricFamily(f"pintu_intake_{name}", text, labels=["source"])
        for name, text in (
            ("batches", "Batches handed in"),
            ("accepted", "Updates accepted"),
            ("quarantined", "Messages and updates held, with their reason"),
            ("repeated", "Batches that had come before"),
        )
    }
    for one in found[:MOST_SOURCES]:
        for name, family in families.items():
            family.add_metric([one.name], getattr(one, name))
    if found[MOST_SOURCES:]:
        for name, family in families.items():
            family.add_metric(["other"], sum(getattr(o, name) for o in found[MOST_SOURCES:]))
    yield from families.values()
    states = GaugeMetricFamily("pintu_sources", "Sources by health", labels=["health"])
    for word in ("connecting", "up", "down", "silent", "stopped", "unknown"):
        states.add_metric([word], sum(one.health == word for one in found))
    yield states
    held = sum(count.held for count in rooms.intake.quarantine.counts().values())
    yield GaugeMetricFamily("pintu_quarantine_held", "Messages in quarantine", value=held)


def telling(rooms: Any) -> Iterator[Metric]:
    """Subscriptions, and how those are that are owed something."""
    if rooms.subscriptions is None:
        return
    room, delivery = rooms.subscriptions, rooms.delivery
    yield GaugeMetricFamily("pintu_subscriptions", "There are", value=room.count())
    if delivery is None:
        return
    channels = list(delivery.channels.values())
    behind = [delivery.lag(one.subscription) for one in channels]
    head = rooms.store.head()
    matched = head - delivery.position if delivery.follower.running else 0
    yield from gauges(
        {
            "pintu_subscriptions_parked": (
                "Told nothing until somebody says so",
                sum(bool(one.state.parked) for one in channels),
            ),
            "pintu_subscriptions_failing": (
                "Their last attempt failed", sum(one.state.attempts > 0 for one in channels),
            ),
            "pintu_subscriptions_owed": ("Owed something", sum(one.owing for one in channels)),
            "pintu_subscription_lag_most": ("Changes the last is behind", max(behind, default=0)),
            "pintu_subscriptions_match_lag": ("Changes not matched yet", max(matched, 0)),
            "pintu_subscription_queue": (
                "Changes that wait in memory", sum(len(one.queue) for one in channels),
            ),
        }
    )  # fmt: skip


def log(rooms: Any) -> Iterator[Metric]:
    """The sealed log: how long it is, whether it is what was sealed."""
    if rooms.audit is None:
        return
    head = rooms.audit.head()
    rows = 0 if head is None else head.size
    yield GaugeMetricFamily("pintu_audit_sealed_rows", "Rows under the head", value=rows)
    wrong = float(bool(rooms.audit.trouble))
    yield GaugeMetricFamily("pintu_audit_trouble", "1: it is not what was sealed", value=wrong)


def relay(rooms: Any) -> Iterator[Metric]:
    """How far what leaves and what comes by NATS is behind."""
    for name, value in (rooms.relay.figures() if rooms.relay is not None else {}).items():
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        yield kind(name.removesuffix("_total"), "The relay through NATS", value=value)


def backups(rooms: Any) -> Iterator[Metric]:
    """How old the last whole copy is and up to when every moment is kept; where `[backup]` is."""
    if not rooms.settings.backup:
        return
    base, stream = (read_state(rooms.settings.data, one) for one in (BASE, STREAM))
    now_us = time.time_ns() // 1000
    trouble = bool(base.get("trouble") or stream.get("trouble"))
    told: dict[str, tuple[str, float]] = {"pintu_backup_trouble": ("They stand still", trouble)}
    for name, text, at_us in (
        ("pintu_backup_age_seconds", "Since the last whole copy", base.get("as_of_us")),
        ("pintu_backup_behind_seconds", "Since the last moment kept", stream.get("at_us")),
    ):
        if at_us:
            told[name] = (text, (now_us - at_us) / 1e6)
    yield from gauges(told)


def quotas(rooms: Any) -> Iterator[Metric]:
    """What limits refused, by limit; how many tenants are hosted and suspended."""
    limits = rooms.limits
    if limits is None:
        return
    family = CounterMetricFamily("pintu_limited", "Refused over a limit", labels=["limit"])
    for name, value in sorted(limits.refused.items()):
        family.add_metric([name], value)
    yield family
    states = GaugeMetricFamily("pintu_hosted_tenants", "By state", labels=["state"])
    suspended = sum(one.suspended for one in limits.tenants.values())
    states.add_metric(["open"], len(limits.tenants) - suspended)
    states.add_metric(["suspended"], suspended)
    yield states


# --- the machine ------------------------------------------------------------------------------
def processes() -> Iterator[Metric]:
    """CPU and memory of every process of the city, added up by what it is."""
    cpu = CounterMetricFamily("pintu_process_cpu_seconds", "Used", labels=["process"])
    held = GaugeMetricFamily("pintu_process_resident_bytes", "Held", labels=["process"])
    count = GaugeMetricFamily("pintu_processes", "Running", labels=["process"])
    found: dict[str, list[float]] = {}
    for one in machine.city_processes():
        sums = found.setdefault(one.name, [0.0, 0.0, 0.0])
        for place, value in enumerate((one.cpu_s, one.resident, 1)):
            sums[place] += value
    for name, (cpu_s, resident, many) in sorted(found.items()):
        cpu.add_metric([name], cpu_s)
        held.add_metric([name], resident)
        count.add_metric([name], many)
    yield from (cpu, held, count)
    threads = CounterMetricFamily(
        "pintu_broker_thread_cpu_seconds", "Of the broker, by its threads", labels=["thread"]
    )
    for name, spent in machine.thread_cpu_s().items():
        threads.add_metric([name], spent)
    yield threads
    yield from gauges(
        {
            "pintu_resident_bytes": ("Held by this process", machine.resident_bytes()),
            "pintu_open_files": ("Descriptors of this process", machine.open_files()),
        }
    )
    yield counter("pintu_cpu_seconds", "Used by this process", machine.own_cpu_s())
