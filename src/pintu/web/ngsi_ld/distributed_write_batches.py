"""Batches where sources are registered for parts of their entities (5.6.7 to 5.6.10, 5.6.20).

Each member is checked and divided by itself; what one source gets of all of them goes in one batch,
in the order of the members, or one by one where it takes no batches. A member is a success when
every part of it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import Conflict, InvalidRequest, PintuError
from pintu.kernel.federation.forwarding import Answer, Failed, Question
from pintu.kernel.federation.splitting import Leg, Split, divide, names_of, part, split
from pintu.kernel.federation.words import Registration, Share, Wanted
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.answers import empty, plain
from pintu.web.ngsi_ld.batches import SLICE, check_size, failed, id_of
from pintu.web.ngsi_ld.distributed_write import AT_ONCE, barred, looping, types_here, without_loops
from pintu.web.ngsi_ld.distributed_write_kinds import (
    ADD,
    ADDS,
    CREATE,
    DELETE,
    MAKES,
    MERGE,
    REPLACE,
    UPDATE,
    Kind,
)
from pintu.web.ngsi_ld.distributed_write_parts import (
    came,
    came_round,
    error_of,
    ids_of,
    partial_errors,
    query_of,
    question,
    sources,
    spelling,
    written,
)
from pintu.web.ngsi_ld.guard import allow_entity, allow_fragment
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result

_MOST_SENT: Final = 1000
"""Members of one forwarded batch: more than many brokers take is sent as several, in order."""


class _Member(msgspec.Struct, gc=False):
    """One member that was read: what it says, and how it is divided."""

    index: int
    id: str
    document: Any
    terms: Terms
    types: frozenset[str]
    names: frozenset[str]
    found: Split = Split()


class _Batch(msgspec.Struct):
    """A batch under way. `errors` by the member's index, in the order of parts."""

    call: Call
    kind: Kind
    members: list[_Member]
    errors: list[tuple[int, dict[str, Any]]]
    new: set[str]  # ids that did not exist before

    def fails(self, member: _Member, problem: dict[str, Any], registration: str = "") -> None:
        """Write down that a part of a member was not done."""
        told: dict[str, Any] = {"entityId": member.id, "error": problem}
        self.errors.append(
            (member.index, told | {"registrationId": registration} if registration else told)
        )


def create_batch(call: Call) -> Result:
    """5.6.7, distributed."""
    return _write(call, CREATE)


def upsert_batch(call: Call) -> Result:
    """5.6.8, distributed."""
    adds = "update" in call.params.get("options", "")
    return _write(call, ADD if adds else REPLACE)


def update_batch(call: Call) -> Result:
    """5.6.9, distributed."""
    return _write(call, UPDATE)


def merge_batch(call: Call) -> Result:
    """5.6.20, distributed."""
    return _write(call, MERGE)


def delete_batch(call: Call) -> Result:
    """5.6.10, distributed."""
    return _write(call, DELETE)


async def _write(call: Call, kind: Kind) -> Response:
    check_size(call.document)
    batch = _Batch(call, kind, [], [], set())
    for start in range(0, len(call.document), SLICE):
        if start:
            await asyncio.sleep(0)
        read = _read(batch, start)
        await _divide(batch, read)
        batch.members += read
    takes = any(leg.takes for member in batch.members for leg in member.found.legs)
    if came(call).returned and not takes:
        return looping(call)
    if all(member.found.alone for member in batch.members):
        result = call.operation.handler(call)
        return result if isinstance(result, Response) else await result
    turns = asyncio.Semaphore(AT_ONCE)
    forbidden = barred(call, wipes=kind.wipes)
    work: list[Awaitable[None]] = [_here(batch)]
    for legs in _by_source(batch.members):
        if forbidden is None:
            work.append(_there(batch, legs, turns))
        else:
            _all_fail(batch, legs, forbidden.problem())
    await asyncio.gather(*work)
    return _told(batch)


# --- read and divided ---------------------------------------------------------------------------
def _read(batch: _Batch, start: int) -> list[_Member]:
    call, found = batch.call, []
    for index, document in enumerate(call.document[start : start + SLICE], start):
        try:
            found.append(_member(call, batch.kind, index, document))
        except PintuError as error:
            name = document[:200] if isinstance(document, str) else id_of(document)
            batch.errors.append((index, failed(name, error)))
    return found


def _member(call: Call, kind: Kind, index: int, document: Any) -> _Member:
    terms: Any = call.terms if call.contexts is None else call.contexts[index]
    if kind.read is None:
        id = uri(document, "Entity id")
        return _Member(index, id, document, call.terms, frozenset(), frozenset())
    if not isinstance(terms, Terms):
        raise terms
    if not isinstance(document, dict):
        raise InvalidRequest(f"Member {index} of the batch is not a JSON object")
    entity = kind.read(document, terms)
    (allow_entity if kind.whole else allow_fragment)(call, entity)
    said = entity.get("type", ())
    types = frozenset((said,)) if isinstance(said, str) else frozenset(said)
    return _Member(index, entity["id"], document, terms, types, names_of(document, terms))


async def _divide(batch: _Batch, members: list[_Member]) -> None:
    call, kind = batch.call, batch.kind
    nameless = [member for member in members if not member.types]
    known = await asyncio.gather(*(types_here(call, member.id) for member in nameless))
    for member, types in zip(nameless, known, strict=True):
        member.types = types
    shares = _shares(call, members)
    for member in members:
        if kind.read is None:
            found = divide(member.id, member.types, shares, kind.able)
        else:
            found = split(member.id, member.types, member.names, shares, kind.able)
        member.found = without_loops(call, found)
        for leg in member.found.refused:
            why = f"{leg.registration.id} has this part, and is not registered for the operation"
            batch.fails(member, Conflict(why).problem(), leg.registration.id)


def _shares(call: Call, members: list[_Member]) -> list[Share]:
    federation = call.rooms.federation
    if federation is None or federation.sources is None or not members:
        return []
    ids = tuple(dict.fromkeys(member.id for member in members))
    types = None
    if all(member.types for member in members):
        every = frozenset().union(*(member.types for member in members))
        types = TypeSelection(tuple(frozenset((one,)) for one in sorted(every)))
    return federation.registry.matching(call.tenant_name, Wanted(ids=ids, types=types))


_Legs = list[tuple[_Member, Leg]]


def _by_source(members: Iterable[_Member]) -> list[_Legs]:
    """The legs to each source, in the order of the members."""
    found: dict[str, _Legs] = {}
    for member in members:
        for leg in member.found.legs:
            found.setdefault(leg.registration.id, []).append((member, leg))
    return list(found.values())


# --- done at a source ---------------------------------------------------------------------------
async def _there(batch: _Batch, legs: _Legs, turns: asyncio.Semaphore) -> None:
    registration = legs[0][1].registration
    if batch.kind.batch in registration.operations:
        for start in range(0, len(legs), _MOST_SENT):
            await _sent(batch, legs[start : start + _MOST_SENT], turns)
        return
    by_id: dict[str, _Legs] = {}
    for one in legs:
        by_id.setdefault(one[0].id, []).append(one)
    await asyncio.gather(*(_one_by_one(batch, some, turns) for some in by_id.values()))


async def _sent(batch: _Batch, legs: _Legs, turns: asyncio.Semaphore) -> None:
    """Many parts in one batch of the source's own."""
    registration = legs[0][1].registration
    try:
        sent = await _question(batch, registration, legs)
    except PintuError as wrong:
        return _all_fail(batch, legs, wrong.problem())
    found = await _asked(batch.call, registration, sent, turns)
    if came_round(legs[0][1].takes, found):
        return None
    error = error_of(found, registration)
    if error is not None:
        return _all_fail(batch, legs, error)
    assert isinstance(found, Answer)
    if found.status == 207:
        errors = partial_errors(found, registration)
        for member, _ in legs:
            problem = errors.get(member.id) or errors.get("")
            if problem is not None:
                batch.fails(member, problem, registration.id)
    elif found.status == 201:
        ids = {member.id for member, _ in legs}
        batch.new |= ids & ids_of(found) if batch.kind.upserts else ids
    return None


async def _question(batch: _Batch, registration: Registration, legs: _Legs) -> Question:
    """The source's batch: one @context by Link where all members have the same, else each its
    own.
    """
    call = batch.call
    path = f"entityOperations/{call.request.path.rstrip(b'/').rpartition(b'/')[2].decode()}"
    if batch.kind.read is None:
        spelled = await spelling(call, registration, call.terms)
        ids = [member.id for member, _ in legs]
        return question("POST", path, query_of(call, spelled), spelled, ids)
    ways = {id(member.terms): member.terms for member, _ in legs}
    spelled_by = {key: await spelling(call, registration, one) for key, one in ways.items()}
    first = next(iter(spelled_by.values()))
    several = any(one != first for one in spelled_by.values())
    documents = []
    for member, leg in legs:
        spelled = spelled_by[id(member.terms)]
        if several:
            spelled = spelled.inlined()
        mine = part(member.document, member.terms, leg.names)
        documents.append(written(spelled, member.terms, mine))
    return question("POST", path, query_of(call, spelled), spelled, documents)


async def _one_by_one(batch: _Batch, legs: _Legs, turns: asyncio.Semaphore) -> None:
    """Parts of one entity, one after the other, for a source that takes no batches."""
    for member, leg in legs:
        try:
            problem = await _singly(batch, member, leg, turns)
        except PintuError as wrong:
            problem = wrong.problem()
        if problem is not None:
            batch.fails(member, problem, leg.registration.id)


async def _singly(
    batch: _Batch, member: _Member, leg: Leg, turns: asyncio.Semaphore
) -> dict[str, Any] | None:
    """One part by the first operation its source has; made there when it was not. Its problem."""
    call, kind, registration = batch.call, batch.kind, leg.registration
    spelled = await spelling(call, registration, member.terms)
    document = None
    if kind.read is not None:
        document = written(spelled, member.terms, part(member.document, member.terms, leg.names))
    steps = [one for one in kind.steps if one.operation in registration.operations]
    first, last = steps[0], steps[-1]
    problem: dict[str, Any] | None = None
    for step in (first, last) if last is MAKES and first is not last else (first,):
        keeps = step in ADDS and "noOverwrite" in call.params.get("options", "")
        query = "options=noOverwrite" if keeps else ""
        sent = question(step.method, step.path(member.id), query, spelled, document)
        found = await _asked(call, registration, sent, turns)
        if came_round(leg.takes, found):
            return None
        problem = error_of(found, registration)
        if isinstance(found, Answer) and found.status == 207:
            return next(iter(partial_errors(found, registration).values()))
        if problem is None and found.status == 201:
            batch.new.add(member.id)
        if problem is None or problem["status"] != 404:
            return problem
    return problem


async def _asked(
    call: Call, registration: Registration, sent: Question, turns: asyncio.Semaphore
) -> Answer | Failed:
    asker = sources(call)
    assert asker is not None
    async with turns:
        return await asker.ask(registration, sent, came(call))


def _all_fail(batch: _Batch, legs: _Legs, problem: dict[str, Any]) -> None:
    for member, leg in legs:
        batch.fails(member, problem, leg.registration.id)


# --- done here ----------------------------------------------------------------------------------
async def _here(batch: _Batch) -> None:
    """What is left of every member, as one batch of the handler that does all where nobody takes
    any.
    """
    call, kind = batch.call, batch.kind
    mine = [member for member in batch.members if member.found.local]
    if not mine:
        return
    documents = [_left(kind, member) for member in mine]
    contexts: list[Any] | None = [member.terms for member in mine]
    local = msgspec.structs.replace(
        call, document=documents, encoded=b"", contexts=contexts if kind.read else None
    )
    try:
        result = call.operation.handler(local)
        response = result if isinstance(result, Response) else await result
    except PintuError as error:
        for member in mine:
            batch.fails(member, error.problem())
        return
    said: Any = orjson.loads(response.body) if response.body else []
    if response.status == 201:
        batch.new |= set(said)
    elif response.status == 207:
        _local_errors(batch, mine, said["errors"])


def _left(kind: Kind, member: _Member) -> Any:
    if kind.read is None or member.found.left == member.names:
        return member.document
    return part(member.document, member.terms, member.found.left)


def _local_errors(batch: _Batch, mine: list[_Member], errors: list[dict[str, Any]]) -> None:
    by_id: dict[str, list[_Member]] = {}
    for member in mine:
        by_id.setdefault(member.id, []).append(member)
    for one in errors:
        members = by_id.get(one["entityId"])
        if not members:
            continue
        member = members.pop(0) if len(members) > 1 else members[0]
        gone = batch.kind.read is None and one["error"].get("status") == 404
        if gone and any(leg.takes for leg in member.found.legs):
            continue  # a source has all there is of it
        batch.fails(member, one["error"])


# --- told ---------------------------------------------------------------------------------------
def _told(batch: _Batch) -> Response:
    """201 with ids, 204, or 207 with what was done whole and every part that was not."""
    call, kind = batch.call, batch.kind
    wrong = {error["entityId"] for _, error in batch.errors}
    good = list(dict.fromkeys(one.id for one in batch.members if one.id not in wrong))
    if batch.errors:
        errors = [error for _, error in sorted(batch.errors, key=lambda one: one[0])]
        return plain(call, {"success": good, "errors": errors}, status=207)
    if kind is CREATE:
        return plain(call, good, status=201)
    if kind.upserts and batch.new:
        return plain(call, [id for id in good if id in batch.new], status=201)
    return empty(call)
