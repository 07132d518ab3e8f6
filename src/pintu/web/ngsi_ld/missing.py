"""Resources of the standard that this broker does not have yet: it says so, and fakes nothing."""

from __future__ import annotations

import orjson

from pintu.kernel.errors import OperationNotSupported
from pintu.web.ngsi_ld.answers import PROBLEM
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result

LATER = (
    "temporal/entities",
    "temporal/entities/{id}",
    "temporal/entities/{id}/attrs",
    "temporal/entities/{id}/attrs/{attribute}",
    "temporal/entities/{id}/attrs/{attribute}/{instance}",
    "temporal/entityOperations/query",
    "temporal/entityMaps/{id}",
    "subscriptions",
    "subscriptions/{id}",
    "csourceRegistrations",
    "csourceRegistrations/{id}",
    "csourceSubscriptions",
    "csourceSubscriptions/{id}",
    "entityMaps/{id}",
    "snapshots",
    "snapshots/{id}",
    "snapshots/{id}/clone",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def not_yet(call: Call) -> Result:
    """501 OperationNotSupported, naming the resource (5.5.2)."""
    resource = call.request.path.decode("latin-1").split("/v1/", 1)[-1][:200]
    error = OperationNotSupported(f"This broker does not have {resource} yet: temporal queries, "
                                  "subscriptions and federation come in a later version")
    body = orjson.dumps(error.problem() | {"status": 501})
    return Response(501, body, ((b"content-type", PROBLEM), *call.echo))
