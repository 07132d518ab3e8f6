"""What a fault of the table is, what one run of it gave, and its one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Verdict = Literal["ok", "short", "not run"]
STARTS: Final = 3
"""To recover is to start: where others keep the machine busy and that alone takes longer than the
bar, it may take as long as so many starts of the same run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table: `measure(way, tries)` of a module beside this one gives a `Seen`."""

    name: str
    module: str
    way: str = ""  # which of a module's faults, for instance the store
    full: int  # tries
    fast: int  # tries of the quick form; 0: not in it
    holds: str  # what must hold, as a person reads it
    within_s: float = 0.0  # it recovers within so many seconds; 0: nothing to recover from
    limit_s: float = 600.0  # one run is given up after so long


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one run of a fault gave."""

    tries: int
    acknowledged: int  # answers that were given, each a promise
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    recovered_s: float = 0.0  # the longest time until it worked again
    start_s: float = 0.0  # how long a start took before anything was wrong
    told: str = ""  # seeds and figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of `make faults`."""

    fault: Fault
    seen: Seen | None
    took_s: float
    reason: str = ""  # why it did not run

    @property
    def verdict(self) -> Verdict:
        """ok: everything held, something was acknowledged, and it recovered in time."""
        seen = self.seen
        if seen is None:
            return "not run"
        late = self.fault.within_s and seen.recovered_s > max(
            self.fault.within_s, STARTS * seen.start_s
        )
        bad = seen.lost or seen.wrong or late or not (seen.tries and seen.acknowledged)
        return "short" if bad else "ok"

    def line(self) -> str:
        """Fault, tries, acknowledged, lost, wrong, recovered within s, verdict."""
        seen = self.seen
        if seen is None:
            return f"{self.fault.name:<42} not run: {self.reason}"
        started = f" (a start {seen.start_s:.1f} s)" if seen.start_s else ""
        text = (
            f"{self.fault.name:<42} {seen.tries:>6} tries {seen.acknowledged:>8} acknowledged "
            f"{len(seen.lost):>3} lost {len(seen.wrong):>3} wrong {seen.recovered_s:>6.1f} s"
            f"{started}   {self.verdict}"
        )
        return f"{text}   {seen.told}" if seen.told else text

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        seen = self.seen
        row: dict[str, Any] = {
            "fault": self.fault.name,
            "holds": self.fault.holds,
            "within_s": self.fault.within_s,
            "verdict": self.verdict,
            "took_s": round(self.took_s, 1),
            "reason": self.reason,
        }
        if seen is not None:
            row |= {
                "tries": seen.tries,
                "acknowledged": seen.acknowledged,
                "lost": seen.lost[:200],
                "wrong": seen.wrong[:200],
                "recovered_s": round(seen.recovered_s, 2),
                "start_s": round(seen.start_s, 2),
                "told": seen.told,
            }
        return row
