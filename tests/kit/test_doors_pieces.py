"""A piece without code: its sources, settings and mappings are data, read and checked."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.register import DOORS, find_door
from pintu.kernel.intake.mapping.file import read_mapping
from pintu.kernel.intake.mapping.mapper import Mapper, compile_mapping
from pintu.kit.declared import declared_sources
from pintu.kit.manifest import Manifest, find_pieces, parse_manifest, read_manifest
from pintu.kit.piece import load_piece
from pintu.vocabulary import check
from pintu.vocabulary.mapping_words import mapping_words

ROOT = Path(__file__).resolve().parents[2]
PIECE = ROOT / "src" / "pintu" / "pieces" / "public_points"
SHARED = Path(os.environ.get("PINTU_SHARED_DATA", ROOT.parent / "shared" / "data"))
REAL = SHARED / "basemap" / "hangzhou_public_points.geojson"
TOLD: dict[str, Any] = {
    "name": "counters", "owner": "Somebody", "maturity": "sketch", "writes": ["Device"],
    "title": {"zh": "计数", "en": "Counters"}, "summary": {"zh": "数人。", "en": "Counts."},
    "entry": "",
    "settings": [
        {"name": "broker", "kind": "text", "default": "", "title": {"zh": "地址", "en": "Broker"}}
    ],
    "sources": [
        {
            "name": "gate", "door": "mqtt", "title": {"zh": "门", "en": "Gate"},
            "mappings": ["gate"], "settings": {"broker": "{broker}", "topics": ["{here}/#"]},
        }
    ],
}  # fmt: skip


def manifest(tmp_path: Path, **more: Any) -> Manifest:
    folder = tmp_path / "counters"
    (folder / "mappings").mkdir(parents=True, exist_ok=True)
    (folder / "mappings" / "gate.toml").write_text('type = "Device"\nid = "{id}"\n', "utf-8")
    return parse_manifest({**TOLD, **more}, folder=folder)


def mapper() -> Mapper:
    told = tomllib.loads((PIECE / "mappings" / "points.toml").read_text("utf-8"))
    mapping = read_mapping({"name": "points", **told})
    return compile_mapping(mapping, mapping_words(), source="public_points")


def features(path: Path) -> list[tuple[int, dict[str, Any]]]:
    found = json.loads(path.read_text("utf-8"))["features"]
    return [
        (number, {**one["properties"], "geometry": one["geometry"]})
        for number, one in enumerate(found, 1)
    ]


@pytest.mark.parametrize("name", sorted(DOORS))
def test_every_door_is_there(name: str) -> None:
    """Each name leads to a door of that name, with words in both languages for all it asks."""
    door = find_door(name)
    assert name == door.name
    words = [door.title, door.summary, *(one.title for one in door.settings)]
    words += [one.help for one in door.settings if one.help]
    assert [] == [one for one in words if set(one) != {"zh", "en"}]


def test_a_source_is_filled_in(tmp_path: Path) -> None:
    """Settings of the piece and its folder stand where the source names them; its entities are
    called by the piece."""
    piece = manifest(tmp_path)
    (one,) = declared_sources([piece], lambda _p: {"broker": "mqtt://x"}, tmp_path)
    assert ("counters.gate", "counters") == (one.name, one.space)
    assert {"broker": "mqtt://x", "topics": [f"{piece.folder}/#"]} == one.source.settings
    assert {"gate": {"type": "Device", "id": "{id}"}} == one.mappings


def test_a_source_without_its_address_is_not_connected(tmp_path: Path) -> None:
    """An empty setting means that nobody wants it connected, as with pieces of code."""
    assert [] == declared_sources([manifest(tmp_path)], lambda _piece: {}, tmp_path)


def test_a_piece_without_code_is_a_piece(tmp_path: Path) -> None:
    """It can be loaded, and has nothing to run."""
    piece = load_piece(manifest(tmp_path))
    assert ("counters", [], {}) == (piece.name, list(piece.watchers({})), dict(piece.actions))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"commands": [{"name": "Reset", "target": "Device", "title": {"zh": "清", "en": "R"}}]},
         "need code"),
        ({"sources": [{"name": "gate", "door": "mqtt", "title": {"zh": "门", "en": "G"}}]},
         "mappings"),
        ({"sources": [*TOLD["sources"], *TOLD["sources"]]}, "says twice"),
        ({"datasets": [{"name": "x", "title": {"zh": "数", "en": "Set"}}]}, "data set"),
    ],
)  # fmt: skip
def test_mistakes_of_a_manifest_are_told(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    """What a piece without code cannot have, and what a source needs, is said at once."""
    with pytest.raises(ConfigurationError, match=said):
        manifest(tmp_path, **more)


def test_a_missing_mapping_file_is_told(tmp_path: Path) -> None:
    """A source that names a file that is not there is a mistake of the piece."""
    piece = manifest(tmp_path)
    (tmp_path / "counters" / "mappings" / "gate.toml").unlink()
    with pytest.raises(ConfigurationError, match="gate"):
        declared_sources([piece], lambda _piece: {"broker": "mqtt://x"}, tmp_path)


def test_public_points_has_no_code() -> None:
    """The piece is data: no Python in its folder, and it is found like any other."""
    assert [] == list(PIECE.rglob("*.py"))
    assert "public_points" in {one.name for one in find_pieces()}
    assert "" == read_manifest(PIECE / "piece.toml").entry


def test_public_points_by_mapping_alone() -> None:
    """Chinese properties become shared words: state, hours, telephone and place; a state nobody
    knows waits with its line."""
    updates, bad = mapper().context(features(PIECE / "fixtures" / "points.demo.geojson"), 0)
    entities = [one.entity for one in updates]
    assert ["idle", "busy", "resting"] == [one["serviceState"]["value"] for one in entities]
    assert "周一至周日;07:00-21:00" == entities[1]["openingHours"]["value"]
    assert {"contactPoint", "category"} & set(entities[1]) == set()
    assert [(4, True)] == [(one.line, "搬家中" in one.reason) for one in bad]


@pytest.mark.skipif(not REAL.is_file(), reason="the real data are not beside the project")
def test_the_real_file_is_joined_whole() -> None:
    """Every one of the 844 points of Hangzhou becomes an entity the vocabulary accepts."""
    updates, bad = mapper().context(features(REAL), 0)
    assert (844, []) == (len(updates), bad)
    for one in updates:
        check(one.entity)
    states = {one.entity["serviceState"]["value"] for one in updates}
    assert {"idle", "resting"} == states
