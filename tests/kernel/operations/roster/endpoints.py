"""Real endpoints of a test: an HTTP server that answers as told, or never, and a mail server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult


@dataclass(slots=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Endpoint:
    """An HTTP endpoint: the answers it gives in turn (the last for ever); a status of 0 hangs."""

    port: int = 0
    scheme: str = "http"
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, b"{}")])
    headers: str = ""
    heard: list[Heard] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.heard.append(Heard(head[0].split()[1], headers, body))
                answers = self.answers
                status, told = answers.pop(0) if len(answers) > 1 else answers[0]
                if status == 0:
                    await asyncio.sleep(3600)
                line = f"HTTP/1.1 {status} X\r\n{self.headers}Content-Length: {len(told)}\r\n\r\n"
                writer.write(line.encode() + told)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()


@asynccontextmanager
async def http_endpoint(
    *answers: int | tuple[int, bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    """An endpoint on a free port until the block ends."""
    made = Endpoint(scheme="https" if tls else "http")
    if answers:
        made.answers = [one if isinstance(one, tuple) else (one, b"{}") for one in answers]
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await made.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class Mailbox:
    """What a mail server took; `refuses` is an answer to recipients instead of 250."""

    port: int = 0
    refuses: str = ""
    letters: list[Any] = field(default_factory=list)
    seen: list[tuple[str, bool]] = field(default_factory=list)  # (user, over TLS)

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        from email import message_from_bytes, policy

        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        user = (session.auth_data or b"").decode() if session.authenticated else ""
        self.seen.append((user, session.ssl is not None))
        return "250 taken"


@asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, *, user: str = "", secret: str = ""
) -> AsyncIterator[Mailbox]:
    """A mail server on a free port; with `tls` it offers STARTTLS, with a user it wants one."""
    box = Mailbox()

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = (data.login, data.password) == (user.encode(), secret.encode())
        return AuthResult(success=good, auth_data=data.login)

    def made() -> SMTP:
        more: dict[str, Any] = {"authenticator": known, "auth_required": True} if user else {}
        more |= {"tls_context": tls, "require_starttls": True} if tls else {}
        return SMTP(box, hostname="mail.test", loop=loop, **more)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(made, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
