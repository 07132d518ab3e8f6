"""Calls to other nodes: signed, to the address that was checked, within a time and a size, and only
answers that the called node signed."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.egress import CONNECT_TIMEOUT_S, Egress, Target
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    ResourceNotFound,
    StateConflict,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.exchange.nodes import httpsig
from pintu.kernel.exchange.nodes.documents import id_of
from pintu.kernel.exchange.nodes.rates import Breaker
from pintu.kernel.exchange.nodes.signing import signed_request
from pintu.kernel.identity.keys import Keys, verified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

WINDOW_S: Final = 300
TOTAL_S: Final = 10.0
AT_ONCE: Final = 8
"""Calls to one node under way; more wait their turn."""

MOST_WAITING: Final = 200
MOST_BODY: Final = 16_000_000
_ERRORS: Final[dict[int, type[PintuError]]] = {
    400: BadRequestData,
    401: Unauthorized,
    403: Forbidden,
    404: ResourceNotFound,
    409: StateConflict,
    413: TooLarge,
    429: TooManyRequests,
}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A signed answer."""

    status: int
    body: bytes
    receipt: str = ""
    signature: str = ""  # Signature-Input and Signature, kept as evidence
    digest: str = ""


class _Line:
    """What is under way to one node."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.waiting = 0
        self.client: httpx.AsyncClient | None = None


class Calling:
    """Keeps one line a node: connections are never shared between names."""

    def __init__(
        self, egress: Egress, keys: Keys, clock: Clock, *, total_s: float = TOTAL_S
    ) -> None:
        self._egress, self._keys, self._clock, self._total_s = egress, keys, clock, total_s
        self._lines: dict[str, _Line] = {}

    async def close(self) -> None:
        """Let go of every connection."""
        for one in self._lines.values():
            if one.client is not None:
                await one.client.aclose()
        self._lines.clear()

    def resting_s(self, url: str) -> float:
        """Seconds for which a node is not called because it failed again and again."""
        line = self._lines.get(url)
        return line.breaker.open_for_s(self._clock.now_us()) if line is not None else 0.0

    def wake(self, url: str) -> None:
        """It called us: it is there again."""
        line = self._lines.get(url)
        if line is not None:
            line.breaker.worked()

    async def call(self, url: str, path: str, body: bytes, public: str | tuple[str, ...]) -> Reply:
        """POST a body to a node at `url`; the answer is signed with `public` (base64; or one of
        them).

        Raises what the other node refused with, Unavailable for anything it did wrong, Forbidden
        for an address that may not be reached.
        """
        publics = (public,) if isinstance(public, str) else public
        async with self._turn(url) as line:
            try:
                async with asyncio.timeout(self._total_s):
                    reply = await self._post(line, url, path, body, publics)
            except TimeoutError as error:
                line.breaker.failed(self._clock.now_us())
                raise Unavailable(
                    f"{url} did not answer within {self._total_s:g} s", retry_after=5
                ) from error
            except Unavailable:
                line.breaker.failed(self._clock.now_us())
                raise
            line.breaker.worked()
        if reply.status >= 400:
            raise _refused(url, reply)
        return reply

    async def fetch(self, url: str, path: str, limit: int) -> bytes:
        """GET what a node tells everybody; raises as `call` does."""
        async with self._turn(url) as line:
            try:
                async with asyncio.timeout(self._total_s):
                    status, _, body = await self._send(
                        line, "GET", (url, path), {}, b"", limit=limit
                    )
            except TimeoutError as error:
                raise Unavailable(f"{url} did not answer within {self._total_s:g} s") from error
        if status != 200:
            raise Unavailable(f"{url} answered {status}: is there a node?")
        return body

    @asynccontextmanager
    async def _turn(self, url: str) -> AsyncIterator[_Line]:
        line = self._lines.setdefault(url, _Line())
        now_us = self._clock.now_us()
        rest_s = line.breaker.open_for_s(now_us)
        if rest_s:
            raise Unavailable(
                f"{url} failed again and again: it is asked again in {rest_s:.0f} s",
                retry_after=max(1, round(rest_s)),
            )
        if line.waiting >= MOST_WAITING:
            raise TooManyRequests(f"Too many calls wait for {url}", retryAfter=5)
        line.breaker.tried(now_us)
        line.waiting += 1
        try:
            async with line.turns:
                yield line
        finally:
            line.waiting -= 1

    async def _post(
        self, line: _Line, url: str, path: str, body: bytes, publics: tuple[str, ...]
    ) -> Reply:
        marks = signed_request(self._keys, self._clock, "POST", url + path, body)
        lines = {"content-type": "application/json", **marks}
        status, headers, answer = await self._send(
            line, "POST", (url, path), lines, body, limit=MOST_BODY
        )
        self._check(headers, (status, answer), marks["signature"], publics)
        return Reply(
            status=status,
            body=answer,
            receipt=headers.get("pintu-receipt", ""),
            signature=f"{headers['signature-input']}\n{headers['signature']}",
            digest=headers["content-digest"],
        )

    def _check(
        self, headers: Any, answer: tuple[int, bytes], asked: str, publics: tuple[str, ...]
    ) -> None:
        """Unavailable for an answer that the called node did not sign for this very call."""
        status, body = answer
        receipt = headers.get("pintu-receipt", "")
        needed = (*httpsig.ANSWER, httpsig.RECEIPT) if receipt else httpsig.ANSWER
        try:
            params = httpsig.read_params(headers.get("signature-input", ""), needed)
            public = next((one for one in publics if id_of(one) == params.keyid), "")
            if not public:
                raise Unauthorized(f"it is signed with an unknown key {params.keyid[:40]!r}")
            if abs(params.created - self._clock.now_us() // 1_000_000) > WINDOW_S:
                raise Unauthorized("its clock is more than five minutes off ours")
            digest = headers.get("content-digest", "")
            httpsig.check_digest(digest, body)
            values = httpsig.answer_values(status, digest, asked, receipt)
            message = httpsig.base_of(values, params.covered, params.text)
            if not verified(public, httpsig.read_signature(headers.get("signature", "")), message):
                raise Unauthorized("its signature does not hold")
        except Unauthorized as error:
            raise Unavailable(
                f"The answer ({status}) is not one of the node we know: {error.detail}"
            ) from error

    async def _send(
        self,
        line: _Line,
        method: str,
        where: tuple[str, str],
        headers: dict[str, str],
        body: bytes,
        *,
        limit: int,
    ) -> tuple[int, Any, bytes]:
        import httpx

        url, path = where
        try:
            target = await checked(self._egress, url)
            if line.client is None:
                timeout = httpx.Timeout(self._total_s, connect=CONNECT_TIMEOUT_S)
                line.client = httpx.AsyncClient(timeout=timeout, trust_env=False)
            original = httpx.URL(url + path)
            request = line.client.build_request(
                method,
                original.copy_with(host=target.address),
                content=body,
                headers={
                    **headers,
                    "Host": original.netloc.decode("ascii"),
                    "Accept-Encoding": "identity",
                },
                extensions={"sni_hostname": target.host} if target.scheme == "https" else {},
            )
            response = await line.client.send(request, stream=True, follow_redirects=False)
            try:
                return response.status_code, response.headers, await _whole(response, url, limit)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            told = str(error) or type(error).__name__
            raise Unavailable(f"{url} cannot be reached: {told}", retry_after=5) from error


async def _whole(response: httpx.Response, url: str, limit: int) -> bytes:
    if 300 <= response.status_code < 400:
        raise Unavailable(f"{url} redirects: a node answers itself")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable(f"{url} answered packed, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            raise Unavailable(f"{url} answered with more than {limit:,} bytes")
    return bytes(body)


async def checked(egress: Egress, url: str) -> Target:
    """Where a call goes: the address that was looked at. Plain http only to this machine and to
    what the operator allowed by name; Forbidden for anything else."""
    target = await egress.target(url)
    if target.scheme == "https" or _allowed(egress, target):
        return target
    raise Forbidden(f"{url} is not https: nodes speak plain http only where it is allowed by name")


def _allowed(egress: Egress, target: Target) -> bool:
    address = ipaddress.ip_address(target.address)
    if address.is_loopback or {target.host, f"{target.host}:{target.port}"} & set(egress.allow):
        return True
    networks = []
    for one in egress.allow:
        try:
            networks.append(ipaddress.ip_network(one, strict=False))
        except ValueError:
            continue
    return any(address.version == one.version and address in one for one in networks)


def _refused(url: str, reply: Reply) -> PintuError:
    """What the other node refused with, in its words."""
    try:
        told = msgspec.json.decode(reply.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        told = {}
    detail = str(told.get("detail") or told.get("title") or "it did not say why")[:500]
    kind = _ERRORS.get(reply.status, Unavailable)
    extra = {name: told[name] for name in ("seen", "state", "retryAfter") if name in told}
    return kind(detail if reply.status in _ERRORS else f"{url} answered {reply.status}: {detail}",
                **extra)  # fmt: skip


Sign = Callable[[bytes], bytes]
