"""What things look like on the map: the layers that pieces declare, as numbered looks; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from pintu.kernel.context.match import compile_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Compare, Q
from pintu.kernel.jsonld import CORE
from pintu.web.api.states import value_of
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kit.manifest import Manifest

THING, ALERTED = range(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One line of a legend. `sign` and `colour` say the same thing twice."""

    state: str
    title: Mapping[str, str] | str  # a str is a text of the catalogue
    colour: str
    sign: str = "dot"  # dot | ring | triangle | square | cross | star
    alarm: bool = False
    layer: str = ""


COMMON = (
    Look(state="thing", title=mark("No state"), colour="#5b6b7d"),
    Look(state="alert", title=mark("Open alert"), colour="#b3261e", sign="triangle", alarm=True),
)
"""What every city has, whatever its pieces declare."""


OF_THE_ROOM = frozenset({"Incident", "PublicWarning", "ResponsePlan", "WorkOrder"})
"""What the operations room tells the city: no things of it, but rows and signs of the wall."""

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Layer:
    tests: tuple[tuple[Callable[..., bool] | None, int], ...]
    names: tuple[str, ...] | None  # the attributes whose values alone decide, when that is so
    brightness: str
    remembered: dict[tuple[Any, ...], int]

    def look(self, entity: dict[str, Any]) -> int:
        """The number of the first rule that holds; remembered by the values that decide."""
        key = None if self.names is None else _values(entity, self.names)
        if key is not None:
            known = self.remembered.get(key)
            if known is not None:
                return known
        number = next((n for test, n in self.tests if test is None or test(entity)), THING)
        if key is not None and len(self.remembered) < REMEMBERED:
            self.remembered[key] = number
        return number


class Looks:
    """The looks of all layers by number, and which one an entity has."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.all: list[Look] = list(COMMON)
        self._layers: dict[str, _Layer] = {}
        self._unshown: set[str] = set(OF_THE_ROOM)
        for manifest in manifests:
            if manifest.layers:
                shown = {layer.type for layer in manifest.layers}
                self._unshown.update(set(manifest.writes) - shown)
            for layer in manifest.layers:
                if layer.type not in self._layers and len(self.all) + len(layer.rules) < 250:
                    self._layers[layer.type] = self._layer(layer)

    def _layer(self, layer: Any) -> _Layer:
        tests: list[tuple[Callable[..., bool] | None, int]] = []
        names: set[str] | None = set()
        for rule in layer.rules:
            number = len(self.all)
            self.all.append(
                Look(
                    state=rule.state,
                    title=rule.title,
                    colour=rule.colour,
                    sign=rule.sign,
                    alarm=rule.alarm,
                    layer=layer.type,
                )
            )
            q = parse_q(rule.q, CORE) if rule.q else None
            tests.append((compile_q(q) if q is not None else None, number))
            if q is not None and names is not None:
                names = names | {q.path.attribute} if _plain(q) else None
        decisive = None if names is None else tuple(sorted(names))
        return _Layer(tuple(tests), decisive, layer.brightness, {})

    def of(self, types: Sequence[str], entity: dict[str, Any]) -> tuple[int, int]:
        """(number of its look, brightness 0-100) of an entity; THING when no layer is for it."""
        for one in types:
            layer = self._layers.get(one)
            if layer is not None:
                return layer.look(entity), _brightness(entity, layer.brightness)
        return THING, 100

    def unshown(self, types: Sequence[str]) -> bool:
        """True for what a piece writes but, having layers, gives none of its own."""
        return not self.layered(types) and any(one in self._unshown for one in types)

    def layered(self, types: Sequence[str]) -> bool:
        """True when a piece declares how such things look."""
        return any(one in self._layers for one in types)


def _plain(q: Q) -> TypeGuard[Compare]:
    """True for `attribute == text`: the attribute's value alone decides."""
    return (
        isinstance(q, Compare)
        and q.op == "=="
        and isinstance(q.value, str)
        and not q.path.subs
        and not q.path.trail
    )


def _values(entity: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...] | None:
    """The texts that decide; None when one is no text of a plain property."""
    found: list[Any] = []
    for name in names:
        attribute = entity.get(name)
        if attribute is None:
            found.append(None)
            continue
        value = attribute.get("value") if isinstance(attribute, dict) else attribute
        if not isinstance(value, str) or len(value) > 64:
            return None
        found.append(value)
    return tuple(found)


def _brightness(entity: dict[str, Any], name: str) -> int:
    value = value_of(entity, name) if name else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 100
    return round(max(0.0, min(1.0, float(value) if value <= 1 else float(value) / 100)) * 100)
