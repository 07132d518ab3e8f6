"""Backups of a city: any moment comes back, what is damaged is found, a killed server loses nothing
that was acknowledged; and what is not so is said.
"""

from __future__ import annotations

import importlib
from typing import Any

from claims.words import Claim, Finding, NotRun, judged


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"tests.faults.{name}")
    except ModuleNotFoundError as error:
        raise NotRun(f"{error.name} is not here") from error


def _fault(name: str, way: str, tries: int, words: str, bar: str) -> Finding:
    seen = _module(name).measure(way, tries)
    bad = [*seen.lost, *seen.wrong]
    told = f"{len(bad)} wrong of {seen.tries}, {seen.acknowledged:,} acknowledged"
    good = not bad and seen.tries > 0 and seen.acknowledged > 0
    return judged(words, told, bar, good, "; ".join([*bad[:3], seen.told]).strip("; "))


def files(tries: int, flips: int) -> list[Finding]:
    """A city in files: moments under kill -9, half copies, half restores, flipped bits."""
    name = "backup_faults"
    return [
        _fault(name, "moments", tries * 3, "a moment under load and kill -9 comes back",
               "equal, or said not to be kept"),
        _fault(name, "making", tries, "kill -9 while a backup is made", "no half one is taken"),
        _fault(name, "restoring", tries, "kill -9 of a restore", "nothing or all of it"),
        _fault(name, "flipped", flips, "a flipped bit in a backup", "found by verify"),
    ]  # fmt: skip


def server(tries: int) -> list[Finding]:
    """A city on PostgreSQL: its moments, and a standby that is promoted under load."""
    from tests.real_databases import program

    if program("initdb") is None:
        raise NotRun("PostgreSQL is not installed")
    words = "a moment of a city on PostgreSQL comes back"
    found = [_fault("backup_server", "", tries, words, "equal to what was seen then")]
    for told, wrong, bar, good in _module("postgres_standby").run(tries < 10):
        claim, _, detail = told.partition(":")
        found.append(judged(claim, f"{wrong} wrong", str(bar), bool(good), detail.strip()))
    return found


def quick() -> list[Finding]:
    """A few of each, files alone."""
    return files(2, 4)


def measure() -> list[Finding]:
    """Ten moments and more, both stores."""
    return [*files(10, 100), *server(10)]


CLAIMS: tuple[Claim, ...] = (
    Claim(name="backup, files", measure=quick, also="make faults FAST=1"),
    Claim(name="backup, both stores", measure=measure, full=True),
)
