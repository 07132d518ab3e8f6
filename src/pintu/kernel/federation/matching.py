"""Does a registration have what is wanted, and which share of it (5.12): pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pintu.kernel.context.match.geometry import geometry_test
from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.match.query import match_q
from pintu.kernel.context.match.select import compile_selection
from pintu.kernel.context.selection import GeoSelection, Selection, TypeSelection
from pintu.kernel.federation.index import Entry
from pintu.kernel.federation.words import Information, Registration, Selector, Share, Wanted


def shares(
    entries: Iterable[Entry], wanted: Wanted, now_us: int, *, paused: bool = False
) -> list[Share]:
    """The shares of all entries that match: one for each information of a registration, those with
    the same entities put together. `paused`: those that are paused too.
    """
    found: dict[int, tuple[Registration, Information, list[Selector | None]]] = {}
    refused: set[str] = set()
    for entry in entries:
        if not has(entry, wanted):
            continue
        registration, information = entry.registration, entry.information
        held = found.get(id(information))
        if held is not None:
            held[2].append(entry.selector)
        elif registration.id in refused:
            continue
        elif (paused or not registration.paused) and serves(registration, wanted, now_us):
            found[id(information)] = (registration, information, [entry.selector])
        else:
            refused.add(registration.id)
    if len(found) == 1:
        return [_share(*parts, wanted) for parts in found.values()]
    return _together([_share(*parts, wanted) for parts in found.values()])


def serves(registration: Registration, wanted: Wanted, now_us: int) -> bool:
    """Whether a registration may be asked at all, apart from its entities and attributes."""
    if not registration.lives(now_us):
        return False
    if wanted.operation and wanted.operation not in registration.operations:
        return False
    return suits(registration, wanted)


def suits(registration: Registration, wanted: Wanted) -> bool:
    """Whether what is asked of the registration itself holds: geo, scope, intervals, data sets,
    csf (5.10.2.4, 5.12).
    """
    datasets = registration.dataset_ids
    if wanted.dataset_ids and datasets and set(wanted.dataset_ids).isdisjoint(datasets):
        return False
    if wanted.scope is not None and not _scoped(registration, wanted):
        return False
    if wanted.geo is not None and not _placed(registration, wanted.geo, strict=wanted.strict):
        return False
    if wanted.span is not None and not _spanned(registration, wanted):
        return False
    return wanted.csf is None or match_q(described(registration), wanted.csf)


def has(entry: Entry, wanted: Wanted) -> bool:
    """Whether the entities and the attributes of an entry overlap with what is wanted."""
    selector, names = entry.selector, entry.information.names
    if names and wanted.names and names.isdisjoint(wanted.names):
        return False
    if selector is None:
        return True
    if wanted.types is not None:
        for clause in wanted.types.any_of:
            if not clause.isdisjoint(selector.types):
                break
        else:
            return False
    if wanted.ids:
        if selector.id:
            return selector.id in wanted.ids
        return entry.test is None or any(map(entry.test, wanted.ids))
    if wanted.id_pattern is not None and selector.id:
        return compile_pattern(wanted.id_pattern)(selector.id)
    return True


def _share(
    registration: Registration,
    information: Information,
    selectors: list[Selector | None],
    wanted: Wanted,
) -> Share:
    names = information.names or wanted.names
    if names is information.names and wanted.names:
        names = names & wanted.names
    kept = tuple(one for one in selectors if one is not None)
    if not kept:
        return Share(
            registration=registration, ids=wanted.ids, id_pattern=wanted.id_pattern,
            types=wanted.types, names=names,
        )  # fmt: skip
    ids: tuple[str, ...] = wanted.ids
    pattern = wanted.id_pattern
    if ids:
        pattern = None
        if len(ids) > 1:
            ids = tuple(id for id in ids if any(one.covers(id, _NO_TYPES) for one in kept))
    elif all(one.id for one in kept):
        ids, pattern = tuple(dict.fromkeys(one.id for one in kept)), None
    elif pattern is None and len(kept) == 1:
        pattern = kept[0].id_pattern or None
    return Share(
        registration=registration, ids=ids, id_pattern=pattern,
        types=_types(kept, wanted), names=names, selectors=kept,
    )  # fmt: skip


_NO_TYPES: frozenset[str] = frozenset()


def _types(selectors: tuple[Selector, ...], wanted: Wanted) -> TypeSelection | None:
    """The types to ask for: what is wanted of those that are registered."""
    if wanted.types is not None and len(wanted.types.any_of) == 1:
        return wanted.types  # it overlaps, or these selectors would not be here
    registered = frozenset().union(*(one.types for one in selectors))
    if wanted.types is None:
        return TypeSelection(tuple(frozenset((one,)) for one in sorted(registered)))
    return TypeSelection(
        tuple(one for one in wanted.types.any_of if not one.isdisjoint(registered))
    )


def _together(found: list[Share]) -> list[Share]:
    """Shares of one registration with the same entities, their attributes put together."""
    if len({one.registration.id for one in found}) == len(found):
        return found
    kept: dict[tuple[object, ...], Share] = {}
    for one in found:
        key = (one.registration, one.ids, one.id_pattern, one.types, frozenset(one.selectors))
        other = kept.get(key)
        if other is None:
            kept[key] = one
            continue
        names = one.names | other.names if one.names and other.names else frozenset()
        kept[key] = Share(
            registration=one.registration, ids=one.ids, id_pattern=one.id_pattern,
            types=one.types, names=names, selectors=one.selectors,
        )  # fmt: skip
    return list(kept.values())


# --- what a registration says of itself ---------------------------------------------------------
def described(registration: Registration) -> dict[str, object]:
    """The registration's own members as an entity's attributes, for csf (4.9)."""
    return {
        name: value if isinstance(value, dict) and "type" in value else _property(value)
        for name, value in registration.document.items()
        if name not in ("id", "type", "information")
    } | {"id": registration.id, "type": "ContextSourceRegistration"}


def _property(value: object) -> dict[str, object]:
    return {"type": "Property", "value": value}


def _scoped(registration: Registration, wanted: Wanted) -> bool:
    if not registration.scopes:
        return not wanted.strict
    selection = Selection(tenant=0, scope=wanted.scope)
    return bool(compile_selection(selection)({"id": "", "scope": list(registration.scopes)}))


_REACHING = ("within", "contains", "intersects", "equals", "overlaps")


def _placed(registration: Registration, geo: GeoSelection, *, strict: bool) -> bool:
    """Discovery asks where the source is; forwarding only leaves out what cannot have any."""
    place = registration.places.get(geo.geoproperty)
    if place is None:
        return not strict
    if not strict:
        if geo.relation == "disjoint":
            return True
        relation = "intersects" if geo.relation in _REACHING else geo.relation
        geo = replace(geo, relation=relation, min_distance_m=None)
    return geometry_test(geo)(place)


def _spanned(registration: Registration, wanted: Wanted) -> bool:
    assert wanted.span is not None
    what, since, until = wanted.span
    interval = registration.observed if what == "observed" else registration.managed
    if interval is None:
        return not wanted.strict
    start, end = interval
    return (until is None or start <= until) and (since is None or end is None or end >= since)
