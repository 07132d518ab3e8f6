"""What other sources say differently from this one, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.disagreeing import Disagreement

if TYPE_CHECKING:
    from pintu.kernel.intake.doors.words import SourceFile
    from pintu.web.rooms import Rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """The contradictions of one data set that a source fills."""

    data_set: str
    count: int
    newest: Sequence[Disagreement]


async def differing(rooms: Rooms, source: SourceFile) -> list[Differing]:
    """By data set, how many values other sources tell otherwise, and the newest of them. A data set
    that cannot be read says nothing here: its own page tells why."""
    names = [f"{source.name}/{one}" for one in source.mappings]
    sets: dict[str, None] = {}
    for saved in rooms.configuration.list_saved("mappings"):
        if saved.name in source.mappings and saved.content.get("target") == "table":
            sets[str(saved.content.get("data_set") or "")] = None
    found = []
    for name in filter(None, sets):
        try:
            count, newest = await rooms.exchange.disagreements(name, names)
        except PintuError:
            continue
        if count:
            found.append(Differing(data_set=name, count=count, newest=newest))
    return found
