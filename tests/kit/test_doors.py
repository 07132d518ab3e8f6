"""Device sources by data alone: they start, change and stop with the configuration, on real
brokers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import getpass
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.intake.doors.secrets import write_secret
from pintu.kit import doors as doors_room
from pintu.kit.doors import DoorRunner, Ground
from pintu.kit.testing import MemoryLink, find_mosquitto, mosquitto
from pintu.vocabulary.mapping_words import mapping_words

PORT = 9940
MAPPING = {
    "type": "AirQualityObserved",
    "id": "{$topic[1]}",
    "observed_at": "$time",
    "fields": [{"from": "t", "to": "temperature", "kind": "number", "unit": "CEL"}],
}
pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


class City:
    """A configuration folder, a link that remembers, and the runner between them."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.clock = CityClock()
        self.configuration = Configuration(data / "config", self.clock)
        self.link = MemoryLink(self.clock)
        ground = Ground(
            data=data,
            egress=Egress(allow=("127.0.0.1",)),
            clock=self.clock,
            words=mapping_words,
        )
        self.runner = DoorRunner(self.configuration, self.link, ground)

    def source(self, name: str = "yard", **settings: Any) -> dict[str, Any]:
        content = {
            "door": "mqtt",
            "mappings": ["air"],
            "settings": {
                "broker": f"mqtt://127.0.0.1:{self.port}", "topics": ["yard/#"], **settings
            },
        }  # fmt: skip
        self.configuration.save("sources", name, content, by="test")
        return content

    def mapping(self, **more: Any) -> None:
        self.configuration.save("mappings", "air", {**MAPPING, **more}, by="test")

    def value(self, thing: str, source: str = "yard") -> Any:
        entity = self.link.context.entities.get(f"urn:ngsi-ld:AirQualityObserved:{source}:{thing}")
        return None if entity is None else entity["temperature"]["value"]

    def state(self, name: str = "yard") -> tuple[str, str]:
        report = self.link.source_reports.get(f"doors/{name}")
        return ("", "") if report is None else (report.state, report.detail)


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with mosquitto(port=PORT) as port:
        yield port


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[City]:
    monkeypatch.setattr(doors_room, "REPORT_EVERY_S", 0.1)
    city = City(tmp_path, port)
    task = asyncio.create_task(city.runner.run())
    try:
        yield city
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool], timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


async def publish(port: int, topic: str, body: Any, *, qos: int = 1, retain: bool = False) -> None:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(topic, raw, qos=qos, retain=retain)


async def test_a_source_starts_and_stops_with_its_file(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file appears: within two seconds its messages are in the context, named after it. It goes:
    the source is off, and what is sent then is nobody's."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="starts")
        await until(lambda: city.state()[0] == "up", 2.5)
        await publish(broker, "yard/D1", {"t": 21.5})
        await until(lambda: city.value("D1") == 21.5)
        assert "doors/yard" == city.link.batches[-1].source
        city.configuration.delete("sources", "yard")
        await until(lambda: city.state()[0] == "stopped", 2.5)
        await publish(broker, "yard/D1", {"t": 99})
        await asyncio.sleep(0.3)
        assert 21.5 == city.value("D1")


async def test_a_changed_mapping_reads_from_then_on(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit set right takes effect without a restart."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="changed")
        await until(lambda: city.state()[0] == "up")
        field = {"from": "t", "to": "temperature", "kind": "number", "unit": "FAH"}
        city.mapping(fields=[field])
        before = city.runner._standing["yard"].fingerprint
        await until(lambda: city.runner._standing["yard"].fingerprint != before, 2.5)
        await until(lambda: city.runner._standing["yard"].runner is not None)
        await until(lambda: city.state()[0] == "up")
        await publish(broker, "yard/D2", {"t": 212})
        await until(lambda: city.value("D2") is not None)
        assert 100.0 == pytest.approx(city.value("D2"))


async def test_a_broken_source_says_so_and_ends_no_other(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting, a file that is no TOML and a door nobody knows are states with a sentence;
    the good source beside them goes on."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="good")
        city.source("wrong", qos="7")
        city.configuration.save("sources", "odd", {"door": "telepathy"}, by="test")
        (tmp_path / "config" / "sources" / "torn.toml").write_text("door = [", "utf-8")
        await until(lambda: all(city.state(one)[0] == "down" for one in ("wrong", "odd", "torn")))
        await until(lambda: city.state()[0] == "up")
        assert "qos" in city.state("wrong")[1]
        assert "telepathy" in city.state("odd")[1]
        assert "torn.toml" in city.state("torn")[1]
        await publish(broker, "yard/D3", {"t": 1})
        await until(lambda: city.value("D3") == 1)


async def test_the_same_value_again_is_heard_again(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20, 30, 20: the third message has the first one's bytes and is no repeat of it, whatever the
    quality of service."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="again")
        await until(lambda: city.state()[0] == "up")
        for qos in (0, 1, 2):
            for value in (20, 30, 20):
                await publish(broker, f"yard/Q{qos}", {"t": value}, qos=qos)
                await until(lambda q=qos, v=value: city.value(f"Q{q}") == v)  # type: ignore[misc]


async def test_what_was_sent_while_we_were_away_arrives(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker keeps a lasting session: messages of QoS 1 come when the source is back."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        content = city.source(client_id="lasting")
        await until(lambda: city.state()[0] == "up")
        city.configuration.save("sources", "yard", {**content, "enabled": False}, by="test")
        await until(lambda: city.state()[0] == "stopped", 2.5)
        for number in range(5):
            await publish(broker, f"yard/L{number}", {"t": number})
        city.configuration.save("sources", "yard", content, by="test")
        await until(lambda: all(city.value(f"L{number}") == number for number in range(5)), 5)


async def test_a_message_held_is_read_after_its_mapping_is_mended(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be read waits with its reason; mended and retried it is in the context, and
    leaves the quarantine by the key it was held under."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="mended")
        await until(lambda: city.state()[0] == "up")
        await publish(broker, "yard/D4", {"t": "warm"})
        await publish(broker, "yard/D5", b"{")
        await until(lambda: len(city.link.quarantine) == 2)
        bad = next(one for one in city.link.quarantine if "warm" in one.reason)
        field = {**MAPPING["fields"][0], "codes": {"warm": "25"}}  # type: ignore[dict-item]
        city.mapping(fields=[field])
        before = city.runner._standing["yard"].fingerprint
        await until(lambda: city.runner._standing["yard"].fingerprint != before, 2.5)
        await until(lambda: city.runner._standing["yard"].runner is not None)
        city.link.retry(bad.envelope)
        await until(lambda: city.value("D4") == 25)
        assert bad.envelope.key == city.link.batches[-1].retry_of


async def test_retained_messages_are_taken_or_not(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a broker kept from before is told to who begins to listen, unless it is not wanted."""
    await publish(broker, "yard/R1", {"t": 7}, retain=True)
    try:
        async with running(tmp_path, broker, monkeypatch) as city:
            city.mapping()
            city.source("wants", client_id="wants")
            city.source("not", client_id="not", retained=False)
            await until(lambda: city.value("R1", "wants") == 7)
            await until(lambda: city.state("not")[0] == "up")
            assert city.value("R1", "not") is None
    finally:
        await publish(broker, "yard/R1", b"", retain=True)


async def test_mqtt_5_and_wildcards(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 5 keeps a session too; `+` hears one level."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(client_id="five", version="5", topics=["yard/+"])
        await until(lambda: city.state()[0] == "up")
        await publish(broker, "yard/deep/D6", {"t": 1})
        await publish(broker, "yard/D6", {"t": 2})
        await until(lambda: city.value("D6") == 2)
        assert 1 == len(city.link.batches)


async def test_an_address_inside_is_refused_unless_allowed(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that names an address of our own network is not let out by being a source."""
    async with running(tmp_path, broker, monkeypatch) as city:
        city.mapping()
        city.source(broker="mqtt://127.0.0.2:9940")
        await until(lambda: "may not be reached" in city.state()[1])


async def test_users_and_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a user, a secret in its own file and the broker's CA a message comes through; with a
    wrong password the source says that it is not let in, and starts when the secret is mended."""
    ca, cert, key = certificates(tmp_path)
    users = tmp_path / "users"
    users.write_text("gate:right\n", "utf-8")
    users.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(users)], check=True, capture_output=True)
    told = (
        f"user {getpass.getuser()}\nallow_anonymous false\npassword_file {users}\n"
        f"cafile {ca}\ncertfile {cert}\nkeyfile {key}\n"
    )
    data = tmp_path / "data"
    with mosquitto(told, port=PORT + 1) as port:
        async with running(data, port, monkeypatch) as city:
            city.mapping()
            write_secret(data, "yard", "wrong")
            city.source(broker=f"mqtts://gate@localhost:{port}", ca=ca.read_text(),
                        client_id="tls")  # fmt: skip
            city.runner._ground = Ground(
                data=data, egress=Egress(allow=("localhost",)), clock=city.clock,
                words=mapping_words,
            )  # fmt: skip
            await until(lambda: "uthori" in city.state()[1], 8)
            write_secret(data, "yard", "right")
            await until(lambda: city.state()[0] == "up", 5)
            async with aiomqtt.Client(
                "localhost", port, username="gate", password="right",
                tls_context=ssl.create_default_context(cafile=str(ca)),
            ) as client:  # fmt: skip
                await client.publish("yard/T1", b'{"t": 3}', qos=1)
            await until(lambda: city.value("T1") == 3)


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A CA, and a server's certificate for localhost that it signed."""
    now = datetime.datetime.now(datetime.UTC)

    def built(name: str, key: Any, issuer: str, signer: Any, ca: bool) -> bytes:
        common = x509.NameAttribute
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([common(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([common(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    paths = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(built("test CA", ca_key, "test CA", ca_key, True))
    paths[1].write_bytes(built("localhost", key, "test CA", ca_key, False))
    paths[2].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
