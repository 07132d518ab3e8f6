"""The page of subscriptions: what is wrong first, no secrets, deeds under the right grants."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pintu.kernel.calling import Caller
from pintu.kernel.jsonld import CORE
from pintu.kernel.subscriptions.opening import open_subscriptions
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.ways import open_delivery
from pintu.kernel.subscriptions.words import Asker, Subscription
from tests.web.conftest import browser
from tests.web.small_city import SmallCity, open_small_city


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[SmallCity]:
    """A small city that tells whoever subscribes."""
    made = await open_small_city(tmp_path / "data", lamps=3)
    rooms = made.rooms
    rooms.caller = Caller(rooms.egress)
    rooms.subscriptions = open_subscriptions(made.tables, rooms.store, rooms.clock)
    rooms.delivery = open_delivery(rooms.subscriptions, rooms)
    await rooms.delivery.start()
    yield made
    await rooms.delivery.stop()
    await rooms.caller.close()
    await made.close()


async def subscribed(city: SmallCity, id: str, uri: str, **more: Any) -> Subscription:
    """A subscription to lamps of the demo tenant by somebody's token."""
    asker = more.pop("asker", "token:1")
    sent = {"type": "Subscription", "entities": [{"type": "Streetlight"}], **more}
    sent["notification"] = {"endpoint": {"uri": uri}}
    number = city.rooms.store.tenant("demo") or 0
    filed = Filed(
        id=f"urn:s:{id}", tenant=number, tenant_name="demo", asker=Asker(id=asker), created_us=1
    )
    one = build(read_document(sent, CORE, city.rooms.clock.now_us()), filed)
    assert city.rooms.subscriptions is not None
    await city.rooms.subscriptions.add(one)
    return one


def as_admin(city: SmallCity) -> httpx.AsyncClient:
    """The page by the administrator's token."""
    client = browser(city)
    client.headers["authorization"] = f"Bearer {city.admin}"
    return client


async def test_what_is_wrong_stands_first_with_its_reason(city: SmallCity) -> None:
    """Parked before failing before well, each with what it is about."""
    rooms = city.rooms
    assert rooms.delivery is not None and rooms.subscriptions is not None
    await subscribed(city, "well", "http://h.example/a", subscriptionName="One that is well")
    parked = await subscribed(city, "parked", "http://h.example/b", description="A parked one")
    failing = await subscribed(city, "failing", "http://h.example/c", description="A failing one")
    rooms.delivery.park(parked, "It answered 500 for a day")
    state = rooms.subscriptions.state(failing)
    state.attempts, state.last_error = 3, "The endpoint answered 503"
    async with as_admin(city) as client:
        page = (await client.get("/subscriptions?lang=en")).text
        order = [page.index(one) for one in ("A parked one", "A failing one", "One that is well")]
        assert sorted(order) == order
        assert "It answered 500 for a day" in page
        assert "The endpoint answered 503" in page
        assert '<span class="count bad">2</span>' in page
        only = (await client.get("/subscriptions?lang=zh-CN&how=parked")).text
        assert ("A parked one" in only, "One that is well" in only) == (True, False)
        assert "已停放" in only


async def test_secrets_of_an_endpoint_are_not_shown(city: SmallCity) -> None:
    """Neither a password nor a query."""
    await subscribed(city, "a", "mqtt://lamp:s3cret@h.example:1884/town/lamps?key=t0ken")
    async with as_admin(city) as client:
        page = (await client.get("/subscriptions")).text
    assert "mqtt://…@h.example:1884/town/lamps?…" in page
    assert not re.search("s3cret|t0ken", page)


async def test_others_see_their_own_alone(city: SmallCity) -> None:
    """A stranger sees none and may do nothing."""
    await subscribed(city, "a", "http://h.example/", description="Somebody's own")
    async with browser(city, peer="10.1.1.1") as client:
        page = await client.get("/subscriptions?lang=en")
        assert 401 == page.status_code
        assert "Somebody" not in page.text
        told = {"tenant": "demo", "id": "urn:s:a", "deed": "delete"}
        refused = await client.post("/subscriptions/decide", data=told)
    assert refused.status_code in (401, 403)
    assert city.rooms.subscriptions is not None
    assert 1 == city.rooms.subscriptions.count()


async def test_one_is_parked_tried_again_and_deleted(city: SmallCity) -> None:
    """Each deed says what it did; what is gone is said to be gone."""
    one = await subscribed(city, "a", "http://127.0.0.1:1/")
    rooms = city.rooms
    assert rooms.subscriptions is not None
    state = rooms.subscriptions.state(one)
    told = {"tenant": "demo", "id": one.id}
    async with as_admin(city) as client:
        done = await client.post("/subscriptions/decide", data={**told, "deed": "park"})
        assert (303, True) == (done.status_code, bool(state.parked))
        done = await client.post("/subscriptions/decide", data={**told, "deed": "retry"})
        assert ("/subscriptions?done=retry", "") == (done.headers["location"], state.parked)
        assert "It is told again" in (await client.get(done.headers["location"] + "&lang=en")).text
        await client.post("/subscriptions/decide", data={**told, "deed": "delete"})
        assert 0 == rooms.subscriptions.count()
        gone = await client.post("/subscriptions/decide", data={**told, "deed": "retry"})
    assert 404 == gone.status_code


async def test_many_come_in_pages_and_are_found(city: SmallCity) -> None:
    """Fifty at once; a part of a name finds one of them."""
    for number in range(60):
        await subscribed(city, f"{number:03}", "http://h.example/", description=f"No {number:03}")
    async with as_admin(city) as client:
        first = (await client.get("/subscriptions?lang=en")).text
        second = (await client.get("/subscriptions?lang=en&start=50")).text
        one = (await client.get("/subscriptions?lang=en&q=no 042")).text
    assert (50, 10, 1) == tuple(text.count('class="panel') for text in (first, second, one))
