"""HTTP push: a token for one source, answered after commit, the same key once, quarantine."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.errors import Forbidden
from pintu.kernel.exchange import Question
from pintu.kernel.store.port import settled
from tests.web.conftest import HERE, browser
from tests.web.small_city import SmallCity

MAPPING = {
    "type": "AirQualityObserved",
    "id": "{id}",
    "fields": [{"from": "pm", "to": "pm25", "kind": "number"}],
}


def connect(city: SmallCity, **more: Any) -> None:
    configuration = city.rooms.configuration
    configuration.save("mappings", "air", MAPPING, by="test")
    content = {"door": "push", "mappings": ["air"], **more}
    configuration.save("sources", "yard", content, by="test")


async def token(city: SmallCity, *grants: str) -> dict[str, str]:
    secret, _ = await city.rooms.identity.create_token("gate", grants, kind="device")
    return {"authorization": f"Bearer {secret}"}


async def push(page: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    more = {one.replace("_", "-"): value for one, value in headers.items()}
    return await page.post("/api/v1/push/yard", content=raw, headers=more)


async def value(city: SmallCity, local: str) -> Any:
    store = city.rooms.store
    number = store.tenant("")
    assert number is not None
    found = store.retrieve(number, f"urn:ngsi-ld:AirQualityObserved:yard:{local}")
    record = await settled(found)
    return None if record is None else orjson.loads(record.body)["pm25"]["value"]


async def test_a_message_is_kept_when_it_is_answered(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """The receipt counts what is in the context by then; its source is named on the change."""
    connect(city)
    mine = await token(city, "push:yard")
    answer = await push(page, [{"id": "A", "pm": 1}, {"id": "B", "pm": 2}], **mine)
    told = answer.json()
    assert (200, 2, 0, False) == (
        answer.status_code,
        told["accepted"],
        told["quarantined"],
        told["repeated"],
    )
    assert (1, 2) == (await value(city, "A"), await value(city, "B"))
    assert "doors/yard" in {one.name for one in city.rooms.intake.sources()}


async def test_the_same_key_is_answered_once_and_another_body_refused(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """An Idempotency-Key with the same body gets the first receipt; with another one 409."""
    connect(city)
    mine = await token(city, "push:yard")
    first = await push(page, {"id": "A", "pm": 1}, idempotency_key="k-1", **mine)
    again = await push(page, {"id": "A", "pm": 1}, idempotency_key="k-1", **mine)
    other = await push(page, {"id": "A", "pm": 5}, idempotency_key="k-1", **mine)
    assert (200, 200, 409) == (first.status_code, again.status_code, other.status_code)
    assert (False, True) == (first.json()["repeated"], again.json()["repeated"])
    assert 1 == await value(city, "A")


async def test_keys_are_known_after_a_restart(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Another process of the same city knows which body came under a key."""
    connect(city)
    mine = await token(city, "push:yard")
    await push(page, {"id": "A", "pm": 1}, idempotency_key="k-2", **mine)
    async with browser(city) as later:
        other = await push(later, {"id": "A", "pm": 5}, idempotency_key="k-2", **mine)
        again = await push(later, {"id": "A", "pm": 1}, idempotency_key="k-2", **mine)
    assert (409, True) == (other.status_code, again.json()["repeated"])


async def test_without_a_key_the_same_value_again_is_news(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """20, 30, 20: the third message is no repeat of the first."""
    connect(city)
    mine = await token(city, "push:yard")
    for pm in (20, 30, 20):
        await push(page, {"id": "A", "pm": pm}, **mine)
    assert 20 == await value(city, "A")


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (["push:yard"], 200), (["admin"], 200), (["write:default"], 200), (["push:other"], 403),
        (["read:default"], 403), (["write:demo"], 403),
    ],
)  # fmt: skip
async def test_a_token_is_for_one_source(
    city: SmallCity, page: httpx.AsyncClient, grants: list[str], expected: int
) -> None:
    """`push:NAME` opens that one door, and nothing else does but the right to write all."""
    connect(city)
    answer = await push(page, {"id": "A", "pm": 1}, **await token(city, *grants))
    assert expected == answer.status_code


async def test_a_push_token_writes_nothing_else(city: SmallCity) -> None:
    """The grant of a source is none for the context itself."""
    actor = Actor(id="token:x", grants=frozenset({"push:yard"}))
    with pytest.raises(Forbidden):
        city.rooms.gate.decide(actor, Act(deed=Deed.WRITE))
    with pytest.raises(Forbidden):
        city.rooms.gate.decide(actor, Act(deed=Deed.READ, data_set="push:yard"))


async def test_nobody_in_particular_is_refused(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Without a token a stranger learns neither what there is nor what is not."""
    connect(city)
    answer = await push(page, {"id": "A", "pm": 1})
    unknown = await page.post("/api/v1/push/nothing", content=b"{}", headers={"origin": HERE})
    assert (401, 401) == (answer.status_code, unknown.status_code)


async def test_what_cannot_be_read_is_kept_and_said(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """Broken JSON is 400 with the reason and held once; a bad record among good ones is counted."""
    connect(city)
    mine = await token(city, "push:yard")
    for _ in range(2):
        broken = await push(page, b"{", **mine)
    mixed = await push(page, [{"id": "A", "pm": 1}, {"id": "B", "pm": "wet"}], **mine)
    held = await city.rooms.intake.quarantine.list(source="doors/yard")
    told = mixed.json()
    assert (400, 2) == (broken.status_code, len(held))
    assert "not JSON" in broken.json()["detail"]
    assert (200, 1, 1) == (mixed.status_code, told["accepted"], told["quarantined"])
    assert "wet" in told["errors"][0]


async def test_bounds(city: SmallCity, page: httpx.AsyncClient) -> None:
    """A body over a megabyte is 413, an empty one 400, one message too many 429."""
    connect(city, settings={"most_a_second": 0.1})
    mine = await token(city, "push:yard")
    large = await push(page, b'"' + b"x" * 1_000_001 + b'"', **mine)
    empty = await push(page, b"", **mine)
    codes = [(await push(page, {"id": "A", "pm": 1}, **mine)).status_code for _ in range(3)]
    assert (413, 400, [200, 429, 429]) == (large.status_code, empty.status_code, codes)


async def test_a_broken_source_says_so(city: SmallCity, page: httpx.AsyncClient) -> None:
    """A source whose mapping has a mistake takes nothing and says why; mended it does."""
    connect(city)
    mine = await token(city, "push:yard")
    city.rooms.configuration.save("mappings", "air", {**MAPPING, "type": "Nothing"}, by="test")
    async with browser(city) as later:
        answer = await push(later, {"id": "A", "pm": 1}, **mine)
        assert (503, True) == (answer.status_code, "Nothing" in answer.json()["detail"])
    city.rooms.configuration.save("mappings", "air", MAPPING, by="test")
    async with browser(city) as mended:
        assert 200 == (await push(mended, {"id": "A", "pm": 1}, **mine)).status_code


async def test_rows_of_a_table_data_set_are_kept_when_it_is_answered(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """A mapping into a table: the rows are there by then; the same key again adds none, and rows
    that cannot be read wait with their reason."""
    configuration = city.rooms.configuration
    columns = [{"name": "id", "kind": "text"}, {"name": "pm", "kind": "number"}]
    title = {"zh": "读数 演示", "en": "Readings, demo"}
    entry = {"provider": "table", "title": title, "columns": columns}
    configuration.save("datasets", "readings", entry, by="test")
    fields = [
        {"from": "id", "to": "id", "kind": "text"},
        {"from": "pm", "to": "pm", "kind": "number"},
    ]
    mapping = {"target": "table", "data_set": "readings", "fields": fields}
    configuration.save("mappings", "rows", mapping, by="test")
    content = {"door": "push", "mappings": ["rows"]}
    configuration.save("sources", "yard", content, by="test")
    mine = await token(city, "push:yard")
    body = [{"id": "A", "pm": 1}, {"id": "B", "pm": "many"}, {"id": "C", "pm": 3}]
    answers = [(await push(page, body, idempotency_key="k-1", **mine)).json() for _ in range(2)]
    assert [(2, 1), (2, 1)] == [(one["accepted"], one["quarantined"]) for one in answers]
    assert "many" in answers[0]["errors"][0]
    actor = Actor(id="admin", grants=frozenset({"admin"}))
    found = await city.rooms.exchange.ask(actor, "readings", Question(columns=("id", "pm")))
    assert [{"id": "A", "pm": 1}, {"id": "C", "pm": 3}] == found.rows
