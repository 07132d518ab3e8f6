"""A Query document (5.2.23): its members as the parameters they stand for."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.picking import split_names
from pintu.kernel.errors import BadRequestData

_STRINGS = ("q", "csf", "scopeQ", "lang", "geometryProperty", "join")
_NAMES = ("attrs", "pick", "omit", "expandValues", "jsonKeys", "containedBy")
_KNOWN = frozenset(
    (
        "type", "entities", "attrs", "pick", "omit", "q", "geoQ", "csf", "scopeQ", "lang",
        "temporalQ", "containedBy", "join", "joinLevel", "datasetId", "entityMap", "ordering",
        "orderBy", "expandValues", "jsonKeys", "geometryProperty", "splitEntities", "id",
        "entityMapLifetime",
    )
)  # fmt: skip
_ENTITIES_LIMIT = 100


def read_query(document: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a Query document; more than one entity selector stays under `entities`.

    Raises BadRequestData naming the member that is unknown or wrong.
    """
    if document.get("type") != "Query":
        raise BadRequestData("A Query document needs the type Query")
    strange = document.keys() - _KNOWN
    if strange:
        raise BadRequestData(f"A Query has no member {', '.join(sorted(strange))[:200]}")
    if "temporalQ" in document:
        raise BadRequestData("temporalQ belongs to a temporal query")
    params: dict[str, Any] = {}
    for name in _STRINGS:
        if name in document:
            if not isinstance(document[name], str):
                raise BadRequestData(f"{name} of a Query is not a string")
            params[name] = document[name]
    for name in _NAMES:
        if name in document:
            params[name] = ",".join(split_names(document[name], name))
    if "datasetId" in document:
        params["datasetId"] = document["datasetId"]
    if "joinLevel" in document:
        params["joinLevel"] = document["joinLevel"]
    _read_entities(document, params)
    _read_geo(document, params)
    _read_order(document, params)
    if params.keys().isdisjoint(
        ("type", "entities", "id", "idPattern", "attrs", "q", "georel", "pick", "scopeQ")
    ):
        raise BadRequestData("A Query needs entities, attrs, q or geoQ")
    return params


def _read_entities(document: dict[str, Any], params: dict[str, Any]) -> None:
    entities = document.get("entities")
    if entities is None:
        return
    if not isinstance(entities, list) or not entities or len(entities) > _ENTITIES_LIMIT:
        raise BadRequestData(
            f"entities of a Query is not a list of 1 to {_ENTITIES_LIMIT} selectors"
        )
    selectors = [_selector(member) for member in entities]
    if len(selectors) == 1:
        params.update(selectors[0])
    elif all(selector.keys() == {"type"} for selector in selectors):
        params["type"] = ",".join(f"({selector['type']})" for selector in selectors)
    elif all(selector.keys() == {"id", "type"} for selector in selectors) and (
        len({selector["type"] for selector in selectors}) == 1
    ):
        params["id"] = [id for selector in selectors for id in selector["id"]]
        params["type"] = selectors[0]["type"]
    else:
        params["entities"] = selectors


def _selector(member: Any) -> dict[str, Any]:
    """An EntitySelector (5.2.33): type, and optionally id or idPattern."""
    if not isinstance(member, dict):
        raise BadRequestData("A member of entities is not an object")
    strange = member.keys() - {"id", "idPattern", "type"}
    if strange:
        raise BadRequestData(f"A member of entities has no {', '.join(sorted(strange))[:200]}")
    kind = member.get("type")
    if not isinstance(kind, str) or not kind:
        raise BadRequestData("A member of entities needs a type")
    found: dict[str, Any] = {"type": kind}
    if "id" in member:
        ids = member["id"]
        found["id"] = [ids] if isinstance(ids, str) else ids
        if not isinstance(found["id"], list):
            raise BadRequestData("id of a member of entities is neither a URI nor a list of URIs")
    if "idPattern" in member:
        if not isinstance(member["idPattern"], str):
            raise BadRequestData("idPattern of a member of entities is not a string")
        found["idPattern"] = member["idPattern"]
    return found


def _read_geo(document: dict[str, Any], params: dict[str, Any]) -> None:
    geo = document.get("geoQ")
    if geo is None:
        return
    if not isinstance(geo, dict):
        raise BadRequestData("geoQ of a Query is not an object")
    strange = geo.keys() - {"georel", "geometry", "coordinates", "geoproperty"}
    if strange:
        raise BadRequestData(f"geoQ has no member {', '.join(sorted(strange))[:200]}")
    params.update(geo)


def _read_order(document: dict[str, Any], params: dict[str, Any]) -> None:
    ordering = document.get("ordering")
    if ordering is None:
        if "orderBy" in document:
            params["orderBy"] = document["orderBy"]
        return
    if not isinstance(ordering, dict) or "orderBy" not in ordering:
        raise BadRequestData("ordering of a Query is not an object with orderBy")
    names = {
        "orderBy": "orderBy", "collation": "collation", "coordinates": "orderFrom",
        "orderFrom": "orderFrom", "geometry": "orderGeometry", "orderGeometry": "orderGeometry",
    }  # fmt: skip
    for member, value in ordering.items():
        if member not in names:
            raise BadRequestData(f"ordering has no member {member[:100]}")
        params[names[member]] = value
