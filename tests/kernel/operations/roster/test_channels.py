"""Channels: what leaves the house is sealed, escaped and vouched for, as the standards say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiomqtt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.operations.roster.channels import template, web_push
from pintu.kernel.operations.roster.channels.mqtt import topic_of
from pintu.kernel.operations.roster.channels.settings import Channel, check_channel
from pintu.kernel.operations.roster.words import Envelope, Reach
from pintu.kit.testing import find_mosquitto, mosquitto

from .conftest import TENANT, Lives, Watch, message, rota, until
from .endpoints import http_endpoint, mail_server

# RFC 8291, section 5 and appendix A
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
OWN = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6"
    "TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy"
    "4a-fN"
)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(web_push.from_b64(text), "big")
    return ec.derive_private_key(number, web_push.CURVE)


def unseal(body: bytes, browser: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """What a browser does with a push."""
    salt, length = body[:16], body[20]
    sender, sealed = body[21 : 21 + length], body[21 + length :]
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(web_push.CURVE, sender)
    shared = browser.exchange(ec.ECDH(), theirs)
    info = b"WebPush: info\x00" + web_push.public_bytes(browser) + sender
    material = web_push._derive(shared, auth, info, 32)
    key = web_push._derive(material, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = web_push._derive(material, salt, b"Content-Encoding: nonce\x00", 12)
    return AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")[:-1]


def envelope(**more: Any) -> Envelope:
    told = {
        "reach": Reach(id="1", person="a", kind="webhook", channel="sms", address="100&to=x"),
        "message": message(text={"zh": '走"\n&', "en": "go"}),
        "key": "k1",
    }
    return Envelope(**{**told, **more})


def test_the_example_of_the_standard_is_sealed_to_the_byte() -> None:
    """RFC 8291, section 5."""
    body = web_push.seal(
        b"When I grow up, I want to be a watermelon",
        web_push.from_b64(BROWSER),
        web_push.from_b64(AUTH),
        private(OWN),
        web_push.from_b64(SALT),
    )
    assert SEALED == web_push.b64(body)


def test_a_push_service_can_check_who_sends() -> None:
    """RFC 8292: a token for that service's origin, signed by the key beside it."""
    key = web_push.signing_key(b"\x07" * 32)
    said = web_push.authorization(key, "https://push.example:8443/a/b", "https://city.cn", 99)
    token, _, public = said.removeprefix("vapid t=").partition(", k=")
    head, claims, signature = (web_push.from_b64(one) for one in token.split("."))
    assert {"typ": "JWT", "alg": "ES256"} == json.loads(head)
    expected = {"aud": "https://push.example:8443", "exp": 99, "sub": "https://city.cn"}
    assert expected == json.loads(claims)
    half = len(signature) // 2
    pair = (int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(web_push.CURVE, web_push.from_b64(public))
    told = token.rpartition(".")[0].encode()
    theirs.verify(encode_dss_signature(*pair), told, ec.ECDSA(hashes.SHA256()))


async def test_a_browser_reads_what_was_pushed(watch: Watch, tmp_path: Any) -> None:
    """Through a real endpoint over TLS: opened with the browser's key, with urgency and a topic;
    410 ends the subscription."""
    from tests.kernel.calling.certificate import certificate

    made = certificate(tmp_path, "127.0.0.1")
    watch.rooms.caller._tls = made.believing
    browser, auth = ec.generate_private_key(web_push.CURVE), b"0123456789abcdef"
    async with http_endpoint(201, 410, tls=made.serving) as service:
        secrets = {
            "p256dh": web_push.b64(web_push.public_bytes(browser)), "auth": web_push.b64(auth)
        }  # fmt: skip
        await watch.way("first", "push", "push", service.url, secrets=secrets)
        ring = await watch.room.duty.ring(TENANT, "incident:1", "critical", "倒杆" * 3000)
        await until(lambda: service.heard)
        heard = service.heard[0]
        told = json.loads(unseal(heard.body, browser, auth))
        assert ("值班呼叫", "critical", "ring") == (told["title"], told["severity"], told["kind"])
        assert len(heard.body) < 4096
        assert ("aes128gcm", "high", "900") == tuple(
            heard.headers[one] for one in ("content-encoding", "urgency", "ttl")
        )
        assert heard.headers["authorization"].endswith(watch.room.channels.push_key)
        await watch.room.duty.withdraw(TENANT, ring.subject)
        await watch.room.duty.ring(TENANT, "incident:2", "critical", "x")
        person = watch.people["first"].id
        await until(lambda: watch.room.ways.of(person)[0].broken)


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
async def test_a_broker_has_what_it_acknowledged(lives: Lives) -> None:
    """A real broker, one level of topic a person whatever their address says."""
    watch = await lives()
    await watch.room.roster.save_rota(watch.people["third"], rota(watch.people, "first"))
    await watch.start()
    with mosquitto() as port:
        watch.channel(
            "pager", kind="mqtt", host="127.0.0.1", port=port, security="none",
            topic="city/duty/{to}", body='{"say": "{text}"}',
        )  # fmt: skip
        await watch.way("first", "mqtt", "pager", "desk/1#+")
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("city/duty/#", qos=1)
            await watch.room.notifier.send(TENANT, message(), [watch.people["first"].id], "k")
            async with asyncio.timeout(5):
                heard = await anext(aiter(client.messages))
        assert ("city/duty/desk1", {"say": "请撤离"}) == (
            str(heard.topic), json.loads(heard.payload)
        )  # fmt: skip

        async def taken() -> bool:
            return await watch.states("warning:1") == ["delivered"]

        await until(taken)


async def test_a_mail_server_that_refuses(watch: Watch) -> None:
    """5xx is final, 4xx is tried again; what it says is not kept: it may name the address."""
    async with mail_server() as box:
        watch.channel("email", kind="email", host="127.0.0.1", port=box.port, security="none",
                      sender="d@c.example")  # fmt: skip
        await watch.way("first", "email", "email", "first@city.example")
        for answer, state in (("550 first@city.example is nobody", "failed"), ("451 x", "queued")):
            box.refuses = answer
            subject = f"order:{state}"
            await watch.room.notifier.send(
                TENANT, message(subject), [watch.people["first"].id], state
            )

            async def tried(subject: str = subject) -> bool:
                [one] = await watch.room.notifier.list_receipts(TENANT, subject=subject)
                return one.attempts == 1

            await until(tried)
            [one] = await watch.room.notifier.list_receipts(TENANT, subject=subject)
            assert (state, f"The mail server answered {answer[:3]}") == (one.state, one.detail)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/json", {"to": "100&to=x", "text": '走"\n&'}),
        ("application/x-www-form-urlencoded", "to=100%26to%3Dx&text=%E8%B5%B0%22%0A%26"),
        ("text/plain", '100&to=x 走"\n&'),
    ],
)
def test_no_message_leaves_its_place(kind: str, expected: Any) -> None:
    """Quotes, line ends and & of a message are only its own."""
    templates = {
        "application/json": '{"to": "{to}", "text": "{text}"}',
        "application/x-www-form-urlencoded": "to={to}&text={text}",
        "text/plain": "{to} {text}",
    }
    values = template.values_of(envelope())
    found = template.fill(templates[kind], values, kind)
    assert expected == (json.loads(found) if kind == "application/json" else found)
    assert "http://g/?p=100%26to%3Dx" == template.fill_url("http://g/?p={to}", values)
    assert '走" &' == template.fill_header("{text}", values)


@pytest.mark.parametrize(
    ("answer", "success", "taken"),
    [
        (b"{}", "", True), (b'{"errcode": 0}', "errcode=0", True),
        (b'{"errcode": 43004}', "errcode=0", False), (b"OK", "errcode=0", False),
        (b'{"data": {"state": "ok"}}', "data.state=ok", True), (b"[1]", "a.b=1", False),
    ],
)  # fmt: skip
def test_a_gateway_that_says_200_to_everything(answer: bytes, success: str, taken: bool) -> None:
    """Its answer is read where the operator said what a good one says."""
    assert taken == template.says(answer, success)


def test_a_topic_has_no_wildcard() -> None:
    """Whatever is put into its places."""
    channel = Channel(
        name="pager", kind="mqtt", host="h", port=1, topic="a/{to}/{subject}", security="none"
    )
    made = envelope(message=message("order:a/b"))
    assert "a/100&to=x/order:a_b" == topic_of(channel, made)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "push"}, {"name": "../x"}, {"kind": "webhook", "url": "ftp://x"},
        {"kind": "email", "host": ""}, {"kind": "email", "sender": "nobody"},
        {"kind": "email", "user": "u", "security": "none"}, {"kind": "mqtt", "topic": "a/#"},
        {"kind": "webhook", "url": "http://x", "headers": {"A": "b\r\nC: d"}},
    ],
)  # fmt: skip
def test_what_cannot_be_a_channel(change: dict[str, Any]) -> None:
    """With a sentence that says why."""
    told = {"name": "c", "kind": "email", "host": "h", "port": 25, "sender": "a@b"}
    with pytest.raises(BadRequestData, match="A channel"):
        check_channel(Channel(**{**told, **change}))


async def test_channels_are_files_and_their_secrets_are_not(watch: Watch, tmp_path: Any) -> None:
    """A readable file without the password; one edited wrongly is told of; removed means gone."""
    watch.channel("sms", "s3cret", kind="webhook", url="http://127.0.0.1:9/")
    text = (tmp_path / "config" / "channels" / "sms.toml").read_text("utf-8")
    assert "s3cret" not in text
    assert "s3cret" in (tmp_path / "keys" / "sources" / "channel_sms").read_text("utf-8")
    (tmp_path / "config" / "channels" / "wrong.toml").write_text('kind = "pigeon"\n')
    assert ["sms"] == [one.name for one in watch.room.channels.list_channels()]
    assert 1 == len(watch.room.channels.mistakes())
    watch.room.channels.remove("sms")
    assert not (tmp_path / "keys" / "sources" / "channel_sms").exists()
    with pytest.raises(ResourceNotFound):
        watch.room.channels.remove("push")
