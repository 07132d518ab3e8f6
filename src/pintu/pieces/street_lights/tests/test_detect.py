"""What is found, what is not, and when it is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pintu.kit import Changed, Update, iso
from pintu.kit.testing import MemoryContext
from pintu.pieces.street_lights.detect import Detector
from pintu.pieces.street_lights.model import DuskToDawn, lamp_id

NIGHT = datetime(2026, 11, 20, 14, tzinfo=UTC).timestamp()  # 22:00 in Hangzhou
NOON = datetime(2026, 11, 20, 4, tzinfo=UTC).timestamp()
RATED = 100.0


class Street:
    """Four lamps on one feeder, and two more gateways that are always heard."""

    def __init__(self, at_s: float, *, program: str = "dusk-to-dawn") -> None:
        self.at_s = at_s
        self.hours = 100.0
        self.context = MemoryContext()
        self.detector = Detector(DuskToDawn(30.2, 120.2))
        self.found: list[tuple[str, str, str]] = []
        for gateway in ("GW1", "GW2", "GW3"):
            for number in range(4):
                self.tell(self.installed(f"{gateway}-L{number}", gateway, program))

    @staticmethod
    def installed(lamp: str, gateway: str, program: str) -> dict[str, Any]:
        return {
            "id": lamp_id(lamp), "type": "Streetlight",
            "ratedPower": {"type": "Property", "value": RATED},
            "gateway": {"type": "Property", "value": gateway},
            "circuit": {"type": "Property", "value": f"{gateway}-F1"},
            "activeProgramId": {"type": "Property", "value": program},
        }  # fmt: skip

    @property
    def now_us(self) -> int:
        return int(self.at_s * 1e6)

    def tell(self, entity: dict[str, Any]) -> None:
        change = self.context.apply(Update(entity), self.now_us)
        self.keep(self.detector.changed(change, self.now_us))

    def keep(self, updates: list[Update]) -> None:
        for one in updates:
            _, _, _, _, kind, target = one.entity["id"].split(":", 5)
            self.found.append((kind, target, one.entity["status"]["value"]))
            self.context.apply(one, self.now_us)

    def reads(self, lamp: str, level: float, power: float, volts: float = 228.0) -> None:
        at = {"type": "Property", "observedAt": iso(self.now_us)}
        self.tell(
            {
                "id": lamp_id(lamp), "type": "Streetlight",
                "illuminanceLevel": {**at, "value": level},
                "activePower": {**at, "value": power},
                "voltage": {**at, "value": volts},
                "workingHours": {**at, "value": self.hours},
            }
        )  # fmt: skip

    def goes_on(self, times: int = 1, *, level: float = 1.0, power: float | None = None,
                volts: float = 228.0, silent: tuple[str, ...] = ()) -> None:  # fmt: skip
        """All lamps read well each 10 s, but GW1-L0, which draws `power`."""
        for _ in range(times):
            self.at_s += 10
            well = RATED * (0.06 + 0.94 * level) if level else 0.4
            self.hours += 10 / 3600 if well > 5 else 0
            for gateway in ("GW1", "GW2", "GW3"):
                if gateway in silent:
                    continue
                for number in range(4):
                    lamp = f"{gateway}-L{number}"
                    mine = lamp == "GW1-L0" and power is not None
                    low = volts if gateway == "GW1" else 228.0
                    self.reads(lamp, level, power if mine and power is not None else well, low)
            self.keep(self.detector.tick(self.now_us))


def test_a_street_that_is_well_raises_nothing() -> None:
    """An hour at night with a change of level, and nothing is found."""
    street = Street(NIGHT)
    street.goes_on(180, level=1.0)
    street.goes_on(180, level=0.5)
    assert street.found == []


def test_a_lamp_that_stays_dark_has_failed_and_is_well_again() -> None:
    """Eight dark readings raise it, three bright ones clear it, once each."""
    street = Street(NIGHT)
    street.goes_on(8, power=0.4)
    assert street.found == []
    street.goes_on(5, power=0.4)
    assert street.found == [("failed", "GW1-L0", "open")]
    street.goes_on(10)
    assert street.found == [("failed", "GW1-L0", "open"), ("failed", "GW1-L0", "cleared")]


def test_a_lamp_that_goes_on_and_off_flickers_and_has_not_failed() -> None:
    """Turns are counted before darkness is believed."""
    street = Street(NIGHT)
    for _ in range(8):
        street.goes_on(2, power=0.4)
        street.goes_on(1)
    assert street.found == [("flicker", "GW1-L0", "open")]
    street.goes_on(30)
    assert street.found[-1] == ("flicker", "GW1-L0", "cleared")


def test_a_lamp_that_burns_at_noon_is_found() -> None:
    """Power while the sun is up, told to be dark."""
    street = Street(NOON)
    street.goes_on(8, level=0.0, power=97.0)
    assert street.found == [("day_burner", "GW1-L0", "open")]


def test_a_crews_test_and_a_tunnel_are_no_day_burners() -> None:
    """Half a minute of light at noon that the controller itself tells, and lamps that always
    burn."""
    street = Street(NOON)
    street.goes_on(3, level=1.0)
    street.goes_on(30, level=0.0)
    tunnel = Street(NOON, program="always")
    tunnel.goes_on(60, level=0.9)
    assert (street.found, tunnel.found) == ([], [])


def test_a_lamp_somebody_asked_to_burn_is_no_day_burner() -> None:
    """A command explains the light."""
    street = Street(NOON)
    street.tell(
        {
            "id": lamp_id("GW1-L0"), "type": "Streetlight",
            "desiredIlluminanceLevel": {
                "type": "Property", "value": 1.0, "observedAt": iso(street.now_us),
            },
        }
    )  # fmt: skip
    for _ in range(60):
        street.at_s += 10
        street.reads("GW1-L0", 1.0, 100.0)
    assert street.found == []


def test_a_lamp_that_will_not_dim_is_found() -> None:
    """Full power at half level."""
    street = Street(NIGHT)
    street.goes_on(10, level=0.5, power=100.0)
    assert street.found == [("dim_ignored", "GW1-L0", "open")]


def test_low_voltage_is_one_alert_a_feeder() -> None:
    """Four lamps under 198 V are one cable, and it clears above 203 V, not above 198."""
    street = Street(NIGHT)
    street.goes_on(10, volts=184.0)
    assert street.found == [("low_voltage", "GW1-F1", "open")]
    street.goes_on(10, volts=200.0)
    assert len(street.found) == 1
    street.goes_on(10, volts=225.0)
    assert street.found[-1] == ("low_voltage", "GW1-F1", "cleared")


def test_a_counter_that_runs_too_fast_is_found() -> None:
    """Two hours in which it gained what the lamp did not burn."""
    street = Street(NOON)
    for _ in range(3 * 360):
        street.hours += 30 / 3600
        street.goes_on(level=0.0)
    assert {"hours_counter"} == {kind for kind, _, _ in street.found}


def test_a_silent_gateway_is_found_and_its_lamps_are_not_told_one_by_one() -> None:
    """One alert for the gateway; it clears with the first reading."""
    street = Street(NIGHT)
    street.goes_on(10)
    street.goes_on(20, silent=("GW1",))
    assert street.found == [("silent", "GW1", "open")]
    street.goes_on(1)
    assert street.found == [("silent", "GW1", "open"), ("silent", "GW1", "cleared")]


def test_when_all_are_silent_it_is_our_own_ear() -> None:
    """A broker that is away raises no alert for each gateway."""
    street = Street(NIGHT)
    street.goes_on(10)
    street.goes_on(60, silent=("GW1", "GW2", "GW3"))
    assert street.found == []


def test_after_a_restart_an_open_alert_is_known_and_cleared() -> None:
    """A new detector is told what there is, raises nothing twice, and clears what is over."""
    street = Street(NIGHT)
    street.goes_on(15, power=0.4)
    street.detector = Detector(DuskToDawn(30.2, 120.2))
    for entity in list(street.context.entities.values()):
        change = Changed(entity["id"], (entity["type"],), "created", street.now_us, "", entity)
        street.keep(street.detector.changed(change, street.now_us))
    street.goes_on(15, power=0.4)
    assert street.found == [("failed", "GW1-L0", "open")]
    street.goes_on(6)
    assert street.found[-1] == ("failed", "GW1-L0", "cleared")


def test_the_same_reading_twice_counts_once() -> None:
    """A message delivered again brings no fault nearer."""
    street = Street(NIGHT)
    street.goes_on(2)
    street.at_s += 10
    for _ in range(50):
        street.reads("GW1-L0", 1.0, 0.4)
    assert street.found == []
