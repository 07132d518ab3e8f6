"""`pintu config`: a town's decisions go out, come in elsewhere, and every difference is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pintu.cli import run
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration

Told = tuple[int, str, str]
Pintu = Callable[..., Told]
PAGE: dict[str, Any] = {
    "title": {"zh": "页", "en": "A page"},
    "blocks": [{"kind": "table", "data": "schools", "at": [0, 0, 6, 4], "limit": 5}],
}
SCHOOLS: dict[str, Any] = {"provider": "table", "columns": [{"name": "id", "key": True}]}


@pytest.fixture
def pintu(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Pintu:
    """Runs a command: exit code, what it printed, what it complained."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: object) -> Told:
        capfdbinary.readouterr()
        code = run([str(word) for word in words])
        told = capfdbinary.readouterr()
        return code, told.out.decode(), told.err.decode()

    return command


def town(folder: Path) -> Configuration:
    """A town with one of each thing it may decide."""
    found = Configuration(folder / "config", CityClock())
    found.save("datasets", "schools", SCHOOLS, by="test")
    found.save("pages", "main", PAGE, by="test")
    found.save("sources", "press", {"door": "folder", "settings": {"path": "in"}}, by="test")
    found.save("mappings", "press", {"target": "table", "data_set": "schools"}, by="test")
    found.save("words", "bins", {"type": "Bin"}, by="test")
    return found


def test_a_configuration_goes_out_and_comes_in_equal(pintu: Pintu, tmp_path: Path) -> None:
    """Another city that imports it decided the same; its diff is empty."""
    town(tmp_path / "one")
    folder = tmp_path / "carried"
    assert (0, f"{folder}: 5 files written\n", "") == pintu(
        "config", "export", folder, "--data", tmp_path / "one"
    )
    names = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
    assert [
        "datasets/schools.toml", "mappings/press.toml", "pages/main.toml", "sources/press.toml",
        "words/bins.toml",
    ] == names  # fmt: skip
    two = tmp_path / "two"
    assert (0, "5 files changed\n", "") == pintu("config", "import", folder, "--data", two)
    assert (0, "no difference\n", "") == pintu("config", "diff", folder, "--data", two)
    assert (0, "0 files changed\n", "") == pintu("config", "import", folder, "--data", two)


def test_each_difference_is_named(pintu: Pintu, tmp_path: Path) -> None:
    """By kind, name, the place inside and both values; the exit code says there are some."""
    town(tmp_path / "one")
    folder = tmp_path / "carried"
    pintu("config", "export", folder, "--data", tmp_path / "one")
    other = Configuration(folder, CityClock())
    block = {**PAGE["blocks"][0], "limit": 9}
    other.save("pages", "main", {**PAGE, "blocks": [block]}, by="test")
    other.save("pages", "more", PAGE, by="test")
    other.delete("words", "bins")
    code, told, _ = pintu("config", "diff", folder, "--data", tmp_path / "one")
    assert 1 == code
    assert [
        "pages/main: blocks[0].limit differs: 5 here, 9 there",
        "pages/more is only there",
        "words/bins is only here",
    ] == told.splitlines()


def test_one_mistake_keeps_everything_out(pintu: Pintu, tmp_path: Path) -> None:
    """And all of them are said."""
    town(tmp_path / "one")
    folder = tmp_path / "carried"
    pintu("config", "export", folder, "--data", tmp_path / "one")
    other = Configuration(folder, CityClock())
    other.save("pages", "main", {"title": {"en": "x"}, "blocks": [{"kind": "chart"}]}, by="t")
    other.save("datasets", "schools", {"provider": "table"}, by="t")
    code, told, said = pintu("config", "import", folder, "--data", tmp_path / "two")
    assert (2, "") == (code, told)
    assert "Data set 'schools': a table data set names its columns" in said
    assert "Page 'main': Block 1 names no data set" in said
    assert not (tmp_path / "two" / "config" / "pages").exists()
    (folder / "pages" / "broken.toml").write_text("title = ")
    code, _, said = pintu("config", "diff", folder, "--data", tmp_path / "one")
    assert 2 == code
    assert "broken.toml cannot be read" in said


def test_folders_that_make_no_sense_are_refused(pintu: Pintu, tmp_path: Path) -> None:
    """One that is not there, and the town's own."""
    town(tmp_path / "one")
    for word in ("import", "diff"):
        code, _, said = pintu("config", word, tmp_path / "no", "--data", tmp_path / "one")
        assert (1, True) == (code, "There is no folder" in said)
    own = tmp_path / "one" / "config"
    for word in ("export", "import", "diff"):
        code, _, said = pintu("config", word, own, "--data", tmp_path / "one")
        assert (1, True) == (code, "own folder" in said)
