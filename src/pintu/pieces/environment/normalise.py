"""(2) A station's frame, or the list of stations, → updates of stations and of their days. Pure.

Hours (2061) go into the day they belong to, each as an attribute of its own: one that comes late or
twice finds its place by itself. What a station says in between (2011, 2051) is only its newest
reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import msgspec

from pintu.kit import BadInput, Envelope, Unreadable, Update, iso
from pintu.kit.protocols import Frame, read_hj212
from pintu.pieces.environment.model.air import (
    BY_FACTOR,
    LOCAL_HOURS,
    POLLUTANTS,
    WEATHER,
    day_of,
    hour_word,
)
from pintu.pieces.environment.model.book import Hour, hour_value
from pintu.pieces.environment.model.quality import of_values
from pintu.pieces.environment.model.writing import day_head, measured, plain, station_head

LOCAL = timezone(timedelta(hours=LOCAL_HOURS))
AHEAD_S = 600.0
"""A station may be ten minutes ahead of the city's clock; more is a wrong clock, not a reading."""
BEHIND_S = 1_800.0
"""A reading that says `now` is at most half an hour old."""
MOST_STATIONS = 5_000
STORED = {True: (-10.0, 100_000.0), False: (-100.0, 100_000.0)}
"""What the vocabulary can hold, by `milli`; what lies outside is no reading at all."""
NOW = {"2011": "Rtd", "2051": "Avg"}
HOURLY = "2061"
NAME = r"^[A-Za-z0-9_.-]{1,40}$"


class Site(msgspec.Struct):
    """One line of the list of stations."""

    mn: Annotated[str, msgspec.Meta(pattern=NAME)]
    name: Annotated[str, msgspec.Meta(max_length=120)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    address: Annotated[str, msgspec.Meta(max_length=200)] = ""
    provider: Annotated[str, msgspec.Meta(max_length=120)] = ""
    demo: bool = False
    unit: Literal["", "ug/m3", "µg/m³", "mg/m3", "mg/m³"] = (
        ""  # of its frames; see connectors/units
    )


class Sites(msgspec.Struct):
    """The list of stations; each is read by itself, so that one bad line spoils no other."""

    stations: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_STATIONS)]


_sites = msgspec.json.Decoder(Sites)
_site = msgspec.json.Decoder(Site, strict=True)


def normalise(envelope: Envelope) -> list[Update | Unreadable]:
    """Updates of what a message says.

    Raises BadInput when the whole cannot be read; a factor that cannot be is told apart from the
    others as `Unreadable`.
    """
    if "bad" in envelope.meta:
        raise BadInput(envelope.meta["bad"])
    if "cut" in envelope.meta:
        raise BadInput(f"The message is too large: {envelope.meta['cut']}")
    if envelope.meta.get("kind") == "stations":
        return _stations(envelope)
    frame = read_hj212(envelope.body)
    if frame.fields["ST"] != "22":
        raise BadInput(f"ST {frame.fields['ST']} is no station of ambient air (22)")
    command = frame.fields["CN"]
    if command in NOW:
        return _now(envelope, frame, NOW[command])
    if command == HOURLY:
        return _hour(envelope, frame)
    return []  # daily reports are worked out here from hours; other commands carry no values


# --- frames ---------------------------------------------------------------------------------------
def _moment(frame: Frame, envelope: Envelope) -> datetime:
    """DataTime as a time; BadInput for one that cannot be or lies ahead of the city's clock."""
    station, text = frame.fields["MN"], frame.data_time
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=LOCAL)
    except ValueError as error:
        raise BadInput(f"DataTime {text[:20]!r} of station {station} is no time") from error
    ahead_s = moment.timestamp() - envelope.received_us / 1e6
    if envelope.received_us and ahead_s > AHEAD_S:
        raise BadInput(
            f"The clock of station {station} is {_span(ahead_s)} ahead; set it, then drop this"
        )
    return moment


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 7_200 else f"{seconds / 3_600:.0f} hours"


def _now(envelope: Envelope, frame: Frame, part: str) -> list[Update | Unreadable]:
    moment = _moment(frame, envelope)
    behind_s = envelope.received_us / 1e6 - moment.timestamp()
    if envelope.received_us and part == "Rtd" and behind_s > BEHIND_S:
        raise BadInput(
            f"The clock of station {frame.fields['MN']} is {_span(behind_s)} behind (a real-time "
            "reading cannot be that old); set it, then drop this"
        )
    hour, bad = _values(envelope, frame, part)
    doubts, at = of_values(hour.values, hour.flags), _stamp(moment)
    entity = _station(frame, moment)
    for one in POLLUTANTS:
        if one.code in hour.values:
            entity[f"{one.attribute}Current"] = measured(
                hour.values[one.code], one.milli, at, doubts.get(one.code)
            )
    entity.update(_weather(hour.beside, at))
    return [Update(entity), *bad]


def _hour(envelope: Envelope, frame: Frame) -> list[Update | Unreadable]:
    moment = _moment(frame, envelope).replace(minute=0, second=0)
    hour, bad = _values(envelope, frame, "Avg")
    if not hour.values:
        return [*bad] or [Unreadable(envelope, "The frame has no factor of ambient air")]
    code, at = frame.fields["MN"], _stamp(moment)
    number = int(moment.timestamp()) // 3_600
    doubts = of_values(hour.values, hour.flags)
    entity = _station(frame, moment)
    for one in POLLUTANTS:
        if one.code in hour.values:
            entity[one.attribute] = measured(
                hour.values[one.code], one.milli, at, doubts.get(one.code)
            )
    entity.update(_weather(hour.beside, at))
    day = {
        **day_head(code, day_of(number)),
        hour_word(number): {"type": "JsonProperty", "json": hour_value(hour), "observedAt": at},
    }
    return [Update(entity), Update(day), *bad]


def _station(frame: Frame, moment: datetime) -> dict[str, Any]:
    code, at = frame.fields["MN"], _stamp(moment)
    return {
        **station_head(code),
        "dateObserved": {
            "type": "Property",
            "value": {"@type": "DateTime", "@value": at},
            "observedAt": at,
        },
    }


def _values(envelope: Envelope, frame: Frame, part: str) -> tuple[Hour, list[Update | Unreadable]]:
    """The numbers of a frame in the units of the index table, and factors that are none."""
    hour, bad = Hour(), list[Update | Unreadable]()
    milligrams = envelope.meta.get("unit") == "mg/m3"
    for factor, told in frame.factors.items():
        if factor not in BY_FACTOR and factor not in WEATHER:
            continue
        text = told.get(part) or told.get("Rtd") or told.get("Avg")
        if text is None:
            continue
        value = _number(text)
        if value is None:
            bad.append(_unreadable(envelope, factor, text))
            continue
        if factor in WEATHER:
            _take_weather(hour.beside, factor, value)
            continue
        pollutant = BY_FACTOR[factor]
        if milligrams and not pollutant.milli:
            value = round(value * 1_000, 6)
        low, high = STORED[pollutant.milli]
        if not low <= value <= high:
            bad.append(_unreadable(envelope, factor, text))
            continue
        hour.values[pollutant.code] = value
        hour.flags[pollutant.code] = told.get("Flag", "")[:8]
    return hour, bad


def _number(text: str) -> float | None:
    """A decimal number; no NaN, infinity, underscores or other forms float() would take."""
    if not text.isascii() or len(text) > 20 or not text.strip("+-").replace(".", "", 1).isdigit():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _unreadable(envelope: Envelope, factor: str, text: str) -> Unreadable:
    """One factor's mistake, kept with the whole frame: a retry reads all of it again, which changes
    nothing of the others."""
    alone = Envelope(
        envelope.source, f"{envelope.key} {factor}", envelope.received_us, envelope.body,
        envelope.meta,
    )  # fmt: skip
    return Unreadable(alone, f"Factor {factor} is {text[:20]!r}, which no analyser measures")


def _take_weather(beside: dict[str, float], factor: str, value: float) -> None:
    name, _, low, high = WEATHER[factor]
    if name == "atmosphericPressure" and value < 200:
        value = round(value * 10, 3)  # HJ 212 has kPa
    if low <= value <= high:
        beside[name] = value


def _weather(beside: Mapping[str, float], at: str) -> dict[str, Any]:
    units = {name: unit for name, unit, _, _ in WEATHER.values()}
    return {
        name: {"type": "Property", "value": value, "unitCode": units[name], "observedAt": at}
        for name, value in beside.items()
    }


def _stamp(moment: datetime) -> str:
    return iso(int(moment.timestamp() * 1_000_000))


# --- the list of stations -------------------------------------------------------------------------
def _stations(envelope: Envelope) -> list[Update | Unreadable]:
    try:
        told = _sites.decode(envelope.body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The list of stations cannot be read: {error}") from error
    found: list[Update | Unreadable] = []
    known: set[str] = set()
    for number, raw in enumerate(told.stations, 1):
        try:
            site = _site.decode(raw)
            if site.mn in known:
                raise msgspec.ValidationError(f"{site.mn} is there twice")
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            body = msgspec.json.encode({"stations": [raw]})
            alone = Envelope(
                envelope.source, f"{envelope.key} {number}", envelope.received_us, body,
                envelope.meta,
            )  # fmt: skip
            found.append(Unreadable(alone, f"Station {number} of the list cannot be read: {error}"))
            continue
        known.add(site.mn)
        found.append(Update(_listed(site)))
    return found


def _listed(site: Site) -> dict[str, Any]:
    entity: dict[str, Any] = {
        **station_head(site.mn),
        "name": plain(site.name),
        "stationName": plain(site.name),
        "typeofLocation": plain("outdoor"),
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [site.lon, site.lat]},
        },
        "demo": plain(site.demo),
    }
    if site.address:
        entity["address"] = plain({"streetAddress": site.address})
    if site.provider:
        entity["dataProvider"] = plain(site.provider)
    return entity
