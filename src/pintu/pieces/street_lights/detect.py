"""(5) Readings → alerts: what is wrong with a lamp, a feeder, a gateway, told from measurements
alone. Pure.

Every rule waits for several readings before it raises, and for others before it clears: one odd
reading is noise. Nothing is judged while a lamp has just been told another level.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pintu.kit import Changed, Update, iso
from pintu.pieces.street_lights.model import (
    FAULTS,
    NOMINAL_LOW_V,
    PIECE,
    RECOVERED_V,
    SEVERITY,
    STANDBY_W,
    TITLES,
    DuskToDawn,
    Fault,
    Feeder,
    Gateway,
    Lamp,
    alert_id,
    cabinet_id,
    expected_power_w,
    lamp_id,
    local_part,
)

FAILED_AFTER, FLICKER_TURNS, FLICKER_WINDOW = 8, 4, 12
DAY_AFTER, DIM_AFTER, LOW_AFTER = 4, 6, 2
COMMAND_HOLDS_S = 75 * 60
HOURS_WINDOW_S = 3600.0
SILENT_INTERVALS, SILENT_S = 6, 60.0
SWEEP = 16
"""Each tick looks at one sixteenth of the lamps for silence."""


Finding = tuple[Fault, bool, dict[str, Any]]


class Detector:
    """Watches lamps; returns Alert entities raised and cleared, with stable ids."""

    name = "detect"
    reads: tuple[str, ...] = ("Streetlight", "Alert")

    def __init__(self, schedule: DuskToDawn) -> None:
        self._schedule = schedule
        self._lamps: dict[str, Lamp] = {}
        self._gateways: dict[str, Gateway] = {}
        self._feeders: dict[str, Feeder] = {}
        self._open: dict[str, tuple[Fault, str]] = {}  # alert id → what and whose
        self._started_us = 0
        self._sweep = 0

    # --- changes ----------------------------------------------------------------------------------
    def changed(self, change: Changed, now_us: int) -> list[Update]:
        """Alerts raised or cleared by one change."""
        self._started_us = self._started_us or now_us
        if "Alert" in change.types:
            self._remember(change)
        if "Streetlight" not in change.types:
            return []
        local = local_part(change.id)
        if change.verb == "deleted":
            return self._forget(local, now_us)
        lamp = self._lamps.get(local)
        if lamp is None:
            lamp = self._lamps[local] = Lamp(local)
            for fault in Fault:
                if alert_id(fault, local) in self._open:
                    lamp.raised.add(fault)
        entity = change.entity
        if change.changed is None or "ratedPower" in change.changed or not lamp.gateway:
            self._install(lamp, entity)
        commanded = entity.get("desiredIlluminanceLevel")
        if commanded is not None:
            lamp.commanded = float(commanded["value"])
            lamp.commanded_s = _seconds(commanded.get("observedAt", ""))
        power = entity.get("activePower")
        if power is None or not lamp.rated_w:
            return []
        at_s = _seconds(power.get("observedAt", ""))
        if at_s <= lamp.at_s:
            return []
        return self._read(lamp, entity, at_s, max(change.at_us, self._started_us))

    def _read(self, lamp: Lamp, entity: dict[str, Any], at_s: float, heard_us: int) -> list[Update]:
        found = [
            self._alert(fault, lamp.id, raised, heard_us, evidence)
            for fault, raised, evidence in self._judge(lamp, entity, at_s)
        ]
        gateway = self._gateways[lamp.gateway]
        passed_s = (heard_us - lamp.heard_us) / 1e6 if lamp.heard_us else 0.0
        if 0 < passed_s < 7200:
            step = 0.02 if gateway.interval_s else 1.0
            gateway.interval_s += (passed_s - gateway.interval_s) * step
        lamp.at_s, lamp.heard_us = at_s, heard_us
        if heard_us > gateway.heard_us:
            gateway.heard_us = heard_us
        if gateway.silent:
            gateway.silent = False
            found.append(self._alert(Fault.SILENT, lamp.gateway, False, heard_us, {}))
        if Fault.SILENT in lamp.raised:
            lamp.raised.discard(Fault.SILENT)
            found.append(self._alert(Fault.SILENT, lamp.id, False, heard_us, {}))
        return found

    def _judge(self, lamp: Lamp, entity: dict[str, Any], at_s: float) -> Iterator[Finding]:
        level = float(entity["illuminanceLevel"]["value"])
        power = float(entity["activePower"]["value"])
        changed_level = level != lamp.level
        if "workingHours" in entity:
            yield from _hours(lamp, float(entity["workingHours"]["value"]), power, at_s)
        lamp.level, lamp.power_w = level, power
        if "voltage" in entity:
            self._voltage(lamp, float(entity["voltage"]["value"]))
        evidence = {"level": level, "powerW": power, "ratedW": lamp.rated_w}
        if changed_level:
            # The driver may still be on its way to what it was told.
            if level == 0:
                lamp.burning = lamp.judged = 0
            return
        if level >= 0.1:
            yield from _night(lamp, level, power, evidence)
        yield from self._day(lamp, level, power, (at_s, evidence))

    def _day(
        self, lamp: Lamp, level: float, power: float, at: tuple[float, dict[str, Any]]
    ) -> Iterator[Finding]:
        """Burning while the sun is up and nobody asked for it."""
        at_s, evidence = at
        if lamp.program != "dusk-to-dawn" or not self._schedule.is_day(at_s):
            return
        asked = lamp.commanded > 0 and 0 <= at_s - lamp.commanded_s < COMMAND_HOLDS_S
        burns = power > max(8.0, 0.2 * lamp.rated_w) and not asked
        # Told to burn by its own controller may be a crew's test: that gets longer.
        after = DAY_AFTER if level == 0 else DAY_AFTER * 3
        turn = lamp.count(Fault.DAY_BURNER, burns, after)
        if turn is not None:
            yield Fault.DAY_BURNER, turn, evidence

    def _voltage(self, lamp: Lamp, volts: float) -> None:
        feeder = self._feeders.get(lamp.feeder)
        if feeder is None:
            return
        limit = RECOVERED_V if lamp.low_v else NOMINAL_LOW_V
        if (volts < limit) == lamp.low_v:
            lamp.bad[Fault.LOW_VOLTAGE] = 0
            return
        lamp.bad[Fault.LOW_VOLTAGE] = lamp.bad.get(Fault.LOW_VOLTAGE, 0) + 1
        if lamp.bad[Fault.LOW_VOLTAGE] >= LOW_AFTER:
            lamp.bad[Fault.LOW_VOLTAGE] = 0
            lamp.low_v = not lamp.low_v
            (feeder.low.add if lamp.low_v else feeder.low.discard)(lamp.id)

    def _install(self, lamp: Lamp, entity: dict[str, Any]) -> None:
        lamp.rated_w = float(_value(entity, "ratedPower", lamp.rated_w) or 0.0)
        lamp.gateway = str(_value(entity, "gateway", lamp.gateway))
        lamp.program = str(_value(entity, "activeProgramId", lamp.program))
        lamp.name = str(_value(entity, "name", lamp.name))
        lamp.location = _value(entity, "location", lamp.location)
        cabinet = entity.get("refStreetlightControlCabinet")
        lamp.cabinet = local_part(str(cabinet["object"])) if cabinet else lamp.cabinet
        if lamp.gateway not in self._gateways:
            # Heard from now on: nobody is silent because we have just begun to listen.
            silent = alert_id(Fault.SILENT, lamp.gateway) in self._open
            self._gateways[lamp.gateway] = Gateway(self._started_us, silent=silent)
        gateway = self._gateways[lamp.gateway]
        gateway.location, gateway.cabinet = lamp.location, lamp.cabinet
        feeder = str(_value(entity, "circuit", ""))
        if feeder and feeder != lamp.feeder:
            if lamp.feeder in self._feeders:
                self._feeders[lamp.feeder].lamps.discard(lamp.id)
            known = self._feeders.setdefault(feeder, Feeder(lamp.cabinet))
            known.raised = known.raised or alert_id(Fault.LOW_VOLTAGE, feeder) in self._open
            known.lamps.add(lamp.id)
            lamp.feeder = feeder

    def _remember(self, change: Changed) -> None:
        """What was raised before a restart is known again."""
        parts = change.id.split(":", 5)
        if len(parts) != 6 or parts[3] != PIECE or parts[4] not in FAULTS:
            return
        fault, target = FAULTS[parts[4]], parts[5]
        if change.verb == "deleted" or _value(change.entity, "status", "") != "open":
            self._open.pop(change.id, None)
            return
        self._open[change.id] = fault, target
        if target in self._lamps:
            self._lamps[target].raised.add(fault)
        elif target in self._gateways:
            self._gateways[target].silent = True
        elif target in self._feeders:
            self._feeders[target].raised = True

    def _forget(self, local: str, now_us: int) -> list[Update]:
        lamp = self._lamps.pop(local, None)
        if lamp is None:
            return []
        feeder = self._feeders.get(lamp.feeder)
        if feeder is not None:
            feeder.lamps.discard(local)
            feeder.low.discard(local)
        return [self._alert(fault, local, False, now_us, {}) for fault in sorted(lamp.raised)]

    # --- ticks ------------------------------------------------------------------------------------
    def tick(self, now_us: int) -> list[Update]:
        """Feeders whose lamps agree on too little voltage; gateways and lamps not heard."""
        self._started_us = self._started_us or now_us
        return [*self._low_feeders(now_us), *self._silent(now_us)]

    def _low_feeders(self, now_us: int) -> Iterator[Update]:
        for name, feeder in self._feeders.items():
            low = len(feeder.low) * 2 >= len(feeder.lamps) > 0
            feeder.ticks = feeder.ticks + 1 if low != feeder.raised else 0
            if feeder.ticks >= 2:
                feeder.raised, feeder.ticks = low, 0
                told = {"lampsLow": len(feeder.low), "lamps": len(feeder.lamps)}
                yield self._alert(Fault.LOW_VOLTAGE, name, low, now_us, told)

    def _silent(self, now_us: int) -> Iterator[Update]:
        # A gateway heard once has no interval of its own yet; its neighbours tell what is usual.
        known = sorted(one.interval_s for one in self._gateways.values() if one.interval_s)
        usual = known[len(known) // 2] if known else HOURS_WINDOW_S
        late = {
            name
            for name, one in self._gateways.items()
            if now_us - one.heard_us > _patience_us(one.interval_s or usual)
        }
        if len(late) * 2 > len(self._gateways) > 2:
            return  # most of them: it is our own ear that is deaf, and the source's page says so
        for name in sorted(late):
            gateway = self._gateways[name]
            if not gateway.silent:
                gateway.silent = True
                told = {"silentForS": round((now_us - gateway.heard_us) / 1e6)}
                yield self._alert(Fault.SILENT, name, True, now_us, told)
        self._sweep = (self._sweep + 1) % SWEEP
        for lamp in list(self._lamps.values())[self._sweep :: SWEEP]:
            gateway = self._gateways.get(lamp.gateway) or Gateway(now_us)
            if lamp.gateway in late or gateway.silent or Fault.SILENT in lamp.raised:
                continue
            heard_us = max(lamp.heard_us, self._started_us)
            if gateway.heard_us - heard_us > _patience_us(gateway.interval_s):
                lamp.raised.add(Fault.SILENT)
                told = {"silentForS": round((now_us - heard_us) / 1e6)}
                yield self._alert(Fault.SILENT, lamp.id, True, now_us, told)

    # --- alerts -----------------------------------------------------------------------------------
    def _alert(
        self, fault: Fault, target: str, raised: bool, at_us: int, evidence: dict[str, Any]
    ) -> Update:
        name, at = alert_id(fault, target), iso(at_us // 1000 * 1000)
        lamp = self._lamps.get(target)
        if lamp is not None:
            (lamp.raised.add if raised else lamp.raised.discard)(fault)
        if not raised:
            self._open.pop(name, None)
            cleared = {"status": _property("cleared", at), "validTo": _time(at)}
            return Update({"id": name, "type": "Alert", **cleared})
        self._open[name] = fault, target
        gateway = self._gateways.get(target)
        feeder = self._feeders.get(target)
        location = lamp.location if lamp else gateway.location if gateway else None
        cabinet = gateway.cabinet if gateway else feeder.cabinet if feeder else ""
        source = lamp_id(target) if lamp else cabinet_id(cabinet)
        label = lamp.name if lamp and lamp.name else target
        title = {lang: f"{text}：{label}" for lang, text in TITLES[fault].items()}
        title["en"] = title["en"].replace("：", ": ")
        entity: dict[str, Any] = {
            "id": name,
            "type": "Alert",
            "category": _property("streetlight"),
            "subCategory": _property(str(fault)),
            "severity": _property(SEVERITY[fault]),
            "status": _property("open", at),
            "name": {"type": "LanguageProperty", "languageMap": title},
            "dateIssued": _time(at),
            "validFrom": _time(at),
            "alertSource": {"type": "Relationship", "object": source},
            "target": _property(target),
            "detector": _property(f"{PIECE}/detect"),
            "data": {"type": "JsonProperty", "json": evidence},
        }
        if location is not None:
            entity["location"] = {"type": "GeoProperty", "value": location}
        return Update(entity, "upsert")


def _night(lamp: Lamp, level: float, power: float, evidence: dict[str, Any]) -> Iterator[Finding]:
    """Told to burn: does it, does it steadily, and as bright as told?"""
    expected = expected_power_w(lamp.rated_w, level)
    dark = power < 0.12 * expected
    lamp.burning = (lamp.burning << 1 | (not dark)) & 0xFFFFFF
    lamp.judged = min(24, lamp.judged + 1)
    turns = _turns(lamp.burning, min(lamp.judged, FLICKER_WINDOW))
    flickers = Fault.FLICKER in lamp.raised
    if not flickers and turns >= FLICKER_TURNS:
        lamp.raised.add(Fault.FLICKER)
        yield Fault.FLICKER, True, {**evidence, "turns": turns}
        if Fault.FAILED in lamp.raised:
            yield Fault.FAILED, False, evidence
    elif flickers and lamp.judged >= 20 and _turns(lamp.burning, 20) == 0:
        yield Fault.FLICKER, False, evidence
    if Fault.FLICKER not in lamp.raised:
        turn = lamp.count(Fault.FAILED, dark, FAILED_AFTER)
        if turn is not None:
            yield Fault.FAILED, turn, {**evidence, "expectedW": round(expected, 1)}
    if level <= 0.85 and not dark:
        ignored = power > 1.15 * expected and power - expected > 6
        turn = lamp.count(Fault.DIM_IGNORED, ignored, DIM_AFTER)
        if turn is not None:
            yield Fault.DIM_IGNORED, turn, {**evidence, "expectedW": round(expected, 1)}


def _hours(lamp: Lamp, hours: float, power: float, at_s: float) -> Iterator[Finding]:
    """The counter against the time we saw it burn, an hour and more at once.

    What lies between two readings that disagree is unsure and given to the lamp's favour.
    """
    passed_s = at_s - lamp.at_s if lamp.at_s else 0.0
    if not lamp.window_s or not 0 < passed_s < HOURS_WINDOW_S:
        lamp.window_s, lamp.window_hours, lamp.burnt_s, lamp.unsure_s = at_s, hours, 0.0, 0.0
        return
    if (power > STANDBY_W) != (lamp.power_w > STANDBY_W):
        lamp.unsure_s += passed_s
    elif power > STANDBY_W:
        lamp.burnt_s += passed_s
    whole_s = at_s - lamp.window_s
    if whole_s < max(HOURS_WINDOW_S, 6 * passed_s):
        return
    gained_s = (hours - lamp.window_hours) * 3600
    slack_s = 0.08 * whole_s + 60
    low, high = lamp.burnt_s - slack_s, lamp.burnt_s + lamp.unsure_s + slack_s
    told = {
        "gainedHours": round(gained_s / 3600, 3),
        "burntHours": round(lamp.burnt_s / 3600, 3),
        "overHours": round(whole_s / 3600, 3),
    }
    burnt_s = lamp.burnt_s
    lamp.window_s, lamp.window_hours, lamp.burnt_s, lamp.unsure_s = at_s, hours, 0.0, 0.0
    wrong = not low <= gained_s <= high
    if not wrong and burnt_s < whole_s / 2 and Fault.HOURS_COUNTER in lamp.raised:
        return  # a counter that stands still looks right while the lamp is off
    turn = lamp.count(Fault.HOURS_COUNTER, wrong, 2)
    if turn is not None:
        yield Fault.HOURS_COUNTER, turn, told


def _turns(bits: int, length: int) -> int:
    """How often neighbours differ among the newest `length` bits."""
    if length < 2:
        return 0
    return ((bits ^ bits >> 1) & ((1 << (length - 1)) - 1)).bit_count()


def _patience_us(interval_s: float) -> float:
    return max(SILENT_INTERVALS * interval_s, SILENT_S) * 1e6


def _value(entity: dict[str, Any], name: str, otherwise: Any) -> Any:
    attribute = entity.get(name)
    return attribute.get("value", otherwise) if isinstance(attribute, dict) else otherwise


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _property(value: Any, at: str = "") -> dict[str, Any]:
    told = {"type": "Property", "value": value}
    return {**told, "observedAt": at} if at else told


def _time(at: str) -> dict[str, Any]:
    return _property({"@type": "DateTime", "@value": at})
