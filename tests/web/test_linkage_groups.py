"""Groups of records that are one, and undoing what joined them, as a data officer meets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.words import Ref
from tests.web.identity_city import open_town, send
from tests.web.test_linkage import ID, Place, begin, hand

pytestmark = pytest.mark.asyncio(loop_scope="module")
REFS = [Ref("patients", "1"), Ref("pupils", "1")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_town(tmp_path_factory.mktemp("groups") / "town") as town:
        opened = Place(town)
        await opened.fill()
        yield opened


async def snapshot(place: Place) -> bytes:
    """Every group of the plan, as bytes."""
    return await place.room._opened.read(lambda c: keeping.snapshot(c, "children"))


async def test_a_merge_is_undone_on_its_page_exactly(place: Place) -> None:
    """The reason is asked first and leads back to the page; the group tells what holds, masked,
    and its story; undoing puts every byte back, says that they differ, and can be undone too."""
    before = await snapshot(place)
    event = await place.room.merge("children", REFS, await hand(place))
    assert event is not None
    joined, id = await snapshot(place), event.after[0].id
    page = f"/linkage/children/groups/{id}"
    async with aclosing(await place.town.signed_in("stew")) as client:
        asked = await client.get(page)
        assert "Why you look" in asked.text and "赵" not in asked.text
        told = {"purpose": "treatment", "reason": "补种前核对名单", "to": f"groups/{id}"}
        assert page == (await send(client, "/linkage/children/begin", **told)).headers["location"]
        shown = (await client.get(page)).text
        assert "2016-04-05" in shown and ID not in shown and "<b>赵" not in shown
        assert "赵人子" not in shown  # the school's word is the school's
        assert "checked> They are different" in shown
        bare = await client.post("/linkage/children/undo", data={"event": event.number})
        assert (403, joined) == (bare.status_code, await snapshot(place))
        deed = {"event": str(event.number), "group": id, "apart": "yes"}
        done = await send(client, "/linkage/children/undo", **deed)
        assert 303 == done.status_code, done.text[:500]
        assert before == await snapshot(place)
        assert {
            "open": 1,
            "different": 1,
            "same": 0,
            "unsure": 0,
        } == await place.room.desk.progress("children")
        after = (await client.get(done.headers["location"])).text
        assert "everything is exactly as it was" in after and "This group is parted" in after
        again = await send(client, "/linkage/children/undo", **deed)
        assert 409 == again.status_code and "Somebody undid this already" in again.text
        back = {"event": done.headers["location"].rpartition("=")[2], "group": id}
        assert 303 == (await send(client, "/linkage/children/undo", **back)).status_code
        assert joined == await snapshot(place)
        assert 1 == (await place.room.desk.progress("children"))["same"]
        stranger = {**back, "group": "c0"}
        assert 404 == (await send(client, "/linkage/children/undo", **stranger)).status_code


async def test_a_group_is_found_by_a_key_that_no_address_tells(place: Place) -> None:
    """Of one's own data set; a record that is alone or another department's is not told of. An
    administrator and an auditor see and undo nothing."""
    await place.room.merge("children", REFS, await hand(place))
    joined = await place.room.find_cluster("children", REFS[0])
    assert joined is not None
    event = (await place.room.events(joined.id))[0]
    why = {"purpose": "treatment", "reason": "补种前核对名单"}
    deed = {"event": str(event.number), "group": joined.id, **why}
    for login in ("root", "watch"):
        async with aclosing(await place.town.signed_in(login)) as client:
            for one in ("groups", f"groups/{joined.id}"):
                answer = await client.get(f"/linkage/children/{one}", params=why)
                assert 403 == answer.status_code
            assert 303 != (await send(client, "/linkage/children/undo", **deed)).status_code
    assert await place.room.find_cluster("children", REFS[0]) is not None
    async with aclosing(await place.town.signed_in("stew")) as client:
        await begin(client)
        listed = (await client.get("/linkage/children/groups")).text
        assert "× 1" in listed and "赵" not in listed
        path = "/linkage/children/groups"
        found = await send(client, path, data_set="patients", key="1")
        assert found.headers["location"].startswith(f"{path}/c")
        alone = await send(client, path, data_set="patients", key="2")
        assert f"{path}?missing=1" == alone.headers["location"]
        assert 403 == (await send(client, path, data_set="pupils", key="1")).status_code
    # what the desk joined and somebody undid by its group can be taken back at the desk
    decided = await place.room.desk.decide(2, "same", await hand(place))
    await place.room.unmerge(decided.event, await hand(place), apart=False)
    opened = await place.room.desk.take_back(2, await hand(place))
    assert "open" == opened.state
