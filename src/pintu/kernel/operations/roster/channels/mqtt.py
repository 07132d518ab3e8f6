"""MQTT: one message to the operator's broker, taken when the broker acknowledged it (QoS 1)."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Any, Final

import aiomqtt

from pintu.kernel.egress import Egress
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.operations.roster.channels import template
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.kernel.operations.roster.words import Envelope, Outcome

TIMEOUT_S: Final = 8.0
CONNECT_S: Final = 5.0


def topic_of(channel: Channel, envelope: Envelope) -> str:
    """Where it is published; what a person's address adds is one level and no wildcard."""
    level = "".join(one for one in envelope.reach.address if one not in "+#/\x00") or "_"
    values = {**template.values_of(envelope), "to": level}
    return template.PLACE.sub(lambda found: values[found[1]].replace("/", "_"), channel.topic)


async def send(
    egress: Egress,
    envelope: Envelope,
    channel: Channel,
    trust: tuple[str, ssl.SSLContext | None],
) -> Outcome:
    """Publish one envelope over a connection of its own: messages to people are few."""
    values = template.values_of(envelope)
    told = {name: value for name, value in values.items() if name != "to" and value}
    body = template.fill(channel.body, values, "application/json") if channel.body else ""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            address = await egress.reach(channel.host, channel.port)
            async with _client(channel, address, trust) as client:
                topic, payload = topic_of(channel, envelope), body or _json(told)
                await client.publish(topic, payload, qos=1, timeout=TIMEOUT_S)
    except Forbidden:
        return Outcome(taken=False, again=False, detail="The broker may not be reached from here")
    except TimeoutError:
        return Outcome(taken=False, detail=f"The broker did not answer in {TIMEOUT_S:g} s")
    except (PintuError, aiomqtt.MqttError, OSError) as error:
        return Outcome(taken=False, detail=f"The broker was not reached ({type(error).__name__})")
    return Outcome(taken=True, detail="PUBACK")


def _json(told: dict[str, str]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _client(
    channel: Channel, address: str, trust: tuple[str, ssl.SSLContext | None]
) -> aiomqtt.Client:
    secret, tls = trust
    secured = channel.security != "none"
    client = aiomqtt.Client(
        channel.host,
        channel.port,
        username=channel.user or None,
        password=secret or None,
        tls_context=(tls or ssl.create_default_context()) if secured else None,
        timeout=CONNECT_S,
    )
    # the name stays what a certificate is held against, the connection goes to the checked address
    paho: Any = client._client
    paho._create_socket_connection = lambda: socket.create_connection(
        (address, channel.port), timeout=CONNECT_S
    )
    return client
