"""Rules that a command names, as data: when it takes two persons, what forbids it, how often a
device may be told. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pintu.kernel.context.match.query import match_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Q
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.jsonld import CORE

Entity = dict[str, Any]


class Bound(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which asks a rule is about: those whose argument lies below or above a number (or is one of
    `values`), or is not told; without an argument, all."""

    argument: str = ""
    below: float | None = None
    above: float | None = None
    values: tuple[Any, ...] = ()

    def holds(self, arguments: dict[str, Any]) -> bool:
        """Whether the rule is about these arguments; what cannot be compared is."""
        if not self.argument:
            return True
        if self.argument not in arguments:
            return True
        told = arguments[self.argument]
        if self.values:
            return told in self.values
        if isinstance(told, bool) or not isinstance(told, int | float):
            return True
        low = self.below is None or told < self.below
        return low and (self.above is None or told > self.above)


class TwoPersons(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Harm is possible: a second person must agree, from so many targets at once on."""

    bound: Bound = Bound()
    targets: int = 1


class Interlock(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The command is refused while `q` holds of its target, or of the thing that the target's
    relationship `over` names."""

    name: str
    q: str
    why: dict[str, str]
    over: str = ""
    bound: Bound = Bound()


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most so many commands of this name to one device in so many real seconds."""

    most: int
    per_s: float


class Rule(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Everything that is asked before a command is sent."""

    two_persons: tuple[TwoPersons, ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    rate: Rate | None = None


FREE = Rule()


def needs_two(rule: Rule, arguments: dict[str, Any], targets: int) -> bool:
    """Whether a second person must agree to a command that goes to so many targets at once."""
    return any(one.targets <= targets and one.bound.holds(arguments) for one in rule.two_persons)


def locks_of(rule: Rule, arguments: dict[str, Any]) -> list[Interlock]:
    """The interlocks that must be looked at for these arguments."""
    return [one for one in rule.interlocks if one.bound.holds(arguments)]


def related(entity: Entity, over: str) -> list[str]:
    """The ids that a relationship of an entity names, of all its instances."""
    told = entity.get(over)
    found: list[str] = []
    for one in told if isinstance(told, list) else [told]:
        named = one.get("object") if isinstance(one, dict) else None
        found += [id for id in (named if isinstance(named, list) else [named]) if id]
    return list(dict.fromkeys(str(one) for one in found))


def shut(interlock: Interlock, entity: Entity) -> bool:
    """Whether an interlock forbids a command, given the thing it looks at."""
    return match_q(entity, query(interlock))


_QUERIES: dict[str, Q] = {}


def query(interlock: Interlock) -> Q:
    """The interlock's query; BadRequestData when it is none."""
    found = _QUERIES.get(interlock.q)
    if found is None:
        found = _QUERIES[interlock.q] = parse_q(interlock.q, CORE)
    return found


def read_rule(told: dict[str, Any]) -> Rule:
    """A rule as a manifest tells it; ConfigurationError says what is wrong."""
    try:
        rule = msgspec.convert(told, Rule)
        for one in rule.interlocks:
            query(one)
    except (msgspec.ValidationError, PintuError) as error:
        raise ConfigurationError([f"The rules of a command cannot be read: {error}"]) from error
    if rule.rate is not None and (rule.rate.most < 1 or rule.rate.per_s <= 0):
        raise ConfigurationError(["The rate of a command needs a number and seconds above 0"])
    return rule
