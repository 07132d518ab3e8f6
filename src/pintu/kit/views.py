"""What a piece shows, declared as data: map layers with their colours and legend, and work
lists."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pintu.kit.toml_reader import Section

COLOUR = re.compile(r"#[0-9a-f]{6}")
LAYER = re.compile(r"[a-z][a-z0-9_]{1,40}")
SIGNS = ("dot", "ring", "triangle", "square", "cross", "star", "line")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRule:
    """One line of a legend: entities for which `q` holds (NGSI-LD query, core context) look like
    this.

    Rules are tried in order and the first that holds wins; one without q holds always. `sign` and
    `colour` say the same thing twice, because colour is never the only sign.
    """

    state: str
    title: dict[str, str]
    colour: str
    sign: str = "dot"
    q: str = ""
    alarm: bool = False  # drawn above the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayer:
    """Entities of one type on the map. `brightness` names a property 0…1 that dims the colour."""

    name: str
    type: str
    title: dict[str, str]
    rules: tuple[StateRule, ...]
    geometry: str = "location"
    label: str = "name"
    brightness: str = ""
    shows: tuple[str, ...] = ()  # attributes shown first when one is clicked
    min_zoom: float = 0.0

    def attributes(self) -> tuple[str, ...]:
        """Every attribute the layer needs of an entity, sorted."""
        told = {self.geometry, self.label, self.brightness, *self.shows}
        for rule in self.rules:
            told.update(re.findall(r"(?:^|[;|(])([A-Za-z][A-Za-z0-9]*)", rule.q))
        return tuple(sorted(told - {""}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a work list."""

    name: str
    title: dict[str, str]
    kind: str = "text"  # text | number | time | age | entity | state


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkList:
    """A list somebody works through; rows come from the piece's service under the list's name."""

    name: str
    title: dict[str, str]
    empty: dict[str, str]  # what will be here and how it comes
    columns: tuple[Column, ...]
    actions: tuple[str, ...] = ()
    words: dict[str, dict[str, str]] = field(default_factory=dict)  # titles of actions and states
    asks: dict[str, dict[str, str]] = field(default_factory=dict)  # action → what its note says


def read_layer(section: Section) -> MapLayer:
    """One `[[layers]]` of a manifest."""
    layer = MapLayer(
        name=section.text("name", LAYER),
        type=section.text("type"),
        title=section.titles("title"),
        rules=tuple(_rule(one) for one in section.sections("rules")),
        geometry=section.text("geometry", default="location"),
        label=section.text("label", default="name"),
        brightness=section.text("brightness", default="") if "brightness" in section.told else "",
        shows=section.words("shows"),
        min_zoom=section.number("min_zoom", 0, low=0, high=22),
    )
    if not layer.rules:
        section.mistake("rules", "is empty; a layer needs at least one line in its legend")
    elif layer.rules[-1].q:
        section.mistake("rules", "ends with a rule that may not hold; leave q out of the last one")
    section.no_twins("rules", [one.state for one in layer.rules])
    section.close()
    return layer


def _rule(section: Section) -> StateRule:
    rule = StateRule(
        state=section.text("state"),
        title=section.titles("title"),
        colour=section.text("colour", COLOUR),
        sign=section.choice("sign", SIGNS) if "sign" in section.told else "dot",
        q=section.text("q", default="") if "q" in section.told else "",
        alarm=section.yes_no("alarm"),
    )
    section.close()
    return rule


def read_work_list(section: Section) -> WorkList:
    """One `[[work_lists]]` of a manifest."""
    kinds = ("text", "number", "time", "age", "entity", "state")
    columns = []
    for one in section.sections("columns"):
        kind = one.choice("kind", kinds) if "kind" in one.told else "text"
        columns.append(Column(name=one.text("name"), title=one.titles("title"), kind=kind))
        one.close()
    result = WorkList(
        name=section.text("name", LAYER),
        title=section.titles("title"),
        empty=section.titles("empty"),
        columns=tuple(columns),
        actions=section.words("actions"),
        words=_all_titles(section.section("words")),
        asks=_all_titles(section.section("asks")),
    )
    for action in sorted(set(result.actions) - set(result.words)):
        section.mistake("words", f"has no title for the action {action!r}")
    for action in sorted(set(result.asks) - set(result.actions)):
        section.mistake("asks", f"names {action!r}, which is not an action here")
    section.close()
    return result


def _all_titles(section: Section) -> dict[str, dict[str, str]]:
    titles = {name: section.titles(name) for name in list(section.told)}
    section.close()
    return titles


def as_plain(layer: MapLayer) -> dict[str, Any]:
    """A layer as JSON for a browser."""
    return {
        "name": layer.name,
        "type": layer.type,
        "title": layer.title,
        "geometry": layer.geometry,
        "label": layer.label,
        "brightness": layer.brightness,
        "shows": list(layer.shows),
        "minZoom": layer.min_zoom,
        "rules": [
            {
                "state": one.state,
                "title": one.title,
                "colour": one.colour,
                "sign": one.sign,
                "q": one.q,
                "alarm": one.alarm,
            }
            for one in layer.rules
        ],
    }
