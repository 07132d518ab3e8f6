"""Pages and their data under an agreement: things as it lets them be seen, counted against its
limits, and written down before they are sent.

A handler that can be narrowed enters with `enter_agreed`, asks the store through `within`, shows
what `Visit.see` leaves of a thing, and answers through `sent`. Every other page knows nothing of
agreements: it is decided by what its visitor may see anyway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Act, Deed
from pintu.kernel.context.record import Record
from pintu.kernel.errors import BadInput, Forbidden, Missing, Refused, Unavailable
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.jsonld import CORE
from pintu.web.ngsi_ld.agreed import selected
from pintu.web.visit import AnyRequest, Visit, enter, why_of
from pintu.web.why import receipt_line

if TYPE_CHECKING:
    from litestar import Response

    from pintu.kernel.context.selection import Selection
    from pintu.web.rooms import Rooms

MOST: Final = 20_000
"""Things of one agreement that a map draws, at most."""


def enter_agreed(request: AnyRequest, rooms: Rooms) -> Visit:
    """As `enter_one`; who names no agreement must be let see all of the tenant: what asks here
    adds it up."""
    visit = enter_one(request, rooms)
    if not visit.agreed:
        visit.whole_rows()
    return visit


def enter_one(request: AnyRequest, rooms: Rooms) -> Visit:
    """As `enter` for reading things, judged by the agreement alone when the call names one."""
    why = why_of(request)
    if not why.agreement:
        return enter(request, rooms)
    visit = enter(request, rooms, None)
    act = Act(
        deed=Deed.READ,
        tenant=visit.tenant,
        agreement=why.agreement,
        purpose=why.purpose or None,
        reason=why.reason or None,
    )
    projection = rooms.gate.decide(visit.actor, act)
    if not projection.agreement or projection.seen is None:
        raise Forbidden("This city knows no agreements about things")
    return replace(visit, projection=projection, act=act)


def within(visit: Visit, selection: Selection) -> Selection:
    """A selection within the visit's agreement: its types and rows, no more rows than of one call.
    Forbidden names what may not be asked, sorted or filtered by, whether it is there or not."""
    if not visit.agreed:
        return selection
    most = visit.projection.most_rows
    found = selected(selection, visit.projection, CORE)
    return found if most is None or found.limit <= most else replace(found, limit=most)


def there(visit: Visit, records: Iterable[Record]) -> list[Record]:
    """Those of some records that are there for the visitor."""
    seen = visit.projection.seen
    return [one for one in records if seen is None or seen(one.body) is not None]


async def sent(visit: Visit, response: Response[Any], rows: int) -> Response[Any]:
    """An answer with so many rows of things in it. Under an agreement it is counted and then
    written down, and names its row of the log; TooManyRequests, Unavailable: it is not sent."""
    if not visit.agreed:
        return response
    gate = _gate(visit)
    found = gate.under(visit.projection)
    if found is not None:
        gate.limits.rows(found, rows)
    content: str | bytes = response.content
    body = content.encode() if isinstance(content, str) else content
    await _entered(visit, response, Told(body=body, rows=rows))
    return response


@asynccontextmanager
async def answering(visit: Visit) -> AsyncIterator[None]:
    """What is refused inside is written down as refused; what is not there, as an answer with no
    rows, so that neither can be asked for in silence."""
    try:
        yield
    except Missing:
        if visit.agreed:
            await _entered(visit, None, Told())
        raise
    except (Refused, BadInput) as error:
        if visit.agreed and visit.act is not None:
            _gate(visit).recorder.refused(visit.actor, visit.act, error)
        raise


async def _entered(visit: Visit, response: Response[Any] | None, told: Told) -> None:
    assert visit.act is not None
    receipt = await _gate(visit).record(visit.actor, visit.act, visit.projection, told)
    if response is not None:
        response.headers["Pintu-Receipt"] = receipt_line(receipt)


def _gate(visit: Visit) -> ExchangeGate:
    gate = visit.rooms.gate
    if not isinstance(gate, ExchangeGate):
        raise Unavailable("The log is not there: what must be written down is not answered")
    return gate
