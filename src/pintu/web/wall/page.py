"""The wall at /wall: one picture of everything that is wrong, for a room of people and for one."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get

from pintu.web.house import house_of
from pintu.web.pages import labels
from pintu.web.pages.map import legend
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.wall.shown import ENDING, OVER, PAGES_OF, STATES, TYPES
from pintu.web.wall.tiles import told_of


@get("/wall", include_in_schema=False)
async def wall(request: AnyRequest) -> Response[str]:
    """The frame of the wall; its page fills it from `/api/v1/wall` and follows `/events`."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    picture = await house.pictures.of(visit.number)
    return page(
        visit,
        "wall.html",
        looks=legend(picture),
        size=len(picture.points),
        bounds=picture.points.view(),
        codes=codes_of(visit),
        rules={
            "over": {name: sorted(words) for name, words in OVER.items()},
            "states": STATES,
            "ending": sorted(ENDING),
            "pages": PAGES_OF,
        },
        base=told_of(house.rooms),
        past=house.rooms.history is not None,
    )


def codes_of(visit: Visit) -> dict[str, dict[str, str]]:
    """What coded values of the wall's types are called: attribute → value → text; kinds of alerts
    as their detectors' pieces call them."""
    found: dict[str, dict[str, str]] = {"type": {}}
    book = labels.vocabulary()
    lists = {one.name: one.codes for one in book.vocabulary().code_lists()} if book else {}
    for name in sorted(TYPES):
        found["type"][name] = labels.type_label((name,), visit.words)
        word = book.vocabulary().find_type(name) if book else None
        for attribute in word.attributes.values() if word is not None else ():
            for code in lists.get(attribute.codes or "", ()):
                told = found.setdefault(f"{name}.{attribute.name}", {})
                told[code.value] = visit.words.pick(code.label)
    kinds = found.setdefault("kind", {})
    for manifest in visit.rooms.pieces:
        for work_list in manifest.work_lists:
            for word, title in work_list.words.items():
                kinds[word] = visit.words.pick(title)
        for layer in manifest.layers:
            for rule in layer.rules:
                if rule.alarm:
                    kinds[rule.state] = visit.words.pick(rule.title)
    return found


PAGES: Final[tuple[Any, ...]] = (wall,)
