"""Reading histories: of one entity, of many by parameters or by a document (5.7.3, 5.7.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.context.match import compile_selection
from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.context.selection import Selection
from pintu.kernel.context.temporal import (
    Chosen,
    Evolution,
    choose,
    cut_page,
    fold,
    keep_last,
    keep_scoped,
    show,
)
from pintu.kernel.errors import DeadlineExceeded, ResourceNotFound, TooComplex
from pintu.kernel.store.past import LogPast
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld.agreed import cut, there
from pintu.web.ngsi_ld.answers import data
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.paging import Window, page_headers, window
from pintu.web.ngsi_ld.temporal_asking import (
    Question,
    Sight,
    many_question,
    one_question,
    read_temporal_query,
)

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change, Past
    from pintu.web.ngsi_ld.message import Response
    from pintu.web.ngsi_ld.operation import Call

ROWS: Final = 200_000
"""Rows of history one answer may be made of."""
DEADLINE_S: Final = 20.0
IDS: Final = 500
"""Ids looked up at once."""
TOGETHER: Final = 16
"""Entities whose rows are asked for at the same time."""


async def retrieve_history(call: Call) -> Response:
    """5.7.3: one entity's history; 206 with Content-Range when it is cut."""
    id = uri(call.parts[0], "Entity id")
    question = one_question(call)
    evolution = await evolution_of(call, question, id)
    if evolution is None:
        raise ResourceNotFound(f"{id} has no history")
    if question.wanted and not _has_one(evolution, question):
        raise ResourceNotFound(f"{id} has no history of the attributes asked for")
    chosen = chosen_of(evolution, question)
    shown = _narrowed(chosen, question)
    call.rows, call.fields = 1, _fields(question)
    page = None
    if question.look.form != "aggregatedValues":
        page = cut_page([shown], question.asked, call.rooms.settings.temporal_page)
    document = show(shown, call.terms, question.look)
    if not document:
        raise ResourceNotFound(f"{id} has none of the members asked for")
    if page is None:
        return data(call, document)
    return data(call, document, (b"content-range", page.header), status=206)


async def query_histories(call: Call) -> Response:
    """5.7.4 by parameters."""
    part = cut(call, window(call.params))
    return await _answer(call, dict(call.params), part)


async def query_histories_by_post(call: Call) -> Response:
    """5.7.4 by a Query document."""
    part = cut(call, window(call.params))
    params = read_temporal_query(call.document)
    for name in ("options", "format", "lang", "local"):
        if name in call.params:
            params.setdefault(name, call.params[name])
    return await _answer(call, params, part)


async def _answer(call: Call, params: dict[str, Any], part: Window) -> Response:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _query(call, params, part)
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"The temporal query took longer than {DEADLINE_S:g} s: narrow it by id, type or time"
        ) from error


async def _query(call: Call, params: dict[str, Any], part: Window) -> Response:
    selectors = params.pop("entities", None) or [{}]
    questions = [many_question(call, {**params, **one}, part) for one in selectors]
    question = questions[0]
    descending = str(params.get("orderBy", "")).replace(" ", "").endswith(";desc")
    wanted = part.offset + part.limit + 1
    kept: list[Chosen] = []
    found = 0
    async for chosen in _found(call, questions, descending=descending):
        found += 1
        if part.offset < found < wanted:
            kept.append(_narrowed(chosen, question))
        if found >= wanted and not part.count:
            break
    call.rows, call.fields = len(kept), _fields(question)
    page = None
    if kept and question.look.form != "aggregatedValues":
        page = cut_page(kept, question.asked, call.rooms.settings.temporal_page)
    members = [show(one, call.terms, question.look) for one in kept]
    headers = page_headers(
        call.request.path,
        call.request.query,
        Window(part.limit, part.offset, part.count, part.bodies, call.accept),
        more=found >= wanted,
        count=found if part.count else None,
    )
    shown = [one for one in members if one]
    if page is None:
        return data(call, shown, *headers)
    return data(call, shown, (b"content-range", page.header), *headers, status=206)


# --- which entities -----------------------------------------------------------------------------
async def _found(
    call: Call, questions: list[Question], *, descending: bool
) -> AsyncIterator[Chosen]:
    """Every entity that one of the questions asks for, by id."""
    tests = [_test(question) for question in questions]
    budget = ROWS
    async for ids in _ids(call, questions, descending=descending):
        for start in range(0, len(ids), TOGETHER):
            some = ids[start : start + TOGETHER]
            read = await asyncio.gather(
                *(_rows(call, questions[0], id, limit=budget) for id in some)
            )
            await asyncio.sleep(0)
            for id, rows in zip(some, read, strict=True):
                budget -= len(rows)
                if budget < 0:
                    raise TooComplex(
                        f"The answer is made of more than {ROWS} rows of history: narrow it"
                    )
                evolution = await _told(call, questions[0], id, rows)
                if evolution is None:
                    continue
                for question, test in zip(questions, tests, strict=True):
                    chosen = chosen_of(evolution, question)
                    if not chosen.empty and test(chosen):
                        yield chosen
                        break


async def _ids(
    call: Call, questions: list[Question], *, descending: bool
) -> AsyncIterator[list[str]]:
    named: set[str] = set()
    for question in questions:
        selection = question.selection
        if selection is None or not selection.ids:
            break
        named.update(selection.ids)
    else:
        yield sorted(named, reverse=descending)
        return
    listed: list[str] = []
    async for ids in _all_ids(call, questions):
        if descending:
            listed += ids
        else:
            yield ids
    if descending:
        yield sorted(listed, reverse=True)


async def _all_ids(call: Call, questions: list[Question]) -> AsyncIterator[list[str]]:
    """Ids of the types asked for, some at a time; those of several selectors together."""
    past = past_of(call)
    types = None
    several = [one.selection.types for one in questions if one.selection is not None]
    known = [one for one in several if one is not None]
    if len(known) == len(questions):
        types = replace(known[0], any_of=tuple(some for one in known for some in one.any_of))
    after = ""
    while True:
        ids = await settled(past.ids(call.tenant, types, after, IDS))
        if ids:
            yield ids
        if len(ids) < IDS:
            return
        after = ids[-1]


def _test(question: Question) -> Any:
    selection = question.selection
    assert selection is not None
    matches = compile_selection(replace(selection, attributes=(), scope=None))
    wanted = question.wanted

    def test(chosen: Chosen) -> bool:
        if wanted is not None and not any(one.name in wanted for one in chosen.series):
            return False
        return bool(matches(chosen.document(), None, None))

    return test


# --- one entity ---------------------------------------------------------------------------------
def past_of(call: Call) -> Past:
    """Where rows of history are read."""
    return call.rooms.past or LogPast(call.rooms.store)


async def evolution_of(call: Call, question: Question, id: str) -> Evolution | None:
    """What the caller may be told of an entity's past; None: there is none."""
    rows = await _rows(call, question, id, limit=ROWS)
    return await _told(call, question, id, rows)


async def _rows(call: Call, question: Question, id: str, *, limit: int) -> list[Change]:
    asked, sight = question.asked, question.sight
    since = until = None
    if sight.fence is None:
        since, until = asked.low_us, asked.high_us
    past = past_of(call)
    return await settled(
        past.rows(call.tenant, id, since_us=since, until_us=until, limit=max(limit, 1))
    )


async def _told(call: Call, question: Question, id: str, rows: list[Change]) -> Evolution | None:
    """The evolution within what the gate lets through."""
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
    evolution = fold(id, rows, question.read)
    if evolution.unsure:
        every = await settled(past_of(call).rows(call.tenant, id, limit=ROWS))
        evolution = fold(id, every, question.read)
    if not evolution.known:
        return None
    if types is not None:
        evolution.types = types
    return evolution if sight.whole else _seen(evolution, sight)


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


def _has_one(evolution: Evolution, question: Question) -> bool:
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


def _narrowed(chosen: Chosen, question: Question) -> Chosen:
    """Only what is shown: what was read to be asked about goes."""
    shown = question.shown
    if shown is not None:
        chosen.series = [one for one in chosen.series if one.name in shown]
        if question.look.pick is not None and "scope" not in shown:
            chosen.scope = None
    chosen.series = [one for one in chosen.series if one.name not in question.look.omit]
    return chosen


def _fields(question: Question) -> tuple[str, ...]:
    """The attributes an answer could show, for its row of the log."""
    sight = question.sight
    if sight.attributes is None:
        return ()
    names = sight.attributes - sight.hidden
    if question.shown is not None:
        names = names & question.shown
    return tuple(sorted(names - question.look.omit))
