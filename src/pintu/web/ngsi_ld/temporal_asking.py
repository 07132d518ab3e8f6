"""What a temporal request asks for: times, attributes, form, within what the gate lets through
(5.7.3, 5.7.4, 6.18 to 6.24)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.access import Projection
from pintu.kernel.context.match import attributes_of, linked_depth
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.selection import And, Or, Q, Selection
from pintu.kernel.context.temporal import Asked, Look, read_asked
from pintu.kernel.errors import BadRequestData, Forbidden, InvalidRequest
from pintu.web.ngsi_ld.asking import (
    attribute_names,
    read_selection,
    refuse_hidden,
    refuse_too_wide,
)
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.paging import Window
from pintu.web.ngsi_ld.params import options
from pintu.web.ngsi_ld.picking import Tree, read_tree
from pintu.web.ngsi_ld.querying import read_query
from pintu.web.ngsi_ld.temporal_beside import BESIDE, Beside

TIME_PARAMS: Final = frozenset(
    (
        "timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods",
        "aggrPeriodDuration",
    )
)  # fmt: skip
LOOK_PARAMS: Final = frozenset(
    ("options", "format", "attrs", "pick", "omit", "lang", "datasetId", "local")
)
_FORMS: Final = ("normalized", "concise", "temporalValues", "aggregatedValues")
_OPTIONS: Final = frozenset((*_FORMS, "sysAttrs"))
_HEAD: Final = frozenset(("id", "type", "scope"))
_TEMPORAL: Final = TIME_PARAMS
_AGGREGATION: Final = frozenset(("aggrMethods", "aggrPeriodDuration"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A temporal request, read."""

    asked: Asked
    look: Look
    selection: Selection | None  # what narrows down entities, without the rows of the gate
    wanted: tuple[str, ...] | None  # an entity must have one of these there; None: any
    shown: frozenset[str] | None  # attributes shown; None: all that may be
    read: frozenset[str] | None  # attributes whose past is read; None: all
    datasets: frozenset[str] | None
    sight: Sight
    beside: Beside | None = None  # what other sources told

    @property
    def needed(self) -> bool:
        """Does an instance without the time asked for not count?"""
        return self.look.form in ("temporalValues", "aggregatedValues")


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gate lets through of a history. Masks cannot be put on it: what is masked is not
    there.
    """

    whole: bool
    attributes: frozenset[str] | None
    hidden: frozenset[str]
    fence: frozenset[str] | None
    """Attributes that decide which entities are seen; before the last change of one, an entity may
    have been none of those."""
    sealed: bool  # under an agreement: nobody is told when something was written

    def lets(self, name: str) -> bool:
        """Is the past of an attribute told?"""
        if name in self.hidden:
            return False
        return self.attributes is None or name in self.attributes


def sight_of(projection: Projection) -> Sight:
    """What a projection means for histories."""
    return Sight(
        whole=projection.whole,
        attributes=projection.attributes,
        hidden=projection.withheld,
        fence=None if projection.rows is None else _named(projection.rows),
        sealed=projection.seen is not None,
    )


def _named(q: Q) -> frozenset[str]:
    if isinstance(q, (And, Or)):
        return frozenset().union(*(_named(part) for part in q.parts))
    return attributes_of(q)


def one_question(call: Call) -> Question:
    """Read the parameters of one entity's history (5.7.3)."""
    return _question(call, call.params, None)


def many_question(call: Call, params: dict[str, Any], part: Window) -> Question:
    """Read a query of histories (5.7.4); raises BadRequestData, also when it is too wide."""
    if "timerel" not in params:
        raise BadRequestData("A temporal query needs timerel and timeAt")
    order = params.get("orderBy")
    if order is not None and any(
        one.partition(";")[0] != "id" for one in split_names(order, "orderBy")
    ):
        raise BadRequestData("Histories can only be ordered by id")
    refuse_too_wide(params, call.terms, picked=read_tree(params).pick or ())
    # which entities are seen is asked of what they are now, not of what they were
    projection = dataclasses.replace(call.projection, rows=None)
    selection = read_selection(params, call.terms, call.tenant, projection, part)
    if linked_depth(selection.q):
        raise BadRequestData("A temporal query does not follow relationships")
    return _question(call, params, selection)


def _question(call: Call, params: dict[str, Any], selection: Selection | None) -> Question:
    form, look_options = _form(params)
    asked = read_asked(params, aggregated=form == "aggregatedValues")
    sight = sight_of(call.projection)
    if sight.sealed and ("sysAttrs" in look_options or asked.timeproperty != "observedAt"):
        raise Forbidden("You may not ask for attribute createdAt, modifiedAt")
    tree = read_tree(params)
    if tree.depth:
        raise BadRequestData("A history has no linked entities to pick from")
    attrs = None
    if "attrs" in params:
        if "pick" in params or "omit" in params:
            raise BadRequestData("attrs cannot be used together with pick or omit")
        attrs = attribute_names(params["attrs"], call.terms)
    shown, pick, omit = _shown(call, tree, attrs)
    if shown is not None:
        refuse_hidden(call.projection, call.terms, shown - {"scope"})
    look = Look(
        form=form,
        sys_attrs="sysAttrs" in look_options,
        lang=params.get("lang"),
        pick=pick,
        omit=omit,
        ids=not sight.sealed,
    )
    wanted = attrs if attrs is not None else tree.attributes(call.terms) or None
    return Question(
        asked=asked,
        look=look,
        selection=selection,
        wanted=wanted,
        shown=shown,
        read=None if wanted is None else _read(shown, selection),
        datasets=_datasets(params),
        sight=sight,
        beside=BESIDE.get(),
    )


def _form(params: dict[str, Any]) -> tuple[Any, frozenset[str]]:
    asked = options(params, _OPTIONS)
    text = params.get("format")
    if text is not None:
        if text not in _FORMS:
            raise InvalidRequest(f"format is {text[:50]!r}, not one of {', '.join(_FORMS)}")
        return text, asked
    named = [form for form in reversed(_FORMS) if form in asked]
    if named:
        if "temporalValues" in asked and "aggregatedValues" in asked:
            raise BadRequestData("options has both temporalValues and aggregatedValues")
        return named[0], asked
    return ("aggregatedValues" if "aggrMethods" in params else "normalized"), asked


def _shown(
    call: Call, tree: Tree, attrs: tuple[str, ...] | None
) -> tuple[frozenset[str] | None, frozenset[str] | None, frozenset[str]]:
    """(attributes that are shown, members to pick, members to omit), by stored names."""
    stored = call.terms.stored
    omit = frozenset(name if name in _HEAD else stored(name) for name in tree.omit or ())
    if tree.pick is not None:
        pick = frozenset(name if name in _HEAD else stored(name) for name in tree.pick)
        return pick - {"id", "type"}, pick, omit
    if attrs is not None:
        return frozenset(attrs), None, omit
    return None, None, omit


def _read(shown: frozenset[str] | None, selection: Selection | None) -> frozenset[str] | None:
    """The attributes whose past must be read: those shown and those asked about."""
    if shown is None:
        return None
    names = set(shown)
    if selection is not None:
        names.update(selection.attributes)
        if selection.q is not None:
            names |= _named(selection.q)
        if selection.geo is not None:
            names.add(selection.geo.geoproperty)
        if selection.scope is not None:
            names.add("scope")
    return frozenset(names)


def _datasets(params: dict[str, Any]) -> frozenset[str] | None:
    if "datasetId" not in params:
        return None
    return frozenset(split_names(params["datasetId"], "datasetId"))


def read_temporal_query(document: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a Query document with its temporalQ and aggrParams (5.2.21, 5.2.23,
    5.2.44).
    """
    times = document.get("temporalQ")
    if not isinstance(times, dict):
        raise BadRequestData("A temporal Query needs temporalQ")
    strange = times.keys() - _TEMPORAL
    if strange:
        raise BadRequestData(f"temporalQ has no member {', '.join(sorted(strange))[:200]}")
    aggregation = document.get("aggrParams", {})
    if not isinstance(aggregation, dict) or aggregation.keys() - _AGGREGATION:
        raise BadRequestData("aggrParams is not an object of aggrMethods and aggrPeriodDuration")
    rest = {
        name: value for name, value in document.items() if name not in ("temporalQ", "aggrParams")
    }
    return {**read_query(rest), **times, **aggregation}
