"""The verbs of NGSI-LD as pure transforms of what is stored (5.6); the store runs them on its
writer.

A transform decodes the record it is given, so it may change that copy; fragments and entities
handed to the makers are shared between calls and are never changed. `detail` of an effect is
an UpdateResult (5.2.18) with stored names where the operation has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from pintu.kernel.context.changes import NOT_ATTRIBUTES, Change
from pintu.kernel.context.late import brings_late
from pintu.kernel.context.members import DESCRIBING, VALUE_OF, has_null, instances, is_null_instance
from pintu.kernel.context.merging import (
    by_dataset,
    fitting,
    joined,
    value_member,
    whole,
    with_whole_subs,
)
from pintu.kernel.context.overwriting import overwritten, plain_names
from pintu.kernel.context.record import Effect, Keep, Put, Record, Remove, Transform
from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.context.times import DEFAULT, Stamps
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.jsonld import NULL


def create(entity: dict[str, Any], body: bytes | None = None) -> Put:
    """A new entity (5.6.1), for `Op.fresh`; `body` when the caller has the stored bytes already."""
    return Put(entity=entity, verb="created", body=body)


def replace(entity: dict[str, Any], body: bytes | None = None) -> Transform:
    """Replace an existing entity, all attributes new (5.6.18). ResourceNotFound when there is
    none."""

    def transform(record: Record | None, now_us: int) -> Effect:
        _there(record, entity.get("id", ""))
        return _replaced(entity, body, now_us)

    return transform


def upsert_replace(
    entity: dict[str, Any], body: bytes | None = None, *, keep_newer: bool = False
) -> Transform:
    """Create or replace (5.6.8, the default); the outcome's verb says which.

    With `keep_newer` an entity that has an attribute observed before the stored one replaces
    nothing: it is appended, and what is late goes to the log only (see `late`).
    """
    late = append(entity, keep_newer=True) if keep_newer else None

    def transform(record: Record | None, now_us: int) -> Effect:
        if record is None:
            return Put(entity=entity, verb="created", body=body)
        if late is not None and brings_late(orjson.loads(record.body), entity):
            return late(record, now_us)
        return _replaced(entity, body, now_us)

    return transform


def _replaced(entity: dict[str, Any], body: bytes | None, now_us: int) -> Put:
    return Put(entity=entity, verb="replaced", body=body, times={DEFAULT: [now_us, now_us]})


def upsert_append(
    entity: dict[str, Any], *, no_overwrite: bool = False, keep_newer: bool = False
) -> Transform:
    """Create, or append the attributes to what is there (5.6.8 with `update`)."""
    return _create_or(entity, append(entity, no_overwrite=no_overwrite, keep_newer=keep_newer))


def upsert_merge(entity: dict[str, Any], *, keep_newer: bool = False) -> Transform:
    """Create, or merge into what is there (5.6.17 as an upsert)."""
    return _create_or(entity, merge(entity, keep_newer=keep_newer))


def _create_or(entity: dict[str, Any], change: Transform) -> Transform:
    def transform(record: Record | None, now_us: int) -> Effect:
        if record is not None:
            return change(record, now_us)
        fresh = {key: _fresh(key, value) for key, value in entity.items() if value != NULL}
        return Put(entity={key: value for key, value in fresh.items() if value}, verb="created")

    return transform


def _fresh(name: str, value: Any) -> Any:
    if name in NOT_ATTRIBUTES:
        return value
    kept = {
        instance.get("datasetId"): whole(name, instance)
        for instance in instances(value)
        if not is_null_instance(instance)
    }
    return joined(kept)


def append(
    fragment: dict[str, Any], *, no_overwrite: bool = False, keep_newer: bool = False
) -> Transform:
    """Add attributes, replacing those that are there unless `no_overwrite` (5.6.3), or with
    `keep_newer` unless they were observed later (see `late`).

    Raises BadRequestData for an NGSI-LD Null: nothing can be deleted by appending (5.5.4).
    """
    _refuse_nulls(fragment, anywhere=True)

    def transform(record: Record | None, now_us: int) -> Effect:
        change = Change(_there(record, fragment.get("id", "")), now_us)
        change.add_types(fragment.get("type"))
        scope = fragment.get("scope")
        if scope is not None:
            change.set_scope(scope, extend=no_overwrite)
        change.set_expiry(fragment)
        for name, attribute in fragment.items():
            if name not in NOT_ATTRIBUTES:
                if keep_newer and (attribute := change.newer(name, attribute)) is None:
                    continue
                change.put_attribute(name, attribute, overwrite=not no_overwrite)
        return change.effect()

    return transform


def update(fragment: dict[str, Any]) -> Transform:
    """Replace attributes whole, append those that are missing, delete by NGSI-LD Null (5.6.2).

    Raises BadRequestData for an NGSI-LD Null inside a value, where only a merge may have one
    (5.5.4).
    """
    names = plain_names(fragment)
    if not names:
        _refuse_nulls(fragment, anywhere=False)

    def transform(record: Record | None, now_us: int) -> Effect:
        present = _there(record, fragment.get("id", ""))
        if names and (simply := overwritten(present, fragment, names, now_us)) is not None:
            return simply
        change = Change(present, now_us)
        change.add_types(fragment.get("type"))
        scope = fragment.get("scope")
        if scope is not None and "scope" in change.entity:
            change.set_scope(scope)
        elif scope is not None:
            change.refuse("scope", None, "does not exist")
        change.set_expiry(fragment)
        for name, attribute in fragment.items():
            if name not in NOT_ATTRIBUTES:
                change.put_attribute(name, attribute, overwrite=True)
        return change.effect()

    return transform


def merge(
    fragment: dict[str, Any],
    *,
    observed_at: str | None = None,
    lang: str | None = None,
    keep_newer: bool = False,
) -> Transform:
    """Merge to any depth (5.6.17, 5.5.12); `keep_newer` as in `append`.

    `observed_at` renews the observedAt of merged attributes that had one and bring none of their
    own; `lang` is the language a bare string replaces in a LanguageProperty.
    """

    def transform(record: Record | None, now_us: int) -> Effect:
        change = Change(_there(record, fragment.get("id", "")), now_us)
        change.add_types(fragment.get("type"))
        scope = fragment.get("scope")
        if scope is not None:
            change.set_scope(scope)
        change.set_expiry(fragment)
        for name, attribute in fragment.items():
            if name not in NOT_ATTRIBUTES:
                if keep_newer and (attribute := change.newer(name, attribute)) is None:
                    continue
                change.merge_attribute(name, attribute, observed_at, lang)
        return change.effect()

    return transform


def patch_attribute(name: str, fragment: Any) -> Transform:
    """Partial update of one attribute (5.6.4): first-level members replaced, Nulls deleted, type
    fixed.

    `name` and `fragment` as `read_attribute` gives them. ResourceNotFound when the entity, the
    attribute
    or the instance is not there; BadRequestData when the type differs.
    """
    fragment = with_whole_subs(fragment)
    single = fragment.__class__ is dict and "datasetId" not in fragment
    plain = single and NULL not in [v for v in fragment.values() if v.__class__ is str]

    def transform(record: Record | None, now_us: int) -> Effect:
        present = _there(record)
        entity: dict[str, Any] = orjson.loads(present.body)
        target = entity.get(name)
        if plain and target.__class__ is dict and "datasetId" not in target:
            same_type(name, target, fragment)
            if not is_null_instance(fragment):
                entity[name] = fitting(name, {**target, **fragment})
                return _patched(present, entity, name, (None,), now_us)
        if target is None:
            raise ResourceNotFound(f"Attribute {name} does not exist")
        found = by_dataset(target)
        written = []
        for instance in instances(fragment):
            dataset_id = None if instance.__class__ is str else instance.get("datasetId")
            if dataset_id not in found:
                which = "default instance" if dataset_id is None else f"instance {dataset_id}"
                raise ResourceNotFound(f"Attribute {name} has no {which}")
            if is_null_instance(instance):
                del found[dataset_id]
            else:
                same_type(name, found[dataset_id], instance)
                found[dataset_id] = overlaid(name, found[dataset_id], instance)
            written.append(dataset_id)
        attribute = joined(found)
        if attribute is None:
            del entity[name]
        else:
            entity[name] = attribute
        return _patched(present, entity, name, written, now_us)

    return transform


def overlaid(name: str, target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """An instance with the members of a fragment; an NGSI-LD Null takes one away (5.6.4)."""
    out = dict(target)
    for key, value in patch.items():
        gone = value == NULL or (
            key not in DESCRIBING
            and isinstance(value, dict)
            and value_member(value) is not None
            and is_null_instance(value)
        )
        if gone:
            out.pop(key, None)
        else:
            out[key] = value
    return fitting(name, out)


def same_type(name: str, target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Raise BadRequestData for a fragment that would make another type of an attribute."""
    kind = target["type"]
    member = value_member(patch)
    if patch.get("type", kind) != kind or (member is not None and member != VALUE_OF[kind]):
        raise BadRequestData(f"Attribute {name} is a {kind} and cannot become another type")


def _patched(
    record: Record, entity: dict[str, Any], name: str, written: Iterable[str | None], now_us: int
) -> Put:
    clock = Stamps(record, now_us)
    attribute = entity.get(name)
    for dataset_id in written:
        if attribute is None or dataset_id not in by_dataset(attribute):
            clock.gone(name, dataset_id)
        else:
            clock.written(name, dataset_id, there=True)
    return Put(entity=entity, verb="updated", changed=(name,), times=clock.times)


def replace_attribute(name: str, attribute: Any) -> Transform:
    """Replace an attribute, or the instance whose datasetId it carries (5.6.19).
    ResourceNotFound."""

    def transform(record: Record | None, now_us: int) -> Effect:
        present = _there(record)
        entity: dict[str, Any] = orjson.loads(present.body)
        if name not in entity:
            raise ResourceNotFound(f"Attribute {name} does not exist")
        found = by_dataset(entity[name])
        written = []
        for instance in instances(attribute):
            dataset_id = instance.get("datasetId")
            if dataset_id not in found:
                which = "default instance" if dataset_id is None else f"instance {dataset_id}"
                raise ResourceNotFound(f"Attribute {name} has no {which}")
            found[dataset_id] = whole(name, instance)
            written.append(dataset_id)
        entity[name] = joined(found)
        return _patched(present, entity, name, written, now_us)

    return transform


def delete_attribute(
    name: str, *, dataset_id: str | None = None, delete_all: bool = False
) -> Transform:
    """Delete the default instance, the one of `dataset_id`, or all (5.6.5). ResourceNotFound."""

    def transform(record: Record | None, _now_us: int) -> Effect:
        present = _there(record)
        entity: dict[str, Any] = orjson.loads(present.body)
        clock = Stamps(present, _now_us)
        if name == "scope" and "scope" in entity:
            del entity["scope"]
            return Put(entity=entity, verb="updated", changed=("scope",), times=clock.times)
        if name not in entity or name in NOT_ATTRIBUTES:
            raise ResourceNotFound(f"Attribute {name} does not exist")
        found = by_dataset(entity[name])
        wanted = None if dataset_id == "@none" else dataset_id
        gone = list(found) if delete_all else [wanted]
        for key in gone:
            if key not in found:
                which = "default instance" if key is None else f"instance {key}"
                raise ResourceNotFound(f"Attribute {name} has no {which}")
            del found[key]
            clock.gone(name, key)
        attribute = joined(found)
        if attribute is None:
            del entity[name]
        else:
            entity[name] = attribute
        return Put(entity=entity, verb="updated", changed=(name,), times=clock.times)

    return transform


def drop_attributes(
    *, kept: frozenset[str] | None = None, dropped: frozenset[str] = frozenset()
) -> Transform:
    """Delete whole attributes: all that are not `kept`, or all `dropped` (5.6.21). Keep when none
    is there."""

    def transform(record: Record | None, now_us: int) -> Effect:
        present = _there(record)
        entity: dict[str, Any] = orjson.loads(present.body)
        names = entity.keys() - NOT_ATTRIBUTES
        gone = sorted(names & dropped if kept is None else names - kept)
        if not gone:
            return Keep()
        clock = Stamps(present, now_us)
        for name in gone:
            for dataset_id in by_dataset(entity.pop(name)):
                clock.gone(name, dataset_id)
        return Put(entity=entity, verb="updated", changed=tuple(gone), times=clock.times)

    return transform


def delete() -> Transform:
    """Delete the entity (5.6.6). ResourceNotFound when there is none."""

    def transform(record: Record | None, _now_us: int) -> Effect:
        _there(record)
        return Remove()

    return transform


def only_types(selection: TypeSelection | None, change: Transform) -> Transform:
    """The change, for an entity whose types match; else ResourceNotFound (4.17 as a selector)."""
    if selection is None:
        return change

    def transform(record: Record | None, now_us: int) -> Effect:
        present = _there(record)
        types = set(present.types)
        if not any(wanted <= types for wanted in selection.any_of):
            raise ResourceNotFound(f"Entity {present.id} is not of the types asked for")
        return change(record, now_us)

    return transform


def _there(record: Record | None, id: str = "") -> Record:
    if record is None:
        raise ResourceNotFound(f"Entity {id} does not exist" if id else "The entity does not exist")
    return record


def _refuse_nulls(fragment: dict[str, Any], *, anywhere: bool) -> None:
    for name, attribute in fragment.items():
        if name in NOT_ATTRIBUTES:
            continue
        for instance in instances(attribute):
            deletes = is_null_instance(instance)
            if deletes and anywhere:
                raise BadRequestData(f"{name} is {NULL!r}: appending cannot delete")
            value = None if deletes else instance.get("value")
            if value.__class__ is dict and has_null(value):
                raise BadRequestData(f"{name} holds {NULL!r} in its value, which only a merge may")
