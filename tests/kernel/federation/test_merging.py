"""Parts of an entity from several sources put together (4.3.6.2, 4.5.5)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.federation.arrived import Part
from pintu.kernel.federation.merging import Claims, merge, record_of
from pintu.kernel.federation.words import Share
from tests.kernel.federation.registering import registration

ID = "urn:ngsi-ld:Lamp:1"
LAMP = frozenset(("Lamp",))
NOBODY = Claims()


def part(mode: str = "", at: int = 0, **attributes: Any) -> Part:
    """What one source has, all of it written at one time; a bare value stands for a Property."""
    document = {"id": ID, "type": "Lamp"} | {
        name: value if isinstance(value, dict | list) else {"type": "Property", "value": value}
        for name, value in attributes.items()
    }
    return Part(ID, LAMP, document, {}, at, at, mode or "here", mode)


def seen(value: Any, at: str) -> dict[str, Any]:
    """A Property observed at a time."""
    return {"type": "Property", "value": value, "observedAt": at}


def values(found: Part | None) -> dict[str, Any]:
    """The values of the attributes."""
    assert found is not None
    return {
        name: attribute["value"]
        for name, attribute in found.document.items()
        if name not in ("id", "type")
    }


def claim(mode: str, *names: str) -> Share:
    """A share of lamp 1 that a taking registration has."""
    information: dict[str, Any] = {"entities": [{"type": "Lamp", "id": ID}]}
    if names:
        information["propertyNames"] = list(names)
    made = registration(mode, information, mode=mode)
    return Share(
        registration=made, ids=(ID,), names=frozenset(names),
        selectors=made.information[0].selectors,
    )  # fmt: skip


def test_halves_of_an_entity_are_one() -> None:
    """What one source lacks the other gives."""
    found = merge([part(level=1), part("inclusive", name="L1")], NOBODY)
    assert {"level": 1, "name": "L1"} == values(found)


def test_what_was_observed_last_wins_wherever_it_is() -> None:
    """observedAt decides before modifiedAt does (4.5.5.3)."""
    here = part(at=9, level=seen(1, "2026-01-01T00:00:00Z"))
    there = part("inclusive", at=1, level=seen(2, "2026-01-01T00:00:00.5Z"))
    assert {"level": 2} == values(merge([here, there], NOBODY))
    assert {"level": 2} == values(merge([there, here], NOBODY))


def test_without_observation_what_was_modified_last_wins() -> None:
    """Of two that are equal, this broker's stays."""
    assert {"level": 2} == values(
        merge([part(at=1, level=1), part("inclusive", 2, level=2)], NOBODY)
    )
    assert {"level": 1} == values(
        merge([part(at=2, level=1), part("inclusive", 2, level=2)], NOBODY)
    )


def test_instances_of_different_data_sets_stand_side_by_side() -> None:
    """Only those with one datasetId compete."""
    gps = {"type": "Property", "value": 9, "datasetId": "urn:d:gps"}
    found = merge([part(level=1), part("inclusive", at=5, level=gps)], NOBODY)
    assert found is not None
    assert [{"type": "Property", "value": 1}, gps] == found.document["level"]


def test_an_auxiliary_source_only_fills() -> None:
    """Newer as it may be, it overrides nothing; two of them do not override each other."""
    newer = part("auxiliary", at=9, level=seen(2, "2027-01-01T00:00:00Z"), name="aux")
    older = part("auxiliary", at=1, name="first")
    found = merge([part(level=1), older, newer], NOBODY)
    assert {"level": 1, "name": "first"} == values(found)


def test_what_an_exclusive_source_took_nobody_else_tells() -> None:
    """Its attribute is its alone, also when it did not answer; all others stay."""
    claims = Claims.of([claim("exclusive", "level")])
    here = part(at=9, level=1, name="L1")
    there = part("exclusive", at=1, level=2)
    assert {"level": 2, "name": "L1"} == values(merge([here, there], claims))
    assert {"name": "L1"} == values(merge([here], claims))


def test_a_redirect_of_whole_entities_leaves_nothing_here() -> None:
    """Several redirects stand side by side; what is here of such an entity is not there."""
    claims = Claims.of([claim("redirect")])
    assert merge([part(level=1)], claims) is None
    found = merge([part(level=1), part("redirect", name="a"), part("redirect", level=3)], claims)
    assert {"name": "a", "level": 3} == values(found)


def test_types_scopes_and_times_are_of_all_parts() -> None:
    """The entity is as old as its oldest part and as new as its newest."""
    one, two = part(at=5, level=1), part("inclusive", at=3, name="x")
    two.types, two.document["scope"] = frozenset(("Lamp", "Pole")), ["/a"]
    two.modified_us = 8
    found = merge([one, two], NOBODY)
    assert found is not None
    assert (["Lamp", "Pole"], ["/a"]) == (found.document["type"], found.document["scope"])
    record = record_of(found)
    assert (3, 8, ("Lamp", "Pole")) == (record.created_us, record.modified_us, record.types)


names = st.sampled_from(["a", "b", "c"])
parts = st.lists(
    st.tuples(st.sampled_from(["", "inclusive", "auxiliary"]), st.integers(1, 5),
              st.dictionaries(names, st.integers(0, 99), max_size=3)),
    min_size=1, max_size=5,
)  # fmt: skip


@given(parts)
def test_a_merge_is_the_newest_of_those_who_may_say(told: list[Any]) -> None:
    """Equal to a naive model: the newest of this broker and inclusive sources, the first of equally
    new ones; where none of them has an attribute, the first auxiliary source that has it."""
    made = [part(mode, at, **attributes) for mode, at, attributes in told]
    ranked = [one for one in told if one[0] != "auxiliary"]
    filling = [one for one in told if one[0] == "auxiliary"]
    expected: dict[str, int] = {}
    for name in ("a", "b", "c"):
        saying = [one for one in ranked if name in one[2]]
        if saying:
            newest = max(at for _, at, _ in saying)
            expected[name] = next(found[name] for _, at, found in saying if at == newest)
        else:
            fills = [one[2][name] for one in filling if name in one[2]]
            expected |= {name: fills[0]} if fills else {}
    assert expected == values(merge(made, NOBODY))
