"""One lamp, from the wire to the screen and back, in the city that `pintu up --demo` starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.http_ops import City
from claims.journey import Journey, free_pair, page


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What happened to one real message of a running demo city."""
    city = City.__new__(City)
    city.folder = Path(tmp_path_factory.mktemp("story")) / "data"
    city.port, city.extra = free_pair(), ("--demo",)
    city.start()
    try:
        journey = Journey(city)
        asyncio.run(journey.follow())
        yield journey.found
    finally:
        city.stop()


def test_what_the_lamp_said_is_what_the_city_knows(found: dict[str, Any]) -> None:
    """The measurement on the wire is the value of the entity, with the time the gateway gave."""
    said = found["message"]["lamps"][0]
    power = found["entity"]["activePower"]
    assert said["p"] in (power["value"], *found["history"]["values"])
    assert power["observedAt"] >= found["message"]["ts"]


def test_a_page_hears_of_it(found: dict[str, Any]) -> None:
    """A page that looks at the map is told which things changed."""
    assert "event: map" in found["event"]


def test_half_a_message_is_kept_with_its_reason(found: dict[str, Any]) -> None:
    """What could not be read is in quarantine and says why."""
    held = found["quarantine"]
    assert ("street_lights/mqtt", 23, True) == (
        held["source"], held["size"], "cannot be read" in held["reason"],
    )  # fmt: skip


def test_a_command_ends_with_its_effect_measured(found: dict[str, Any]) -> None:
    """Desired, sent, acknowledged, confirmed: in that order, each once."""
    steps = [one["state"] for one in found["command"]["steps"]]
    assert ["desired", "sent", "acknowledged", "confirmed"] == steps


def test_the_page_of_the_journey_can_be_written(found: dict[str, Any]) -> None:
    """docs/journey.md is made of exactly this."""
    assert "| confirmed |" in page(found)
