"""Several brokers on one PostgreSQL: what one writes the other answers, and what only one may do
changes hands."""

from __future__ import annotations

from claims.words import Claim, Finding, judged

TAKEN_OVER_S = 10.0
CAN = "tests/test_several_brokers.py"


def changing_hands(way: str, tries: int) -> list[Finding]:
    """The leading broker is killed, hangs, or every broker is restarted in turn, under load."""
    from tests.faults.brokers_kill import measure

    seen = measure(way, tries)
    told = f"{seen.acknowledged} acknowledged, {seen.told}"
    bad = "; ".join([*seen.lost, *seen.wrong][:3])
    figure = f"{len(seen.lost)} lost, {len(seen.wrong)} wrong"
    enough = seen.tries >= tries and seen.acknowledged > 0
    found = [
        judged(
            f"brokers, {way} of the leader {tries} times: acknowledged and told, in order"
            if way != "restart"
            else f"brokers, {tries} rolling restarts behind a balancer: nobody refused",
            figure, "0 lost, 0 wrong", enough and not (seen.lost or seen.wrong), bad or told,
        )
    ]  # fmt: skip
    if way != "restart":
        late = f"{seen.recovered_s:.1f} s"
        found.append(
            judged(
                f"brokers, {way}: subscriptions taken over", late, f"<= {TAKEN_OVER_S:g} s",
                0 < seen.recovered_s <= TAKEN_OVER_S, told,
            )
        )  # fmt: skip
    return found


def killed() -> list[Finding]:
    """kill -9 of whoever leads."""
    return changing_hands("kill", 20)


def hung() -> list[Finding]:
    """Stopped where it is, and going on later."""
    return changing_hands("hang", 4)


def restarted() -> list[Finding]:
    """All in turn, drained."""
    return changing_hands("restart", 4)


def alike() -> list[Finding]:
    """The suite of two brokers of one city: reads after writes, types, indexes, tokens, those who
    are told."""
    from collections import Counter

    from claims.second_store import _asked

    found, told = _asked(CAN)
    ends = Counter(end for _, end in found)
    good = bool(found) and set(ends) == {"passed"}
    figure = f"{ends['passed']} pass, {len(found) - ends['passed']} do not"
    return [judged("suite of two brokers of one city", figure, "all pass", good, told[-200:])]


CLAIMS: tuple[Claim, ...] = (
    Claim(name="several brokers, alike", measure=alike),
    Claim(name="several brokers, the leader killed", measure=killed, full=True),
    Claim(name="several brokers, the leader hung", measure=hung, full=True),
    Claim(name="several brokers, a rolling restart", measure=restarted, full=True),
)
