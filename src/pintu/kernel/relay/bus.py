"""The connection to NATS: kept for as long as it is wanted, its words and errors made ours.

JetStream is asked through its own JSON, so that what is relied on can be read here. Whatever NATS
says no to is a `Refusal` with its code; whatever does not answer is `Unavailable`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.errors import Unavailable
from pintu.kernel.relay.words import Line

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log = logging.getLogger("pintu.relay")

CONNECT_S: Final = 2
AGAIN_S: Final = 0.5
PING_S: Final = 3
"""A line that is cut without a word is noticed after two pings without an answer."""

ASK_S: Final = 3.0
NO_RESPONDERS: Final = "503"
NOT_FOUND: Final = 404

Heard = Callable[["Msg"], Awaitable[None]]


class Refusal(Unavailable):
    """JetStream said no: `code` is HTTP's, `error` its own number."""

    def __init__(self, code: int, error: int, text: str) -> None:
        super().__init__(text)
        self.code, self.error = code, error


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream holds now."""

    born_us: int  # when it was made: another one of the same name is another stream
    first: int
    last: int
    messages: int
    bytes: int
    replicas: int = 1
    leader: str = ""
    current: int = 0  # replicas that have everything, the leader among them


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a stream."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes


class Bus:
    """One connection; `generation` is another number after each time it broke."""

    def __init__(self, line: Line, name: str) -> None:
        self._line, self._name = line, name
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._changed = asyncio.Event()
        self.generation = 0
        self.opened = 0  # connections that were made anew, with nothing listened to any more
        self.trouble = "not connected yet"

    # --- life -----------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to connect, and connect again whenever that ends."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="relay-bus")

    async def stop(self) -> None:
        """Let go."""
        task, self._task = self._task, None
        if task is not None:
            await ended([task])
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), CONNECT_S)

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.is_connected

    async def wait(self) -> None:
        """Until there is a connection."""
        while not self.connected:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), AGAIN_S)

    async def _keep(self) -> None:
        from nats.aio.client import Client

        while True:
            client = Client()
            self._closed.clear()
            try:
                await client.connect(**self._options())
                self._client = client
                self.opened += 1
                self._news("")
                await self._closed.wait()
            except (OSError, ValueError, ssl.SSLError) as error:
                self._news(f"{type(error).__name__}: {error}")
            except Exception as error:  # a foreign driver raises anything; tried again
                self._news(f"{type(error).__name__}: {error}")
            finally:
                self._client = None
                if not client.is_closed:
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(client.close(), CONNECT_S)
            await asyncio.sleep(AGAIN_S)

    def _options(self) -> dict[str, Any]:
        async def wrong(error: Exception) -> None:
            self._trouble(error)

        async def broken() -> None:
            self.generation += 1
            self._changed.set()

        async def back() -> None:
            self._news("")

        async def closed() -> None:
            self._closed.set()

        return {
            "servers": list(self._line.urls),
            "name": self._name,
            "connect_timeout": CONNECT_S,
            "reconnect_time_wait": AGAIN_S,
            "max_reconnect_attempts": -1,
            "ping_interval": PING_S,
            "max_outstanding_pings": 2,
            "pending_size": 4 * 1024 * 1024,
            "error_cb": wrong,
            "disconnected_cb": broken,
            "reconnected_cb": back,
            "closed_cb": closed,
            **_tls(self._line),
            **_credentials(self._line.credentials),
        }

    def _news(self, trouble: str) -> None:
        self.generation += 1
        if trouble and trouble != self.trouble:
            log.warning("NATS is away: %s", trouble)
        elif not trouble:
            log.info("NATS is there")
        self.trouble = trouble
        self._changed.set()

    def _trouble(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self.trouble and not self.connected:
            log.warning("NATS: %s", text)
            self.trouble = text

    # --- asking ---------------------------------------------------------------------------------
    def _there(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise Unavailable(f"NATS is away: {self.trouble}", retry_after=1)
        return self._client

    async def request(self, subject: str, body: bytes, timeout_s: float = ASK_S) -> bytes:
        """The answer of whoever listens there; Unavailable when nobody does."""
        from nats import errors

        client = self._there()
        try:
            answer = await client.request(subject, body, timeout=timeout_s)
        except errors.NoRespondersError as error:
            raise Unavailable(f"Nobody answers at {subject}") from error
        except (errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(f"NATS does not answer: {type(error).__name__}") from error
        return bytes(answer.data)

    async def api(self, what: str, told: dict[str, Any] | None = None) -> dict[str, Any]:
        """JetStream's answer to an API call such as STREAM.INFO.NAME. Raises Refusal."""
        body = b"" if told is None else json.dumps(told).encode()
        answer: dict[str, Any] = json.loads(await self.request(f"$JS.API.{what}", body))
        wrong = answer.get("error")
        if wrong:
            text = str(wrong.get("description", "refused"))
            raise Refusal(int(wrong.get("code", 0)), int(wrong.get("err_code", 0)), text)
        return answer

    async def find_stream(self, name: str) -> Stream | None:
        """What a stream holds; None when there is none."""
        try:
            return stream_of(await self.api(f"STREAM.INFO.{name}"))
        except Refusal as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def find_message(self, stream: str, asked: dict[str, Any]) -> Kept | None:
        """The message of a sequence (`seq`) or the last of a subject (`last_by_subj`); None when
        it is not there."""
        try:
            found = (await self.api(f"STREAM.MSG.GET.{stream}", asked))["message"]
        except Refusal as error:
            if error.code == NOT_FOUND:
                return None
            raise
        headers = base64.b64decode(found.get("hdrs") or b"").decode("utf-8", "replace")
        pairs = (line.partition(":") for line in headers.split("\r\n")[1:] if ":" in line)
        return Kept(
            sequence=int(found["seq"]),
            subject=str(found["subject"]),
            headers={name.strip(): value.strip() for name, _, value in pairs},
            body=base64.b64decode(found.get("data") or b""),
        )

    # --- telling and hearing --------------------------------------------------------------------
    async def publish(
        self, subject: str, body: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send one message on its way; what becomes of it is heard at `reply`."""
        from nats import errors

        try:
            await self._there().publish(subject, body, reply=reply, headers=headers)
        except (errors.Error, OSError) as error:
            raise Unavailable(f"NATS takes nothing: {type(error).__name__}: {error}") from error

    async def listen(self, subject: str, heard: Heard) -> Callable[[], Awaitable[None]]:
        """Hear everything of a subject, also after reconnections; returns what ends it."""
        from nats import errors

        client = self._there()
        try:
            subscription = await client.subscribe(
                subject, cb=heard, pending_bytes_limit=64 * 1024 * 1024
            )
        except (errors.Error, OSError) as error:
            raise Unavailable(f"NATS takes nothing: {type(error).__name__}") from error

        async def stop() -> None:
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()

        return stop

    def inbox(self) -> str:
        """A subject that nobody else listens to."""
        return str(self._there().new_inbox())


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: the client swallows what cancels it while it flushes."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)


def stream_of(answer: dict[str, Any]) -> Stream:
    """JetStream's description of a stream."""
    state, config, cluster = answer["state"], answer["config"], answer.get("cluster") or {}
    current = sum(bool(one.get("current")) for one in cluster.get("replicas") or ())
    return Stream(
        born_us=int(datetime.fromisoformat(_micro(str(answer["created"]))).timestamp() * 1e6),
        first=int(state["first_seq"]),
        last=int(state["last_seq"]),
        messages=int(state["messages"]),
        bytes=int(state["bytes"]),
        replicas=int(config.get("num_replicas", 1)),
        leader=str(cluster.get("leader", "")),
        current=current + 1,
    )


def _micro(at: str) -> str:
    """A time of the server's with no more than microseconds."""
    whole, dot, rest = at.rstrip("Z").partition(".")
    return f"{whole}{dot}{rest[:6].ljust(6, '0') if dot else ''}+00:00"


def _tls(line: Line) -> dict[str, Any]:
    if not line.tls_ca and not any(one.startswith("tls:") for one in line.urls):
        return {}
    context = ssl.create_default_context(cafile=line.tls_ca or None)
    if line.tls_cert:
        context.load_cert_chain(line.tls_cert, line.tls_key)
    return {"tls": context}


def _credentials(path: str) -> dict[str, Any]:
    """How the file says who we are; by what it looks like: a .creds file, an nkey seed,
    user:password, or a token. Raises ValueError for an empty one."""
    if not path:
        return {}
    text = Path(path).read_text("utf-8").strip()
    if "BEGIN NATS USER JWT" in text:
        return {"user_credentials": path}
    if len(text) == 58 and text.startswith("SU") and text.isalnum():
        return {"nkeys_seed_str": text}
    user, colon, password = text.partition(":")
    if colon and "\n" not in text:
        return {"user": user, "password": password}
    if not text:
        raise ValueError(f"The file of NATS credentials {path} is empty")
    return {"token": text}
