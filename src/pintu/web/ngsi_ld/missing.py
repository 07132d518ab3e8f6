"""Resources of the standard that this broker does not have yet: it says so, and fakes nothing."""

from __future__ import annotations

import orjson

from pintu.kernel.errors import OperationNotSupported
from pintu.web.ngsi_ld.answers import PROBLEM
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result

_PAGE = frozenset(("limit", "offset", "count", "options", "format", "local"))
_TIME = frozenset(
    (
        "id", "type", "idPattern", "attrs", "pick", "omit", "q", "csf", "georel", "geometry",
        "coordinates", "geoproperty", "scopeQ", "timerel", "timeAt", "endTimeAt", "timeproperty",
        "lastN", "aggrMethods", "aggrPeriodDuration", "lang", "datasetId", "orderBy", "deleteAll",
        "instanceId",
    )
)  # fmt: skip
_SOURCES = _TIME | _PAGE

LATER: dict[str, tuple[str, ...]] = {
}


def operations() -> dict[str, dict[str, Operation]]:
    """What all operations have in common is checked for these too; only then they say 501."""
    return {
        path: {method: _operation(path, method) for method in methods}
        for path, methods in LATER.items()
    }


def _operation(path: str, method: str) -> Operation:
    writes = method in ("POST", "PATCH")
    return Operation(
        name=f"{method} {path}",
        clause="5.5.2",
        handler=not_yet,
        params=_SOURCES if path.startswith(("temporal", "csource")) else _PAGE,
        body="one" if writes else "none",
        merge_patch=method == "PATCH",
        offer="data" if method == "GET" else "none",
        any_tenant=True,
    )


def not_yet(call: Call) -> Result:
    """501 OperationNotSupported, naming the resource (5.5.2)."""
    resource = call.request.path.decode("latin-1").split("/v1/", 1)[-1][:200]
    error = OperationNotSupported(
        f"This broker does not have {resource} yet: temporal queries, "
        "subscriptions and federation come in a later version"
    )
    body = orjson.dumps(error.problem() | {"status": 501})
    return Response(501, body, ((b"content-type", PROBLEM), *call.echo))
