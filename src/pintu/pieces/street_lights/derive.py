"""(5) Lamps → what a group, a cabinet and a lamp are like as a whole. Pure; enters by intake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pintu.kit import Changed, Update, iso
from pintu.pieces.street_lights.model import (
    FAULTS,
    PIECE,
    STANDBY_W,
    Fault,
    cabinet_id,
    group_id,
    lamp_id,
    local_part,
)

GROUPS_EVERY = 15
"""Ticks between two looks at the groups; only what moved is written."""
RANK = list(Fault)


@dataclass(slots=True)
class Member:
    """A lamp as its group sees it."""

    group: str = ""
    cabinet: str = ""
    gateway: str = ""
    feeder: str = ""
    level: float = 0.0
    power_w: float = 0.0
    faults: set[Fault] = field(default_factory=set)
    condition: str = ""  # as it stands in the context


@dataclass(slots=True)
class Whole:
    """A group or cabinet: its lamps, and what was last written of it."""

    lamps: set[str] = field(default_factory=set)
    moved: bool = True
    written: tuple[float, float, int, int] | None = None


class Deriver:
    """Keeps sums of groups and cabinets, and every lamp's `condition` and `status` from its
    alerts."""

    name = "derive"
    reads: tuple[str, ...] = ("Streetlight", "Alert")

    def __init__(self) -> None:
        self._lamps: dict[str, Member] = {}
        self._groups: dict[str, Whole] = {}
        self._cabinets: dict[str, Whole] = {}
        self._by_gateway: dict[str, set[str]] = {}
        self._by_feeder: dict[str, set[str]] = {}
        self._wide: dict[str, set[Fault]] = {}  # gateway or feeder → faults all its lamps share
        self._doubtful: set[str] = set()  # lamps whose condition may have changed
        self._ticks = 0

    def changed(self, change: Changed, now_us: int) -> list[Update]:
        """Take note; updates follow at the next tick, so that a hundred lamps cost one look."""
        local = local_part(change.id)
        if "Alert" in change.types:
            self._alert(change)
        elif "Streetlight" not in change.types:
            return []
        elif change.verb == "deleted":
            self._leave(local)
        else:
            self._lamp(local, change)
        return []

    def tick(self, now_us: int) -> list[Update]:
        """Conditions at once, groups and cabinets every few ticks."""
        at = iso(now_us // 1000 * 1000)
        found = [one for local in sorted(self._doubtful) for one in self._condition(local, at)]
        self._doubtful.clear()
        self._ticks += 1
        if self._ticks % GROUPS_EVERY == 0:
            for wholes, make in ((self._groups, group_id), (self._cabinets, cabinet_id)):
                for name, whole in wholes.items():
                    if whole.moved:
                        entity = self._sum(whole, at)
                        if entity is not None:
                            kind = "StreetlightGroup" if make is group_id else _CABINET
                            found.append(Update({"id": make(name), "type": kind, **entity}))
        return found

    # --- lamps
    # --------------------------------------------------------------------------------------
    def _lamp(self, local: str, change: Changed) -> None:
        entity = change.entity
        member = self._lamps.get(local)
        if member is None:
            member = self._lamps[local] = Member()
            self._doubtful.add(local)
        if change.changed is None or "gateway" in change.changed or not member.gateway:
            self._join(local, member, entity)
        level, power = _number(entity, "illuminanceLevel"), _number(entity, "activePower")
        condition = entity.get("condition")
        member.condition = str(condition["value"]) if condition else ""
        if level == member.level and abs(power - member.power_w) < 1.0:
            return
        member.level, member.power_w = level, power
        self._move(member)

    def _move(self, member: Member) -> None:
        for wholes, name in ((self._groups, member.group), (self._cabinets, member.cabinet)):
            if name in wholes:
                wholes[name].moved = True

    def _join(self, local: str, member: Member, entity: dict[str, Any]) -> None:
        self._part(local, member)
        member.group = _target(entity, "refStreetlightGroup")
        member.cabinet = _target(entity, "refStreetlightControlCabinet")
        member.gateway = _text(entity, "gateway")
        member.feeder = _text(entity, "circuit")
        if member.group:
            self._groups.setdefault(member.group, Whole()).lamps.add(local)
        if member.cabinet:
            self._cabinets.setdefault(member.cabinet, Whole()).lamps.add(local)
        self._by_gateway.setdefault(member.gateway, set()).add(local)
        self._by_feeder.setdefault(member.feeder, set()).add(local)
        self._doubtful.add(local)
        self._move(member)

    def _part(self, local: str, member: Member) -> None:
        for wholes, name in ((self._groups, member.group), (self._cabinets, member.cabinet)):
            if name in wholes:
                wholes[name].lamps.discard(local)
                wholes[name].moved = True
        self._by_gateway.get(member.gateway, set()).discard(local)
        self._by_feeder.get(member.feeder, set()).discard(local)

    def _leave(self, local: str) -> None:
        member = self._lamps.pop(local, None)
        if member is not None:
            self._part(local, member)

    # --- conditions
    # ---------------------------------------------------------------------------------
    def _alert(self, change: Changed) -> None:
        parts = change.id.split(":", 5)
        if len(parts) != 6 or parts[3] != PIECE or parts[4] not in FAULTS:
            return
        fault, target = FAULTS[parts[4]], parts[5]
        is_open = change.verb != "deleted" and _text(change.entity, "status") == "open"
        touched = self._by_gateway.get(target, set()) | self._by_feeder.get(target, set())
        member = self._lamps.get(target)
        if member is not None:
            (member.faults.add if is_open else member.faults.discard)(fault)
            touched = touched | {target}
        else:
            # A gateway or feeder, perhaps one whose lamps are not known yet.
            shared = self._wide.setdefault(target, set())
            (shared.add if is_open else shared.discard)(fault)
        self._doubtful |= touched

    def _condition(self, local: str, at: str) -> list[Update]:
        member = self._lamps.get(local)
        if member is None:
            return []
        member.faults |= self._wide.pop(local, set())  # its alert was told before the lamp itself
        faults = (
            member.faults
            | self._wide.get(member.gateway, set())
            | self._wide.get(member.feeder, set())
        )
        condition = next((str(one) for one in RANK if one in faults), "ok")
        if condition == member.condition:
            return []
        member.condition = condition
        self._move(member)
        broken = condition in (Fault.FAILED, Fault.FLICKER, Fault.DAY_BURNER)
        return [
            Update(
                {
                    "id": lamp_id(local),
                    "type": "Streetlight",
                    "condition": _property(condition, at),
                    "status": _property("defectiveLamp" if broken else "ok", at),
                }
            )
        ]

    # --- sums
    # ---------------------------------------------------------------------------------------
    def _sum(self, whole: Whole, at: str) -> dict[str, Any] | None:
        whole.moved = False
        members = [self._lamps[one] for one in whole.lamps]
        if not members:
            return None
        power = round(sum(one.power_w for one in members), 1)
        level = round(sum(one.level for one in members) / len(members), 3)
        burning = sum(one.power_w > STANDBY_W for one in members)
        faulty = sum(one.condition not in ("", "ok") for one in members)
        new, old = (power, level, burning, faulty), whole.written
        if old is not None and abs(power - old[0]) < max(5.0, 0.01 * old[0]) and new[1:] == old[1:]:
            return None
        whole.written = new
        state = "off" if not burning else "on" if level >= 0.75 else "low"
        return {
            "powerState": _property(state, at),
            "illuminanceLevel": _property(level, at),
            "activePower": {**_property(power, at), "unitCode": "WTT"},
            "lampsOn": _property(burning, at),
            "faultCount": _property(faulty, at),
        }


_CABINET = "StreetlightControlCabinet"


def _property(value: Any, at: str) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at}


def _number(entity: dict[str, Any], name: str) -> float:
    attribute = entity.get(name)
    return float(attribute["value"]) if attribute else 0.0


def _text(entity: dict[str, Any], name: str) -> str:
    attribute = entity.get(name)
    return str(attribute["value"]) if attribute else ""


def _target(entity: dict[str, Any], name: str) -> str:
    attribute = entity.get(name)
    return local_part(str(attribute["object"])) if attribute else ""
