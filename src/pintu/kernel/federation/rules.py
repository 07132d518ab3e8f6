"""What a registration may not be: alone, and beside others (4.3.6, 5.9.2.4)."""

from __future__ import annotations

from collections.abc import Iterable

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.errors import BadRequestData, RegistrationConflict
from pintu.kernel.federation import operations
from pintu.kernel.federation.words import Registration, Wanted

PROXIED = ("exclusive", "redirect")


def check_alone(registration: Registration) -> None:
    """Raise BadRequestData for what its mode does not allow."""
    if registration.mode == "exclusive":
        for information in registration.information:
            if not information.selectors or not all(one.id for one in information.selectors):
                raise BadRequestData("An exclusive registration names entities by their ids alone")
            if not information.names:
                raise BadRequestData("An exclusive registration names the attributes it holds")
    elif registration.mode == "auxiliary":
        writes = sorted(registration.operations & operations.WRITES)
        if writes:
            raise BadRequestData(f"An auxiliary source is only read: it cannot {writes[0]}")


def overlaps_to_seek(registration: Registration) -> Iterable[Wanted]:
    """What to look for among others before one that holds data alone is kept."""
    if registration.mode not in PROXIED:
        return
    for information in registration.information:
        names = information.names
        for selector in information.selectors:
            types = TypeSelection(tuple(frozenset((one,)) for one in sorted(selector.types)))
            ids, pattern = (selector.id,) if selector.id else (), selector.id_pattern or None
            yield Wanted(ids=ids, id_pattern=pattern, types=types, names=names)
        if not information.selectors:
            yield Wanted(names=names)


def check_beside(registration: Registration, others: Iterable[Registration]) -> None:
    """Raise RegistrationConflict when another one of `others`, which all overlap with it, holds the
    same data alone: nothing overlaps with an exclusive one but what is not proxied, while redirects
    may overlap.
    """
    for other in others:
        if other.id == registration.id or other.mode not in PROXIED:
            continue
        if "exclusive" in (registration.mode, other.mode):
            raise RegistrationConflict(
                f"{other.id} is an {other.mode} registration of the same entities and attributes"
                if other.mode == "exclusive"
                else f"{other.id} redirects the same entities and attributes"
            )
