"""Whatever is done to an entity, its history equals that of a dictionary, on each store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pintu.kernel.store.port import settled
from tests.web.ngsi_ld.doors import Door, open_door

NAMES, DATASETS = ("power", "level"), (None, "urn:a", "urn:b")
GONE = "urn:ngsi-ld:null"
Told = list[list[Any]]  # [value, hour]


class Model:
    """A thing and its past, as anybody would write them down."""

    def __init__(self) -> None:
        self.present: dict[str, dict[Any, Any]] | None = None
        self.past: dict[tuple[str, Any], Told] = {}
        self.known = False

    def write(self, name: str, given: dict[Any, Any]) -> None:
        """The attribute is these instances from now on."""
        assert self.present is not None
        before, self.present[name] = self.present.get(name, {}), dict(given)
        gone = [dataset for dataset in before if dataset not in given]
        for dataset in gone:
            self.past.setdefault((name, dataset), []).append([GONE, None])
        for dataset, told in given.items():
            alone = len(given) == 1 and not gone
            if alone or before.get(dataset) != told:
                self.past.setdefault((name, dataset), []).append(list(told))
        if not given:
            del self.present[name]

    def record(self, name: str, dataset: Any, told: tuple[Any, Any]) -> None:
        """Told of the past; what was observed at that time is told anew."""
        series = self.past.setdefault((name, dataset), [])
        for one in reversed(series):
            if told[1] is not None and one[1] == told[1]:
                one[0] = told[0]
                return
        series.append(list(told))

    def shown(self) -> dict[tuple[str, Any], Told]:
        """What there is to tell."""
        return {key: told for key, told in self.past.items() if told}


def instance(told: tuple[Any, Any], dataset: Any) -> dict[str, Any]:
    """As NGSI-LD says it."""
    value, hour = told
    found: dict[str, Any] = {"type": "Property", "value": value}
    if hour is not None:
        found["observedAt"] = f"2025-03-01T{hour:02d}:00:00Z"
    if dataset is not None:
        found["datasetId"] = dataset
    return found


def document(given: dict[str, dict[Any, Any]]) -> dict[str, Any]:
    """Attributes as NGSI-LD says them."""
    return {
        name: [instance(told, dataset) for dataset, told in told_of.items()]
        for name, told_of in given.items()
    }


class Play:
    """One thing at a door, and the model beside it."""

    def __init__(self, door: Door, id: str) -> None:
        self.door, self.id, self.model = door, id, Model()

    async def do(self, step: tuple[Any, ...]) -> None:
        """One step: what the door answers is what the model allows."""
        await getattr(self, f"_{step[0]}")(*step[1:])

    async def _send(self, method: str, path: str, body: Any, *expected: int) -> None:
        answer = await self.door(method, path, body)
        assert answer.status in expected, (method, path, body, answer.body)

    async def _put(self, given: dict[str, dict[Any, Any]]) -> None:
        model, there = self.model, self.model.present
        body = {"id": self.id, "type": "Lamp", **document(given)}
        if there is None:
            await self._send("POST", "/entities", body, 201)
            model.present = {}
        else:
            await self._send("PUT", f"/entities/{self.id}", body, 204)
        assert model.present is not None
        for name in (*given, *(name for name in list(model.present) if name not in given)):
            model.write(name, given.get(name, {}))
        model.known = True

    async def _append(self, name: str, given: dict[Any, Any]) -> None:
        there = self.model.present
        path = f"/entities/{self.id}/attrs"
        await self._send("POST", path, document({name: given}), 404 if there is None else 204)
        if there is not None:
            self.model.write(name, {**there.get(name, {}), **given})
            self.model.known = True

    async def _drop(self, name: str, dataset: Any) -> None:
        there = self.model.present
        held = (there or {}).get(name, {})
        if there is None or dataset not in held:
            return
        query = "" if dataset is None else f"?datasetId={dataset}"
        await self._send("DELETE", f"/entities/{self.id}/attrs/{name}{query}", None, 204)
        self.model.write(name, {key: told for key, told in held.items() if key != dataset})
        self.model.known = True

    async def _delete(self) -> None:
        if self.model.present is None:
            return
        await self._send("DELETE", f"/entities/{self.id}", None, 204)
        for name in list(self.model.present):
            self.model.write(name, {})
        self.model.present, self.model.known = None, True

    async def _record(self, name: str, told: list[tuple[Any, tuple[Any, Any]]]) -> None:
        instances = [instance(one, dataset) for dataset, one in told]
        body = {"id": self.id, "type": "Lamp", name: instances}
        expected = 204 if self.model.known else 201
        await self._send("POST", "/temporal/entities", body, expected)
        for dataset, one in told:
            self.model.record(name, dataset, one)
        self.model.known = True

    async def _erase(self, name: str, *, every: bool) -> None:
        keys = [key for key, told in self.model.past.items() if key[0] == name and told]
        gone = keys if every else [key for key in keys if key[1] is None]
        query = "?deleteAll=true" if every else ""
        path = f"/temporal/entities/{self.id}/attrs/{name}{query}"
        await self._send("DELETE", path, None, 204 if gone else 404)
        for key in gone:
            del self.model.past[key]

    async def _forget(self) -> None:
        path = f"/temporal/entities/{self.id}"
        await self._send("DELETE", path, None, 204 if self.model.known else 404)
        self.model.past, self.model.known = {}, False

    async def compare(self) -> None:
        """The history as it is told equals the model's."""
        answer = await self.door("GET", f"/temporal/entities/{self.id}?options=concise")
        if not self.model.known:
            assert 404 == answer.status
            return
        answer = await self.door("GET", f"/temporal/entities/{self.id}")
        assert 200 == answer.status, answer.body
        found = orjson.loads(answer.body)
        told: dict[tuple[str, Any], list[Any]] = {}
        for name in NAMES:
            for one in found.get(name, []):
                at = one.get("observedAt")
                hour = None if at is None else int(at[11:13])
                told.setdefault((name, one.get("datasetId")), []).append([one["value"], hour])
        shown = {key: sorted(map(str, series)) for key, series in self.model.shown().items()}
        if shown != {key: sorted(map(str, series)) for key, series in told.items()}:
            store = self.door.broker.rooms.store  # what the log says decides who is wrong
            rows = await settled(store.history(1, self.id, limit=1000))
            raise AssertionError((shown, told, answer.body, rows, store.statistics()))


VALUE = st.integers(0, 3)
ONE = st.tuples(VALUE, st.one_of(st.none(), st.integers(0, 4)))
GIVEN = st.dictionaries(st.sampled_from(DATASETS), ONE, min_size=1, max_size=3)
NAME, DATASET = st.sampled_from(NAMES), st.sampled_from(DATASETS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.dictionaries(NAME, GIVEN, max_size=2)),
        st.tuples(st.just("append"), NAME, GIVEN),
        st.tuples(st.just("drop"), NAME, DATASET),
        st.tuples(st.just("delete")),
        st.tuples(
            st.just("record"), NAME, st.lists(st.tuples(DATASET, ONE), min_size=1, max_size=3)
        ),
        st.builds(lambda name, every: ("erase", name, every), NAME, st.booleans()),
        st.tuples(st.just("forget")),
    ),
    max_size=12,
)
NUMBERS = count(1)


@pytest.fixture
def played(stores: str, tmp_path: Path) -> Iterator[tuple[Any, Door]]:
    """A loop and a door over one store for all examples."""
    loop = asyncio.new_event_loop()
    opened: AsyncIterator[Door] = open_door(tmp_path, stores)
    yield loop, loop.run_until_complete(anext(opened))
    loop.run_until_complete(opened.aclose())  # type: ignore[attr-defined]
    loop.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_a_history_is_what_was_done(played: tuple[Any, Door], steps: list[Any]) -> None:
    """Created, replaced, appended, deleted, told of the past, erased, in any order."""
    loop, door = played

    async def run() -> None:
        play = Play(door, f"urn:lamp:{next(NUMBERS)}")
        for what, *told in steps:
            if what == "erase":
                await play._erase(told[0], every=told[1])
            else:
                await play.do((what, *told))
        await play.compare()

    loop.run_until_complete(run())
