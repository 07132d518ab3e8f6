"""Reading histories: of one entity, of many by parameters or by a document (5.7.3, 5.7.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pintu.kernel.context.match import compile_selection
from pintu.kernel.context.temporal import Asked, Chosen, Evolution, Range, cut_page, show
from pintu.kernel.errors import DeadlineExceeded, Forbidden, ResourceNotFound, TooComplex
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld import temporal_maps as maps
from pintu.web.ngsi_ld.agreed import cut
from pintu.web.ngsi_ld.answers import data
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.paging import Window, page_headers, window
from pintu.web.ngsi_ld.temporal_asking import (
    Question,
    many_question,
    one_question,
    read_temporal_query,
)
from pintu.web.ngsi_ld.temporal_seeing import (
    ROWS,
    chosen_of,
    evolution_of,
    fields_of,
    has_one,
    narrowed,
    past_of,
    rows_of,
    told_of,
)
from pintu.web.ngsi_ld.temporal_sums import summable, summed

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.message import Response
    from pintu.web.ngsi_ld.operation import Call

T = TypeVar("T")
Doc = dict[str, Any]
DEADLINE_S: Final = 20.0
TOO_LONG: Final = f"A temporal query may take {DEADLINE_S:g} s: narrow it by id, type or time"
IDS: Final = 500
"""Ids looked up at once."""
MANY: Final = 20_000
"""Instances that take so long to go through that others must be answered meanwhile."""
TOGETHER: Final = 16
"""Entities whose rows are asked for at the same time ..."""
AT_ONCE: Final = 50_000
"""... as long as they have no more rows than this: how many they are is known when they are read.
"""


async def retrieve_history(call: Call) -> Response:
    """5.7.3: one entity's history; 206 with Content-Range when it is cut."""
    id = uri(call.parts[0], "Entity id")
    question = one_question(call)
    if summable(question):
        told = await summed(call, question, [id])
        if told:
            return data(call, told[id], *maps.of_one(call, id))
    evolution = await evolution_of(call, question, id)
    if evolution is None:
        raise ResourceNotFound(f"{id} has no history")
    if question.wanted and not await _had_one(call, question, evolution):
        raise ResourceNotFound(f"{id} has no history of the attributes asked for")
    call.rows, call.fields = 1, fields_of(question)

    def made() -> tuple[list[Doc], Range | None]:
        chosen = narrowed(chosen_of(evolution, question), question)
        return _shown(call, question, [chosen])

    [document], page = await _apart(evolution.size, made)
    if not document:
        raise ResourceNotFound(f"{id} has none of the members asked for")
    more = maps.of_one(call, id)
    if page is None:
        return data(call, document, *more)
    return data(call, document, (b"content-range", page.header), *more, status=206)


def _shown(call: Call, question: Question, kept: list[Chosen]) -> tuple[list[Doc], Range | None]:
    """Entities as they are told, and the part of the time when that is not all."""
    page = None
    if kept and question.look.form != "aggregatedValues":
        page = cut_page(kept, question.asked, call.rooms.settings.temporal_page)
    return [show(one, call.terms, question.look) for one in kept], page


async def _apart(size: int, work: Callable[[], T]) -> T:
    """What work makes; on a thread when there are many instances, so that others are answered."""
    return work() if size < MANY else await asyncio.to_thread(work)


async def _had_one(call: Call, question: Question, evolution: Evolution) -> bool:
    """Has the entity a past of an attribute asked for, at whatever time?"""
    if has_one(evolution, question) or not question.asked.relation:
        return has_one(evolution, question)
    ever = replace(question, asked=Asked())
    every = await evolution_of(call, ever, evolution.id)
    return every is not None and has_one(every, question)


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


async def create_map(call: Call) -> Response:
    """5.14.5: the entities of a temporal query as a map, for pages to come."""
    if call.projection.most_rows is not None:
        raise Forbidden("A map tells of more entities than one call may")
    params = dict(call.params)
    questions = [many_question(call, params, Window())]
    try:
        async with asyncio.timeout(DEADLINE_S):
            found = _found(call, questions, among=None, descending=False)
            ids = [one.evolution.id async for one in found]
    except TimeoutError as error:
        raise DeadlineExceeded(TOO_LONG) from error
    made = maps.made(call, params, ids)
    return data(call, made.document(), *maps.header(made), status=201)


async def _answer(call: Call, params: dict[str, Any], part: Window) -> Response:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _query(call, params, part)
    except TimeoutError as error:
        raise DeadlineExceeded(TOO_LONG) from error


async def _query(call: Call, params: dict[str, Any], part: Window) -> Response:
    selectors = params.pop("entities", None) or [{}]
    questions = [many_question(call, {**params, **one}, part) for one in selectors]
    question = questions[0]
    if len(questions) == 1 and not part.count and summable(question):
        answer = await _of_sums(call, question, params, part)
        if answer is not None:
            return answer
    descending = str(params.get("orderBy", "")).replace(" ", "").endswith(";desc")
    wanted = part.offset + part.limit + 1
    held, making = maps.held(call, params)
    kept: list[Chosen] = []
    ids: list[str] = []
    among = None if held is None else list(held.sources)
    async for chosen in _found(call, questions, among=among, descending=descending):
        ids.append(chosen.evolution.id)
        if part.offset < len(ids) < wanted:
            kept.append(narrowed(chosen, question))
        if len(ids) >= wanted and not (part.count or making):
            break
    found = len(ids)
    if making:
        held = maps.made(call, params, ids)
    call.rows, call.fields = len(kept), fields_of(question)
    size = sum(one.evolution.size for one in kept)
    members, page = await _apart(size, lambda: _shown(call, question, kept))
    headers = page_headers(
        call.request.path,
        call.request.query,
        Window(part.limit, part.offset, part.count, part.bodies, call.accept),
        more=found >= wanted,
        count=found if part.count else None,
    )
    headers = (*headers, *maps.header(held))
    shown = [one for one in members if one]
    if page is None:
        return data(call, shown, *headers, status=201 if making else 200)
    return data(call, shown, (b"content-range", page.header), *headers, status=206)


async def _of_sums(
    call: Call, question: Question, params: dict[str, Any], part: Window
) -> Response | None:
    """The same from sums that are kept ready; None: rows must be read."""
    if maps.held(call, params) != (None, False):
        return None
    descending = str(params.get("orderBy", "")).replace(" ", "").endswith(";desc")
    told: list[Any] = []
    wanted = part.offset + part.limit + 1
    async for ids in _ids(call, [question], among=None, descending=descending):
        found = await summed(call, question, ids)
        if found is None:
            return None
        told += found.values()
        if len(told) >= wanted:
            break
    headers = page_headers(
        call.request.path,
        call.request.query,
        Window(part.limit, part.offset, part.count, part.bodies, call.accept),
        more=len(told) >= wanted,
        count=None,
    )
    call.rows = len(told[part.offset : wanted - 1])
    return data(call, told[part.offset : wanted - 1], *headers)


# --- which entities -----------------------------------------------------------------------------
async def _found(
    call: Call, questions: list[Question], *, among: list[str] | None, descending: bool
) -> AsyncIterator[Chosen]:
    """Every entity that one of the questions asks for, by id; with `among` of these alone, in their
    order.
    """
    tests = [_test(question) for question in questions]
    budget, together = ROWS, 1
    async for ids in _ids(call, questions, among=among, descending=descending):
        start = 0
        while start < len(ids):
            some = ids[start : start + together]
            start += len(some)
            read = await asyncio.gather(
                *(rows_of(call, questions[0], id, limit=budget) for id in some)
            )
            await asyncio.sleep(0)
            together = min(2 * together, TOGETHER, max(1, AT_ONCE // max(1, *map(len, read))))
            for id, rows in zip(some, read, strict=True):
                budget -= len(rows)
                if budget < 0:
                    raise TooComplex(
                        f"The answer is made of more than {ROWS} rows of history: narrow it"
                    )
                evolution = await told_of(call, questions[0], id, rows)
                if evolution is None:
                    continue
                for question, test in zip(questions, tests, strict=True):
                    chosen = await _apart(evolution.size, partial(chosen_of, evolution, question))
                    if not chosen.empty and test(chosen):
                        yield chosen
                        break


async def _ids(
    call: Call, questions: list[Question], *, among: list[str] | None, descending: bool
) -> AsyncIterator[list[str]]:
    if among is not None:
        yield among
        return
    named: set[str] = set()
    for question in questions:
        selection = question.selection
        if selection is None or not selection.ids:
            break
        named.update(selection.ids)
    else:
        yield sorted(named, reverse=descending)
        return
    beside = questions[0].beside
    listed: list[str] = [] if beside is None else list(beside.parts)
    async for ids in _all_ids(call, questions):
        if descending or beside is not None:
            listed += ids
        else:
            yield ids
    if descending or beside is not None:
        yield sorted(set(listed), reverse=descending)


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
