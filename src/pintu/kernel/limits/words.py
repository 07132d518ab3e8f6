"""What `config/tenants/NAME.toml` says of a hosted tenant: title, limits, state. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pintu.kernel.errors import BadRequestData

KIND: Final = "tenants"
"""The kind of configuration these files are."""

QUOTAS: Final = ("entities", "subscriptions", "registrations", "bytes")
RATES: Final = ("requests_per_s", "updates_per_s")


class Allowed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a tenant may use; None: as much as the city has.

    `requests_per_s` over NGSI-LD, with `burst` at once (default: two seconds' worth). `bytes` are
    those of its present entities as documents. `history_days` is how long its readings are kept,
    at most: what the city keeps shorter stays shorter.
    """

    requests_per_s: float | None = None
    burst: int | None = None
    entities: int | None = None
    subscriptions: int | None = None
    registrations: int | None = None
    bytes: int | None = None
    history_days: int | None = None


class SourceAllowed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many updates a source may hand in, and how many at once (default: two seconds')."""

    updates_per_s: float
    burst: int | None = None


class Hosted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tenant that somebody hosts here."""

    title: dict[str, str] = {}
    suspended: bool = False
    limits: Allowed = Allowed()
    sources: dict[str, SourceAllowed] = {}


def read_hosted(content: Mapping[str, Any]) -> Hosted:
    """The file as words; raises BadRequestData naming what is wrong with it."""
    try:
        found = msgspec.convert(dict(content), Hosted)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The tenant's file is wrong: {error}") from error
    for field in msgspec.structs.fields(Allowed):
        _positive(f"limits.{field.name}", getattr(found.limits, field.name))
    if found.limits.history_days is not None and found.limits.history_days < 2:
        raise BadRequestData("limits.history_days is less than 2")
    for name, one in found.sources.items():
        _positive(f"sources.{name}.updates_per_s", one.updates_per_s)
        _positive(f"sources.{name}.burst", one.burst)
    return found


def _positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < 1e15:
        raise BadRequestData(f"{name} = {value} is not a number above 0")


def plain(hosted: Hosted) -> dict[str, Any]:
    """As a file holds it: what is not said is left out."""
    limits = {k: v for k, v in msgspec.structs.asdict(hosted.limits).items() if v is not None}
    told: dict[str, Any] = {"suspended": hosted.suspended}
    if hosted.title:
        told["title"] = hosted.title
    if limits:
        told["limits"] = limits
    if hosted.sources:
        told["sources"] = {
            name: {k: v for k, v in msgspec.structs.asdict(one).items() if v is not None}
            for name, one in hosted.sources.items()
        }
    return told
