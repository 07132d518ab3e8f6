"""The settings of the relay, `[relay]` of `pintu.toml`: read once, every mistake told; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

CITY: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
TENANT: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")
TOKEN: Final = re.compile(r"[0-9a-f]{1,64}")
MOST_ROUTES: Final = 200
SCHEMES: Final = ("nats", "tls")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How NATS is reached."""

    urls: tuple[str, ...]
    credentials: str = ""  # a file: user:password, a token, an nkey seed, or a .creds file
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class Out(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant that leaves."""

    tenant: str
    types: frozenset[str] | None = None
    agreement: str = ""
    purpose: str = ""
    reason: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant of another city and the tenant here that is its copy."""

    city: str
    tenant: str
    here: str


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken from one other city."""

    city: str
    line: Line
    routes: tuple[Route, ...]


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the relay is told."""

    city: str
    line: Line
    token: str = ""  # the id of the token as whom the relay reads what it sends
    out: tuple[Out, ...] = ()
    coming: tuple[Coming, ...] = ()
    replicas: int = 1
    max_age_days: float = 7.0
    max_mb: int = 1_000
    window: int = 512  # messages under way that JetStream has not acknowledged
    most_behind: int = 5_000_000  # rows of the log held for a NATS that is away


_LINE: Final = ("urls", "credentials", "tls_ca", "tls_cert", "tls_key")
_NUMBERS: Final[dict[str, tuple[float, float]]] = {
    "replicas": (1, 5),
    "max_age_days": (0.01, 3650),
    "max_mb": (1, 10_000_000),
    "window": (1, 10_000),
    "most_behind": (1_000, 1_000_000_000),
}
_KNOWN: Final = {"city", "token", "out", "in", *_LINE, *_NUMBERS}


def read_relay(told: Any, *, city: str = "") -> tuple[Relay | None, list[str]]:
    """The relay that `[relay]` describes (None: none is wanted) and every mistake, naming where it
    stands. `city` is this city's name where the table does not say it."""
    if not told:
        return None, []
    if not isinstance(told, dict):
        return None, ["relay is not a table; write [relay]"]
    mistakes = [f"relay.{name} is not a setting" for name in sorted(set(told) - _KNOWN)]
    name = told.get("city") or city
    if not isinstance(name, str) or not CITY.fullmatch(name):
        mistakes.append(
            "relay.city names this city: 1 to 31 small letters, digits and hyphens, a letter first"
        )
    numbers = {key: _number(told[key], f"relay.{key}", mistakes) for key in _NUMBERS if key in told}
    token = told.get("token", "")
    if not isinstance(token, str) or (token and not TOKEN.fullmatch(token)):
        mistakes.append("relay.token is not the id of a token (`pintu token list`)")
    line = _line(told, "relay", mistakes)
    out = _out(told.get("out", {}), mistakes)
    if out and not token:
        mistakes.append("relay.token is missing: what leaves is read as somebody, name whom")
    coming = _coming(told.get("in", {}), line, mistakes)
    _together(str(name), out, coming, mistakes)
    if mistakes:
        return None, mistakes
    return Relay(city=name, line=line, token=token, out=out, coming=coming, **numbers), []


def _number(value: Any, where: str, mistakes: list[str]) -> Any:
    low, high = _NUMBERS[where.rpartition(".")[2]]
    whole = where != "relay.max_age_days"
    good = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not good or not low <= value <= high:
        mistakes.append(f"{where} = {value!r} is not a number from {low:g} to {high:g}")
    return value


def _line(told: Mapping[str, Any], where: str, mistakes: list[str]) -> Line:
    urls = told.get("urls", [])
    if isinstance(urls, str):
        urls = [one.strip() for one in urls.split(",")]
    if not isinstance(urls, list) or not urls or not all(map(_is_url, urls)):
        mistakes.append(
            f"{where}.urls is not a list of addresses such as nats://HOST:4222 or tls://HOST:4222, "
            "without user or password: those are in the file of `credentials`"
        )
        urls = []
    files = {}
    for name in _LINE[1:]:
        text = told.get(name, "")
        if not isinstance(text, str) or (text and not Path(text).expanduser().is_file()):
            mistakes.append(f"{where}.{name} = {text!r} is not a file that can be read")
            continue
        files[name] = str(Path(text).expanduser()) if text else ""
    if bool(files.get("tls_cert")) != bool(files.get("tls_key")):
        mistakes.append(f"{where}.tls_cert and {where}.tls_key belong together")
    return Line(urls=tuple(urls), **files)


def _is_url(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in SCHEMES
            and bool(parts.hostname)
            and (parts.port or 1) > 0
            and parts.username is None
            and parts.path in ("", "/")
        )
    except ValueError:
        return False


def _tables(told: Any, where: str, mistakes: list[str]) -> dict[str, dict[str, Any]]:
    if isinstance(told, dict) and all(isinstance(one, dict) for one in told.values()):
        return told
    mistakes.append(f"{where} is not a table of tables; write [{where}.NAME]")
    return {}


def _tenant(name: Any) -> str | None:
    """A tenant as settings write it, `default` for the one without a name; None: no tenant."""
    if not isinstance(name, str) or not TENANT.fullmatch(name):
        return None
    return "" if name == "default" else name


def _out(told: Any, mistakes: list[str]) -> tuple[Out, ...]:
    found = []
    for name, one in _tables(told, "relay.out", mistakes).items():
        where, tenant = f"relay.out.{name}", _tenant(name)
        if tenant is None:
            mistakes.append(f"{where} is not named after a tenant")
            continue
        unknown = set(one) - {"types", "agreement", "purpose", "reason"}
        mistakes += [f"{where}.{key} is not a setting" for key in sorted(unknown)]
        types = one.get("types")
        if types is not None and not _texts(types):
            mistakes.append(f"{where}.types is not a list of entity types")
            types = None
        texts = {key: one.get(key, "") for key in ("agreement", "purpose", "reason")}
        if not all(isinstance(text, str) and len(text) <= 500 for text in texts.values()):
            mistakes.append(f"{where}: agreement, purpose and reason are texts")
            texts = {}
        if bool(texts.get("purpose") or texts.get("reason")) and not texts.get("agreement"):
            mistakes.append(f"{where}: purpose and reason belong to an agreement")
        kinds = None if types is None else frozenset(types)
        found.append(Out(tenant=tenant, types=kinds, **texts))
    return tuple(found)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _coming(told: Any, line: Line, mistakes: list[str]) -> tuple[Coming, ...]:
    found = []
    for city, one in _tables(told, "relay.in", mistakes).items():
        where = f"relay.in.{city}"
        if not CITY.fullmatch(city):
            mistakes.append(f"{where} is not named after a city")
        unknown = set(one) - {"tenants", *_LINE}
        mistakes += [f"{where}.{key} is not a setting" for key in sorted(unknown)]
        own = _line(one, where, mistakes) if "urls" in one else line
        routes = []
        tenants = one.get("tenants")
        if not isinstance(tenants, dict) or not tenants:
            mistakes.append(f'{where}.tenants is not a table such as {{ air = "theirs-air" }}')
            tenants = {}
        for theirs, here in tenants.items():
            pair = _tenant(theirs), _tenant(here)
            if pair[0] is None or pair[1] is None:
                mistakes.append(f"{where}.tenants: {theirs!r} = {here!r} are not two tenants")
                continue
            routes.append(Route(city=city, tenant=pair[0], here=pair[1]))
        found.append(Coming(city=city, line=own, routes=tuple(routes)))
    return tuple(found)


def _together(
    city: str, out: tuple[Out, ...], coming: tuple[Coming, ...], mistakes: list[str]
) -> None:
    """A tenant has one writer: copies are not sent on, nor made of two originals."""
    shown: Callable[[str], str] = lambda tenant: tenant or "default"  # noqa: E731
    leaving = {one.tenant for one in out}
    landed: dict[str, str] = {}
    for one in coming:
        if one.city == city:
            mistakes.append(f"relay.in.{one.city} is this city itself")
        for route in one.routes:
            if route.here in leaving:
                mistakes.append(
                    f"relay: tenant {shown(route.here)} is a copy of {one.city}'s "
                    f"{shown(route.tenant)} and cannot leave as ours"
                )
            if route.here in landed:
                told = f"{landed[route.here]} and {one.city}"
                mistakes.append(f"relay: tenant {shown(route.here)} is told to be a copy of {told}")
            landed[route.here] = one.city
    if len(out) + len(landed) > MOST_ROUTES:
        mistakes.append(f"relay: more than {MOST_ROUTES} tenants leave or come")
