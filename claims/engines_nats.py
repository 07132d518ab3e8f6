"""Sites joined by NATS JetStream: three nodes whose leader is killed, a site whose line is cut."""

from __future__ import annotations

from claims.words import Claim, Finding, NotRun, judged

BACK_S = 30.0
EVEN_S = 30.0


def _there() -> None:
    from tests.real_databases import program

    if program("nats-server") is None:
        raise NotRun("nats-server is not installed")


def three_nodes(kills: int) -> list[Finding]:
    """The server that leads the stream is killed -9 under load."""
    _there()
    from tests.faults.nats_leader import measure

    seen = measure("", kills)
    figure = f"{seen.acknowledged} rows, {len(seen.wrong)} wrong"
    good = seen.tries >= kills and seen.acknowledged > 0 and not seen.wrong
    reason = "; ".join(seen.wrong[:3]) or seen.told
    name = f"NATS leader of three killed -9 {seen.tries} times: copy equal"
    late = f"{seen.recovered_s:.1f} s"
    return [
        judged(name, figure, "0 lost, none twice", good, reason),
        judged(
            "the next message is acknowledged within", late, f"{BACK_S:.0f} s",
            seen.recovered_s <= BACK_S,
        ),
    ]  # fmt: skip


def cut_off(cuts: int) -> list[Finding]:
    """A site's line is cut, silently in turn; both sites write on."""
    _there()
    from tests.faults.nats_cut import measure

    seen = measure("", cuts)
    figure = f"{seen.acknowledged} rows, {len(seen.wrong)} wrong"
    good = seen.tries >= cuts and seen.acknowledged > 0 and not seen.wrong
    reason = "; ".join(seen.wrong[:3]) or seen.told
    name = f"line between sites cut {seen.tries} times: both copies equal"
    even = f"{seen.recovered_s:.1f} s"
    return [
        judged(name, figure, "0 lost, none twice", good, reason),
        judged("even again after the last", even, f"{EVEN_S:.0f} s", seen.recovered_s <= EVEN_S),
    ]


def relaying(kills: int) -> list[Finding]:
    """The broker of several that relays, both ways, is killed under load."""
    _there()
    from tests.faults.nats_brokers import measure

    seen = measure("", kills)
    bad = [*seen.lost, *seen.wrong]
    good = seen.tries >= kills and seen.acknowledged > 0 and not bad
    figure = f"{seen.acknowledged} acknowledged, {len(seen.lost)} lost, {len(seen.wrong)} wrong"
    name = f"several brokers, the one that relays killed -9 {seen.tries} times: both copies equal"
    late = f"{seen.recovered_s:.1f} s"
    return [
        judged(name, figure, "0 lost, none twice", good, "; ".join(bad[:3]) or seen.told),
        judged("changes come again within", late, f"{BACK_S:.0f} s", seen.recovered_s <= BACK_S),
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        name="NATS, leader killed, twice",
        measure=lambda: three_nodes(2),
        also="make faults FAST=1",
    ),
    Claim(name="site cut off, twice", measure=lambda: cut_off(2), also="make faults FAST=1"),
    Claim(name="NATS, leader killed, ten times", measure=lambda: three_nodes(10), full=True),
    Claim(name="site cut off, six times", measure=lambda: cut_off(6), full=True),
    Claim(name="several brokers relay, killed", measure=lambda: relaying(10), full=True),
)
