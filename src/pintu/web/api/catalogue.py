"""/api/v1/catalogue, /api/v1/schemas: the catalogue as files, search, versions of schemas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import orjson
from litestar import Response, get

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.exchange.catalogue_measured import Measured
from pintu.kernel.exchange.catalogue_search import FACETS, Search
from pintu.kernel.exchange.metadata_dcat import dcat_json, turtle
from pintu.kernel.exchange.metadata_national import as_workbook, as_xml, entries
from pintu.kernel.exchange.schemas.json_schema import json_schema
from pintu.kernel.exchange.words import DataSet
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter

DATA_SET: Final = "catalogue"
SEARCH: Final = Search()
KINDS: Final = {
    "json": "application/json",
    "xml": "application/xml",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonld": "application/ld+json",
    "ttl": "text/turtle",
}


@get("/catalogue", summary="The catalogue as a file for a greater one")
async def catalogue(request: AnyRequest, format: str = "jsonld") -> Response[bytes]:
    """`format`: jsonld or ttl (DCAT-AP), json, xml or xlsx (GB/T 21063). Data sets whose existence
    you may know; of persons their description alone."""
    if format not in KINDS:
        raise BadRequestData(f"The catalogue is a file of {', '.join(KINDS)}")
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    sets = visit.rooms.exchange.list_sets(visit.actor)
    body = catalogue_as(format, sets, visit)
    headers = {
        "Content-Disposition": f'attachment; filename="catalogue.{format}"',
        "Cache-Control": "no-store",
    }
    return Response(body, media_type=KINDS[format], headers=headers)


def catalogue_as(format: str, sets: list[DataSet], visit: Visit) -> bytes:
    """The bytes of the file."""
    measured = _measured(sets, visit)
    city = _city(visit)
    if format in ("jsonld", "ttl"):
        document = dcat_json(sets, measured, city)
        return orjson.dumps(document) if format == "jsonld" else turtle(document).encode()
    found = entries(sets, measured, city)
    if format == "xlsx":
        return as_workbook(found)
    return as_xml(found).encode() if format == "xml" else orjson.dumps(found)


def _measured(sets: list[DataSet], visit: Visit) -> dict[str, Measured]:
    finder = visit.rooms.finder
    if finder is None:
        return {}
    return {one.name: told for one in sets if (told := finder.measured(one.name)) is not None}


def _city(visit: Visit) -> dict[str, str]:
    settings = visit.rooms.settings
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=visit.words.now_us)
    return {
        "url": settings.public_url or settings.address,
        "title": "拼图 · 数据目录",
        "day": at.astimezone(ZoneInfo(settings.tz)).date().isoformat(),
    }


@get("/catalogue/search", summary="Search data sets in Chinese, English or pinyin")
async def search(request: AnyRequest, q: str = "", limit: int = 50) -> Response[bytes]:
    """`q`, and `owner`, `theme`, `sharing`, `provider` to narrow; best first, with how many there
    are of each."""
    if not 1 <= limit <= 1_000:
        raise BadRequestData("A search tells between 1 and 1000 data sets")
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    chosen = {name: str(request.query_params.get(name, "")) for name in FACETS}
    hits = SEARCH.find(visit.rooms.exchange.list_sets(visit.actor), q, chosen)
    return as_json({
        "total": len(hits.data_sets),
        "dataSets": [
            {**msgspec.to_builtins(one), "persons": one.persons} for one in hits.data_sets[:limit]
        ],
        "facets": {name: dict(counts) for name, counts in hits.facets.items()},
    })  # fmt: skip


@get("/schemas", summary="The version in force of every data set's schema")
async def schemas(request: AnyRequest) -> Response[bytes]:
    """By name: version, since when, how it goes with the one before."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    known = {one.name for one in visit.rooms.exchange.list_sets(visit.actor)}
    found = visit.rooms.schemas.list_current() if visit.rooms.schemas is not None else []
    return as_json([
        {
            "dataSet": one.data_set,
            "version": one.version,
            "since": visit.words.iso(one.since_us),
            "compatibility": one.compatibility,
            "changes": msgspec.to_builtins(one.changes),
        }
        for one in found
        if one.data_set in known
    ])  # fmt: skip


@get("/schemas/{name:str}", summary="A data set's schema as JSON Schema")
async def schema(request: AnyRequest, name: str, version: int = 0) -> Response[bytes]:
    """The version in force, or the one asked for; ResourceNotFound."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    registry = visit.rooms.schemas
    known = {one.name for one in visit.rooms.exchange.list_sets(visit.actor)}
    if registry is None or name not in known:
        raise ResourceNotFound(f"Nothing is known of a schema of {name[:100]!r}")
    found = await registry.get(name, version) if version else registry.current(name)
    if found is None:
        raise ResourceNotFound(f"Nothing is known of a schema of {name[:100]!r}")
    address = f"{_city(visit)['url'].rstrip('/')}/api/v1/schemas/{name}?version={found.version}"
    return Response(orjson.dumps(json_schema(found, address)), media_type="application/schema+json")


HANDLERS: Final[tuple[Any, ...]] = (catalogue, search, schemas, schema)
