"""The only way out to addresses that somebody else wrote: refuses what lies inside our own network.

The name is resolved once, every address it has is checked, and the connection goes to the checked
address (a second look-up could answer otherwise). Redirects come back here and are checked again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from pintu.kernel.errors import Forbidden, TooLarge, Unavailable

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S: Final = 2.0
TOTAL_TIMEOUT_S: Final = 5.0
REDIRECT_LIMIT: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One document from outside."""

    url: str  # after redirects
    body: bytes
    content_type: str
    etag: str = ""
    modified: str = ""
    unchanged: bool = False  # 304: it is what the caller has already; the body is empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a document is asked for, besides its address. Headers may hold a secret: they go to the
    first address's own host and port alone, never to where it redirects."""

    headers: tuple[tuple[str, str], ...] = ()
    etag: str = ""
    modified: str = ""
    timeout_s: float = TOTAL_TIMEOUT_S

    def lines(self, *, own: bool) -> dict[str, str]:
        """The headers of one request; `own`: it goes where the first one went."""
        found = dict(self.headers) if own else {}
        if own and self.etag:
            found["If-None-Match"] = self.etag
        if own and self.modified:
            found["If-Modified-Since"] = self.modified
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a checked connection goes: one address, and the name the other side is called by."""

    scheme: str
    host: str
    port: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Which addresses may be reached. `allow` names hosts, `host:port`, addresses or networks."""

    allow: tuple[str, ...] = ()
    allow_loopback: bool = False
    shut: bool = False  # nothing goes out: a copy beside its original

    async def target(self, url: str) -> Target:
        """Resolve and check; raises Forbidden for what may not be reached, Unavailable for no
        address."""
        parts = _split(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self.reach(host, port)
        return Target(scheme=parts.scheme, host=host, port=port, address=address)

    async def reach(self, host: str, port: int) -> str:
        """The checked address of a host, for a connection of any protocol; raises as `target`
        does."""
        return (await self.addresses(host, port))[0]

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of a host, all of them checked, at least one; raises as `target` does."""
        if self.shut:
            raise Forbidden(f"{host} is not reached from a copy that was restored beside its city")
        addresses = await _resolve(host, port)
        listed = host in self.allow or f"{host}:{port}" in self.allow
        for address in addresses:
            if not listed and not self._permits(address):
                raise Forbidden(f"{host} leads to {address}, which may not be reached from here")
        return [str(one) for one in addresses]

    def _permits(self, address: Address) -> bool:
        plain = _unwrapped(address)
        if plain.is_loopback:
            return self.allow_loopback or self._listed(plain)
        if plain.is_global and not plain.is_multicast:
            return True
        return self._listed(plain)

    def _listed(self, address: Address) -> bool:
        for entry in self.allow:
            try:
                network = ipaddress.ip_network(entry, strict=False)
            except ValueError:
                continue
            if address.version == network.version and address in network:
                return True
        return False

    async def fetch(
        self, url: str, *, accept: str, limit: int, asking: Asking | None = None
    ) -> Fetched:
        """GET a document of at most `limit` bytes.

        Raises Forbidden (address), TooLarge (size), Unavailable (anything the other side did
        wrong).
        """
        import httpx  # 7 MB that a process which fetches nothing saves

        asking = asking or Asking()
        try:
            async with asyncio.timeout(asking.timeout_s):
                return await self._follow(url, accept, limit, asking)
        except TimeoutError as error:
            raise Unavailable(f"{url} did not answer within {asking.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(
                f"{url} cannot be fetched: {str(error) or type(error).__name__}"
            ) from error

    async def _follow(self, url: str, accept: str, limit: int, asking: Asking) -> Fetched:
        async with self.stream(url, accept=accept, asking=asking) as (url, response):
            if response.status_code == 304 and (asking.etag or asking.modified):
                return _fetched(url, b"", response, unchanged=True)
            if response.status_code != 200:
                raise Unavailable(f"{url} answered {response.status_code}")
            return _fetched(url, await _body(response, url, limit), response)

    @asynccontextmanager
    async def stream(
        self, url: str, *, accept: str, asking: Asking
    ) -> AsyncIterator[tuple[str, httpx.Response]]:
        """GET whose body the caller reads and bounds: (address after redirects, answer).

        `asking.timeout_s` bounds each wait here, not their sum. Raises Forbidden, Unavailable for
        too many redirects, and httpx.HTTPError when the other side lets go.
        """
        import httpx

        timeout = httpx.Timeout(asking.timeout_s, connect=CONNECT_TIMEOUT_S)
        first = _origin(url)
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            for _ in range(REDIRECT_LIMIT + 1):
                target = await self.target(url)
                lines = {**asking.lines(own=_origin(url) == first), "Accept": accept}
                request = _request(client, url, target, lines)
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = urljoin(url, response.headers["location"])
                        continue
                    yield url, response
                    return
                finally:
                    await response.aclose()
        raise Unavailable(f"{url} redirects more than {REDIRECT_LIMIT} times")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Forbidden(f"{url} is not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Forbidden(f"{url} is not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("An address with a user name in it is not followed")
    return parts


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = _split(url)
    return parts.scheme, parts.hostname or "", parts.port


def _fetched(
    url: str, body: bytes, response: httpx.Response, *, unchanged: bool = False
) -> Fetched:
    headers = response.headers
    return Fetched(
        url=url,
        body=body,
        content_type=headers.get("content-type", ""),
        etag=headers.get("etag", "")[:300],
        modified=headers.get("last-modified", "")[:100],
        unchanged=unchanged,
    )


async def _body(response: httpx.Response, url: str, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"{url} is larger than {limit} bytes")
    return bytes(body)


def _request(
    client: httpx.AsyncClient, url: str, target: Target, lines: dict[str, str]
) -> httpx.Request:
    """The request goes to the checked address; Host and TLS name stay those of the URL."""
    import httpx

    original = httpx.URL(url)
    pinned = original.copy_with(host=target.address)
    headers = {**lines, "Host": original.netloc.decode("ascii")}
    extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
    return client.build_request("GET", pinned, headers=headers, extensions=extensions)


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"{host} cannot be resolved: {error}") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise Unavailable(f"{host} has no address")
    return addresses


def _unwrapped(address: Address) -> Address:
    """An IPv4 address dressed as IPv6 (mapped, 6to4, Teredo, NAT64) counts as what it really is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
