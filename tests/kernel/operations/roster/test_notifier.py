"""Messages to people: taken, tried again, held over the night, never in anybody's way."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData, Forbidden, StateConflict
from pintu.kernel.operations.roster.lanes import AT_ONCE, Lanes
from pintu.kernel.operations.roster.words import Reach

from .conftest import TENANT, Lives, Watch, message, rota, until
from .endpoints import http_endpoint, mail_server


async def sent(watch: Watch, to: list[str], key: str = "k", **more: Any) -> list[Any]:
    return list(await watch.room.notifier.send(TENANT, message(**more), to, key))


async def test_a_person_is_told_by_every_way_they_left(watch: Watch) -> None:
    """A webhook of their own and the operator's SMS gateway: both receipts say delivered, and the
    number reaches the gateway alone."""
    async with http_endpoint() as own, http_endpoint((200, b'{"errcode": 0}')) as gateway:
        watch.channel(
            "sms", kind="webhook", url=gateway.url + "?key={secret}", secret="s3cret",
            body='{"phone": "{to}", "content": "{title}：{text}", "back": "{receipt}"}',
            headers={"X-Kind": "{kind}"}, success="errcode=0",
        )  # fmt: skip
        await watch.way("first", "webhook", "webhook", own.url)
        await watch.way("first", "webhook", "sms", "10012345678")
        found = await sent(watch, [watch.people["first"].id], text={"zh": '别走"A"线\n', "en": "x"})
        assert ["queued", "queued"] == [one.state for one in found]

        async def delivered() -> bool:
            return await watch.states("warning:1") == ["delivered", "delivered"]

        await until(delivered)
        told = json.loads(gateway.heard[0].body)
        assert ("10012345678", '暴雨预警：别走"A"线\n') == (told["phone"], told["content"])
        assert gateway.heard[0].path.endswith("?key=s3cret")
        assert "message" == gateway.heard[0].headers["x-kind"]
        body = json.loads(own.heard[0].body)
        assert ("暴雨预警", "medium") == (body["title"], body["severity"])
        assert own.heard[0].headers["idempotency-key"] in {one.id for one in found}
    everything = str(await watch.room.journal.list_deeds()) + str(
        await watch.room.notifier.list_receipts(TENANT)
    )
    assert "10012345678" not in everything
    assert own.url not in everything


async def test_a_mailbox_is_told_over_tls_by_who_may(watch: Watch, tmp_path: Any) -> None:
    """A real mail server behind STARTTLS and a password; two languages; one recipient a letter."""
    from tests.kernel.calling.certificate import certificate

    made = certificate(tmp_path, "127.0.0.1")
    watch.room.channels._tls = made.believing
    async with mail_server(made.serving, user="city", secret="pw") as box:
        watch.channel(
            "email", kind="email", host="127.0.0.1", port=box.port, security="starttls",
            user="city", sender="duty@city.example", secret="pw",
        )  # fmt: skip
        await watch.way("first", "email", "email", "first@city.example")
        await watch.way("second", "email", "email", "second@city.example", lang="en")
        found = await sent(watch, ["post:duty"], title={"zh": "暴雨\r\nBcc: x@y.cn", "en": "Rain"})
        await until(lambda: len(box.letters) == 2)
        by = {one["To"]: one for one in box.letters}
        assert {"first@city.example", "second@city.example"} == by.keys()
        assert "[medium] 暴雨 Bcc: x@y.cn" == by["first@city.example"]["Subject"]
        assert "Leave" == by["second@city.example"].get_content().strip()
        assert by["first@city.example"]["Message-ID"].strip("<>").split("@")[0] in {
            one.id for one in found
        }
        assert {("city", True)} == set(box.seen)
    await until(lambda: _states(watch, ["delivered", "delivered", "failed"]))


async def _tried(watch: Watch, many: int) -> bool:
    found = await watch.room.notifier.list_receipts(TENANT, subject="warning:1")
    return sum(one.attempts > 0 for one in found) == many


async def _states(watch: Watch, expected: list[str], subject: str = "warning:1") -> bool:
    return await watch.states(subject) == expected


async def test_an_endpoint_that_hangs_holds_nobody_up(watch: Watch) -> None:
    """Thirty messages wait for a dead gateway; another person's is there in no time, and `send`
    itself waits for nobody."""
    async with http_endpoint(0) as dead, http_endpoint() as alive, mail_server() as box:
        watch.channel("email", kind="email", host="127.0.0.1", port=box.port, security="none",
                      sender="d@c.example")  # fmt: skip
        await watch.way("first", "webhook", "webhook", dead.url)
        for number in range(30):
            begin = time.monotonic()
            await sent(watch, [watch.people["first"].id], f"d{number}", subject=f"order:{number}")
            assert time.monotonic() - begin < 5
        await until(lambda: len(dead.heard) == 4)  # as many at once as a lane takes
        await watch.way("second", "webhook", "webhook", alive.url)
        await watch.way("third", "email", "email", "third@city.example")
        begin = time.monotonic()
        people = [watch.people["second"].id, watch.people["third"].id]
        await sent(watch, people, "alive", subject="order:new")
        await until(lambda: alive.heard and box.letters)
        assert time.monotonic() - begin < 7  # the dead one is waited for longer
        assert 4 == len(dead.heard)


async def test_a_ring_goes_before_whatever_waits() -> None:
    """A lane with much before it sends the worst first; other lanes do not wait for it."""
    done: list[str] = []
    stuck = asyncio.Event()

    async def attempt(id: str) -> None:
        if id.startswith("stuck"):
            await stuck.wait()
        done.append(id)

    lanes = Lanes(attempt)
    for number in range(AT_ONCE):
        lanes.put("gateway", (3, number, f"stuck{number}"))
    await asyncio.sleep(0)
    for number in range(20):
        lanes.put("gateway", (3, number, f"order{number}"))
    lanes.put("gateway", (-5, 99, "ring"))
    lanes.put("mail", (3, 0, "letter"))
    await until(lambda: done == ["letter"])
    assert {"gateway": 25} == lanes.busy()
    stuck.set()
    await until(lambda: not lanes.busy())
    assert done.index("ring") <= AT_ONCE + 1 < done.index("order19")
    await lanes.stop()


async def test_what_fails_is_tried_again_and_told_when_given_up(watch: Watch) -> None:
    """503, then taken; a 400 is final; after ten attempts nobody tries any more, and a deed says
    who was not reached."""
    async with http_endpoint(503, 503, 200) as weak, http_endpoint(400) as wrong:
        await watch.way("first", "webhook", "webhook", weak.url)
        await watch.way("second", "webhook", "webhook", wrong.url)
        await sent(watch, [watch.people[one].id for one in ("first", "second")])
        for pause_s in (2, 5):
            await until(lambda: _states(watch, ["failed", "queued"]))
            known = len(weak.heard)
            await watch.later(pause_s)
            await until(lambda known=known: len(weak.heard) > known)
        await until(lambda: _states(watch, ["delivered", "failed"]))
        assert (3, 1) == (len(weak.heard), len(wrong.heard))
    [deed] = [one for one in watch.heard if one.verb == "not_delivered"]
    assert {"to": watch.people["second"].id, "channel": "webhook", "attempts": 1} == deed.detail


async def test_ten_attempts_are_the_end(watch: Watch) -> None:
    """Nothing listens there: about half an hour of tries, then failed."""
    await watch.way("first", "webhook", "webhook", "http://127.0.0.1:9/nothing")
    await sent(watch, [watch.people["first"].id])
    for attempt in range(1, 11):

        async def tried(attempt: int = attempt) -> bool:
            [one] = await watch.room.notifier.list_receipts(TENANT, subject="warning:1")
            return bool(one.attempts == attempt)

        await until(tried)
        await watch.later(300)
    [one] = await watch.room.notifier.list_receipts(TENANT, subject="warning:1")
    assert ("failed", 10) == (one.state, one.attempts)


async def test_an_address_that_is_gone_is_asked_no_more(watch: Watch) -> None:
    """410: the way is broken until it is saved again, and others are still used."""
    async with http_endpoint(410) as gone:
        await watch.way("first", "webhook", "webhook", gone.url)
        await sent(watch, [watch.people["first"].id])
        await until(lambda: _states(watch, ["failed"]))
        assert watch.room.ways.of(watch.people["first"].id)[0].broken
        await sent(watch, [watch.people["first"].id], "k2", subject="warning:2")
        assert ["failed"] == await watch.states("warning:2")
        assert 1 == len(gone.heard)


async def test_the_same_key_is_one_message(watch: Watch) -> None:
    """And with other words a conflict."""
    async with http_endpoint() as own:
        await watch.way("first", "webhook", "webhook", own.url)
        to = [watch.people["first"].id]
        first = await sent(watch, to)
        await until(lambda: _states(watch, ["delivered"]))
        again = await sent(watch, to)
        assert [one.id for one in first] == [one.id for one in again]
        assert 1 == len(own.heard)
        with pytest.raises(StateConflict):
            await sent(watch, to, text={"zh": "别的", "en": "other"})
        for wrong in ({"subject": "x"}, {"severity": "red"}, {"text": {}}):
            with pytest.raises(BadRequestData):
                await sent(watch, to, "k2", **wrong)
        with pytest.raises(BadRequestData):
            await sent(watch, ["channel:none"], "k3")
    assert 1 == [verb for verb, _ in await watch.deeds("warning:1")].count("notified")


async def test_quiet_hours_hold_what_can_wait(watch: Watch) -> None:
    """Who sleeps is told at seven; who is on duty at once."""
    async with http_endpoint() as own:
        quiet = ("22:00", "07:00")
        await watch.way("free", "webhook", "webhook", own.url, quiet=quiet)
        await watch.way("first", "webhook", "webhook", own.url + "2", quiet=quiet)
        await sent(watch, [watch.people["free"].id, watch.people["first"].id])
        await until(lambda: _states(watch, ["delivered", "held"]))
        assert ["/hook2"] == [one.path for one in own.heard]
        await watch.later(4 * 3600 - 1)
        await asyncio.sleep(0.02)
        assert 1 == len(own.heard)
        await watch.later(1)
        await until(lambda: _states(watch, ["delivered", "delivered"]))


async def test_the_all_clear_goes_to_everyone_who_got_the_warning(watch: Watch) -> None:
    """To who got it and to who may have; who had not been told yet never hears of either."""
    async with http_endpoint() as own, http_endpoint() as group:
        watch.channel("speakers", kind="webhook", url=group.url, to="square")
        await watch.way("first", "webhook", "webhook", own.url)
        await watch.way("free", "webhook", "webhook", own.url + "f", quiet=("22:00", "07:00"))
        await watch.way("second", "webhook", "webhook", "http://127.0.0.1:9/x")
        people = [watch.people[one].id for one in ("first", "second", "free")]
        await sent(watch, [*people, "channel:speakers"], severity="high")
        await until(lambda: _states(watch, ["delivered", "delivered", "held", "queued"]))
        await until(lambda: _tried(watch, 3))
        cleared = await watch.room.notifier.all_clear("warning:1", tenant=TENANT)
        other = {"zh": "另一句", "en": "other words"}  # a retry may find other words: told once
        again = await watch.room.notifier.all_clear("warning:1", tenant=TENANT, text=other)
        assert {one.id for one in cleared} == {one.id for one in again}
        expected = {watch.people[one].person for one in ("first", "second")}
        assert expected | {"channel:speakers"} == {one.person for one in cleared}
        await until(lambda: len(own.heard) == 2 and len(group.heard) == 2)
        told = [json.loads(one.body) for one in own.heard]
        assert ["message", "all_clear"] == [one["kind"] for one in told]
        assert "解除：暴雨预警" == told[1]["title"]
        await watch.later(5 * 3600)
        await asyncio.sleep(0.05)
        assert {"/hook"} == {one.path for one in own.heard}
    states = await watch.states("warning:1")
    assert 2 == states.count("withdrawn")
    assert ("all_clear_sent", "notifier") in await watch.deeds("warning:1")


async def test_a_channel_reports_what_became_of_it(watch: Watch) -> None:
    """With the mark it was handed: arrived, or failed with a reason; anybody else is refused."""
    async with http_endpoint() as own:
        await watch.way("first", "webhook", "webhook", own.url)
        [made] = await sent(watch, [watch.people["first"].id])
        await until(lambda: _states(watch, ["delivered"]))
        mark = json.loads(own.heard[0].body)["receipt"].rpartition("/")[2]
        with pytest.raises(Forbidden):
            await watch.room.notifier.arrived(made.id, "0" * 32)
        done = await watch.room.notifier.arrived(made.id, mark)
        assert "arrived" == done.state
        late = await watch.room.notifier.arrived(made.id, mark, failed="too late")
        assert "arrived" == late.state


async def test_what_was_not_taken_is_sent_after_a_restart(lives: Lives) -> None:
    """With the key it had: an endpoint that took it before knows it again."""
    async with http_endpoint(503, 200) as own:
        before = await lives()
        await before.room.roster.save_rota(before.people["third"], rota(before.people, "first"))
        await before.way("first", "webhook", "webhook", own.url)
        await before.start()
        await sent(before, [before.people["first"].id])
        await until(lambda: _states(before, ["queued"]) if own.heard else False)
        await before.stop()
        after = await lives()
        await after.start()
        await after.later(3)
        await until(lambda: _states(after, ["delivered"]))
        keys = {one.headers["idempotency-key"] for one in own.heard}
        assert (2, 1) == (len(own.heard), len(keys))


async def test_ways_are_ones_own(watch: Watch) -> None:
    """Nobody keeps or removes another's; addresses that cannot be are refused; the same address
    again is the same way."""
    first = await watch.way("first", "email", "email", "first@city.example")
    same = await watch.way("first", "email", "email", "first@city.example", least="high")
    assert first.id == same.id
    with pytest.raises(Forbidden):
        await watch.room.ways.remove(watch.people["second"], TENANT, first.id)
    other = Reach(
        id="", person=watch.people["first"].id, kind="email", channel="email", address="a@b.cn"
    )
    with pytest.raises(Forbidden):
        await watch.room.ways.save(watch.people["second"], TENANT, other)
    for kind, address in (("email", "nobody"), ("email", "a@b.cn, c@d.cn"), ("push", "https://x")):
        with pytest.raises(BadRequestData):
            await watch.way("first", kind, kind, address)
    await watch.room.ways.remove(watch.people["first"], TENANT, first.id)
    assert [] == watch.room.ways.of(watch.people["first"].id)
