"""The entities the benches write: 8 attributes, about 600 bytes, spread over a made-up region."""

from __future__ import annotations

import random

WEST, SOUTH, SPAN = 120.0, 30.0, 0.3
TYPE = "Sensor"  # a type no piece reads: the figures are the broker's, not a detector's


def entity_id(number: int) -> str:
    """The id of bench entity `number`."""
    return f"urn:ngsi-ld:{TYPE}:bench:{number:07d}"


def entity_json(number: int, generation: int = 0) -> bytes:
    """Entity `number` as normalized NGSI-LD; the same number and generation give the same bytes."""
    dice = random.Random(number * 31 + generation)
    lon, lat = WEST + dice.random() * SPAN, SOUTH + dice.random() * SPAN
    return (
        f'{{"id":"{entity_id(number)}","type":"{TYPE}",'
        f'"location":{{"type":"GeoProperty","value":{{"type":"Point",'
        f'"coordinates":[{lon:.6f},{lat:.6f}]}}}},'
        f'"powerState":{{"type":"Property","value":"{dice.choice(("on", "off"))}"}},'
        f'"illuminanceLevel":{{"type":"Property","value":{dice.randrange(1000)},"unitCode":"P1"}},'
        f'"activePower":{{"type":"Property","value":{dice.random() * 150:.2f},"unitCode":"WTT",'
        f'"observedAt":"2026-11-22T08:00:00Z"}},'
        f'"voltage":{{"type":"Property","value":{220 + dice.random() * 10:.1f}}},'
        f'"workingHours":{{"type":"Property","value":{dice.randrange(20000)}}},'
        f'"name":{{"type":"Property","value":"demo sensor {number}"}},'
        f'"refGroup":{{"type":"Relationship",'
        f'"object":"urn:ngsi-ld:Group:bench:{number // 100:05d}"}}}}'
    ).encode()
