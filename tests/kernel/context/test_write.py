"""The verbs of NGSI-LD on stored records: what becomes of the document, its times and the
report."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from pintu.kernel.context import write
from pintu.kernel.context.changes import Change
from pintu.kernel.context.overwriting import plain_names
from pintu.kernel.context.read import read_attribute, read_entity, read_fragment
from pintu.kernel.context.record import Keep, Put, Record, Remove, Transform
from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.jsonld import CORE, NULL
from tests.kernel.context.lamps import BORN, LAMP, NOW, fragment, put, record


# --- whole entities -----------------------------------------------------------------------------
def test_create_and_replace() -> None:
    """Create is a Put; replace needs an entity and renews all times; bytes are passed on."""
    made = write.create(LAMP, b"{}")
    assert ("created", LAMP, b"{}", None) == (made.verb, made.entity, made.body, made.times)
    replaced = put(write.replace(LAMP))
    assert ("replaced", {"*": [NOW, NOW]}, None) == (
        replaced.verb,
        replaced.times,
        replaced.changed,
    )
    with pytest.raises(ResourceNotFound):
        write.replace(LAMP)(None, NOW)


def test_upserts_create_what_is_not_there() -> None:
    """Each upsert creates; otherwise it replaces, appends or merges."""
    for maker, verb in (
        (write.upsert_replace, "replaced"),
        (write.upsert_append, "updated"),
        (write.upsert_merge, "updated"),
    ):
        created = maker(LAMP)(None, NOW)
        assert isinstance(created, Put) and ("created", LAMP) == (created.verb, created.entity)
        assert verb == put(maker(LAMP)).verb


def test_delete_needs_an_entity() -> None:
    """Delete removes; what is not there is ResourceNotFound."""
    assert isinstance(write.delete()(record(), NOW), Remove)
    with pytest.raises(ResourceNotFound):
        write.delete()(None, NOW)


@pytest.mark.parametrize(
    "transform",
    [
        write.append(fragment(a=1)),
        write.update(fragment(a=1)),
        write.merge(fragment(a=1)),
        write.patch_attribute("power", {"value": 1}),
        write.replace_attribute("power", {"type": "Property", "value": 1}),
        write.delete_attribute("power"),
        write.drop_attributes(dropped=frozenset({"power"})),
        write.only_types(TypeSelection((frozenset({"Lamp"}),)), write.delete()),
    ],
)
def test_changes_need_an_entity(transform: Transform) -> None:
    """No entity: ResourceNotFound."""
    with pytest.raises(ResourceNotFound):
        transform(None, NOW)


def test_only_types_gates_a_change() -> None:
    """The type of a request must be among the entity's types (4.17)."""
    lamps = TypeSelection((frozenset({"Lamp"}),))
    both = TypeSelection((frozenset({"Lamp", "Pole"}),))
    assert isinstance(write.only_types(lamps, write.delete())(record(), NOW), Remove)
    with pytest.raises(ResourceNotFound):
        write.only_types(both, write.delete())(record(), NOW)


# --- append and update --------------------------------------------------------------------------
def test_append_replaces_whole_attributes_and_adds_new_ones() -> None:
    """An attribute that is there is replaced, its creation time stays; the report names both."""
    effect = put(write.append(fragment(power={"type": "Property", "value": 5}, new=7)))
    assert {"type": "Property", "value": 5} == effect.entity["power"]
    assert {"type": "Property", "value": 7} == effect.entity["new"]
    assert {"power": [BORN, NOW], "new": [NOW, NOW]} == effect.times
    assert ("power", "new") == effect.changed
    assert ["power", "new"] == effect.detail.updated


def test_append_without_overwrite_reports_what_was_left() -> None:
    """noOverwrite leaves what is there, per instance, and says why."""
    level = [{"value": 9}, {"value": 3, "datasetId": "urn:d:2"}]
    effect = put(write.append(fragment(power=5, level=level), no_overwrite=True))
    assert LAMP["power"] == effect.entity["power"]
    assert [1, 2, 3] == [item["value"] for item in effect.entity["level"]]
    assert ["level"] == effect.detail.updated
    assert ["power", "level"] == [name for name, _ in effect.detail.not_updated]
    assert "already exists" in effect.detail.not_updated[0][1]


def test_append_cannot_delete() -> None:
    """An NGSI-LD Null in an append is BadRequestData (5.5.4)."""
    with pytest.raises(BadRequestData):
        write.append(fragment(power=NULL))


def test_update_replaces_adds_and_deletes() -> None:
    """Update replaces whole attributes, adds what is missing, deletes by NGSI-LD Null (5.6.2)."""
    effect = put(write.update(fragment(power={"value": 5}, new=7, address=NULL, gone=NULL)))
    assert {"type": "Property", "value": 5} == effect.entity["power"]
    assert "address" not in effect.entity and "gone" not in effect.entity
    assert ["power", "new", "address"] == effect.detail.updated
    assert "gone" == effect.detail.not_updated[0][0]
    with pytest.raises(BadRequestData):
        write.update(fragment(address={"value": {"street": NULL}}))


def test_whole_properties_over_what_is_there_become_what_the_long_way_makes() -> None:
    """The way at a glance tells the same document, times and report as a change step by step."""
    stamps: list[dict[str, Any]] = [{}, {"*": [BORN, 5]}, {"power": [3, 4], "level": [1, 2]}]
    parts: list[dict[str, Any]] = [
        {"power": {"type": "Property", "value": 5, "unitCode": "WTT"}},
        {
            "power": {"type": "Property", "value": "x"},
            "address": {"type": "Property", "value": 1.5},
        },
        {"location": {"type": "Property", "value": True, "observedAt": "2026-11-22T09:00:00Z"}},
        {"new": {"type": "Property", "value": 1}, "power": {"type": "Property", "value": 2}},
        {"level": {"type": "Property", "value": 9}},
        {"power": {"type": "Property", "value": [1, 2]}},
        {"power": {"type": "Property", "value": 1, "datasetId": "urn:d:1"}},
        {},
    ]
    simple = 0
    other = {**LAMP, "level": {"type": "Property", "value": 2, "datasetId": "urn:d:1"}}
    for part in parts:
        simple += bool(names := plain_names(part))
        for times in stamps:
            given = record(other if "*" in times else None, times or None)
            short = put(write.update(part), given)
            change = Change(given, NOW)
            for name, attribute in part.items():
                change.put_attribute(name, attribute, overwrite=True)
            assert msgspec.structs.astuple(change.effect()) == msgspec.structs.astuple(short)
        assert not names or list(part) == list(names)
    assert simple == 5


def test_null_of_each_type_deletes_the_instance_it_names() -> None:
    """value, object, languageMap, lists: each type has its Null; datasetId chooses the instance."""
    nulls: dict[str, Any] = {
        "power": {"type": "Property", "value": NULL},
        "name": {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
        "location": {"type": "GeoProperty", "value": NULL},
        "refGroup": {"type": "Relationship", "object": NULL},
        "level": {"type": "Property", "value": NULL, "datasetId": "urn:d:1"},
    }
    for verb in (write.update, write.merge):
        left = put(verb(read_fragment(nulls, CORE))).entity
        assert {"id", "type", "address", "level"} == left.keys()
        assert {"type": "Property", "value": 1} == left["level"]


def test_types_are_added_never_taken() -> None:
    """Several types are sorted; one that is there changes nothing (4.16)."""
    for verb in (write.append, write.update, write.merge):
        effect = put(verb(fragment(type=["Pole", "Lamp"])))
        assert ["Lamp", "Pole"] == effect.entity["type"]
        assert ("type",) == effect.changed
        assert () == put(verb(fragment(type="Lamp"))).changed


def test_scope_by_verb() -> None:
    """Append sets or, without overwrite, extends; update replaces only what is there; merge sets
    or deletes."""
    scoped = record({**LAMP, "scope": ["/a"]})
    new = fragment(scope="/b")
    assert ["/b"] == put(write.append(new), scoped).entity["scope"]
    assert ["/a", "/b"] == put(write.append(new, no_overwrite=True), scoped).entity["scope"]
    assert ["/b"] == put(write.update(new), scoped).entity["scope"]
    assert "scope" not in put(write.update(new)).entity
    assert ["/b"] == put(write.merge(new)).entity["scope"]
    assert "scope" not in put(write.merge(fragment(scope=NULL)), scoped).entity


def test_expiry_is_set_and_taken_away() -> None:
    """expiresAt of an entity comes and goes with a merge (4.22)."""
    effect = put(write.merge(fragment(expiresAt="2100-01-01T00:00:00Z")))
    assert "2100-01-01T00:00:00Z" == effect.entity["expiresAt"]
    assert (
        "expiresAt" not in put(write.merge(fragment(expiresAt=NULL)), record(effect.entity)).entity
    )


# --- one attribute ------------------------------------------------------------------------------
def patched(name: str, obj: Any, present: Record | None = None) -> Put:
    """A partial update of an attribute."""
    return put(write.patch_attribute(*read_attribute(obj, name, CORE)), present)


def test_partial_update_overlays_the_first_level() -> None:
    """Members that are named are replaced whole, the rest stays (5.5.8, example 1)."""
    effect = patched("power", {"type": "Property", "value": 100})
    assert {**LAMP["power"], "value": 100} == effect.entity["power"]  # type: ignore[dict-item]
    assert (("power",), {"power": [BORN, NOW]}) == (effect.changed, effect.times)
    assert {"street": "C"} == patched("address", {"value": {"street": "C"}}).entity["address"][
        "value"
    ]
    subs = patched("refGroup", {"since": 3, "by": {"object": "urn:x:y"}}).entity["refGroup"]
    assert {"type": "Property", "value": 3} == subs["since"]
    assert {"type": "Relationship", "object": "urn:x:y"} == subs["by"]


def test_partial_update_keeps_the_type() -> None:
    """Another type, or another type's value, is BadRequestData."""
    for obj in ({"type": "Relationship", "object": "urn:x:y"}, {"object": "urn:x:y"}):
        with pytest.raises(BadRequestData, match="cannot become another type"):
            patched("power", obj)


def test_partial_update_deletes_sub_attributes_and_instances() -> None:
    """A Null takes a sub-attribute away, or the instance itself."""
    assert "unitCode" not in patched("power", {"unitCode": NULL}).entity["power"]
    assert "since" not in patched("refGroup", {"since": NULL}).entity["refGroup"]
    gone = patched("power", {"type": "Property", "value": NULL})
    assert "power" not in gone.entity and {} == gone.times
    left = patched("level", {"value": NULL, "datasetId": "urn:d:1"}).entity["level"]
    assert {"type": "Property", "value": 1} == left


def test_partial_update_finds_its_instance() -> None:
    """datasetId chooses; an instance or attribute that is not there is ResourceNotFound."""
    effect = patched("level", {"value": 7, "datasetId": "urn:d:1"})
    assert [1, 7] == [item["value"] for item in effect.entity["level"]]
    assert {"level urn:d:1": [BORN, NOW]} == effect.times
    for name, obj in (
        ("level", {"value": 7, "datasetId": "urn:d:9"}),
        ("power", {"value": 7, "datasetId": "urn:d:1"}),
        ("nothing", {"value": 7}),
    ):
        with pytest.raises(ResourceNotFound):
            patched(name, obj)


def test_replace_attribute() -> None:
    """The instance is replaced whole, its type may change; one that is not there is
    ResourceNotFound."""
    name, attribute = read_attribute(
        {"object": "urn:x:y"}, "power", CORE, partial=False, nulls="none"
    )
    effect = put(write.replace_attribute(name, attribute))
    assert {"type": "Relationship", "object": "urn:x:y"} == effect.entity["power"]
    with pytest.raises(ResourceNotFound):
        put(write.replace_attribute("nothing", attribute))
    with pytest.raises(ResourceNotFound):
        put(write.replace_attribute("power", {**attribute, "datasetId": "urn:d:1"}))


def test_delete_attribute() -> None:
    """The default instance, one instance, or all; scope too; else ResourceNotFound (5.6.5)."""
    assert "power" not in put(write.delete_attribute("power")).entity
    left = put(write.delete_attribute("level")).entity["level"]
    assert {"type": "Property", "value": 2, "datasetId": "urn:d:1"} == left
    left = put(write.delete_attribute("level", dataset_id="urn:d:1")).entity["level"]
    assert {"type": "Property", "value": 1} == left
    assert "level" not in put(write.delete_attribute("level", delete_all=True)).entity
    scoped = record({**LAMP, "scope": ["/a"]})
    assert "scope" not in put(write.delete_attribute("scope"), scoped).entity
    for transform in (
        write.delete_attribute("nothing"),
        write.delete_attribute("type"),
        write.delete_attribute("power", dataset_id="urn:d:1"),
    ):
        with pytest.raises(ResourceNotFound):
            put(transform)


def test_drop_attributes() -> None:
    """Purging keeps or drops whole attributes; when there is nothing to do nothing is written."""
    kept = put(write.drop_attributes(kept=frozenset({"power"})))
    assert {"id", "type", "power"} == kept.entity.keys()
    assert ("level",) == put(write.drop_attributes(dropped=frozenset({"level"}))).changed
    assert isinstance(write.drop_attributes(dropped=frozenset({"none"}))(record(), NOW), Keep)


def test_times_survive_from_write_to_write() -> None:
    """An attribute keeps when it was created; one created later has its own; deleted ones are
    forgotten."""
    times = {"power": [5, 6], "level urn:d:1": [7, 8], "*": [3, 3]}
    effect = put(
        write.merge(fragment(power=1, address={"value": {}}, new=1, refGroup=NULL)),
        record(times=times),
    )
    expected = {**times, "power": [5, NOW], "address": [3, NOW], "new": [NOW, NOW]}
    assert expected == effect.times
    gone = put(write.delete_attribute("level", delete_all=True), record(times=times))
    assert {"power": [5, 6], "*": [3, 3]} == gone.times


def test_shared_fragments_are_never_changed() -> None:
    """One fragment may be applied to many entities."""
    shared = fragment(power={"value": 1, "sub": {"value": NULL}}, level=[{"value": 5}], x={"a": 1})
    before = copy.deepcopy(shared)
    for verb in (write.merge, write.update):
        transform = verb(shared)
        first, second = put(transform).entity, put(transform).entity
        assert first == second
    assert before == shared
    entity = read_entity(LAMP, CORE)
    before = copy.deepcopy(entity)
    for maker in (write.upsert_append, write.upsert_merge, write.upsert_replace):
        maker(entity)(record(), NOW)
        maker(entity)(None, NOW)
    assert before == entity
