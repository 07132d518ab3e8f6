"""(1) Gateways over MQTT: readings and inventories come in, commands go out, answers find who
waits for them."""

from __future__ import annotations

import asyncio

import msgspec

from pintu.kit import Clock, Unavailable
from pintu.kit.mqtt import MqttConnector
from pintu.pieces.street_lights.settings import Settings

ANSWER_WITHIN_S = 60.0


class Answer(msgspec.Struct):
    """What a gateway answers to a command."""

    cmd: str
    ok: bool
    reason: str = ""


class _Where(msgspec.Struct):
    id: str


class _Inventory(msgspec.Struct):
    lamps: list[_Where]


_answer = msgspec.json.Decoder(Answer)
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
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._gateway_of: dict[str, str] = {}

    def _look(self, topic: str, payload: bytes) -> bool:
        """Answers end here; an inventory also says which gateway a lamp hangs on."""
        _, _, rest = topic.partition("/")
        gateway, _, kind = rest.partition("/")
        if kind == "inventory":
            try:
                lamps = _inventory.decode(payload).lamps
            except (msgspec.DecodeError, msgspec.ValidationError):
                return False
            self._gateway_of.update((one.id, gateway) for one in lamps)
            return False
        if kind != "ack":
            return False
        try:
            answer = _answer.decode(payload)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return True  # nobody waits for what cannot be read; the ledger asks again
        waiting = self._waiting.get(answer.cmd)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
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
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = future
        future.add_done_callback(lambda done: self._forget(command_id, done))
        body = msgspec.json.encode({"cmd": command_id, "lamp": lamp, "level": level})
        try:
            await self.publish(f"lamps/{gateway}/command", body)
        except BaseException:
            future.cancel()
            raise
        return future

    def _forget(self, command_id: str, done: asyncio.Future[Answer]) -> None:
        if self._waiting.get(command_id) is done:
            del self._waiting[command_id]
