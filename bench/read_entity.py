"""Microseconds to read an entity of 8 attributes (about 600 bytes), beside orjson.loads in the
same run."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from time import process_time

import orjson

from pintu.kernel.context.read import read_entity, read_entity_bytes
from pintu.kernel.jsonld import CORE, ContextLibrary

NUMBER, REPEAT = 4_000, 25


def entity() -> dict[str, object]:
    """A lamp as it comes: six numbers with a time, a place, a relationship."""
    document: dict[str, object] = {
        "id": "urn:ngsi-ld:Streetlight:street_lights:L00017",
        "type": "Streetlight",
    }
    for name in ("activePower", "voltage", "workingHours", "lampTemperature", "illuminanceLevel"):
        document[name] = {"type": "Property", "value": 12.5, "observedAt": "2026-01-31T08:00:00Z"}
    document["powerState"] = {"type": "Property", "value": "on"}
    document["location"] = {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [120.15, 30.28]},
    }
    document["refGroup"] = {"type": "Relationship", "object": "urn:ngsi-ld:StreetlightGroup:1"}
    return document


def microseconds(statement: Callable[[], object]) -> float:
    """CPU time, the best of a few runs: other work on the machine does not count."""
    return (
        min(timeit.repeat(statement, timer=process_time, number=NUMBER, repeat=REPEAT))
        / NUMBER
        * 1e6
    )


def main() -> None:
    """Print the figures; every one beside the floor of the same run."""
    body = orjson.dumps(entity())
    own = ContextLibrary().now({"activePower": "https://example.org/activePower"})
    assert own is not None
    floor = microseconds(lambda: orjson.loads(body))
    plain = microseconds(lambda: read_entity_bytes(orjson.loads(body), CORE))
    renamed = microseconds(lambda: read_entity(orjson.loads(body), own))
    print(f"{len(body)} bytes, orjson.loads {floor:.2f} µs")
    print(f"without user context +{plain - floor:.2f} µs")
    print(f"with one name of a user context +{renamed - floor:.2f} µs")


if __name__ == "__main__":
    main()
