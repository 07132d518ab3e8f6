"""`pintu init`: a real server made ready, said first, done once, seen by those it is for."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pintu.cli import run
from pintu.cli.init_sql import verifier
from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op
from pintu.kernel.tables import open_tables
from pintu.kernel.timers.schema import TABLES as TIMERS
from tests.real_databases import PASSWORD, Server, need, postgres, program

LAMP = {
    "id": "urn:ngsi-ld:Streetlight:demo:L1",
    "type": "Streetlight",
    "name": {"type": "Property", "value": "演示灯"},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [121.5, 31.2]}},
}
NOT_FOR_YOU = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
NOWHERE = {"id": "urn:x:1", "type": ["A", "B"], "note": {"type": "Property", "value": "a\x00b"}}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of our own: roles belong to all of its databases."""
    with postgres(ports=(9790, 9799)) as one:
        yield one


class Town:
    """A data folder, and a name for a city that nobody made yet."""

    def __init__(self, server: Server, data: Path, name: str) -> None:
        self.server, self.data, self.name = server, data, name
        self.database = f"{name}_db"

    def url(self, user: str) -> str:
        """The server as somebody sees it."""
        where = f"{user}@127.0.0.1:{self.server.port}/{self.database}"
        return f"postgresql://{where}?schema={self.name}"

    def init(self, *more: str, user: str = f"owner:{PASSWORD}") -> int:
        """The command, for this town."""
        return run(["init", "--store", self.url(user), "--data", str(self.data), *more])

    def password(self, which: str = "store") -> str:
        """What lies in a password's file."""
        return (self.data / "keys" / f"{which}.password").read_text().strip()

    def store(self) -> str:
        """What pintu.toml says."""
        return str(tomllib.loads((self.data / "pintu.toml").read_text())["store"])

    def connect(self, role: str, password: str) -> psycopg.Connection[Any]:
        """As one of the roles."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.server.port,
            user=f"{self.name}_{role}",
            password=password,
            dbname=self.database,
            autocommit=True,
        )

    def made(self) -> bool:
        """Whether the database is there."""
        asked = f"SELECT count(*) FROM pg_database WHERE datname = '{self.database}'"
        return bool(self.server.ask(asked)[0][0])


@pytest.fixture
def town(server: Server, tmp_path: Path) -> Town:
    """A town whose name no other test has."""
    return Town(server, tmp_path / "data", f"t{abs(hash(str(tmp_path))) % 10**9}")


async def live(town: Town) -> None:
    """The city starts there, and things are written to it."""
    store = await open_store(town.store(), town.data, clock=CityClock())
    tenant = await store.open_tenant("demo")
    docs: list[dict[str, Any]] = [LAMP, NOWHERE]
    written = await store.submit([Op(tenant, one["id"], fresh=Put(one, "created")) for one in docs])
    assert [None, None] == [one.error for one in written]
    await store.close()
    tables = open_tables(town.data, town.store())
    assert 1 == tables.register(TIMERS).version()
    tables.close()


def test_nothing_is_done_before_it_was_said(
    town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change is a line; without a yes nothing is changed anywhere."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert 0 != town.init()
    told = capsys.readouterr().out
    roles = [town.name, f"{town.name}_city", f"{town.name}_read"]
    for word in (f"database {town.database}", "extension postgis", "pintu.toml", *roles):
        assert word in told
    assert "is there" not in told
    assert [False, False, False] == [
        town.made(),
        (town.data / "pintu.toml").exists(),
        (town.data / "keys").exists(),
    ]


def test_a_city_lives_there_and_analysts_see_it(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entities as documents and geometries; nothing else, and nothing to write."""
    assert 0 == town.init("--yes")
    asyncio.run(live(town))
    told = "".join(capsys.readouterr())
    secrets = [town.password("store"), town.password("store_read")]
    assert not any(one in told or one in town.store() or len(one) < 40 for one in secrets)
    with town.connect("read", secrets[1]) as analyst:
        rows = analyst.execute(
            "SELECT tenant, id, types, document -> 'name' ->> 'value', ST_AsText(geometry),"
            " created_at = modified_at FROM entities ORDER BY id"
        ).fetchall()
        denied = [
            f"SELECT * FROM {town.name}.entity",
            f"SELECT * FROM {town.name}_rooms_timers.timer",
            "SET default_transaction_read_only = off; CREATE TABLE public.mine (x int)",
            f"CREATE SCHEMA mine; SET ROLE {town.name}",
        ]
        for one in denied:
            with pytest.raises(NOT_FOR_YOU):
                analyst.execute(one)
    lamp = ("demo", LAMP["id"], ["Streetlight"], "演示灯", "POINT(121.5 31.2)", True)
    assert [("demo", "urn:x:1", ["A", "B"], None, None, True)] == rows[1:]
    assert lamp == rows[0]


def test_the_city_may_no_more_than_it_needs(town: Town) -> None:
    """It owns its own schemas through its owner, and can make nothing beside them."""
    town.init("--yes")
    asyncio.run(live(town))
    owners = town.server.ask(
        "SELECT DISTINCT pg_get_userbyid(nspowner) FROM pg_namespace"
        f" WHERE nspname LIKE '{town.name}%'",
        town.database,
    )
    assert [(town.name,)] == owners
    with town.connect("city", town.password()) as city:
        assert (town.name, f"{town.name}_city") == city.execute(
            "SELECT current_user::text, session_user::text"
        ).fetchone()
        for one in ("CREATE ROLE x", "CREATE DATABASE x", "COPY (SELECT 1) TO PROGRAM 'true'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                city.execute(one.encode())


def test_twice_is_once(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there stays: passwords, tables, the other settings; a lost password is renewed."""
    town.data.mkdir()
    (town.data / "pintu.toml").write_text('# ours\nlang = "en"\n[pieces.x]\nstore = "no"\n')
    assert 0 == town.init("--yes")
    asyncio.run(live(town))
    before = (town.password(), town.password("store_read"), town.store())
    capsys.readouterr()
    assert 0 == town.init("--yes")
    told = capsys.readouterr().out
    assert 7 == told.count("is there")
    assert before == (town.password(), town.password("store_read"), town.store())
    (town.data / "keys" / "store.password").unlink()
    assert 0 == town.init("--yes")
    assert "given a new password" in capsys.readouterr().out
    town.connect("city", town.password()).close()
    text = (town.data / "pintu.toml").read_text()
    assert ("# ours" in text, "en") == (True, tomllib.loads(text)["lang"])
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (town.data / "keys").iterdir()}
    assert {0o600} == modes


def test_an_administrator_can_be_given_sql(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    """What --sql prints does the same through psql, twice too; it holds no password."""
    need("postgres", "psql")
    assert 0 == town.init("--sql")
    told = capfd.readouterr()
    secrets = [town.password("store"), town.password("store_read")]
    assert not any(one in told.out + told.err for one in secrets)
    assert (False, False) == (town.made(), (town.data / "pintu.toml").exists())
    for _ in range(2):
        where = f"postgresql://owner:{PASSWORD}@127.0.0.1:{town.server.port}/postgres"
        command = [str(program("psql")), "-X", "-q", "-o", os.devnull, where]
        done = subprocess.run(
            command, input=told.out, text=True, capture_output=True, timeout=60, check=False
        )
        assert (0, "") == (done.returncode, done.stdout)
    assert 0 == town.init("--yes")
    assert 7 == capfd.readouterr().out.count("is there")
    asyncio.run(live(town))


def test_a_city_in_files_is_not_left_behind(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """Its settings stay, and it is said how to bring it there."""
    town.data.mkdir()
    (town.data / "city.db").write_bytes(b"")
    assert 0 == town.init("--yes")
    told = capsys.readouterr().out
    assert ("pintu move" in told, False) == (True, (town.data / "pintu.toml").exists())


def _encoded(town: Town) -> None:
    town.server.run(
        f"CREATE DATABASE {town.database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )


def _nobody(town: Town) -> None:
    town.server.run(f"CREATE ROLE {town.name}_nobody LOGIN PASSWORD '{PASSWORD}'")


WRONG: list[tuple[Callable[[Town], None] | None, str, int, str]] = [
    (_encoded, f"owner:{PASSWORD}", 2, "encoding LATIN1; Pintu needs UTF8"),
    (_nobody, f"NAME_nobody:{PASSWORD}", 2, "may make no roles: use an administrator"),
    (None, "owner:wrong", 1, "cannot be reached"),
]


@pytest.mark.parametrize(("before", "user", "code", "words"), WRONG)
def test_what_cannot_be_is_said_in_a_sentence(
    town: Town,
    capsys: pytest.CaptureFixture[str],
    before: Callable[[Town], None] | None,
    user: str,
    code: int,
    words: str,
) -> None:
    """And nothing was begun."""
    if before is not None:
        before(town)
    assert code == town.init("--yes", user=user.replace("NAME", town.name))
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (town.data / "pintu.toml").exists()


def test_a_password_is_checked_as_the_server_checks_it() -> None:
    """The example of RFC 7677, in PostgreSQL's words."""
    salt = bytes.fromhex("5b6d99689d12358eeca04b1412 36fa81".replace(" ", ""))
    assert (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    ) == verifier("pencil", salt)
