"""The address of a city's store: `sqlite:` or `postgresql://USER@HOST/DATABASE?…`, read in full.

Everything that can be told about a server is in this one text, so that one setting moves a city:
several hosts, the schema, where the password lies, how TLS is checked, limits of time and size.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pintu.kernel.errors import ConfigurationError

PORT = 5432
TLS = ("disable", "require", "verify-ca", "verify-full")
EXAMPLE = "postgresql://USER@HOST/DATABASE?schema=pintu&password_file=/etc/pintu/password"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_HOST = re.compile(r"\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+")


def is_postgres(address: str) -> bool:
    """Does this address of a store name a PostgreSQL server?"""
    return address.startswith(("postgresql://", "postgres://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """Where a server is and how to live with it; times in seconds."""

    hosts: tuple[tuple[str, int], ...]  # a host that begins with / is a folder of Unix sockets
    database: str
    user: str | None = None  # None: the account this process runs under
    password: str | None = None
    password_file: Path | None = None
    schema: str = "pintu"
    sslmode: str = "disable"
    sslrootcert: Path | None = None
    sslcert: Path | None = None
    sslkey: Path | None = None
    pool: int = 6  # connections that read; the writer has one of its own
    connect_s: float = 5.0  # to one host
    wait_s: float = 30.0  # a write waits so long for a server that is away
    deadline_s: float = 5.0  # a read's statement may take
    lock_s: float = 10.0  # a statement of the writer may wait for a lock
    cache_mb: int = 64  # records kept in memory

    @property
    def shown(self) -> str:
        """The address without its password, for logs and pages."""
        user = f"{quote(self.user)}@" if self.user else ""
        sockets = [host for host, _ in self.hosts if host.startswith("/")]
        named = [f"{_bracketed(host)}:{port}" for host, port in self.hosts if host not in sockets]
        told = {"host": sockets[0]} if sockets else {}
        return (
            f"postgresql://{user}{','.join(named)}/{quote(self.database)}?"
            f"{urlencode({**told, 'schema': self.schema, **self._unusual()}, safe='/')}"
        )

    def _unusual(self) -> dict[str, str]:
        values = {name: getattr(self, name) for name in _READERS if name not in ("schema", "host")}
        usual = {name: StoreAddress.__dataclass_fields__[name].default for name in values}
        usual["sslmode"] = _usual_mode(self.hosts, self.sslrootcert is not None)
        return {
            name: f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in values.items()
            if value != usual[name]
        }

    def secret(self) -> str | None:
        """The password, read anew from its file each time, so that it may be changed there.

        Raises ConfigurationError when the file cannot be read.
        """
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([f"password_file cannot be read: {error}"]) from error

    def tls(self) -> ssl.SSLContext | bool:
        """How a connection is encrypted and whom it trusts; False: not at all.

        Raises ConfigurationError when a certificate cannot be read.
        """
        if self.sslmode == "disable":
            return False
        try:
            context = ssl.create_default_context(cafile=self.sslrootcert)
            if self.sslcert is not None:
                context.load_cert_chain(self.sslcert, self.sslkey)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError([f"sslrootcert or sslcert cannot be read: {error}"]) from error
        context.check_hostname = self.sslmode == "verify-full"
        if self.sslmode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context

    def for_asyncpg(self, host: str, port: int) -> dict[str, Any]:
        """Arguments of `asyncpg.connect` for one of the hosts."""
        return {
            "host": host,
            "port": port,
            "database": self.database,
            "user": self.user,
            "password": self.secret(),
            "ssl": False if host.startswith("/") else self.tls(),
            "timeout": self.connect_s,
        }

    def for_sqlalchemy(self, schema: str | None = None) -> tuple[str, dict[str, Any]]:
        """(URL without a password, `connect_args`) of `sqlalchemy.create_engine`, through psycopg.

        Tables are looked for in `schema` (default: the city's), then `public`. Of several hosts
        the one that takes writes is chosen.
        """
        arguments: dict[str, Any] = {
            "host": ",".join(host for host, _ in self.hosts),
            "port": ",".join(str(port) for _, port in self.hosts),
            "dbname": self.database,
            "user": self.user,
            "password": self.secret(),
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert and str(self.sslrootcert),
            "sslcert": self.sslcert and str(self.sslcert),
            "sslkey": self.sslkey and str(self.sslkey),
            "connect_timeout": max(int(self.connect_s), 1),
            "options": f"-c search_path={schema or self.schema},public -c timezone=UTC",
            "target_session_attrs": "read-write",
            "application_name": "pintu",
        }
        return "postgresql+psycopg://", {k: v for k, v in arguments.items() if v is not None}

    def missing_files(self) -> list[str]:
        """A sentence for each file the address names that cannot be used as it is."""
        wrong = []
        for name in ("password_file", "sslrootcert", "sslcert", "sslkey"):
            path: Path | None = getattr(self, name)
            if path is not None and not path.is_file():
                wrong.append(f"{name} {path} is not a file that can be read")
        secret = self.password_file
        if secret is not None and secret.is_file() and secret.stat().st_mode & 0o007:
            wrong.append(f"password_file {secret} can be read by everybody: chmod o= it")
        return wrong


def parse_address(text: str) -> StoreAddress:
    """Read the address of a PostgreSQL store.

    Raises ConfigurationError with every mistake; none of them repeats the password.
    """
    mistakes: list[str] = []
    if not is_postgres(text):
        raise ConfigurationError([f"is neither 'sqlite:' nor like {EXAMPLE}"])
    rest, _, query = text.partition("://")[2].partition("?")
    authority, _, database = rest.partition("/")
    account, _, hosts = authority.rpartition("@")
    user, _, password = account.partition(":")
    told = _options(query, mistakes)
    found = _hosts(hosts, told.pop("host", None), mistakes)
    if not database or "/" in database:
        mistakes.append(f"names no database after the host; write {EXAMPLE}")
    if password and "password_file" in told:
        mistakes.append("has a password and a password_file: one of them is enough")
    if ("sslcert" in told) != ("sslkey" in told):
        mistakes.append("sslcert and sslkey belong together: one of them is missing")
    mode = told.get("sslmode") or _usual_mode(found, "sslrootcert" in told)
    if mode.startswith("verify") and "sslrootcert" not in told and "sslmode" in told:
        mistakes.append(f"sslmode={mode} needs sslrootcert=FILE, the authority that is trusted")
    if mistakes:
        raise ConfigurationError(mistakes)
    told["sslmode"] = mode
    return StoreAddress(
        hosts=tuple(found),
        database=unquote(database),
        user=unquote(user) or None,
        password=unquote(password) or None,
        **told,
    )


def hidden(text: str) -> str:
    """Any text that may be an address, right or wrong, without what may be its password."""
    return re.sub(r"(://[^:/?#]*):.*@", r"\1:…@", text)


def _hosts(text: str, sockets: str | None, mistakes: list[str]) -> list[tuple[str, int]]:
    if sockets is not None:
        if text.strip(":0123456789"):
            mistakes.append("host=FOLDER names a folder of sockets: leave out the host before /")
        elif not sockets.startswith("/"):
            mistakes.append("host= is for a folder of Unix sockets; hosts stand before the /")
        return [(sockets, _port(text.lstrip(":"), mistakes))]
    found = []
    for one in text.split(","):
        match = _HOST.match(one)
        if match is None or one[match.end() :][:1] not in ("", ":"):
            mistakes.append(f"names a host {one!r} that is none" if one else "names no host")
            continue
        port = _port(one[match.end() + 1 :], mistakes)
        found.append((match[0].strip("[]"), port))
    return found


def _usual_mode(hosts: Sequence[tuple[str, int]], authority: bool) -> str:
    """What `sslmode` is when nothing is said: a password never crosses a network in the clear."""
    if authority:
        return "verify-full"
    near = all(host.startswith(("/", "127.")) or host in ("::1", "localhost") for host, _ in hosts)
    return "disable" if near else "require"


def _port(text: str, mistakes: list[str]) -> int:
    if not text:
        return PORT
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        mistakes.append(f"has the port {text!r}, which is none")
        return PORT
    return int(text)


def _options(query: str, mistakes: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        reader = _READERS.get(name)
        if reader is None:
            mistakes.append(f"has {name}=, which is no option; they are {', '.join(_READERS)}")
            continue
        try:
            told[name] = reader(value)
        except ValueError as error:
            mistakes.append(f"{name}={value} {error}")
    return told


def _schema(value: str) -> str:
    if not _SCHEMA.fullmatch(value):
        raise ValueError("is not small letters, digits and _ (at most 40)")
    if value.startswith("pg_") or value in ("public", "information_schema"):
        raise ValueError("belongs to PostgreSQL or to everybody: choose a schema of its own")
    return value


def _mode(value: str) -> str:
    if value not in TLS:
        raise ValueError(f"is none of {', '.join(TLS)}")
    return value


def _file(value: str) -> Path:
    if not value:
        raise ValueError("names no file")
    return Path(value).expanduser()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.isdecimal() or not low <= int(value) <= high:
            raise ValueError(f"is not a whole number between {low} and {high}")
        return int(value)

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"is not a number of seconds between {low:g} and {high:g}")
        return number

    return read


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_READERS: dict[str, Callable[[str], Any]] = {
    "schema": _schema,
    "host": str,
    "password_file": _file,
    "sslmode": _mode,
    "sslrootcert": _file,
    "sslcert": _file,
    "sslkey": _file,
    "pool": _whole(1, 200),
    "connect_s": _seconds(0.1, 300),
    "wait_s": _seconds(0, 3600),
    "deadline_s": _seconds(0.1, 3600),
    "lock_s": _seconds(0.1, 3600),
    "cache_mb": _whole(1, 65_536),
}
