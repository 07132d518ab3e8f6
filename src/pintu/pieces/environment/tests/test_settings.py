"""Settings and the manifest: every mistake at once, colours of the standard on the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kit import ConfigurationError, read_manifest, settings_of
from pintu.pieces.environment.model.cases import CASES, TITLES
from pintu.pieces.environment.settings import Settings, read_settings, read_tables

MANIFEST = read_manifest(Path(__file__).resolve().parents[1] / "piece.toml")


def read(**told: Any) -> Settings:
    return read_settings(settings_of(MANIFEST, told))


def test_without_a_word_nothing_listens() -> None:
    """The piece stands in a city that has no stations."""
    settings = read()
    assert (
        settings.listen, settings.station_file, settings.area_class, settings.passwords,
    ) == ("", None, 2, {})  # fmt: skip


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    """Seven at once."""
    (tmp_path / "passwords").write_text("S1\n", "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read(
            listen="nowhere", station_file=str(tmp_path / "none" / "list"), unit="ppb",
            area_class=3,
            passwords=str(tmp_path / "passwords"), index_table="HJ 1", interval_s=0,
        )  # fmt: skip
    assert len(caught.value.mistakes) == 7
    assert all(one.startswith("environment: ") for one in caught.value.mistakes)


def test_passwords_are_a_file_of_lines(tmp_path: Path) -> None:
    """MN and password; empty lines and remarks are nothing."""
    file = tmp_path / "passwords"
    file.write_text("# demo\nS1 abc def\n\nS2  x\n", "utf-8")
    assert read(passwords=str(file)).passwords == {"S1": "abc def", "S2": "x"}


def test_the_map_has_the_standards_colours_each_with_a_sign() -> None:
    """The six levels look as both editions say; no two of the eight states share colour and
    sign."""
    (layer,) = MANIFEST.layers
    rules = {one.state: one for one in layer.rules}
    for table in read_tables():
        for level in table.levels:
            assert level.colour == rules[level.code].colour
            assert level.title["zh"] in rules[level.code].title["zh"]
    assert len({(one.colour, one.sign) for one in layer.rules}) == len(layer.rules)
    assert len({one.sign for one in layer.rules}) >= 5


def test_every_case_has_its_word() -> None:
    """Lists of alerts call each kind as the work list does."""
    (work_list,) = MANIFEST.work_lists
    assert set(CASES) <= work_list.words.keys()
    assert set(TITLES) == set(CASES.values())
