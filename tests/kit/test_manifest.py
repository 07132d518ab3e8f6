"""A piece is known before any of its code runs, and every mistake in it is told at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pintu.kernel.errors import ConfigurationError
from pintu.kit.manifest import demo_settings, find_pieces, parse_manifest, read_manifest
from pintu.kit.piece import settings_of

GOOD = """
name = "counters"
owner = "Somebody"
maturity = "sketch"
writes = ["Device"]
title = { zh = "计数", en = "Counters" }
summary = { zh = "数人。", en = "Counts people." }
[[commands]]
name = "ResetCounter"
target = "Device"
title = { zh = "清零", en = "Reset" }
[[settings]]
name = "broker"
kind = "text"
default = ""
demo = "mqtt://127.0.0.1:{port+1}"
title = { zh = "地址", en = "Address" }
[[settings]]
name = "limit"
kind = "whole"
default = 5
title = { zh = "上限", en = "Limit" }
"""


def written(folder: Path, text: str, name: str = "counters") -> Path:
    place = folder / name
    place.mkdir()
    (place / "piece.toml").write_text(text, "utf-8")
    return place / "piece.toml"


def test_a_manifest_is_read_without_importing_the_piece(tmp_path: Path) -> None:
    """Finding pieces runs none of their code."""
    path = written(tmp_path, GOOD)
    (path.parent / "__init__.py").write_text("raise RuntimeError", "utf-8")
    (found,) = find_pieces(tmp_path, entry_points=False)
    assert ("counters", ("Device",), "Counters") == (found.name, found.writes, found.title["en"])
    assert "pintu.pieces.counters" not in sys.modules


def test_every_mistake_is_told_at_once() -> None:
    """Wrong name, missing texts, unknown fields, a target nobody writes, a default of another
    kind."""
    told = {
        "name": "Bad Name", "maturity": "perfect", "colour": "red", "writes": ["device"],
        "title": {"zh": "一"}, "summary": {"zh": "一", "en": "one"},
        "commands": [{"name": "Do", "target": "Lamp", "title": {"zh": "做", "en": "Do"}, "x": 1}],
        "settings": [
            {"name": "n", "kind": "whole", "default": "5", "title": {"zh": "数", "en": "n"}}
        ],
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        parse_manifest(told)
    words = (
        "name is 'Bad Name'",
        "owner is missing",
        "maturity is 'perfect'",
        "colour is not",
        "'device'",
        "no text in 'en'",
        "target is 'Lamp'",
        "x is not a field",
        "kind 'whole'",
    )
    text = "\n".join(caught.value.mistakes)
    assert [] == [one for one in words if one not in text]


def test_mistakes_of_all_pieces_are_told_together(tmp_path: Path) -> None:
    """Two broken manifests make one list; a folder of another name is one of them."""
    written(tmp_path, GOOD, "other")
    written(tmp_path, "name = ", "broken")
    with pytest.raises(ConfigurationError) as caught:
        find_pieces(tmp_path, entry_points=False)
    assert 2 == len(caught.value.mistakes)


def test_the_reference_piece_is_well_declared() -> None:
    """What is built in can be read."""
    assert "street_lights" in [one.name for one in find_pieces()]


def test_settings_are_defaults_with_what_was_told_over_them(tmp_path: Path) -> None:
    """Unknown names and values of another kind are told together."""
    manifest = read_manifest(written(tmp_path, GOOD))
    assert {"broker": "", "limit": 7} == settings_of(manifest, {"limit": 7})
    with pytest.raises(ConfigurationError) as caught:
        settings_of(manifest, {"limit": "7", "brocker": "x"})
    assert 2 == len(caught.value.mistakes)


def test_beside_the_demo_ports_are_counted_from_the_citys(tmp_path: Path) -> None:
    """Two cities on one machine differ by their port only."""
    manifest = read_manifest(written(tmp_path, GOOD))
    assert {"broker": "mqtt://127.0.0.1:8801"} == demo_settings(manifest, 8800)
