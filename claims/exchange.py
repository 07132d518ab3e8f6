"""The exchange: what sharing under agreements promises, measured (`make show NAME=exchange`)."""

from __future__ import annotations

import importlib
import secrets
import tempfile
from pathlib import Path
from typing import Any

from claims.doors import of, tested
from claims.doors_walk import a_browser
from claims.words import Claim, Finding, judged

ROUTES = "tests/web/test_every_route.py"
STATES = "tests/kernel/exchange/agreements"
PEOPLE = ("tests/kernel/identity/test_people.py", "tests/kernel/identity/test_sessions.py")


def scene() -> list[Finding]:
    """The eight steps in Chromium, in Chinese and in English, with a picture of each."""
    with a_browser() as browser:
        return [one for lang in ("zh-CN", "en") for one in _lived(browser, lang)]


def _lived(browser: Any, lang: str) -> list[Finding]:
    from tests.browser.exchange_people import departments
    from tests.browser.exchange_scene import RIGHT_DATE, Scene

    name = "pintu-exchange-"
    with (
        tempfile.TemporaryDirectory(prefix=name, ignore_cleanup_errors=True) as place,
        departments(Path(place) / "data") as served,
    ):
        one = Scene(browser=browser, served=served, folder=Path(place) / "data", lang=lang)
        try:
            one.connect()
            held = one.islands()
            one.request()
            one.decide()
            receipt = one.fill()
            refused = one.pull()
            one.look()
            one.link()
            one.object()
            corrected = one.correct()
            took_s = one.revoke()
            one.recall()
            proved = one.prove()
            one.audit()
        finally:
            one.close()
    told: tuple[tuple[str, str, str, bool], ...] = (
        (
            "held twice",
            f"{held[0]} fields, {held[1]:g} % differ",
            "14, 7 %",
            held[0] == 14 and round(held[1]) == 7,
        ),
        ("one pupil filled", f"receipt {receipt}", "a receipt", receipt > 0),
        ("bulk pull", "refused" if refused else "answered", "refused", bool(refused)),
        ("corrected", ", ".join(corrected), "both places", corrected == [RIGHT_DATE] * 2),
        ("click to refusal, pages and all", f"{took_s:.1f} s", "< 10 s", took_s < 10),
        ("proof, public key alone", f"exit {proved.returncode}", "exit 0", not proved.returncode),
        ("pages failed", f"{len(one.wrong)}", "0", not one.wrong),
    )
    return [
        judged(f"scene {lang}: {claim}", figure, bar, holds) for claim, figure, bar, holds in told
    ]


def routes() -> list[Finding]:
    """No route without the gate."""
    return tested("every route asks the gate", ROUTES)


def agreements() -> list[Finding]:
    """The state table walked, deadlines, signatures, versions, what is refused by design."""
    return tested("agreements: every step, every refusal", STATES)


def people() -> list[Finding]:
    """Accounts and sessions, and what no account may."""
    return tested("people, roles, sessions", *PEOPLE)


def kill9() -> list[Finding]:
    """At a hundred random moments."""
    module = importlib.import_module("claims.exchange_kill")
    found: list[Finding] = module.measure(module.FULL_TIMES)
    return found


def anomalies() -> list[Finding]:
    """Misdeeds planted in a month of looks, by a seed nobody has seen."""
    found: list[Finding] = importlib.import_module("claims.exchange_anomalies").run(
        [secrets.randbelow(1 << 31)]
    )
    return found


def leaks_quick() -> list[Finding]:
    """A few hundred random agreements and questions, another seed each time."""
    found: list[Finding] = importlib.import_module("claims.exchange_leaks").measure(400)
    return found


# Whole suites are no quick claims: `make test` has just run them when the quick ones are asked.
CLAIMS = [
    Claim(name="unmerge", measure=of("claims.exchange_linkage", "unmerge"), also="make test"),
    Claim(name="leaks, quick", measure=leaks_quick),
    Claim(name="every route", measure=routes, full=True),
    Claim(name="agreements", measure=agreements, full=True),
    Claim(name="people", measure=people, full=True),
    Claim(name="scene", measure=scene, full=True),
    Claim(name="leaks, all", measure=of("claims.exchange_leaks", "measure"), full=True),
    Claim(name="three nodes", measure=of("claims.exchange_nodes", "measure"), full=True),
    Claim(name="tampering", measure=of("claims.exchange_tampering", "measure"), full=True),
    Claim(name="kill -9", measure=kill9, full=True),
    Claim(name="anomalies", measure=anomalies, full=True),
    Claim(
        name="planted duplicates",
        measure=of("claims.exchange_finder", "planted_duplicates"),
        full=True,
    ),
    Claim(name="linkage quality", measure=of("claims.exchange_linkage", "quality"), full=True),
    Claim(name="linkage FEBRL 4", measure=of("claims.exchange_linkage", "febrl"), full=True),
    Claim(
        name="linkage of a million",
        measure=of("claims.exchange_linkage", "million"),
        speed=True,
        full=True,
    ),
]
