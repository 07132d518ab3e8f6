"""Subscriptions that sources keep for ours, and what they tell, told on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from pintu.web.ngsi_ld import relayed
from pintu.web.ngsi_ld.message import Request, Response
from tests.web.ngsi_ld.foreign import Abroad, Heard, Said

pytestmark = pytest.mark.asyncio
ID = "urn:ngsi-ld:Subscription:of-lamps"
OPS = ["federationOps"]


def subscription(abroad: Abroad, **more: Any) -> dict[str, Any]:
    """Whoever wants to hear of lamps at `ear`."""
    endpoint = {"uri": f"{abroad.world.address}/ear/ngsi-ld/v1/told"}
    made = {
        "id": ID, "type": "Subscription", "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": endpoint},
    }  # fmt: skip
    return made | more


def lamp(number: int, **attributes: Any) -> dict[str, Any]:
    """A lamp with Property attributes."""
    made = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", **made}


async def until(there: Callable[[], Any]) -> Any:
    """What is there within a second or two."""
    for _ in range(400):
        found = there()
        if found:
            return found
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come")


async def heard(abroad: Abroad, name: str, number: int = 1) -> Heard:
    """The request of that number that a source or the ear got."""
    found: list[Heard] = await until(
        lambda: (some := abroad.world.heard.get(name, []))[number - 1 :] and some
    )
    return found[number - 1]


async def tells(abroad: Abroad, remote: str, *entities: Any) -> int:
    """A source tells of entities; the status it gets."""
    body = orjson.dumps({"type": "Notification", "subscriptionId": remote, "data": entities})
    headers = {b"content-type": b"application/json", b"content-length": b"%d" % len(body)}
    request = Request("POST", b"/ngsi-ld/ex/remote-notify", b"", headers, body)
    answer = abroad.door.broker.handle(request)
    response = answer if isinstance(answer, Response) else await answer
    return response.status


async def subscribed(abroad: Abroad, **more: Any) -> str:
    """A subscription that its source has taken; its id there."""
    abroad.world.says("one", 201)
    abroad.world.says("ear", 200)
    answer = await abroad.door("POST", "/subscriptions", subscription(abroad, **more))
    assert 201 == answer.status
    return str((await heard(abroad, "one")).document["id"])


async def told(abroad: Abroad, number: int = 1) -> list[Any]:
    """What the ear was told."""
    found: list[Any] = (await heard(abroad, "ear", number)).document["data"]
    return found


async def test_a_source_keeps_a_copy_that_tells_this_broker(abroad: Abroad) -> None:
    """It hears neither who subscribed nor the id they know it by."""
    await abroad.registers("one", operations=OPS)
    await subscribed(abroad, q="level>50")
    copy = (await heard(abroad, "one")).document
    assert ("level>50", [{"type": "Lamp"}]) == (copy["q"], copy["entities"])
    assert copy["notification"]["endpoint"]["uri"].endswith("/ngsi-ld/ex/remote-notify")
    assert b"/ear/" not in abroad.last("one").body
    assert ID.encode() not in abroad.last("one").body
    assert 1 == len(await abroad.door.json("GET", "/csourceSubscriptions"))


async def test_what_a_source_tells_is_told_under_our_id(abroad: Abroad) -> None:
    """To the subscriber, as its own subscription wants it shown."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad)
    assert 200 == await tells(abroad, remote, lamp(1, level=3))
    assert [lamp(1, level=3)] == await told(abroad)
    assert ID == abroad.last("ear").document["subscriptionId"]


async def test_a_source_tells_of_nothing_but_its_own(abroad: Abroad) -> None:
    """What it is not registered for, and what nobody asked for, is left out."""
    info = [{"entities": [{"type": "Lamp"}], "propertyNames": ["level"]}]
    await abroad.registers("one", operations=OPS, information=info)
    remote = await subscribed(abroad, q="level>50")
    cabinet = {"id": "urn:ngsi-ld:Cabinet:1", "type": "Cabinet"}
    garbage = [7, {"id": "x"}, cabinet, lamp(1, level=3), lamp(2, level=99, secret="s")]
    assert 200 == await tells(abroad, remote, *garbage)
    assert [lamp(2, level=99)] == await told(abroad)


async def test_an_id_that_nobody_was_given_is_not_heard(abroad: Abroad) -> None:
    """Neither our own id nor one that is made up."""
    await abroad.registers("one", operations=OPS)
    await subscribed(abroad)
    assert 404 == await tells(abroad, ID, lamp(1, level=3))
    assert 404 == await tells(abroad, "urn:ngsi-ld:Subscription:guessed", lamp(1, level=3))


async def test_split_entities_are_looked_at_together(abroad: Abroad) -> None:
    """The filter is not pushed down; a fragment is merged with what is here, then filtered."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad, q='level>50;name=="a"', splitEntities=True)
    assert "q" not in (await heard(abroad, "one")).document
    await abroad.door("POST", "/entities?local=true", lamp(1, name="a"))
    assert 200 == await tells(abroad, remote, lamp(1, level=10))
    assert 200 == await tells(abroad, remote, lamp(1, level=99))
    assert [lamp(1, name="a", level=99)] == await told(abroad)


async def test_fragments_of_other_sources_are_put_beside(abroad: Abroad) -> None:
    """A split entity is told as it is over all sources."""
    await abroad.registers("one", operations=OPS)
    await abroad.registers("two", operations=["retrieveEntity"])
    abroad.world.says("two", 200, lamp(1, name="b"))
    remote = await subscribed(abroad, splitEntities=True)
    assert 200 == await tells(abroad, remote, lamp(1, level=99))
    assert [lamp(1, name="b", level=99)] == await told(abroad)
    assert ["POST subscriptions"] == abroad.lines("one"), "who told is not asked"


async def test_a_deletion_is_told_as_one(abroad: Abroad) -> None:
    """To whoever wants to hear of deletions."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad, notificationTrigger=["entityDeleted"])
    gone = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "deletedAt": "2026-01-01T00:00:00Z"}
    assert 200 == await tells(abroad, remote, gone)
    assert ["urn:ngsi-ld:Lamp:1"] == [one["id"] for one in await told(abroad) if "deletedAt" in one]


async def test_a_source_that_comes_later_is_asked_too(abroad: Abroad) -> None:
    """And is told when the subscription goes."""
    abroad.world.says("one", 201)
    await abroad.door("POST", "/subscriptions", subscription(abroad))
    await abroad.registers("one", operations=OPS)
    remote = (await heard(abroad, "one")).document["id"]
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("DELETE", f"/subscriptions/{ID}")).status
    assert f"DELETE subscriptions/{remote}" == (await heard(abroad, "one", 2)).line
    assert 404 == await tells(abroad, remote, lamp(1, level=3))
    assert [] == await abroad.door.json("GET", "/csourceSubscriptions")


async def test_a_changed_subscription_is_changed_there(abroad: Abroad) -> None:
    """With the same id; nothing is sent when nothing of its copy changed."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad)
    abroad.world.says("one", 204)
    await abroad.door("PATCH", f"/subscriptions/{ID}", {"subscriptionName": "lamps"})
    await abroad.door("PATCH", f"/subscriptions/{ID}", {"q": "level>7"})
    changed = await heard(abroad, "one", 2)
    assert (f"PATCH subscriptions/{remote}", "level>7") == (changed.line, changed.document["q"])


@pytest.mark.parametrize("query", ["?local=true", ""])
async def test_what_stays_here_is_asked_of_nobody(abroad: Abroad, query: str) -> None:
    """A local subscription, or sources that take none."""
    await abroad.registers("one", operations=OPS if query else ["retrieveOps"])
    await abroad.door("POST", f"/subscriptions{query}", subscription(abroad))
    await asyncio.sleep(0.05)
    assert [] == abroad.lines("one")


async def test_a_copy_of_another_brokers_goes_round_no_ring(abroad: Abroad) -> None:
    """It is handed on with the way it came, and never to where it has been."""
    await abroad.registers("one", operations=OPS, contextSourceAlias="one")
    await abroad.registers("two", operations=OPS, contextSourceAlias="two")
    abroad.world.says("two", 201)
    endpoint = {"uri": "http://one.example/ngsi-ld/ex/remote-notify"}
    copy = subscription(abroad, notification={"endpoint": endpoint})
    await abroad.door("POST", "/subscriptions", copy, via="1.1 one")
    assert "1.1 one, 1.1 pintu-127.0.0.1:8800" == (await heard(abroad, "two")).headers["via"]
    assert [] == abroad.lines("one")


async def test_what_the_subscriber_does_not_take_is_told_again(abroad: Abroad) -> None:
    """A source was told that we have it: it is kept until the subscriber has it."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad)
    abroad.world.says("ear", 500)
    assert 200 == await tells(abroad, remote, lamp(1, level=3))
    await heard(abroad, "ear")
    abroad.world.says("ear", 200)
    assert [lamp(1, level=3)] == await told(abroad, 2)


async def test_nothing_is_told_after_unsubscribing(
    abroad: Abroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is under way is cut off, what waits is let go; too much at once is refused, not lost."""
    await abroad.registers("one", operations=OPS)
    remote = await subscribed(abroad)

    async def slow(_: Heard) -> Said:
        await asyncio.sleep(5)
        return Said(200)

    abroad.world.behaviours["ear"] = slow
    for number in (1, 2):
        assert 200 == await tells(abroad, remote, lamp(number, level=3))
    await heard(abroad, "ear")
    monkeypatch.setattr(relayed, "MOST", 1)
    assert 413 == await tells(abroad, remote, lamp(1), lamp(2))
    assert 204 == (await abroad.door("DELETE", f"/subscriptions/{ID}")).status
    federation = abroad.door.broker.rooms.federation
    assert federation is not None
    await until(lambda: not federation.relaying.relays.waiting())
    assert 1 == len(abroad.lines("ear"))
