"""A playbook of two groups over four lamps, and what a test asks of a play of it."""

from __future__ import annotations

from typing import Any

from .plays_town import DUTY, Town

BOOK: dict[str, Any] = {
    "title": {"zh": "全亮", "en": "Full"},
    "about": {"zh": "全亮", "en": "Full"},
    "groups": [
        {
            "name": "light",
            "title": {"zh": "照明", "en": "Light"},
            "steps": [
                {
                    "name": "full",
                    "title": {"zh": "全亮", "en": "Full"},
                    "do": "command",
                    "piece": "street_lights",
                    "command": "DimLamp",
                    "arguments": {"level": 100},
                    "back": {"level": {"from": "illuminanceLevel", "times": 100}},
                    "targets": {"type": "Streetlight"},
                    "within_s": 20,
                }
            ],
        },
        {
            "name": "crew",
            "title": {"zh": "班组", "en": "Crew"},
            "steps": [
                {
                    "name": "send",
                    "title": {"zh": "派班组", "en": "Send"},
                    "do": "order",
                    "given": {"what": "inspect"},
                }
            ],
        },
    ],
}
CAUSE = "incident:7"


def book(**changes: Any) -> dict[str, Any]:
    """The playbook with another first step, or another first group."""
    groups = [dict(one) for one in BOOK["groups"]]
    step = {**groups[0]["steps"][0], **changes.pop("step", {})}
    groups[0] = {**groups[0], "steps": [step], **changes}
    return {**BOOK, "groups": groups}


async def lit(town: Town, *levels: int) -> bool:
    """Whether the four lamps are that bright."""
    return list(levels) == [await town.level(number) for number in range(1, 5)]


async def begun(town: Town, *groups: str, **where: Any) -> str:
    """A play proposed and its groups approved by the duty officer; its id."""
    play = await town.plays.propose(DUTY, "full", CAUSE, tenant="demo", **where)
    for group in groups:
        await town.plays.approve(DUTY, play.id, group)
    return str(play.id)
