"""Notifications through a real MQTT broker: versions, QoS, users, TLS, a broker that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest

from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData
from pintu.kernel.subscriptions.mqtt import MqttSender, broker_of, payload_of, qos_of
from pintu.kernel.subscriptions.states import TAKEN
from pintu.kernel.subscriptions.words import Endpoint, Message
from pintu.kit.testing import find_mosquitto, free_port, mosquitto
from tests.kernel.calling.certificate import certificate

OPEN = Egress(allow_loopback=True)
MESSAGE = Message(
    id="urn:n:1",
    content_type="application/json",
    headers=(("Link", "<http://c.example/>"), ("NGSILD-Tenant", "town")),
    body=b'{"id":"urn:n:1","type":"Notification","data":[]}',
    entities=0,
)
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A broker that lets everybody in."""
    with mosquitto() as port:
        yield port


@pytest.fixture
async def sender() -> AsyncIterator[MqttSender]:
    """A sender that may reach this machine."""
    made = MqttSender(OPEN)
    yield made
    await made.close()


def endpoint(uri: str, *pairs: tuple[str, str]) -> Endpoint:
    """An endpoint with what it says about the way there."""
    return Endpoint(uri=uri, notifier_info=pairs, timeout_s=3.0)


async def heard(port: int, topic: str, count: int, ready: asyncio.Event) -> list[tuple[Any, int]]:
    """(payload, QoS) of the first messages of a topic."""
    found: list[tuple[Any, int]] = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic, qos=2)
        ready.set()
        async for message in client.messages:
            found.append((msgspec.json.decode(message.payload), message.qos))
            if len(found) == count:
                return found
    return found


@needs_broker
@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0"])
async def test_a_notification_is_published_with_its_headers_beside_it(
    port: int, sender: MqttSender, version: str
) -> None:
    """Metadata and body, at the quality that was asked for, on one kept connection."""
    ready, topic = asyncio.Event(), f"town/{version}"
    listening = asyncio.create_task(heard(port, topic, 3, ready))
    await ready.wait()
    for qos in ("0", "1", "2"):
        to = endpoint(
            f"mqtt://127.0.0.1:{port}/{topic}", ("MQTT-Version", version), ("MQTT-QoS", qos)
        )
        assert TAKEN == await sender.send(to, MESSAGE)
    async with asyncio.timeout(5):
        found = await listening
    expected = {
        "metadata": {
            "Content-Type": "application/json",
            "Link": "<http://c.example/>",
            "NGSILD-Tenant": "town",
        },
        "body": {"id": "urn:n:1", "type": "Notification", "data": []},
    }
    assert [(expected, 0), (expected, 1), (expected, 2)] == found
    assert 1 == len(sender._lines)


@needs_broker
async def test_users_and_certificates_are_shown_and_checked(tmp_path: Path) -> None:
    """With the password it is taken; with another it is not, and a foreign certificate ends it."""
    made = certificate(tmp_path, "127.0.0.1")
    import subprocess

    passwords = tmp_path / "passwords"
    command = ["mosquitto_passwd", "-b", "-c", str(passwords), "lamp", "s:cret/"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mosquitto_passwd is not installed")
    for one in (passwords, made.key, made.file):
        one.chmod(0o644)
    tmp_path.chmod(0o755)
    port = free_port()
    extra = (
        f"allow_anonymous false\npassword_file {passwords}\n"
        f"certfile {made.file}\nkeyfile {made.key}\nuser root\n"
    )
    with mosquitto(extra, port):
        good = MqttSender(OPEN, tls=made.believing)
        uri = f"mqtts://lamp:s%3Acret%2F@127.0.0.1:{port}/town"
        assert TAKEN == await good.send(endpoint(uri, ("MQTT-QoS", "1")), MESSAGE)
        wrong = await good.send(endpoint(uri.replace("cret", "kret")), MESSAGE)
        stranger = MqttSender(OPEN)
        foreign = await stranger.send(endpoint(uri), MESSAGE)
        assert ["unreached", "unreached"] == [wrong.why, foreign.why]
        for one in (good, stranger):
            await one.close()


@needs_broker
async def test_a_broker_that_went_away_is_reached_again(sender: MqttSender) -> None:
    """While it is away that is told; when it is back the next message is taken."""
    port = free_port()
    to = endpoint(f"mqtt://127.0.0.1:{port}/town", ("MQTT-QoS", "1"))
    with mosquitto(port=port):
        assert TAKEN == await sender.send(to, MESSAGE)
    away = await sender.send(to, MESSAGE)
    with mosquitto(port=port):
        back = await sender.send(to, MESSAGE)
    assert ("unreached", TAKEN) == (away.why, back)


async def test_a_broker_inside_our_network_is_not_reached() -> None:
    """Its address is checked like any other."""
    sender = MqttSender(Egress())
    outcome = await sender.send(endpoint("mqtt://10.0.0.1/town"), MESSAGE)
    assert "forbidden" == outcome.why


@pytest.mark.parametrize(
    "uri", ["mqtt://h/", "mqtt:///town", "http://h/town", "mqtt://h/a/%2B", "mqtt://h:x/town"]
)
def test_what_is_no_address_of_a_topic_is_said_to_be_none(uri: str) -> None:
    """A host, perhaps a port, and a topic without wildcards."""
    with pytest.raises(BadRequestData):
        broker_of(endpoint(uri))


def test_versions_and_qualities_nobody_knows_are_refused() -> None:
    """Only what the standard names."""
    with pytest.raises(BadRequestData):
        broker_of(endpoint("mqtt://h/t", ("MQTT-Version", "mqtt4")))
    with pytest.raises(BadRequestData):
        qos_of(endpoint("mqtt://h/t", ("MQTT-QoS", "3")))


def test_a_payload_is_one_json_document() -> None:
    """Headers with any character leave it whole."""
    odd = Message(id="n", content_type="a", headers=(("X", 'q"\\拼'),), body=b"{}", entities=0)
    told = msgspec.json.decode(payload_of(odd))
    assert {"metadata": {"Content-Type": "a", "X": 'q"\\拼'}, "body": {}} == told
