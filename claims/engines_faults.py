"""Every fault of the table (`make faults`): nothing acknowledged lost, nothing wrong, back by
itself."""

from __future__ import annotations

from claims.words import Claim, Finding


def faults(quick: bool) -> list[Finding]:
    """A finding a fault; the quick form tries each a few times, the other as often as promised."""
    from tests.faults.run import every_fault, measured

    chosen = [one for one in every_fault() if one.fast or not quick]
    found = []
    for one in chosen:
        result = measured(one, quick)
        seen = result.seen
        figure = "-"
        reason = result.reason
        if seen is not None:
            figure = f"{seen.tries} tries, {len(seen.lost)} lost, {len(seen.wrong)} wrong"
            wrong = "; ".join([*seen.lost, *seen.wrong][:3])
            back = f"back in {seen.recovered_s:.1f} s; " if one.within_s else ""
            reason = f"{seen.acknowledged} acknowledged; {back}{wrong or seen.told}"
        found.append(
            Finding(
                claim=one.name, figure=figure, bar="0 lost, 0 wrong",
                verdict=result.verdict, reason=reason,
            )
        )  # fmt: skip
    return found


CLAIMS: tuple[Claim, ...] = (
    Claim(name="faults, a few of each", measure=lambda: faults(True), also="make faults FAST=1"),
    Claim(name="faults, all of them", measure=lambda: faults(False), full=True),
)
