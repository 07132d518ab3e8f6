"""The operations room's scene, lived by people in Chromium from 03:00 to next week, in Chinese and
in English."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.operations_people import a_night
from tests.browser.operations_scene import Scene


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chromium: Browser
) -> Iterator[Scene]:
    """A night of its own in one language."""
    folder = tmp_path_factory.mktemp("night")
    with a_night(folder / "data") as night:
        one = Scene(browser=chromium, night=night, lang=str(request.param), folder=folder)
        yield one
        one.close()


def test_the_night(scene: Scene) -> None:
    """From a ringing phone to a handover with evidence, and the hour once more a week later."""
    assert (1, 2) == scene.ring()
    scene.answer()
    incidents, alarms, reasons = scene.incident()
    assert (1, 41, True) == (incidents, alarms, reasons > 0)
    assert ["lamps", "cabinets", "roads", "stations"] == scene.inside()
    lamps = scene.propose()
    assert lamps > 5
    assert 2 == len(scene.crew())
    assert {"confirmed": lamps - 1, "missing": 0} == scene.ledger(lamps)
    assert 1 == scene.dark_lamp()
    scene.live_hash()
    assert scene.warn() >= 1
    assert scene.all_clear() >= 1
    scene.close_incident()
    assert (True, 2) == scene.handover()
    live, replayed = scene.replay()
    assert live == replayed
    assert [] == scene.wrong
