"""What a piece asks of the city's whole history, declared as data (`[[analyses]]` of piece.toml),
and the small door through which anybody asks it.

A piece names a question (docs/write-a-piece.md lists what can be asked) and may finish the answer
with a pure function of its own: `Piece.finish`, by the analysis' name. It sees columns, never
files, statements or engines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.analytics.engines.words import Answer, Question, checked
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kit.toml_reader import Section

if TYPE_CHECKING:
    from pintu.kit.manifest import Manifest

Columns = dict[str, list[Any]]
"""Columns of equal length, by name."""
Ask = Callable[[int, Question], Awaitable[Answer]]
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One question about the past of a piece's things; of which time and things is told when it is
    asked."""

    name: str
    title: dict[str, str]
    question: Question

    def about(self, since_us: int, until_us: int, zone: str, ids: Sequence[str] = ()) -> Question:
        """The question, of a time. Raises BadRequestData for one that cannot be asked."""
        told: dict[str, Any] = {"since_us": since_us, "until_us": until_us, "ids": tuple(ids)}
        return checked(msgspec.structs.replace(self.question, zone=zone, **told))


def read_analysis(section: Section) -> Analysis:
    """One `[[analyses]]` of a manifest: name, title, types, attributes, `ask`, `only`."""
    name, title = section.text("name"), section.titles("title")
    told = {one: section.anything(one) for one in ("types", "attributes", "ask", "only")}
    told = {one: value for one, value in told.items() if value is not None}
    section.close()
    ask = dict(told.get("ask") or {}) if isinstance(told.get("ask"), dict) else {}
    told["ask"] = {"type": ask.pop("kind", ""), **ask}
    told |= {"since_us": 0, "until_us": DAY_US}
    try:
        return Analysis(name=name, title=title, question=checked(msgspec.convert(told, Question)))
    except (msgspec.ValidationError, BadRequestData) as error:
        section.mistake("ask", f"is no question: {error}")
        nothing = msgspec.convert({**told, "ask": {"type": "sums"}, "types": [], "attributes": [],
                                   "only": {}}, Question)  # fmt: skip
        return Analysis(name=name, title=title, question=nothing)


class PieceAnalyses:
    """The analyses of a city's pieces, by name."""

    def __init__(
        self,
        pieces: Sequence[Manifest],
        ask: Ask,
        *,
        zone: str,
        told: Mapping[str, Mapping[str, Any]],
        tenants: Mapping[str, str],
    ) -> None:
        self._of = {one.name: (piece, one) for piece in pieces for one in piece.analyses}
        self._ask, self._zone, self._told, self._tenants = ask, zone, told, tenants

    def analyses(self, tenant: str) -> list[Analysis]:
        """Those of pieces that write to this tenant, in the order of the manifests."""
        return [
            one
            for piece, one in self._of.values()
            if self._tenants.get(piece.name, piece.tenant) == tenant
        ]

    async def answer(
        self, place: tuple[int, str], name: str, span: tuple[int, int], ids: Sequence[str] = ()
    ) -> Answer:
        """The answer of an analysis for a tenant (number, name) and a span of time in µs, finished
        by its piece. Raises ResourceNotFound, and what asking raises."""
        if name not in {one.name for one in self.analyses(place[1])}:
            raise ResourceNotFound(f"Analysis {name[:60]} does not exist")
        manifest, analysis = self._of[name]
        found = await self._ask(place[0], analysis.about(*span, self._zone, ids))
        if found.columns and manifest.entry:
            found.columns = await asyncio.to_thread(self._finished, manifest, name, found.columns)
        return found

    def _finished(self, manifest: Manifest, name: str, columns: Columns) -> Columns:
        from pintu.kit.piece import load_piece, settings_of  # a piece is imported when it is asked

        piece = load_piece(manifest)
        finish = piece.finish.get(name)
        if finish is None:
            return columns
        told = self._told.get(manifest.name, {})
        return finish(piece.read_settings(settings_of(manifest, told)), columns)
