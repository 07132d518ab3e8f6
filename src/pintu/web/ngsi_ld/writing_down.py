"""Calls whose answers are written down: performed, entered into the log, and only then answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pintu.kernel.access import Deed
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.web.ngsi_ld.agreed import covered
from pintu.web.ngsi_ld.answers import problem
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.why import receipt_line

Perform = Callable[[Call, Any], Result]


async def written(perform: Perform, call: Call, context: Any) -> Response:
    """Perform a call and answer once its row of the log is durable; the answer names it. Without a
    log nothing is done and nothing is told: raises Unavailable.
    """
    gate = call.rooms.gate
    if not isinstance(gate, ExchangeGate):
        raise Unavailable("The log is not there: what must be written down is not answered")
    response = await _performed(perform, call, context, gate)
    if response.status >= 400 and response.status != 404:
        return response
    return await _entered(call, response, gate)


async def _performed(perform: Perform, call: Call, context: Any, gate: ExchangeGate) -> Response:
    """The answer; a refusal is written down, and what is not there is an answer like another."""
    gate.recorder.ready()
    try:
        covered(call)
        result = perform(call, context)
        response = result if isinstance(result, Response) else await result
        found = gate.under(call.projection)
        if found is not None and call.act is not None and call.act.deed is Deed.READ:
            gate.limits.rows(found, call.rows)
    except PintuError as error:
        response = problem(error, call.echo)
        call.rows = 0
        if error.status != 404 and call.actor is not None and call.act is not None:
            gate.recorder.refused(call.actor, call.act, error)
    return response


async def _entered(call: Call, response: Response, gate: ExchangeGate) -> Response:
    assert call.actor is not None
    assert call.act is not None
    told = Told(body=response.body, fields=call.fields, rows=call.rows)
    receipt = await gate.record(call.actor, call.act, call.projection, told)
    line = (b"pintu-receipt", receipt_line(receipt).encode())
    return Response(response.status, response.body, (*response.headers, line))
