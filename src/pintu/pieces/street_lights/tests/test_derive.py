"""What a group, a cabinet and a lamp are like as a whole."""

from __future__ import annotations

from typing import Any

from pintu.kit import Update
from pintu.kit.testing import FakeClock, MemoryContext
from pintu.pieces.street_lights.derive import GROUPS_EVERY, Deriver
from pintu.pieces.street_lights.model import Fault, alert_id, cabinet_id, group_id, lamp_id


class Hall:
    """A deriver and the context it works on."""

    def __init__(self) -> None:
        self.clock, self.context, self.deriver = FakeClock(), MemoryContext(), Deriver()

    def tell(self, entity: dict[str, Any]) -> None:
        change = self.context.apply(Update(entity), self.clock.now_us())
        self.deriver.changed(change, self.clock.now_us())

    def tick(self, times: int = 1) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for _ in range(times):
            for one in self.deriver.tick(self.clock.advance(1)):
                found.setdefault(one.entity["id"], {}).update(one.entity)
                self.tell(one.entity)
        return found

    def lamp(self, name: str, level: float, power: float) -> None:
        self.tell(
            {
                "id": lamp_id(name), "type": "Streetlight",
                "gateway": {"type": "Property", "value": "GW1"},
                "circuit": {"type": "Property", "value": "C1-F1"},
                "refStreetlightGroup": {"type": "Relationship", "object": group_id("G1")},
                "refStreetlightControlCabinet": {
                    "type": "Relationship", "object": cabinet_id("C1"),
                },
                "illuminanceLevel": {"type": "Property", "value": level},
                "activePower": {"type": "Property", "value": power},
            }
        )  # fmt: skip

    def alert(self, fault: Fault, target: str, status: str) -> None:
        name = alert_id(fault, target)
        self.tell({"id": name, "type": "Alert", "status": {"type": "Property", "value": status}})


def value(entity: dict[str, Any], name: str) -> Any:
    return entity[name]["value"]


def test_a_group_is_the_sum_of_its_lamps() -> None:
    """Power is added, the level is the mean, those that burn are counted."""
    hall = Hall()
    hall.lamp("L1", 1.0, 100.0)
    hall.lamp("L2", 0.5, 56.0)
    found = hall.tick(GROUPS_EVERY)
    group = found[group_id("G1")]
    names = ("activePower", "illuminanceLevel", "lampsOn", "faultCount", "powerState")
    assert [value(group, one) for one in names] == [156.0, 0.75, 2, 0, "on"]
    assert value(found[cabinet_id("C1")], "activePower") == 156.0


def test_what_did_not_move_is_not_written_again() -> None:
    """A quiet group costs no write."""
    hall = Hall()
    hall.lamp("L1", 1.0, 100.0)
    hall.tick(GROUPS_EVERY)
    hall.lamp("L1", 1.0, 100.4)
    assert hall.tick(GROUPS_EVERY) == {}


def test_the_worst_fault_is_the_lamps_condition() -> None:
    """A failed lamp on a weak feeder has failed; mended, the feeder is left; then it is well."""
    hall = Hall()
    hall.lamp("L1", 1.0, 100.0)
    conditions = [value(hall.tick()[lamp_id("L1")], "condition")]
    for fault, target, status in (
        (Fault.LOW_VOLTAGE, "C1-F1", "open"),
        (Fault.FAILED, "L1", "open"),
        (Fault.FAILED, "L1", "cleared"),
        (Fault.LOW_VOLTAGE, "C1-F1", "cleared"),
    ):
        hall.alert(fault, target, status)
        conditions.append(value(hall.tick()[lamp_id("L1")], "condition"))
    assert conditions == ["ok", "low_voltage", "failed", "low_voltage", "ok"]


def test_a_silent_gateway_makes_all_its_lamps_silent() -> None:
    """Also those that are told of after the alert, as after a restart."""
    hall = Hall()
    hall.alert(Fault.SILENT, "GW1", "open")
    hall.lamp("L1", 1.0, 100.0)
    hall.lamp("L2", 1.0, 100.0)
    found = hall.tick()
    assert {"silent"} == {value(one, "condition") for one in found.values()}
