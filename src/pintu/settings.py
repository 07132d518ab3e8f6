"""All the city is told from outside: `pintu.toml`, then the environment; read once, frozen."""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pintu.basemap import read_basemap
from pintu.kept import read_kept
from pintu.kernel.analytics.engines.words import check_engine
from pintu.kernel.clock import parse_clock
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import hidden, parse_address
from pintu.settings_together import fit_together


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One value for every setting; `docs/operate.md` documents each (tests/test_docs.py)."""

    data: Path
    store: str = "sqlite:"
    host: str = "127.0.0.1"
    port: int = 8800
    admin_token_file: Path | None = None  # default: DATA/admin.token
    public_url: str = ""
    node_name: str = ""  # among the nodes of an exchange; default: after the public host
    trusted_proxies: tuple[str, ...] = ()
    egress_allow: tuple[str, ...] = ()
    inbox_allow: tuple[str, ...] = ()  # folders outside of `data` that files may be taken from
    tz: str = "Asia/Shanghai"
    lang: str = "zh-CN"
    clock: str = "real"
    engine: str = "duckdb"  # answers questions about history as a whole; or spark://HOST:PORT
    temporal_page: int = 1000
    command_days: int = 400
    subscriptions: int = 100_000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    metrics: str = "loopback"  # who reads /metrics without a token: this machine, or nobody
    node: str = ""  # this broker's name among several of one city, all on one PostgreSQL
    node_address: str = ""  # where the others reach it; default: host and port
    traces_endpoint: str = ""  # OTLP over HTTP: where spans go; without one nothing is followed
    traces_one_in: int = 0  # one message in so many is followed; 0: who brings a traceparent
    drain_s: int = 0  # how long it serves on after it was told to stop
    # how it was started
    demo: bool = False
    pieces: bool = True
    open: bool = False  # loopback only: an allow-all grant
    plain: bool = False  # without the fast lane
    seed: int = 1  # of the demo city
    strict_tenants: frozenset[str] = frozenset()
    piece_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    oidc: list[dict[str, Any]] = field(default_factory=list)  # houses whose accounts open doors
    history: dict[str, Any] = field(default_factory=dict)  # how long the past is kept, by type
    basemap: dict[str, Any] = field(default_factory=dict)  # tiles under the map: pintu/basemap.py
    backup: dict[str, Any] = field(default_factory=dict)  # kept by itself: pintu/kept.py
    relay: dict[str, Any] = field(default_factory=dict)  # joined by NATS: kernel/relay/words.py

    @property
    def demo_tenant(self) -> str:
        """The tenant demo devices write to and anybody on this machine may read."""
        return "demo"

    @property
    def may_reach(self) -> tuple[str, ...]:
        """What connections may reach besides public addresses: what was told, and beside the demo
        its own devices (ports counted from the city's)."""
        demo = range(self.port + 1, self.port + 10) if self.demo else ()
        return (*self.egress_allow, *(f"127.0.0.1:{one}" for one in demo))

    @property
    def token_file(self) -> Path:
        """Where the administrator's token is kept, 0600."""
        return self.admin_token_file or self.data / "admin.token"

    @property
    def address(self) -> str:
        """The address a browser on this machine uses."""
        scheme = "https" if self.tls_cert else "http"
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a text")
    return value


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("is not a whole number")
        try:
            number = int(value)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"is not between {low} and {high}")
        return number

    return read


def _file(value: Any) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_file():
        raise ValueError("is not a file that can be read")
    return path


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser()


def _listed(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("is not a list of texts")
    return tuple(one.strip() for one in value if one.strip())


def _networks(value: Any) -> tuple[str, ...]:
    found = _listed(value)
    for one in found:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise ValueError(f"holds {one!r}, which is no address or network") from None
    return found


def _store(value: Any) -> str:
    text = _text(value)
    if text != "sqlite:":
        try:
            mistakes = parse_address(text).missing_files()
        except ConfigurationError as error:
            mistakes = error.mistakes
        if mistakes:
            raise ValueError("; ".join(mistakes))
    return text


def _zone(value: Any) -> str:
    try:
        return ZoneInfo(_text(value)).key
    except Exception as error:  # zoneinfo raises four kinds for a bad name
        raise ValueError("is not a time zone such as Asia/Shanghai") from error


def _language(value: Any) -> str:
    if value not in ("zh-CN", "en"):
        raise ValueError("is neither zh-CN nor en")
    return str(value)


def _clock(value: Any) -> str:
    text = _text(value)
    try:
        parse_clock(text)
    except ConfigurationError as error:
        raise ValueError(f"is not 'real' or 'TIME xRATE': {error.detail}") from error
    return text


def _engine(value: Any) -> str:
    try:
        return check_engine(_text(value))
    except ConfigurationError as error:
        raise ValueError("is neither duckdb nor spark://HOST:PORT") from error


def _host(value: Any) -> str:
    text = _text(value)
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError("is neither an IP address nor localhost") from None
    return text


def _address(value: Any) -> str:
    text = _text(value).rstrip("/")
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("is not an http or https address")
    return text


def _metrics(value: Any) -> str:
    if value not in ("loopback", "token"):
        raise ValueError("is neither loopback nor token")
    return str(value)


def _node_name(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", text):
        raise ValueError("is not of 1 to 31 small letters, digits and hyphens, a letter first")
    return text


READERS: dict[str, Callable[[Any], Any]] = {
    "store": _store,
    "host": _host,
    "port": _whole(1, 65_000),
    "admin_token_file": _path,
    "public_url": _address,
    "node_name": _node_name,
    "trusted_proxies": _networks,
    "egress_allow": _listed,
    "inbox_allow": _listed,
    "tz": _zone,
    "lang": _language,
    "clock": _clock,
    "engine": _engine,
    "temporal_page": _whole(1, 100_000),
    "command_days": _whole(1, 36_500),
    "subscriptions": _whole(0, 10_000_000),
    "tls_cert": _file,
    "tls_key": _file,
    "metrics": _metrics,
    "node": _node_name,
    "node_address": _address,
    "drain_s": _whole(0, 600),
    "traces_endpoint": _address,
    "traces_one_in": _whole(0, 1_000_000),
}
"""Every setting that `pintu.toml` and the environment (PINTU_NAME) may hold, with its reader."""


def load_settings(data: Path | None, environ: Mapping[str, str], **started: Any) -> Settings:
    """Read `DATA/pintu.toml`, `environ` (PINTU_…), then how it was started (None there: unsaid).

    Raises ConfigurationError with every mistake found, each naming where it stands.
    """
    mistakes: list[str] = []
    folder = (data or Path(environ.get("PINTU_DATA") or "./.data")).expanduser().absolute()
    told = _toml(folder / "pintu.toml", mistakes)
    values: dict[str, Any] = {"data": folder}
    values["strict_tenants"] = _strict_tenants(told.pop("tenants", {}), mistakes)
    values["piece_settings"] = _piece_settings(told.pop("pieces", {}), mistakes)
    values["oidc"] = _houses(told.pop("oidc", []), mistakes)
    values["history"] = _history(told.pop("history", {}), mistakes)
    values["backup"] = _backup(told.pop("backup", {}), mistakes)
    values["relay"] = told.pop("relay", {})
    values["basemap"] = _basemap(told.pop("basemap", {}), mistakes)
    for name, value in told.items():
        _take(values, name, value, f"pintu.toml: {name}", mistakes)
    for variable, value in environ.items():
        name = variable.removeprefix("PINTU_").lower()
        if variable.startswith("PINTU_") and name in READERS and value != "":
            _take(values, name, value, variable, mistakes)
    for name, value in started.items():
        if value is None:
            continue
        if name in READERS:
            _take(values, name, value, f"--{name.replace('_', '-')}", mistakes)
        else:
            values[name] = value
    fit_together(values, mistakes)
    if mistakes:
        raise ConfigurationError(mistakes)
    return Settings(**values)


def _toml(path: Path, mistakes: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path} cannot be read: {error}")
        return {}


def _take(values: dict[str, Any], name: str, value: Any, where: str, mistakes: list[str]) -> None:
    reader = READERS.get(name)
    if reader is None:
        mistakes.append(f"{where} is not a setting; settings are: {', '.join(sorted(READERS))}")
        return
    try:
        values[name] = reader(value)
    except ValueError as error:
        shown = hidden(value) if isinstance(value, str) else value
        mistakes.append(f"{where} = {shown!r} {error}")


def _strict_tenants(told: Any, mistakes: list[str]) -> frozenset[str]:
    strict = set()
    for name, options in told.items() if isinstance(told, dict) else ():
        if not isinstance(options, dict) or set(options) - {"strict"}:
            mistakes.append(f"pintu.toml: tenants.{name} may hold only strict = true or false")
        elif not isinstance(options.get("strict", False), bool):
            mistakes.append(f"pintu.toml: tenants.{name}.strict is neither true nor false")
        elif options.get("strict"):
            strict.add(name)
    if not isinstance(told, dict):
        mistakes.append("pintu.toml: tenants is not a table; write [tenants.NAME]")
    return frozenset(strict)


def _piece_settings(told: Any, mistakes: list[str]) -> dict[str, dict[str, Any]]:
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
        mistakes.append("pintu.toml: pieces is not a table of tables; write [pieces.NAME]")
        return {}
    return told


def _houses(told: Any, mistakes: list[str]) -> list[dict[str, Any]]:
    if not told:
        return []
    from pintu.kernel.identity.oidc.words import read_issuers  # what most cities never need

    mistakes += read_issuers(told)[1]
    return list(told) if isinstance(told, list) else []


def _history(told: Any, mistakes: list[str]) -> dict[str, Any]:
    if not told:
        return {}
    from pintu.kernel.analytics.retaining import read_retention  # what most cities leave as it is

    if not isinstance(told, dict):
        mistakes.append("pintu.toml: history is not a table; write [history]")
        return {}
    try:
        read_retention(told)
    except ValueError as error:
        mistakes.append(f"pintu.toml: {error}")
    return told


def _backup(told: Any, mistakes: list[str]) -> dict[str, Any]:
    found = read_kept(told)[1]
    mistakes += [f"pintu.toml: {one}" for one in found]
    return {} if found or not told else dict(told)


def _basemap(told: Any, mistakes: list[str]) -> dict[str, Any]:
    found = read_basemap(told)[1]
    mistakes += [f"pintu.toml: {one}" for one in found]
    return {} if found else dict(told)


def as_plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON can hold them, to hand to a child process."""
    plain: dict[str, Any] = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        if isinstance(value, Path):
            value = str(value)
        elif isinstance(value, tuple | frozenset):
            value = sorted(value)
        plain[one.name] = value
    return plain


def from_plain(plain: Mapping[str, Any]) -> Settings:
    """The settings a parent process handed over with `as_plain`."""
    values = dict(plain)
    for name in ("data", "admin_token_file", "tls_cert", "tls_key"):
        values[name] = Path(values[name]) if values.get(name) else None
    for name in ("trusted_proxies", "egress_allow", "inbox_allow"):
        values[name] = tuple(values[name])
    values["strict_tenants"] = frozenset(values["strict_tenants"])
    return Settings(**values)


def store_changed(settings: Settings, environ: Mapping[str, str]) -> Callable[[], bool]:
    """Asks whether the city has moved away from the store of these settings: `DATA/pintu.toml`
    names another one, and `DATA/moved.json`, the note of a move, knows it. What a person wrote
    there waits for the next start; what the environment names stays.
    """
    data = settings.data

    def changed() -> bool:
        mistakes: list[str] = []
        named = _toml(data / "pintu.toml", mistakes).get("store")
        if mistakes or not named or environ.get("PINTU_STORE"):
            return False
        try:
            note = json.loads((data / "moved.json").read_text("utf-8"))
            return bool(_store(named) != settings.store and named in (note["to"], note["from"]))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    return changed
