"""A city that came out of a backup is a copy: it speaks to nobody until it is told, and what was
under way is not done again. Keys, sums, settings of backups."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu import restored
from pintu.city import City
from pintu.cli import run
from pintu.kept import read_kept
from pintu.kept_state import BASE, STREAM, keep_state, told_of
from pintu.kernel.context.write import upsert_replace
from pintu.kernel.errors import Forbidden, Unauthorized
from pintu.kernel.operations.asking import Ask
from pintu.kernel.store.port import Op
from pintu.processes.keeping.sealing import Passphrase, WrongPassphrase
from pintu.settings import Settings, load_settings
from pintu.web.ngsi_ld import Broker
from pintu.web.ngsi_ld.message import Request, Response
from tests.faults.brokers_town import Told

LAMP = "urn:ngsi-ld:Lamp:1"
BROWSER = {b"host": b"127.0.0.1:8800"}


@dataclass
class Begun:
    """What was made before the backup."""

    command: str  # under way
    key: str
    revoked: str  # a key that was, before the backup
    cookie: str  # of somebody who is signed in


async def lit(city: City, told: Told, number: int) -> None:
    """A change somebody subscribed to, until they were told."""
    tenant = await city.rooms.store.open_tenant("")
    document = {"id": LAMP, "type": "Lamp", "n": {"type": "Property", "value": number}}
    await city.rooms.store.submit([Op(tenant, LAMP, upsert_replace(document))], "push/x")
    async with asyncio.timeout(60):
        while number not in told.values.get(LAMP, ()):
            await asyncio.sleep(0.02)


async def begun(data: Path, told: Told) -> Begun:
    """A city with one command under way, keys, a session, and somebody who was told of a change."""
    data.mkdir()
    city = await City.open(settings_of(data, told))
    identity = city.rooms.identity
    try:
        key, _ = await identity.create_token("kept", ["admin"], kind="person")
        revoked, token = await identity.create_token("gone", ["admin"], kind="person")
        await identity.revoke_token(token.id)
        opened = await identity.open_session(key)
        asked = {
            "type": "Subscription", "entities": [{"type": "Lamp"}],
            "notification": {"endpoint": {"uri": f"http://127.0.0.1:{told.port}/"}},
        }  # fmt: skip
        body = json.dumps(asked).encode()
        headers = {**bearer(key), b"content-type": b"application/json",
                   b"content-length": b"%d" % len(body)}  # fmt: skip
        path = b"/ngsi-ld/v1/subscriptions"
        handled = Broker(city.rooms).handle(Request("POST", path, b"", headers, body, "127.0.0.1"))
        answer = handled if isinstance(handled, Response) else await handled
        assert 201 == answer.status, answer.body
        await lit(city, told, 1)
        target = "urn:ngsi-ld:Streetlight:x:1"
        ask = Ask(piece="made_up", name="Turn", target=target, arguments={}, key="one")
        many = await city.rooms.commands.enact([ask], "person:a", basis="test", persons=2)
        (command,) = many.commands
        assert command is not None, many.refused
        return Begun(command.id, key, revoked, opened.cookie)
    finally:
        await city.close()


def settings_of(data: Path, told: Told) -> Settings:
    """Of a city that may tell them."""
    return load_settings(data, {"PINTU_EGRESS_ALLOW": f"127.0.0.1:{told.port}"}, open=True)


def bearer(key: str) -> dict[bytes, bytes]:
    """The headers of somebody with a key."""
    return {**BROWSER, b"authorization": b"Bearer " + key.encode()}


def signs_in(city: City, made: Begun) -> None:
    """Whoever could before the backup can, and nobody else."""
    identity = city.rooms.identity
    session = {**BROWSER, b"cookie": f"pintu_session={made.cookie}".encode()}
    for headers in (bearer(made.key), session):
        assert "person" == identity.actor(headers, "10.0.0.1").kind
    with pytest.raises(Unauthorized):
        identity.actor(bearer(made.revoked), "10.0.0.1")


@pytest.fixture
def told() -> Iterator[Told]:
    """Somebody who subscribed."""
    heard = Told()
    yield heard
    heard.close()


async def test_what_was_under_way_is_not_sent_again(tmp_path: Path, told: Told) -> None:
    """It has ended as unknown, once; the copy reaches nobody; told that it is the city, it runs,
    and goes on telling where it was. Keys and sessions are what they were."""
    data, archive, again = tmp_path / "data", tmp_path / "b.tar.gz", tmp_path / "again"
    made = await begun(data, told)
    assert 0 == run(["backup", str(archive), "--open-keys", "--data", str(data)])
    assert 0 == run(["restore", str(archive), "--data", str(again)])
    city = await City.open(settings_of(again, told))
    try:
        signs_in(city, made)
        entry = await city.rooms.commands.get(made.command)
        steps = await city.rooms.commands.history(made.command)
        assert ("timed_out", "restore") == (entry.state, steps[-1].who)
        assert "unknown after restore" in steps[-1].detail
        assert [] == city.rooms.commands.to_send(frozenset({"made_up"}))
        assert not city.leading.running
        assert city.rooms.egress is not None
        with pytest.raises(Forbidden, match="copy"):
            await city.rooms.egress.target(f"http://127.0.0.1:{told.port}/")
    finally:
        await city.close()
    restored.take_over(again)
    city = await City.open(settings_of(again, told))
    try:
        assert city.leading.running
        assert len(steps) == len(await city.rooms.commands.history(made.command))
        signs_in(city, made)
        await lit(city, told, 2)
        assert {LAMP: [1, 2]} == told.values
    finally:
        await city.close()


def test_keys_are_sealed_or_left_out_and_that_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a word nothing is written; sealed ones open with their passphrase alone."""
    data, secret = tmp_path / "data", tmp_path / "pass"
    secret.write_text("demo passphrase one\n", "utf-8")
    (tmp_path / "one.ndjson").write_text('{"id": "urn:a:b", "type": "T"}\n', "utf-8")
    words = ["--data", str(data)]
    assert 0 == run(["import", str(tmp_path / "one.ndjson"), *words])
    archive, out = tmp_path / "b.tar.gz", tmp_path / "out.tar.gz"
    assert 2 == run(["backup", str(archive), *words])
    assert 0 == run(["backup", str(archive), "--passphrase-file", str(secret), *words])
    token = (data / "admin.token").read_bytes()
    assert token not in archive.read_bytes()
    again = tmp_path / "again"
    assert 1 == run(["restore", str(archive), "--data", str(again)])
    assert not again.exists()
    told = ["--passphrase-file", str(secret)]
    assert 0 == run(["verify", str(archive), *told])
    assert 0 == run(["restore", str(archive), "--data", str(again), *told])
    assert token == (again / "admin.token").read_bytes()
    assert 0 == run(["backup", str(out), "--without-keys", *words])
    assert 0 == run(["verify", str(out)])
    assert "left out on request" in capfd.readouterr().out
    content = out.read_bytes()
    out.write_bytes(content[:-6] + bytes([content[-6] ^ 1]) + content[-5:])  # in gzip's own sum
    assert 1 == run(["verify", str(out)])
    sealed = Passphrase("demo passphrase one").seal(b"x", "a")
    with pytest.raises(WrongPassphrase):
        Passphrase("another passphrase").open(sealed, "a")


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"folder": "x"}, "absolute"),
        ({"folder": "/x", "every_h": 0, "keys": "open"}, "every_h"),
        ({"folder": "/x", "keep": 0, "keys": "open"}, "keep"),
        ({"folder": "/x"}, "passphrase_file is missing"),
        ({"folder": "/x", "keys": "open", "more": 1}, "more"),
        ({"folder": "/x", "keys": "open", "server": "mysql://a"}, "server"),
        ("here", "table"),
    ],
)
def test_settings_of_backups_are_checked(told: object, wrong: str) -> None:
    """Each mistake is named."""
    assert any(wrong in one for one in read_kept(told)[1])


def test_how_old_the_last_backup_is_is_said(tmp_path: Path) -> None:
    """None, late, standing still, good."""
    kept, _ = read_kept({"folder": "/x", "keys": "open"})
    good, sentence = told_of(tmp_path, kept)
    assert (False, True) == (good, "No backup" in sentence)
    keep_state(tmp_path, BASE, {"as_of_us": 1})
    assert "h old" in told_of(tmp_path, kept)[1]
    keep_state(tmp_path, STREAM, {"trouble": "disk full"})
    assert "stand still: disk full" in told_of(tmp_path, kept)[1]
    assert told_of(tmp_path, None)[0]
