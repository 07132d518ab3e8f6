"""The loads process: what it costs idle, what wakes it, wishes and failures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Unavailable
from pintu.kernel.intake.doors import register
from pintu.kernel.intake.doors.register import DOORS, find_door
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.intake.runs import Runs
from pintu.kernel.intake.words import Batch, Envelope, Receipt, SourceReport
from pintu.kernel.tables import open_tables
from pintu.processes import loads
from pintu.processes.loads_desk import Desk, Ground
from pintu.settings import Settings, as_plain
from pintu.vocabulary.mapping_words import mapping_words

MAPPING = {
    "name": "places",
    "type": "PointOfInterest",
    "id": "{id}",
    "fields": [{"to": "name", "from": "name"}],
}


class Link:
    """The broker's end reduced to what the desk asks of it."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.reports: dict[str, SourceReport] = {}
        self.again: asyncio.Queue[Envelope] = asyncio.Queue()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def accept(self, batch: Batch) -> Receipt:
        self.batches.append(batch)
        return Receipt(batch.key, len(batch.updates), len(batch.unreadable))

    async def report_source(self, report: SourceReport) -> None:
        self.reports[report.source] = report

    async def retries(self, _piece: str) -> AsyncIterator[Envelope]:
        while True:
            yield await self.again.get()


class Source:
    """A source in the test's hand: what it has, and whether it is away."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = [{"id": "1", "name": "a"}]
        self.away = self.broken = self.endless = self.full = False
        self.readings = 0

    def module(self, **settings: Any) -> Any:
        told = tuple(SimpleNamespace(name=key, default=one) for key, one in settings.items())
        door = SimpleNamespace(name="made_up", kind="load", settings=told)
        return SimpleNamespace(DOOR=door, make_reader=lambda *_told: self)

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        self.readings += 1
        if self.away:
            raise Unavailable("The source is away", zh="来源不在")
        if self.broken:
            raise ZeroDivisionError
        new = self.records[int(after or 0) :]
        if new:
            position = str(len(self.records))
            records = list(enumerate(new, 1))
            yield Chunk(records=records, position=position, key=position, full=self.full)
        if self.endless:
            await asyncio.Event().wait()


class Stage:
    """A desk on a data folder."""

    def __init__(self, data: Path) -> None:
        self.link, self.source = Link(), Source()
        self.configuration = Configuration(data / "config", CityClock())
        self.tables = open_tables(data)
        self.runs = Runs(self.tables, CityClock())
        told: Any = self.link
        self.desk = Desk(
            self.configuration,
            Ground(data=data, clock=CityClock(), egress=Egress(), link=told,
                   tables=self.tables, words=mapping_words),
        )  # fmt: skip
        self.configuration.save("mappings", "places", MAPPING, by="test")

    def connect(self, name: str = "made", **more: Any) -> None:
        """Save a source."""
        told = {"door": "made_up", "mappings": ["places"], **more}
        self.configuration.save("sources", name, told, by="test")

    def landed(self) -> list[str]:
        """Entity ids handed in, in order."""
        return [one.entity["id"] for batch in self.link.batches for one in batch.updates]

    def report(self, name: str = "made") -> SourceReport | None:
        """What is told of a source."""
        return self.link.reports.get(f"loads/{name}")


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A desk at work."""
    made = Stage(tmp_path)
    monkeypatch.setitem(sys.modules, "pintu_made_up", made.source.module())
    monkeypatch.setitem(register.DOORS, "made_up", "pintu_made_up")
    monkeypatch.setattr("pintu.processes.loads_desk.LOOK_S", 0.05)
    monkeypatch.setattr("pintu.processes.loads_desk.REPORT_EVERY_S", 0.05)
    monkeypatch.setattr("pintu.processes.loads_job.BACK_OFF_S", (0.1,))
    task = asyncio.create_task(made.desk.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.desk.close()


async def until(holds: Callable[[], object], timeout_s: float = 8.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.02)


def says(stage: Stage, state: str, detail: str = "", name: str = "made") -> bool:
    """Whether the source's report says so."""
    told = stage.report(name)
    return told is not None and told.state == state and detail in told.detail


async def test_a_source_is_read_when_it_is_saved_and_again_on_wish(stage: Stage) -> None:
    """Without a schedule it then waits for somebody to ask; only what is new is read."""
    stage.connect()
    await until(lambda: stage.landed() == ["urn:ngsi-ld:PointOfInterest:made:1"])
    stage.source.records.append({"id": "2", "name": "b"})
    await asyncio.sleep(0.3)
    assert 1 == stage.source.readings
    await stage.runs.ask("made", by="user:1")
    await until(lambda: len(stage.landed()) == 2)
    await stage.runs.ask("made", "again", by="user:1")
    await until(lambda: len(stage.landed()) == 4)
    await until(lambda: says(stage, "up"))
    runs = await stage.runs.list_runs("made")
    assert ["user:1", "user:1", ""] == [one.by for one in runs]


async def test_what_a_whole_load_no_longer_brings_ends(stage: Stage) -> None:
    """As the mapping says: marked with endedAt, or deleted; the run tells it on the page."""
    stage.source.full = True
    stage.source.records.append({"id": "2", "name": "b"})
    stage.connect()
    await until(lambda: len(stage.landed()) == 2)
    stage.source.records.pop(0)
    await stage.runs.ask("made", "again", by="user:1")
    await until(lambda: stage.link.batches[-1].updates[0].mode == "amend")
    ended = stage.link.batches[-1].updates[0].entity
    assert ("urn:ngsi-ld:PointOfInterest:made:1", True) == (ended["id"], "endedAt" in ended)
    async with asyncio.timeout(8):
        while not (told := (await stage.runs.list_runs("made"))[0].messages):
            await asyncio.sleep(0.02)
    assert "endedAt" in told[-1]["en"]
    stage.configuration.save("mappings", "places", {**MAPPING, "gone": "delete"}, by="test")
    stage.source.records[0] = {"id": "3", "name": "c"}
    await asyncio.sleep(0.3)
    await stage.runs.ask("made", "again", by="user:1")
    await until(lambda: stage.link.batches[-1].updates[0].mode == "delete")
    gone = stage.link.batches[-1].updates[0].entity
    assert {"id": "urn:ngsi-ld:PointOfInterest:made:2"} == gone


async def test_a_schedule_reads_again_and_quiet_rounds_are_no_runs(stage: Stage) -> None:
    """Every so often; nothing new is not worth a line in the list."""
    stage.connect(settings={"every_s": 0.2})
    await until(lambda: stage.source.readings >= 4)
    assert (1, 1) == (len(stage.landed()), len(await stage.runs.list_runs("made")))


async def test_a_source_that_is_away_is_told_of_and_tried_again(stage: Stage) -> None:
    """Its report is down with the reason, its run says it in both languages, once."""
    stage.source.away = True
    stage.connect()
    stage.connect("other", mappings=["places"])
    await until(lambda: says(stage, "down", "The source is away"))
    await until(lambda: stage.source.readings > 4)
    (run,) = await stage.runs.list_runs("made")
    assert [{"zh": "来源不在", "en": "The source is away"}] == run.messages
    stage.source.away = False
    await until(lambda: len(set(stage.landed())) == 2 and says(stage, "up"))


async def test_a_mistake_in_a_door_ends_only_its_own_load(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a reader raises: told, tried again, the others go on."""
    stage.source.broken = True
    stage.connect()
    await until(lambda: says(stage, "down", "ZeroDivisionError"))
    stage.source.broken = False
    await until(lambda: len(stage.landed()) == 1)


async def test_mistakes_of_the_configuration_are_the_source_s_state(stage: Stage) -> None:
    """No mapping, a mapping that is not there, one with a person: said, not tried again."""
    stage.connect("bare", mappings=[])
    stage.connect("lost", mappings=["nowhere"])
    person = {**MAPPING, "fields": [{"to": "name", "from": "姓名"}]}
    stage.configuration.save("mappings", "people", person, by="test")
    stage.connect("people", mappings=["people"])
    await until(lambda: says(stage, "down", "no mapping yet", "bare"))
    await until(lambda: says(stage, "down", "does not exist", "lost"))
    await until(lambda: says(stage, "down", "table data set instead", "people"))
    stage.configuration.save("mappings", "people", MAPPING, by="test")
    await until(lambda: says(stage, "up", name="people"))


async def test_a_pause_ends_an_endless_reader_and_a_stop_too(stage: Stage) -> None:
    """A reader that follows its source for ever is let go at once."""
    stage.source.endless = True
    stage.connect()
    await until(lambda: len(stage.landed()) == 1)
    await stage.runs.ask("made", "stop", by="user:1")
    await until(lambda: says(stage, "up", "Stopped as asked"))
    assert "stopped" == (await stage.runs.list_runs("made"))[0].state
    stage.source.records.append({"id": "2", "name": "b"})
    await stage.runs.ask("made", by="user:1")
    await until(lambda: len(stage.landed()) == 2)
    stage.connect(enabled=False)
    await until(lambda: says(stage, "stopped"))


async def test_a_held_envelope_is_read_by_its_job(stage: Stage) -> None:
    """Somebody asked on the quarantine's page."""
    stage.connect()
    await until(lambda: len(stage.landed()) == 1)
    body = b'{"line":9,"record":{"id":"9","name":"z"},"reason":"?"}\n'
    meta = {"kind": "records", "mapping": "places"}
    for source in ("loads/nobody", "loads/made"):
        stage.link.again.put_nowait(Envelope(source, "k!1", 0, body, meta))
    await until(lambda: stage.landed()[-1].endswith(":9"))
    assert "k!1" == stage.link.batches[-1].retry_of


def test_the_doors_that_load_are_known_before_they_are_imported() -> None:
    """The list that keeps an idle process small says what the doors say of themselves."""
    found = set()
    for name in DOORS:
        with contextlib.suppress(Exception):  # a door whose library is not installed here
            if find_door(name).kind == "load":
                found.add(name)
    assert found <= set(loads.LOADING)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process itself, told as the supervisor tells it: as a city begins, with the folder that a
    piece watches, and nothing in it."""
    settings = Settings(data=tmp_path)
    told = json.dumps({**as_plain(settings), "listener": None}).encode()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pintu.processes.loads"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    assert child.stdin is not None
    child.stdin.write(told)
    child.stdin.close()
    yield child
    child.terminate()
    child.wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_idle_it_is_small(process: subprocess.Popen[bytes]) -> None:
    """At most 60 MB and nearly no processor while there is nothing to load."""

    def ticks() -> int:
        told = Path(f"/proc/{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return int(told[11]) + int(told[12])

    used, end_s = 100, time.monotonic() + 30
    while used > 5 and time.monotonic() < end_s:  # it starts first, on a busy machine slowly
        before = ticks()
        time.sleep(1.5)
        used = ticks() - before
    assert process.poll() is None
    lines = Path(f"/proc/{process.pid}/status").read_text("utf-8").splitlines()
    resident_kb = next(int(one.split()[1]) for one in lines if one.startswith("VmRSS"))
    assert used <= 5
    assert resident_kb < 60_000
