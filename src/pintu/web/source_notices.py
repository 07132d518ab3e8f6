"""Notifications about registrations on their way to MQTT brokers, as those about entities go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pintu.kernel.errors import Unavailable
from pintu.kernel.federation.telling import Pairs
from pintu.kernel.federation.watchers import Watchers
from pintu.kernel.federation.watching import Endpoint
from pintu.kernel.subscriptions import words

if TYPE_CHECKING:
    from pintu.kernel.egress import Egress
    from pintu.kernel.subscriptions.mqtt import MqttSender


def publish_through(watchers: Watchers, egress: Egress) -> None:
    """Let those who watch registrations be told over MQTT; lines are opened when first needed."""
    made: list[MqttSender] = []

    def sender() -> MqttSender:
        if not made:
            from pintu.kernel.subscriptions.mqtt import MqttSender  # with its library

            made.append(MqttSender(egress))
        return made[0]

    async def close() -> None:
        for one in made:
            await one.close()

    async def publish(endpoint: Endpoint, headers: Pairs, body: bytes) -> None:
        message = words.Message(
            id="",
            content_type=endpoint.accept,
            headers=tuple(pair for pair in headers if pair[0] != "Content-Type"),
            body=body,
            entities=1,
        )
        outcome = await sender().send(
            words.Endpoint(
                uri=endpoint.uri,
                receiver_info=endpoint.headers,
                notifier_info=endpoint.way,
                timeout_s=endpoint.timeout_s,
            ),
            message,
        )
        if not outcome.taken:
            raise Unavailable(outcome.detail or outcome.why)

    watchers.publish = publish
    watchers.closing = close
