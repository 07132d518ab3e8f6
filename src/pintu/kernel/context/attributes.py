"""Reading one attribute, in whatever accepted representation, into its stored form (4.5.2 to
4.5.24)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pintu.kernel.context.members import (
    NOT_ATTRIBUTES,
    OUTPUT_ONLY,
    SEALED,
    SYSTEM,
    TYPE_OF,
    UNITLESS,
    VALUE_OF,
)
from pintu.kernel.context.scalars import check_name, check_time, check_uri
from pintu.kernel.context.shapes import is_geometry
from pintu.kernel.context.values import NO_NULLS, check_value
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import NULL, Terms

DEPTH_LIMIT: Final = 16
INSTANCE_LIMIT: Final = 10_000
GEO_ONLY: Final = frozenset({"location", "observationSpace", "operationSpace"})
_DROPPED: Final = SYSTEM | {"instanceId", "entity", "entityList", "lang"}
_PROOF: Final = "ngsildproof"
SPECIAL: Final = GEO_ONLY | {_PROOF}
"""Attributes of the core with rules of their own: always looked at closely."""
_DATASET: Final = "dataset"


class Bare(dict[str, Any]):
    """An attribute that came as a bare value: its type is a guess, an existing attribute's type
    wins."""

    __slots__ = ("terms",)

    def __init__(self, value: Any, terms: Terms, dataset_id: str | None = None) -> None:
        kind = "GeoProperty" if is_geometry(value) else "Property"
        super().__init__(type=kind, value=value)
        if dataset_id is not None:
            self["datasetId"] = dataset_id
        self.terms = terms


class _Owner(NamedTuple):
    """The attribute instance a member stands in."""

    name: str
    kind: str | None
    path: str
    depth: int


class AttributeReader:
    """Reads attributes with one @context. `fragment` allows what only changes a stored
    attribute."""

    __slots__ = ("fragment", "nulls", "simplified", "terms")

    def __init__(
        self,
        terms: Terms,
        *,
        nulls: int = NO_NULLS,
        fragment: bool = False,
        simplified: bool = False,
    ) -> None:
        self.terms = terms
        self.nulls = nulls
        self.fragment = fragment
        self.simplified = simplified

    def name(self, name: Any, path: str) -> str:
        """The stored name of an attribute; BadRequestData when it cannot be one."""
        stored = self.terms.stored(check_name(name, f"Attribute {path}"))
        if stored in NOT_ATTRIBUTES:
            raise BadRequestData(f"{name} is a core term that cannot be an attribute")
        return stored

    def attribute(self, name: str, value: Any, path: str, depth: int = 0) -> Any:
        """The stored attribute: one instance, several with the default first, or an NGSI-LD Null.

        The very same object is returned when it already is in stored form.
        """
        if depth >= DEPTH_LIMIT:
            raise BadRequestData(f"{path} is nested deeper than {DEPTH_LIMIT} sub-attributes")
        if value.__class__ is dict:
            stored = self._object(name, value, path, depth)
        elif value.__class__ is list and self._is_instances(value):
            stored = self._instances(name, value, path, depth)
        elif value.__class__ is str and value == NULL:
            if self.nulls == NO_NULLS:
                raise BadRequestData(f"{path} is {NULL!r}, which only deletes in a merge or update")
            stored = value
        elif value is None:
            raise BadRequestData(f"{path} is null: to delete it use {NULL!r} in a merge or update")
        else:
            stored = self._bare(value, path)
        if name in GEO_ONLY and depth == 0 and stored.__class__ is not str:
            self._check_geo(stored, path)
        return stored

    def _check_geo(self, stored: Any, path: str) -> None:
        for instance in stored if stored.__class__ is list else (stored,):
            if instance.get("type", "GeoProperty") != "GeoProperty":
                raise BadRequestData(
                    f"{path} is a {instance['type']} but must be a GeoProperty (4.7.1)"
                )

    def _bare(self, value: Any, path: str) -> dict[str, Any]:
        if self.fragment:
            bare = Bare(value, self.terms)
            check_value("Property", value, path, self.nulls, self.terms)
            return bare
        kind = "GeoProperty" if is_geometry(value) else "Property"
        return {"type": kind, "value": check_value(kind, value, path, self.nulls, self.terms)}

    def _object(self, name: str, value: dict[str, Any], path: str, depth: int) -> Any:
        kind = value.get("type", value.get("@type"))
        if kind.__class__ is str and kind in VALUE_OF:
            return self.instance(name, value, path, depth)
        if kind is not None:
            if is_geometry(value) or self.simplified:
                return self._bare(value, path)
            stored = self.terms.stored(kind) if kind.__class__ is str else None
            if stored in VALUE_OF:
                return self.instance(name, {**value, "type": stored}, path, depth)
            raise BadRequestData(
                f"{path} has the type {kind!r}, which is none of {', '.join(VALUE_OF)}"
            )
        if not TYPE_OF.keys().isdisjoint(value):
            return self.instance(name, value, path, depth)
        if len(value) == 1 and value.get(_DATASET).__class__ is dict:
            return self._datasets(name, value[_DATASET], path, depth)
        if value and not self.simplified and value.keys() <= _CHANGEABLE:
            return self.instance(name, value, path, depth)
        return self._bare(value, path)

    def _is_instances(self, value: list[Any]) -> bool:
        """Whether a list is several instances of an attribute, not one list value."""
        if not value or self.simplified:
            return False
        for item in value:
            if item.__class__ is not dict:
                return False
            kind = item.get("type")
            if not (kind.__class__ is str and kind in VALUE_OF) and TYPE_OF.keys().isdisjoint(item):
                return False
        return True

    def _instances(self, name: str, value: list[Any], path: str, depth: int) -> Any:
        if len(value) > INSTANCE_LIMIT:
            raise BadRequestData(f"{path} has more than {INSTANCE_LIMIT} instances")
        stored = [self._object(name, item, path, depth) for item in value]
        return one_or_several(value, stored, path)

    def _datasets(self, name: str, value: dict[str, Any], path: str, depth: int) -> Any:
        """The simplified form of several instances: `{"dataset": {datasetId: value}}` (4.5.4)."""
        stored = []
        for dataset_id, item in value.items():
            instance = self.attribute(name, item, path, depth + 1)
            if instance.__class__ is list or instance.__class__ is str:
                raise BadRequestData(f"{path} has a dataset that is not one value")
            if dataset_id != "@none":
                check_uri(dataset_id, f"datasetId of {path}")
                if isinstance(instance, Bare):
                    instance = Bare(instance["value"], self.terms, dataset_id)
                else:
                    instance = {**instance, "datasetId": dataset_id}
            stored.append(instance)
        if not stored:
            raise BadRequestData(f"{path} has no dataset")
        return one_or_several(None, stored, path)

    def instance(self, name: str, source: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        """One normalized or concise instance; the same object when nothing had to change."""
        kind = source.get("type", source.get("@type"))
        out: dict[str, Any] = {}
        if kind is None:
            kind = self._inferred(source, path)
            if kind is not None and not self.fragment:
                out["type"] = kind
        member = VALUE_OF[kind] if kind is not None else None
        same = not out
        for key, value in source.items():
            if key == member and kind is not None:
                stored = check_value(kind, value, path, self.nulls, self.terms)
            elif key == "type" or key == "@type":
                key, stored = "type", kind
            elif key in _DROPPED:
                same = False
                continue
            else:
                stored_key, stored = self._member(key, value, _Owner(name, kind, path, depth))
                if stored is None:
                    same = False
                    continue
                if stored_key in out:
                    raise BadRequestData(f"{path} has {key} twice, under two names")
                same = same and stored_key == key
                key = stored_key
            if stored is not value and stored.__class__ is str and stored == value:
                stored = value
            same = same and stored is value and key in source
            out[key] = stored
        if member not in out and not self.fragment:
            raise BadRequestData(f"{path} is a {kind} without {member}")
        if name == _PROOF and not isinstance(out.get("value"), dict):
            raise BadRequestData("The value of ngsildproof is not an object")
        return source if same else out

    def _inferred(self, source: dict[str, Any], path: str) -> str | None:
        found = [member for member in TYPE_OF if member in source]
        if not found:
            if self.fragment:
                return None
            raise BadRequestData(f"{path} has neither type nor value")
        if len(found) > 1:
            raise BadRequestData(f"{path} has both {found[0]} and {found[1]}")
        if found[0] == "value" and is_geometry(source["value"]):
            return "GeoProperty"
        return TYPE_OF[found[0]]

    def _member(self, key: str, value: Any, owner: _Owner) -> tuple[str, Any]:
        """The stored (name, value) of a member beside type and value; value None leaves it out."""
        name, kind, path, depth = owner
        reader = _MEMBERS.get(key)
        if reader is not None:
            if value.__class__ is str and value == NULL and self.nulls and key != "datasetId":
                return key, value
            if key == "unitCode" and kind in UNITLESS:
                raise BadRequestData(f"{path} is a {kind}, which has no unitCode")
            if key == "objectType" and kind not in ("Relationship", "ListRelationship", None):
                raise BadRequestData(f"{path} is a {kind}, which has no objectType")
            if key == "valueType" and kind == "LanguageProperty" and value != "langString":
                raise BadRequestData(
                    f"{path} is a LanguageProperty, its valueType can only be langString"
                )
            return key, reader(self, value, f"{key} of {path}")
        if key in SEALED and name == _PROOF:
            if value.__class__ is not str:
                raise BadRequestData(f"{key} of ngsildproof is not a string")
            return key, self.terms.stored(value) if key == "entityTypeSealed" else value
        if key in TYPE_OF or key in OUTPUT_ONLY or key in SEALED:
            raise BadRequestData(f"{path} is a {kind}, which cannot have {key}")
        if key == "@context":
            raise BadRequestData(f"{path} holds a @context: only the whole document may")
        stored = self.name(key, f"{path}.{key}")
        return stored, self.attribute(stored, value, f"{path}.{key}", depth + 1)

    def _timestamp(self, value: Any, path: str) -> str:
        return check_time(value, path)

    def _unit(self, value: Any, path: str) -> str:
        if value.__class__ is not str or not value or len(value) > 256 or value == NULL:
            raise BadRequestData(f"{path} is not a text")
        return str(value)

    def _dataset_id(self, value: Any, path: str) -> str | None:
        if value == NULL:
            raise BadRequestData(f"{path} cannot be deleted (5.5.8)")
        return None if value == "@none" else check_uri(value, path)

    def _words(self, value: Any, path: str) -> Any:
        if value.__class__ is list and value:
            stored = [self._word(item, path) for item in value]
            return value if stored == value else stored
        return self._word(value, path)

    def _word(self, value: Any, path: str) -> str:
        if value.__class__ is not str or not value or value == NULL:
            raise BadRequestData(f"{path} is not a name")
        return self.terms.stored(value)


_MEMBERS: Final = {
    "observedAt": AttributeReader._timestamp,
    "expiresAt": AttributeReader._timestamp,
    "unitCode": AttributeReader._unit,
    "datasetId": AttributeReader._dataset_id,
    "valueType": AttributeReader._words,
    "objectType": AttributeReader._words,
}
_CHANGEABLE: Final = frozenset(_MEMBERS) | SYSTEM


def one_or_several(source: list[Any] | None, stored: list[Any], path: str) -> Any:
    """Instances in stored form: default first, no datasetId twice; a single one stands alone.

    Returns `source` itself when that already is in stored form.
    """
    seen: set[str | None] = set()
    for instance in stored:
        dataset_id = instance.get("datasetId")
        if dataset_id in seen:
            which = "default instance" if dataset_id is None else f"instance {dataset_id}"
            raise BadRequestData(f"{path} has more than one {which}")
        seen.add(dataset_id)
    if len(stored) == 1:
        return stored[0]
    if "datasetId" in stored[0] and None in seen:
        stored.sort(key=lambda instance: "datasetId" in instance)
        return stored
    if source is not None and all(map(_is, stored, source)):
        return source
    return stored


def _is(left: Any, right: Any) -> bool:
    return left is right
