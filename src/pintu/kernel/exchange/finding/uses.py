"""Who uses a data set: agreements, pages, pieces, map layers; read from what is known anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Actor
from pintu.kernel.configuration import Configuration, Saved
from pintu.kernel.exchange.finding.words import Use
from pintu.kernel.exchange.words import DataSet

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement

WATCHER: Final = Actor(
    id="piece:finder", kind="piece", organisation="city", roles=frozenset(("auditor",))
)
"""Whoever asks for the node itself which agreements are in force: nothing is read with it."""

AgreementList = Callable[[Actor], "list[Agreement]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Where uses are read. `pieces` names (piece, its title, the types it reads)."""

    configuration: Configuration
    described: Callable[[], list[DataSet]]
    pieces: Sequence[tuple[str, dict[str, str], tuple[str, ...]]] = ()
    agreements: list[AgreementList] = field(default_factory=list)

    def all(self) -> list[Use]:
        """Every use known now."""
        by_type: dict[str, list[str]] = {}
        for one in self.described():
            if one.type:
                by_type.setdefault(one.type, []).append(one.name)
        found = self.of_agreements()
        for saved in self.configuration.list_saved("pages"):
            found += of_page(saved)
        for name, title, types in self.pieces:
            for type_ in types:
                found += [
                    Use(data_set=data_set, kind="piece", id=name, consumer=name, title=title)
                    for data_set in by_type.get(type_, ())
                ]
        return found

    def of_agreements(self) -> list[Use]:
        """One for every agreement that is active now."""
        return [
            Use(
                data_set=one.terms.data_set,
                kind="agreement",
                id=one.id,
                consumer=one.terms.consumer,
                fields=tuple(one.terms.fields),
                since_us=one.terms.from_us or one.changed_us,
            )
            for ask in self.agreements
            for one in ask(WATCHER)
            if one.state == "active"
        ]


def of_page(saved: Saved) -> list[Use]:
    """The data sets a page shows, each with the fields it names."""
    found: dict[str, set[str]] = {}
    for block in _lists(saved.content.get("blocks")):
        name = block.get("data")
        if not isinstance(name, str) or not name:
            continue
        fields = found.setdefault(name, set())
        for told in (block.get("columns"), block.get("y"), [block.get("x")], [block.get("group")]):
            fields |= {one for one in told or () if isinstance(one, str) and one}
    title = saved.content.get("title")
    said = title if isinstance(title, dict) else {}
    return [
        Use(
            data_set=name, kind="page", id=saved.name, title=said, fields=tuple(sorted(fields)),
            since_us=saved.saved_us,
        )
        for name, fields in found.items()
    ]  # fmt: skip


def _lists(told: Any) -> Iterable[dict[str, Any]]:
    return (one for one in told or () if isinstance(one, dict))
