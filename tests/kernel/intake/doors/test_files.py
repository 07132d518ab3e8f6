"""The folder and upload doors: files are taken when they stand still, read once, and moved on."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pintu.kernel.errors import ConfigurationError, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.intake.doors import files_reading
from pintu.kernel.intake.doors.register import find_door
from tests.kernel.intake.doors.file_scene import Scene, rows, said, table


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A folder source; a file stands still after a twentieth of a second."""
    monkeypatch.setattr(files_reading, "STILL_S", 0.05)
    made = Scene(tmp_path)
    yield made
    made.close()


async def test_a_file_is_read_and_moved_with_a_note(scene: Scene) -> None:
    """What was read lies in done/, beside a note in both languages."""
    scene.drop("a.csv", "id,v\n1,x\n2,y\n3\n")
    chunks = await scene.run()
    assert [(2, {"id": "1", "v": "x"}), (3, {"id": "2", "v": "y"})] == rows(chunks)
    assert [4] == [one.line for chunk in chunks for one in chunk.bad]
    assert ([], ["a.csv"]) == (scene.listed(), scene.listed("done"))
    note = (scene.folder / "done" / "a.csv.txt").read_text("utf-8")
    assert ("读取 2 行" in note, "2 rows read, 1 more" in note) == (True, True)
    assert [] == await scene.run()


async def test_who_only_reads_moves_nothing(scene: Scene) -> None:
    """A dry run leaves the files where they are; what landed and was not let go is, next time."""
    scene.drop("a.csv", "id,v\n1,x\n")
    scene.drop("b.csv", "id,v\n1,x\n", age_s=9)
    chunks = await scene.run(land=False)
    assert ([(2, {"id": "1", "v": "x"})], ["a.csv", "b.csv"]) == (rows(chunks), scene.listed())
    scene.position = chunks[1].position
    assert "holds exactly what" in said(await scene.run())[0]
    assert ["a.csv", "b.csv"] == scene.listed("done")


async def test_the_same_file_twice_is_passed_over_and_said(scene: Scene) -> None:
    """The content decides, not the name."""
    scene.drop("a.csv", "id,v\n1,x\n")
    await scene.run()
    scene.drop("b.csv", "id,v\n1,x\n")
    chunks = await scene.run()
    assert ([], True) == (rows(chunks), "b.csv holds exactly what a.csv held" in said(chunks)[0])
    assert ["a.csv", "b.csv"] == scene.listed("done")


async def test_files_that_tell_rows_differently_are_named(scene: Scene) -> None:
    """Both files and the lines are in the words of the run; the later one holds."""
    scene.drop("a.csv", "id,v\n1,x\n2,y\n3,z\n", age_s=60)
    scene.drop("b.csv", "id,v\n3,z\n2,other\n4,new\n")
    (told,) = said(await scene.run())
    assert all(one in told for one in ("b.csv", "a.csv", "1 rows", "3 (2)"))


async def test_a_file_that_contradicts_itself_is_named(scene: Scene) -> None:
    """One key twice with two values in one file."""
    scene.drop("a.csv", "id,v\n1,x\n1,y\n")
    assert "differ from earlier rows of the same key" in said(await scene.run())[0]


async def test_a_column_that_turns_late_is_told(scene: Scene) -> None:
    """Numbers to text near the end: the line and the value, while good rows go on."""
    good = "".join(f"{n},{n * 2}\n" for n in range(30_000))
    scene.drop("a.csv", "id,v\n" + good + "x1,停机\n30001,5\n")
    chunks = await scene.run()
    assert 30_002 == len(rows(chunks))
    assert [True] == [
        "until line 30002" in one and "停机" in one
        for one in said(chunks)
        if "held" in one and "'v'" in one
    ]


async def test_columns_that_come_and_go_are_told(scene: Scene) -> None:
    """A schema that changes under us is said; without the key a file fails in words."""
    scene.drop("a.csv", "id,v\n1,x\n")
    await scene.run()
    scene.drop("b.csv", "id,w\n2,y\n")
    told = " ".join(said(await scene.run()))
    assert ("lacks columns v" in told, "has new columns w" in told) == (True, True)
    scene.drop("c.csv", "nr,v\n3,z\n")
    told = " ".join(said(await scene.run()))
    assert "cannot do without: id" in told
    assert ["c.csv"] == scene.listed("failed")


async def test_what_cannot_be_read_fails_alone(scene: Scene) -> None:
    """A damaged file goes to failed/ with its reason; the next one is read."""
    scene.drop("a.xlsx", b"PK\x03\x04rubbish", age_s=60)
    scene.drop("b.json", '[{"id":1,"v":2},{"id":', age_s=30)
    scene.drop("c.csv", "id,v\n1,x\n")
    chunks = await scene.run()
    assert [1, 2] == [line for line, _ in rows(chunks)]
    assert (["a.xlsx", "b.json"], ["c.csv"]) == (scene.listed("failed"), scene.listed("done"))
    assert "a.xlsx cannot be read" in said(chunks)[0]
    assert [] == await scene.run()


async def test_links_and_unfinished_files_are_left_alone(scene: Scene, tmp_path: Path) -> None:
    """No link is followed out of the folder, nothing half-written or hidden is taken."""
    (tmp_path / "secret.csv").write_text("id,v\n1,secret\n")
    scene.drop(".hidden.csv", "id,v\n1,x\n")
    scene.drop("a.csv.part", "id,v\n1,x\n")
    (scene.folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (scene.folder / "below").mkdir()
    os.mkfifo(scene.folder / "pipe.csv")
    assert [] == await scene.run()


async def test_a_growing_file_waits(scene: Scene) -> None:
    """A file somebody still writes is read by a later run, whole."""
    path = scene.drop("a.csv", "id,v\n1,x\n")

    async def grow() -> None:
        await asyncio.sleep(0.02)
        with path.open("a") as file:
            file.write("2,y\n")

    growing = asyncio.create_task(grow())
    assert [] == rows(await scene.run())
    await growing
    assert 2 == len(rows(await scene.run()))


async def test_a_file_changed_while_it_is_read_is_told(scene: Scene) -> None:
    """What landed stays; the next run begins the new content at its beginning."""
    text = "id,v\n" + "".join(f"{n},x\n" for n in range(90_000))
    path = scene.drop("a.csv", text)
    reader = scene.reader()
    chunks = reader.chunks("")
    first = await anext(chunks)
    scene.position = first.position
    path.write_text(text.replace("x", "y"))
    with pytest.raises(StateConflict, match="changed while it was read"):
        async for _ in chunks:
            pass
    again = await scene.run()
    assert (90_000, True) == (
        len(rows(again)),
        any("is gone or was changed" in s for s in said(again)),
    )


async def test_reading_goes_on_where_it_stopped(scene: Scene) -> None:
    """Cut off after any chunk, the rest comes once, with the same keys."""
    scene.drop("a.csv", "id,v\n" + "".join(f"{n},x\n" for n in range(60_000)))
    whole = await scene.run(keep=False, most=4)
    keys = [one.key for one in whole]
    scene.position = ""
    found = await scene.run(most=2) + await scene.run()
    assert (60_000, keys[2:]) == (len(rows(found)), [one.key for one in found][2:4])
    assert 60_000 == len({line for line, _ in rows(found)})


async def test_everything_again_on_wish(scene: Scene) -> None:
    """From the beginning means the files in done/ too, oldest first; cut off, it goes on."""
    for number in range(3):
        scene.drop(f"{number}.csv", f"id,v\n{number},x\n", age_s=100 - number)
    await scene.run()
    scene.position = ""
    first = await scene.run(most=1)
    rest = await scene.run()
    assert ["0", "1", "2"] == [one["id"] for _, one in rows(first) + rows(rest)]
    assert [] == await scene.run()


async def test_a_file_waits_for_every_mapping(scene: Scene) -> None:
    """Two mappings of a source read one file; it is moved after the second."""
    scene.mappings = ("m", "n")
    scene.drop("a.csv", "id,v\n1,x\n")
    first = await scene.run(keep=False)
    assert (1, ["a.csv"]) == (len(rows(first)), scene.listed())
    scene.position = first[-1].position
    assert [] == await scene.run(keep=False)
    scene.position = ""
    second = await scene.run(table("v", name="n"), keep=False)
    assert (1, []) == (len(rows(second)), scene.listed())


async def test_each_file_may_hold_everything(scene: Scene) -> None:
    """The last chunk of a file says that it was all."""
    scene.settings = {"full": True}
    scene.drop("a.csv", "id,v\n1,x\n")
    assert [False, True] == [one.full for one in await scene.run()]


@pytest.mark.parametrize("folder", ["/etc", "../../etc", "..", "/"])
async def test_other_folders_are_refused(scene: Scene, folder: str) -> None:
    """Neither an absolute path nor a way out of inbox/ is read unless the owner allowed it."""
    scene.settings = {"folder": folder}
    with pytest.raises(Forbidden, match="may not be read"):
        scene.reader()


async def test_an_allowed_folder_is_read(scene: Scene, tmp_path: Path) -> None:
    """A folder of inbox_allow is as good as one of our own; a link in it that leads out is not."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("id,v\n1,x\n")
    (outside / "way").symlink_to("/etc")
    scene.folders = (str(outside),)
    scene.settings = {"folder": str(outside)}
    assert 1 == len(rows(await scene.run()))
    scene.settings = {"folder": str(outside / "way")}
    with pytest.raises(Forbidden):
        scene.reader()


async def test_uploads_are_looked_at_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest file handed in is what a look shows, before and after it was read."""
    monkeypatch.setattr(files_reading, "STILL_S", 0.05)
    scene = Scene(tmp_path, door="upload")
    with pytest.raises(ResourceNotFound, match="no file"):
        await find_door("upload").look(scene.source, scene.around)
    scene.drop("a.csv", "id,v\n1,x\n", age_s=60)
    scene.drop("b.csv", "id,w\n1,5\n")
    for _ in range(2):
        (seen,) = await find_door("upload").look(scene.source, scene.around)
        assert ["id", "w"] == [one.name for one in seen.columns]
        await scene.run()
    scene.close()


async def test_settings_are_checked_together(scene: Scene) -> None:
    """Every mistake of a source's settings is told at once."""
    scene.settings = {"largest_mb": -1, "header_rows": 99, "colour": "red"}
    with pytest.raises(ConfigurationError) as refused:
        scene.reader()
    assert 3 == len(refused.value.mistakes)


async def test_too_large_a_file_fails_in_words(scene: Scene) -> None:
    """The limit of the source holds, and says itself in Chinese too."""
    scene.settings = {"largest_mb": 0.001}
    scene.drop("a.csv", "id,v\n" + "1,x\n" * 1000)
    chunks = await scene.run()
    assert ([], "上限是 1000" in chunks[0].messages[0]["zh"]) == (rows(chunks), True)


@pytest.mark.slow
async def test_killed_at_any_moment_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """kill -9 of the loading process again and again: every row is there once."""
    scene = Scene(tmp_path)
    for number in range(3):
        lines = "".join(f"{number}-{n},值{n}\n" for n in range(20_000))
        scene.drop(f"{number}.csv", "id,v\n" + lines, age_s=100 - number)
    lives = 0
    while scene.listed():
        lives += 1
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("file_child.py")),
            str(tmp_path),
            "sqlite:",
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
        )
        assert child.stdout is not None
        chunks = 0
        async for line in child.stdout:
            chunks += line.strip() not in (b"ready", b"0")
            if chunks >= 2 and lives < 12:
                await asyncio.sleep(0.003 * lives)
                os.kill(child.pid, signal.SIGKILL)
                break
        await child.wait()
        assert lives < 40
    assert lives > 3
    with closing(sqlite3.connect(tmp_path / "datasets" / "d.db")) as file:
        (count,) = file.execute("SELECT count(*) FROM rows").fetchone()
        (keys,) = file.execute("SELECT count(DISTINCT _key) FROM rows").fetchone()
    assert (60_000, 60_000) == (count, keys)
