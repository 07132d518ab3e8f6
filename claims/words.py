"""A claim, its finding, and the line that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "short", "not run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one measurement gave: the figure and its bar as a person reads them, and the verdict."""

    claim: str
    figure: str
    bar: str
    verdict: Verdict
    reason: str = ""

    def line(self) -> str:
        """One line: claim, figure, bar, verdict."""
        end = f"{self.verdict}: {self.reason}" if self.reason else self.verdict
        return f"{self.claim:<58} {self.figure:>24}   {self.bar:<18} {end}"


def judged(claim: str, figure: str, bar: str, holds: bool, reason: str = "") -> Finding:
    """A finding that was measured: ok when it holds, else short."""
    verdict: Verdict = "ok" if holds else "short"
    return Finding(claim=claim, figure=figure, bar=bar, verdict=verdict, reason=reason)


class NotRun(Exception):
    """A claim cannot be measured here; says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One promise and how to measure it.

    `speed`: its figure is this machine's; asked only without --quick-safe.
    `full`: takes minutes; asked only with --full.
    `also`: the command that asks the very same and that .ci/run runs too; --quick-safe leaves it
    out.
    """

    name: str
    measure: Callable[[], list[Finding]]
    speed: bool = False
    full: bool = False
    also: str = ""
