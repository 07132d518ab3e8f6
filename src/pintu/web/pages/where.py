"""Where time goes: what the last minutes were spent on, by operation, process and step; queues,
learned indexes, disk, hosted tenants.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get

from pintu import __version__
from pintu.kernel.access import Deed
from pintu.kernel.counting import TOTAL, many, quantile
from pintu.kernel.errors import PintuError
from pintu.kernel.limits.words import QUOTAS
from pintu.web.house import House, house_of
from pintu.web.metrics import machine
from pintu.web.metrics.watching import more
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

MOST_OPERATIONS: Final = 40
MOST_INDEXES: Final = 50
MOST_READERS: Final = 20

SCREENS: Final = {
    "api": mark("Pages that ask for data"),
    "page": mark("Pages"),
    "events": mark("Pages that listen"),
    "static": mark("Files of pages"),
    "health": mark("Whether the city lives"),
    "nodes": mark("Other cities"),
}
"""What is asked besides the operations of NGSI-LD, which go by the standard's names."""
STEPS: Final = {
    "parse": mark("Read: lines, JSON, context"),
    "who": mark("Who asks"),
    "gate": mark("May they: the gate"),
    "check": mark("Check, and make the change or the answer"),
    "store": mark("Ask the store, or hand over to it"),
    "wait": mark("Wait until it is on the disk, or answered"),
    "operations": mark("Operations of one group"),
    "apply_us": mark("Apply a group: rows, indexes, log"),
    "commit_us": mark("Commit a group"),
    "tell_us": mark("Tell of a group: match subscriptions, feed, pages"),
}
PROCESSES: Final = {
    "broker": mark("Broker"),
    "field": mark("Field: connectors and pieces"),
    "loads": mark("Loads"),
    "packing": mark("Packing history"),
    "job": mark("A load at work"),
    "demo": mark("Demo devices"),
    "supervisor": mark("Supervisor"),
    "other": mark("Others"),
    "loop": mark("of it: requests and pages"),
    "writer": mark("of it: the writer"),
    "readers": mark("of it: long queries"),
}
QUEUES: Final = {
    "waiting": mark("Operations that wait for the writer"),
    "points_waiting": mark("Points that wait for their index"),
    "quarantine": mark("Messages in quarantine"),
    "owed": mark("Subscriptions that are owed something"),
    "parked": mark("Subscriptions that are parked"),
    "matching": mark("Changes not matched yet"),
    "clients": mark("Pages that listen"),
}
LIMITS: Final = {
    "entities": mark("Entities"),
    "subscriptions": mark("Subscriptions"),
    "registrations": mark("Registrations"),
    "bytes": mark("Bytes"),
}


@get("/system", include_in_schema=False)
async def system(request: AnyRequest, part: str = "") -> Response[str]:
    """The page, or its figures alone, which it asks for again and again."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="system")
    template = "part_system.html" if part == "figures" else "system.html"
    return page(visit, template, **figures(house, visit))


def figures(house: House, visit: Visit) -> dict[str, Any]:
    """All the page shows; a store that does not answer leaves its parts empty and is said."""
    rooms = house.rooms
    trouble = ""
    try:
        store = rooms.store.statistics()
    except (PintuError, OSError, RuntimeError) as error:
        store, trouble = {}, type(error).__name__
    since_s, lately = rooms.meter.lately()
    sampled = getattr(rooms.meter.sampled, "steps", None)
    return {
        "since_s": since_s,
        "trouble": trouble,
        "operations": operations(lately, since_s),
        "processes": processes(rooms, since_s),
        "steps": sampled.shares() if sampled is not None and sampled.requests else [],
        "sampled": sampled.requests if sampled is not None else 0,
        "groups": groups(store.get("times", {})),
        "slowest": sorted(rooms.meter.slowest, reverse=True),
        "queues": queues(house, store),
        "readers": sorted(rooms.feed.lag().items(), key=lambda one: -one[1])[:MOST_READERS],
        "indexes": indexes(visit, store.get("learned") or [])[:MOST_INDEXES],
        "budget": (store.get("learned_most", 0), store.get("learned_most_bytes", 0)),
        "disk": disk(rooms, store),
        "hosted": hosted(rooms) if visit.may(Deed.OPERATE, "system") else [],
        "refused": dict(rooms.limits.refused) if rooms.limits is not None else {},
        "titles": {**STEPS, **PROCESSES, **QUEUES, **LIMITS, **SCREENS},
        "version": __version__,
        "up_s": time.time() - machine.STARTED_S,
    }


def indexes(visit: Visit, learned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Learned indexes of the visitor's tenant: names of types and attributes of another county are
    for who operates the city alone."""
    if visit.may(Deed.OPERATE, "system"):
        return learned
    return [one for one in learned if one["tenant"] == visit.number]


def operations(lately: dict[str, list[int]], since_s: float) -> list[dict[str, Any]]:
    """One row an operation: how often, how fast; what took most time together first."""
    rows: list[dict[str, Any]] = [
        {
            "name": name or "–",
            "count": many(row),
            "rate": many(row) / since_s if since_s > 1 else 0.0,
            "p50_us": quantile(row, 0.5),
            "p99_us": quantile(row, 0.99),
            "total_us": row[TOTAL],
        }
        for name, row in lately.items()
    ]
    rows.sort(key=lambda one: -int(one["total_us"]))
    whole = sum(int(one["total_us"]) for one in rows) or 1
    for one in rows:
        one["share"] = int(one["total_us"]) / whole
    return rows[:MOST_OPERATIONS]


def processes(rooms: Rooms, since_s: float) -> list[dict[str, Any]]:
    """CPU of the last minutes as a share of one core, and memory, by process; the broker's threads
    below it."""
    held: dict[str, int] = {}
    for one in machine.city_processes():
        held[one.name] = held.get(one.name, 0) + one.resident
    now = more()
    ticks = rooms.meter.ticks
    before = ticks[0].more if ticks and since_s > 1 else {}
    rows: list[dict[str, Any]] = []
    for name, spent in now["processes"].items():
        used = _used(spent, before.get("processes", {}).get(name), since_s)
        rows.append({"name": name, "share": used, "resident": held.get(name, 0), "of": ""})
    rows.sort(key=lambda one: (one["name"] != "broker", -float(one["share"])))
    place = next((n + 1 for n, one in enumerate(rows) if one["name"] == "broker"), 0)
    threads: list[dict[str, Any]] = [
        {"name": name, "share": _used(spent, before.get("threads", {}).get(name), since_s),
         "resident": 0, "of": "broker"}
        for name, spent in now["threads"].items()
        if name != "other"
    ]  # fmt: skip
    return rows[:place] + threads + rows[place:]


def _used(now: float, before: float | None, since_s: float) -> float:
    return max(0.0, now - before) / since_s if before is not None and since_s > 1 else 0.0


def groups(times: dict[str, list[int]]) -> list[dict[str, Any]]:
    """How large groups of writes were, and how long each step of them took."""
    return [
        {
            "name": name,
            "mean": row[TOTAL] / many(row),
            "p99": quantile(row, 0.99),
            "count": many(row),
            "time": name.endswith("_us"),
        }
        for name, row in times.items()
        if many(row)
    ]


def queues(house: House, store: dict[str, Any]) -> list[tuple[str, int]]:
    """(name, how many wait)."""
    rooms = house.rooms
    counts = rooms.intake.quarantine.counts().values()
    found = {
        "waiting": int(store.get("waiting", 0)),
        "points_waiting": int(store.get("points_waiting", 0)),
        "quarantine": sum(one.held for one in counts),
        "clients": len(house.hub.clients),
    }
    delivery = rooms.delivery
    if delivery is not None:
        channels = list(delivery.channels.values())
        behind = rooms.store.head() - delivery.position if delivery.follower.running else 0
        found["owed"] = sum(one.owing for one in channels)
        found["parked"] = sum(bool(one.state.parked) for one in channels)
        found["matching"] = max(0, behind)
    return list(found.items())


def disk(rooms: Rooms, store: dict[str, Any]) -> list[tuple[str, int]]:
    """(name, bytes): the store, its write-ahead log, what is free."""
    size, free = machine.disk(rooms.settings.data)
    found = [(mark("The store"), int(store.get("bytes", 0)))]
    if "wal_pages" in store:
        found.append((mark("Its write-ahead log"), int(store["wal_pages"]) * 4096))
    return [*found, (mark("Free on the disk"), free), (mark("The whole disk"), size)]


def hosted(rooms: Rooms) -> list[dict[str, Any]]:
    """Every hosted tenant: what it has, and may have."""
    if rooms.limits is None:
        return []
    rows = []
    for one in rooms.limits.shown():
        told = one["hosted"]
        parts = [
            (quota, one["held"].get(quota), getattr(told.limits, quota))
            for quota in QUOTAS
            if quota in one["held"] or getattr(told.limits, quota) is not None
        ]
        rows.append(
            {
                "name": one["name"],
                "title": told.title,
                "suspended": told.suspended,
                "rate": told.limits.requests_per_s,
                "parts": parts,
                "mistake": rooms.limits.mistakes.get(one["name"], ""),
            }
        )
    return rows


PAGES: Final = (system,)
