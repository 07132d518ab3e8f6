"""What questions about history as a whole cost: seconds and CPU of each expression on each engine.

`python -m bench.expressions [--entities 1000] [--days 4] [--each 250] [--spark]` writes day files
(a million rows unless told otherwise), asks every question of them, and prints a line each: CPU is
that of all processes that computed, a cluster's too. `--spark` starts a standalone cluster, one
master and one worker, on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]

from pintu.kernel.analytics.columns import Body, Form, body_of
from pintu.kernel.analytics.engines.answering import Order, answered_by
from pintu.kernel.analytics.engines.engine import DuckEngine, Engine, open_engine
from pintu.kernel.analytics.engines.gathering import Source
from pintu.kernel.analytics.engines.words import (
    Answer,
    Chart,
    Hours,
    Kind,
    Limits,
    Profile,
    Question,
    Running,
    Sums,
)
from pintu.kernel.analytics.parquet import DayFile
from pintu.kernel.analytics.texts import cut
from pintu.kernel.clock import iso
from pintu.kernel.store.port import VERB_NUMBER, Change

BEGIN_US = 1_792_713_600_000_000  # 2026-10-23T00:00:00Z: Europe's clocks change two days later
DAY_US = 86_400_000_000
TYPE = "AirQualityObserved"
LIMITS = Limits(rows=2_000_000, memory_mb=2_048)
QUESTIONS: dict[str, Kind] = {
    "roll-ups of hours": Sums(),
    "roll-ups of days": Sums(step_s=86_400),
    "chart of everybody, a quarter hour": Chart(step_s=900),
    "chart of everybody, a day": Chart(),
    "profile of the week": Profile(),
    "profile of the week, of each": Profile(each=True),
    "hours above a value": Hours(at_least=25.0),
    "hours in a state": Hours(states=("on",)),
    "running means of 8 hours": Running(),
}


def thing(number: int) -> str:
    """The id of a thing that tells."""
    return f"urn:ngsi-ld:{TYPE}:bench:S{number:05d}"


def write_days(folder: Path, entities: int, days: int, each: int, seed: int = 1) -> list[Path]:
    """Files of so many days with `each` rows of each thing; every twentieth thing tells oddly:
    late, twice, nothing, in several data sets, in texts, with fractions of a second."""
    chance = random.Random(seed)
    position = 0
    for day in range(days):
        name = f"2026-10-{23 + day:02d}"
        file = DayFile(folder / name, f"1-{day}-1.parquet")
        for number in range(entities):
            odd = number % 20 == 0
            make = _odd if odd else _plain
            file.add(thing(number), make(thing(number), (day, each), position, chance))
            position += each
        file.close()
    return sorted(folder.glob("*/*.parquet"))


def _times(span: tuple[int, int], chance: random.Random) -> list[int]:
    day, each = span
    step = DAY_US // each
    return [BEGIN_US + day * DAY_US + n * step + chance.randrange(step) for n in range(each)]


def _text(value: Any, at_us: int, dataset: str = "", name: str = "temperature") -> dict[str, Any]:
    told = {"type": "Property", "value": value, "observedAt": iso(at_us)}
    return {name: {**told, **({"datasetId": dataset} if dataset else {})}}


def _plain(id: str, span: tuple[int, int], after: int, chance: random.Random) -> Body:
    """Rows of one form, as columns at once: a million texts would take a minute to cut."""
    ats = _times(span, chance)
    seconds = [at // 1_000_000 for at in ats]
    mantissas = list(accumulate((chance.randrange(-30, 31) for _ in ats[1:]), initial=2_300))
    template = cut(orjson.dumps(_text(21.25, ats[0] // 1_000_000 * 1_000_000))).template
    form = Form((TYPE,), VERB_NUMBER["updated"], "bench", None, template)
    return Body(
        [form], [], [after + 1, *[1] * (len(ats) - 1)], _steps(ats), {},
        [[[2, _steps(mantissas)], _steps(seconds)]],
    )  # fmt: skip


def _steps(values: list[int]) -> list[int]:
    return [values[0], *(b - a for a, b in pairwise(values))]


def _odd(id: str, span: tuple[int, int], after: int, chance: random.Random) -> Body:
    rows = []
    for number, at_us in enumerate(_times(span, chance)):
        late = at_us - chance.choice([0, 0, 0, DAY_US // 3, 2 * DAY_US])
        late -= late % chance.choice([1, 1_000, 1_000_000])
        told = (
            _text(chance.random() * 50, late),
            _text(None, late),
            _text(chance.randrange(50), late, "urn:d:1"),
            _text(chance.choice(["on", "off"]), late, name="state"),
            _text(round(chance.random() * 50, 1), late // DAY_US * DAY_US),  # told twice
        )
        payload = orjson.dumps(chance.choice(told))
        names = tuple(orjson.loads(payload))
        before = after + number
        rows.append(Change(
            before + 1, 1, id, (TYPE,), "updated", at_us, "bench", names, payload,
            before if number else 0,
        ))  # fmt: skip
    return body_of(rows)


def question(ask: Kind, days: int) -> Question:
    """Of everything there is, on the days of a zone whose clocks change."""
    return Question(
        ask=ask, types=(TYPE,), attributes=("temperature", "state"), since_us=BEGIN_US,
        until_us=BEGIN_US + days * DAY_US, zone="Europe/Berlin",
    )  # fmt: skip


def asked(engine: Engine, paths: list[Path], rows: int, one: Question) -> Answer:
    """One answer."""
    return answered_by(engine, Source(paths, rows, []), Order(1, one), LIMITS)


def cpu_s() -> float:
    """Of this process and all that it began."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += float(times.user + times.system)
    return total


@contextlib.contextmanager
def spark() -> Iterator[Engine]:
    """A standalone cluster on this machine, as an engine."""
    from tests.spark import cluster

    with tempfile.TemporaryDirectory(prefix="pintu-spark-") as name, cluster(Path(name)) as address:
        engine = open_engine(address, Path(name), LIMITS)
        try:
            yield engine
        finally:
            engine.close()


def measure(engines: list[Engine], paths: list[Path], rows: int, days: int) -> None:
    """A line a question and engine."""
    for name, ask in QUESTIONS.items():
        for engine in engines:
            wall, cpu = time.monotonic(), cpu_s()
            found = asked(engine, paths, rows, question(ask, days))
            wall, cpu = time.monotonic() - wall, cpu_s() - cpu
            count = len(next(iter(found.columns.values())))
            short = engine.name.partition(":")[0]
            print(
                f"{name:36} {short:7} {wall:6.2f} s, CPU {cpu:6.2f} s, {count:,} rows", flush=True
            )


def main() -> None:
    """Write files, ask."""
    parser = argparse.ArgumentParser(prog="bench.expressions", description=__doc__)
    parser.add_argument("--entities", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--each", type=int, default=250)
    parser.add_argument("--spark", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pintu-days-") as name, contextlib.ExitStack() as stack:
        began = time.monotonic()
        paths = write_days(Path(name), told.entities, told.days, told.each)
        rows = told.entities * told.days * told.each
        size = sum(path.stat().st_size for path in paths)
        print(f"{rows:,} rows in {len(paths)} files of {size:,} bytes, "
              f"written in {time.monotonic() - began:.0f} s")  # fmt: skip
        engines: list[Engine] = [DuckEngine(Path(name), LIMITS)]
        if told.spark:
            engines.append(stack.enter_context(spark()))
        measure(engines, paths, rows, told.days)


if __name__ == "__main__":
    main()
