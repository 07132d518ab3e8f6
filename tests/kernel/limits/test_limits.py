"""Limits of hosted tenants: files, rates, and quotas that no door goes round."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.analytics.retaining import Kept, Retention
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.context.record import Effect, Put, Record, Remove
from pintu.kernel.counting import count, histogram, less, many, quantile
from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    Forbidden,
    QuotaExceeded,
    StateConflict,
    TooManyRequests,
    Unavailable,
)
from pintu.kernel.limits import Quotas, read_hosted
from pintu.kernel.limits.bucket import Bucket
from pintu.kernel.limits.words import plain
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Mark, Op
from tests.postgres import address_for


def test_a_bucket_gives_so_many_a_second() -> None:
    """Ten at once, two a second: the eleventh waits half a second; what is saved up has an end."""
    bucket = Bucket(2.0, 10.0, now_s=0.0)
    assert [0.0] * 10 == [bucket.take(0.0) for _ in range(10)]
    assert 0.5 == bucket.take(0.0)
    assert 0.0 == bucket.take(0.5)
    assert [0.0] * 10 == [bucket.take(1000.0) for _ in range(10)]
    assert bucket.take(1000.0) > 0


def test_a_bucket_lets_one_large_batch_through_when_it_is_full() -> None:
    """A batch larger than the bucket is owed, not refused for ever."""
    bucket = Bucket(10.0, 20.0, now_s=0.0)
    assert 0.0 == bucket.take(0.0, 100)
    assert bucket.take(5.0, 1) > 0
    assert 0.0 == bucket.take(9.0, 1)


def test_what_is_counted_can_be_asked() -> None:
    """Quantiles lie in their bucket, differences are what came in between, the largest fits."""
    told = histogram()
    for value in (*range(1, 101), 10**12):
        count(told, value)
    assert 101 == many(told)
    assert 32 <= quantile(told, 0.5) <= 64
    before = list(told)
    count(told, 3)
    assert 1 == many(less(told, before))
    assert 0 == quantile(histogram(), 0.99)


@pytest.mark.parametrize(
    "content",
    [
        {"limits": {"entities": 0}},
        {"limits": {"entitys": 5}},
        {"limits": {"requests_per_s": "many"}},
        {"limits": {"history_days": 1}},
        {"sources": {"x": {"updates_per_s": -1.0}}},
    ],
)
def test_a_file_with_a_mistake_is_refused(content: dict[str, Any]) -> None:
    """What is misspelled or no number above 0 is named."""
    with pytest.raises(BadRequestData):
        read_hosted(content)


def test_a_file_is_read_as_it_is_written() -> None:
    """What the command writes is what is read."""
    content = {"suspended": False, "title": {"en": "A county"}, "limits": {"entities": 5}}
    assert content == plain(read_hosted(content))


class Town:
    """A store, a configuration and limits over them, at a time of ours."""

    def __init__(self, folder: Path, store: Any) -> None:
        self.configuration = Configuration(folder / "config", CityClock())
        self.store, self.now_s = store, 0.0
        self.quotas = Quotas(self.configuration, store, lambda: self.now_s)

    def say(self, name: str, **content: Any) -> None:
        self.configuration.save("tenants", name, content, by="test")
        assert self.quotas.look()

    async def make(self, tenant: int, *names: str) -> list[Any]:
        return [one.error for one in await self.store.submit([made(tenant, n) for n in names])]


def made(tenant: int, name: str, size: int = 1) -> Op:
    def transform(record: Record | None, now_us: int) -> Effect:
        entity = {
            "id": f"urn:x:{name}",
            "type": "T",
            "v": {"type": "Property", "value": "x" * size},
        }
        return Put(entity, "created" if record is None else "replaced")

    return Op(tenant, f"urn:x:{name}", transform)


@pytest.fixture
async def town(tmp_path: Path) -> Any:
    store = await open_store(address_for(tmp_path), tmp_path, clock=CityClock())
    yield Town(tmp_path, store)
    await store.close()


async def test_a_tenant_has_no_more_entities_than_it_may(town: Town) -> None:
    """The fourth of three is refused alone, in one call and in several; replacing goes on; what is
    deleted makes room; other tenants know of nothing."""
    town.say("county", limits={"entities": 3})
    number = await town.store.open_tenant("county")
    errors = await town.make(number, "a", "b", "c", "d", "a")
    assert [None, None, None, QuotaExceeded, None] == [e and type(e) for e in errors]
    [error] = await town.make(number, "e")
    assert {"limit": "entities", "most": 3} == error.extra
    gone = Op(number, "urn:x:a", lambda record, now_us: Remove())
    await town.store.submit([gone])
    assert [None] == await town.make(number, "e")
    assert [None] * 5 == await town.make(1, *"abcde")
    assert 2 == town.quotas.refused["entities"]
    assert 3 == town.quotas.holdings.of("county")["entities"]


async def test_a_quota_holds_from_the_first_write_on(town: Town) -> None:
    """What a tenant had before somebody bounded it, or before the city started, counts at once."""
    number = await town.store.open_tenant("county")
    assert [None] * 3 == await town.make(number, "a", "b", "c")
    town.say("county", limits={"entities": 3})
    [error] = await town.make(number, "d")
    assert isinstance(error, QuotaExceeded)


def fresh(tenant: int, name: str) -> Op:
    entity = {"id": f"urn:x:{name}", "type": "T"}
    return Op(tenant, entity["id"], fresh=Put(entity, "created", body=orjson.dumps(entity)))


def broken(tenant: int, name: str) -> Op:
    """Something that no store can write."""
    entity = {"id": f"urn:x:{name}", "type": "T", "v": object()}
    return Op(tenant, entity["id"], lambda record, now_us: Put(entity, "created"))


async def test_what_was_promised_and_not_made_is_given_back(town: Town) -> None:
    """Whatever way it fails: there already, refused by the store, a poison among others, a queue
    that is full, a mark that stands elsewhere, somebody who does not wait. Else a tenant that asks
    for the same again and again has no room in the end."""
    town.say("county", limits={"entities": 4, "bytes": 100_000})
    number = await town.store.open_tenant("county")
    assert [None] * 2 == await town.make(number, "a", "b")
    submit, held = town.store.submit, town.quotas.holdings._by_number[number]
    there = [one.error for one in await submit([fresh(number, "a"), fresh(number, "a")])]
    assert [AlreadyExists] * 2 == [type(one) for one in there]
    mixed = [broken(number, "x"), made(number, "c"), made(number, "y" * 70_000)]
    errors = [one.error is None for one in await submit(mixed)]
    assert [False, True, False] == errors
    assert (3, 0) == (held.entities, held.promised)
    with pytest.raises(StateConflict):
        await submit([fresh(number, "d")], mark=Mark("m", 5, before=4))
    first = submit([made(1, "z")])
    with pytest.raises(Unavailable):
        submit([fresh(number, "d")] * 20_000)
    await first
    assert (3, 0) == (held.entities, held.promised)

    async def ask() -> None:
        await submit([made(number, "d")])

    waiting = asyncio.create_task(ask())
    await asyncio.sleep(0)
    waiting.cancel()
    await submit([made(1, "z")])
    assert waiting.cancelled()
    assert (4, 0) == (held.entities, held.promised)
    [error] = await town.make(number, "e")
    assert isinstance(error, QuotaExceeded)
    assert {} == held._ids


async def test_a_tenant_holds_no_more_bytes_than_it_may(town: Town) -> None:
    """Over its bytes nothing grows; what shrinks goes through; the count is of what was there."""
    number = await town.store.open_tenant("county")
    await town.make(number, "a", "b")
    town.say("county", limits={"bytes": 1_000})
    town.quotas.holdings.tick()
    counting = town.quotas.holdings._counting
    assert counting is not None
    await counting
    assert 100 < town.quotas.holdings.of("county")["bytes"] < 300
    await town.store.submit([made(number, "c", 2_000)])
    [outcome] = await town.store.submit([made(number, "d")])
    assert isinstance(outcome.error, QuotaExceeded)
    [outcome] = await town.store.submit([made(number, "c", 1)])
    assert outcome.error is None
    [outcome] = await town.store.submit([made(number, "d")])
    assert outcome.error is None


async def test_a_rate_is_kept_and_a_state_followed(town: Town) -> None:
    """Over its rate a tenant is told when to come again; suspended it is told that; without a
    file nobody asks."""
    town.say("county", limits={"requests_per_s": 2.0, "burst": 2})
    town.quotas.ask("county")
    town.quotas.ask("county")
    with pytest.raises(TooManyRequests) as refused:
        town.quotas.ask("county")
    assert 1 == refused.value.retry_after_s
    town.now_s += 1
    town.quotas.ask("county")
    town.quotas.ask("elsewhere")
    town.say("county", suspended=True)
    with pytest.raises(Forbidden, match="suspended"):
        town.quotas.ask("county")


async def test_a_source_is_slowed_down(town: Town) -> None:
    """A source over its updates is told to wait, every source of the tenant when `*` is named."""
    town.say("county", sources={"*": {"updates_per_s": 10.0}})
    town.quotas.hand_in("county", "lamps/mqtt", 20)
    with pytest.raises(TooManyRequests):
        town.quotas.hand_in("county", "lamps/mqtt", 5)
    town.quotas.hand_in("county", "air/poll", 5)
    town.now_s += 1
    town.quotas.hand_in("county", "lamps/mqtt", 5)


async def test_a_mistake_in_a_file_opens_nothing(town: Town) -> None:
    """A file broken by hand keeps what it said; a new one that is broken lets nobody in."""
    town.say("county", limits={"entities": 3})
    folder = town.configuration.folder / "tenants"
    (folder / "county.toml").write_text("limits = 5 =")
    (folder / "other.toml").write_text("[limits]\nentities = -1\n")
    assert town.quotas.look()
    assert 3 == town.quotas.tenants["county"].limits.entities
    with pytest.raises(Forbidden):
        town.quotas.ask("other")
    assert {"county", "other"} == town.quotas.mistakes.keys()


async def test_a_tenant_keeps_its_past_for_fewer_days(town: Town) -> None:
    """`history_days` shortens what the city keeps of raw rows, and never lengthens it; other
    tenants have what the city keeps."""
    number = await town.store.open_tenant("county")
    town.say("county", limits={"history_days": 7})
    lasting = Retention(types={"Short": Kept(raw_days=3), "Ever": Kept(raw_days=0)})
    retention = lasting.within(town.quotas.history_days)
    days = [retention.in_tenant(number, [one]).raw_days for one in ("T", "Short", "Ever")]
    assert [7, 3, 7] == days
    days = [retention.in_tenant(1, [one]).raw_days for one in ("T", "Short", "Ever")]
    assert [30, 3, 0] == days
