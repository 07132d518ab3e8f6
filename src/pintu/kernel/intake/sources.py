"""The sources and their health: what each said of itself, what intake saw of it, and whether it is
silent.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pintu.kernel.clock import iso
from pintu.kernel.intake.words import SourceReport, Update

Health = Literal["connecting", "up", "down", "silent", "stopped", "unknown"]
GRACE = 3.0  # a source is silent after this many of its expected intervals
DOWN_GRACE_S = 10.0  # a connection may be lost for so long before it is an alert
MAX_SOURCES = 1_000


class Source(msgspec.Struct, kw_only=True):
    """One source, as the sources page shows it. Counters of `report` are since the source's own
    start.
    """

    name: str
    tenant: str = ""
    report: SourceReport | None = None
    batches: int = 0
    accepted: int = 0
    quarantined: int = 0
    repeated: int = 0
    last_batch_us: int = 0
    health: Health = "unknown"
    alerted: bool | None = None  # None: nobody has looked yet whether an alert is open from before
    progress_s: float = 0.0  # monotonic: when it last got further
    bad_since_s: float | None = None

    @property
    def expected_interval_s(self) -> float:
        """How often it should say something, in real seconds; 0 when it need not."""
        return 0.0 if self.report is None else self.report.expected_interval_s


class Sources:
    """Every source heard of, in memory: what matters of a source is how it is now.

    Silence is measured in the machine's time, whatever rate the city's clock runs at.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now_s = monotonic
        self._sources: OrderedDict[str, Source] = OrderedDict()

    def list_all(self) -> list[Source]:
        """Every source by name, with its health of this moment."""
        for source in self._sources.values():
            source.health = self._health(source)
        return sorted(self._sources.values(), key=lambda source: source.name)

    def report(self, report: SourceReport) -> None:
        """A source told how it is."""
        source = self._of(report.source)
        before = source.report
        if before is None or report.messages != before.messages or report.last_us > before.last_us:
            source.progress_s = self._now_s()
        source.report = report
        source.tenant = report.tenant or source.tenant

    def batch(self, name: str, tenant: str, at_us: int) -> Source:
        """A batch of a source came in; the caller counts what became of it."""
        source = self._of(name)
        source.tenant, source.last_batch_us, source.progress_s = tenant, at_us, self._now_s()
        source.batches += 1
        return source

    def lost(self, names: set[str], why: str) -> None:
        """The process these sources live in is gone."""
        for name in names & self._sources.keys():
            report = self._sources[name].report
            if report is not None and report.state != "stopped":
                self._sources[name].report = msgspec.structs.replace(
                    report, state="down", detail=why
                )

    def _of(self, name: str) -> Source:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = Source(name=name, progress_s=self._now_s())
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(name)
        return source

    def _health(self, source: Source) -> Health:
        if source.report is None:  # a deriver says something when it finds something
            return "up" if source.batches else "unknown"
        if source.report.state != "up":
            return source.report.state
        quiet_s = self._now_s() - source.progress_s
        expected_s = source.expected_interval_s
        return "silent" if expected_s and quiet_s > GRACE * expected_s else "up"

    def due(self, now_us: int) -> list[tuple[Source, Update]]:
        """Alerts to raise or clear now; the caller sets `alerted` once they are stored."""
        found: list[tuple[Source, Update]] = []
        for source in self.list_all():
            bad = source.health in ("silent", "down")
            if not bad:
                source.bad_since_s = None
            elif source.bad_since_s is None:
                source.bad_since_s = self._now_s()
            if source.alerted and source.health in ("up", "stopped"):
                found.append((source, alert(source, now_us, open=False)))
            elif bad and source.alerted is False and self._lasts(source):
                found.append((source, alert(source, now_us, open=True)))
        return found

    def _lasts(self, source: Source) -> bool:
        bad_s = self._now_s() - (source.bad_since_s or self._now_s())
        return source.health == "silent" or bad_s >= DOWN_GRACE_S


def alert_id(source: str) -> str:
    """The id of a source's alert: the same each time, so that it is one entity with a history."""
    return "urn:ngsi-ld:Alert:intake:" + re.sub(r"[^A-Za-z0-9._-]", "-", source)


def alert(source: Source, now_us: int, *, open: bool) -> Update:
    """The Alert entity of a source that went silent or down, or its clearing."""
    at = _property({"@type": "DateTime", "@value": iso(now_us)})
    id = alert_id(source.name)
    if not open:
        return Update(
            {"id": id, "type": "Alert", "status": _property("cleared"), "validTo": at}, "append"
        )
    detail = f": {source.report.detail}" if source.report and source.report.detail else ""
    silent = source.health == "silent"
    names = {
        "zh": f"数据源{'没有消息' if silent else '已断开'}：{source.name}",
        "en": f"Source {'is silent' if silent else 'is down'}: {source.name}",
    }
    entity: dict[str, Any] = {
        "id": id,
        "type": "Alert",
        "category": _property("infrastructure"),
        "subCategory": _property("sourceSilent" if silent else "sourceDown"),
        "severity": _property("high"),
        "status": _property("open"),
        "name": {"type": "LanguageProperty", "languageMap": names},
        "description": _property(f"Source {source.name} is {source.health}{detail}"),
        "alertSource": _property(source.name),
        "target": _property(source.name),
        "detector": _property("intake/sources"),
        "dateIssued": at,
        "validFrom": at,
    }
    return Update(entity, "upsert")


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}
