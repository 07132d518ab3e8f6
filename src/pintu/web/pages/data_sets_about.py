"""What is known of a data set besides its rows: core metadata, measurements, users, doubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.exchange.finding.words import Twin, Use
from pintu.kernel.exchange.metadata import (
    FREQUENCIES,
    SENSITIVITY,
    SHARING,
    THEMES,
    missing_of,
    sensitivity_of_set,
    sharing_of,
)
from pintu.kernel.exchange.words import DataSet
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.web.visit import Visit

ELEMENTS: Final = {
    "title": mark("title"),
    "summary": mark("abstract"),
    "owner": mark("providing organisation"),
    "theme": mark("theme"),
    "sharing": mark("sharing type"),
    "sharing_reason": mark("sharing condition"),
    "frequency": mark("update frequency"),
}
"""Core elements as `metadata.missing_of` names them."""

USES: Final = {
    "agreement": mark("agreement"), "page": mark("page"), "piece": mark("piece"),
    "layer": mark("map layer"), "calls": mark("calls"),
}  # fmt: skip
ADDRESSES: Final = {"agreement": "/agreements/", "page": "/boards/"}


def about_of(data_set: DataSet, visit: Visit) -> dict[str, Any]:
    """The parts of a data set's page beside columns and rows."""
    words = visit.words
    finder, schemas = visit.rooms.finder, visit.rooms.schemas
    measured = finder.measured(data_set.name) if finder is not None else None
    return {
        "metadata": metadata_of(data_set, visit),
        "missing": [words.text(ELEMENTS[one]) for one in missing_of(data_set)],
        "measured": measured,
        "fresh": measured.fresh(data_set.frequency, words.now_us) if measured else None,
        "uses": [use_said(one, visit) for one in finder.uses(data_set.name)] if finder else [],
        "twins": twins_of(data_set.name, visit),
        "version": schemas.version(data_set.name) if schemas is not None else 0,
        "may_ask": data_set.owner not in ("", visit.actor.organisation)
        and sharing_of(data_set) != "none",
        "constant": bool(measured and measured.constant_since_us),
    }


def owner_said(visit: Visit, id: str) -> str:
    """What an owner is called; pieces name theirs in both languages: `中文 / English`."""
    name = organisation_name(visit, id)
    chinese, slash, english = name.partition(" / ")
    if not slash:
        return name
    return chinese if visit.words.lang.startswith("zh") else english


def metadata_of(data_set: DataSet, visit: Visit) -> list[tuple[str, str]]:
    """(element, value) in words; what nobody told is a dash."""
    words = visit.words
    frequency = FREQUENCIES.get(data_set.frequency)
    sharing = words.pick(SHARING[sharing_of(data_set)])
    if data_set.sharing_reason:
        sharing = f"{sharing} · {data_set.sharing_reason}"
    told = (
        (mark("Providing organisation"), owner_said(visit, data_set.owner)),
        (mark("Theme"), words.pick(THEMES.get(data_set.theme, {}))),
        (mark("Sharing"), sharing),
        (mark("Updated"), words.pick(frequency[0]) if frequency else ""),
        (mark("Most sensitive field"), words.pick(SENSITIVITY[sensitivity_of_set(data_set)])),
        (mark("Area"), data_set.area),
        (mark("Published"), data_set.published[:10]),
        (mark("Licence to operate"), data_set.licence),
    )
    return [(words.text(name), value or "–") for name, value in told]


def use_said(use: Use, visit: Visit) -> dict[str, Any]:
    """One user of a data set; the other side of an agreement is named to everybody: that it exists
    is no secret, what it says is on its own page."""
    words = visit.words
    title = words.pick(use.title)
    if use.kind == "agreement":
        title = owner_said(visit, use.consumer)
    base = ADDRESSES.get(use.kind, "")
    return {
        "kind": words.text(USES[use.kind]),
        "title": title or use.id,
        "href": f"{base}{use.id}" if base else "",
        "fields": len(use.fields),
    }


def twins_of(name: str, visit: Visit) -> list[dict[str, Any]]:
    """What of a data set somebody else holds too, as far as the visitor may know the other."""
    finder = visit.rooms.finder
    if finder is None:
        return []
    known = known_sets(visit)
    return [
        twin_said(one, visit, known)
        for one in finder.list_twins()
        if name in (one.left, one.right) and may_know(one, known)
    ]


def known_sets(visit: Visit) -> dict[str, DataSet]:
    """The data sets whose existence the visitor may know, by name."""
    return {one.name: one for one in visit.rooms.exchange.list_sets(visit.actor)}


def may_know(twin: Twin, known: dict[str, DataSet]) -> bool:
    """Both of ours; what another node published is known to whoever may know ours."""
    return all(name in known or "@" in name for name in (twin.left, twin.right))


def set_said(name: str, visit: Visit, known: dict[str, DataSet]) -> str:
    """What a data set is called."""
    found = known.get(name)
    return (visit.words.pick(found.title) if found is not None else "") or name


def twin_said(twin: Twin, visit: Visit, known: dict[str, DataSet]) -> dict[str, Any]:
    """One line of what is held twice."""
    differ = twin.differ
    sides = []
    for name, owner in zip((twin.left, twin.right), twin.owners, strict=True):
        sides.append(
            {
                "name": name,
                "title": set_said(name, visit, known),
                "owner": owner_said(visit, owner) if owner else "–",
                "authority": twin.authority == name,
            }
        )
    return {
        "id": twin.id,
        "whole": twin.whole,
        "sides": sides,
        "fields": len(twin.fields) + (len(twin.keys[0]) if twin.whole else 0),
        "differ": None if differ is None else round(100 * differ, 1),
        "overlap": round(100 * twin.overlap),
        "since_us": twin.since_us,
        "marked": twin.authority_marked,
        "own": twin.one_source or bool(twin.owners[0] and twin.owners[0] == twin.owners[1]),
    }
