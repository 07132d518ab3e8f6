"""(1) Gateways over MQTT: readings and inventories come in, commands go out, answers find who
waits for them."""

from __future__ import annotations

import asyncio

import msgspec

from pintu.kit import Clock, PintuError, Unavailable
from pintu.kit.mqtt import MqttConnector
from pintu.pieces.street_lights.settings import Settings

ANSWER_WITHIN_S = 60.0
TOGETHER_S = 0.02  # commands to one gateway that come so soon after each other go together
MOST_AT_ONCE = 200


class Answer(msgspec.Struct):
    """What a gateway answers to a command."""

    cmd: str
    ok: bool
    reason: str = ""


class _Said(msgspec.Struct):
    """One answer, or several in one message."""

    cmd: str = ""
    ok: bool = False
    reason: str = ""
    acks: list[Answer] = []


class _Where(msgspec.Struct):
    id: str


class _Inventory(msgspec.Struct):
    lamps: list[_Where]
    at_once: int = 1


class _Told(msgspec.Struct):
    """A command on its way: whoever sends it waits for `gone`, then for `answer`."""

    command: str
    body: msgspec.Raw
    gone: asyncio.Future[None]
    answer: asyncio.Future[Answer]


_said = msgspec.json.Decoder(_Said)
_inventory = msgspec.json.Decoder(_Inventory)


class GatewayConnector(MqttConnector):
    """One subscription for all gateways; commands and answers pass their readings by."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        assert settings.broker is not None
        super().__init__(
            "mqtt",
            settings.broker,
            ["lamps/+/inventory", "lamps/+/telemetry"],
            clock,
            client_id=settings.client_id,
            expected_interval_s=settings.interval_s,
            inspect=self._look,
            answers=["lamps/+/ack"],
        )
        self._waiting: dict[str, tuple[str, asyncio.Future[Answer]]] = {}
        self._gateway_of: dict[str, str] = {}
        self._at_once: dict[str, int] = {}  # commands a gateway takes in one message
        self._lines: dict[str, list[_Told]] = {}  # by gateway, until they go together
        self._sending: set[asyncio.Task[None]] = set()

    def _look(self, topic: str, payload: bytes) -> bool:
        """Answers end here; an inventory also says which gateway a lamp hangs on."""
        _, _, rest = topic.partition("/")
        gateway, _, kind = rest.partition("/")
        if kind == "inventory":
            try:
                told = _inventory.decode(payload)
            except (msgspec.DecodeError, msgspec.ValidationError):
                return False
            self._gateway_of.update((one.id, gateway) for one in told.lamps)
            self._at_once[gateway] = min(max(told.at_once, 1), MOST_AT_ONCE)
            return False
        if kind != "ack":
            return False
        try:
            said = _said.decode(payload)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return True  # nobody waits for what cannot be read; the ledger asks again
        for one in said.acks or [Answer(said.cmd, said.ok, said.reason)]:
            asked, answer = self._waiting.get(one.cmd, ("", None))
            # What another gateway says of a command is no answer to it.
            if answer is not None and asked == gateway and not answer.done():
                answer.set_result(one)
        return True

    def gateway_of(self, lamp: str) -> str | None:
        """The gateway of a lamp as the newest inventory says."""
        return self._gateway_of.get(lamp)

    async def send(self, command_id: str, lamp: str, level: int) -> asyncio.Future[Answer]:
        """Send one dim command; the future is the gateway's answer.

        Raises Unavailable while there is no connection, or before the lamp's inventory has come.
        """
        gateway = self._gateway_of.get(lamp)
        if gateway is None:
            raise Unavailable(f"Lamp {lamp} is in no inventory that has come yet")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting[command_id] = (gateway, answer)
        answer.add_done_callback(lambda done: self._forget(command_id, done))
        body = msgspec.Raw(msgspec.json.encode({"cmd": command_id, "lamp": lamp, "level": level}))
        told = _Told(command_id, body, loop.create_future(), answer)
        line = self._lines.setdefault(gateway, [])
        line.append(told)
        if len(line) == 1:
            loop.call_later(TOGETHER_S, self._send_line, gateway)
        try:
            await told.gone
        except BaseException:
            answer.cancel()
            raise
        return answer

    def _send_line(self, gateway: str) -> None:
        task = asyncio.create_task(self._send_all(gateway, self._lines.pop(gateway)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send_all(self, gateway: str, line: list[_Told]) -> None:
        """Send what came for a gateway, in order, as many in one message as it takes."""
        size = self._at_once.get(gateway, 1)
        topic = f"lamps/{gateway}/command"
        while some := [one for one in line if not one.gone.done()][:size]:  # or taken back
            body = some[0].body if len(some) == 1 else _together(some)
            error: Exception | None = None
            try:
                await self.publish(topic, bytes(body))
            except PintuError as failed:
                error = failed
            for one in some:
                if one.gone.done():
                    continue
                if error is None:
                    one.gone.set_result(None)
                else:
                    one.gone.set_exception(error)

    def _forget(self, command_id: str, done: asyncio.Future[Answer]) -> None:
        if self._waiting.get(command_id, ("", None))[1] is done:
            del self._waiting[command_id]


def _together(some: list[_Told]) -> bytes:
    return msgspec.json.encode({"cmds": [one.body for one in some]})
