"""`pintu move` as a person uses it: there and back, refused where it must be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from pintu.cli import run
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.tables import OpenTables, open_tables
from pintu.processes import moving_places as places
from pintu.processes.keeping import server
from pintu.processes.moving import Left, Mover
from pintu.processes.moving_tables import TablesMove
from pintu.settings import Settings, store_changed
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


def test_a_city_that_came_back_can_leave_again(
    pintu: Pintu, tmp_path: Path, data: Path, city_address: str
) -> None:
    """What a return to files left behind never takes the living city's files away."""
    before = city_of(pintu, tmp_path)
    for _ in range(2):
        for to in (city_address, "sqlite:"):
            code, _, err = pintu("move", "--to", to, "--plain")
            assert 0 == code, err
            assert before == exported(pintu, tmp_path)
            assert not (data / places.STAGE / places.PLACED).exists()
            assert 0 == pintu("move", "--forget-old", "--yes")[0]
    # a mover that was killed right after it named the store leaves the list of placed files
    (data / places.STAGE).mkdir(exist_ok=True)
    (data / places.STAGE / places.PLACED).write_text('["city.db"]', "utf-8")
    away = "postgresql://demo@127.0.0.1:1/city"
    assert (1, True) == _told(pintu("move", "--to", away), "No server of the store takes writes")
    assert before == exported(pintu, tmp_path)
    assert not (data / places.STAGE / places.PLACED).exists()


def test_a_move_knows_a_change_of_the_store_from_a_hand_that_wrote(tmp_path: Path) -> None:
    """Only what the note of a move names is followed, and never against the environment."""
    here = Settings(data=tmp_path)
    changed = store_changed(here, {})
    away = "postgresql://h/d"
    assert not changed()
    places.name_store(tmp_path, away)
    assert not changed()
    places.keep_note(tmp_path, {"from": "sqlite:", "to": away})
    assert changed()
    assert not store_changed(here, {"PINTU_STORE": "sqlite:"})()
    assert not store_changed(Settings(data=tmp_path, store=away), {})()
    (tmp_path / "pintu.toml").write_text("store = ", "utf-8")
    assert not changed()


def test_tables_that_are_born_in_the_pause_are_held_and_copied(
    tmp_path: Path, city_address: str
) -> None:
    """Nobody writes to them either, and after the last look none may come."""
    data = tmp_path / "data"
    tables = open_tables(data, "sqlite:")
    keep(tables.open("rooms", "old"), 1)
    move = TablesMove(data, "sqlite:", city_address, data / "moving")
    try:
        move.bring(lambda *_: None)
        move.hold()
        keep(tables.open("rooms", "new"), 2)
        move.end(lambda *_: None)
        with (
            closing(sqlite3.connect(data / "rooms" / "new.db", timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError),
        ):
            other.execute("INSERT INTO kept VALUES(3)")
        assert [True, True] == [one.equal for one in move.figures]
        move.still_held()
        keep(tables.open("rooms", "late"), 3)
        with pytest.raises(Unavailable):
            move.still_held()
    finally:
        move.close()
        tables.close()


def test_a_write_that_nobody_told_of_is_brought(tmp_path: Path, city_address: str) -> None:
    """A server's notices may be late: at the end its tables themselves are asked."""
    tables = open_tables(tmp_path, city_address)
    opened = tables.open("rooms", "old")
    keep(opened, 1)
    move = TablesMove(tmp_path, city_address, "sqlite:", tmp_path / "moving")
    try:
        move.bring(lambda *_: None)
        keep(opened, 2)
        move.hold()
        heard = next(iter(move._sets.values()))
        object.__setattr__(heard.source, "data_version", lambda: heard.version)
        move.end(lambda *_: None)
        assert [2] == [one.target.rows for one in move.figures]
        assert [True] == [one.equal for one in move.figures]
        move.still_held()
    finally:
        move.close()
        tables.close()


@pytest.mark.parametrize("away", [True, False])
def test_rows_that_exchange_what_is_unique_arrive(
    tmp_path: Path, city_address: str, away: bool
) -> None:
    """The copy of before the exchange is in the way: it is made anew, while the city runs and in
    the pause."""
    here, there = ("sqlite:", city_address) if away else (city_address, "sqlite:")
    tables = open_tables(tmp_path, here)
    opened = tables.open("rooms", "seats")
    opened.version()
    do(opened, "CREATE TABLE seat(n bigint PRIMARY KEY, who text UNIQUE)")
    do(opened, "INSERT INTO seat VALUES(1, 'a'), (2, 'b')")
    move = TablesMove(tmp_path, here, there, tmp_path / "moving")
    try:
        move.bring(lambda *_: None)
        exchange(opened, "a", "b")
        move.bring(lambda *_: None)  # meets the old rows
        move.bring(lambda *_: None)
        exchange(opened, "b", "a")
        move.hold()
        move.end(lambda *_: None)
        assert [(True, 2)] == [(one.equal, one.target.rows) for one in move.figures]
    finally:
        move.close()
        tables.close()


class Nobody:
    """A door whose city is only asked to start."""

    def __init__(self) -> None:
        self.started = 0

    def told(self) -> dict[str, object]:
        """Nothing."""
        return {}

    def pause(self, seconds: float) -> int:
        """Nothing."""
        return 0

    def resume(self) -> None:
        """Nothing."""

    def start_anew(self) -> bool:
        """Counts."""
        self.started += 1
        return True


def test_nobody_goes_back_over_what_was_written(tmp_path: Path, city_address: str) -> None:
    """Pieces may have written at the new store though its broker never came up."""
    tables = open_tables(tmp_path, city_address)
    opened = tables.open("pieces", "demo")
    keep(opened, 1)
    mover = Mover(Settings(data=tmp_path), city_address, lambda *_: None, None)
    left, door = Left(7, mover._commits()), Nobody()
    keep(opened, 2)
    with pytest.raises(PintuError, match="wrote at"):
        mover._go_back(door, left, 7)
    with pytest.raises(PintuError, match="wrote at"):
        mover._go_back(door, Left(7, mover._commits()), 8)
    assert (0, False) == (door.started, (tmp_path / "pintu.toml").exists())
    mover._go_back(door, Left(7, mover._commits()), 7)
    assert (1, 'store = "sqlite:"\n') == (door.started, (tmp_path / "pintu.toml").read_text())
    tables.close()


def exchange(opened: OpenTables, first: str, second: str) -> None:
    """Seat 1, where `first` sits, gets who sits on seat 2."""
    for who, n in (("nobody", 1), (first, 2), (second, 1)):
        do(opened, f"UPDATE seat SET who = '{who}' WHERE n = {n}")


def do(opened: OpenTables, sql: str) -> None:
    """One statement in a transaction of its own."""
    opened.run_now(lambda connection: connection.execute(sa.text(sql)))


def keep(opened: OpenTables, number: int) -> None:
    """One row more in a set of tables."""

    def work(connection: sa.Connection) -> None:
        form = "CREATE TABLE IF NOT EXISTS kept(n bigint PRIMARY KEY)"
        connection.execute(sa.text(form))
        connection.execute(sa.text("INSERT INTO kept VALUES(:n)"), {"n": number})

    opened.version()
    opened.run_now(work)


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
    code, out, err = pintu("backup", archive, "--open-keys")
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
    monkeypatch.setattr(server, "_HOMES", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = tmp_path / "city.tar.gz"
    assert (2, True) == _told(
        pintu("backup", str(archive), "--open-keys"), "pg_dump is not installed"
    )
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n", "utf-8")
    old.chmod(0o755)
    assert (2, True) == _told(
        pintu("backup", str(archive), "--open-keys"), "must be as new as the server"
    )
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
