"""The search box: things of the city by id or name, and pages by their title."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import orjson

from pintu.kernel.context.selection import Compare, Or, Path, Selection
from pintu.kernel.store.port import settled
from pintu.web.api.picture import Picture
from pintu.web.api.states import value_of

if TYPE_CHECKING:
    from pintu.kernel.store.port import Store

SHOWN = 12
LONGEST = 100


def plain(text: str) -> str:
    """Full-width to half-width, lower case, trimmed: how a search is compared."""
    return unicodedata.normalize("NFKC", text).strip().lower()[:LONGEST]


def known_ids(picture: Picture, wanted: str) -> list[str]:
    """Ids on the map that hold the text; the last part of an id counts first."""
    exact: list[str] = []
    rest: list[str] = []
    for id in picture.points.row_of:
        low = id.lower()
        if wanted in low:
            (exact if low.rpartition(":")[2].startswith(wanted) else rest).append(id)
            if len(exact) >= SHOWN:
                break
    return (sorted(exact) + rest)[:SHOWN]


async def find_things(
    store: Store, picture: Picture, tenant: int, text: str
) -> list[dict[str, Any]]:
    """Up to twelve entities: by whole id, by part of an id on the map, by `name`."""
    wanted = plain(text)
    if not wanted or not tenant:
        return []
    found: dict[str, dict[str, Any]] = {}
    for id in (text.strip(), *known_ids(picture, wanted)):
        if len(id) > 2_000:
            continue
        record = await settled(store.retrieve(tenant, id))
        if record is not None:
            found[record.id] = {"id": record.id, "types": record.types, "name": _name(record.body)}
    if len(found) < SHOWN:
        names = tuple(Compare(Path("name"), "==", form) for form in {text.strip(), wanted})
        page = await settled(store.select(Selection(tenant=tenant, q=Or(names), limit=SHOWN)))
        for record in page.records:
            found.setdefault(
                record.id,
                {"id": record.id, "types": record.types, "name": _name(record.body)},
            )
    return list(found.values())[:SHOWN]


def _name(body: bytes) -> str:
    name = value_of(orjson.loads(body), "name")
    if isinstance(name, dict):
        name = name.get("@none") or next(iter(name.values()), "")
    return str(name or "")
