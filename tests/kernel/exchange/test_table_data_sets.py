"""Table data sets: rows land exactly once, are asked in SQL, and persons stay behind the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import ConfigurationError, DeadlineExceeded, Forbidden
from pintu.kernel.exchange import (
    Condition,
    Question,
    file_form,
    forms,
    read_data_set,
    write_data_set,
)
from pintu.kernel.exchange.landing import TableLanding, open_landing
from pintu.kernel.intake.mapping.words import BadRecord, Row
from pintu.kernel.tables import open_tables
from tests.kernel.exchange.conftest import ADMIN, CLERK, LOOK, NOON_US, READER, HandClock, Scene

CONTENT: dict[str, Any] = {
    "provider": "table",
    "title": {"zh": "学校", "en": "Schools"},
    "columns": [
        {"name": "编号", "key": True},
        {"name": "名称"},
        {"name": "pupils", "kind": "whole"},
        {"name": "open", "kind": "yes_no"},
        {"name": "founded", "kind": "date"},
        {"name": "seen_at", "kind": "time"},
        {"name": "place", "kind": "point"},
    ],
}


def school(number: int, **more: Any) -> Row:
    values = {
        "编号": f"S{number}",
        "名称": f"第{number}小学",
        "pupils": 100 * number,
        "open": number % 2 == 0,
        "founded": f"19{50 + number}-09-01",
        "seen_at": f"2026-09-{10 + number}T08:00:00Z",
        "place": [120.0 + number / 100, 30.0],
        **more,
    }
    return Row(f"S{number}", values)


def landing_of(scene: Scene, source: str = "schools") -> TableLanding:
    scene.save("schools", CONTENT)
    data_set = scene.exchange.get("schools")
    return open_landing(scene.tables, scene.clock, data_set, source=source)


async def asked(scene: Scene, **question: Any) -> list[dict[str, Any]]:
    return (await scene.exchange.ask(ADMIN, "schools", Question(**question))).rows


async def test_rows_land_with_their_position(scene: Scene) -> None:
    """And are there for whoever opens the folder next."""
    landing = landing_of(scene)
    assert "" == await landing.position()
    bad = [BadRecord(line=3, record={}, reason="no id")]
    landed = await landing.land("c1", "row 3", [school(1), school(2)], bad)
    assert (2, 0, 1) == (landed.landed, landed.unchanged, landed.bad)
    assert "row 3" == await landing_of(scene).position()
    first = (await asked(scene, where=(Condition("编号", "=", "S1"),)))[0]
    assert school(1).values == first
    assert ("datasets", "schools") in scene.tables.list_places()


async def test_a_row_that_does_not_differ_is_not_written(scene: Scene) -> None:
    """It keeps the time it last changed; one that differs gets a new one."""
    landing = landing_of(scene)
    await landing.land("c1", "1", [school(1), school(2)], [])
    scene.clock.us += 60_000_000
    landed = await landing.land("c2", "2", [school(1), school(2, pupils=201)], [])
    assert (1, 1) == (landed.landed, landed.unchanged)
    told = await scene.exchange.profile(ADMIN, "schools")
    assert (2, "2026-09-21T14:14:20Z") == (told["rows"], told["newest"])


async def test_an_interrupted_landing_leaves_rows_and_position_as_they_were(scene: Scene) -> None:
    """They are one transaction."""
    landing = landing_of(scene)
    await landing.land("c1", "1", [school(1)], [])

    class Breaks(list[Row]):
        """A chunk whose reader dies in the middle."""

        def __len__(self) -> int:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        await landing.land("c2", "2", Breaks([school(2)]), [])
    assert ("1", 1) == (await landing.position(), len(await asked(scene)))


async def test_what_a_whole_load_did_not_bring_is_removed(scene: Scene) -> None:
    """Marked, not lost; it comes back when the source has it again."""
    landing = landing_of(scene)
    await landing.land("c1", "1", [school(n) for n in range(1, 5)], [])
    assert 0 == (await landing.finish()).landed
    await landing.land("c2", "2", [school(1), school(3)], [])
    finished = await landing.finish()
    assert 2 == finished.landed
    assert (
        "2 rows are no longer in the source and were marked as removed"
        == (finished.messages[0]["en"])
    )
    assert ["S1", "S3"] == [row["编号"] for row in await asked(scene, order=("编号",))]
    await landing.land("c3", "3", [school(2)], [])
    assert 3 == len(await asked(scene))


async def test_a_load_with_unreadable_records_removes_nothing(scene: Scene) -> None:
    """A row whose record cannot be read today is not gone; the next whole load starts anew."""
    landing = landing_of(scene)
    await landing.land("c1", "1", [school(1), school(2)], [])
    await landing.finish()
    await landing.land("c2", "2", [school(1)], [])
    assert 0 == (await landing.finish(whole=False)).landed
    assert 2 == len(await asked(scene))
    await landing.land("c3", "3", [school(2)], [])
    assert 1 == (await landing.finish()).landed
    assert ["S2"] == [row["编号"] for row in await asked(scene)]


async def test_one_source_does_not_remove_what_another_brought(scene: Scene) -> None:
    """Two files may fill one data set; each has its own position."""
    await landing_of(scene, "east").land("c1", "e1", [school(1)], [])
    west = landing_of(scene, "west")
    await west.land("c1", "w1", [school(2)], [])
    await west.finish()
    assert ("w1", 2) == (await west.position(), len(await asked(scene)))


async def test_rows_without_a_key_come_once_a_chunk(scene: Scene) -> None:
    """A chunk that is sent again after a crash is known by its key."""
    landing = landing_of(scene)
    loose = [Row("", school(n).values) for n in (1, 1, 2)]
    assert 3 == (await landing.land("c1", "1", loose, [])).landed
    assert 0 == (await landing.land("c1", "1", loose, [])).landed
    assert 3 == len(await asked(scene))


async def test_values_no_database_knows_are_kept_as_text(scene: Scene) -> None:
    """A number beyond 64 bits, an object in a text column: good rows do not suffer for one."""
    landing = landing_of(scene)
    rows = [school(1), Row("", school(2, pupils=2**70).values), school(3, 名称={"zh": "三"})]
    assert 3 == (await landing.land("c1", "1", rows, [])).landed
    found = {row["编号"]: row for row in await asked(scene)}
    assert (str(2**70), '{"zh":"三"}') == (found["S2"]["pupils"], found["S3"]["名称"])


async def test_a_column_added_later_is_empty_until_it_is_loaded(scene: Scene) -> None:
    """Reading before and after the next load."""
    await landing_of(scene).land("c1", "1", [school(1)], [])
    columns = [*CONTENT["columns"], {"name": "phone_line"}]
    scene.save("schools", {**CONTENT, "columns": columns})
    assert None is (await asked(scene))[0]["phone_line"]
    again = open_landing(scene.tables, scene.clock, scene.exchange.get("schools"), source="schools")
    await again.land("c2", "2", [school(1, phone_line="x")], [])
    assert "x" == (await asked(scene))[0]["phone_line"]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (("pupils", ">=", "300"), "S3 S4"),
        (("名称", "contains", "第2"), "S2"),
        (("名称", "contains", "%"), ""),
        (("名称", "=", "x' OR 1=1 --"), ""),
        (("open", "=", "是"), "S2 S4"),
        (("编号", "in", ["S1", "S4"]), "S1 S4"),
        (("编号", "in", []), ""),
        (("founded", "<", "1953"), "S1 S2"),
        (("seen_at", ">", "2026-09-13T16:30"), "S4"),
        (("名称", "empty", None), ""),
        (("名称", "filled", None), "S1 S2 S3 S4"),
        (("pupils", "!=", 100), "S2 S3 S4"),
    ],
)
async def test_conditions_are_bound_never_spliced(
    scene: Scene, condition: tuple[str, Any, Any], names: str
) -> None:
    """Every comparison, and texts that look like SQL."""
    await landing_of(scene).land("c", "1", [school(n) for n in range(1, 5)], [])
    rows = await asked(scene, where=(Condition(*condition),), order=("编号",))
    assert names.split() == [row["编号"] for row in rows]


async def test_a_column_with_a_quote_in_its_name_is_refused(scene: Scene) -> None:
    """With every other mistake of the file, all at once."""
    broken = {
        "provider": "table",
        "columns": [{"name": 'a"b'}, {"name": "x", "kind": "picture"}, {"name": "X"}],
        "colour": "red",
    }
    with pytest.raises(ConfigurationError) as caught:
        read_data_set("broken", broken)
    assert 4 == len(caught.value.mistakes)


async def test_a_file_with_mistakes_keeps_nobody_else_out(scene: Scene) -> None:
    """It is left out of the list and named by `mistakes`."""
    scene.save("broken", {"provider": "table"})
    scene.save("schools", CONTENT)
    assert "schools" in [one.name for one in scene.exchange.list_sets(ADMIN)]
    assert ["Data set 'broken': a table data set names its columns"] == (
        scene.exchange.catalogue.mistakes()
    )


async def test_what_is_written_is_what_was_read(scene: Scene) -> None:
    """A data set goes to its file and back."""
    data_set = read_data_set("schools", CONTENT)
    assert data_set == read_data_set("schools", write_data_set(data_set))


async def test_groups_and_times(scene: Scene) -> None:
    """By month of the town's time, with a count of groups."""
    await landing_of(scene).land("c", "1", [school(n) for n in range(1, 5)], [])
    answer = await scene.exchange.ask(
        ADMIN,
        "schools",
        Question(
            group=("seen_at@month", "open"), aggregate="sum", measure="pupils", count=True,
            order=("-pupils",),
        ),
    )  # fmt: skip
    expected = [
        {"seen_at@month": "2026-09", "open": True, "pupils": 600},
        {"seen_at@month": "2026-09", "open": False, "pupils": 400},
    ]
    assert (expected, 2) == (answer.rows, answer.total)


async def test_the_last_of_a_group_is_what_changed_last(scene: Scene) -> None:
    """Not what stands last in the file."""
    landing = landing_of(scene)
    await landing.land("c", "1", [school(1), school(3)], [])
    scene.clock.us += 1_000_000
    await landing.land("d", "2", [school(1, pupils=7)], [])
    rows = await asked(scene, group=("open",), aggregate="last", measure="pupils")
    assert [{"open": False, "pupils": 7}] == rows


PERSONS = {
    **CONTENT,
    "owner": "health",
    "columns": [*CONTENT["columns"], {"name": "head", "person": "name"}],
}


async def test_rows_with_persons_are_their_owners_who_say_why(scene: Scene) -> None:
    """Counts, groups and profiles too, and no administrator's; that the data set is there may be
    known."""
    scene.save("schools", PERSONS)
    assert "schools" in [one.name for one in scene.exchange.list_sets(READER)]
    for actor in (READER, ADMIN):
        for question in (Question(), Question(limit=0, count=True), Question(group=("open",))):
            with pytest.raises(Forbidden, match="tells of persons"):
                await scene.exchange.ask(actor, "schools", question, LOOK)
        with pytest.raises(Forbidden):
            await scene.exchange.profile(actor, "schools", LOOK)
    with pytest.raises(Forbidden, match="for a purpose"):
        await scene.exchange.ask(CLERK, "schools", Question())
    assert [] == (await scene.exchange.ask(CLERK, "schools", Question(), LOOK)).rows


async def test_a_profile_tells_no_value_of_a_person(scene: Scene) -> None:
    """How full and how many, never from which to which."""
    scene.save("schools", PERSONS)
    landing = open_landing(
        scene.tables, scene.clock, scene.exchange.get("schools"), source="schools"
    )
    await landing.land("c", "1", [school(1, head="某某")], [])
    told = await scene.exchange.profile(CLERK, "schools", LOOK)
    assert {"filled": 1.0, "distinct": 1} == told["columns"]["head"]


async def test_a_question_that_takes_too_long_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and the file answers the next one."""
    await landing_of(scene).land("c", "1", [school(n) for n in range(1, 9)], [])
    with monkeypatch.context() as patched:
        patched.setattr(forms, "DEADLINE_S", -1.0)
        patched.setattr(file_form, "CHECK_EVERY", 1)
        with pytest.raises(DeadlineExceeded):
            await asked(scene, order=("名称",))
    assert 8 == len(await asked(scene))


async def test_a_table_nobody_loaded_is_empty_and_makes_no_file(scene: Scene) -> None:
    """Looking leaves nothing behind."""
    scene.save("schools", CONTENT)
    answer = await scene.exchange.ask(ADMIN, "schools", Question(count=True))
    assert ([], 0) == (answer.rows, answer.total)
    assert "datasets" not in dict(scene.tables.list_places())


async def test_files_of_data_sets_are_part_of_a_backup(scene: Scene, tmp_path: Path) -> None:
    """And open in another folder as they were."""
    await landing_of(scene).land("c", "row 1", [school(1)], [])
    copied = scene.tables.backup(tmp_path / "copy")
    assert {Path("datasets/schools.db")} == {one for one in copied if one.parent.name != "rooms"}
    other = open_tables(tmp_path / "copy")
    try:
        landing = open_landing(
            other, HandClock(NOON_US), scene.exchange.get("schools"), source="schools"
        )
        assert "row 1" == await landing.position()
    finally:
        other.close()


async def test_a_measure_alone_is_added_up_over_everything(scene: Scene) -> None:
    """One row, also where nothing fits."""
    await landing_of(scene).land("c", "1", [school(n) for n in range(1, 5)], [])
    assert [{"pupils": 1000}] == await asked(scene, aggregate="sum", measure="pupils")
    nothing = (Condition("编号", "=", "no"),)
    assert [{"pupils": None}] == await asked(
        scene, aggregate="sum", measure="pupils", where=nothing
    )
