"""A write divided among the sources that are registered for parts of it and the local broker
(4.3.6, 5.6).

Pure. An exclusive and a redirect registration *take* what they are registered for: the local broker
keeps none of it. An inclusive one gets a copy of what is left. An auxiliary one is never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.federation.words import Mode, Registration, Share
from pintu.kernel.jsonld import Terms

TAKING: Final[tuple[Mode, ...]] = ("exclusive", "redirect")
IDENTITY: Final = frozenset(("id", "type", "@id", "@type", "@context"))
"""Members that every part of an entity has; all others are divided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The part of one write that one source is asked to do.

    `names` are stored names of attributes, and `scope` and `expiresAt`, which only a source has
    that is registered for all attributes. `share` is what it may be asked about.
    """

    share: Share
    names: frozenset[str]

    @property
    def registration(self) -> Registration:
        """Whom this part is for."""
        return self.share.registration

    @property
    def takes(self) -> bool:
        """Whether what goes to it stays away from the local broker."""
        return self.share.registration.mode in TAKING


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A write as its parts: legs to sources, and the names that are left for the local broker.

    `local` False: nothing is left, the local broker does nothing. `refused` are takers that are not
    registered for the operation: their part is nobody's, and is answered as a conflict.
    """

    legs: tuple[Leg, ...] = ()
    refused: tuple[Leg, ...] = ()
    left: frozenset[str] = frozenset()
    local: bool = True

    @property
    def alone(self) -> bool:
        """Whether the local broker does all of it."""
        return not self.legs and not self.refused


@dataclass(frozen=True, slots=True)
class _Claim:
    share: Share
    names: frozenset[str]
    whole: bool

    @property
    def mode(self) -> Mode:
        """The mode of its registration."""
        return self.share.registration.mode

    def of(self, left: frozenset[str], *, empty: bool) -> Leg | None:
        """What it is registered for among the names that are left; `empty`: the entity has none."""
        mine = left if self.whole else left & self.names
        if mine or (empty and self.whole):
            return Leg(share=self.share, names=mine)
        return None


def split(
    id: str,
    types: frozenset[str],
    names: frozenset[str],
    shares: Iterable[Share],
    able: frozenset[str],
) -> Split:
    """The parts of a write of attributes `names` of one entity; `types` empty: not known.

    A source does its part when one of the operations `able` is registered. Order: exclusive first,
    then all redirects side by side, then copies of what is left to inclusive ones (5.6.1.4).
    """
    claims = _claims(id, types, shares)
    legs: list[Leg] = []
    refused: list[Leg] = []
    left, empty = names, not names
    for mode in TAKING:
        found = _legs(claims, mode, left, empty=empty)
        for leg in found:
            (legs if able & leg.registration.operations else refused).append(leg)
            left -= leg.names
        empty = empty and not found
    local = empty or bool(left)
    if local:
        copies = _legs(claims, "inclusive", left, empty=empty)
        legs += [leg for leg in copies if able & leg.registration.operations]
    return Split(legs=tuple(legs), refused=tuple(refused), left=left, local=local)


def _legs(claims: list[_Claim], mode: Mode, left: frozenset[str], *, empty: bool) -> list[Leg]:
    """The legs of one mode, each given its part of the same names."""
    mine = [claim.of(left, empty=empty) for claim in claims if claim.mode == mode]
    return [leg for leg in mine if leg is not None]


def divide(id: str, types: frozenset[str], shares: Iterable[Share], able: frozenset[str]) -> Split:
    """The parts of a write that names no attributes, as deleting an entity: every source that has
    some of it is asked, and the local broker does it, too (5.6.6.4)."""
    legs: list[Leg] = []
    refused: list[Leg] = []
    for claim in _claims(id, types, shares):
        leg = Leg(share=claim.share, names=frozenset() if claim.whole else claim.names)
        if able & leg.registration.operations:
            legs.append(leg)
        elif leg.takes:
            refused.append(leg)
    return Split(legs=tuple(legs), refused=tuple(refused))


def part(document: dict[str, Any], terms: Terms, names: frozenset[str]) -> dict[str, Any]:
    """Some names of an entity or fragment, and what every part has, as its writer spelled it."""
    return {
        name: value
        for name, value in document.items()
        if name in IDENTITY or terms.stored(name) in names
    }


def names_of(document: dict[str, Any], terms: Terms) -> frozenset[str]:
    """The stored names of what is to be divided of an entity or fragment."""
    return frozenset(terms.stored(name) for name in document.keys() - IDENTITY)


def _claims(id: str, types: frozenset[str], shares: Iterable[Share]) -> list[_Claim]:
    """What each registration has of an entity, the parts of one registration put together."""
    found: dict[str, _Claim] = {}
    for share in shares:
        if share.registration.mode == "auxiliary" or not share.covers(id, types):
            continue
        key = share.registration.id
        known = found.get(key)
        names, whole = share.names, not share.names
        if known is not None:
            names, whole = names | known.names, whole or known.whole
            share = known.share
        found[key] = _Claim(share, names, whole)
    return list(found.values())
