"""HTTP poll: a JSON or CSV address of another system, asked on a timer."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Asking, Egress, Fetched
from pintu.kernel.errors import Unavailable
from pintu.kernel.intake.doors.device import Received
from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.payload_told import FORM_SETTINGS, told_payload
from pintu.kernel.intake.doors.seen import Heard, tables_of
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.words import Envelope

ACCEPT: Final = "application/json, text/csv;q=0.9, text/plain;q=0.8, */*;q=0.5"
LARGEST: Final = 1_000_000
HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}):\s*([^\r\n]{0,2000})")
SECRET: Final = "{secret}"
OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept"})

SETTINGS: Final = (
    DoorSetting(
        name="url",
        title={"zh": "地址", "en": "Address"},
        kind="address",
        help={"zh": "http:// 或 https:// 开头", "en": "Beginning with http:// or https://"},
        required=True,
    ),
    DoorSetting(
        name="every_s",
        title={"zh": "间隔（秒）", "en": "Every so many seconds"},
        kind="number",
        default=60,
    ),
    DoorSetting(
        name="timeout_s",
        title={"zh": "超时（秒）", "en": "Wait for an answer (s)"},
        kind="number",
        default=10,
    ),
    DoorSetting(
        name="headers",
        title={"zh": "请求头", "en": "Headers"},
        kind="lines",
        help={
            "zh": "每行一个，如 Authorization: Bearer {secret}；{secret} 处填入密钥",
            "en": "One a line, such as Authorization: Bearer {secret}, where the secret is put in",
        },
    ),
    DoorSetting(name="secret", title={"zh": "密钥", "en": "Secret"}, kind="secret"),
    *FORM_SETTINGS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for, and how often."""

    url: str
    every_s: float
    asking: Asking


class PollConnector:
    """Asks again and again; what is the same as before is not handed out again."""

    def __init__(
        self, name: str, asked: Asked, egress: Egress, clock: Clock, *, interval_s: float
    ) -> None:
        self.name, self.expected_interval_s = name, interval_s
        self._asked, self._egress, self._clock = asked, egress, clock
        self._connected = False
        self._digest = ""
        self.detail = ""

    @property
    def connected(self) -> bool:
        """True while the last answer was one."""
        return self._connected

    async def receive(self) -> AsyncIterator[Received]:
        """One envelope an answer that is new; raises Unavailable, Forbidden or TooLarge as the
        address does, and the runtime asks again later."""
        etag = modified = ""
        while True:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            try:
                fetched = await fetch(self._asked, self._egress, etag, modified)
            except BaseException:
                self._connected = False
                raise
            self._connected = True
            if not fetched.unchanged:
                etag, modified = fetched.etag, fetched.modified
                received = self._received(fetched)
                if received is not None:
                    yield received
            await asyncio.sleep(max(0.0, began_s + self._asked.every_s - loop.time()))

    def _received(self, fetched: Fetched) -> Received | None:
        digest = hashlib.blake2b(fetched.body, digest_size=16).hexdigest()
        if digest == self._digest:
            self.detail = "the content is the same as before"
            return None
        self.detail = ""
        now_us = self._clock.now_us()
        meta = {"contentType": fetched.content_type[:100]}
        envelope = Envelope(self.name, f"{now_us} {digest}", now_us, fetched.body, meta)

        async def kept() -> None:
            self._digest = digest

        return Received(envelope, kept)


async def fetch(asked: Asked, egress: Egress, etag: str = "", modified: str = "") -> Fetched:
    """One answer of the address; raises as `Egress.fetch` does."""
    asking = Asking(
        headers=asked.asking.headers,
        etag=etag,
        modified=modified,
        timeout_s=asked.asking.timeout_s,
    )
    return await egress.fetch(asked.url, accept=ACCEPT, limit=LARGEST, asking=asking)


def payload_of(source: SourceFile) -> Payload:
    """How the content is written; ConfigurationError with every mistake."""
    return told_payload(Told(source, SETTINGS))


def connector(source: SourceFile, around: Around) -> PollConnector:
    """The poll of one source; ConfigurationError with every mistake of its settings."""
    asked = _asked(source, around)
    interval_s = source.expected_interval_s or 0.0
    return PollConnector(source.name, asked, around.egress, around.clock, interval_s=interval_s)


def _asked(source: SourceFile, around: Around) -> Asked:
    told = Told(source, SETTINGS)
    url = told.text("url")
    if not url.startswith(("http://", "https://")) or len(url) > 2_000:
        told.mistake("url", "does not begin with http:// or https://")
    headers = []
    for line in told.lines("headers"):
        found = HEADER.fullmatch(line)
        if found is None or found[1].lower() in OURS:
            told.mistake("headers", "holds a line that is no header like 'X-Key: value'")
            continue
        value = found[2].replace(SECRET, around.secret)
        if not value.isprintable():
            told.mistake("headers", f"{found[1]} would hold signs that no header may have")
        headers.append((found[1], value.strip()))
    asking = Asking(headers=tuple(headers), timeout_s=told.number("timeout_s", low=0.5, high=120))
    every_s = told.number("every_s", low=1, high=86_400 * 31)
    told.done()
    return Asked(url=url, every_s=every_s, asking=asking)


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """Ask once; the table of what came. Raises as the connector does."""
    asked, payload = _asked(source, around), payload_of(source)
    try:
        async with asyncio.timeout(18):
            fetched = await fetch(asked, around.egress)
    except TimeoutError as error:
        raise Unavailable(f"{asked.url} did not answer within 18 s") from error
    envelope = Envelope(source.name, "look", around.clock.now_us(), fetched.body)
    return tables_of([Heard(name=source.name, envelope=envelope)], payload)


DOOR: Final = Door(
    name="poll",
    kind="device",
    title={"zh": "HTTP 轮询", "en": "HTTP poll"},
    summary={
        "zh": "按间隔读取另一系统的 JSON 或 CSV 地址，内容未变则不重复。",
        "en": "Asks a JSON or CSV address of another system on a timer; what is the same is not "
        "taken twice.",
    },
    settings=SETTINGS,
    look=look,
)
