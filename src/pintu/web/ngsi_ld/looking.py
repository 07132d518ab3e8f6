"""How entities are to be shown: from format, options, pick, omit and lang to a `View` (4.5,
6.3.7, 6.3.12).
"""

from __future__ import annotations

from typing import Any

from pintu.kernel.access import Projection
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.render import View
from pintu.kernel.errors import BadRequestData, Forbidden, InvalidRequest
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.answers import GEO_JSON
from pintu.web.ngsi_ld.asking import attribute_names, refuse_hidden
from pintu.web.ngsi_ld.params import options

VIEW_PARAMS = frozenset(
    (
        "options", "format", "pick", "omit", "attrs", "lang", "datasetId", "geometryProperty",
        "expandValues", "jsonKeys",
    )
)  # fmt: skip
_OPTIONS = frozenset(("normalized", "concise", "simplified", "keyValues", "sysAttrs"))
_FORMATS: dict[str, Any] = {
    "normalized": "normalized", "concise": "concise",
    "simplified": "simplified", "keyValues": "simplified",
}  # fmt: skip
PLAIN = View()


def read_view(params: dict[str, Any], terms: Terms, projection: Projection, accept: bytes) -> View:
    """One View from the members of a request and the gate's decision; pick and omit are
    `picking`'s.

    Raises InvalidRequest or BadRequestData naming the member that cannot be read.
    """
    geojson = accept == GEO_JSON
    if not geojson and projection.whole and params.keys().isdisjoint(VIEW_PARAMS):
        return PLAIN
    asked = options(params, _OPTIONS)
    made = _view if projection.seen is None else _agreed
    view = made(params, terms, projection, (asked, geojson))
    if "geometryProperty" in params and not geojson:
        raise BadRequestData("geometryProperty belongs to an answer in application/geo+json")
    return view


def _view(
    params: dict[str, Any],
    terms: Terms,
    projection: Projection,
    read: tuple[frozenset[str], bool],
) -> View:
    asked, geojson = read
    attrs = None
    if "attrs" in params:
        attrs = frozenset(attribute_names(params["attrs"], terms))
        refuse_hidden(projection, terms, attrs)
    if attrs and ("pick" in params or "omit" in params):
        raise BadRequestData("attrs cannot be used together with pick or omit")
    return View(
        format=_format(params, asked),
        geojson=geojson,
        sys_attrs="sysAttrs" in asked,
        lang=params.get("lang"),
        attrs=attrs,
        dataset_ids=_datasets(params),
        geometry_property=_geometry(params, terms),
        expand_values=_stored(params, "expandValues", terms),
        json_keys=_stored(params, "jsonKeys", terms),
        allowed=projection.attributes,
        hidden=projection.hidden if projection.seen is not None else projection.withheld,
    )


def _agreed(
    params: dict[str, Any],
    terms: Terms,
    projection: Projection,
    read: tuple[frozenset[str], bool],
) -> View:
    """A view of narrowed documents: masks are on already. When somebody last changed what is not
    seen is nobody's business, so system times are not shown."""
    if "sysAttrs" in read[0]:
        raise Forbidden("You may not ask for attribute createdAt, modifiedAt")
    if "geometryProperty" in params:
        refuse_hidden(projection, terms, (terms.stored(params["geometryProperty"]),))
    return _view(params, terms, projection, read)


def _format(params: dict[str, Any], asked: frozenset[str]) -> Any:
    named = {_FORMATS[name] for name in asked if name in _FORMATS}
    text = params.get("format")
    if text is not None:
        if text not in _FORMATS:
            raise InvalidRequest(f"format is {text[:50]!r}, not one of {', '.join(_FORMATS)}")
        return _FORMATS[text]
    for best in ("simplified", "concise"):
        if best in named:
            return best
    return "normalized"


def _datasets(params: dict[str, Any]) -> frozenset[str] | None:
    if "datasetId" not in params:
        return None
    return frozenset(split_names(params["datasetId"], "datasetId"))


def _geometry(params: dict[str, Any], terms: Terms) -> str:
    name = params.get("geometryProperty")
    return "location" if name is None else terms.stored(name)


def _stored(params: dict[str, Any], member: str, terms: Terms) -> frozenset[str]:
    if member not in params:
        return frozenset()
    return frozenset(terms.stored(name) for name in split_names(params[member], member))
