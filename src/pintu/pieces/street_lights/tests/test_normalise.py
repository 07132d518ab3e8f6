"""What gateways say, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pintu.kit import BadInput, Envelope, Unreadable, Update
from pintu.kit.testing import replay
from pintu.pieces.street_lights.normalise import normalise

FIXTURES = dict(replay(Path(__file__).resolve().parents[1] / "fixtures", "street_lights/mqtt"))


def told(body: object, topic: str = "lamps/GW001/telemetry", received_us: int = 0) -> Envelope:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Envelope("street_lights/mqtt", "k", received_us, raw, {"topic": topic})


def one_lamp(**other: object) -> dict[str, object]:
    lamp = {"id": "L1", "p": 80.0, "v": 230.0, "lvl": 50, "hrs": 10.5, "t": 20.0, **other}
    return {"seq": 1, "ts": "2026-11-20T14:00:05.250Z", "lamps": [lamp]}


def test_a_reading_becomes_a_lamp_in_the_shared_words() -> None:
    """Percent becomes a share of one, every value has its unit and the time it was observed."""
    (update,) = normalise(told(one_lamp()))
    at = {"observedAt": "2026-11-20T14:00:05.250Z"}
    assert (
        Update(
            {
                "id": "urn:ngsi-ld:Streetlight:street_lights:L1",
                "type": "Streetlight",
                "powerState": {"type": "Property", "value": "low", **at},
                "illuminanceLevel": {"type": "Property", "value": 0.5, **at},
                "activePower": {"type": "Property", "value": 80.0, "unitCode": "WTT", **at},
                "voltage": {"type": "Property", "value": 230.0, "unitCode": "VLT", **at},
                "workingHours": {"type": "Property", "value": 10.5, "unitCode": "HUR", **at},
                "lampTemperature": {"type": "Property", "value": 20.0, "unitCode": "CEL", **at},
            }
        )
        == update
    )


def test_an_inventory_becomes_cabinet_groups_and_lamps() -> None:
    """The cabinet comes first, then its groups, then its lamps, which point at both."""
    updates = normalise(FIXTURES["01-inventory.json"])
    types = [one.entity["type"] for one in updates if isinstance(one, Update)]
    assert types == sorted(
        types, key=["StreetlightControlCabinet", "StreetlightGroup", "Streetlight"].index
    )
    lamps = [
        one.entity
        for one in updates
        if isinstance(one, Update) and one.entity["type"] == "Streetlight"
    ]
    groups = {one.entity["id"] for one in updates if isinstance(one, Update)}
    assert len(lamps) == 8
    assert all(lamp["refStreetlightGroup"]["object"] in groups for lamp in lamps)


def test_one_bad_lamp_spoils_no_other() -> None:
    """Six of eight lamps are read; each of the two others is told apart, with its own small
    envelope."""
    found = normalise(FIXTURES["04-telemetry-two-bad-lamps.json"])
    bad = [one for one in found if isinstance(one, Unreadable)]
    assert (len(found) - len(bad), len(bad)) == (6, 2)
    assert [len(msgspec.json.decode(one.envelope.body)["lamps"]) for one in bad] == [1, 1]
    assert "Lamp 2 of the message cannot be read" in bad[0].reason


@pytest.mark.parametrize(
    ("body", "topic", "why"),
    [
        (b'{"seq":1', "lamps/GW001/telemetry", "cannot be read"),
        (b"\xff\xfe", "lamps/GW001/telemetry", "cannot be read"),
        ({"ts": "2026-11-20T14:00:05Z"}, "lamps/GW001/telemetry", "cannot be read"),
        ({"ts": "yesterday", "lamps": []}, "lamps/GW001/telemetry", "not ISO 8601"),
        ({"ts": "2026-11-20T14:00:05", "lamps": []}, "lamps/GW001/telemetry", "no time zone"),
        ({"ts": "2026-11-20T14:00:05Z", "lamps": [{}] * 1001}, "lamps/GW001/telemetry", "1000"),
        ({}, "lamps/GW001/weather", "is not lamps/GATEWAY/KIND"),
        ({}, "lamps/../telemetry/x", "is not lamps/GATEWAY/KIND"),
        ({"gateway": "G2", "cabinet": "C", "lamps": []}, "lamps/GW001/inventory", "topic of"),
        (b"[" * 100_000, "lamps/GW001/telemetry", "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(body: object, topic: str, why: str) -> None:
    """The reason names what is wrong, for the person who opens the quarantine."""
    with pytest.raises(BadInput, match=why):
        normalise(told(body, topic))


@pytest.mark.parametrize(
    "field", [{"p": -50}, {"lvl": 140}, {"v": "230"}, {"id": "a b"}, {"t": None}]
)
def test_values_no_lamp_can_have_are_refused(field: dict[str, object]) -> None:
    """Out of range, of another type, or missing: the lamp is unreadable, not stored as zero."""
    (found,) = normalise(told(one_lamp(**field)))
    assert isinstance(found, Unreadable)


def test_a_clock_far_ahead_is_no_reading() -> None:
    """A reading from the future would hide every later one; the gateway's clock is named."""
    received_us = 1_795_183_205_430_000  # 2026-11-20T14:00:05.43Z
    assert len(normalise(told(one_lamp(), received_us=received_us))) == 1
    with pytest.raises(BadInput, match="gateway GW001 is 120 minutes ahead"):
        normalise(told(one_lamp(), received_us=received_us - 7_200_000_000))


def test_a_lamp_named_twice_in_an_inventory_is_refused() -> None:
    """Two places for one lamp cannot both be true."""
    lamp = {"id": "L1", "lat": 30.2, "lon": 120.2, "rated_w": 100}
    body = {"gateway": "GW001", "cabinet": "C1", "lamps": [lamp, lamp]}
    with pytest.raises(BadInput, match="names a lamp twice"):
        normalise(told(body, "lamps/GW001/inventory"))


def test_every_word_written_is_declared() -> None:
    """The manifest names every type the fixtures become."""
    written = {
        one.entity["type"]
        for name in ("01-inventory.json", "02-telemetry-evening.json", "03-telemetry-noon.json")
        for one in normalise(FIXTURES[name])
        if isinstance(one, Update)
    }
    assert {"Streetlight", "StreetlightGroup", "StreetlightControlCabinet"} == written
