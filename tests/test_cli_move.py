"""`pintu move` as a person uses it: there and back, refused where it must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pintu.cli import run
from tests.postgres import city_address, city_server

__all__ = ["city_address", "city_server"]

Told = tuple[int, str, str]
Pintu = Callable[..., Told]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a city."""
    return tmp_path / "data"


@pytest.fixture
def pintu(
    data: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Pintu:
    """Runs a command on a folder of its own: exit code, what it printed, what it complained."""
    monkeypatch.setenv("PINTU_DATA", str(data))
    monkeypatch.delenv("PINTU_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str) -> Told:
        capfdbinary.readouterr()
        code = run(list(words))
        told = capfdbinary.readouterr()
        return code, told.out.decode(), told.err.decode()

    return command


def city_of(pintu: Pintu, folder: Path, count: int = 30) -> bytes:
    """A stopped city with entities; what `pintu export` says of it."""
    lines = [
        json.dumps(
            {
                "id": f"urn:ngsi-ld:Streetlight:demo:{n}",
                "type": "Streetlight",
                "powerState": {"type": "Property", "value": "on"},
            }
        )
        for n in range(count)
    ]
    source = folder / "lamps.ndjson"
    source.write_text("\n".join(lines) + "\n", "utf-8")
    assert 0 == pintu("import", str(source))[0]
    return exported(pintu, folder)


def exported(pintu: Pintu, folder: Path) -> bytes:
    """Every entity, sorted."""
    path = folder / "exported.ndjson"
    path.unlink(missing_ok=True)
    code, _, err = pintu("export", str(path))
    assert (0, "") == (code, "" if code == 0 else err)
    return b"\n".join(sorted(path.read_bytes().splitlines()))


def test_a_stopped_city_moves_there_and_back(
    pintu: Pintu, tmp_path: Path, data: Path, city_address: str
) -> None:
    """All of it arrives, the settings name the new store, and it can come back."""
    before = city_of(pintu, tmp_path)
    code, out, err = pintu("move", "--to", city_address, "--plain")
    assert (0, True) == (code, "tables are equal" in out), err
    assert f"store = {json.dumps(city_address)}" in (data / "pintu.toml").read_text("utf-8")
    assert before == exported(pintu, tmp_path)

    refused = pintu("move", "--to", "sqlite:", "--plain")
    assert (1, True) == (refused[0], "--forget-old" in refused[2])
    assert 0 == pintu("move", "--forget-old", "--yes")[0]
    assert not (data / "city.db").exists()
    code, out, err = pintu("move", "--to", "sqlite:", "--plain")
    assert (0, True) == (code, "tables are equal" in out), err
    assert before == exported(pintu, tmp_path)
