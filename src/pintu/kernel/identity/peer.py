"""Where a request really comes from: this machine, a trusted proxy, or anywhere else."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

FORWARDING = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-forwarded-server",
        b"x-forwarded-prefix",
        b"x-forwarded-ssl",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"x-original-host",
        b"x-original-url",
    }
)
_VIA = frozenset({b"via"})
BROKER = b"pintu-"
"""How the names of brokers of this kind begin in a Via header."""
TELLING = FORWARDING | {b"origin", b"sec-fetch-site"}


@lru_cache(4096)
def is_loopback(peer: str) -> bool:
    """True for 127.0.0.0/8 and ::1, also written as an IPv4 address inside IPv6."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


@lru_cache(4096)
def is_local_host(host: bytes) -> bool:
    """True when a Host header names this machine: localhost, *.localhost, 127.x.x.x, [::1], any
    port.
    """
    name, _ = split_host(host)
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def split_host(host: bytes) -> tuple[str, str]:
    """Host and port of a Host header; a bracketed IPv6 address without its brackets."""
    text = host.decode("latin-1").strip().lower()
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = text.partition(":")
    return name, port


Known = Callable[[str], bool]


def _unknown(name: str) -> bool:
    return False


def is_local(headers: dict[bytes, bytes], peer: str, known: Known = _unknown) -> bool:
    """A request from this machine to this machine, by nobody else's hand; `known` are names of
    brokers that somebody with the right to has registered here.

    The peer is a loopback address, the Host header names this machine (a name rebound to 127.0.0.1
    does
    not), no header tells of a proxy in between, and no page of another site made the browser send
    it.
    """
    if not is_loopback(peer):
        return False
    host = headers.get(b"host")
    if host is None or not is_local_host(host):
        return False
    if TELLING.isdisjoint(headers):  # the usual case, in one pass over the header names
        return True
    told = FORWARDING & headers.keys()
    if told and not (told == _VIA and between_brokers(headers[b"via"], known)):
        return False
    if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
        return False
    origin = headers.get(b"origin")
    return origin is None or same_origin(origin, host)


def between_brokers(via: bytes, known: Known = _unknown) -> bool:
    """True when a Via header names nothing but brokers of this kind or known ones, which ask each
    other for their callers (NGSI-LD 6.3.18). A proxy in front of one adds a name of its own, or
    says in a comment what it is."""
    return all(_broker(member.split(), known) for member in via.split(b","))


def _broker(words: list[bytes], known: Known) -> bool:
    """Protocol and name, and nothing besides."""
    if len(words) != 2:
        return False
    return words[1].startswith(BROKER) or known(words[1].decode("latin-1"))


def same_origin(origin: bytes, host: bytes) -> bool:
    """True when an Origin (or Referer) names the host and port of a Host header."""
    scheme, found, rest = origin.partition(b"://")
    if not found or scheme not in (b"http", b"https"):
        return False
    default = "443" if scheme == b"https" else "80"
    name, port = split_host(rest.partition(b"/")[0])
    own_name, own_port = split_host(host)
    return name == own_name and (port or default) == (own_port or default)


class TrustedProxies:
    """The proxies whose X-Forwarded-For is believed; networks or addresses."""

    def __init__(self, networks: tuple[str, ...] = ()) -> None:
        """Raises ValueError for what is not a network."""
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in networks)

    def caller(self, headers: dict[bytes, bytes], peer: str) -> str:
        """The address that asks: the last one in X-Forwarded-For that is no trusted proxy."""
        if not self._networks or not self._trusts(peer):
            return peer
        hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in hops[-16:]]):
            if hop and not self._trusts(hop):
                return hop[:64]
        return peer

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
