"""What an operation costs the default city, beside its goal and the floor of the same run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench import table
from claims.words import Claim, Finding, judged


def measured(part: str, scale: float) -> list[Finding]:
    """The findings of one part of the bench."""
    measure: Callable[[float], list[table.Row]] = table.PARTS[part]
    return [_finding(one) for one in measure(scale)]


def _finding(one: table.Row) -> Finding:
    floor = f" (floor {one['floor_us']:.0f})" if "floor_us" in one else ""
    listed = f" ({one['listed']:g})" if "listed" in one else ""
    return judged(
        one["name"],
        f"{one['figure']:.1f} {one['unit']}{floor}",
        f"≤ {one['goal']:.1f}{listed} {one['unit']}",
        bool(one["reached"]),
    )


CLAIMS = (
    Claim(name="bench, a tenth", measure=partial(measured, "operations", 0.1), speed=True),
    *(
        Claim(name=f"bench: {part}", measure=partial(measured, part, 1.0), speed=True, full=True)
        for part in table.PARTS
    ),
)
