"""Marks that must stand where a call says: a broker that was away for a while writes none behind
the one that leads now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pintu.kernel.store.postgres.group import Call

ASKED: Final = "SELECT name, position FROM cursor WHERE name = ANY($1)"


async def refuse_moved(
    calls: Sequence[Call], connection: Any, known: Mapping[str, int] | None
) -> None:
    """Give the calls whose mark stands elsewhere their error. `known` is what is kept, of the only
    one who writes; None: it is read, under the lock that was taken before."""
    marked = [(one, one.mark, one.cursor[0]) for one in calls if one.mark and one.cursor]
    names = [name for _, mark, name in marked if mark.before is not None]
    if not names:
        return
    now = dict(await connection.fetch(ASKED, names)) if known is None else dict(known)
    for call, mark, name in marked:
        call.error = call.error or mark.refused(now.get(name))
        if call.error is None:
            now[name] = mark.number
