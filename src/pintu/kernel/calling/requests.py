"""Requests as bytes: where an address leads, and a head that cannot be broken out of."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from pintu.kernel.errors import BadRequestData, Forbidden

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect",
     "trailer", "keep-alive", "proxy-connection"}
)  # fmt: skip
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_MOST_URL: Final = 8_000
_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~%?"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an address leads."""

    scheme: str
    host: str
    port: int
    authority: str  # as the Host header says it
    path: str  # with the query, percent-encoded

    @property
    def origin(self) -> tuple[str, str, int]:
        """What one connection may be used for."""
        return self.scheme, self.host, self.port


def place_of(url: str) -> Place:
    """Read an address; Forbidden for one that is not http or https, or that holds a password."""
    if len(url) > _MOST_URL:
        raise Forbidden(f"An address of {len(url)} characters is not called")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _host(parts.hostname or "")
    except ValueError as error:  # UnicodeError is one
        raise Forbidden(f"{url} is not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Forbidden(f"{url} is not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("An address with a user name in it is not followed")
    usual = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    if parts.query:
        path += "?" + quote(parts.query, safe=_PATH_SAFE)
    return Place(
        scheme=parts.scheme,
        host=host,
        port=port or usual,
        authority=shown if port in (None, usual) else f"{shown}:{port}",
        path=path,
    )


def _host(host: str) -> str:
    """A name as the wire has it; ValueError for none."""
    if not host or host.isascii():
        if _UNSAFE.search(host) or " " in host:
            raise ValueError("the host has a character no host has")
        return host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.encode("idna").decode("ascii")


def head_of(method: str, place: Place, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The head of a request up to its Content-Length; BadRequestData for a header that could end
    its line."""
    if not _TOKEN.fullmatch(method):
        raise BadRequestData(f"{method[:40]!r} is not a method")
    lines = [f"{method} {place.path} HTTP/1.1", f"Host: {place.authority}"]
    told = set()
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise BadRequestData(f"{name[:80]!r} is not the name of a header")
        if _UNSAFE.search(value):
            raise BadRequestData(f"The header {name} has a character that no header has")
        low = name.lower()
        if low not in _OURS:
            lines.append(f"{name}: {value.strip()}")
            told.add(low)
    if "accept-encoding" not in told:
        lines.append("Accept-Encoding: identity")  # answers are read as they come
    return "\r\n".join(lines).encode("utf-8", "replace")


def request_of(head: bytes, method: str, body: bytes) -> bytes:
    """The whole request: one write."""
    if not body and method in _BODILESS:
        return head + b"\r\n\r\n"
    return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
