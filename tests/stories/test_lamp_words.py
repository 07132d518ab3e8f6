"""A night on a street, from the wire to the words: everything written of it keeps to the
vocabulary."""

from __future__ import annotations

from typing import Any

import pytest

from pintu import vocabulary
from pintu.demo.district import build_roads, make_sites, place_lamps
from pintu.demo.faults import Fault, FaultPlan
from pintu.demo.gateways import Gateway
from pintu.demo.lamps import SiteState
from pintu.kernel.intake.words import Command, Envelope, Update
from pintu.kit.testing import FakeClock, MemoryContext
from pintu.pieces.street_lights.actions import _desired
from pintu.pieces.street_lights.derive import Deriver
from pintu.pieces.street_lights.detect import Detector
from pintu.pieces.street_lights.model import DuskToDawn, lamp_id
from pintu.pieces.street_lights.normalise import normalise

EVENING_US = 1_795_183_205_000_000  # 2026-11-20T14:00:05Z, 22:00 on the spot


class Street:
    """Gateway, normaliser, watchers and context in one hand."""

    def __init__(self) -> None:
        self.clock = FakeClock(EVENING_US)
        site = make_sites(place_lamps(build_roads(), 40, 5), 2)[0]
        self.lamp = site.lamps[0].id
        plan = FaultPlan([Fault("F1", "failed", self.lamp, 0, EVENING_US)])
        self.gateway = Gateway(SiteState(site, plan, 5), self, interval_s=10, seed=5)
        self.context = MemoryContext()
        self.watchers = (Detector(DuskToDawn(30.2, 120.2)), Deriver())

    def now_s(self) -> float:
        """The demo reads the same clock."""
        return self.clock.at_us / 1e6

    def take(self, kind: str, body: bytes) -> None:
        topic = f"lamps/{self.gateway.name}/{kind}"
        for one in normalise(Envelope("s", "k", self.clock.at_us, body, {"topic": topic})):
            assert isinstance(one, Update)
            self.tell(one)

    def tell(self, update: Update) -> None:
        change = self.context.apply(update, self.clock.at_us)
        for watcher in self.watchers:
            for found in watcher.changed(change, self.clock.at_us):
                self.tell(found)

    def tick(self) -> None:
        for watcher in self.watchers:
            for found in watcher.tick(self.clock.at_us):
                self.tell(found)


@pytest.fixture(scope="module")
def entities() -> dict[str, dict[str, Any]]:
    """What the context holds after ten minutes with one failed lamp, and a command."""
    import orjson

    street = Street()
    street.take("inventory", orjson.dumps(street.gateway.inventory()))
    for _ in range(60):
        street.clock.advance(10)
        street.take("telemetry", street.gateway.telemetry())
        street.tick()
    target = lamp_id(street.lamp)
    command = Command("c", "demo", "street_lights", "DimLamp", target, {"level": 40}, "x", 0)
    street.tell(Update(_desired(command, 40, street.clock.at_us)))
    return street.context.entities


def test_every_word_is_known(entities: dict[str, dict[str, Any]]) -> None:
    """Type, attributes, units and codes of all lamps, groups, cabinets and alerts."""
    mistakes = {
        f"{entity['type']}: {one}"
        for entity in entities.values()
        for one in vocabulary.vocabulary().check(entity)
    }
    assert set() == mistakes


def test_the_failed_lamp_is_an_alert_and_a_condition(entities: dict[str, dict[str, Any]]) -> None:
    """The lamp, its group, its cabinet and the alert tell the same story."""
    (alert,) = [one for one in entities.values() if one["type"] == "Alert"]
    lamp = entities[alert["alertSource"]["object"]]
    group = entities[lamp["refStreetlightGroup"]["object"]]
    cabinet = entities[lamp["refStreetlightControlCabinet"]["object"]]
    told = (alert["subCategory"]["value"], lamp["condition"]["value"], lamp["status"]["value"])
    assert ("failed", "failed", "defectiveLamp") == told
    assert (1, 1) == (group["faultCount"]["value"], cabinet["faultCount"]["value"])
