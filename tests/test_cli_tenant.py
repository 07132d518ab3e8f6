"""`pintu tenant`: a county is hosted, limited, suspended, written out and ended."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.test_cli import Pintu, lamp, pintu, written

__all__ = ["pintu"]


def test_a_county_comes_and_goes(pintu: Pintu, tmp_path: Path) -> None:
    """Its key is shown once; limits are a readable file; what it has is written out, refused over
    its limit, and gone in the end with its keys."""
    assert 0 == pintu("check")[0]
    (tmp_path / "data").mkdir(exist_ok=True)
    code, told, _ = pintu("tenant", "create", "county_a", "--en", "County A", "--entities", "2")
    assert 0 == code
    secret = told.splitlines()[0]
    file = tmp_path / "data/config/tenants/county_a.toml"
    assert {"entities": 2} == tomllib.loads(file.read_text())["limits"]
    assert secret not in file.read_text()
    lamps = written(tmp_path / "in.ndjson", [lamp(1), lamp(2), lamp(3)])
    code, _, told = pintu("import", lamps, "--tenant", "county_a")
    assert (1, True) == (code, "may have 2 entities" in told), told
    assert 0 == pintu("tenant", "limit", "county_a", "--entities", "0", "--burst", "9")[0]
    assert {"burst": 9} == tomllib.loads(file.read_text())["limits"]
    assert 0 == pintu("import", lamps, "--tenant", "county_a")[0]
    assert 0 == pintu("tenant", "suspend", "county_a")[0]
    assert "suspended" in pintu("tenant", "list")[1]
    code, _, told = pintu("import", lamps, "--tenant", "county_a")
    assert (1, True) == (code, "is suspended" in told)
    assert 1 == pintu("tenant", "delete", "county_a", "--yes")[0]
    assert 0 == pintu("tenant", "resume", "county_a")[0]
    out = tmp_path / "out.ndjson"
    assert 0 == pintu("tenant", "export", "county_a", str(out))[0]
    assert 3 == len([json.loads(line) for line in out.read_text().splitlines()])
    assert 0 == pintu("tenant", "limit", "county_a", "--requests-per-s", "0.01", "--burst", "2")[0]
    code, told, _ = pintu("tenant", "delete", "county_a", "--yes")
    assert (0, True) == (code, "1 keys ended" in told and "3 entities" in told)
    assert not file.exists()
    assert "revoked" in pintu("token", "list")[1]
    assert "" == pintu("export", "-", "--tenant", "county_a")[1]


def test_mistakes_are_said(pintu: Pintu, tmp_path: Path) -> None:
    """A name that is none, a limit that is none, a county there is already, one there is not."""
    (tmp_path / "data").mkdir()
    assert 0 == pintu("tenant", "create", "county_a")[0]
    for words in (
        ("create", "county_a"), ("create", "County A"), ("create", "default"),
        ("create", "county_b", "--entities", "-1"),
        ("suspend", "county_c"), ("delete", "county_c", "--yes"), ("export", "county_c"),
    ):  # fmt: skip
        code, _, told = pintu("tenant", *words)
        assert (1, True) == (code, bool(told)), words
