"""/api/v1/islands: the index day by day, what is held twice, findings, and proposals checked."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import Body

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.exchange.finding import Finder
from pintu.kernel.exchange.finding.proposals import Planned, read_planned
from pintu.kernel.exchange.finding.words import Finding, Twin
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter

DATA_SET: Final = "catalogue"
OF_SETS: Final = ("unused", "constant", "stale")


def _finder(visit: Visit) -> Finder:
    if visit.rooms.finder is None:
        raise ResourceNotFound("This city measures nothing")
    return visit.rooms.finder


def _known(visit: Visit) -> set[str]:
    return {one.name for one in visit.rooms.exchange.list_sets(visit.actor)}


def _may_know(twin: Twin, known: set[str]) -> bool:
    return all(name in known or "@" in name for name in (twin.left, twin.right))


def _twin(twin: Twin) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(twin)
    return {**told, "differ": twin.differ}


def _tells(finding: Finding, known: set[str]) -> bool:
    return finding.kind not in OF_SETS or finding.about in known


@get("/islands", summary="The island index of the city, day by day")
async def index(request: AnyRequest) -> Response[bytes]:
    """Oldest first; `index` is fields collected again ÷ all fields."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    return as_json([
        {**msgspec.to_builtins(one), "index": one.index} for one in _finder(visit).days()
    ])  # fmt: skip


@get("/islands/duplicates", summary="What is held twice, with the evidence")
async def duplicates(request: AnyRequest) -> Response[bytes]:
    """Pairs of data sets whose existence you may know, the surest first; counts, never values."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    known = _known(visit)
    return as_json([_twin(one) for one in _finder(visit).list_twins() if _may_know(one, known)])


@get("/islands/duplicates/{twin_id:str}", summary="One pair that is held twice")
async def duplicate(request: AnyRequest, twin_id: str) -> Response[bytes]:
    """With every pair of fields; ResourceNotFound."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    twin = _finder(visit).twin(twin_id)
    if not _may_know(twin, _known(visit)):
        raise ResourceNotFound(f"Nothing called {twin_id[:100]!r} is held twice now")
    return as_json(_twin(twin))


@get("/islands/findings", summary="What looks smart and is not")
async def findings(request: AnyRequest) -> Response[bytes]:
    """Systems that connect to nothing, data sets nobody uses, values that stand still."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    known = _known(visit)
    return as_json([
        msgspec.to_builtins(one) for one in _finder(visit).list_findings() if _tells(one, known)
    ])  # fmt: skip


@post("/islands/proposals", summary="Which planned fields exist already", status_code=200)
async def proposals(
    request: AnyRequest, data: Annotated[dict[str, Any], Body(title="fields")]
) -> Response[bytes]:
    """`{"fields": ["身份证号", {"name": "sfzh", "about": "…"}, …]}`, or a text with one a line.
    Nothing is kept of it."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    told = data.get("fields")
    if isinstance(told, str):
        planned = read_planned(told)
    elif isinstance(told, list) and told:
        planned = [_planned(one) for one in told[:500]]
    else:
        raise BadRequestData("A proposal has `fields`: a list of names, or a text with one a line")
    known = _known(visit)
    answer = _finder(visit).proposed(planned)
    holders = tuple(one for one in answer.holders if one.data_set in known)
    return as_json(msgspec.to_builtins(msgspec.structs.replace(answer, holders=holders)))


def _planned(told: Any) -> Planned:
    if isinstance(told, str) and told.strip():
        return Planned(name=told.strip()[:200])
    try:
        return msgspec.convert(told, Planned)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"A planned field cannot be read: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (
    index, duplicates, duplicate, findings, proposals,
)  # fmt: skip
