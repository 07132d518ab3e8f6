"""The unit a station tells concentrations in: its own, or the setting for all."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from pintu.kit import Envelope, Unreadable
from pintu.kit.testing import FakeClock
from pintu.pieces.environment.connectors.hj212 import StationConnector
from pintu.pieces.environment.connectors.stations import StationFile
from pintu.pieces.environment.connectors.units import StationUnits
from pintu.pieces.environment.normalise import normalise
from pintu.pieces.environment.settings import read_settings
from pintu.pieces.environment.tests.test_settings import MANIFEST, read

PLACE = {"lon": 120.1, "lat": 30.2}


def body(*units: str) -> bytes:
    """A list of stations A, B, … with these units."""
    lines = [
        {"mn": chr(65 + number), "name": "演示", **PLACE, **({"unit": unit} if unit else {})}
        for number, unit in enumerate(units)
    ]
    return json.dumps({"stations": lines}).encode()


def test_a_line_of_the_list_goes_before_the_setting() -> None:
    """Each station has its own; one that says none has the setting's; the newest list holds."""
    units = StationUnits("ug/m3")
    units.take(body("mg/m³", "", "furlong"))
    assert [units.of(one) for one in "ABCX"] == ["mg/m3", "ug/m3", "ug/m3", "ug/m3"]
    units.take(b"half a li")
    assert units.of("A") == "mg/m3"
    units.take(body("ug/m3", "mg/m3"))
    assert [units.of(one) for one in "AB"] == ["ug/m3", "mg/m3"]


def test_a_unit_that_is_none_is_told() -> None:
    """Its line waits in quarantine with the reason; the others are read."""
    found = normalise(Envelope("environment/stations", "k", 0, body("mg/m3", "furlong"),
                               {"kind": "stations"}))  # fmt: skip
    (bad,) = [one for one in found if isinstance(one, Unreadable)]
    assert (len(found), "Station 2" in bad.reason) == (2, True)


async def test_the_file_tells_and_frames_carry_it(tmp_path: Path) -> None:
    """As the list is read, units change with it; a frame out of quarantine has its station's unit
    of now."""
    path = tmp_path / "stations.json"
    path.write_bytes(body("mg/m3"))
    units = StationUnits("ug/m3")
    settings = read(listen="127.0.0.1:9878", station_file=str(path))
    connector = StationConnector(settings, FakeClock(), units)
    listing = StationFile(path, FakeClock(), units).receive()
    await anext(listing)
    await listing.aclose()  # type: ignore[attr-defined]
    held = Envelope("environment/hj212", "k", 0, b"", {"sender": "A", "unit": "ug/m3"})
    assert connector.again(held).meta["unit"] == "mg/m3"
    other = msgspec.structs.replace(held, meta={"sender": "B"})
    assert connector.again(other).meta["unit"] == "ug/m3"
    assert read_settings({**{one.name: one.default for one in MANIFEST.settings}}).unit == "ug/m3"
