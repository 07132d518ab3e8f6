"""The picture of a city's exchange as SVG: every mark has words, a title and a way in by
keyboard."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from pintu.kernel.exchange.finding.picture import Arc, Node, Picture

if TYPE_CHECKING:
    from pintu.web.words import Words

WIDTH: Final = 384
TEXT_AT: Final = 26
ARCS_AT: Final = 268
WIDEST: Final = 126
LONGEST: Final = 30  # half-width signs of a title

Said = Callable[[str], str]


def svg_of(picture: Picture, words: Words, organisation: Said, data_set: Said) -> Markup:
    """The whole drawing. `organisation` and `data_set` say what an id is called."""
    parts = [
        Markup(
            '<svg class="picture" viewBox="0 0 {} {}" role="group" aria-label="{}">'
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>'
        ).format(WIDTH, picture.height, words.text("Departments, data sets and what flows"))
    ]
    parts += [_arc(one, words, organisation, data_set) for one in picture.arcs]
    parts += [_node(one, words, organisation, data_set) for one in picture.nodes]
    return Markup("").join([*parts, Markup("</svg>")])


def _node(node: Node, words: Words, organisation: Said, data_set: Said) -> Markup:
    if node.kind == "department":
        return _department(node, words, organisation)
    title = data_set(node.id)
    told = [title, words.plural("%(n)d use", "%(n)d uses", node.uses) % {"n": node.uses}]
    if node.twins:
        told.append(words.text("held twice"))
    return Markup(
        '<a href="/data-sets/{}" class="set"><title>{}</title>'
        '<rect x="{}" y="{}" width="{}" height="22" rx="3"/>{}'
        '<text x="{}" y="{}">{}</text></a>'
    ).format(
        quote(node.id), " · ".join(told), 4, node.y - 11, ARCS_AT - 8, _mark(node),
        TEXT_AT, node.y + 4, cut(title),
    )  # fmt: skip


def _mark(node: Node) -> Markup:
    """A filled circle: somebody uses it; an empty one: nobody does."""
    return Markup('<circle class="{}" cx="14" cy="{}" r="4"/>').format(
        "used" if node.uses else "unused", node.y
    )


def _department(node: Node, words: Words, organisation: Said) -> Markup:
    name = organisation(node.id) if node.id else words.text("No owner named")
    count = words.plural("%(n)d data set", "%(n)d data sets", node.sets) % {"n": node.sets}
    return Markup(
        '<a href="/data-sets?owner={}" class="department"><title>{}</title>'
        '<rect x="1" y="{}" width="{}" height="28" rx="4"/><text x="10" y="{}">{}</text>'
        '<text class="count" x="{}" y="{}">{}</text></a>'
    ).format(
        quote(node.id), f"{name} · {count}", node.y - 14, ARCS_AT - 2, node.y + 5, cut(name, 24),
        ARCS_AT - 10, node.y + 5, count,
    )  # fmt: skip


def _arc(arc: Arc, words: Words, organisation: Said, data_set: Said) -> Markup:
    reach = min(WIDEST, 22 + 4.2 * math.sqrt(abs(arc.end - arc.start)))
    path = (
        f"M{ARCS_AT} {arc.start}C{ARCS_AT + reach:.0f} {arc.start} "
        f"{ARCS_AT + reach:.0f} {arc.end} {ARCS_AT} {arc.end}"
    )
    # beside the upper end, where few lines are yet
    at = 0.18
    place = (
        ARCS_AT + 3 * at * (1 - at) * reach + 6,
        arc.start + (arc.end - arc.start) * at * at * (3 - 2 * at) - 1,
    )
    if arc.kind == "twin":
        names = f"{data_set(arc.names[0])} – {data_set(arc.names[1])}"
        said = "" if arc.differ is None else f"{100 * arc.differ:.0f} %"
        title = words.text("held twice") + f": {names}"
        if said:
            title += " · " + words.text("%(n)s %% differ") % {"n": f"{100 * arc.differ:.0f}"}  # type: ignore[operator]
    else:
        names = f"{data_set(arc.names[0])} → {organisation(arc.names[1])}"
        said = ""
        title = words.text("flows under an agreement") + f": {names}"
    if arc.count > 1:
        said = f"× {arc.count}"
    return Markup(
        '<a href="{}" class="{}"><title>{}</title><path d="{}"{}/>'
        '<text x="{}" y="{}">{}</text></a>'
    ).format(
        _address(arc), arc.kind, title, path,
        Markup(' marker-end="url(#tip)"') if arc.kind == "flow" else "",
        round(place[0]), round(place[1]), said,
    )  # fmt: skip


def _address(arc: Arc) -> str:
    if not arc.id:
        return "#held-twice" if arc.kind == "twin" else "/agreements"
    return f"/islands/duplicates/{arc.id}" if arc.kind == "twin" else f"/agreements/{arc.id}"


def cut(text: str, most: int = LONGEST) -> str:
    """A title as long as its line; Chinese signs are twice as wide."""
    width = 0
    for n, sign in enumerate(text):
        width += 2 if sign > "⺀" else 1
        if width > most:
            return text[: max(1, n - 1)] + "…"
    return text


def line_of(values: list[float], *, width: int = 560, height: int = 120) -> Markup:
    """A small line of shares 0…1 over time, its area closed at the bottom."""
    if not values:
        return Markup("")
    top = max(0.05, *values)
    step = width / max(1, len(values) - 1)
    points = [
        f"{n * step:.1f},{height - 8 - (height - 16) * value / top:.1f}"
        for n, value in enumerate(values)
    ]
    if len(points) == 1:
        points.append(f"{width},{points[0].partition(',')[2]}")
    return Markup(
        '<svg class="trend" viewBox="0 0 {} {}" preserveAspectRatio="none"'
        ' aria-hidden="true"><polyline points="{}"/></svg>'
    ).format(width, height, escape(" ".join(points)))
