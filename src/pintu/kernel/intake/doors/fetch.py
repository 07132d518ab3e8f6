"""The fetch door: files at an HTTPS or SFTP address, looked at on a timer and read when new."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from pintu.kernel.intake.doors.files import (
    FORM,
    files_reader,
    ledger_file,
    look_into,
    read_form,
)
from pintu.kernel.intake.doors.files_fetching import STALL_S, Fetching, fetch_https
from pintu.kernel.intake.doors.files_inbox import Inbox
from pintu.kernel.intake.doors.files_reading import FilesReader
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.mapping.words import Mapping

LOOK_S: Final = 18.0
KEPT_FILES: Final = 20

SETTINGS: Final = (
    DoorSetting(
        name="address",
        title={"zh": "地址", "en": "Address"},
        kind="address",
        required=True,
        help={
            "zh": "https://主机/文件.csv 或 sftp://主机/文件夹/*.csv",
            "en": "https://HOST/file.csv or sftp://HOST/folder/*.csv",
        },
    ),
    DoorSetting(name="user", title={"zh": "用户", "en": "User"}),
    DoorSetting(
        name="secret",
        title={"zh": "密码、令牌或私钥", "en": "Password, token or private key"},
        kind="secret",
    ),
    DoorSetting(
        name="host_key",
        title={"zh": "主机密钥（SFTP）", "en": "Host key (SFTP)"},
        kind="lines",
        default=[],
        help={
            "zh": "SHA256:… 或公钥行；空着查看一次会显示对方出示的密钥",
            "en": "SHA256:… or a public key line; a look without it tells what the server shows",
        },
    ),
    DoorSetting(
        name="every_s",
        title={"zh": "多少秒取一次", "en": "Fetch every … seconds"},
        kind="number",
        default=3_600,
    ),
    DoorSetting(
        name="stall_s",
        title={"zh": "对方无应答的上限（秒）", "en": "Longest silence of the server (s)"},
        kind="number",
        default=STALL_S,
    ),
    *FORM,
)


class FetchReader:
    """Implements Reader: first what came earlier and was not read, then what is new."""

    def __init__(self, bring: _Bring, files: FilesReader) -> None:
        self._bring, self._files = bring, files

    def landed(self, position: str) -> None:
        """See Reader."""
        self._files.landed(position)

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        """See Reader."""
        async for chunk in self._files.chunks(after):
            yield chunk
        if await self._bring.all():
            async for chunk in self._files.new():
                yield chunk


class _Bring:
    """One source's address, and how it is visited."""

    def __init__(self, source: SourceFile, around: Around) -> None:
        told = Told(source, SETTINGS)
        self.options, _, largest = read_form(told)
        self._url = told.text("address")
        self._user, self._keys = told.text("user"), told.lines("host_key")
        self._secret = around.secret
        told.number("every_s", low=1, high=31_536_000)
        stall_s = told.number("stall_s", low=0.1, high=600)
        self._check(told)
        told.done()
        self.told = told
        self.inbox = Inbox(
            folder=around.data / "fetched" / source.name, largest=largest, kept=KEPT_FILES
        )
        self._work = Fetching(
            source=source.name,
            folder=self.inbox.folder,
            largest=largest,
            egress=around.egress,
            clock=around.clock,
            ledger=ledger_file(around),
            stall_s=stall_s,
        )

    def _check(self, told: Told) -> None:
        try:
            parts = urlsplit(self._url)
            good = parts.scheme in ("https", "http", "sftp") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            good = False
        if not good:
            told.mistake("address", "is neither https://HOST/… nor sftp://HOST/…")
        elif parts.username or parts.password:
            told.mistake("address", "holds a user; write it into its own setting")
        elif parts.scheme == "http" and (self._user or self._secret):
            told.mistake("address", "is http: a password would cross the network in the open")
        elif re.search(r"[\x00-\x1f]", self._url):
            told.mistake("address", "holds control signs")

    async def all(self, *, within_s: float | None = None) -> list[str]:
        """The names of files that came."""
        work = self._work if within_s is None else replace(self._work, total_s=within_s)
        if not self._url.startswith("sftp:"):
            return await fetch_https(work, self._url, user=self._user, secret=self._secret)
        from pintu.kernel.intake.doors.files_sftp import fetch_sftp

        return await fetch_sftp(
            work, self._url, user=self._user, secret=self._secret, keys=self._keys
        )


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """Fetch what is there and look at it; the first run reads it then without fetching again."""
    bring = _Bring(source, around)
    await bring.all(within_s=LOOK_S)
    return await look_into(bring.inbox, bring.options)


def make_reader(source: SourceFile, mapping: Mapping, around: Around) -> FetchReader:
    """A reader of what an address holds; ConfigurationError."""
    bring = _Bring(source, around)
    files = files_reader(source, mapping, around, inbox=bring.inbox, told=bring.told)
    return FetchReader(bring, files)


DOOR: Final = Door(
    name="fetch",
    kind="load",
    title={"zh": "定时取文件", "en": "Fetch files"},
    summary={
        "zh": "定时从 HTTPS 或 SFTP 取 CSV、XLSX、JSON、GeoJSON 等文件，变了才读。",
        "en": "Fetches files from HTTPS or SFTP on a timer and reads those that changed.",
    },
    settings=SETTINGS,
    look=look,
)
