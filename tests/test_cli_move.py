"""`pintu move` as a person uses it: there and back, refused where it must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pintu.cli import keep_server, run
from pintu.processes import moving_places as places
from tests.postgres import CityServer, city_address, city_server

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


def test_what_cannot_be_moved_is_said(pintu: Pintu, tmp_path: Path, city_address: str) -> None:
    """No city, the same store, no server, words that make no sense: one sentence each."""
    away = "postgresql://demo@127.0.0.1:1/city"
    assert (1, True) == _told(pintu("move", "--to", away), "There is no city")
    city_of(pintu, tmp_path, 1)
    assert (1, True) == _told(pintu("move", "--to", "sqlite:"), "is at sqlite: already")
    assert (1, True) == _told(pintu("move", "--to", away), "No server of the store takes writes")
    assert (2, True) == _told(pintu("move"), "either --to ADDRESS or --forget-old")
    assert (1, True) == _told(pintu("move", "--forget-old"), "No move left anything")
    assert (2, True) == _told(pintu("move", "--to", "postgresql://host"), "names no database")


def test_a_store_that_the_environment_names_is_not_moved(
    pintu: Pintu, tmp_path: Path, city_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move could not change it, so it does not begin."""
    city_of(pintu, tmp_path, 1)
    monkeypatch.setenv("PINTU_STORE", "sqlite:")
    assert (2, True) == _told(pintu("move", "--to", city_address), "PINTU_STORE names the store")


def _told(answer: Told, sentence: str) -> tuple[int, bool]:
    """(exit code, was this sentence complained)."""
    assert sentence in " ".join(answer[2].split()), answer
    return answer[0], True


def test_a_city_on_a_server_is_backed_up_and_restored(
    pintu: Pintu,
    tmp_path: Path,
    city_address: str,
    city_server: CityServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The archive holds its schemas; it comes back only where none of them is."""
    before = city_of(pintu, tmp_path)
    assert 0 == pintu("move", "--to", city_address)[0]
    archive = str(tmp_path / "city.tar.gz")
    code, out, err = pintu("backup", archive)
    assert (0, True) == (code, "files" in out), err
    again = str(tmp_path / "again")
    assert (1, True) == _told(pintu("restore", archive, "--data", again), "is not empty")

    database = "restored"
    server = city_server.running()
    server.run(f"CREATE DATABASE {database}")
    server.run("CREATE EXTENSION postgis", database=database)
    other = city_address.replace("/city?", f"/{database}?")
    code, out, err = pintu("restore", archive, "--data", again, "--store", other)
    assert 0 == code, err
    monkeypatch.setenv("PINTU_DATA", again)
    assert before == exported(pintu, tmp_path)
    assert f"store = {json.dumps(other)}" in Path(again, "pintu.toml").read_text("utf-8")


def test_a_missing_program_is_named(
    pintu: Pintu, tmp_path: Path, city_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pg_dump, or with an old one, a backup says what to install and leaves nothing."""
    city_of(pintu, tmp_path, 1)
    assert 0 == pintu("move", "--to", city_address)[0]
    monkeypatch.setattr(keep_server, "_HOMES", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = tmp_path / "city.tar.gz"
    assert (2, True) == _told(pintu("backup", str(archive)), "pg_dump is not installed")
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n", "utf-8")
    old.chmod(0o755)
    assert (2, True) == _told(pintu("backup", str(archive)), "must be as new as the server")
    assert not archive.exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'store = "postgresql://h/d"\n'),
        ("port = 1\n[a]\nstore = 2\n", 'store = "postgresql://h/d"\nport = 1\n[a]\nstore = 2\n'),
        (
            '# 城\n store = "sqlite:" # old\nport = 1\n',
            '# 城\nstore = "postgresql://h/d"\nport = 1\n',
        ),
    ],
)
def test_the_settings_name_another_store_and_are_else_the_same(before: str, after: str) -> None:
    """Comments, order and tables of a person's file stay."""
    assert after == places.store_written(before, "postgresql://h/d")
