"""A small city of stations for tests: hours in, watchers and context in one hand. Synthetic."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from pintu.kit import Envelope, Update, Watcher
from pintu.kit.protocols import Frame, write_hj212
from pintu.kit.testing import MemoryContext
from pintu.pieces.environment.derive import Deriver
from pintu.pieces.environment.detect import Detector
from pintu.pieces.environment.model.index import Editions
from pintu.pieces.environment.model.outlook import Forecaster
from pintu.pieces.environment.normalise import normalise
from pintu.pieces.environment.settings import read_all_limits, read_tables

LOCAL = timezone(timedelta(hours=8))
BEGIN = datetime(2026, 11, 20, 0, 0, tzinfo=LOCAL)
FACTORS = {"PM2.5": "a34004", "PM10": "a34002", "SO2": "a21026", "NO2": "a21004",
           "O3": "a05024", "CO": "a21005"}  # fmt: skip
USUAL = {"PM2.5": 30.0, "PM10": 55.0, "SO2": 8.0, "NO2": 30.0, "O3": 60.0, "CO": 0.6}


class City:
    """Stations S0, S1 … a few kilometres apart, each of which sends an hour when told."""

    def __init__(self, stations: int = 4, *, forecast: bool = False, begin: datetime = BEGIN):
        self.begin = begin
        self.context = MemoryContext()
        editions = Editions(read_tables())
        self.deriver = Deriver(
            editions, read_all_limits(), forecaster=Forecaster() if forecast else None
        )
        self.detector = Detector(read_all_limits())
        self.watchers: tuple[Watcher, ...] = (self.detector, self.deriver)
        self.alerts: list[tuple[str, str, str]] = []  # kind, target, status
        self.names = [f"S{number}" for number in range(stations)]
        self.now_us = 0
        listed = [
            {"mn": name, "name": f"{name} 站", "lon": 120.1 + 0.03 * number, "lat": 30.2}
            for number, name in enumerate(self.names)
        ]
        body = json.dumps({"stations": listed}).encode()
        self.read(Envelope("environment/stations", "s", 0, body, {"kind": "stations"}))

    def read(self, envelope: Envelope) -> None:
        """One message, as the runtime would take it."""
        self.keep([one for one in normalise(envelope) if isinstance(one, Update)])

    def keep(self, updates: list[Update]) -> None:
        """Apply updates and tell the watchers, and keep what they find."""
        for update in updates:
            change = self.context.apply(update, self.now_us)
            if "Alert" in change.types:
                _, _, _, _, kind, target = change.id.split(":", 5)
                self.alerts.append((kind, target, change.entity["status"]["value"]))
            for watcher in self.watchers:
                if set(change.types) & set(watcher.reads):
                    self.keep(watcher.changed(change, self.now_us))

    def tell(
        self,
        name: str,
        number: int,
        values: dict[str, float] | None = None,
        flags: dict[str, str] | None = None,
    ) -> None:
        """One station's hour, `number` hours after the beginning; values differ from station to
        station and hour to hour as air does."""
        place = self.names.index(name)
        told = {
            one: round(value * (1 + 0.03 * place) + number * number * 37 % 97 / 25 + place, 2)
            for one, value in USUAL.items()
            if one != "CO"
        }
        told["CO"] = round(USUAL["CO"] + (number + place) % 4 / 10, 1)
        self.tell_only(name, number, {**told, **(values or {})}, flags)

    def tell_only(
        self,
        name: str,
        number: int,
        values: dict[str, float],
        flags: dict[str, str] | None = None,
    ) -> None:
        """One station's hour with these values and no others."""
        at = self.begin + timedelta(hours=number)
        text = at.strftime("%Y%m%d%H%M%S")
        factors = {
            FACTORS[one]: {"Avg": f"{value:.10g}", "Flag": (flags or {}).get(one, "N")}
            for one, value in values.items()
        }
        fields = {"QN": f"{text}000", "ST": "22", "CN": "2061", "PW": "1", "MN": name, "Flag": "5"}
        body = write_hj212(Frame(fields=fields, data_time=text, factors=factors))
        self.now_us = max(self.now_us, int((at.timestamp() + 3_700) * 1e6))
        self.read(Envelope("environment/hj212", f"{name} {text}", self.now_us, body, {}))

    def tick(self, times: int = 2) -> None:
        """Time for the watchers to say what follows."""
        for _ in range(times):
            for watcher in self.watchers:
                self.keep(watcher.tick(self.now_us))

    def hours(self, first: int, last: int, **special: dict[str, float]) -> None:
        """All stations' hours; `S0={"PM2.5": 200.0}` makes one of them special."""
        for number in range(first, last):
            for name in self.names:
                self.tell(name, number, special.get(name))
            self.tick()

    def station(self, name: str) -> dict[str, Any]:
        """A station as it stands in the context."""
        return self.context.entities[f"urn:ngsi-ld:AirQualityObserved:environment:{name}"]

    def day(self, name: str, date: str) -> dict[str, Any]:
        """A day as it stands in the context."""
        return self.context.entities[
            f"urn:ngsi-ld:AirQualityDay:environment:{name}:{date.replace('-', '')}"
        ]

    def found(self, *kinds: str) -> list[tuple[str, str, str]]:
        """Alerts of these kinds, in the order they were raised and cleared."""
        return [one for one in self.alerts if one[0] in kinds]
