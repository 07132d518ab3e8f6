"""Data sets of the context: one NGSI-LD query each, entities simplified to rows."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from pintu.kernel.access import Projection, Seen
from pintu.kernel.clock import Clock
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import And, Q, Selection, TypeSelection
from pintu.kernel.errors import Forbidden, TooComplex
from pintu.kernel.exchange.catalogue import automatic_name
from pintu.kernel.exchange.conditions import check, fitted, group_of, test_of
from pintu.kernel.exchange.grouping import Grouping
from pintu.kernel.exchange.rows import kind_of, ordered, row_of
from pintu.kernel.exchange.terms import NOT_ATTRIBUTES, order_of, term_of
from pintu.kernel.exchange.words import Column, Condition, DataSet, Question, Rows
from pintu.kernel.jsonld import CORE

if TYPE_CHECKING:
    from pintu.kernel.intake.mapping.words import WordOfAttribute, Words
    from pintu.kernel.store.port import Page, Store

FIXED: Final = (
    Column(name="id", title={"zh": "编号", "en": "Id"}, key=True),
    Column(name="type", title={"zh": "类型", "en": "Type"}),
    Column(name="observedAt", title={"zh": "观测时间", "en": "Observed at"}, kind="time"),
)
"""Columns of every data set of the context; `observedAt` is that of the newest value."""

Chosen = tuple[Selection, list[Condition], Seen | None]
"""What the store selects, the conditions left to be tested row by row, what is there of a row."""

STEP: Final = 2_000
MOST_LOOKED_AT: Final = 200_000
"""Entities one question may walk through where the store cannot answer it by itself."""


class ContextProvider:
    """Answers data sets whose provider is `context`."""

    def __init__(
        self, store: Store, clock: Clock, words: Callable[[], Words | None], zone: str
    ) -> None:
        self._store, self._clock, self._words, self._zone = store, clock, words, zone
        self._kinds_seen: dict[str, dict[str, str]] = {}  # type → attribute → kind, as measured

    # --- what there is ------------------------------------------------------------------------
    def automatic(self, tenant: str) -> list[DataSet]:
        """One data set for each entity type that is there."""
        words = self._words()
        titles = words.types() if words is not None else {}
        return [
            DataSet(
                name=automatic_name(one),
                provider="context",
                title=_said(titles.get(one, {})),
                tenant=tenant,
                type=one,
                columns=self.columns_of(tenant, one),
            )
            for one in sorted(self.shapes(tenant))
        ]

    def columns_of(self, tenant: str, type: str) -> list[Column]:
        """The columns of a type: what every entity has, then its attributes as they occur."""
        words = self._words()
        told = words.attributes(type) if words is not None else {}
        seen = self._kinds_seen.get(type, {})
        found = list(FIXED)
        for name, shape in self.shapes(tenant).get(type, {}).items():
            word = told.get(name)
            found.append(
                Column(
                    name=name,
                    title=_said(word.labels) if word is not None else {},
                    kind=_kind_of(shape, word) or seen.get(name, "text"),
                    unit=word.unit if word is not None else "",
                )
            )
        return found

    def whole(self, data_set: DataSet) -> DataSet:
        """A data set with every column it can show: those it names, else all there are."""
        named = {one.name for one in data_set.columns}
        more = [
            one for one in self.columns_of(data_set.tenant, data_set.type) if one.name not in named
        ]
        if not data_set.columns:
            return msgspec.structs.replace(data_set, columns=more)
        fixed = [one for one in more if one.name in ("id", "observedAt")]
        return msgspec.structs.replace(data_set, columns=[*data_set.columns, *fixed])

    def shapes(self, tenant: str) -> dict[str, dict[str, str]]:
        """Entity type → attribute → its NGSI-LD attribute type, of a tenant."""
        number = self._store.tenant(tenant)
        found: dict[str, dict[str, str]] = {}
        for kind in self._store.kinds(number) if number is not None else []:
            for one in kind.types:
                found.setdefault(one, {}).update(kind.attributes)
        return found

    # --- asking -------------------------------------------------------------------------------
    async def ask(self, data_set: DataSet, question: Question, projection: Projection) -> Rows:
        """Rows of the entities that the gate lets the actor see.

        Raises BadRequestData, TooComplex (more entities than a question may walk through) and
        Forbidden for a column that is not the actor's to see.
        """
        number = self._store.tenant(data_set.tenant)
        if number is not None and not self._kinds_seen.get(data_set.type):
            await self._look(number, data_set.type)
        columns = self._with_kinds(data_set.type, data_set.columns)
        if projection.seen is None:  # else the question was planned within the agreement
            columns = [one for one in columns if _lets(projection, one.name)]
            _refuse_hidden(question, data_set.columns, projection)
        known = check(question, columns)
        where = fitted(question.where, known, self._zone)
        if number is None:
            return Rows(columns=columns, rows=[], total=0, as_of_us=self._clock.now_us())
        selection, left = self._selection(number, data_set, where, projection)
        names = question.columns or tuple(known)
        seen = projection.seen
        if question.adds_up:
            return await self._grouped(question, known, (selection, left, seen))
        total: int | None
        if left:
            rows, total = await self._walked(question, (selection, left, seen), names)
        else:
            page = await self._page(
                replace(
                    selection,
                    order=tuple(order_of(one, known) for one in question.order),
                    limit=question.limit,
                    offset=question.offset,
                    count=question.count,
                )
            )
            rows = [row_of(one, names) for one in _shown(page, seen)]
            total = page.count
        if projection.seen is None:
            self._learn(data_set.type, rows)
        return Rows(
            columns=[known[one] for one in names],
            rows=rows,
            total=total,
            as_of_us=self._clock.now_us(),
        )

    def _selection(
        self,
        tenant: int,
        data_set: DataSet,
        where: tuple[Condition, ...],
        projection: Projection,
    ) -> tuple[Selection, list[Condition]]:
        """What the store answers exactly, and the conditions left to be tested row by row."""
        shapes = self.shapes(data_set.tenant).get(data_set.type, {})
        parts: list[Q] = [parse_q(data_set.q, CORE)] if data_set.q else []
        if projection.rows is not None:
            parts.append(projection.rows)
        ids: tuple[str, ...] = ()
        left = []
        for one in where:
            if one.column == "id" and one.comparison == "=" and not ids:
                ids = (one.value,)
                continue
            term = term_of(one, shapes.get(one.column, ""))
            if term is None:
                left.append(one)
            else:
                parts.append(term)
        selection = Selection(
            tenant=tenant,
            ids=ids,
            types=TypeSelection((frozenset({data_set.type}),)),
            q=And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None,
        )
        return selection, left

    async def _page(self, selection: Selection) -> Page:
        found = self._store.select(selection)
        return await found if inspect.isawaitable(found) else found

    async def walk(self, selection: Selection) -> AsyncIterator[list[dict[str, Any]]]:
        """Entities of a selection, some thousands at a time; TooComplex past the limit."""
        offset = 0
        while True:
            page = await self._page(replace(selection, limit=STEP, offset=offset))
            for start in range(0, len(page.records), 250):
                part = page.records[start : start + 250]
                yield [orjson.loads(one.body) for one in part]
                await asyncio.sleep(0)  # the loop also serves everybody else
            offset += STEP
            if len(page.records) < STEP:
                return
            if offset >= MOST_LOOKED_AT:
                raise TooComplex(
                    f"The question walks through more than {MOST_LOOKED_AT:,} things; "
                    "narrow it with a condition"
                )

    async def _walked(
        self,
        question: Question,
        chosen: Chosen,
        names: tuple[str, ...],
    ) -> tuple[list[dict[str, Any]], int]:
        selection, left, seen = chosen
        needed = {*names, *(one.removeprefix("-") for one in question.order)}
        row = _rows(seen, left, tuple(needed))
        found: list[dict[str, Any]] = []
        async for part in self.walk(selection):
            found += [told for one in part if (told := row(one)) is not None]
        found = ordered(found, question.order)
        cut = found[question.offset : question.offset + question.limit]
        return [{name: row[name] for name in names} for row in cut], len(found)

    async def _grouped(
        self,
        question: Question,
        known: dict[str, Column],
        chosen: Chosen,
    ) -> Rows:
        selection, left, seen = chosen
        grouping = Grouping(question, known, self._zone)
        row = _rows(seen, left, tuple(grouping.needed))
        async for part in self.walk(selection):
            for entity in part:
                told = row(entity)
                if told is not None:
                    grouping.add(told)
        rows, total = grouping.rows()
        return Rows(
            columns=grouping.columns,
            rows=rows,
            total=total if question.count else None,
            as_of_us=self._clock.now_us(),
        )

    async def _look(self, tenant: int, type: str) -> None:
        """Learn the kinds of a type's attributes from a few of its entities."""
        selection = Selection(tenant=tenant, types=TypeSelection((frozenset({type}),)), limit=50)
        entities = [orjson.loads(one.body) for one in (await self._page(selection)).records]
        self._learn(type, [row_of(one, one.keys() - NOT_ATTRIBUTES) for one in entities])

    def _with_kinds(self, type: str, columns: list[Column]) -> list[Column]:
        """Columns of which nobody said the kind, with the kind that was seen."""
        seen = self._kinds_seen.get(type, {})
        return [
            msgspec.structs.replace(one, kind=seen[one.name])
            if one.kind == "text" and one.name in seen
            else one
            for one in columns
        ]

    def _learn(self, type: str, rows: list[dict[str, Any]]) -> None:
        """Remember of which kind the values of attributes are that no vocabulary knows."""
        seen = self._kinds_seen.setdefault(type, {})
        for row in rows[:50]:
            for name, value in row.items():
                if value is not None and name not in seen:
                    seen[name] = kind_of(value)


def _shown(page: Page, seen: Seen | None) -> list[dict[str, Any]]:
    """The documents of a page as they are there for the actor."""
    if seen is None:
        return [orjson.loads(one.body) for one in page.records]
    bodies = [seen(one.body) for one in page.records]
    return [orjson.loads(one) for one in bodies if one is not None]


def _rows(
    seen: Seen | None, left: list[Condition], needed: tuple[str, ...]
) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """From an entity to its row, None when it is not among them. Conditions look at what is stored
    (an agreement may name what it does not show), but at no time of what is not shown."""
    test = test_of(left)
    tested = tuple({one.column for one in left})
    derived = tuple(one for one in tested if one in NOT_ATTRIBUTES)

    def row(entity: dict[str, Any]) -> dict[str, Any] | None:
        shown = entity if seen is None else seen.entity(entity)
        if shown is None:
            return None
        if left:
            told = row_of(entity, tested)
            if seen is not None and derived:
                told |= row_of(shown, derived)
            if not test(told):
                return None
        return row_of(shown, needed)

    return row


def _lets(projection: Projection, name: str) -> bool:
    return name in NOT_ATTRIBUTES or projection.lets(name)


def _refuse_hidden(question: Question, columns: list[Column], projection: Projection) -> None:
    """Who asks about a column they may not see learns from the answer what it holds."""
    if projection.whole:
        return
    hidden = {one.name for one in columns if not _lets(projection, one.name)}
    named = {*question.columns, *(one.column for one in question.where), question.measure}
    named |= {group_of(one)[0] for one in question.group}
    named |= {one.removeprefix("-") for one in question.order}
    refused = sorted(hidden & named)
    if refused:
        raise Forbidden(f"Column {refused[0]!r} is not yours to see")


def _kind_of(shape: str, word: WordOfAttribute | None) -> str:
    """The kind of a column by its NGSI-LD attribute type and what the vocabulary says; empty when
    neither tells."""
    if shape == "GeoProperty":
        return "point"
    if shape in ("VocabProperty", "ListProperty"):
        return "code" if shape == "VocabProperty" else "text"
    if shape != "Property" or word is None:
        return "" if shape == "Property" else "text"
    if word.codes:
        return "code"
    told = {"number": "number", "integer": "whole", "boolean": "yes_no"}
    return told.get(word.json_type, "")


def _said(labels: dict[str, str]) -> dict[str, str]:
    """Labels without what is no language; empty where the vocabulary has none, so that a page may
    know a better name."""
    return {lang: labels[lang] for lang in ("zh", "en") if labels.get(lang)}
