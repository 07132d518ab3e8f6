"""OPC UA against servers that are not ours: node-opcua (npm) in Node, and asyncua's own."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadInput, ConfigurationError, Forbidden, Unavailable
from pintu.kernel.intake.doors.mapped import compile_source
from pintu.kernel.intake.doors.opcua import connector, look
from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.words import Envelope, Update
from pintu.vocabulary.mapping_words import mapping_words

NODE_PORT, OWN_PORT = 9945, 9946
PEER = Path(__file__).parent / "opcua_peer" / "server.cjs"
PACKAGES = ("node-opcua-server@2", "node-opcua-certificate-manager@2")


def source(port: int = NODE_PORT, **settings: Any) -> SourceFile:
    told = {"endpoint": f"opc.tcp://127.0.0.1:{port}", "publish_ms": 100, **settings}
    return SourceFile(name="plant", door="opcua", mappings=["pump"], settings=told)


def around(data: Path, secret: str = "") -> Around:
    egress = Egress(allow=("127.0.0.1",))
    return Around(data=data, secret=secret, egress=egress, clock=CityClock())


@pytest.fixture(scope="module")
def node_opcua() -> Iterator[None]:
    """An independent server, installed once into the machine's folder for temporary files."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = Path(tempfile.gettempdir()) / "pintu-node-opcua"
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text("{}", "utf-8")
    if not (folder / "node_modules" / "node-opcua-server").is_dir():
        command = [npm, "install", *PACKAGES, "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip("node-opcua cannot be installed from the npm registry")
    process = subprocess.Popen(
        [node, str(PEER), str(NODE_PORT), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.strip() == "ready" for line in lines), "node-opcua did not start"
        yield
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


async def heard(made: Any, most: int, timeout_s: float = 10) -> list[Envelope]:
    """The first envelopes of a connector."""
    found: list[Envelope] = []
    receiving = made.receive()
    try:
        async with asyncio.timeout(timeout_s):
            async for received in receiving:
                found.append(received.envelope)
                if len(found) == most:
                    break
    finally:
        await receiving.aclose()
    return found


def records(found: list[Envelope]) -> list[dict[str, Any]]:
    return [row for one in found if "bad" not in one.meta for row in orjson.loads(one.body)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "told", [{}, {"security": "Basic256Sha256"}, {"security": "Basic256Sha256", "user": "foreman"}]
)
async def test_a_strange_server_is_browsed(
    node_opcua: None, tmp_path: Path, told: dict[str, Any]
) -> None:
    """Objects with variables are tables, in the clear, signed and encrypted, and with a user."""
    (table,) = await look(source(**told), around(tmp_path, "right"))
    seen = {one.name: (one.type, one.comment) for one in table.columns}
    assert "Plant/Pump1" == table.name
    assert ("number", "ns=1;s=Pump1.Temperature") == seen["Temperature"]
    assert ("empty", "ns=1;s=Pump1.Flow: BadSensorFailure") == seen["Flow"]


@pytest.mark.slow
async def test_its_values_enter_by_mapping_alone(node_opcua: None, tmp_path: Path) -> None:
    """Changes come with their source's own times and are mapped; the ill sensor's number is no
    value but a sentence in quarantine, said once."""
    made = connector(source(), around(tmp_path))
    found = await heard(made, 6)
    mapping = {
        "type": "WeatherObserved",
        "id": "{device}",
        "observed_at": "time",
        "fields": [{"from": "Label", "to": "name"}, {"from": "Temperature", "to": "temperature"}],
    }
    mapped = compile_source(source(), Payload(), {"pump": mapping}, mapping_words())
    entities = [
        one.entity
        for envelope in found
        if "bad" not in envelope.meta
        for one in mapped.normalise(envelope)
        if isinstance(one, Update)
    ]
    assert "urn:ngsi-ld:WeatherObserved:plant:Plant%2FPump1" == entities[0]["id"]
    assert "北一泵" in [one["name"]["value"] for one in entities if "name" in one]
    warm = [one["temperature"] for one in entities if "temperature" in one]
    assert len(warm) > 3 and len({one["observedAt"] for one in warm}) == len(warm)
    (refused,) = [one for one in found if "bad" in one.meta]
    with pytest.raises(BadInput, match=r"Flow.*BadSensorFailure"):
        mapped.normalise(refused)
    assert "Flow" in made.detail


@pytest.mark.slow
async def test_wrong_credentials_and_certificates_are_said(
    node_opcua: None, tmp_path: Path
) -> None:
    """A wrong password and a server that is not the one told are sentences, not silence."""
    with pytest.raises(Unavailable, match="lets nobody in"):
        await look(source(user="foreman"), around(tmp_path, "wrong"))
    told = {"security": "Basic256Sha256", "server_certificate": "ab" * 32}
    with pytest.raises(Unavailable, match="another certificate"):
        await look(source(**told), around(tmp_path))


class Plant:
    """asyncua's own server, for what cannot be told to the other one."""

    def __init__(self) -> None:
        self.server: Any = None
        self.level: Any = None

    async def start(self) -> None:
        from asyncua import Server

        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{OWN_PORT}")
        space = await self.server.register_namespace("urn:test:plant")
        tank = await self.server.nodes.objects.add_object(space, "Tank")
        self.level = await tank.add_variable(f"ns={space};s=Tank.Level", "Level", 1.5)
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    async def write(self, value: float, status: str = "Good") -> None:
        from asyncua import ua

        code = ua.StatusCode(getattr(ua.StatusCodes, status))
        data = ua.DataValue(ua.Variant(value, ua.VariantType.Double), code)
        await self.server.write_attribute_value(self.level.nodeid, data)


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    made = Plant()
    await made.start()
    yield made
    await made.stop()


async def test_named_nodes_and_qualities(plant: Plant, tmp_path: Path) -> None:
    """A node told by its id comes under the name it was given; an uncertain value is marked, a bad
    one has none, and a good one again clears what was said."""
    node = plant.level.nodeid.to_string()
    made = connector(source(OWN_PORT, nodes=[f"north/level = {node}"]), around(tmp_path))
    receiving = made.receive()
    try:
        async with asyncio.timeout(10):
            first = (await anext(receiving)).envelope
            await plant.write(2.5, "UncertainSensorNotAccurate")
            second = (await anext(receiving)).envelope
            await plant.write(9.0, "BadCommunicationError")
            third = (await anext(receiving)).envelope
            assert "BadCommunicationError" in made.detail
            await plant.write(3.5)
            fourth = (await anext(receiving)).envelope
    finally:
        await receiving.aclose()
    rows = records([first, second, fourth])
    assert [("north", 1.5, "good"), ("north", 2.5, "uncertain"), ("north", 3.5, "good")] == [
        (one["device"], one["level"], one["quality"]) for one in rows
    ]
    assert "BadCommunicationError" in third.meta["bad"]
    assert "" == made.detail


async def test_a_lost_server_ends_the_connection(tmp_path: Path) -> None:
    """When the server goes the connector says so, and connects again when it is back."""
    plant = Plant()
    await plant.start()
    made = connector(source(OWN_PORT), around(tmp_path))
    receiving = made.receive()
    assert 1.5 == records([(await anext(receiving)).envelope])[0]["Level"]
    await plant.stop()
    began_s = time.monotonic()
    with pytest.raises(Unavailable, match="lost"):
        async with asyncio.timeout(15):
            await anext(receiving)
    assert time.monotonic() - began_s < 12
    assert not made.connected
    plant = Plant()
    await plant.start()
    try:
        assert 1.5 == records(await heard(made, 1))[0]["Level"]
    finally:
        await plant.stop()


async def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """A wrong address, node and fingerprint are three sentences before anything is connected."""
    told = {"endpoint": "http://x", "nodes": ["what"], "server_certificate": "zz"}
    with pytest.raises(ConfigurationError) as caught:
        connector(source(**told), around(tmp_path))
    text = "; ".join(caught.value.mistakes)
    assert all(one in text for one in ("endpoint", "nodes", "server_certificate"))


async def test_an_inside_address_is_refused(tmp_path: Path) -> None:
    """A plant's address is asked of the egress guard like any other."""
    where = Around(data=tmp_path, secret="", egress=Egress(), clock=CityClock())
    with pytest.raises(Forbidden):
        await look(source(), where)
