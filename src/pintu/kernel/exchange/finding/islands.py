"""The island index of a city, and what looks smart and is not; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from pintu.kernel.exchange.catalogue_measured import Measured
from pintu.kernel.exchange.finding.words import Day, Finding, Twin, Use
from pintu.kernel.exchange.metadata import late_after_us
from pintu.kernel.exchange.words import DataSet

DAY_US: Final = 86_400_000_000
UNUSED_DAYS: Final = 90
BY_HAND_DOORS: Final = frozenset(("upload",))
NOT_COUNTED: Final = frozenset(("id", "type", "observedAt"))


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A source that somebody connected or a piece that runs, as far as the index goes."""

    name: str
    door: str = ""
    owner: str = ""
    title: dict[str, str] = {}
    data_sets: tuple[str, ...] = ()  # it fills
    health: str = "unknown"
    last_us: int = 0  # its last message
    interval_s: float = 0.0
    since_us: int = 0  # when it was connected


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """All that the index of one moment follows from."""

    now_us: int
    data_sets: Sequence[DataSet]
    measured: Mapping[str, Measured]
    twins: Sequence[Twin]
    uses: Sequence[Use]
    systems: Sequence[System]
    since_us: Mapping[str, int]  # data set → when it was first seen
    used_us: Mapping[str, int]  # data set → when it was last seen to be used
    differing: tuple[int, int] = (0, 0)  # (joined values of copies, how many differ)


def day_of(known: Known, zone_us: int = 0) -> Day:
    """The figures of today; `zone_us` is how far the town's time is ahead of UTC."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=known.now_us + zone_us)
    fields = sum(len(counted(one)) for one in known.data_sets)
    linked = linked_systems(known)
    return Day(
        day=at.date().isoformat(),
        at_us=known.now_us,
        fields=fields,
        again=len(collected_again(known.twins)),
        twins=sum(1 for one in known.twins if one.whole and not one.one_source),
        data_sets=len(known.data_sets),
        unused=sum(1 for one in known.data_sets if unused_since(known, one.name)),
        systems=len(known.systems),
        unconnected=sum(1 for one in known.systems if one.name not in linked),
        agreements=sum(1 for one in known.uses if one.kind == "agreement"),
        values=known.differing[0],
        differing=known.differing[1],
    )


def counted(data_set: DataSet) -> list[str]:
    """The fields of a data set that somebody collected; not those every thing has by itself."""
    return [one.name for one in data_set.columns if one.name not in NOT_COUNTED]


def collected_again(twins: Iterable[Twin]) -> set[tuple[str, str]]:
    """(data set, field) of every field that somebody else is the source of. What one source fills
    twice, or one department keeps twice, is its own affair."""
    found = set()
    for twin in twins:
        if twin.one_source or (twin.owners[0] and twin.owners[0] == twin.owners[1]):
            continue
        again_left = twin.authority != twin.left
        keys = twin.keys[0] if again_left else twin.keys[1]
        name = twin.left if again_left else twin.right
        if twin.whole:
            found |= {(name, key) for key in keys}
        found |= {(name, one.left if again_left else one.right) for one in twin.fields}
    return found


def unused_since(known: Known, name: str) -> int:
    """Since when nobody uses a data set, if that is 90 days or longer; else 0."""
    if any(one.data_set == name for one in known.uses):
        return 0
    since_us = max(known.since_us.get(name, known.now_us), known.used_us.get(name, 0))
    return since_us if known.now_us - since_us >= UNUSED_DAYS * DAY_US else 0


def linked_systems(known: Known) -> set[str]:
    """Systems with a live exchange: one of the data sets they fill is used by somebody."""
    used = {one.data_set for one in known.uses}
    return {one.name for one in known.systems if used & set(one.data_sets)}


def findings_of(known: Known) -> list[Finding]:
    """What looks smart and is not, each with its evidence."""
    found = [*_unused(known), *_systems(known), *_by_hand(known), *_stale(known)]
    return sorted(found, key=lambda one: (one.kind, one.about))


def _finding(known: Known, kind: str, about: str, **more: object) -> Finding:
    return msgspec.convert(
        {"id": f"{kind}:{about}", "kind": kind, "about": about, "seen_us": known.now_us, **more},
        Finding,
    )


def _unused(known: Known) -> Iterable[Finding]:
    for one in known.data_sets:
        since_us = unused_since(known, one.name)
        if since_us:
            days = (known.now_us - since_us) // DAY_US
            yield _finding(
                known, "unused", one.name, title=one.title, owner=one.owner, since_us=since_us,
                evidence={"days": str(days)},
            )  # fmt: skip


def _systems(known: Known) -> Iterable[Finding]:
    linked = linked_systems(known)
    for one in known.systems:
        told = {"title": one.title, "owner": one.owner}
        if one.health in ("silent", "down"):
            yield _finding(
                known, "silent", one.name, since_us=one.last_us, **told,
                evidence={"interval_s": f"{one.interval_s:g}", "health": one.health},
            )  # fmt: skip
        if one.name not in linked and known.now_us - one.since_us >= DAY_US:
            yield _finding(
                known, "unconnected", one.name, since_us=one.since_us, **told,
                evidence={"data_sets": ", ".join(one.data_sets[:5]) or "–", "door": one.door},
            )  # fmt: skip


def _by_hand(known: Known) -> Iterable[Finding]:
    """Pages of which every data set comes from uploads alone and did not change for longer than it
    promises."""
    doors: dict[str, set[str]] = {}
    for system in known.systems:
        for name in system.data_sets:
            doors.setdefault(name, set()).add(system.door)
    pages: dict[str, list[Use]] = {}
    for use in known.uses:
        if use.kind == "page":
            pages.setdefault(use.id, []).append(use)
    for page, uses in pages.items():
        names = [one.data_set for one in uses]
        by_hand = all(doors.get(one) and doors[one] <= BY_HAND_DOORS for one in names)
        changed = [known.measured[one].changed_us for one in names if one in known.measured]
        if by_hand and changed and known.now_us - max(changed) >= 7 * DAY_US:
            yield _finding(
                known, "by_hand", page, title=uses[0].title, since_us=max(changed),
                evidence={"data_sets": ", ".join(sorted(set(names))[:5])},
            )  # fmt: skip


def _stale(known: Known) -> Iterable[Finding]:
    for one in known.data_sets:
        measured = known.measured.get(one.name)
        if measured is None:
            continue
        if measured.constant_since_us:
            yield _finding(
                known, "constant", one.name, title=one.title, owner=one.owner,
                since_us=measured.constant_since_us,
                evidence={"rows": str(measured.rows)},
            )  # fmt: skip
        within_us = late_after_us(one.frequency)
        if within_us and measured.newest_us and known.now_us - measured.newest_us > within_us:
            yield _finding(
                known, "stale", one.name, title=one.title, owner=one.owner,
                since_us=measured.newest_us, evidence={"frequency": one.frequency},
            )  # fmt: skip
