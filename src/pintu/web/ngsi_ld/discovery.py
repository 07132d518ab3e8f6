"""What there is: entity types and attributes of a tenant (5.7.5 to 5.7.10)."""

from __future__ import annotations

from collections.abc import Callable

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.store.port import Kind
from pintu.web.ngsi_ld.agreed import agreed_kinds
from pintu.web.ngsi_ld.answers import data
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import flag

PARAMS = frozenset(("details", "local"))
_LIST = "urn:ngsi-ld:"
Tell = Callable[[Call, list[Kind]], Response]


def list_types(call: Call) -> Result:
    """5.7.5 and 5.7.6: the type names, or with details each type and its attribute names."""
    return _told(call, types_told)


def types_told(call: Call, kinds: list[Kind]) -> Response:
    """The answer of 5.7.5 and 5.7.6 made of kinds."""
    by_type: dict[str, set[str]] = {}
    for kind in kinds:
        for name in kind.types:
            by_type.setdefault(name, set()).update(attribute for attribute, _ in kind.attributes)
    shown = call.terms.shown
    if not flag(call.params, "details"):
        names = sorted(shown(name) for name in by_type)
        return data(
            call,
            {
                "id": f"{_LIST}EntityTypeList:{call.tenant_name or 'default'}",
                "type": "EntityTypeList",
                "typeList": names,
            },
        )
    return data(
        call,
        [
            {
                "id": call.terms.expanded(name),
                "type": "EntityType",
                "typeName": shown(name),
                "attributeNames": sorted(shown(attribute) for attribute in by_type[name]),
            }
            for name in sorted(by_type, key=shown)
        ],
    )


def retrieve_type(call: Call) -> Result:
    """5.7.7: one type with its attributes, their kinds, and how many entities have it."""
    return _told(call, type_told)


def type_told(call: Call, kinds: list[Kind]) -> Response:
    """The answer of 5.7.7 made of kinds; raises ResourceNotFound where none is of the type."""
    wanted = call.terms.stored(call.parts[0])
    kinds = [kind for kind in kinds if wanted in kind.types]
    if not kinds:
        raise ResourceNotFound(f"There is no entity of type {call.parts[0][:200]}")
    types_of: dict[str, set[str]] = {}
    for kind in kinds:
        for attribute, attribute_type in kind.attributes:
            types_of.setdefault(attribute, set()).add(attribute_type)
    shown = call.terms.shown
    details = [
        {
            "id": call.terms.expanded(name),
            "type": "Attribute",
            "attributeName": shown(name),
            "attributeTypes": sorted(types_of[name]),
        }
        for name in sorted(types_of, key=shown)
    ]
    document = {
        "id": call.terms.expanded(wanted),
        "type": "EntityTypeInfo",
        "typeName": shown(wanted),
        "entityCount": sum(kind.count for kind in kinds),
        "attributeDetails": details,
    }
    return data(call, document)


def list_attributes(call: Call) -> Result:
    """5.7.8 and 5.7.9: the attribute names, or with details each with the types that have it."""
    return _told(call, attributes_told, each=True)


def attributes_told(call: Call, kinds: list[Kind]) -> Response:
    """The answer of 5.7.8 and 5.7.9 made of kinds."""
    by_name = _by_attribute(kinds)
    shown = call.terms.shown
    if not flag(call.params, "details"):
        names = sorted(shown(name) for name in by_name)
        return data(
            call,
            {
                "id": f"{_LIST}AttributeList:{call.tenant_name or 'default'}",
                "type": "AttributeList",
                "attributeList": names,
            },
        )
    return data(
        call,
        [
            {
                "id": call.terms.expanded(name),
                "type": "Attribute",
                "attributeName": shown(name),
                "typeNames": _type_names(call, by_name[name]),
            }
            for name in sorted(by_name, key=shown)
        ],
    )


def retrieve_attribute(call: Call) -> Result:
    """5.7.10: one attribute, its kinds, the types that have it, and how many entities do."""
    return _told(call, attribute_told, each=True)


def attribute_told(call: Call, all_kinds: list[Kind]) -> Response:
    """The answer of 5.7.10 made of kinds; raises ResourceNotFound where none has the attribute."""
    wanted = call.terms.stored(call.parts[0])
    kinds = _by_attribute(all_kinds).get(wanted)
    if kinds is None:
        raise ResourceNotFound(f"There is no attribute {call.parts[0][:200]}")
    kinds_of = {t for kind in kinds for name, t in kind.attributes if name == wanted}
    document = {
        "id": call.terms.expanded(wanted),
        "type": "Attribute",
        "attributeName": call.terms.shown(wanted),
        "attributeTypes": sorted(kinds_of),
        "typeNames": _type_names(call, kinds),
        "attributeCount": sum(kind.count for kind in kinds),
    }
    return data(call, document)


def _type_names(call: Call, kinds: list[Kind]) -> list[str]:
    return sorted({call.terms.shown(name) for kind in kinds for name in kind.types})


def _by_attribute(kinds: list[Kind]) -> dict[str, list[Kind]]:
    found: dict[str, list[Kind]] = {}
    for kind in kinds:
        for name in {name for name, _ in kind.attributes}:
            found.setdefault(name, []).append(kind)
    return found


def _told(call: Call, tell: Tell, *, each: bool = False) -> Result:
    if call.projection.seen is not None:
        return _told_agreed(call, tell, each)
    return tell(call, kinds_here(call))


async def _told_agreed(call: Call, tell: Tell, each: bool) -> Response:
    """What there is under an agreement is counted among the entities that are there."""
    return tell(call, await agreed_kinds(call, call.rooms.store.kinds(call.tenant), each=each))


def kinds_here(call: Call) -> list[Kind]:
    """The kinds that have entities, with the attributes that may be seen."""
    found = [kind for kind in call.rooms.store.kinds(call.tenant) if kind.count > 0]
    projection = call.projection
    if projection.types is not None:
        found = [kind for kind in found if not projection.types.isdisjoint(kind.types)]
    if projection.attributes is None and not projection.withheld:
        return found
    return [
        Kind(
            kind.types,
            tuple(pair for pair in kind.attributes if projection.lets(pair[0])),
            kind.count,
        )
        for kind in found
    ]
