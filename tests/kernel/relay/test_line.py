"""How NATS is reached: credentials of every sort in a file, over TLS, and a plain word when not."""

from __future__ import annotations

import os
from pathlib import Path

import nkeys
import pytest

from pintu.kernel.errors import Unavailable
from pintu.kernel.relay.bus import Bus
from pintu.kernel.relay.words import Line
from tests.kernel.relay.conftest import until
from tests.nats import nats_server
from tests.real_databases import certificate


async def _answers(line: Line) -> Bus:
    bus = Bus(line, "test")
    bus.start()
    await until(lambda: bus.connected or "Authorization" in bus.trouble, 10)
    return bus


async def test_credentials_over_tls(tmp_path: Path) -> None:
    """user:password or an nkey seed, whichever the file holds; others are not let in."""
    certificate(tmp_path, "server.crt", "server.key", "root")
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(seed).public_key.decode()
    users = f'{{ user: river, password: "a:b" }}, {{ nkey: {public} }}'
    tls = f'tls {{ cert_file: "{tmp_path}/server.crt", key_file: "{tmp_path}/server.key" }}'
    with nats_server(f"authorization {{ users: [ {users} ] }}\n{tls}") as server:
        url = f"tls://127.0.0.1:{server.port}"
        told = {"river:a:b": True, seed.decode(): True, "river:wrong": False, "token": False}
        for number, (text, let_in) in enumerate(told.items()):
            file = tmp_path / f"credentials{number}"
            file.write_text(text + "\n", "utf-8")
            ca = str(tmp_path / "server.crt")
            bus = await _answers(Line(urls=(url,), credentials=str(file), tls_ca=ca))
            assert let_in == bus.connected, (number, bus.trouble)
            if let_in:
                assert await bus.find_stream("none") is None
            else:
                with pytest.raises(Unavailable, match="NATS is away"):
                    await bus.api("INFO")
            await bus.stop()
