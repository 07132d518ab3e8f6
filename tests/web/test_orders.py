"""Pages of work orders: who sees which, what a foreman and a crew may do, and how it is said."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.web.identity_city import csrf, send
from tests.web.orders_city import OrdersTown, open_orders_town
from tests.web.small_city import LAMP

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with open_orders_town(tmp_path_factory.mktemp("orders")) as opened:
        yield opened


async def api(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    """A call of the page's script."""
    headers = {"x-csrf-token": await csrf(client), "accept": "application/json"}
    return await client.post(f"/api/v1/operations/orders{path}", json=body, headers=headers)


async def test_from_an_alarm_to_a_proof(town: OrdersTown) -> None:
    """The foreman gives it to a crew, the crew reports it done on a phone, and it closes when the
    lamp's own alarm is cleared: not before."""
    await town.alarm(1, "open")
    order = await town.open(1, "high")
    async with (
        aclosing(await town.signed_in("fan")) as foreman,
        aclosing(await town.signed_in("cui")) as crew,
    ):
        listed = (await foreman.get("/orders")).text
        assert "Repair a lamp · 长河路 1 号灯（演示）" in listed
        page = (await foreman.get(f"/orders/{order.id}")).text
        assert "An alarm still stands" in page
        assert "Counted around the clock." in page
        given = await send(foreman, f"/orders/{order.id}", verb="assign", crew="lamps-1", key="a")
        assert (303, f"/orders/{order.id}") == (given.status_code, given.headers["location"])
        mine = (await crew.get("/my-orders/list.json")).json()
        assert [("lamps-1", [order.id], ["confirm", "arrive", "report"])] == [
            (one["id"], [o["id"] for o in one["orders"]], one["orders"][0]["deeds"][:3])
            for one in mine["crews"]
        ]
        for _ in range(2):
            done = await api(crew, f"/{order.id}/deeds", verb="report", key="p", ago_s=5)
            assert (200, "reported") == (done.status_code, done.json()["state"])
        refused = await send(foreman, f"/orders/{order.id}", verb="close", key="c")
        assert 409 == refused.status_code
        assert "An alarm still stands: it stays open until the sensor clears it." in refused.text
        await town.alarm(1, "cleared")
        await town.orders.settle(await town.orders.get(order.id))
        page = (await foreman.get(f"/orders/{order.id}")).text
        assert "The sensor that raised it agrees." in page
        assert "closed: the sensor agrees" in page


async def test_a_crew_sees_its_own_and_nothing_else(town: OrdersTown) -> None:
    """Another crew's order does not exist, the queue and the crews are the room's, and a crew's
    deed is refused in words where the table says no."""
    order = await town.open(2)
    await town.orders.deed("demo", order.id, "assign", "x", crew="lamps-1")
    async with (
        aclosing(await town.signed_in("cen")) as other,
        aclosing(await town.signed_in("cui")) as crew,
    ):
        assert [403, 403, 404, 404] == [
            (await other.get("/orders")).status_code,
            (await other.get("/crews")).status_code,
            (await other.get(f"/orders/{order.id}")).status_code,
            (await other.get(f"/api/v1/operations/orders/{order.id}")).status_code,
        ]
        assert [] == (await other.get("/my-orders/list.json")).json()["crews"][0]["orders"]
        assert 200 == (await crew.get(f"/orders/{order.id}")).status_code
        assert "Give to a crew" not in (await crew.get(f"/orders/{order.id}")).text
        assert 404 == (await api(other, f"/{order.id}/deeds", verb="confirm", key="y")).status_code
        cancel = {"verb": "cancel", "key": "y", "reason": "tired"}
        assert 403 == (await api(crew, f"/{order.id}/deeds", **cancel)).status_code
        wrong = await api(crew, f"/{order.id}/deeds", verb="resume", key="z")
        assert (409, True) == (wrong.status_code, "cannot resume" in wrong.json()["detail"])
        plain = await crew.post(
            f"/api/v1/operations/orders/{order.id}/deeds", json={"verb": "confirm", "key": "w"}
        )
        assert 403 == plain.status_code, "a deed needs the token of the page"


async def test_opening_by_hand_and_the_way(town: OrdersTown) -> None:
    """A duty officer opens one from a thing's id; a crew's own queue shows its way; a list is a
    file too."""
    async with aclosing(await town.signed_in("duc")) as duty:
        made = await send(
            duty, "/orders", what="inspect", target=LAMP.format(5), severity="low", key="h"
        )
        assert 303 == made.status_code
        bad = await send(duty, "/orders", what="inspect", target="lamp", severity="low", key="i")
        assert (400, True) == (bad.status_code, "is not an entity id" in bad.text)
        await send(duty, made.headers["location"], verb="assign", crew="pumps-1", key="j")
        page = (await duty.get("/orders?crew=pumps-1")).text
        assert "The way of Pumps 1 (demo)" in page
        assert "roads are longer" in page
        told = (await duty.get("/orders?format=csv")).text
        assert "Inspect on site" in told
        ended = await duty.get("/orders?which=ended")
        assert 200 == ended.status_code


async def test_crews_are_kept_by_the_room(town: OrdersTown) -> None:
    """A crew is made, its shift planned and removed; what cannot be is said."""
    async with aclosing(await town.signed_in("fan")) as foreman:
        fields = {
            "id": "night-1",
            "zh": "夜间班（演示）",
            "en": "Night (demo)",
            "place": "120.2, 30.2",
        }
        assert 303 == (await send(foreman, "/crews", **fields)).status_code
        times = {"since": "2031-01-01T20:00", "until": "2031-01-02T08:00"}
        assert 303 == (await send(foreman, "/crews/night-1/shifts", **times)).status_code
        twice = await send(foreman, "/crews/night-1/shifts", **times)
        assert (400, True) == (twice.status_code, "at that time already" in twice.text)
        bad = await send(foreman, "/crews", **{**fields, "place": "here"})
        assert (400, True) == (bad.status_code, "not a longitude and a latitude" in bad.text)
        assert "Night (demo)" in (await foreman.get("/crews")).text


async def test_the_worker_keeps_what_the_page_needs(town: OrdersTown) -> None:
    """The service worker is served for its own page only, with every address it keeps."""
    async with aclosing(await town.signed_in("cui")) as crew:
        worker = await crew.get("/my-orders/worker.js")
        assert ("/my-orders", "no-cache") == (
            worker.headers["service-worker-allowed"],
            worker.headers["cache-control"],
        )
        assert "/static/my_orders.js?v=" in worker.text
        assert "KEPT */" not in worker.text
        page = (await crew.get("/my-orders")).text
        assert 'data-worker="/my-orders/worker.js"' in page
    async with town.browser() as nobody:
        assert 401 == (await nobody.get("/my-orders")).status_code
