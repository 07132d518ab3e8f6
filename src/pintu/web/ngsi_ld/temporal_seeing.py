"""One entity's history as the caller may see it: its rows, within what the gate lets through."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pintu.kernel.context.match import compile_selection
from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.context.selection import Selection
from pintu.kernel.context.temporal import (
    Chosen,
    Evolution,
    Folding,
    Instance,
    choose,
    keep_last,
    keep_scoped,
)
from pintu.kernel.store.past import LogPast
from pintu.kernel.store.port import settled
from pintu.kernel.timers.expiry import is_over
from pintu.web.ngsi_ld.agreed import there
from pintu.web.ngsi_ld.temporal_asking import Question, Sight

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change, Past
    from pintu.web.ngsi_ld.operation import Call

ROWS: Final = 200_000
"""Rows of history one answer may be made of."""
SLICE: Final = 4_000
"""Rows folded before the loop has its turn."""


def past_of(call: Call) -> Past:
    """Where rows of history are read."""
    past: Past | None = getattr(call.rooms, "past", None)  # a door may be built over fewer rooms
    return past or LogPast(call.rooms.store)


async def evolution_of(call: Call, question: Question, id: str) -> Evolution | None:
    """What the caller may be told of an entity's past; None: there is none."""
    rows = await rows_of(call, question, id, limit=ROWS)
    return await told_of(call, question, id, rows)


async def rows_of(call: Call, question: Question, id: str, *, limit: int) -> list[Change]:
    """The rows of an entity's past that may hold what is asked for; raises TooComplex."""
    asked, sight = question.asked, question.sight
    since = until = None
    if sight.fence is None:
        since, until = asked.low_us, asked.high_us
    past = past_of(call)
    return await settled(
        past.rows(call.tenant, id, since_us=since, until_us=until, limit=max(limit, 1))
    )


async def told_of(call: Call, question: Question, id: str, rows: list[Change]) -> Evolution | None:
    """The evolution within what the gate lets through, with what other sources told of it."""
    own = await _own_of(call, question, id, rows)
    if own is not None:
        _lasting(own, call.rooms.clock.now_us())
    if question.beside is None:
        return own
    found: Evolution | None = question.beside.merged(id, own, question.read)
    whole = found is None or question.sight.whole
    return found if whole or found is None else _seen(found, question.sight)


async def _own_of(call: Call, question: Question, id: str, rows: list[Change]) -> Evolution | None:
    sight = question.sight
    if not rows:
        return None
    types: tuple[str, ...] | None = None
    if not sight.whole:
        record = await settled(call.rooms.store.retrieve(call.tenant, id))
        if (sight.fence is not None or sight.sealed) and record is None:
            return None
        if record is not None:
            seen = there(call, record)
            if seen is None:
                return None
            types = seen.types if sight.sealed else None
        rows = _behind(rows, sight)
    evolution = await _folded(id, rows, question)
    if evolution.unsure and sight.fence is None:  # behind a fence nothing was left out
        every = await settled(past_of(call).rows(call.tenant, id, limit=ROWS))
        evolution = await _folded(id, every, question)
    if not evolution.known:
        return None
    if types is not None:
        evolution.types = types
    return evolution if sight.whole else _seen(evolution, sight)


async def _folded(id: str, rows: list[Change], question: Question) -> Evolution:
    """The rows folded; the loop has its turns when they are many."""
    folding = Folding(id, question.read)
    for start in range(0, len(rows), SLICE):
        if start:
            await asyncio.sleep(0)
        folding.take_all(rows[start : start + SLICE])
    return folding.done()


def _lasting(evolution: Evolution, now_us: int) -> None:
    """Without instances whose own end has passed: they leave no history (4.22)."""
    for series in evolution.all():
        if any("expiresAt" in one.document for one in series.instances):
            series.instances = [one for one in series.instances if not _over(one, now_us)]


def _over(instance: Instance, now_us: int) -> bool:
    end = instance.document.get("expiresAt")
    return end is not None and is_over(end, now_us)


def _behind(rows: list[Change], sight: Sight) -> list[Change]:
    """The rows since the entity is one that may be seen: before the last change of what decides
    that, it may have been another.
    """
    fence = sight.fence
    if fence is None:
        return rows
    for index in range(len(rows) - 1, -1, -1):
        row = rows[index]
        if row.verb in PAST_VERBS:
            continue
        if row.verb != "updated" or row.changed is None or not fence.isdisjoint(row.changed):
            return rows[index:]
    return rows


def _seen(evolution: Evolution, sight: Sight) -> Evolution:
    """Without what the gate does not let through."""
    for name in [name for name in evolution.series if not sight.lets(name)]:
        del evolution.series[name]
    if not sight.lets("scope"):
        evolution.scope.instances.clear()
    if sight.sealed:  # when something was deleted is nobody's business
        for known in evolution.series.values():
            for series in known.values():
                series.instances = [one for one in series.instances if not one.deleted_us]
    return evolution


def has_one(evolution: Evolution, question: Question) -> bool:
    """Has the entity a past of one of the attributes asked for?"""
    return any(name in evolution.series for name in question.wanted or ()) or (
        "scope" in (question.wanted or ()) and bool(evolution.scope.instances)
    )


def chosen_of(evolution: Evolution, question: Question) -> Chosen:
    """The instances of the time asked for."""
    asked, selection = question.asked, question.selection
    if selection is None or selection.scope is None:
        return choose(evolution, asked, datasets=question.datasets, needed=question.needed)
    test = compile_selection(Selection(tenant=selection.tenant, scope=selection.scope))
    every = replace(asked, last_n=0)
    chosen = choose(evolution, every, datasets=question.datasets, needed=True)
    keep_scoped(chosen, lambda scopes: test({"id": "", "type": "", "scope": scopes}, None, None))
    chosen.asked = asked
    if asked.last_n:
        keep_last(chosen, asked.last_n)
    return chosen


def narrowed(chosen: Chosen, question: Question) -> Chosen:
    """Only what is shown: what was read to be asked about goes."""
    shown = question.shown
    if shown is not None:
        chosen.series = [one for one in chosen.series if one.name in shown]
        if question.look.pick is not None and "scope" not in shown:
            chosen.scope = None
    chosen.series = [one for one in chosen.series if one.name not in question.look.omit]
    return chosen


def fields_of(question: Question) -> tuple[str, ...]:
    """The attributes an answer could show, for its row of the log."""
    sight = question.sight
    if sight.attributes is None:
        return ()
    names = sight.attributes - sight.hidden
    if question.shown is not None:
        names = names & question.shown
    return tuple(sorted(names - question.look.omit))
