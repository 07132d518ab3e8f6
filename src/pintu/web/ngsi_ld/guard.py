"""What the gate decided, applied to writes: rows that may be touched, attributes that may be
named.
"""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.access import Projection
from pintu.kernel.context.match import match_q
from pintu.kernel.context.members import instances
from pintu.kernel.context.record import Effect, Put, Record, Transform
from pintu.kernel.context.times import DEFAULT, time_key, times_of
from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.web.ngsi_ld.agreed import refuse_members
from pintu.web.ngsi_ld.operation import Call

MEMBERS = frozenset(("id", "type", "scope", "expiresAt", "@context"))


def allow_entity(call: Call, entity: dict[str, Any]) -> None:
    """Refuse an entity that the caller may not write, or that a strict tenant's vocabulary does
    not know.

    Raises Forbidden naming the attribute, BadRequestData naming the field.
    """
    if call.projection.seen is not None:
        refuse_members(call, entity)
    if not call.projection.whole:
        allow_names(call.projection, entity)
        if call.projection.rows is not None and not match_q(entity, call.projection.rows):
            raise Forbidden(f"{entity['id']} is outside of what you may write")
    if call.tenant_name in call.rooms.settings.strict_tenants:
        check_words(entity)


def allow_fragment(call: Call, fragment: dict[str, Any]) -> None:
    """The same for a fragment, whose type may be known only to the store."""
    if call.projection.seen is not None:
        refuse_members(call, fragment)
    if not call.projection.whole:
        allow_names(call.projection, fragment)


def allow_names(projection: Projection, fragment: dict[str, Any]) -> None:
    """Raise Forbidden naming an attribute that may not be written."""
    refused = {name for name in fragment.keys() - MEMBERS if not projection.lets(name)}
    if refused:
        raise Forbidden(f"You may not write attribute {', '.join(sorted(refused))}")


def check_words(entity: dict[str, Any]) -> None:
    """Ask the vocabulary; imported late so that a broker without strict tenants never loads it."""
    from pintu.vocabulary import check

    check(entity)


def within_rows(call: Call, transform: Transform, id: str) -> Transform:
    """The transform, for entities that the gate lets through; the rest does not exist for the
    caller, and attributes the caller may not see outlive a replacement of all the others.
    """
    rows, strict = call.projection.rows, call.tenant_name in call.rooms.settings.strict_tenants
    seen = call.projection.seen
    if call.projection.whole and not strict:
        return transform

    def guarded(record: Record | None, now_us: int) -> Effect:
        if seen is not None:
            # nothing is made under an agreement: what is outside of it cannot be told from nothing
            if record is None or seen(record.body) is None:
                raise ResourceNotFound(f"{id} does not exist")
        elif record is not None and rows is not None and not match_q(_read(record), rows):
            raise ResourceNotFound(f"{record.id} does not exist")
        effect = transform(record, now_us)
        if isinstance(effect, Put):
            if record is not None:
                _keep_hidden(call.projection, record, effect)
            if rows is not None and not match_q(effect.entity, rows):
                raise Forbidden(f"{effect.entity['id']} would be outside of what you may write")
            if strict:
                check_words(effect.entity)
        return effect

    return guarded


def _read(record: Record) -> Any:
    return orjson.loads(record.body)


def _keep_hidden(projection: Projection, record: Record, effect: Put) -> None:
    if projection.attributes is None and not projection.withheld:
        return
    present = orjson.loads(record.body)
    hidden = [name for name in present.keys() - MEMBERS if not projection.lets(name)]
    lost = {name: present[name] for name in hidden if name not in effect.entity}
    if lost:
        known = times_of(record)
        default = known.get(DEFAULT) or [record.created_us, record.created_us]
        keys = [
            time_key(name, instance.get("datasetId"))
            for name, attribute in lost.items()
            for instance in instances(attribute)
        ]
        effect.entity = {**effect.entity, **lost}
        effect.times = {**(effect.times or {}), **{key: known.get(key, default) for key in keys}}
        effect.body = None
