"""(2) A gateway's message → updates of lamps, groups and cabinets. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec

from pintu.kit import BadInput, Envelope, Unreadable, Update, iso
from pintu.pieces.street_lights.model import cabinet_id, group_id, lamp_id, power_state

MOST_LAMPS = 1_000
AHEAD_US = 600 * 1_000_000
"""A device may be ten minutes ahead of the city's clock; more is a wrong clock, not a reading."""
NAME = r"^[A-Za-z0-9_.-]{1,40}$"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Text = Annotated[str, msgspec.Meta(max_length=120)]


class Reading(msgspec.Struct):
    """One lamp's reading as gateways send it: watts, volts, percent, hours, °C."""

    id: Name
    p: Annotated[float, msgspec.Meta(ge=-5, le=5_000)]
    v: Annotated[float, msgspec.Meta(ge=0, le=500)]
    lvl: Annotated[float, msgspec.Meta(ge=0, le=100)]
    hrs: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
    t: Annotated[float, msgspec.Meta(ge=-80, le=200)]


class Telemetry(msgspec.Struct):
    """One message of a gateway; each lamp is read by itself, so that one bad lamp spoils no
    other."""

    ts: str
    lamps: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_LAMPS)]
    seq: int = 0


class Readings(msgspec.Struct):
    """The same message when all is well: one decoding for all lamps."""

    ts: str
    lamps: Annotated[list[Reading], msgspec.Meta(max_length=MOST_LAMPS)]
    seq: int = 0


class Installed(msgspec.Struct):
    """One lamp as the inventory has it."""

    id: Name
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    rated_w: Annotated[float, msgspec.Meta(gt=0, le=5_000)]
    road: Text = ""
    pole: Text = ""
    cct: Annotated[int, msgspec.Meta(ge=1_000, le=20_000)] | None = None
    feeder: Name | None = None
    group: Name | None = None
    program: Annotated[str, msgspec.Meta(pattern=NAME)] = "dusk-to-dawn"


class Inventory(msgspec.Struct):
    """What hangs on one gateway."""

    gateway: Name
    cabinet: Name
    lamps: Annotated[list[Installed], msgspec.Meta(max_length=MOST_LAMPS)]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    note: Text = ""


_readings = msgspec.json.Decoder(Readings, strict=True)
_telemetry = msgspec.json.Decoder(Telemetry, strict=True)
_reading = msgspec.json.Decoder(Reading, strict=True)
_inventory = msgspec.json.Decoder(Inventory, strict=True)
_topic = re.compile(r"lamps/([A-Za-z0-9_.-]{1,40})/(telemetry|inventory)")


def normalise(envelope: Envelope) -> list[Update | Unreadable]:
    """Updates of what a message says, in the message's order.

    Raises BadInput when the whole message cannot be read; lamps that cannot are told apart from the
    others as `Unreadable`, each with its own small envelope, so that a retry reads only them again.
    """
    if "cut" in envelope.meta:
        raise BadInput(f"The message is too large: {envelope.meta['cut']}")
    topic = _topic.fullmatch(envelope.meta.get("topic", ""))
    if topic is None:
        raise BadInput(f"Topic {envelope.meta.get('topic', '')[:100]!r} is not lamps/GATEWAY/KIND")
    if topic[2] == "inventory":
        return _inventory_updates(envelope, topic[1])
    return _telemetry_updates(envelope, topic[1])


def _telemetry_updates(envelope: Envelope, gateway: str) -> list[Update | Unreadable]:
    bad: list[Update | Unreadable] = []
    try:
        told = _readings.decode(envelope.body)
        ts, lamps = told.ts, told.lamps
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
        ts, lamps = _one_by_one(envelope, bad)
    at = _observed_at(ts, envelope, gateway)
    return [*(Update(_lamp(one, at)) for one in lamps), *bad]


def _one_by_one(envelope: Envelope, bad: list[Update | Unreadable]) -> tuple[str, list[Reading]]:
    """The slow way, taken when something is wrong: keep what can be read, and say why the rest
    cannot."""
    try:
        told = _telemetry.decode(envelope.body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The telemetry cannot be read: {error}") from error
    lamps = []
    for number, raw in enumerate(told.lamps):
        try:
            lamps.append(_reading.decode(raw))
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            body = msgspec.json.encode({"seq": told.seq, "ts": told.ts, "lamps": [raw]})
            alone = Envelope(
                envelope.source,
                f"{envelope.key} {number}",
                envelope.received_us,
                body,
                envelope.meta,
            )
            bad.append(Unreadable(alone, f"Lamp {number} of the message cannot be read: {error}"))
    return told.ts, lamps


def _observed_at(ts: str, envelope: Envelope, gateway: str) -> str:
    try:
        moment = datetime.fromisoformat(ts)
    except ValueError as error:
        raise BadInput(f"Time {ts[:60]!r} of gateway {gateway} is not ISO 8601") from error
    if moment.tzinfo is None:
        raise BadInput(f"Time {ts!r} of gateway {gateway} has no time zone")
    at_us = int(moment.timestamp() * 1_000_000)
    ahead_us = at_us - envelope.received_us
    if envelope.received_us and ahead_us > AHEAD_US:
        raise BadInput(
            f"The clock of gateway {gateway} is {ahead_us / 60e6:.0f} minutes ahead; "
            "set it, then drop this reading"
        )
    return iso(at_us // 1000 * 1000)


def _lamp(one: Reading, at: str) -> dict[str, Any]:
    level = one.lvl / 100
    return {
        "id": lamp_id(one.id),
        "type": "Streetlight",
        "powerState": {"type": "Property", "value": power_state(level), "observedAt": at},
        "illuminanceLevel": {"type": "Property", "value": level, "observedAt": at},
        "activePower": {"type": "Property", "value": one.p, "unitCode": "WTT", "observedAt": at},
        "voltage": {"type": "Property", "value": one.v, "unitCode": "VLT", "observedAt": at},
        "workingHours": {"type": "Property", "value": one.hrs, "unitCode": "HUR", "observedAt": at},
        "lampTemperature": {
            "type": "Property",
            "value": one.t,
            "unitCode": "CEL",
            "observedAt": at,
        },
    }


def _inventory_updates(envelope: Envelope, gateway: str) -> list[Update | Unreadable]:
    try:
        told = _inventory.decode(envelope.body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The inventory of gateway {gateway} cannot be read: {error}") from error
    if told.gateway != gateway:
        raise BadInput(f"The inventory of gateway {told.gateway} came on the topic of {gateway}")
    twins = {one.id for one in told.lamps}
    if len(twins) != len(told.lamps):
        raise BadInput(f"The inventory of gateway {gateway} names a lamp twice")
    updates: list[Update | Unreadable] = [Update(_cabinet(told))]
    groups: dict[str, list[Installed]] = {}
    for one in told.lamps:
        groups.setdefault(one.group or f"{told.cabinet}-G00", []).append(one)
    updates += [Update(_group(name, told, lamps)) for name, lamps in sorted(groups.items())]
    updates += [Update(_installed(one, told)) for one in told.lamps]
    return updates


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def _link(entity_id: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": entity_id}


def _cabinet(told: Inventory) -> dict[str, Any]:
    lat, lon = told.lat, told.lon
    if (lat is None or lon is None) and told.lamps:
        lat = sum(one.lat for one in told.lamps) / len(told.lamps)
        lon = sum(one.lon for one in told.lamps) / len(told.lamps)
    entity = {
        "id": cabinet_id(told.cabinet),
        "type": "StreetlightControlCabinet",
        "name": _property(f"{told.cabinet} 控制箱"),
        "gateway": _property(told.gateway),
        "lampCount": _property(len(told.lamps)),
    }
    if lat is not None and lon is not None:
        entity["location"] = _point(round(lon, 6), round(lat, 6))
    if told.note:
        entity["dataProvider"] = _property(told.note)
        entity["demo"] = _property("demo" in told.note.lower())
    return entity


def _group(name: str, told: Inventory, lamps: list[Installed]) -> dict[str, Any]:
    # A group's place is a point in its middle; its lamps know where they stand.
    return {
        "id": group_id(name),
        "type": "StreetlightGroup",
        "name": _property(f"{lamps[0].road or name} {name}"),
        "lampCount": _property(len(lamps)),
        "switchingMode": _property(lamps[0].program),
        "refStreetlightControlCabinet": _link(cabinet_id(told.cabinet)),
        "location": _point(
            round(sum(one.lon for one in lamps) / len(lamps), 6),
            round(sum(one.lat for one in lamps) / len(lamps), 6),
        ),
    }


def _installed(one: Installed, told: Inventory) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "id": lamp_id(one.id),
        "type": "Streetlight",
        "name": _property(one.pole or one.id),
        "location": _point(one.lon, one.lat),
        "ratedPower": {"type": "Property", "value": one.rated_w, "unitCode": "WTT"},
        "gateway": _property(told.gateway),
        "activeProgramId": _property(one.program),
        "refStreetlightGroup": _link(group_id(one.group or f"{told.cabinet}-G00")),
        "refStreetlightControlCabinet": _link(cabinet_id(told.cabinet)),
    }
    if one.road:
        entity["address"] = _property({"streetAddress": one.road})
    if one.feeder:
        entity["circuit"] = _property(one.feeder)
    if one.cct:
        entity["colorTemperature"] = {"type": "Property", "value": one.cct, "unitCode": "KEL"}
    if told.note:
        entity["dataProvider"] = _property(told.note)
        entity["demo"] = _property("demo" in told.note.lower())
    return entity
