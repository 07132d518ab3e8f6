"""Loads into the context: the loop, what lands, what is held and read again, runs and wishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
import pytest

from pintu.kernel.errors import Unavailable
from pintu.kernel.intake import FieldLink, Intake
from pintu.kernel.intake.loading import Chunk, ContextLanding, Load, load
from pintu.kernel.intake.loading_context import HELD_BYTES, envelopes, held_records
from pintu.kernel.intake.loading_retry import read_again
from pintu.kernel.intake.mapping import Mapper, compile_mapping, read_mapping
from pintu.kernel.intake.mapping.words import BadRecord, Row
from pintu.kernel.intake.runs import KEPT_RUNS, Run, Runs
from pintu.kernel.store.port import settled
from pintu.vocabulary.mapping_words import mapping_words

from .conftest import Scene
from .door import until

PLACES: dict[str, Any] = {
    "name": "places",
    "type": "PointOfInterest",
    "id": "{id}",
    "fields": [{"to": "name", "from": "name"}, {"to": "capacity", "from": "capacity"}],
}
Records = list[dict[str, Any]]


def mapper(**more: Any) -> Mapper:
    """The mapping of the tests, compiled."""
    return compile_mapping(read_mapping({**PLACES, **more}), mapping_words(), source="src")


def place(number: int, capacity: Any = "5") -> dict[str, Any]:
    """One record."""
    return {"id": f"P{number}", "name": f"place {number}", "capacity": capacity}


class Listed:
    """A reader of chunks that were written down; its position is the next chunk's number."""

    def __init__(self, *chunks: Records, fails_at: int | None = None, mark: str = "k") -> None:
        self._chunks, self._fails_at, self._mark = chunks, fails_at, mark
        self.asked: list[str] = []

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        self.asked.append(after)
        line = 1
        for number, records in enumerate(self._chunks):
            numbered = list(enumerate(records, line))
            line += len(records)
            if number < int(after or 0):
                continue
            if number == self._fails_at:
                raise Unavailable("The source is away", zh="来源不在")
            yield Chunk(records=numbered, position=str(number + 1), key=f"{self._mark}{number}")


class Bench:
    """Intake in process, and what loads stand on."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.intake = scene, scene.intake
        self.runs = Runs(scene.tables, scene.clock)

    async def load(self, reader: Listed, *, again: bool = False, **more: Any) -> Run:
        """One run of the source `src`."""
        run = await self.runs.begin("src", "places", fingerprint="f", again=again)
        landing = ContextLanding(self.intake, "src", "demo", self.runs, run=run)
        told = {"mapper": mapper(), **more}
        return await load(
            Load(run=run, reader=reader, landing=landing, link=self.intake, runs=self.runs,
                 clock=self.scene.clock, tenant="demo", **told)
        )  # fmt: skip


@pytest.fixture
def bench(scene: Scene) -> Bench:
    """A bench on an open intake."""
    return Bench(scene)


async def test_good_records_land_and_bad_ones_wait_with_their_lines(bench: Bench) -> None:
    """One envelope a reason; the run counts what became of each record."""
    run = await bench.load(Listed([place(1), place(2, "12a"), place(3, "7b"), place(4)]))
    assert ("done", 4, 2, 2) == (run.state, run.read, run.landed, run.bad)
    held = await bench.intake.quarantine.list(source="loads/src")
    assert 1 == len(held)
    assert {"kind": "records", "mapping": "places"} == held[0].meta
    lines = [orjson.loads(line) for line in held[0].body.splitlines()]
    assert [(2, "12a"), (3, "7b")] == [(one["line"], one["record"]["capacity"]) for one in lines]
    assert "2 records, the first in line 2" in held[0].reason and "不是数字" in held[0].reason
    assert 2 == len(await bench.scene.log())


async def test_the_same_content_again_changes_nothing(bench: Bench) -> None:
    """Whether its chunks are the same or cut anew: nothing is written twice."""
    await bench.load(Listed([place(1)], [place(2)]))
    run = await bench.load(Listed([place(1)], [place(2)]), again=True)
    assert (0, 2) == (run.landed, run.unchanged)
    run = await bench.load(Listed([place(1), place(2)], mark="other"), again=True)
    assert (0, 2, 2) == (run.landed, run.unchanged, len(await bench.scene.log()))
    run = await bench.load(Listed([place(1), place(2, "6")], mark="third"), again=True)
    assert (1, 1, 3) == (run.landed, run.unchanged, len(await bench.scene.log()))


async def test_content_that_goes_back_is_written_back(bench: Bench) -> None:
    """Old content after new is a change again, though its chunks were answered before."""
    first, second = Listed([place(1, "5")], mark="a"), Listed([place(1, "6")], mark="b")
    for reader in (first, second, Listed([place(1, "5")], mark="a")):
        run = await bench.load(reader, again=True)
    assert (1, 3) == (run.landed, len(await bench.scene.log()))


async def test_a_run_that_was_cut_off_goes_on(bench: Bench) -> None:
    """The next one reads behind the last durable position; a failure is told in both languages."""
    run = await bench.load(Listed([place(1)], [place(2)], fails_at=1))
    assert ("failed", {"zh": "来源不在", "en": "The source is away"}) == (
        run.state,
        run.messages[-1],
    )
    reader = Listed([place(1)], [place(2)])
    run = await bench.load(reader)
    assert (["1"], "done", 1, 2) == (
        reader.asked,
        run.state,
        run.landed,
        len(await bench.scene.log()),
    )


async def test_a_series_keeps_its_past_and_a_repeat_adds_nothing(bench: Bench) -> None:
    """Years of hours of one station; loaded once more in new chunks, only the past is told again,
    the present stays."""
    air = mapper(type="AirQualityObserved", id="{s}", observed_at="t", fields=[
        {"to": "pm25", "from": "v"}])  # fmt: skip
    hours = [{"s": "S1", "t": f"2013-03-{d:02d} 08:00", "v": str(d)} for d in range(1, 29)]
    run = await bench.load(Listed(hours[:14], hours[14:]), mapper=air)
    assert (28, 0, 28) == (run.landed, run.bad, len(await bench.scene.log()))
    run = await bench.load(Listed(hours[:14], hours[14:]), mapper=air, again=True)
    assert 27 >= len(await bench.scene.log()) - 28


async def test_a_load_that_reads_nothing_gives_up(bench: Bench) -> None:
    """A wrong mapping does not fill the quarantine with ten million records."""
    chunks = [[place(n, "x") for n in range(1000)] for _ in range(9)]
    run = await bench.load(Listed(*chunks))
    assert ("failed", 2000) == (run.state, run.read)
    assert "Most records cannot be read" in run.messages[-1]["en"]


async def test_a_stop_keeps_what_landed(bench: Bench) -> None:
    """Asked after each chunk."""
    run = await bench.load(Listed([place(1)], [place(2)]), stopping=lambda: True)
    assert ("stopped", "1") == (run.state, await bench.runs.position("src", "places"))


async def test_doubts_are_said_in_the_run(bench: Bench) -> None:
    """A column that was renamed is told to who looks at the source."""
    run = await bench.load(Listed([{"id": "1", "title": "a", "capacity": "1"}]))
    assert ["The source has no name: was it renamed?"] == [one["en"] for one in run.messages]


async def test_a_fixed_mapping_reads_what_was_held(bench: Bench) -> None:
    """What it can read by now lands, the rest waits under a name of its own; then nothing waits."""
    await bench.load(Listed([place(1, "n/a?"), place(2, "12a"), place(3)]))
    (first,) = await bench.intake.quarantine.list(source="loads/src")
    half = mapper(missing=["n/a?"])
    await read_again(bench.intake, "demo", first.envelope(), half, clock=bench.scene.clock)
    (rest,) = await bench.intake.quarantine.list(source="loads/src")
    assert [(2, place(2, "12a"))] == held_records(rest.body)
    await read_again(bench.intake, "demo", rest.envelope(), half, clock=bench.scene.clock)
    (rest,) = await bench.intake.quarantine.list(source="loads/src")
    assert 1 <= rest.attempts
    whole = mapper(missing=["n/a?", "12a"])
    bench.scene.clock.us += 1
    await read_again(bench.intake, "demo", rest.envelope(), whole, clock=bench.scene.clock)
    assert [] == await bench.intake.quarantine.list(source="loads/src")
    assert 3 == len(await bench.scene.log())


async def test_held_rows_land_in_their_table(bench: Bench) -> None:
    """The same for a table data set: landed first, let go then."""
    bad = BadRecord(3, {"a": "1x"}, "a: '1x' is not a number", "a")
    told = {"name": "t", "target": "table", "data_set": "t",
            "fields": [{"to": "a", "from": "a"}]}  # fmt: skip
    mapping = compile_mapping(read_mapping(told), mapping_words(), source="src")
    await bench.load(Listed([place(1, "x")]))
    (held,) = await bench.intake.quarantine.list(source="loads/src")
    envelope = msgspec.structs.replace(held.envelope(), body=envelopes("k", [bad])[0][1])
    landed: list[Row] = []

    async def land(_key: str, rows: Any) -> None:
        landed.extend(rows)

    clock = bench.scene.clock
    await read_again(bench.intake, "demo", envelope, mapping, clock=clock, land=land)
    assert [{"a": "1x"}] == [one.values for one in landed]
    assert [] == await bench.intake.quarantine.list(source="loads/src")


def test_held_records_are_never_cut() -> None:
    """However many and however long: each envelope is kept whole, so that it can be read again."""
    bad = [BadRecord(n, {"a": "x" * 1000}, f"a: '{n}' is not a number", "a") for n in range(500)]
    bad.append(BadRecord(501, {"a": "y" * 200_000}, "b: it is odd", "b"))
    bad.append(BadRecord(502, {"a": {1: float("nan"), "b": object()}}, "c: it is odd", "c"))
    found = envelopes("k", bad)
    assert all(len(body) <= HELD_BYTES + 5_000 for _, body, _ in found)
    assert len(found) == len({key for key, _, _ in found}) >= 11
    assert 502 == sum(len(held_records(body)) for _, body, _ in found)


async def test_wishes_wait_until_granted(bench: Bench) -> None:
    """The same wish twice is one; another process sees that there is one."""
    runs = bench.runs
    other = Runs(bench.scene.tables, bench.scene.clock)
    before = other.version()
    await runs.ask("src", by="user:1")
    await runs.ask("src", by="user:2")
    await runs.ask("src", "again", by="user:2")
    asked = await runs.asked()
    assert [("src", "run", "user:1"), ("src", "again", "user:2")] == [
        (one.source, one.what, one.by) for one in asked
    ]
    await runs.granted(asked)
    assert ([], True) == (await runs.asked(), other.version() >= before)


async def test_runs_are_listed_newest_first_and_bounded(bench: Bench) -> None:
    """A hundred a source and mapping are kept; a source that is gone leaves nothing."""
    for _ in range(KEPT_RUNS + 20):
        run = await bench.runs.begin("src", "places")
        await bench.runs.end(run, "done")
    listed = await bench.runs.list_runs("src", limit=500)
    assert (run.number, KEPT_RUNS + 1) == (listed[0].number, len(listed))
    assert run.number == (await bench.runs.latest())["src", "places"].number
    again = await bench.runs.begin("src", "places", fingerprint="a")
    assert again.number == (await bench.runs.begin("src", "places", fingerprint="a")).number
    assert again.number != (await bench.runs.begin("src", "places", fingerprint="b")).number
    await bench.runs.forget("src")
    assert [] == await bench.runs.list_runs()


async def test_batches_of_one_thing_keep_their_order(scene: Scene, door: Any) -> None:
    """Over the socket, with several batches under way: the last line of the file is the present."""
    link: FieldLink = await door.link("loads", ("loads",))
    bench = Bench(scene)
    bench.intake = link  # type: ignore[assignment]
    records = [place(n % 700, str(n)) for n in range(3_500)]
    run = await bench.load(Listed(records))
    assert (3_500, 0) == (run.landed, run.bad)
    intake: Intake = scene.intake
    assert 3_500 == sum(one.accepted for one in intake.sources() if one.name == "loads/src")
    last = {id: number for number, (id, _) in enumerate(await scene.log())}
    assert 700 == len(last)
    changes = await settled(scene.store.changes(0, 100_000))
    body = orjson.loads(changes[max(last.values())].payload)
    assert body["capacity"]["value"] >= 2_800


async def test_a_cancelled_load_leaves_its_run_to_go_on_with(bench: Bench) -> None:
    """A process that stops in the middle: the run is open, and its next life takes it up."""

    class Slow(Listed):
        async def chunks(self, after: str) -> AsyncIterator[Chunk]:
            async for chunk in super().chunks(after):
                yield chunk
                await asyncio.sleep(0.05)

    task = asyncio.create_task(bench.load(Slow(*[[place(n)] for n in range(50)])))
    await until(lambda: bench.scene.store.head() > 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (cut,) = await bench.runs.list_runs("src")
    run = await bench.load(Listed(*[[place(n)] for n in range(50)]))
    assert ("running", "done", cut.number) == (cut.state, run.state, run.number)
    assert 50 == len(await bench.scene.log())


async def test_a_retry_on_the_quarantine_s_page_reaches_the_load(scene: Scene, door: Any) -> None:
    """Asked of intake, given to the loads process, read by the new mapping, and gone."""
    link: FieldLink = await door.link("loads", ("loads",))
    bench = Bench(scene)
    await bench.load(Listed([place(1, "12a")]))
    (held,) = await scene.intake.quarantine.list(source="loads/src")

    async def desk() -> None:
        async for envelope in link.retries("loads"):
            fixed = mapper(missing=["12a"])
            await read_again(link, "demo", envelope, fixed, clock=scene.clock)

    task = asyncio.create_task(desk())
    receipt = await scene.intake.retry(held.id)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (1, 0) == (receipt.accepted, receipt.quarantined)
    assert [] == await scene.intake.quarantine.list(source="loads/src")
