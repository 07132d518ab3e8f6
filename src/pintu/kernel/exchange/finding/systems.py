"""The systems of a city as the index counts them: connected sources and running pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pintu.kernel.configuration import Configuration
from pintu.kernel.exchange.finding.islands import System
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.intake.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """Where systems are read. `heard` lists the sources that intake knows, `pieces` names
    (piece, its title, owner, the types it writes)."""

    configuration: Configuration
    described: Callable[[], list[DataSet]]
    heard: Callable[[], Iterable[Source]]
    pieces: Sequence[tuple[str, dict[str, str], str, tuple[str, ...]]] = ()

    def all(self) -> list[System]:
        """Every system known now, by name."""
        described = self.described()
        heard = {one.name: one for one in self.heard()}
        found = [*self._connected(described, heard), *self._pieces(described, heard)]
        return sorted(found, key=lambda one: one.name)

    def _connected(
        self, described: Sequence[DataSet], heard: Mapping[str, Source]
    ) -> Iterable[System]:
        fills = self.fills(described)
        for saved in self.configuration.list_saved("sources"):
            told = saved.content
            if told.get("enabled") is False:
                continue
            seen = heard.get(saved.name)
            names = [one.name for one in described if one.source == saved.name]
            for mapping in told.get("mappings", []):
                names += fills.get(mapping, [])
            yield System(
                name=saved.name,
                door=str(told.get("door", "")),
                owner=str(told.get("owner", "")),
                title=_said(told.get("title")),
                data_sets=tuple(dict.fromkeys(names)),
                health=seen.health if seen is not None else "unknown",
                last_us=_last_us(seen),
                interval_s=float(told.get("expected_interval_s", 0) or 0),
                since_us=saved.saved_us,
            )

    def fills(self, described: Sequence[DataSet]) -> dict[str, list[str]]:
        """Mapping → the data sets it fills."""
        found: dict[str, list[str]] = {}
        for saved in self.configuration.list_saved("mappings"):
            told = saved.content
            if told.get("data_set"):
                found[saved.name] = [str(told["data_set"])]
            elif told.get("type"):
                found[saved.name] = [one.name for one in described if one.type == told["type"]]
        return found

    def _pieces(
        self, described: Sequence[DataSet], heard: Mapping[str, Source]
    ) -> Iterable[System]:
        for name, title, owner, types in self.pieces:
            own = [one for one in heard.values() if one.name.startswith(f"{name}/")]
            sets = [
                one.name
                for one in described
                if one.type in types or one.name.startswith(f"{name}.")
            ]
            if own:  # a piece nothing is connected to is no system of this city
                yield System(
                    name=name, door="piece", owner=owner, title=title, data_sets=tuple(sets),
                    health=_health(own), last_us=max(map(_last_us, own)),
                    interval_s=max(one.expected_interval_s for one in own),
                )  # fmt: skip


def _health(sources: Sequence[Source]) -> str:
    """That of the one that is worst off."""
    order = ("down", "silent", "connecting", "unknown", "stopped", "up")
    return min((one.health for one in sources), key=order.index)


def _last_us(source: Source | None) -> int:
    if source is None:
        return 0
    return max(source.last_batch_us, source.report.last_us if source.report else 0)


def _said(told: Any) -> dict[str, str]:
    return {str(lang): str(text) for lang, text in told.items()} if isinstance(told, dict) else {}
