"""What subscriptions cost a change that they have nothing to do with, and one they have.

`python -m bench.matching [--quick]`: one update of a lamp (live, with the documents before and
after it) is matched against nobody (the floor), and against 10 and 10,000 subscriptions of each
sort, by turns in one process. Medians, µs a change.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.words import Asker, Subscription

MANY: Final = 10_000
FEW: Final = 10
BAR_US: Final = 20.0
Doc = dict[str, Any]


def other_id(number: int) -> Doc:
    """Waits for another lamp."""
    return {"entities": [{"type": "Lamp", "id": f"urn:ngsi-ld:Lamp:other-{number}"}]}


def other_type(number: int) -> Doc:
    """Waits for another type of thing."""
    return {"entities": [{"type": f"Thing{number % 2000}"}]}


def other_attribute(number: int) -> Doc:
    """Waits for another attribute of lamps."""
    return {"watchedAttributes": [f"attribute{number % 2000}"]}


def other_trigger(number: int) -> Doc:
    """Waits for lamps to go."""
    return {"notificationTrigger": ["entityDeleted"]}


def mixed(number: int) -> Doc:
    """One of the sorts above."""
    return (other_id, other_type, other_attribute, other_trigger)[number % 4](number)


def one_condition(number: int) -> Doc:
    """Waits for what never is, like all the others."""
    return {"watchedAttributes": ["level"], "q": "level>1000"}


def value_of(number: int) -> Doc:
    """Waits for lamps of a cabinet of its own."""
    return {"q": f'cabinet=="urn:ngsi-ld:Cabinet:{number}";level>=0'}


def limit(number: int) -> Doc:
    """Waits for a limit of its own to be passed."""
    return {"watchedAttributes": ["level"], "q": f"level>{1000 + number}"}


def area(number: int) -> Doc:
    """Waits for lamps within a place of its own."""
    place = [121 + number % 100 / 50, 31 + number // 100 / 50]
    near = {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": place}
    return {"geoQ": near}


def pattern(number: int) -> Doc:
    """Waits for what no index finds: each has to be asked. No bar is held for these."""
    return {"watchedAttributes": ["level"], "q": f'cabinet~="x{number}$"'}


SORTS: Final[dict[str, Callable[[int], Doc]]] = {
    "other ids": other_id, "other types": other_type, "other attributes": other_attribute,
    "other triggers": other_trigger, "mixed": mixed, "one condition that fails": one_condition,
    "values of an attribute": value_of, "limits": limit, "places": area, "patterns": pattern,
}  # fmt: skip


def subscribed(number: int, members: Doc) -> Subscription:
    """A subscription."""
    sent = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://ear.example/n"}},
        **members,
    }
    id = f"urn:ngsi-ld:Subscription:{number}"
    filed = Filed(id=id, tenant=1, tenant_name="", asker=Asker(id="bench"))
    return build(read_document(sent, CORE, 0), filed)


def filled(sort: Callable[[int], Doc], count: int) -> Matcher:
    """A matcher with so many of a sort."""
    matcher = Matcher()
    for number in range(count):
        matcher.add(subscribed(number, sort(number)))
    return matcher


def a_change() -> Change:
    """One lamp is set from 40 to 41."""
    document = {
        "id": "urn:ngsi-ld:Lamp:1",
        "type": "Lamp",
        "level": {"type": "Property", "value": 40},
        "cabinet": {"type": "Relationship", "object": "urn:ngsi-ld:Cabinet:none"},
        "location": {"type": "GeoProperty",
                     "value": {"type": "Point", "coordinates": [120.1, 30.2]}},
    }  # fmt: skip
    before = orjson.dumps(document)
    document["level"] = {"type": "Property", "value": 41}
    payload = orjson.dumps({"level": document["level"]})
    return Change(
        2, 1, "urn:ngsi-ld:Lamp:1", ("Lamp",), "updated", 5, "bench", ("level",), payload, 1,
        orjson.dumps(document), before, 1, None,
    )  # fmt: skip


def timed(matcher: Matcher, change: Change, rounds: int) -> float:
    """Median µs of one change."""
    times = []
    concerned = matcher.concerned
    for _ in range(rounds):
        began = time.perf_counter_ns()
        concerned(change)
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times) / 1e3


def run(rounds: int) -> dict[str, dict[str, float]]:
    """Figures a sort: nobody, few and many, and what many add."""
    change, nobody = a_change(), Matcher()
    found = {}
    gc.disable()
    for name, sort in SORTS.items():
        few, many = filled(sort, FEW), filled(sort, MANY)
        least = rounds if name != "patterns" else max(5, rounds // 300)
        taken = [(timed(nobody, change, rounds), timed(few, change, rounds),
                  timed(many, change, least)) for _ in range(3)]  # fmt: skip
        floor, small, large = (statistics.median(column) for column in zip(*taken, strict=True))
        found[name] = {"nobody": floor, "few": small, "many": large, "added": large - floor}
    gc.enable()
    return found


def main() -> int:
    """Measure and say whether the bar is held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    found = run(300 if told.quick else 3000)
    if told.json:
        print(json.dumps(found))
    else:
        print(f"{'µs a change':28} {'nobody':>8} {FEW:>8} {MANY:>8} {'added':>8}")
        for name, one in found.items():
            row = " ".join(f"{one[key]:8.2f}" for key in ("nobody", "few", "many", "added"))
            print(f"{name:28} {row}")
    worst = max(one["added"] for name, one in found.items() if name != "patterns")
    print(f"{MANY} idle subscriptions add at most {worst:.2f} µs a change (bar {BAR_US:g})")
    return 0 if worst <= BAR_US else 1


if __name__ == "__main__":
    sys.exit(main())
