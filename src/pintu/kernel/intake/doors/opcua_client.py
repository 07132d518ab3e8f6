"""A connection to an OPC UA server: browse it, subscribe to it, hand out what changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.intake.doors.device import Received, nobody_waits
from pintu.kernel.intake.doors.mapped import REFUSED
from pintu.kernel.intake.doors.words import Around
from pintu.kernel.intake.words import Envelope

if TYPE_CHECKING:
    from asyncua.client.client import Client

MOST_NODES: Final = 5_000
DEEPEST: Final = 8
WAITING: Final = 50_000  # changed values not yet handed out
LOST_AFTER_S: Final = 1.0
NONE, SIGNED = "none", "Basic256Sha256"
APPLICATION: Final = "urn:pintu:city:opcua"
SERVER_NODE: Final = "i=2253"  # what a server tells of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One variable: the device it belongs to, its name there, and its node."""

    device: str
    name: str
    node: str

    @property
    def label(self) -> str:
        """What a person calls it."""
        of = f"{self.device}/{self.name}" if self.device else self.name
        return f"{of} ({self.node})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Where a server is and how it is talked to."""

    host: str
    port: int
    path: str
    security: str
    fingerprint: str
    user: str
    root: str
    publish_ms: float


class OpcUaConnector:
    """One subscription; what changed within a publishing interval is one envelope a device."""

    def __init__(
        self, name: str, manner: Manner, items: list[Item], around: Around, *, interval_s: float
    ) -> None:
        """Without `items` every variable below the manner's root is subscribed to."""
        self.name, self.expected_interval_s = name, interval_s
        self._around, self._clock = around, around.clock
        self._manner, self._items = manner, items
        self._values: asyncio.Queue[tuple[Item, Any]] = asyncio.Queue(WAITING)
        self._connected = False
        self._bad: dict[str, str] = {}
        self._dropped = 0

    @property
    def connected(self) -> bool:
        """True while the server has our subscription."""
        return self._connected

    @property
    def detail(self) -> str:
        """What has no good value now, and what was too fast for us, in words."""
        said = list(self._bad.values())[:5]
        if self._dropped:
            said.append(
                f"{self._dropped} changes were dropped: they came faster than they are kept"
            )
        return "; ".join(said)

    async def receive(self) -> AsyncIterator[Received]:
        """Connect, subscribe and hand out changes; raises Unavailable when the server is lost."""
        client = await open_client(self._manner, self._around)
        try:
            items = self._items or await browse(client, self._manner.root)
            if not items:
                raise Unavailable("The server has no variable below the root")
            await self._subscribe(client, items)
            self._connected = True
            while True:
                for envelope in await self._gathered():
                    yield Received(envelope, nobody_waits)
                if self._values.empty():
                    await _still_there(client)
        finally:
            self._connected = False
            await close_client(client)

    async def _subscribe(self, client: Client, items: list[Item]) -> None:
        from asyncua import ua

        by_node = {client.get_node(one.node): one for one in items}
        handler = _Handler(self, {node.nodeid.to_string(): one for node, one in by_node.items()})
        subscription = await client.create_subscription(
            self._manner.publish_ms, handler, queue_maxsize=WAITING
        )
        nodes = list(by_node)
        for at in range(0, len(nodes), 500):
            part = nodes[at : at + 500]
            # its stub knows one way to write a number of milliseconds, and not the usual one
            sampling: Any = self._manner.publish_ms / 2
            answers = await subscription.subscribe_data_change(
                part, queuesize=20, sampling_interval=sampling
            )
            for node, answer in zip(part, answers, strict=False):
                if isinstance(answer, ua.StatusCode):
                    one = by_node[node]
                    self._bad[one.node] = f"{one.label}: the server refuses it ({answer.name})"

    def changed(self, item: Item, data: Any) -> None:
        """A value came; called by the subscription."""
        try:
            self._values.put_nowait((item, data))
        except asyncio.QueueFull:
            self._dropped += 1

    async def _gathered(self) -> list[Envelope]:
        """What came within one publishing interval; nothing after a second of silence."""
        with contextlib.suppress(TimeoutError):
            first = await asyncio.wait_for(self._values.get(), LOST_AFTER_S)
            found = [first]
            await asyncio.sleep(min(self._manner.publish_ms / 1000, 1.0) / 2)
            while not self._values.empty() and len(found) < 5_000:
                found.append(self._values.get_nowait())
            return self._envelopes(found)
        return []

    def _envelopes(self, found: list[tuple[Item, Any]]) -> list[Envelope]:
        now_us = self._clock.now_us()
        records: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        envelopes = []
        for item, data in found:
            status = data.StatusCode
            value = None if status.is_bad() else plain(data.Value.Value)
            nameless = isinstance(value, float) and not math.isfinite(value)
            if status.is_bad() or nameless:
                what = "is not a number" if nameless else f"is of quality {status.name}"
                envelopes += self._refused(item, what, now_us)
                continue
            self._bad.pop(item.node, None)
            moment = data.SourceTimestamp or data.ServerTimestamp
            at = iso(_us(moment)) if moment is not None else iso(now_us)
            quality = "good" if status.is_good() else "uncertain"
            head = {"device": item.device, "time": at, "quality": quality}
            of_device = records.setdefault(item.device, {})
            record = of_device.setdefault((at, quality), head)
            if item.name in record:  # two changes of one moment: both are told
                record = of_device[at, f"{quality} {len(of_device)}"] = dict(head)
            record[item.name] = value
        for number, (device, rows) in enumerate(records.items()):
            body = orjson.dumps(list(rows.values()))
            key = f"{now_us} {number} {device}"[:280]
            meta = {"topic": device[:200]}
            envelopes.append(Envelope(self.name, key, now_us, body, meta))
        return envelopes

    def _refused(self, item: Item, what: str, now_us: int) -> list[Envelope]:
        said = f"{item.label} {what}: it has no value"
        new = self._bad.get(item.node) != said
        self._bad[item.node] = said
        meta = {"topic": item.device[:200], REFUSED: said}
        key = f"refused {said}"[:280]
        return [Envelope(self.name, key, now_us, said.encode(), meta)] if new else []


class _Handler:
    """What asyncua calls with each change."""

    def __init__(self, connector: OpcUaConnector, items: dict[str, Item]) -> None:
        self._connector, self._items = connector, items

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        item = self._items.get(node.nodeid.to_string())
        if item is not None:
            self._connector.changed(item, data.monitored_item.Value)


async def open_client(manner: Manner, around: Around) -> Client:
    """A connected client; Unavailable says in words why there is none."""
    from asyncua.client.client import Client

    for name in ("asyncua.client", "asyncua.common", "asyncua.uaprotocol"):
        logging.getLogger(name).setLevel(logging.ERROR)  # what it says, the source says in words
    address = await around.egress.reach(manner.host, manner.port)
    host = f"[{address}]" if ":" in address else address
    client = Client(f"opc.tcp://{host}:{manner.port}{manner.path}", timeout=6)
    if manner.user:
        client.set_user(manner.user)
        client.set_password(around.secret)
    try:
        if manner.security == SIGNED:
            await _secure(client, manner, around)
        await client.connect()
    except PintuError:
        raise
    except failures() as error:
        await close_client(client)
        said = str(error) or type(error).__name__
        raise Unavailable(f"{manner.host}:{manner.port} lets nobody in: {said}"[:400]) from error
    return client


async def _secure(client: Client, manner: Manner, around: Around) -> None:
    from asyncua import ua
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

    from pintu.kernel.intake.doors.certificate import certificate, fingerprint

    client.application_uri = APPLICATION
    certificate_file, key_file = await asyncio.to_thread(certificate, around.data, APPLICATION)
    endpoints = await client.connect_and_get_server_endpoints()
    offered = [one for one in endpoints if (one.SecurityPolicyUri or "").endswith("#" + SIGNED)]
    if not offered:
        raise Unavailable(f"{manner.host}:{manner.port} does not offer {SIGNED}")
    found = fingerprint(offered[0].ServerCertificate or b"")
    if manner.fingerprint and found != manner.fingerprint:
        raise Unavailable(
            f"{manner.host}:{manner.port} shows another certificate than told: {found}"
        )
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate_file,
        key_file,
        server_certificate=offered[0].ServerCertificate,
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )


async def _still_there(client: Client) -> None:
    try:
        await client.check_connection()
    except failures() as error:
        said = str(error) or type(error).__name__
        raise Unavailable(f"The connection to the server is lost: {said}"[:300]) from error


def failures() -> tuple[type[Exception], ...]:
    """What goes wrong while talking to a server: asyncua's own errors, the system's, and those of
    bytes and certificates that are not what they should be."""
    from asyncua.ua.uaerrors import UaError

    return (UaError, OSError, TimeoutError, EOFError, ValueError, TypeError, struct.error)


async def close_client(client: Client) -> None:
    """Say goodbye when the other side still listens; raises nothing."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(5):
            await client.disconnect()


async def browse(client: Client, root: str, most: int = MOST_NODES) -> list[Item]:
    """Every variable below a node, by the path of the objects it lies in."""
    from asyncua import ua
    from asyncua.ua.object_ids import ObjectIds

    start = client.get_node(root) if root else client.nodes.objects
    found: list[Item] = []
    queue: list[tuple[str, Any, int]] = [("", start, 0)]
    seen: set[str] = set()
    while queue and len(found) < most:
        path, node, depth = queue.pop(0)
        mask = ua.NodeClass.Object | ua.NodeClass.Variable
        for one in await node.get_children_descriptions(
            refs=ObjectIds.HierarchicalReferences, nodeclassmask=mask
        ):
            node_id = one.NodeId.to_string()
            if node_id == SERVER_NODE or node_id in seen:
                continue
            seen.add(node_id)
            name = str(one.BrowseName.Name or node_id).replace("/", "_").replace("=", "_")
            if one.NodeClass == ua.NodeClass.Variable:
                if one.TypeDefinition.Identifier != ObjectIds.PropertyType:
                    found.append(Item(device=path, name=name, node=node_id))
            elif depth < DEEPEST and len(seen) < most * 2:
                inner = f"{path}/{name}" if path else name
                queue.append((inner, client.get_node(one.NodeId), depth + 1))
    return found[:most]


def plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has no word for is its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return iso(_us(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()[:2_000]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value[:1_000]]
    text = getattr(value, "Text", None)  # a text in one language
    return text if isinstance(text, str) else str(value)[:2_000]


def _us(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)
