"""Asks the limits of hosted tenants at every door, from memory; looks at the files each second.

Only tenants with a file are asked about at all: `tenants` is the one look everybody else pays.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import Forbidden, PintuError, QuotaExceeded, TooManyRequests
from pintu.kernel.limits.bucket import Bucket
from pintu.kernel.limits.holdings import Holdings
from pintu.kernel.limits.words import KIND, Hosted, read_hosted
from pintu.kernel.store.port import Store

SECONDS_AT_ONCE: Final = 2.0
"""A burst, where nobody said how large: so many seconds' worth."""

MOST_SOURCES: Final = 1_000
CREATING: Final = {
    "createSubscription": "subscriptions",
    "registerContextSource": "registrations",
}
"""Operations that make one more of something counted by tenant → the quota."""

log = logging.getLogger("pintu.limits")
Now = Callable[[], float]


class Quotas:
    """What hosted tenants may use, and what was refused; lives on the loop."""

    def __init__(self, configuration: Configuration, store: Store, now: Now = time.monotonic):
        self._configuration, self._store, self._now = configuration, store, now
        self.tenants: dict[str, Hosted] = {}  # changed in place: doors hold on to it
        self.refused: Counter[str] = Counter()
        self.counts: dict[str, Callable[[str], int]] = {}
        """Quota → how many of these a tenant has."""
        self.holdings = Holdings(store, self._over)
        self.mistakes: dict[str, str] = {}
        self._buckets: dict[str, Bucket] = {}
        self._sources: dict[tuple[str, str], Bucket] = {}
        self._seen: list[tuple[str, int, int]] = []
        self.look()

    # --- at the doors -------------------------------------------------------------------------
    def ask(self, tenant: str, operation: str = "") -> None:
        """One request of a tenant with a file.

        Raises Forbidden for one that is suspended, TooManyRequests over its rate, QuotaExceeded for
        one more of what it has enough of.
        """
        hosted = self.tenants.get(tenant)
        if hosted is None:
            return
        if hosted.suspended:
            self.refused["suspended"] += 1
            raise Forbidden(f"Tenant {tenant} is suspended", limit="suspended")
        bucket = self._buckets.get(tenant)
        if bucket is not None and (wait_s := bucket.take(self._now())):
            self.refused["requests_per_s"] += 1
            raise TooManyRequests(
                f"Tenant {tenant} may ask {bucket.rate:g} times a second",
                limit="requests_per_s", most=bucket.rate, retryAfter=wait_s,
            )  # fmt: skip
        quota = CREATING.get(operation)
        if quota is not None:
            self._room(tenant, quota, getattr(hosted.limits, quota))

    def _room(self, tenant: str, quota: str, most: int | None) -> None:
        count = self.counts.get(quota)
        if most is not None and count is not None and count(tenant) >= most:
            raise self._over(tenant, quota, most)

    def _over(self, tenant: str, quota: str, most: int) -> PintuError:
        self.refused[quota] += 1
        return QuotaExceeded(f"Tenant {tenant} may have {most} {quota}", limit=quota, most=most)

    def hand_in(self, tenant: str, source: str, many: int) -> None:
        """A source hands in so many updates; Forbidden, or TooManyRequests over its rate."""
        hosted = self.tenants.get(tenant)
        if hosted is None:
            return
        if hosted.suspended:
            self.refused["suspended"] += 1
            raise Forbidden(f"Tenant {tenant} is suspended", limit="suspended")
        said = hosted.sources.get(source) or hosted.sources.get("*")
        if said is None:
            return
        key = (tenant, source)
        bucket = self._sources.get(key)
        if bucket is None:
            if len(self._sources) >= MOST_SOURCES:
                self._sources.clear()
            most = said.burst or said.updates_per_s * SECONDS_AT_ONCE
            bucket = self._sources[key] = Bucket(said.updates_per_s, most, self._now())
        wait_s = bucket.take(self._now(), many)
        if wait_s:
            self.refused["updates_per_s"] += 1
            raise TooManyRequests(
                f"Source {source} may hand in {bucket.rate:g} updates a second",
                limit="updates_per_s", most=bucket.rate, retryAfter=wait_s,
            )  # fmt: skip

    def history_days(self, tenant: int) -> int:
        """Days of raw history a tenant may have, by its number; 0: what the city keeps."""
        numbers = self._store.tenants()
        for name, hosted in self.tenants.items():
            if hosted.limits.history_days and numbers.get(name) == tenant:
                return hosted.limits.history_days
        return 0

    # --- what people decided ------------------------------------------------------------------
    def look(self) -> bool:
        """Read the files again when one of them changed; true when they did. One with a mistake
        keeps what it said before, or, where it said nothing yet, suspends its tenant."""
        seen = self._files()
        if seen == self._seen:
            return False
        self._seen = seen
        self.mistakes = {}
        found: dict[str, Hosted] = {}
        for name, _, _ in seen:
            try:
                saved = self._configuration.get(KIND, name)
                found[name] = read_hosted(saved.content)
            except PintuError as error:
                self.mistakes[name] = error.detail
                found[name] = self.tenants.get(name, Hosted(suspended=True))
                log.error("config/%s/%s.toml: %s", KIND, name, error.detail)
        self.tenants.clear()
        self.tenants.update(found)
        self._sources.clear()
        for name, hosted in found.items():
            self._bucket(name, hosted)
        for name in self._buckets.keys() - found.keys():
            del self._buckets[name]
        self.holdings.bound({name: one.limits for name, one in found.items()})
        return True

    def _files(self) -> list[tuple[str, int, int]]:
        found = []
        folder = self._configuration.folder / KIND
        for path in sorted(folder.glob("[a-z]*.toml")) if folder.is_dir() else ():
            try:
                told = path.stat()
            except OSError:
                continue
            found.append((path.stem, told.st_mtime_ns, told.st_size))
        return found

    def _bucket(self, name: str, hosted: Hosted) -> None:
        rate, old = hosted.limits.requests_per_s, self._buckets.get(name)
        if rate is None:
            self._buckets.pop(name, None)
            return
        most = float(hosted.limits.burst or max(1.0, rate * SECONDS_AT_ONCE))
        if old is None or (old.rate, old.most) != (rate, most):
            self._buckets[name] = Bucket(rate, most, self._now())

    def shown(self) -> list[dict[str, Any]]:
        """Every hosted tenant with what it holds, for the page and the command line."""
        rows = []
        for name, hosted in sorted(self.tenants.items()):
            held: dict[str, int] = dict(self.holdings.of(name))
            held |= {quota: count(name) for quota, count in self.counts.items()}
            rows.append({"name": name, "hosted": hosted, "held": held})
        return rows
