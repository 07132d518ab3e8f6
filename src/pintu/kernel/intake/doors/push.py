"""HTTP push: devices and gateways that send by themselves, to an address with a token."""

from __future__ import annotations

from typing import Final

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.payload_told import FORM_SETTINGS, told_payload
from pintu.kernel.intake.doors.seen import Heard, tables_of
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.words import Envelope

MOST_A_SECOND: Final = 200

SETTINGS: Final = (
    DoorSetting(
        name="example",
        title={"zh": "示例消息", "en": "One message as an example"},
        kind="lines",
        help={
            "zh": "粘贴设备会发送的一条消息，用来查看各列",
            "en": "Paste a message as the device will send it; its columns are read from it",
        },
    ),
    *FORM_SETTINGS,
    DoorSetting(
        name="most_a_second",
        title={"zh": "每秒最多消息", "en": "Most messages a second"},
        kind="number",
        default=MOST_A_SECOND,
    ),
)


def payload_of(source: SourceFile) -> Payload:
    """How the messages of a source are written; ConfigurationError with every mistake."""
    told = Told(source, SETTINGS)
    told.number("most_a_second", low=0.01, high=100_000)
    return told_payload(told)


def most_a_second(source: SourceFile) -> float:
    """How many messages a second are taken."""
    return Told(source, SETTINGS).number("most_a_second", low=0.01, high=100_000)


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """The columns of the example message; BadRequestData when nobody gave one."""
    told = Told(source, SETTINGS)
    example = "\n".join(told.lines("example")).encode()
    told.done()
    if not example:
        raise BadRequestData(f"Source {source.name} has no example message to look at: paste one")
    envelope = Envelope(source.name, "example", around.clock.now_us(), example)
    return tables_of([Heard(name=source.name, envelope=envelope)], payload_of(source))


DOOR: Final = Door(
    name="push",
    kind="device",
    title={"zh": "HTTP 推送", "en": "HTTP push"},
    summary={
        "zh": "设备向 /api/v1/push/数据源 发送 JSON、NDJSON 或 CSV，凭令牌进入，写入后才应答。",
        "en": "Devices post JSON, NDJSON or CSV to /api/v1/push/SOURCE with a token; answered once "
        "it is kept.",
    },
    settings=SETTINGS,
    look=look,
)
