"""OPC UA: the values of a plant's own server, as they change, with their source's times and
qualities."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.intake.doors.opcua_client import (
    NONE,
    SIGNED,
    Item,
    Manner,
    OpcUaConnector,
    browse,
    close_client,
    failures,
    open_client,
    plain,
)
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import (
    Around,
    ColumnSeen,
    Door,
    DoorSetting,
    SourceFile,
    TableSeen,
)

if TYPE_CHECKING:
    from asyncua.client.client import Client

PORT: Final = 4840
_LINE: Final = re.compile(
    r"(?:(.{1,200})/)?([^/=\s][^/=]{0,100}?)\s*=\s*((?:ns=\d{1,5};)?[isgb]=.+)"
)

SETTINGS: Final = (
    DoorSetting(
        name="endpoint",
        title={"zh": "服务器地址", "en": "Endpoint"},
        kind="address",
        help={"zh": "opc.tcp://主机:4840/路径", "en": "opc.tcp://HOST:4840/PATH"},
        required=True,
    ),
    DoorSetting(
        name="security",
        title={"zh": "安全策略", "en": "Security policy"},
        kind="choice",
        choices=(NONE, SIGNED),
        default=NONE,
        help={
            "zh": "Basic256Sha256：签名并加密；本城的证书在 keys/opcua 中，需由服务器信任",
            "en": "Basic256Sha256 signs and encrypts; this city's certificate is in keys/opcua, "
            "and the server must trust it",
        },
    ),
    DoorSetting(
        name="server_certificate",
        title={"zh": "服务器证书指纹", "en": "Fingerprint of the server's certificate"},
        help={
            "zh": "SHA-256，十六进制；填写后只与这台服务器通信",
            "en": "SHA-256 in hex digits; when told, no other server is talked to",
        },
    ),
    DoorSetting(name="user", title={"zh": "用户名", "en": "User"}),
    DoorSetting(name="password", title={"zh": "密码", "en": "Password"}, kind="secret"),
    DoorSetting(
        name="nodes",
        title={"zh": "节点", "en": "Nodes"},
        kind="lines",
        help={
            "zh": "每行一个：设备/名称 = ns=2;s=节点；不写则读取根节点下的全部变量",
            "en": "One a line: device/name = ns=2;s=NODE; without any, every variable below the "
            "root is read",
        },
    ),
    DoorSetting(
        name="root",
        title={"zh": "根节点", "en": "Root node"},
        help={"zh": "留空为 Objects", "en": "Empty: Objects"},
    ),
    DoorSetting(
        name="publish_ms",
        title={"zh": "发布间隔（毫秒）", "en": "Publishing interval (ms)"},
        kind="number",
        default=500,
    ),
)


def _read(source: SourceFile) -> tuple[Manner, list[Item]]:
    told = Told(source, SETTINGS)
    endpoint = told.text("endpoint")
    host, port, path = "", PORT, ""
    try:
        parts = urlsplit(endpoint)
        host, port, path = parts.hostname or "", parts.port or PORT, parts.path
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "opc.tcp" or not host or parts.username is not None:
        told.mistake("endpoint", f"is {endpoint[:80]!r}, not opc.tcp://HOST:PORT/PATH")
    items = []
    for line in told.lines("nodes"):
        found = _LINE.fullmatch(line)
        if found is None:
            told.mistake("nodes", f"holds {line[:80]!r}, not DEVICE/NAME = ns=2;s=NODE")
            continue
        items.append(Item(device=found[1] or "", name=found[2].strip(), node=found[3]))
    fingerprint = told.text("server_certificate").replace(":", "").replace(" ", "").lower()
    if fingerprint and not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        told.mistake("server_certificate", "is not 64 hex digits")
    manner = Manner(
        host=host,
        port=port,
        path=path,
        security=told.choice("security", (NONE, SIGNED)),
        fingerprint=fingerprint,
        user=told.text("user"),
        root=told.text("root"),
        publish_ms=told.number("publish_ms", low=20, high=3_600_000),
    )
    if fingerprint and manner.security == NONE:
        told.mistake("server_certificate", f"says nothing without the policy {SIGNED}")
    told.done()
    return manner, items


def connector(source: SourceFile, around: Around) -> OpcUaConnector:
    """The subscription of one server; ConfigurationError with every mistake."""
    manner, items = _read(source)
    return OpcUaConnector(source.name, manner, items, around, interval_s=source.expected_interval_s)


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """Browse the server; one table an object with variables, each with its value of now."""
    manner, items = _read(source)
    try:
        async with asyncio.timeout(18):
            client = await open_client(manner, around)
            try:
                found = items or await browse(client, manner.root, most=1_000)
                return await _tables(client, found)
            except PintuError:
                raise
            except failures() as error:
                said = str(error) or type(error).__name__
                raise Unavailable(f"The server cannot be browsed: {said}"[:300]) from error
            finally:
                await close_client(client)
    except TimeoutError as error:
        raise Unavailable(f"{manner.host}:{manner.port} did not answer within 18 s") from error


async def _tables(client: Client, items: list[Item]) -> list[TableSeen]:
    from asyncua.ua.attribute_ids import AttributeIds

    nodes = [client.get_node(one.node) for one in items]
    data = await client.uaclient.read_attributes([one.nodeid for one in nodes], AttributeIds.Value)
    tables: dict[str, list[ColumnSeen]] = {}
    for item, one in zip(items, data, strict=True):
        status = one.StatusCode
        bad = status is not None and status.is_bad()
        value = None if bad or one.Value is None else plain(one.Value.Value)
        shown = () if value is None else (str(value)[:80],)
        column = ColumnSeen(
            name=item.name,
            type=_type(value),
            filled=0.0 if value is None else 1.0,
            distinct=len(shown),
            examples=shown,
            comment=item.node if status is None or not bad else f"{item.node}: {status.name}",
        )
        tables.setdefault(item.device, []).append(column)
    return [
        TableSeen(name=device or "Objects", columns=(*_BESIDE, *columns), rows=1)
        for device, columns in tables.items()
    ]


_BESIDE: Final = (
    ColumnSeen(name="device", type="text", filled=1.0, distinct=1, comment="the object's path"),
    ColumnSeen(name="time", type="time", filled=1.0, distinct=1, comment="the source's own time"),
    ColumnSeen(name="quality", type="text", filled=1.0, distinct=1, examples=("good",)),
)


def _type(value: Any) -> str:
    if value is None:
        return "empty"
    kinds: dict[type, str] = {bool: "yes_no", int: "whole", float: "number"}
    return kinds.get(type(value), "text")


DOOR: Final = Door(
    name="opcua",
    kind="device",
    title={"zh": "OPC UA 服务器", "en": "OPC UA server"},
    summary={
        "zh": "订阅工控服务器的变量：随变化到达，带来源时间与质量；质量为坏的不作数值。",
        "en": "Subscribes to the variables of a plant's server: values as they change, with their "
        "own time and quality; a bad quality is no value.",
    },
    settings=SETTINGS,
    look=look,
)
