"""The address of a store: one text says everything about a server, and every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import hidden, is_postgres, parse_address

FULL = (
    "postgresql://city:s%40cret@db1:5433,[fd00::2]/town?schema=east&sslmode=verify-full"
    "&sslrootcert=/ca.pem&pool=9&wait_s=3&deadline_s=2.5"
)


def test_one_text_says_everything() -> None:
    """Hosts, account, schema, TLS, sizes and times are read; what is not said is usual."""
    got = parse_address(FULL)
    assert (("db1", 5433), ("fd00::2", 5432)) == got.hosts
    assert ("city", "s@cret", "town", "east") == (
        got.user,
        got.password,
        got.database,
        got.schema,
    )
    assert ("verify-full", Path("/ca.pem"), 9, 3.0, 2.5, 5.0) == (
        got.sslmode,
        got.sslrootcert,
        got.pool,
        got.wait_s,
        got.deadline_s,
        got.connect_s,
    )


def test_what_is_shown_has_no_password_and_reads_back() -> None:
    """The shown form hides the password and says the rest."""
    got = parse_address(FULL)
    assert "cret" not in got.shown
    again = parse_address(got.shown)
    assert None is again.password
    assert (got.hosts, got.schema, got.pool) == (again.hosts, again.schema, again.pool)
    assert "postgresql://u:…@h/d" == hidden("postgresql://u:p:@@h/d")


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("postgresql://u@localhost/d", "disable"),
        ("postgresql:///d?host=/var/run/postgresql", "disable"),
        ("postgresql://u@db.example/d", "require"),
        ("postgresql://u@127.0.0.1,10.0.0.2/d", "require"),
        ("postgresql://u@db.example/d?sslrootcert=/ca.pem", "verify-full"),
        ("postgresql://u@db.example/d?sslmode=disable", "disable"),
    ],
)
def test_no_password_crosses_a_network_in_the_clear(address: str, mode: str) -> None:
    """Beyond this machine TLS is the rule, unless the address says otherwise."""
    assert mode == parse_address(address).sslmode


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://x", ["no database"]),
        ("postgresql:///d", ["no host"]),
        ("postgresql://h:0/d", ["port '0'"]),
        ("postgresql://h,?/d", ["no host"]),
        ("postgresql://h/d?schema=Ost&pool=0&wait=1", ["schema=Ost", "pool=0", "wait="]),
        ("postgresql://h/d?schema=public", ["of its own"]),
        ("postgresql://h/d?schema=pg_x", ["of its own"]),
        ("postgresql://h/d?sslmode=prefer", ["verify-full"]),
        ("postgresql://h/d?sslmode=verify-ca", ["sslrootcert"]),
        ("postgresql://h/d?sslcert=/c", ["sslkey"]),
        ("postgresql://u:p@h/d?password_file=/p", ["one of them"]),
        ("postgresql://h/d?host=/run", ["leave out the host"]),
        ("mysql://h/d", ["sqlite:"]),
    ],
)
def test_every_mistake_is_named(address: str, words: list[str]) -> None:
    """A wrong address is one sentence a mistake, and none repeats a password."""
    with pytest.raises(ConfigurationError) as caught:
        parse_address(address)
    mistakes = caught.value.mistakes
    assert [] == [word for word in words if not any(word in one for one in mistakes)], mistakes


def test_a_password_may_lie_in_a_file(tmp_path: Path) -> None:
    """The file is read each time, must be there, and must not be everybody's."""
    file = tmp_path / "password"
    address = parse_address(f"postgresql://u@127.0.0.1/d?password_file={file}")
    assert 1 == len(address.missing_files())
    with pytest.raises(ConfigurationError, match="password_file"):
        address.secret()
    file.write_text("first\n")
    file.chmod(0o644)
    assert "chmod" in address.missing_files()[0]
    file.chmod(0o600)
    assert ([], "first") == (address.missing_files(), address.secret())
    file.write_text("second\n")
    assert "second" == address.for_asyncpg("127.0.0.1", 5432)["password"]


def test_both_drivers_are_told_the_same() -> None:
    """asyncpg gets one host at a time, psycopg all of them; neither URL holds the password."""
    got = parse_address("postgresql://city:secret@127.0.0.1:5433,localhost/town?schema=east")
    one = got.for_asyncpg(*got.hosts[0])
    assert ("127.0.0.1", 5433, "town", "city", "secret", False) == tuple(
        one[name] for name in ("host", "port", "database", "user", "password", "ssl")
    )
    url, arguments = got.for_sqlalchemy("east_rooms_timers")
    assert "postgresql+psycopg://" == url
    assert ("127.0.0.1,localhost", "5433,5432", "secret") == tuple(
        arguments[name] for name in ("host", "port", "password")
    )
    assert "east_rooms_timers,public" in arguments["options"]


def test_what_is_a_server() -> None:
    """Only the two spellings of PostgreSQL's own URL are a server."""
    assert [True, True, False] == [
        is_postgres(one) for one in ("postgres://h/d", "postgresql://h/d", "sqlite:")
    ]
