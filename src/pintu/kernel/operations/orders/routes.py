"""In which order a crew drives to what it has to do. Pure.

Urgency first, distance second: what is critical is never visited after what is not. Within one
urgency the way is made short: by OR-tools where the extra `routing` is installed, else by the
nearest next place and then 2-opt. Distances are great circles, in metres: roads are longer, the
page says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Final

import msgspec

from pintu.kernel.operations.orders.ranking import Ranked
from pintu.kernel.operations.orders.words import Order

Place = tuple[float, float]
EARTH_M: Final = 6_371_008.8
MOST: Final = 200
"""Stops of one route; the rest of a queue is not driven today."""

SOLVED: Final = 60
"""OR-tools is asked for up to so many stops, more than a crew drives in a day: beyond it takes
seconds for the 1 to 3 % of the way that it gains over 2-opt."""

URGENCY: Final = {"critical": 0, "high": 1, "medium": 2, "low": 2, "informational": 2}


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One stop: the order, and how far it is from the stop before (0 for the first without a
    start)."""

    order: Order
    metres: int


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The stops in order, what has no place and is not in it, and by what it was planned."""

    stops: tuple[Stop, ...]
    placeless: tuple[Order, ...]
    metres: int
    by: str


def plan(queue: Sequence[Ranked], start: Place | None, *, exact: bool | None = None) -> Route:
    """The way through a queue's orders that are to be done. `exact` False never asks OR-tools, None
    asks it when it is installed."""
    waiting = [one.order for one in queue if one.order.state not in ("suspended", "reported")]
    placed = [one for one in waiting if one.place is not None][:MOST]
    solve = exact is not False and find_spec("ortools") is not None
    way: list[Order] = []
    at = start
    for urgency in sorted({URGENCY[one.severity] for one in placed}):
        some = [one for one in placed if URGENCY[one.severity] == urgency]
        for number in _shortest([_place(one) for one in some], at, solve):
            way.append(some[number])
        at = _place(way[-1])
    stops = []
    at = start
    for one in way:
        metres = 0 if at is None else round(distance_m(at, _place(one)))
        stops.append(Stop(order=one, metres=metres))
        at = one.place
    return Route(
        stops=tuple(stops),
        placeless=tuple(one for one in waiting if one.place is None),
        metres=sum(one.metres for one in stops),
        by="ortools" if solve else "2-opt",
    )


def _place(order: Order) -> Place:
    assert order.place is not None
    return order.place


def distance_m(one: Place, other: Place) -> float:
    """The great circle between two places (longitude, latitude) in metres: haversine."""
    lon1, lat1, lon2, lat2 = map(math.radians, (*one, *other))
    h = (
        math.sin((lat2 - lat1) / 2) ** 2
        + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(h)))


def _shortest(places: Sequence[Place], start: Place | None, solve: bool) -> list[int]:
    """The numbers of the places in the order of a short open way that begins at `start`."""
    if len(places) < 2:
        return list(range(len(places)))
    if solve and 2 < len(places) <= SOLVED:
        found = _solved(places, start)
        if found is not None:
            return found
    return two_opt(places, nearest(places, start), start)


def nearest(places: Sequence[Place], start: Place | None) -> list[int]:
    """Always to the nearest place that is left; without a start from the first."""
    left = set(range(len(places)))
    at = places[0] if start is None else start
    way: list[int] = []
    while left:
        here = at
        step = min(left, key=lambda n: (distance_m(here, places[n]), n))
        left.remove(step)
        way.append(step)
        at = places[step]
    return way


def two_opt(places: Sequence[Place], way: list[int], start: Place | None) -> list[int]:
    """Turn stretches of the way round while that makes it shorter; the end stays open."""
    way = list(way)
    first = 0 if start is not None else 1
    better = True
    while better:
        better = False
        for i in range(first, len(way) - 1):
            before = start if i == 0 else places[way[i - 1]]
            assert before is not None
            for j in range(i + 1, len(way)):
                gain = distance_m(before, places[way[i]]) - distance_m(before, places[way[j]])
                if j + 1 < len(way):
                    after = places[way[j + 1]]
                    gain += distance_m(places[way[j]], after) - distance_m(places[way[i]], after)
                if gain > 0.5:
                    way[i : j + 1] = reversed(way[i : j + 1])
                    better = True
    return way


def length_m(places: Sequence[Place], way: Sequence[int], start: Place | None) -> float:
    """How long a way is, in metres."""
    points = [places[n] for n in way]
    return sum(distance_m(*two) for two in pairwise([start, *points] if start else points))


def _solved(places: Sequence[Place], start: Place | None) -> list[int] | None:
    """OR-tools' way, or None when it found none in its time."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    points = [places[0] if start is None else start, *places]
    end = len(points)  # a place that is nowhere: from everywhere no metres, so the way stays open
    index = pywrapcp.RoutingIndexManager(end + 1, 1, [0], [end])
    routing = pywrapcp.RoutingModel(index)

    table = [[round(distance_m(one, other)) for other in points] + [0] for one in points]
    table.append([0] * (end + 1))

    def metres(from_index: int, to_index: int) -> int:
        return table[int(index.IndexToNode(from_index))][int(index.IndexToNode(to_index))]

    routing.SetArcCostEvaluatorOfAllVehicles(routing.RegisterTransitCallback(metres))
    asked = pywrapcp.DefaultRoutingSearchParameters()
    asked.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    found = routing.SolveWithParameters(asked)
    if found is None:
        return None
    way, at = [], routing.Start(0)
    while not routing.IsEnd(at):
        node = index.IndexToNode(at)
        if node:
            way.append(node - 1)
        at = found.Value(routing.NextVar(at))
    return two_opt(places, way, start)
