"""/api/v1/data-sets: the catalogue, rows, the past of a value, profiles and files of data sets."""

from __future__ import annotations

import mimetypes
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson
from litestar import Response, get
from litestar.response import File

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData
from pintu.kernel.exchange.words import (
    Aggregate,
    Answer,
    Comparison,
    Condition,
    Question,
    Rows,
    Sample,
    Sent,
)
from pintu.web.api.reading import as_json
from pintu.web.api.states import parse_time
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, enter
from pintu.web.why import receipt_line

DATA_SET: Final = "catalogue"
HOUR_US: Final = 3_600_000_000
SIGNS: Final[dict[str, Comparison]] = {
    "": "=", "not": "!=", "below": "<", "most": "<=", "above": ">", "least": ">=",
    "contains": "contains", "in": "in", "empty": "empty", "filled": "filled",
}  # fmt: skip
"""What stands before the colon of `f.pm25=above:75`."""


@get("/data-sets", summary="Every data set whose existence you may know")
async def data_sets(request: AnyRequest) -> Response[bytes]:
    """The catalogue, by name, with columns."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    found = house.rooms.exchange.list_sets(visit.actor)
    return as_json([{**msgspec.to_builtins(one), "persons": one.persons} for one in found])


@get("/data-sets/{name:str}", summary="One data set")
async def data_set(request: AnyRequest, name: str) -> Response[bytes]:
    """Its columns, provider, owner; ResourceNotFound."""
    house = house_of(request)
    enter(request, house.rooms, data_set=DATA_SET)
    found = house.rooms.exchange.get(name)
    return as_json({**msgspec.to_builtins(found), "persons": found.persons})


@get("/data-sets/{name:str}/rows", summary="Rows of a data set, filtered, ordered, added up")
async def rows(request: AnyRequest, name: str) -> Response[bytes]:
    """`f.COLUMN=VALUE` or `f.COLUMN=above:VALUE` (not, below, most, above, least, contains, in,
    empty, filled), `columns=a,b`, `order=-a`, `limit`, `offset`, `count=true`, `group=a,t@day`,
    `aggregate`, `measure`."""
    house = house_of(request)
    visit = enter(request, house.rooms, None)  # the exchange asks the gate
    answer = await house.rooms.exchange.answer(
        visit.actor, name, read_question(request), visit.why, form=as_told
    )
    return told_of(answer)


def told_of(answer: Answer | Sent) -> Response[bytes]:
    """The bytes whose digest the log keeps."""
    return Response(answer.body, media_type="application/json", headers=answered(answer))


def as_told(rows: Rows) -> bytes:
    """Rows as the bytes that are sent, whose digest the log keeps."""
    told: dict[str, Any] = msgspec.to_builtins(rows)
    told["asOf"] = iso(told.pop("as_of_us", 0))
    return orjson.dumps(told)


def answered(answer: Answer | Sent) -> dict[str, str]:
    """Headers of an answer: nobody keeps it; where it stands in the log."""
    headers = {"Cache-Control": "no-store"}
    if answer.receipt is not None:
        headers["Pintu-Receipt"] = receipt_line(answer.receipt)
    return headers


def read_question(request: AnyRequest) -> Question:
    """The question an address asks; BadRequestData names what cannot be read."""
    params = request.query_params
    told = {
        "columns": _listed(params.get("columns")),
        "order": _listed(params.get("order")),
        "group": _listed(params.get("group")),
        "limit": params.get("limit", "100"),
        "offset": params.get("offset", "0"),
        "count": params.get("count", "false"),
        "aggregate": params.get("aggregate", "count"),
        "measure": params.get("measure", ""),
    }
    where = tuple(
        condition_of(key.removeprefix("f."), str(value))
        for key, value in params.multi_items()
        if key.startswith("f.")
    )
    try:
        found = msgspec.convert(told, Question, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The question cannot be read: {error}") from error
    named: Aggregate = found.aggregate
    return msgspec.structs.replace(found, where=where, aggregate=named)


def condition_of(column: str, value: str) -> Condition:
    """`above:75` on a column; a value with no such word before a colon is compared as it is."""
    word, colon, rest = value.partition(":")
    if colon and word in SIGNS:
        return Condition(column, SIGNS[word], rest)
    return Condition(column, "=", value)


def _listed(text: str | None) -> list[str]:
    return [one for one in (text or "").split(",") if one]


@get("/data-sets/{name:str}/series", summary="The past of one value of a data set")
async def series(
    request: AnyRequest, name: str, id: str, column: str, since: str = "", until: str = ""
) -> Response[bytes]:
    """Times and values, oldest first, at most 5,000; without `since` the last 24 hours."""
    house = house_of(request)
    visit = enter(request, house.rooms, None)
    until_us = parse_time(until) or house.rooms.clock.now_us()
    sent = Sent(form=_series_told)
    await house.rooms.exchange.series(
        visit.actor,
        name,
        (id, column),
        visit.why,
        since_us=parse_time(since) or until_us - 24 * HOUR_US,
        until_us=until_us,
        sent=sent,
    )
    return told_of(sent)


def _series_told(found: list[Sample]) -> bytes:
    times = [iso(one.at_us) for one in found]
    return orjson.dumps({"times": times, "values": [one.value for one in found]})


@get("/data-sets/{name:str}/profile", summary="What was measured of a data set")
async def profile(request: AnyRequest, name: str) -> Response[bytes]:
    """Rows, and by column how full it is, how many values it has, their range."""
    house = house_of(request)
    visit = enter(request, house.rooms, None)
    sent = Sent(form=orjson.dumps)
    await house.rooms.exchange.profile(visit.actor, name, visit.why, sent=sent)
    return told_of(sent)


@get("/data-sets/{name:str}/files/{file:str}", summary="One file of a data set of files")
async def data_file(request: AnyRequest, name: str, file: str) -> File:
    """Sent to be kept, never to be run by the browser."""
    house = house_of(request)
    visit = enter(request, house.rooms, None)
    sent = Sent()
    path = await house.rooms.exchange.file(visit.actor, name, file, visit.why, sent=sent)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    safe = kind if not kind.startswith("text/html") else "application/octet-stream"
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name)}",
        **answered(sent),
    }
    return File(path=path, media_type=safe, headers=headers)


HANDLERS: Final[tuple[Any, ...]] = (data_sets, data_set, rows, series, profile, data_file)
