"""Everything that can go wrong, as one tree.

PintuError                       500 InternalError
├── BadInput                     somebody outside sent what cannot be used
│   ├── InvalidRequest           400 the request is malformed (unreadable JSON, unknown parameter)
│   ├── BadRequestData           400 readable, but with the wrong meaning
│   ├── LdContextNotAvailable    504 a remote @context cannot be fetched
│   ├── TooLarge                 413 a body, header, depth or count over its limit
│   ├── LengthRequired           411
│   ├── UnsupportedMediaType     415
│   ├── NotAcceptable            406 carries the alternatives
│   └── MethodNotAllowed         405 carries the methods allowed
├── Refused                      the gate or a limit says no
│   ├── Unauthorized             401 nobody, or a token nobody knows
│   ├── Forbidden                403 somebody, but not for this
│   ├── TooManyRequests          429
│   ├── QuotaExceeded            403 a tenant has as much as it may; `limit` names which, `most`
│   └── TooComplex               403 TooComplexQuery / TooManyResults
├── Missing
│   ├── ResourceNotFound         404
│   └── NonexistentTenant        404
├── Conflict
│   ├── AlreadyExists            409
│   ├── RegistrationConflict     409 a source that holds data alone, beside another that does
│   └── StateConflict            409 (state, action) not in the table; a key with another body
├── Unavailable                  503 the store is away: nothing was written, try again
│   ├── DiskFull                 507
│   └── DeadlineExceeded         503 a read took longer than its deadline
├── OperationNotSupported        422 (NGSI-LD 5.5.2)
└── ConfigurationError           a setting, manifest or piece is wrong; lists every mistake at once
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

ETSI_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
PINTU_ERRORS = "https://pintu.invalid/errors/"


class PintuError(Exception):
    """The root: knows its HTTP status and its RFC 9457 problem type."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = ETSI_ERRORS + "InternalError"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which the same may be tried again, when that is known (Retry-After)."""
        told = self.extra.get("retryAfter", self.extra.get("retry_after"))
        return None if told is None else max(1, math.ceil(told))

    def problem(self) -> dict[str, Any]:
        """RFC 9457 problem details; `extra` members are added as they are."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
            **self.extra,
        }


class BadInput(PintuError):
    """Somebody outside sent what cannot be used."""

    status = 400
    type = ETSI_ERRORS + "BadRequestData"
    title = "Bad request data"


class InvalidRequest(BadInput):
    """The request itself is malformed: unreadable JSON, unknown parameter."""

    type = ETSI_ERRORS + "InvalidRequest"
    title = "Invalid request"


class BadRequestData(BadInput):
    """Readable, but with the wrong meaning."""


class LdContextNotAvailable(BadInput):
    """A remote @context cannot be fetched."""

    status = 504
    type = ETSI_ERRORS + "LdContextNotAvailable"
    title = "A remote JSON-LD @context is not available"


class TooLarge(BadInput):
    """A body, header, depth or count is over its limit."""

    status = 413
    type = PINTU_ERRORS + "TooLarge"
    title = "Over a limit"


class LengthRequired(BadInput):
    """A body is required and the request has none."""

    status = 411
    type = ETSI_ERRORS + "InvalidRequest"
    title = "A body is required"


class UnsupportedMediaType(BadInput):
    """The body is of a type this operation does not read."""

    status = 415
    type = ETSI_ERRORS + "InvalidRequest"
    title = "Unsupported media type"


class NotAcceptable(BadInput):
    """None of the types asked for can be given."""

    status = 406
    type = ETSI_ERRORS + "InvalidRequest"
    title = "Not acceptable"


class MethodNotAllowed(BadInput):
    """The resource has no such method; `allow` lists those it has."""

    status = 405
    type = ETSI_ERRORS + "InvalidRequest"
    title = "Method not allowed"

    def __init__(self, detail: str = "", *, allow: str = "") -> None:
        super().__init__(detail)
        self.allow = allow


class Refused(PintuError):
    """The gate or a limit says no."""

    status = 403
    type = PINTU_ERRORS + "Refused"
    title = "Refused"


class Unauthorized(Refused):
    """Nobody, or a token nobody knows."""

    status = 401
    type = PINTU_ERRORS + "Unauthorized"
    title = "Who are you?"


class Forbidden(Refused):
    """Somebody, but not for this."""

    type = PINTU_ERRORS + "Forbidden"
    title = "Not permitted"


class TooManyRequests(Refused):
    """Over a rate that was agreed."""

    status = 429
    type = PINTU_ERRORS + "TooManyRequests"
    title = "Too many requests"


class QuotaExceeded(Refused):
    """A tenant has as much as it may have; `limit` names of what, `most` how much."""

    type = PINTU_ERRORS + "QuotaExceeded"
    title = "Over a quota"


class TooComplex(Refused):
    """A query costs more than a query may."""

    type = ETSI_ERRORS + "TooComplexQuery"
    title = "Too complex query"


class Missing(PintuError):
    """What was asked for is not here."""

    status = 404
    type = ETSI_ERRORS + "ResourceNotFound"
    title = "Resource not found"


class ResourceNotFound(Missing):
    """No such entity, attribute, context or page."""


class NonexistentTenant(Missing):
    """A read names a tenant that nothing was ever written to."""

    type = ETSI_ERRORS + "NonexistentTenant"
    title = "No such tenant"


class Conflict(PintuError):
    """The state of things does not allow it."""

    status = 409
    type = PINTU_ERRORS + "Conflict"
    title = "Conflict"


class AlreadyExists(Conflict):
    """There is one of that id already."""

    type = ETSI_ERRORS + "AlreadyExists"
    title = "Already exists"


class RegistrationConflict(Conflict):
    """Data would be held in two places of which one holds it alone (NGSI-LD 5.5.2, 5.9.2.4)."""

    type = ETSI_ERRORS + "Conflict"


class StateConflict(Conflict):
    """(state, action) is not in the table, or a key was used with another body."""


class Unavailable(PintuError):
    """The store is away: nothing was written, try again."""

    status = 503
    type = PINTU_ERRORS + "Unavailable"
    title = "Not available now"


class DiskFull(Unavailable):
    """The disk is full or cannot be written: nothing was half-written."""

    status = 507
    type = PINTU_ERRORS + "DiskFull"
    title = "The disk cannot be written"


class DeadlineExceeded(Unavailable):
    """A read took longer than its deadline."""

    type = PINTU_ERRORS + "DeadlineExceeded"
    title = "The query took too long"


class OperationNotSupported(PintuError):
    """NGSI-LD 5.5.2: the operation is not supported."""

    status = 422
    type = ETSI_ERRORS + "OperationNotSupported"
    title = "Operation not supported"


class ConfigurationError(PintuError):
    """A setting, manifest or piece is wrong; `mistakes` lists all of them."""

    type = PINTU_ERRORS + "ConfigurationError"
    title = "The configuration has mistakes"

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes), mistakes=mistakes)
        self.mistakes = mistakes
