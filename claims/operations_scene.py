"""The night in Chromium, from a ringing phone to next week's replay, in Chinese and in English."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from claims.doors_walk import a_browser
from claims.words import Finding, NotRun, judged


def measure() -> list[Finding]:
    """All nine steps, twice; a picture of each in `screenshots/operations`."""
    with a_browser() as browser:
        return [one for lang in ("zh-CN", "en") for one in _lived(browser, lang)]


def _lived(browser: Any, lang: str) -> list[Finding]:
    from playwright.sync_api import Error

    from tests.browser.operations_people import a_night
    from tests.browser.operations_scene import Scene

    with (
        tempfile.TemporaryDirectory(prefix="pintu-night-", ignore_cleanup_errors=True) as place,
        a_night(Path(place) / "data") as night,
    ):
        one = Scene(browser=browser, night=night, lang=lang, folder=Path(place))
        try:
            told = _told(one)
        except Error as error:  # a browser that gives up ends its own claim, not those behind it
            raise NotRun(f"night {lang}: {str(error).splitlines()[0]}") from error
        finally:
            one.close()
    return [
        judged(f"night {lang}: {claim}", figure, bar, holds) for claim, figure, bar, holds in told
    ]


def _told(one: Any) -> list[tuple[str, str, str, bool]]:
    rung = one.ring()
    one.answer()
    incidents, alarms, _ = one.incident()
    inside = one.inside()
    lamps = one.propose()
    said = one.crew()
    reached = one.ledger(lamps)
    orders = one.dark_lamp()
    one.live_hash()
    warned = one.warn()
    cleared = one.all_clear()
    one.close_incident()
    written, sentences = one.handover()
    live, replayed = one.replay()
    return [
        ("1 rung before and after three minutes", str(rung), "(1, 2)", rung == (1, 2)),
        ("2 incidents, alarms", f"{incidents}, {alarms}", "1, 41", (incidents, alarms) == (1, 41)),
        ("3 what lies inside", ", ".join(inside), "4 kinds", len(inside) == 4),
        ("4 lamps told by the approved group", str(lamps), "> 5", lamps > 5),
        ("5 the crew on a phone", ", ".join(said), "two taps, one offline", len(said) == 2),
        ("5 the ledger: effect measured", f"{reached['confirmed']} of {lamps}", "all but the dark",
         reached["confirmed"] == lamps - 1),
        ("6 orders opened by the dark lamp", str(orders), "1", orders == 1),
        ("7 told of the warning, told all-clear", f"{warned}, {cleared}", "≥ 1 each",
         warned > 0 and cleared > 0),
        ("8 the handover wrote itself; sentences added", f"{written}, {sentences}", "True, 2",
         written and sentences == 2),
        ("9 hash replayed next week", replayed[:16], live[:16], live == replayed),
        ("pages failed", str(len(one.wrong)), "0", not one.wrong),
    ]  # fmt: skip
