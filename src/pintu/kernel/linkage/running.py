"""A run of the matching: rows of a plan's data sets go to a process of its own, which has a memory
limit and a deadline; what it found is laid down in one transaction."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import (
    BadRequestData,
    DeadlineExceeded,
    PintuError,
    StateConflict,
    TooComplex,
    Unavailable,
)
from pintu.kernel.linkage import settling
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.matching.words import Order, Outcome, Record, packed
from pintu.kernel.linkage.reading.features import ROLES
from pintu.kernel.linkage.schema import RUN, SECRET
from pintu.kernel.linkage.words import LinkRun, Plan, Ref

if TYPE_CHECKING:
    from pintu.kernel.clock import Clock
    from pintu.kernel.linkage.ports import Corrections
    from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.linkage")

MEMORY_MB: Final = 3_500
DEADLINE_S: Final = 1_800.0
MOST_RECORDS: Final = 5_000_000


class Running:
    """Runs plans, one at a time each, and remembers what became of them."""

    def __init__(self, opened: OpenTables, clock: Clock, rows: Corrections) -> None:
        self._opened, self._clock, self._rows = opened, clock, rows
        self._busy: set[str] = set()

    async def latest(self, plan: str) -> LinkRun | None:
        """The newest run of a plan."""
        query = RUN.select().where(RUN.c.plan == plan).order_by(RUN.c.number.desc()).limit(1)
        row = await self._opened.read(lambda c: c.execute(query).mappings().first())
        if row is None:
            return None
        found = msgspec.json.decode(row["body"], type=LinkRun)
        if found.state == "running" and plan not in self._busy:
            return msgspec.structs.replace(found, state="failed")  # the city went down under it
        return found

    async def run(self, plan: Plan, by: str) -> LinkRun:
        """Match and lay down. StateConflict while the plan runs; TooComplex names a blocking rule
        that is over its budget; DeadlineExceeded and Unavailable say what ran out."""
        if plan.name in self._busy:
            raise StateConflict(f"Plan {plan.name} is being matched already")
        self._busy.add(plan.name)
        run = LinkRun(number=0, plan=plan.name, by=by, state="running",
                      started_us=self._clock.now_us())  # fmt: skip
        try:
            run = await self._opened.run(lambda c: _add(c, run))
            try:
                run = await self._matched(plan, run)
            except BaseException as error:
                said = error.detail if isinstance(error, PintuError) else "The run was cut off"
                over = msgspec.structs.replace(
                    run, state="failed", ended_us=self._clock.now_us(),
                    messages=[*run.messages, {"en": said, "zh": said}],
                )  # fmt: skip
                await asyncio.shield(self._opened.run(lambda c: _keep(c, over)))
                raise
        finally:
            self._busy.discard(plan.name)
        return run

    async def _matched(self, plan: Plan, run: LinkRun) -> LinkRun:
        refs, records = await self._read(plan)
        before = await self._opened.run(lambda c: settling.known(c, plan, refs))
        key = await self._opened.run(_secret)
        order = Order(
            unique=tuple(one.unique for one in plan.sources), key=key, link_at=plan.link_at,
            review_at=plan.review_at, pairs=plan.pairs, largest=plan.largest, memory_mb=MEMORY_MB,
            together=before.together, apart=before.apart,
        )  # fmt: skip
        outcome = await asyncio.to_thread(matched, order, records)
        del records
        doing = Doing(plan=plan.name, at_us=self._clock.now_us(), by=run.by, reason="matching")
        done = await self._opened.run(lambda c: settling.settle(c, (plan, refs, outcome), doing))
        over = msgspec.structs.replace(
            run, state="done", ended_us=self._clock.now_us(), records=len(refs),
            pairs=outcome.pairs, linked=outcome.linked, review=done.review,
            clusters=done.clusters, messages=[*run.messages, *outcome.messages],
        )  # fmt: skip
        await self._opened.run(lambda c: _keep(c, over))
        return over

    async def _read(self, plan: Plan) -> tuple[list[Ref], list[Record]]:
        refs: list[Ref] = []
        records: list[Record] = []
        for n, source in enumerate(plan.sources):
            roles: dict[str, str] = {
                role: source.columns[role] for role in ROLES if role in source.columns
            }
            async for part in self._rows.rows(source.data_set, list(roles.values())):
                for key, values in part:
                    refs.append(Ref(source.data_set, key))
                    records.append(Record(n, told(roles, values)))
                if len(refs) > MOST_RECORDS:
                    raise BadRequestData(f"Plan {plan.name} has over {MOST_RECORDS:,} records")
        return refs, records


def told(roles: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a row tells by role; only texts and numbers go into another process."""
    found = {}
    for role, column in roles.items():
        value = values.get(column)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found[role] = value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    return found


def matched(order: Order, records: Sequence[Record], deadline_s: float = DEADLINE_S) -> Outcome:
    """Run the job; its working folder is only ours, and gone afterwards."""
    spill = tempfile.mkdtemp(prefix="pintu-linkage-")
    try:
        order = msgspec.structs.replace(order, spill=spill)
        body = packed(order, records)
        command = [sys.executable, "-m", "pintu.kernel.linkage.matching.job"]
        try:
            done = subprocess.run(
                command, input=body, capture_output=True, timeout=deadline_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DeadlineExceeded(
                f"The matching took longer than {deadline_s:.0f} s and was stopped"
            ) from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)
    if done.returncode or not done.stdout:
        log.error("The matching failed: %s", done.stderr[-2_000:].decode("utf-8", "replace"))
        raise Unavailable(f"The matching ended without an answer (code {done.returncode})")
    outcome = msgspec.msgpack.decode(done.stdout, type=Outcome)
    if outcome.error:
        raise (TooComplex if outcome.too_complex else Unavailable)(outcome.error)
    return outcome


def _secret(connection: Connection) -> bytes:
    """The key of the marks, made at the first run."""
    found = connection.execute(sa.select(SECRET.c.key).where(SECRET.c.name == "marks")).scalar()
    if found is not None:
        return bytes(found)
    key = secrets.token_bytes(32)
    connection.execute(SECRET.insert(), {"name": "marks", "key": key})
    return key


def _add(connection: Connection, run: LinkRun) -> LinkRun:
    row = {"plan": run.plan, "state": run.state, "body": ""}
    key = connection.execute(RUN.insert(), row).inserted_primary_key
    assert key is not None
    run = msgspec.structs.replace(run, number=key[0])
    _keep(connection, run)
    return run


def _keep(connection: Connection, run: LinkRun) -> None:
    row = {"state": run.state, "body": msgspec.json.encode(run).decode()}
    connection.execute(RUN.update().where(RUN.c.number == run.number).values(**row))
