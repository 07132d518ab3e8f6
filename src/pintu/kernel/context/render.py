"""From a stored record to what somebody is shown: the representations of 4.5, narrowed by a
`View`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.context.languages import Ranges, read_ranges
from pintu.kernel.context.members import instances
from pintu.kernel.context.picture import Painter
from pintu.kernel.context.record import Record
from pintu.kernel.context.shapes import is_geometry
from pintu.kernel.context.times import DEFAULT, times_of
from pintu.kernel.jsonld import CORE, Terms

Format = Literal["normalized", "concise", "simplified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How an entity is to be shown. Names are stored names; None means "not narrowed".

    `allowed` and `hidden` come from the gate, all else from the request. `expand_values` and
    `json_keys`
    are carried for queries: stored values are neither expanded nor compacted, so they show nothing
    else.
    """

    format: Format = "normalized"
    geojson: bool = False
    sys_attrs: bool = False
    lang: str | None = None
    pick: frozenset[str] | None = None  # attributes and id, type, scope (4.21)
    omit: frozenset[str] | None = None
    attrs: frozenset[str] | None = None  # attributes; id, type and scope stay
    dataset_ids: frozenset[str] | None = None  # "@none" is the default instance (4.5.5)
    geometry_property: str = "location"
    expand_values: frozenset[str] = frozenset()
    json_keys: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    now_us: int = 0  # what expired before is left out (4.22); 0: nothing is

    @property
    def whole(self) -> bool:
        """True when stored bytes may be sent as they are to somebody without a @context of their
        own."""
        return self == _PLAIN


_PLAIN = View()


def whole_bytes(record: Record) -> bytes:
    """The normalized representation with the core @context: the stored bytes, where nothing is
    hidden.

    Only a scope (shown as a string when it is one) and expiresAt (shown with sysAttrs) need
    rendering.
    """
    body = record.body
    if b'"scope"' in body or b'"expiresAt"' in body:
        return orjson.dumps(render(record, CORE, _PLAIN))
    return body


def render(record: Record, terms: Terms, view: View) -> dict[str, Any]:
    """One entity as `view` wants it, with the names of the caller's @context; without @context.

    GeoJSON gives a Feature (4.5.16, 4.5.17). Nothing is shown of an entity that expired before the
    view's time (4.22). Raises BadRequestData for a lang that cannot be read.
    """
    entity: dict[str, Any] = orjson.loads(record.body)
    if view.now_us and _expired(entity, iso(view.now_us)):
        return {}
    ranges = read_ranges(view.lang) if view.lang is not None else None
    shown = _head(record, entity, terms, view)
    shown.update(_attributes(record, entity, terms, view, ranges))
    if view.geojson:
        return _feature(record, entity, shown, view)
    return shown


def render_all(records: Iterable[Record], terms: Terms, view: View) -> Any:
    """A list of entities, or a FeatureCollection of them (4.5.16.3)."""
    shown = [render(record, terms, view) for record in records]
    return feature_collection(shown) if view.geojson else shown


def feature_collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """Features as one GeoJSON document."""
    return {"type": "FeatureCollection", "features": features}


def _head(record: Record, entity: dict[str, Any], terms: Terms, view: View) -> dict[str, Any]:
    """id, type, scope and the system's own members."""
    shown: dict[str, Any] = {}
    if _wanted("id", view):
        shown["id"] = entity["id"]
    if _wanted("type", view):
        types = entity["type"]
        many = types.__class__ is list
        shown["type"] = [terms.shown(name) for name in types] if many else terms.shown(types)
    scope = entity.get("scope")
    if scope is not None and _wanted("scope", view):
        shown["scope"] = scope[0] if len(scope) == 1 else scope
    if view.sys_attrs:
        if "expiresAt" in entity:
            shown["expiresAt"] = entity["expiresAt"]
        shown["createdAt"] = iso(record.created_us)
        shown["modifiedAt"] = iso(record.modified_us)
    return shown


def _wanted(name: str, view: View) -> bool:
    if view.pick is not None and name not in view.pick:
        return False
    return view.omit is None or name not in view.omit


def _attributes(
    record: Record, entity: dict[str, Any], terms: Terms, view: View, ranges: Ranges | None
) -> dict[str, Any]:
    painter = Painter(terms, view.format, ranges, sys_attrs=view.sys_attrs)
    times = times_of(record) if view.sys_attrs else {}
    default = times.get(DEFAULT) or [record.created_us, record.created_us]
    shown: dict[str, Any] = {}
    narrowed = not _shows_all(view)
    plain = view.format != "simplified" and not view.sys_attrs and not narrowed
    for name, attribute in entity.items():
        if name in _HEAD:
            continue
        if plain and attribute.__class__ is dict:
            shown[terms.shown(name)] = painter.instance(attribute)
            continue
        if narrowed and not _visible(name, view):
            continue
        kept = _instances(attribute, view)
        if not kept:
            continue
        stamps = None
        if view.sys_attrs:
            stamps = [times.get(_key(name, instance), default) for instance in kept]
        shown[terms.shown(name)] = painter.attribute(kept, stamps)
    return shown


_HEAD = frozenset({"id", "type", "scope", "expiresAt"})


def _key(name: str, instance: dict[str, Any]) -> str:
    return f"{name} {instance['datasetId']}" if "datasetId" in instance else name


def _shows_all(view: View) -> bool:
    """Whether every instance of every attribute is shown."""
    return (
        view.pick is None
        and view.omit is None
        and view.attrs is None
        and view.dataset_ids is None
        and view.allowed is None
        and not view.hidden
        and not view.now_us
    )


def _visible(name: str, view: View) -> bool:
    if name in view.hidden or (view.allowed is not None and name not in view.allowed):
        return False
    if view.attrs is not None and name not in view.attrs:
        return False
    return _wanted(name, view)


def _instances(attribute: Any, view: View) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = instances(attribute)
    if view.dataset_ids is not None:
        kept = [item for item in kept if item.get("datasetId", "@none") in view.dataset_ids]
    if view.now_us:
        now = iso(view.now_us)
        kept = [item for item in kept if not _expired(item, now)]
    return kept


def _expired(instance: dict[str, Any], now: str) -> bool:
    expires_at = instance.get("expiresAt")
    return expires_at is not None and expires_at.rstrip("Z") <= now.rstrip("Z")


def _feature(
    record: Record, entity: dict[str, Any], shown: dict[str, Any], view: View
) -> dict[str, Any]:
    """A GeoJSON Feature: the chosen geometry, and all else as its properties."""
    properties = {name: value for name, value in shown.items() if name != "id"}
    feature = {
        "id": record.id,
        "type": "Feature",
        "geometry": _geometry(entity, view),
        "properties": properties,
    }
    if "id" not in shown:
        del feature["id"]
    return feature


def _geometry(entity: dict[str, Any], view: View) -> dict[str, Any] | None:
    """The value of the chosen instance of the chosen GeoProperty; None when there is none
    (4.5.16.1)."""
    name = view.geometry_property
    if name in view.hidden or (view.allowed is not None and name not in view.allowed):
        return None
    attribute = entity.get(name)
    if attribute is None or name in _HEAD:
        return None
    kept = _instances(attribute, view)
    if not kept:
        return None
    chosen = next((item for item in kept if "datasetId" not in item), None)
    if chosen is None and view.dataset_ids is not None:
        chosen = kept[0]
    if chosen is None or not is_geometry(chosen.get("value")):
        return None
    value: dict[str, Any] = chosen["value"]
    return value
