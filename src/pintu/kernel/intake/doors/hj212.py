"""HJ 212: stations of pollution and air over TCP, read by a mapping; the listening end itself is
`pintu.kit.hj212`, which pieces use too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.errors import BadInput, BadRequestData
from pintu.kernel.intake.doors.seen import measured
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.protocols.hj212 import BadFrame, read_frame

PORT: Final = 8212
NO_VALUE: Final = frozenset("DBFCM")
"""Flags of a factor whose number is none: fault, no connection, stopped, calibrated, maintained
(HJ 212-2017, table 5)."""
OFFSET: Final = "+08:00"  # stations tell Beijing time

SETTINGS: Final = (
    DoorSetting(
        name="listen",
        title={"zh": "监听地址", "en": "Listen at"},
        kind="address",
        help={
            "zh": "主机:端口；0.0.0.0:8212 表示所有网卡",
            "en": "HOST:PORT; 0.0.0.0:8212 listens on every network card",
        },
        required=True,
    ),
    DoorSetting(
        name="passwords",
        title={"zh": "站点与密码", "en": "Stations and passwords"},
        kind="secret",
        help={
            "zh": "每行 MN=PW；不填则接受任何站点",
            "en": "MN=PW, one a line; without any, every station is taken",
        },
    ),
    DoorSetting(
        name="ask_missing",
        title={"zh": "补要缺失的小时数据", "en": "Ask for missing hours again"},
        kind="yes_no",
        default=True,
    ),
    DoorSetting(
        name="commands",
        title={"zh": "只读这些命令", "en": "Read these commands alone"},
        help={
            "zh": "如 2061；多个以逗号分开，不填则全部",
            "en": "Such as 2061; several apart by commas, all when empty",
        },
    ),
    DoorSetting(
        name="example",
        title={"zh": "示例报文", "en": "One frame as an example"},
        kind="lines",
        help={
            "zh": "粘贴站点发送的一帧，用来查看各列",
            "en": "Paste a frame as a station sends it; its columns are read from it",
        },
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePayload:
    """Frames as records: one a frame, its factors as columns `a34004-Avg`."""

    commands: frozenset[str] = frozenset()

    def decode(self, body: bytes) -> Any:
        """The record of a frame; an empty list for a command that is not read. BadInput names what
        is wrong with the frame."""
        try:
            frame = read_frame(body)
        except BadFrame as error:
            raise BadInput(str(error)) from error
        fields = frame.fields
        if self.commands and fields["CN"] not in self.commands:
            return []
        record: dict[str, Any] = {
            "station": fields["MN"],
            "kind": fields["ST"],
            "command": fields["CN"],
            "time": _time(frame.data_time),
        }
        for code, values in frame.factors.items():
            flag = values.get("Flag", "N")
            for name, value in values.items():
                ill = flag in NO_VALUE and name != "Flag"
                record[f"{code}-{name}"] = None if ill else value
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What `pintu.kit.hj212` must be told for one source."""

    listen: str
    passwords: dict[str, str] | None
    ask_missing: bool


def payload_of(source: SourceFile) -> FramePayload:
    """How the frames of a source are read; ConfigurationError with every mistake."""
    told = Told(source, SETTINGS)
    commands = frozenset(one.strip() for one in told.text("commands").split(",") if one.strip())
    if not all(len(one) == 4 and one.isdigit() for one in commands):
        told.mistake("commands", "holds something else than four digits")
    told.done()
    return FramePayload(commands=commands)


def listening(source: SourceFile, around: Around) -> Listening:
    """What one source listens to; ConfigurationError with every mistake of its settings."""
    told = Told(source, SETTINGS)
    host, port = told.host_port("listen", PORT)
    passwords: dict[str, str] = {}
    for line in around.secret.splitlines():
        mn, sign, word = line.strip().partition("=")
        if line.strip() and not (sign and mn):
            told.mistake("passwords", "holds a line that is not MN=PW")
        elif mn:
            passwords[mn.strip()] = word.strip()
    ask = told.yes_no("ask_missing")
    told.done()
    return Listening(listen=f"{host}:{port}", passwords=passwords or None, ask_missing=ask)


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """The columns of the example frame; BadRequestData when nobody gave one."""
    told = Told(source, SETTINGS)
    lines = told.lines("example")
    told.done()
    if not lines:
        raise BadRequestData(f"Source {source.name} has no example frame to look at: paste one")
    payload = payload_of(source)
    records = [payload.decode(line.encode() + b"\r\n") for line in lines]
    return [measured(source.name, [one for one in records if isinstance(one, dict)])]


def _time(text: str) -> str:
    """`20261122080000` as ISO 8601 in the stations' zone; empty when the frame says none."""
    if len(text) != 14:
        return ""
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return f"{day}T{text[8:10]}:{text[10:12]}:{text[12:14]}{OFFSET}"


DOOR: Final = Door(
    name="hj212",
    kind="device",
    title={"zh": "HJ 212 监测站", "en": "HJ 212 stations"},
    summary={
        "zh": "环境监测站与数采仪按 HJ 212 经 TCP 上报：校验、应答、补要缺失小时。",
        "en": "Environmental stations report over TCP by HJ 212: checked, acknowledged, missing "
        "hours asked for again.",
    },
    settings=SETTINGS,
    look=look,
)
