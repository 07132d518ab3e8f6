"""Histories under an agreement: nothing of them tells more than the present may."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from claims.exchange_leaks_city import Scene, open_scene
from pintu.kernel.access import Mask
from pintu.kernel.context.record import Tell
from pintu.kernel.store.port import Op
from tests.web.ngsi_ld.test_agreements import FIELDS, agree, call, rows_of, visible

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = "/temporal/entities?type=Sensor&timerel=after&timeAt=1980-01-01T00:00:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One city for all of it."""
    opened = await open_scene(tmp_path_factory.mktemp("city"), random.Random(5))
    agree(opened)
    yield opened
    await opened.web.aclose()
    await opened.city.close()


async def told(scene: Scene, path: str) -> tuple[int, Any]:
    """Status and document of an answer."""
    answer = await call(scene, "GET", path)
    return answer.status, orjson.loads(answer.body) if answer.body else None


async def test_only_what_is_shown_unmasked_has_a_history(scene: Scene) -> None:
    """No mask can be put on a past: masked fields have none. No instance ids, no times of writing,
    and the answer is written down.
    """
    entity = visible(scene)[0]
    status, found = await told(scene, f"/temporal/entities/{entity['id']}")
    assert 200 == status
    plain = {name for name, mask in FIELDS.items() if mask == Mask()} & entity.keys()
    assert {"district", "level"} >= found.keys() - {"id", "type"} == plain
    text = orjson.dumps(found).decode()
    assert "instanceId" not in text and "modifiedAt" not in text
    [*_, row] = await rows_of(scene, "read")
    assert (1, ("district", "level")) == (row.rows, tuple(sorted(row.fields)))


async def test_outside_has_no_history(scene: Scene) -> None:
    """An entity of another district is not told from none; deleted, it is not there at all."""
    outside = next(one for one in scene.entities if one not in visible(scene))
    answers = []
    for id in (outside["id"], "urn:ngsi-ld:Sensor:none"):
        answer = await call(scene, "GET", f"/temporal/entities/{id}")
        answers.append((answer.status, answer.body.replace(id.encode(), b"ID")))
    assert answers[0] == answers[1]
    assert 404 == answers[0][0]
    ghost = Tell("recorded", ("Sensor",), b'{"level":{"type":"Property","value":1}}', ("level",))
    store = scene.city.rooms.store
    await store.submit([Op(1, "urn:ngsi-ld:Sensor:ghost", lambda record, now: ghost)])
    assert 404 == (await told(scene, "/temporal/entities/urn:ngsi-ld:Sensor:ghost"))[0]


async def test_what_may_not_be_asked_is_refused(scene: Scene) -> None:
    """Masked and foreign names, system times, and every write."""
    id = visible(scene)[0]["id"]
    for question in (
        f"{QUERY}&q=note==1",
        f"{QUERY}&attrs=name",
        f"{QUERY}&options=sysAttrs",
        f"{QUERY}&timeproperty=modifiedAt",
        f"{QUERY}&timeproperty=deletedAt",
    ):
        assert 403 == (await told(scene, question))[0], question
    for method, path, body in (
        ("POST", "/temporal/entities", {"id": id, "type": "Sensor"}),
        ("DELETE", f"/temporal/entities/{id}", None),
        ("GET", "/temporal/entityMaps?type=Sensor", None),
    ):
        assert 403 == (await call(scene, method, path, body)).status
