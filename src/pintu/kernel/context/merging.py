"""How a fragment changes a stored attribute: replaced (5.5.8) or merged to any depth (5.5.12); all
pure."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.attributes import AttributeReader, Bare
from pintu.kernel.context.members import (
    DESCRIBING,
    TYPE_OF,
    UNITLESS,
    VALUE_OF,
    instances,
    is_null_instance,
)
from pintu.kernel.context.shapes import is_geometry
from pintu.kernel.context.values import MERGE_NULLS, check_value
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import NULL


def value_member(instance: dict[str, Any]) -> str | None:
    """The member that holds an instance's value; None in a fragment that leaves the value alone."""
    kind = instance.get("type")
    if kind is not None:
        return VALUE_OF[kind]
    return next((member for member in TYPE_OF if member in instance), None)


def whole(name: str, instance: Any) -> dict[str, Any]:
    """An instance of a fragment as one to be stored anew: with a type, without NGSI-LD Nulls.

    Raises BadRequestData when it has no value.
    """
    if is_whole(instance):
        return instance  # type: ignore[no-any-return]
    member = value_member(instance)
    if member is None or member not in instance:
        raise BadRequestData(f"{name} is not there yet, and the fragment gives it no value")
    kind = instance.get("type")
    if kind is None:
        kind = TYPE_OF[member]
        if kind == "Property" and is_geometry(instance[member]):
            kind = "GeoProperty"
    stored: dict[str, Any] = {"type": kind}
    for key, value in instance.items():
        if key == member:
            stored[key] = value if kind == "JsonProperty" else without_nulls(value)
        elif key != "type" and not _is_null_member(value):
            stored[key] = _whole_sub(key, value) if key not in DESCRIBING else value
    return fitting(name, stored)


def is_whole(instance: Any) -> bool:
    """The common case at a glance: a typed scalar, described by nothing that could be a Null."""
    if instance.__class__ is not dict or instance.get("type") != "Property":
        return False
    value = instance.get("value")
    if value is None or value.__class__ is dict or not instance.keys() <= _SIMPLE:
        return False
    return NULL not in instance.values()


_SIMPLE = frozenset({"type", "value", "observedAt", "unitCode", "datasetId"})


def _whole_sub(name: str, value: Any) -> Any:
    if value.__class__ is list:
        kept = [whole(name, item) for item in value if not is_null_instance(item)]
        return kept[0] if len(kept) == 1 else kept
    return whole(name, value) if isinstance(value, dict) else value


def with_whole_subs(fragment: Any) -> Any:
    """A fragment of a partial update, whose sub-attributes replace whole what is there (5.5.8)."""
    if fragment.__class__ is list:
        return [with_whole_subs(item) for item in fragment]
    if not isinstance(fragment, dict):
        return fragment
    return {
        key: value
        if key == "type" or key in DESCRIBING or key in TYPE_OF or _is_null_member(value)
        else _whole_sub(key, value)
        for key, value in fragment.items()
    }


def _is_null_member(value: Any) -> bool:
    if value.__class__ is str:
        return bool(value == NULL)
    if isinstance(value, dict) and ("type" in value or value_member(value) is not None):
        return is_null_instance(value)
    return False


def without_nulls(value: Any) -> Any:
    """A value without the members an NGSI-LD Null stands in; the same object when there are
    none."""
    if value.__class__ is dict:
        out = {key: without_nulls(item) for key, item in value.items() if item != NULL}
        return value if len(out) == len(value) and all(out[k] is value[k] for k in out) else out
    return value


def merge_value(target: Any, patch: Any) -> Any:
    """RFC 7396 with the NGSI-LD Null for null; a new object where something changes."""
    if patch.__class__ is not dict:
        return patch
    if target.__class__ is not dict:
        return without_nulls(patch)
    out = dict(target)
    for key, value in patch.items():
        if value.__class__ is str and value == NULL:
            out.pop(key, None)
        else:
            out[key] = merge_value(out.get(key), value)
    return out


def merge_instance(
    name: str, target: dict[str, Any], patch: dict[str, Any], lang: str | None = None
) -> dict[str, Any]:
    """One stored instance with a fragment merged into it (5.5.12)."""
    if isinstance(patch, Bare):
        patch = _settled(name, target, patch, lang)
    kind = target["type"]
    member = VALUE_OF[kind]
    other = value_member(patch)
    if other is not None and (patch.get("type", kind) != kind or other != member):
        return whole(name, patch)
    out = dict(target)
    for key, value in patch.items():
        if key == member:
            out[key] = value if kind == "GeoProperty" else merge_value(target.get(key), value)
        elif key in DESCRIBING or key == "type":
            if value == NULL:
                out.pop(key, None)
            else:
                out[key] = value
        else:
            merged = merge_attribute(key, target.get(key), value, lang)
            if merged is None:
                out.pop(key, None)
            else:
                out[key] = merged
    return fitting(name, out)


def fitting(name: str, instance: dict[str, Any]) -> dict[str, Any]:
    """The instance, when its type may have the members it got; BadRequestData otherwise."""
    kind = instance["type"]
    if "unitCode" in instance and kind in UNITLESS:
        raise BadRequestData(f"{name} is a {kind}, which has no unitCode")
    if "objectType" in instance and kind not in ("Relationship", "ListRelationship"):
        raise BadRequestData(f"{name} is a {kind}, which has no objectType")
    return instance


def merge_attribute(name: str, target: Any, patch: Any, lang: str | None = None) -> Any:
    """A stored attribute (None: not there) with a fragment merged in, instance by instance; None:
    gone."""
    if patch.__class__ is str and target.__class__ is str:
        return None if patch == NULL else patch
    found = {} if target is None else by_dataset(target)
    for instance in instances(patch):
        dataset_id = None if instance.__class__ is str else instance.get("datasetId")
        if is_null_instance(instance):
            found.pop(dataset_id, None)
        elif dataset_id in found:
            found[dataset_id] = merge_instance(name, found[dataset_id], instance, lang)
        else:
            found[dataset_id] = whole(name, instance)
    return joined(found)


def by_dataset(attribute: Any) -> dict[str | None, dict[str, Any]]:
    """The instances of a stored attribute by datasetId; None is the default instance."""
    return {instance.get("datasetId"): instance for instance in instances(attribute)}


def joined(found: dict[str | None, dict[str, Any]]) -> Any:
    """Instances by datasetId as a stored attribute, the default first; None when there is none."""
    if not found:
        return None
    if len(found) == 1:
        return next(iter(found.values()))
    return sorted(found.values(), key=lambda instance: "datasetId" in instance)


def _settled(name: str, target: dict[str, Any], bare: Bare, lang: str | None) -> dict[str, Any]:
    """A bare value with the type of the attribute it is merged into (5.6.17).

    An object that meets no object value is not a value but sub-attributes.
    """
    kind = target["type"]
    value = bare["value"]
    out: dict[str, Any]
    if kind == "LanguageProperty" and value.__class__ is str:
        value = {lang or "@none": value}
    elif value.__class__ is dict and not _takes_object(target):
        reader = AttributeReader(bare.terms, nulls=MERGE_NULLS, fragment=True)
        out = dict(reader.instance(name, value, name, 0))
    if value.__class__ is not dict or _takes_object(target) or kind == "LanguageProperty":
        checked = check_value(kind, value, name, MERGE_NULLS, bare.terms)
        out = {"type": kind, VALUE_OF[kind]: checked}
    if "datasetId" in bare:
        out["datasetId"] = bare["datasetId"]
    return out


def _takes_object(target: dict[str, Any]) -> bool:
    kind = target["type"]
    if kind == "Property":
        return target["value"].__class__ is dict
    return kind in ("GeoProperty", "JsonProperty")
