"""One row's proof, to be read, printed and handed to somebody who trusts nobody here."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, get

from pintu.kernel.audit.rows import read_row
from pintu.kernel.errors import Unavailable
from pintu.web.api.audit import may_see
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, enter

LEAF: Final = 64
"""Hex signs of a leaf."""


@get("/audit/proof/{number:int}", include_in_schema=False)
async def proof(request: AnyRequest, number: int, leaf: str = "") -> Response[str]:
    """The row where the visitor may see it (`leaf` is the receipt's), else its hash alone; how it
    is proved, who signed, and what a stranger types to check it.
    """
    rooms = house_of(request).rooms
    visit = enter(request, rooms, None)
    audit = rooms.audit
    if audit is None:
        raise Unavailable("This city keeps no log")
    told = await may_see(audit, visit, number, leaf)
    bundle = await audit.proofs.bundle(number, with_row=told)
    body = str(bundle.get("row", ""))
    head = bundle["head"].split("\n")
    return page(
        visit,
        "audit_proof.html",
        bundle=bundle,
        number=number,
        row=_told(body) if body else [],
        at_us=read_row(body.encode()).at_us if body else 0,
        origin=head[0],
        size=int(head[1]),
        head_us=int(head[3].removeprefix("at_us ")) if head[3].startswith("at_us ") else 0,
        witnesses=[one.partition("+")[0] for one in bundle["witnesses"]],
        file=f"/api/v1/audit/proof/{number}" + (f"?leaf={quote(leaf[:LEAF])}" if leaf else ""),
        trouble=audit.trouble,
        command=f"pintu-verify proof-{number}.json --key '{bundle['key']}'",
    )


def _told(body: str) -> list[tuple[str, str]]:
    """Members of the row as they stand in it, but the time and the random word."""
    told: dict[str, Any] = msgspec.json.decode(body)
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in told.items()
        if name not in ("at_us", "salt")
    ]


PAGES: Final[tuple[Any, ...]] = (proof,)
