"""A town's configuration is one folder of readable files, each version kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration, compare, copy_into
from pintu.kernel.errors import BadRequestData, ConfigurationError, ResourceNotFound, StateConflict

PAGE = {"title": {"zh": "空气", "en": "Air"}, "blocks": [{"kind": "text", "text": "一"}]}


@pytest.fixture
def here(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path / "here", CityClock())


def test_what_is_saved_is_read_back(here: Configuration) -> None:
    """A thing saved is found with its content, at version 1."""
    here.save("pages", "air", PAGE, by="a test")
    found = here.get("pages", "air")
    assert (1, PAGE) == (found.version, found.content)


def test_the_same_again_is_no_new_version(here: Configuration) -> None:
    """Saving what is there already changes nothing."""
    here.save("pages", "air", PAGE, by="a test")
    assert 1 == here.save("pages", "air", PAGE, by="a test").version


def test_nobody_saves_over_somebody_else(here: Configuration) -> None:
    """Of two writers that looked at one version, the second is told."""
    here.save("pages", "air", PAGE, by="a test", over=0)
    here.save("pages", "air", {**PAGE, "owner": "a"}, by="a test", over=1)
    with pytest.raises(StateConflict, match="at version 2, not 1"):
        here.save("pages", "air", {**PAGE, "owner": "b"}, by="a test", over=1)


def test_an_edit_by_hand_is_a_version_and_is_kept(here: Configuration) -> None:
    """A file changed in an editor counts as a version; the next save does not lose it."""
    here.save("pages", "air", PAGE, by="a test")
    path = here.folder / "pages" / "air.toml"
    path.write_text(path.read_text("utf-8") + 'owner = "by hand"\n', "utf-8")
    # the added line belongs to the last table of the file, as TOML has it
    assert 2 == here.get("pages", "air").version
    here.save("pages", "air", {"title": {"en": "Third"}}, by="a test")
    assert [3, 2, 1] == [one.version for one in here.versions("pages", "air")]
    assert "by hand" in here.versions("pages", "air")[1].text


def test_a_deleted_thing_keeps_its_versions(here: Configuration) -> None:
    """Deleting takes a thing away, and its next save goes on counting."""
    here.save("pages", "air", PAGE, by="a test")
    here.delete("pages", "air")
    assert here.find("pages", "air") is None
    with pytest.raises(ResourceNotFound):
        here.delete("pages", "air")
    assert 2 == here.save("pages", "air", {"a": 1}, by="a test").version


@pytest.mark.parametrize("name", ["", "../x", "Air", "a" * 65, "a.b", "空气", "1a"])
def test_a_name_is_never_a_path(here: Configuration, name: str) -> None:
    """A name that could leave the folder, or differ on another disk, is refused."""
    with pytest.raises(BadRequestData, match="is not one"):
        here.save("pages", name, PAGE, by="a test")


def test_a_broken_file_is_named_and_the_others_work(here: Configuration) -> None:
    """One unreadable file hides no other."""
    here.save("pages", "air", PAGE, by="a test")
    (here.folder / "pages" / "bad.toml").write_text("a = [", "utf-8")
    assert ["air"] == [one.name for one in here.list_saved("pages")]
    (mistake,) = here.mistakes("pages")
    assert mistake.startswith("config/pages/bad.toml cannot be read")


def test_an_imported_configuration_is_equal(here: Configuration, tmp_path: Path) -> None:
    """After export and import nothing differs; each difference made later is named by its path."""
    here.save("pages", "air", PAGE, by="a test")
    here.save("sources", "points", {"door": "folder"}, by="a test")
    there = Configuration(tmp_path / "there", CityClock())
    assert 2 == copy_into(here, there, by="a test")
    assert [] == compare(here, there)
    there.save("pages", "air", {**PAGE, "blocks": [{"kind": "text", "text": "二"}]}, by="a test")
    there.delete("sources", "points")
    assert [
        "sources/points is only here",
        "pages/air: blocks[0].text differs: '一' here, '二' there",
    ] == [str(one) for one in compare(here, there)]


def test_nothing_is_copied_from_a_broken_configuration(here: Configuration, tmp_path: Path) -> None:
    """Half an import is worse than none."""
    here.save("pages", "air", PAGE, by="a test")
    (here.folder / "pages" / "bad.toml").write_text("a = [", "utf-8")
    there = Configuration(tmp_path / "there", CityClock())
    with pytest.raises(ConfigurationError):
        copy_into(here, there, by="a test")
    assert [] == there.list_saved("pages")


def test_a_change_is_seen_by_other_processes(here: Configuration) -> None:
    """The signature differs after a save."""
    before = here.signature()
    here.save("pages", "air", PAGE, by="a test")
    assert before != here.signature()
