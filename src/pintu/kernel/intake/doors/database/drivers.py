"""How each driver is made to connect: to the checked address, encrypted as told, and read-only."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from pintu.kernel.errors import ConfigurationError, Forbidden
from pintu.kernel.intake.doors.database.systems import Family
from pintu.kernel.intake.doors.database.told import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """All a driver needs; the secret is never shown."""

    told: Told
    secret: str
    address: str
    ca_file: str
    timeout_s: float

    def __repr__(self) -> str:
        return f"Way({self.told.where})"


def _postgresql(driver: ModuleType, way: Way) -> Any:
    """libpq would also read its environment and password files: what matters is said here."""
    told = way.told
    modes = {"prefer": "prefer", "require": "require", "verify": "verify-full", "off": "disable"}
    told_tls: dict[str, Any] = {"sslmode": modes[told.tls]}
    if told.tls == "verify":
        told_tls["sslrootcert"] = way.ca_file or ssl.get_default_verify_paths().cafile or "system"
    connection = driver.connect(
        host=told.host,
        hostaddr=way.address,
        port=told.port,
        dbname=told.database,
        user=told.user,
        password=way.secret,
        passfile="/dev/null",
        gssencmode="disable",
        connect_timeout=int(way.timeout_s),
        tcp_user_timeout=int((told.statement_timeout_s + 10) * 1000),
        keepalives_idle=15,
        keepalives_interval=5,
        keepalives_count=3,
        application_name="pintu",
        client_encoding="UTF8",
        prepare_threshold=None,
        autocommit=True,
        **told_tls,
    )
    limit_ms = int(told.statement_timeout_s * 1000)
    for word, value in (
        ("default_transaction_read_only", "on"),
        ("statement_timeout", str(limit_ms)),
        ("lock_timeout", "3000"),
        ("idle_in_transaction_session_timeout", str(max(limit_ms * 2, 60_000))),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "iso_8601"),
        ("extra_float_digits", "1"),
    ):
        connection.execute("SELECT set_config(%s, %s, false)", (word, value))
    connection.autocommit = False
    connection.read_only = True
    _as_texts(driver, connection)
    return connection


_TEXTS: Final = (
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
)


def _as_texts(driver: ModuleType, connection: Any) -> None:
    """Times stay the server's texts: Python has no 4713 BC and no infinity, and a row that holds
    one must not stop a page."""
    import orjson
    from psycopg.types.json import set_json_loads
    from psycopg.types.string import TextLoader

    for name in _TEXTS:
        connection.adapters.register_loader(name, TextLoader)
    set_json_loads(orjson.loads, connection)


def _mysql(driver: ModuleType, way: Way) -> Any:
    told = way.told
    kinds = driver.constants.FIELD_TYPE
    texts = (kinds.DATE, kinds.NEWDATE, kinds.DATETIME, kinds.TIMESTAMP, kinds.TIME)
    known: dict[Any, Any] = driver.converters.conversions
    decoders = {kind: use for kind, use in known.items() if kind not in texts}
    limit_s = told.statement_timeout_s
    connection = driver.connect(
        host=told.host,
        port=told.port,
        user=told.user,
        password=way.secret.encode("utf-8"),
        database=told.database,
        charset="utf8mb4",
        connect_timeout=way.timeout_s,
        read_timeout=limit_s + 10,
        write_timeout=10,
        local_infile=False,  # a server may ask a client for any file it can read
        autocommit=False,
        conv=decoders,
        program_name="pintu",
        defer_connect=True,
        **_mysql_tls(way),
    )
    channel = socket.create_connection((way.address, told.port), way.timeout_s)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.connect(channel)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("SET time_zone = '+00:00'")
        if "MariaDB" in connection.get_server_info():
            cursor.execute("SET SESSION max_statement_time = %s", (limit_s,))
        else:
            cursor.execute("SET SESSION max_execution_time = %s", (int(limit_s * 1000),))
        cursor.execute("SET SESSION lock_wait_timeout = 3")
        if told.tls in ("require", "verify"):
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
            answer = cursor.fetchone()
            if not answer or not answer[1]:
                connection.close()
                raise Forbidden(f"{told.where} does not encrypt, and the source demands it")
    return connection


def _mysql_tls(way: Way) -> dict[str, Any]:
    if way.told.tls == "off":
        return {"ssl_disabled": True}
    if way.told.tls == "prefer":
        return {}
    return {"ssl": _context(way)}


def _context(way: Way) -> ssl.SSLContext:
    if way.told.tls == "verify":
        return ssl.create_default_context(cadata=way.told.ca or None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _oracle(driver: ModuleType, way: Way) -> Any:
    told = way.told
    connection = driver.connect(
        user=told.user,
        password=way.secret,
        host=way.address,
        port=told.port,
        service_name=told.database,
        protocol="tcps" if told.tls in ("require", "verify") else "tcp",
        ssl_context=_context(way) if told.tls in ("require", "verify") else None,
        ssl_server_dn_match=told.tls == "verify",
        tcp_connect_timeout=way.timeout_s,
    )
    connection.call_timeout = int(told.statement_timeout_s * 1000)
    with connection.cursor() as cursor:
        cursor.execute("ALTER SESSION SET TIME_ZONE = 'UTC'")
        cursor.execute("SET TRANSACTION READ ONLY")
    return connection


def _mssql(driver: ModuleType, way: Way) -> Any:
    """SQL Server has no read-only session: the account must be one that may only read."""
    told = way.told
    if told.tls == "verify":
        raise ConfigurationError(["pymssql cannot check a certificate; say tls = require"])
    return driver.connect(
        server=way.address,
        port=str(told.port),
        user=told.user,
        password=way.secret,
        database=told.database,
        login_timeout=int(way.timeout_s),
        timeout=int(told.statement_timeout_s),
        appname="pintu",
        read_only=True,
        **({"encryption": "require"} if told.tls == "require" else {}),
    )


def _dameng(driver: ModuleType, way: Way) -> Any:
    told = way.told
    return driver.connect(
        user=told.user,
        password=way.secret,
        server=way.address,
        port=told.port,
        schema=told.schema or told.user,
        access_mode=getattr(driver, "DSQL_MODE_READ_ONLY", 1),
        login_timeout=int(way.timeout_s),
        app_name="pintu",
    )


CONNECT: Final[dict[Family, Callable[[ModuleType, Way], Any]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "oracle": _oracle,
    "mssql": _mssql,
    "dameng": _dameng,
}
