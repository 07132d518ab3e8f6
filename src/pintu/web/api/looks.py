"""What things look like on the map: the layers that pieces declare, as numbered looks; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pintu.kernel.context.match import compile_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.jsonld import CORE
from pintu.web.api.states import value_of
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kit.manifest import Manifest

THING, ALERTED, QUIET = range(3)
SILENT_STATE = "silent"


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
    Look(
        state="alert", title=mark("Open alert"), colour="#b3261e", sign="triangle", alarm=True
    ),
    Look(state="quiet", title=mark("Not heard from"), colour="#6e6e6e", sign="cross"),
)
"""What every city has, whatever its pieces declare."""


@dataclass(frozen=True, slots=True)
class _Layer:
    tests: tuple[tuple[Callable[..., bool] | None, int], ...]
    brightness: str
    knows_silence: bool


class Looks:
    """The looks of all layers by number, and which one an entity has."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.all: list[Look] = list(COMMON)
        self._layers: dict[str, _Layer] = {}
        for manifest in manifests:
            for layer in manifest.layers:
                if layer.type not in self._layers and len(self.all) + len(layer.rules) < 250:
                    self._layers[layer.type] = self._layer(layer)

    def _layer(self, layer: Any) -> _Layer:
        tests: list[tuple[Callable[..., bool] | None, int]] = []
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
            test = compile_q(parse_q(rule.q, CORE)) if rule.q else None
            tests.append((test, number))
        silent = any(rule.state == SILENT_STATE for rule in layer.rules)
        return _Layer(tuple(tests), layer.brightness, silent)

    def of(self, types: Sequence[str], entity: dict[str, Any]) -> tuple[int, int]:
        """(number of its look, brightness 0-100) of an entity; THING when no layer is for it."""
        for one in types:
            layer = self._layers.get(one)
            if layer is None:
                continue
            for test, number in layer.tests:
                if test is None or test(entity):
                    return number, _brightness(entity, layer.brightness)
        return THING, 100

    def watches_silence(self, types: Sequence[str]) -> bool:
        """True when the screens must notice themselves that such a thing fell silent."""
        found = [self._layers[one] for one in types if one in self._layers]
        return bool(found) and not any(layer.knows_silence for layer in found)

    def layered(self, types: Sequence[str]) -> bool:
        """True when a piece declares how such things look."""
        return any(one in self._layers for one in types)


def _brightness(entity: dict[str, Any], name: str) -> int:
    value = value_of(entity, name) if name else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 100
    return round(max(0.0, min(1.0, float(value) if value <= 1 else float(value) / 100)) * 100)
