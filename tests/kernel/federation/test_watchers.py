"""Those who watch registrations hear what came, changed and went, in order, and nothing after they
unsubscribed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from pintu.kernel.access import Act, Actor, Projection
from pintu.kernel.calling import Ask, Reply
from pintu.kernel.clock import CityClock
from pintu.kernel.context.selection import Exists
from pintu.kernel.context.selection import Path as Way
from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.federation import Registry
from pintu.kernel.federation.watchers import WAITING, Watchers
from pintu.kernel.federation.watching import read_watcher
from pintu.kernel.jsonld import CORE, ContextLibrary
from pintu.kernel.tables import open_tables
from tests.kernel.federation.registering import NOW_US, registration

ANN = Actor(id="ann", grants=frozenset(("admin",)))


class Post:
    """An outgoing client that keeps what it was given and answers what the test says."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()

    async def call(self, ask: Ask) -> Reply:
        await self.open.wait()
        self.asked.append(ask)
        if self.status == 0:
            raise Unavailable("nobody is there")
        return Reply(status=self.status, headers={})

    @property
    def said(self) -> list[tuple[str, list[str]]]:
        """(triggerReason, ids) of each notification."""
        bodies = [orjson.loads(one.body) for one in self.asked]
        return [
            (one["triggerReason"], [it["id"].rpartition(":")[2] for it in one["data"]])
            for one in bodies
        ]


class Town:
    """A registry and those who watch it."""

    def __init__(self, folder: Path, address: str = "sqlite:") -> None:
        self.tables = open_tables(folder, address)
        self.post = Post()
        self.whole = True
        self.registry = Registry(self.tables, CityClock())
        library = ContextLibrary(clock=CityClock())
        self.watchers = Watchers(self.tables, self.registry, library, CityClock())
        self.watchers.caller = self.post  # type: ignore[assignment]
        self.watchers.gate = SimpleNamespace(decide=self._decide)  # type: ignore[assignment]

    def _decide(self, actor: Actor, act: Act) -> Projection:
        return Projection(rows=None if self.whole else Exists(Way("level")))

    async def subscribe(self, **more: Any) -> str:
        document = {
            "id": "urn:ngsi-ld:Subscription:1",
            "type": "Subscription",
            "entities": [{"type": "Lamp"}],
            "notification": {"endpoint": {"uri": "http://listener.example/n"}},
            **more,
        }
        watcher = read_watcher(document, CORE, tenant="", now_us=NOW_US)
        await self.watchers.add(watcher, CORE, ANN)
        return watcher.id

    async def settle(self) -> None:
        """Until nothing waits to be told."""
        for _ in range(200):
            await asyncio.sleep(0.002)
            tasks = [one.task for one in self.watchers._standing.values()]
            if all(task is None or task.done() for task in tasks):
                return

    async def close(self) -> None:
        await self.watchers.stop()
        self.tables.close()


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    opened = Town(tmp_path)
    yield opened
    await opened.close()


async def test_each_change_by_its_reason(town: Town) -> None:
    """One at the start, then newlyMatching, updated, noLongerMatching; others' types are not
    told.
    """
    await town.registry.add(registration("1"))
    id = await town.subscribe()
    await town.settle()
    await town.registry.add(registration("2"))
    await town.registry.add(registration("3", {"entities": [{"type": "Pole"}]}))
    await town.registry.replace(registration("2", endpoint="http://other.example"))
    await town.registry.replace(registration("3"))
    await town.registry.replace(registration("2", {"entities": [{"type": "Pole"}]}))
    await town.registry.remove("", registration("1").id)
    await town.settle()
    assert [
        ("newlyMatching", ["1"]),
        ("newlyMatching", ["2"]),
        ("updated", ["2"]),
        ("newlyMatching", ["3"]),
        ("noLongerMatching", ["2"]),
        ("noLongerMatching", ["1"]),
    ] == town.post.said
    counts = town.watchers.counts(town.watchers.get("", id))
    assert (6, 0) == (counts.sent, counts.failed)
    await town.watchers.remove("", id)
    await town.registry.add(registration("4"))
    await town.settle()
    assert 6 == len(town.post.asked)


async def test_only_what_is_wanted_is_told(town: Town) -> None:
    """Of a registration with lamps and poles, the lamps, and the attributes that are watched."""
    both = [
        {"entities": [{"type": "Lamp"}], "propertyNames": ["level", "power"]},
        {"entities": [{"type": "Pole"}]},
    ]
    await town.registry.add(registration("1", *both))
    await town.subscribe(watchedAttributes=["level"])
    await town.settle()
    [told] = orjson.loads(town.post.asked[0].body)["data"]
    assert [{"entities": [{"type": ["Lamp"]}], "propertyNames": ["level"]}] == told["information"]


async def test_what_is_over_or_paused_hears_nothing(town: Town) -> None:
    """isActive false, or a time that is over."""
    await town.registry.add(registration("1"))
    await town.subscribe(isActive=False)
    await town.settle()
    assert [] == town.post.said


async def test_failures_are_counted_and_tried_again(town: Town) -> None:
    """An endpoint that is away, then says 500, then takes it: three times sent, twice failed; what
    came meanwhile is told after it. After the last attempt the next one has its turn.
    """
    town.watchers.pauses_s = (0.02, 0.02, 0.02)
    id = await town.subscribe()
    town.post.status = 0
    await town.registry.add(registration("1"))
    await until(lambda: len(town.post.asked) == 1)
    town.post.status = 500
    await town.registry.add(registration("2"))
    await until(lambda: len(town.post.asked) == 2)
    town.post.status = 204
    await town.settle()
    told = town.watchers.counts(town.watchers.get("", id)).shown()
    assert ("ok", 4, 2) == (told["status"], told["timesSent"], told["timesFailed"])
    assert [["1"], ["1"], ["1"], ["2"]] == [ids for _, ids in town.post.said]
    town.post.status = 500
    await town.registry.add(registration("3"))
    await town.registry.add(registration("4"))
    await town.settle()
    assert [["3"]] * 4 + [["4"]] * 4 == [ids for _, ids in town.post.said[4:]]


async def test_over_mqtt(town: Town) -> None:
    """An mqtt endpoint is published to, with its notifierInfo."""
    sent: list[Any] = []

    async def publish(endpoint: Any, headers: Any, body: bytes) -> None:
        sent.append((endpoint.uri, endpoint.way, orjson.loads(body)["triggerReason"]))

    town.watchers.publish = publish
    endpoint = {
        "uri": "mqtt://listener.example/town/sources",
        "notifierInfo": [{"key": "MQTT-QoS", "value": "1"}],
    }
    await town.subscribe(notification={"endpoint": endpoint})
    await town.registry.add(registration("1"))
    await town.settle()
    assert [(endpoint["uri"], (("MQTT-QoS", "1"),), "newlyMatching")] == sent


async def until(holds: Callable[[], object]) -> None:
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


async def test_a_slow_endpoint_costs_no_memory(town: Town) -> None:
    """No more than a bound waits; the oldest are let go and counted as failed."""
    id = await town.subscribe()
    town.post.open.clear()
    for number in range(WAITING + 20):
        await town.registry.replace(await _kept(town, number))
    assert WAITING == len(town.watchers._standing["", id].waiting)
    assert 0 < town.watchers.counts(town.watchers.get("", id)).failed
    town.post.open.set()
    await town.settle()


async def _kept(town: Town, number: int) -> Any:
    if number == 0:
        return await town.registry.add(registration("1"))
    return registration("1", endpoint=f"http://source{number}.example")


async def test_a_notification_is_a_read(town: Town) -> None:
    """Who may no longer see the whole tenant is told nothing; it counts as failed."""
    id = await town.subscribe()
    town.whole = False
    await town.registry.add(registration("1"))
    await town.settle()
    assert [] == town.post.asked
    counts = town.watchers.counts(town.watchers.get("", id))
    assert (1, "Who subscribed may not see all of the tenant any more") == (
        counts.failed, counts.why,
    )  # fmt: skip


async def test_a_time_interval_tells_again_and_again(town: Town) -> None:
    """All that matches, at the start and then each interval, whatever changes between."""
    await town.registry.add(registration("1"))
    await town.subscribe(timeInterval=1)
    await town.settle()
    await town.registry.add(registration("2"))
    await town.settle()
    assert [("newlyMatching", ["1"])] == town.post.said
    await asyncio.sleep(1.1)
    await town.settle()
    assert ("updated", ["1", "2"]) == town.post.said[-1]


async def test_subscriptions_outlive_a_restart(tmp_path: Path, stores: str) -> None:
    """With their counters and who subscribed, on both stores."""
    town = Town(tmp_path, stores)
    id = await town.subscribe(description="neighbours")
    await town.registry.add(registration("1"))
    await town.settle()
    before = town.watchers.get("", id)
    await town.close()
    town = Town(tmp_path, stores)
    await town.watchers.start()
    assert before == town.watchers.get("", id)
    assert 1 == town.watchers.counts(before).sent
    await town.registry.add(registration("2"))
    await town.settle()
    assert [("newlyMatching", ["2"])] == town.post.said
    await town.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "Thing"}, "type of a subscription"),
        ({"entities": None}, "needs entities or watchedAttributes"),
        ({"entities": [{}]}, "needs a type"),
        ({"watchedAttributes": []}, "list that is not empty"),
        ({"q": "level>"}, "q"),
        ({"notification": None}, "needs notification"),
        ({"notification": {"endpoint": {"uri": "gopher://x.example"}}}, "http, https, mqtt"),
        ({"notification": {"endpoint": {"uri": "mqtt://x.example"}}}, "names no topic"),
        ({"timeInterval": 5, "throttling": 5}, "goes with neither"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "lies in the past"),
        ({"throttling": -1}, "seconds above 0"),
    ],
)
def test_each_mistake_of_a_subscription_is_named(changed: dict[str, Any], said: str) -> None:
    """A subscription that cannot be is refused with the member that is wrong."""
    document = {
        "id": "urn:s:1",
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://listener.example/n"}},
    }
    for name, value in changed.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    with pytest.raises(BadRequestData, match=said):
        read_watcher(document, CORE, tenant="", now_us=NOW_US)
