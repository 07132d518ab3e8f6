"""Whom a change concerns: the index finds exactly those whom asking each one would find."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.match import compile_pattern, match_q, matches
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions import matching
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.words import Hit, Subscription, Trigger
from tests.kernel.subscriptions.made import Doc, changed, lamp, subscribed

TRIGGERS = [one.value for one in Trigger]


def told(hits: list[Hit]) -> dict[str, tuple[set[str], set[str]]]:
    """What was found, by the last part of the subscription's id."""
    return {
        hit.subscription.id.rsplit(":", 1)[1]: (set(hit.names), {one.value for one in hit.why})
        for hit in hits
    }


def concerned(change: Change, *subscriptions: Subscription) -> dict[str, tuple[set[str], set[str]]]:
    """Whom of some subscriptions a change concerns."""
    matcher = Matcher()
    for one in subscriptions:
        matcher.add(one)
    return told(matcher.concerned(change))


# --- the trigger matrix ---------------------------------------------------------------------------
CREATED = changed(None, lamp(level=1))
UPDATED = changed(lamp(level=1, name="a"), lamp(level=2, name="a"), names=("level",))
ADDED = changed(lamp(level=1), lamp(level=1, name="a"), names=("name",))
TAKEN = changed(lamp(level=1, name="a"), lamp(level=1), names=("name",))
REPLACED = changed(lamp(level=1, name="a"), lamp(level=2, new=1))
GONE = changed(lamp(level=1, name="a"), None)
MATRIX: list[tuple[str, Change, dict[str, set[str]]]] = [
    ("created", CREATED, {"entityCreated": {"level"}, "attributeCreated": {"level"}}),
    ("updated", UPDATED, {"entityUpdated": {"level"}, "attributeUpdated": {"level"}}),
    ("added", ADDED, {"entityUpdated": {"name"}, "attributeCreated": {"name"}}),
    ("taken", TAKEN, {"entityUpdated": {"name"}, "attributeDeleted": {"name"}}),
    (
        "replaced",
        REPLACED,
        {
            "entityUpdated": {"level", "name", "new"},
            "attributeCreated": {"new"},
            "attributeUpdated": {"level"},
            "attributeDeleted": {"name"},
        },
    ),
    (
        "gone",
        GONE,
        {"entityDeleted": {"level", "name"}, "attributeDeleted": {"level", "name"}},
    ),
]


@pytest.mark.parametrize(("name", "change", "expected"), MATRIX, ids=[one[0] for one in MATRIX])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_trigger_tells_of_its_own_changes(
    name: str, change: Change, expected: dict[str, set[str]], trigger: str
) -> None:
    """A subscription with one trigger hears of exactly the changes that trigger names."""
    found = concerned(change, subscribed(notificationTrigger=[trigger]))
    names = expected.get(trigger)
    assert ({} if names is None else {"1": (names, {trigger})}) == found


def test_without_triggers_new_and_changed_attributes_are_told() -> None:
    """The default is attributeCreated and attributeUpdated (5.2.12)."""
    one = subscribed()
    assert [True, True, True, False, True, False] == [
        bool(concerned(change, one)) for _, change, _ in MATRIX
    ]


def test_watched_attributes_alone_are_told() -> None:
    """Only changes of watched attributes count, whatever else changed with them."""
    found = concerned(
        REPLACED,
        subscribed("level", watchedAttributes=["level"]),
        subscribed("other", watchedAttributes=["other"]),
        subscribed("both", watchedAttributes=["new", "level"]),
    )
    assert {
        "level": ({"level"}, {"attributeUpdated"}),
        "both": ({"level", "new"}, {"attributeUpdated", "attributeCreated"}),
    } == found


def test_a_deleted_instance_of_an_attribute_is_a_deletion() -> None:
    """Each instance of an attribute counts for itself."""
    both = [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d"},
    ]
    change = changed(lamp(level=both), lamp(level=both[0]), names=("level",))
    found = concerned(
        change, subscribed("gone", notificationTrigger=["attributeDeleted"]), subscribed("other")
    )
    assert {"gone": ({"level"}, {"attributeDeleted"})} == found


def test_writing_the_same_value_again_is_an_update() -> None:
    """Whoever subscribed to updates hears of a write that changed nothing, too."""
    change = changed(lamp(level=1), lamp(level=1), names=("level",))
    assert {"1": ({"level"}, {"attributeUpdated"})} == concerned(change, subscribed())


def test_a_reading_that_came_too_late_concerns_nobody() -> None:
    """What only the past learned is told to nobody: the log says another value than the present."""
    stored = lamp(level=5)
    late = orjson.dumps({"level": {"type": "Property", "value": 3}})
    change = changed(stored, stored, names=("level",))
    change = Change(*[
        late if field == "payload" else getattr(change, field) for field in Change.__struct_fields__
    ])  # fmt: skip
    every = subscribed(notificationTrigger=TRIGGERS)
    assert {} == concerned(change, every)


def test_conditions_are_asked_of_what_is_there() -> None:
    """q, geoQ and scopeQ are asked of the entity after the change, of a deleted one before it."""
    near = {
        "georel": "near;maxDistance==100", "geometry": "Point", "coordinates": [120.0, 30.0],
    }  # fmt: skip
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.0, 30.0]}}
    here = lamp(level=2, location=place) | {"scope": ["/a/b"]}
    some = (
        subscribed("q", q="level==2"),
        subscribed("not", q="level==1"),
        subscribed("geo", geoQ=near),
        subscribed("scope", scopeQ="/a/#"),
        subscribed("elsewhere", scopeQ="/c"),
    )
    assert {"q", "geo", "scope"} == concerned(changed(None, here), *some).keys()
    gone = subscribed("gone", q="level==2", notificationTrigger=["entityDeleted"])
    assert {"gone"} == concerned(changed(here, None), gone).keys()


def test_those_told_by_the_clock_and_paused_ones_wait_for_nothing() -> None:
    """timeInterval and isActive false keep a subscription out of the index."""
    matcher = Matcher()
    matcher.add(subscribed(1, timeInterval=5))
    matcher.add(subscribed(2, isActive=False))
    assert (0, []) == (len(matcher), matcher.concerned(CREATED))


@pytest.mark.asyncio
async def test_linked_conditions_are_followed() -> None:
    """A condition on a linked entity is asked of what the relationship leads to (4.9)."""
    matcher = Matcher()
    matcher.add(subscribed(q="on{level}<5"))
    cabinets = {
        f"urn:ngsi-ld:Lamp:{number}": orjson.dumps(lamp(number, level=number)) for number in (3, 8)
    }

    async def retrieve(tenant: int, id: str) -> Record | None:
        body = cabinets.get(id)
        return None if body is None else Record(0, id, ("Lamp",), body, 0, 0)

    found = []
    for number in (3, 8, 9):
        link = {"type": "Relationship", "object": f"urn:ngsi-ld:Lamp:{number}"}
        change = changed(None, lamp(1, on=link))
        found.append(bool(await matcher.concerned_linked(change, retrieve)))
    assert ([True, False, False], True) == (found, matcher.linked(1))


def test_no_subscription_takes_much_of_the_index() -> None:
    """One that names everything it may is found all the same, and takes few entries."""
    types = ",".join(f"T{number}" for number in range(100)) + ",Lamp"
    ids = [f"urn:x:{number}" for number in range(999)] + ["urn:ngsi-ld:Lamp:1"]
    names = [f"a{number}" for number in range(199)] + ["level"]
    near = {"georel": "within", "geometry": "Point", "coordinates": [120.0, 30.0]}
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.0, 30.0]}}
    one = subscribed(
        entities=[{"type": types}, {"type": "Lamp", "id": ids}], watchedAttributes=names, geoQ=near
    )
    matcher = Matcher()
    matcher.add(one)
    values = ",".join(map(str, range(99)))
    matcher.add(subscribed(2, entities=[{"type": types}], q=f"level=={values}"))
    change = changed(lamp(level=1, location=place), lamp(level=2, location=place), names=("level",))
    assert {"1", "2"} == told(matcher.concerned(change)).keys()
    matcher.remove(one)
    assert {"2"} == told(matcher.concerned(change)).keys()


def test_conditions_that_no_index_finds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more pattern than a tenant may have is refused; what an index finds is not."""
    monkeypatch.setattr(matching, "MOST_ASKED", 2)
    matcher = Matcher()
    for number in range(2):
        one = subscribed(number, q=f'name~="{number}"')
        matcher.check_room(one)
        matcher.add(one)
    with pytest.raises(TooComplex):
        matcher.check_room(subscribed(3, q='name~="3"'))
    for members in ({"q": 'name~="1"'}, {"q": "level>3"}, {"q": "!name", "tenant": 2}):
        matcher.check_room(subscribed(3, **members))
    matcher.remove(one)
    matcher.check_room(subscribed(3, q='name~="3"'))


# --- against asking each one ----------------------------------------------------------------------
NAMES = ["level", "name", "power"]
Q = [
    "level>1", "name==\"a\"|level==0", "!power", "level==2", "level==1,\"a\"", "level<=1;name",
    "level==3|name==\"a\"|power>2", "(level==1|level==2);(power<2|name)",
    "name==\"a\";level>0", "power>=2", "power==0..1", "level!=1",
]  # fmt: skip
NEAR = {"georel": "near;maxDistance==500", "geometry": "Point"}
PLACES = [[120.0, 30.0], [120.0, 30.003], [120.1, 30.0]]
entity_names = st.sampled_from(NAMES)


@st.composite
def subscriptions(draw: Any) -> Doc:
    """Members of a subscription, small enough for everything to happen."""
    members: Doc = {}
    kind = st.sampled_from(["Lamp", "Pole", "Lamp,Pole", "(Lamp;Old)", "*"])
    selector = st.fixed_dictionaries(
        {"type": kind},
        optional={
            "id": st.sampled_from(["urn:ngsi-ld:Lamp:1", ["urn:ngsi-ld:Lamp:1", "urn:x:2"]]),
            "idPattern": st.sampled_from(["Lamp:[12]$", "^urn:x"]),
        },
    )
    members["entities"] = draw(st.lists(selector, min_size=1, max_size=2) | st.none())
    watched = st.lists(entity_names, min_size=1, max_size=2, unique=True)
    members["watchedAttributes"] = draw(
        watched if members["entities"] is None else watched | st.none()
    )
    triggers = st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=3, unique=True)
    members["notificationTrigger"] = draw(triggers | st.none())
    members["q"] = draw(st.sampled_from(Q) | st.none())
    place = draw(st.sampled_from(PLACES) | st.none())
    members["geoQ"] = None if place is None else {**NEAR, "coordinates": place}
    return members


def placed(place: list[float] | None) -> Doc:
    """A location, or none."""
    value = {"type": "Point", "coordinates": place}
    return {} if place is None else {"location": {"type": "GeoProperty", "value": value}}


documents = st.builds(
    lambda number, kind, held, place: lamp(number, kind, **held, **placed(place)),
    st.integers(1, 3),
    st.sampled_from(["Lamp", "Pole", ["Lamp", "Old"], "Tree"]),
    st.dictionaries(entity_names, st.integers(0, 3) | st.just("a"), max_size=3),
    st.sampled_from(PLACES) | st.none(),
)


@st.composite
def changes(draw: Any) -> Change:
    """What may happen to an entity."""
    after = draw(documents)
    what = draw(st.sampled_from(["created", "deleted", "replaced", "updated"]))
    if what == "created":
        return changed(None, after)
    if what == "deleted":
        return changed(after, None)
    held = draw(st.dictionaries(entity_names, st.integers(0, 3), max_size=3))
    before = {**lamp(1, after["type"], **held), "id": after["id"]}
    if what == "replaced":
        return changed(before, after)
    names = tuple(
        name for name in (*NAMES, "location")
        if before.get(name) != after.get(name) or (name in after and draw(st.booleans()))
    )  # fmt: skip
    return changed(before, after, names=names)


def naive(one: Subscription, change: Change) -> tuple[set[str], set[str]] | None:
    """What asking a subscription by itself finds, after the words of 5.2.12 and 5.8.6."""
    before = orjson.loads(change.before) if change.before else {}
    after = orjson.loads(change.body) if change.body else {}
    document = after or before
    if one.selectors and not any(_selects(selector, document) for selector in one.selectors):
        return None
    entity = {"created": "entityCreated", "deleted": "entityDeleted"}.get(
        change.verb, "entityUpdated"
    )
    touched = (
        set(change.changed)
        if change.changed is not None
        else {*before, *after} & {*NAMES, "location"}
    )
    if one.watched is not None:
        touched &= one.watched
        if not touched:
            return None
    names, why = set(), set()
    if entity in one.triggers and (touched or change.verb != "updated"):
        names |= touched
        why.add(entity)
    for name in touched:
        kind = (
            "attributeCreated" if name not in before
            else "attributeDeleted" if name not in after
            else "attributeUpdated"
        )  # fmt: skip
        if kind in one.triggers:
            names.add(name)
            why.add(kind)
    if not why or (one.q is not None and not match_q(document, one.q)):
        return None
    if one.geo is not None and not matches(document, Selection(tenant=0, geo=one.geo), None):
        return None
    return names, why


def _selects(selector: Any, document: Doc) -> bool:
    kind = document["type"]
    types = set(kind) if isinstance(kind, list) else {kind}
    if selector.types is not None and not any(every <= types for every in selector.types.any_of):
        return False
    if selector.ids:
        return document["id"] in selector.ids
    return selector.id_pattern is None or compile_pattern(selector.id_pattern)(document["id"])


@settings(max_examples=120, deadline=None)
@given(st.lists(subscriptions(), max_size=8), st.lists(changes(), max_size=4), st.data())
def test_the_index_finds_what_asking_each_one_finds(
    some: list[Doc], happened: list[Change], data: Any
) -> None:
    """For any subscriptions, some of them gone again, and any changes."""
    matcher = Matcher()
    made = [subscribed(number, **members) for number, members in enumerate(some)]
    for one in made:
        matcher.add(one)
    gone = data.draw(st.sets(st.integers(0, 7), max_size=3))
    for number in gone & {*range(len(made))}:
        matcher.remove(made[number])
    left = [one for number, one in enumerate(made) if number not in gone]
    for change in happened:
        expected = {one.id.rsplit(":", 1)[1]: naive(one, change) for one in left}
        expected = {number: found for number, found in expected.items() if found is not None}
        assert expected == told(matcher.concerned(change))
        assert matcher.may_concern(change) or not expected
    for one in left:
        matcher.remove(one)
    assert (0, False) == (len(matcher), matcher.any(1))
