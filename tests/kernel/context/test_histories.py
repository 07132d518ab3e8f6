"""Rows of the log folded to what became of an entity."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pintu.kernel.context.temporal import Evolution, fold, where
from pintu.kernel.context.temporal.words import tombstone
from pintu.kernel.jsonld import NULL
from tests.kernel.context.histories import ID, Log, prop

A = "urn:a"


def values(found: Evolution, name: str, dataset: str | None = None) -> list[Any]:
    """The values of a series in order; "gone" for a tombstone."""
    series = found.series.get(name, {}).get(dataset)
    return [
        "gone" if one.deleted_us else one.document["value"]
        for one in (series.instances if series is not None else [])
    ]


def test_every_write_of_an_attribute_is_an_instance() -> None:
    """Created, updated with the same value too, replaced."""
    log = Log().created(power=prop(1)).updated(power=prop(1)).replaced(power=prop(2))
    assert [1, 1, 2] == values(fold(ID, log.rows), "power")


def test_what_is_deleted_leaves_a_tombstone() -> None:
    """An attribute of an update, one that a replacement left out, those of a deleted entity."""
    log = Log().created(power=prop(1), level=prop(5)).updated(power=None)
    log.updated(power=prop(2)).replaced(level=prop(6)).deleted()
    found = fold(ID, log.rows)
    assert [1, "gone", 2, "gone"] == values(found, "power")
    assert [5, 6, "gone"] == values(found, "level")
    assert log.rows[-1].at_us == found.deleted_us


def test_of_several_instances_only_the_changed_one_was_written() -> None:
    """The row holds both; a data set that is no longer there was deleted."""
    log = Log().created(power=[prop(1), prop(9, dataset=A)])
    log.updated(power=[prop(2), prop(9, dataset=A)]).updated(power=prop(2))
    found = fold(ID, log.rows)
    assert [1, 2] == values(found, "power")
    assert [9, "gone"] == values(found, "power", A)


def test_a_late_reading_is_an_instance_and_not_the_present() -> None:
    """It comes beside the other data sets as they are; later rows know what is still so."""
    new, late = prop(2, "12:00:00"), prop(1, "11:00:00")
    other = prop(9, dataset=A)
    log = Log().created(power=[new, other]).updated(power=[late, other])
    log.updated(power=[new, prop(8, dataset=A)])
    found = fold(ID, log.rows)
    assert [2, 1] == values(found, "power")
    assert [9, 8] == values(found, "power", A)


def test_what_was_written_older_than_it_was_is_the_present() -> None:
    """A replacement knows no late readings, nor does who writes over NGSI-LD."""
    log = Log().created(power=prop(1, "02:00:00"))
    log.replaced(power=[prop(0, "01:00:00"), prop(9, dataset=A)])
    log.replaced(power=prop(0, "01:00:00"))
    assert [1, 0] == values(fold(ID, log.rows), "power")
    log = Log().created(power=[prop(1, "02:00:00"), prop(9, dataset=A)])
    log.updated(power=[prop(0, "01:00:00"), prop(9, dataset=A)])
    log.updated(power=[prop(1, "02:00:00"), prop(9, dataset=A)])
    handed_in = fold(ID, log.rows)
    assert [1, 0] == values(handed_in, "power")
    written = [replace(row, source="token:clerk") for row in log.rows]
    assert [1, 0, 1] == values(fold(ID, written), "power")


def test_what_only_history_knows() -> None:
    """Several instances at once, joined to those of the present; one time is told once."""
    log = Log().recorded(power=[prop(1, "01:00:00"), prop(2, "02:00:00")]).created(power=prop(3))
    log.recorded(power=[prop(7, "02:00:00"), prop(4)])
    assert [1, 7, 3, 4] == values(fold(ID, log.rows), "power")


def test_what_history_was_told_before_is_no_reason_to_leave_out_a_write() -> None:
    """The present had no such instance, or another one: it was written, whatever was recorded."""
    log = Log().created(level=prop(9)).recorded(power=prop(1))
    log.updated(power=[prop(1), prop(8, dataset=A)])
    assert [1, 1] == values(fold(ID, log.rows), "power")
    log.updated(power=[prop(2), prop(8, dataset=A)]).recorded(power=prop(3))
    log.updated(power=[prop(3), prop(8, dataset=A)])
    assert [1, 1, 2, 3, 3] == values(fold(ID, log.rows), "power")
    assert [8] == values(fold(ID, log.rows), "power", A)


def test_an_instance_changes_by_its_id_and_keeps_it() -> None:
    """Its document and modifiedAt change; deleted, it is gone."""
    log = Log().recorded(power=[prop(1), prop(2), prop(3)])
    series = fold(ID, log.rows).series["power"][None]
    ids = [series.id_of(one) for one in series.instances]
    log.amended("power", ids[1], prop(20)).amended("power", ids[0], None)
    found = fold(ID, log.rows)
    series = found.series["power"][None]
    assert [20, 3] == values(found, "power")
    assert ids[1:] == [series.id_of(one) for one in series.instances]
    assert log.rows[1].at_us == series.instances[0].modified_us
    assert log.rows[0].at_us == series.instances[0].created_us


def test_a_changed_instance_comes_though_its_row_was_left_out() -> None:
    """The change tells the whole of it."""
    log = Log().recorded(power=[prop(1)])
    series = fold(ID, log.rows).series["power"][None]
    log.amended("power", series.id_of(series.instances[0]), prop(5))
    assert [5] == values(fold(ID, log.rows[1:]), "power")


def test_what_is_erased_is_gone() -> None:
    """One data set, an attribute, everything; what comes later counts again."""
    log = Log().created(power=[prop(1), prop(9, dataset=A)], level=prop(5))
    log.erased("power", [None])
    assert ([], [9]) == (
        values(fold(ID, log.rows), "power"),
        values(fold(ID, log.rows), "power", A),
    )
    log.erased("power")
    assert {"level"} == set(fold(ID, log.rows).series)
    log.erased()
    assert not fold(ID, log.rows).known
    found = fold(ID, log.updated(level=prop(6)).rows)
    assert (True, [6]) == (found.known, values(found, "level"))


def test_only_what_is_asked_for_is_read() -> None:
    """Other attributes are not there; what was deleted of those asked for still is."""
    log = Log().created(power=prop(1), level=prop(5)).updated(level=prop(6)).updated(power=None)
    found = fold(ID, log.rows, ("power",))
    assert {"power"} == set(found.series)
    assert [1, "gone"] == values(found, "power")


def test_types_are_those_it_had_last_and_those_of_its_past() -> None:
    """A recorded type joins them."""
    log = Log().created(power=prop(1))
    log.types = ("Lamp", "Pole")
    log.recorded(power=[prop(2)])
    assert ("Lamp", "Pole") == fold(ID, log.rows).types


def test_scopes_are_a_property_in_time() -> None:
    """Set, kept, changed, taken away."""
    log = Log().created(scope=["/a"]).replaced(scope=["/a"]).updated(scope=["/b", "/c"])
    scopes = fold(ID, log.updated(scope=None).rows).scope.instances
    assert ["/a", ["/b", "/c"], []] == [one.document["value"] for one in scopes]
    assert [False, False, True] == [bool(one.deleted_us) for one in scopes]
    assert "2026-01-01T12:00:01Z" == scopes[0].document["observedAt"]


def test_instance_ids_say_where_an_instance_stands() -> None:
    """They differ between attributes, data sets and places of one row."""
    log = Log().recorded(power=[prop(1), prop(2), prop(1, dataset=A)], level=[prop(1)])
    found = fold(ID, log.rows)
    ids = [one.id_of(item) for one in found.all() for item in one.instances]
    assert 4 == len(set(ids))
    assert [(1, 0), (1, 1), (1, 0), (1, 0)] == [where(id) for id in ids]
    assert (0, 0) == where("urn:ngsi-ld:Instance:zz")


def test_a_gap_before_several_instances_is_told() -> None:
    """Nobody can say which of them was written when rows were left out."""
    log = Log().created(power=prop(1)).updated(level=prop(1))
    log.updated(power=[prop(1), prop(2, dataset=A)])
    assert not fold(ID, log.rows).unsure
    assert fold(ID, [log.rows[0], log.rows[2]]).unsure
    assert not fold(ID, [log.rows[0], log.rows[1]]).unsure


def test_a_tombstone_of_every_type_holds_the_null() -> None:
    """As 4.5.7 writes it."""
    assert NULL == tombstone("Relationship", None)["object"]
    assert {"@none": NULL} == tombstone("LanguageProperty", None)["languageMap"]
    assert [NULL] == tombstone("ListProperty", None)["valueList"]
    assert [{"object": NULL}] == tombstone("ListRelationship", None)["objectList"]
    assert {"type": "JsonProperty", "json": NULL, "datasetId": A} == tombstone("JsonProperty", A)
