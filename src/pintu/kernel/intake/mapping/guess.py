"""A mapping guessed from what a source shows, and questions where it may be otherwise. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import median
from typing import Final

import msgspec

from pintu.kernel.intake.doors.words import ColumnSeen, TableSeen
from pintu.kernel.intake.mapping import guess_columns as columns_of
from pintu.kernel.intake.mapping.guess_asking import (
    Question_,
    ask_code,
    ask_frame,
    ask_id,
    ask_person,
    ask_swapped,
    ask_type,
    ask_unit,
)
from pintu.kernel.intake.mapping.guess_columns import COMPASS, STYLE, Names, folded
from pintu.kernel.intake.mapping.people import Judgement, person_marks, title_of
from pintu.kernel.intake.mapping.units import conversion, unit_in_header
from pintu.kernel.intake.mapping.values import folded as same_value
from pintu.kernel.intake.mapping.words import Field, FieldKind, WordOfAttribute, Words
from pintu.kernel.intake.mapping.words import Mapping as MappingFile

SHARED: Final = frozenset(("name", "alternateName", "description", "location", "owner", "source",
                           "dataProvider", "address", "seeAlso", "demo", "areaServed"))  # fmt: skip
"""Words every type has: they tell no type from another."""

ENOUGH: Final = 1.5
"""A type whose words fit less than this is not proposed: the table becomes a table data set."""

_CLEAN: Final = re.compile(r"[^\w.-]+")
_KINDS: Final[dict[str, FieldKind]] = {
    "number": "number", "whole": "whole", "yes_no": "yes_no", "time": "time", "date": "date",
    "point": "point", "shape": "shape",
}  # fmt: skip


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping to begin with. `left` are columns nothing is made of; `sure` says by column how
    sure the guess is, 0 to 1; `persons` which columns say something of a person."""

    mapping: MappingFile
    questions: list[Question_] = []
    left: list[str] = []
    sure: dict[str, float] = {}
    persons: dict[str, Judgement] = {}


def guess_mapping(table: TableSeen, words: Words, *, name: str, type: str = "") -> Guess:
    """The most likely mapping of a table; into the context unless it says something of persons or
    no type fits. `type`: a person chose it already."""
    persons = _persons(table)
    scores = _scores(table, words)
    best = type or (max(scores, key=lambda one: scores[one]) if scores else "")
    sure = [one for one in persons.values() if one.sure]
    if sure or not best or (not type and scores[best] < ENOUGH):
        return _table(table, name, persons, scores, words)
    return _Guessing(table, words, best, name, persons).context(
        [] if type else _rivals(scores, best, words)
    )


def guess_table(table: TableSeen, words: Words, *, name: str) -> Guess:
    """Every column as it is, for whoever wants a table data set of it."""
    return _table(table, name, _persons(table), {}, words)


def _persons(table: TableSeen) -> dict[str, Judgement]:
    """Marks by names and examples; what the door marked (and masked) itself counts where the
    company of the columns does not speak against it."""
    found = person_marks({one.name: one.examples for one in table.columns})
    for one in table.columns:
        if one.person in ("id_number", "birth", "health", "account") and one.name not in found:
            found[one.name] = Judgement(mark=one.person, sure=True)  # type: ignore[arg-type]
        elif one.person and one.name not in found and any("*" in told for told in one.examples):
            # the door judged by values that are masked here: nobody can judge them again
            found[one.name] = Judgement(
                mark=one.person,  # type: ignore[arg-type]
                sure=False,
                en=f"The values of {one.name} look like those of persons: are they?",
                zh=f"“{one.name}”的内容像是个人信息：是吗？",
            )
    return found


def _scores(table: TableSeen, words: Words) -> dict[str, float]:
    """How well each type's words fit the columns."""
    scores: dict[str, float] = {}
    title = folded(table.name + table.comment)
    seen = max((one.distinct for one in table.columns), default=0)
    for kind, labels in words.types().items():
        names = Names(words.attributes(kind))
        score, taken = 0.0, set()
        for one in table.columns:
            word, sure = names.find(one.name)
            counts = columns_of.is_sequence(one, seen)
            if word and word not in taken and one.type != "empty" and not counts:
                taken.add(word)
                shared = word.partition(".")[0] in SHARED
                score += sure * (0.25 if shared else 1.0)
        called = [kind, *labels.values(), *labels.get("other", "").split()]
        if any(len(text) > 1 and text in title for text in map(folded, called)):
            score += 1.0
        scores[kind] = score
    return scores


def _rivals(scores: Mapping[str, float], best: str, words: Words) -> list[Question_]:
    near = [one for one, score in scores.items() if one != best and score >= 0.8 * scores[best]]
    return [ask_type(best, near, words)] if near else []


class _Guessing:
    """One table into the context, step by step."""

    def __init__(
        self,
        table: TableSeen,
        words: Words,
        kind: str,
        name: str,
        persons: dict[str, Judgement],
    ) -> None:
        self._table, self._words, self._kind, self._name = table, words, kind, name
        self._persons = persons
        self._known = words.attributes(kind)
        self._fields: list[Field] = []
        self._questions: list[Question_] = []
        self._sure: dict[str, float] = {}
        self._used: set[str] = set()

    def context(self, questions: list[Question_]) -> Guess:
        """The guess."""
        self._questions += questions
        frame = self._place()
        observed = self._kind.endswith("Observed")
        at = columns_of.find_time(self._table.columns)
        if len(at) == 1 and not observed and "date" in folded(at[0]):
            at = []
        self._used |= set(at)
        id_, id_sure = columns_of.find_id(
            self._table.columns, self._table.key, self._table.rows, observed=observed
        )
        if not id_sure:
            self._questions.append(ask_id(id_, self._table))
        only_id = re.fullmatch(r"\{([^{}]+)\}", id_)
        if only_id is not None and Names(self._known).find(only_id[1])[1] < 0.95:
            self._used.add(only_id[1])
        self._columns()
        left = [
            one.name
            for one in self._table.columns
            if one.name not in self._used and folded(one.name) not in STYLE
        ]
        mapping = MappingFile(
            name=self._name,
            type=self._kind,
            id=id_ or "{id}",
            observed_at=at[0] if len(at) == 1 else at or "",
            frame=frame,
            fields=self._fields,
        )
        return Guess(
            mapping=mapping,
            questions=self._questions,
            left=left,
            sure=self._sure,
            persons=self._persons,
        )

    def _place(self) -> str:
        point, swapped = columns_of.find_point(self._table.columns)
        if not point or "location" not in self._known:
            return "WGS-84"
        self._used |= set(point)
        one = {column.name: column for column in self._table.columns}[point[0]]
        span = columns_of.numeric_range(one) if len(point) == 2 else None
        self._fields.append(
            Field(to="location", source=point if len(point) == 2 else point[0], kind="point")
        )
        if swapped:
            self._questions.append(ask_swapped(point))
        projected = span is not None and max(map(abs, span)) > 180
        told = self._table.frame
        frame = told or columns_of.frame_named(point)
        if not frame or (projected and not told):
            self._questions.append(ask_frame(point[0], projected=projected))
        return frame or "WGS-84"

    def _columns(self) -> None:
        names, taken = Names(self._known), {"location"}
        seen = max((one.distinct for one in self._table.columns), default=0)
        found = []
        for one in self._table.columns:
            word, sure = names.find(one.name)
            usable = word and one.name not in self._used and one.type != "empty"
            counts = columns_of.is_sequence(one, seen)
            if usable and not counts and folded(one.name) not in STYLE:
                found.append((sure, one, word))
        for sure, one, word in sorted(found, key=lambda told: -told[0]):
            if word in taken or word.partition(".")[0] in taken - {"address", "contactPoint"}:
                continue
            doubt = self._persons.get(one.name)
            if doubt is not None:  # taken out until a person says that it is a place's
                self._questions.append(ask_person(one.name, word, doubt))
                continue
            field = self._field(one, self._known[word])
            if field is not None:
                taken.add(word)
                self._used.add(one.name)
                self._sure[one.name] = sure
                self._fields.append(field)
        order = {one.name: number for number, one in enumerate(self._table.columns)}
        self._fields.sort(key=lambda told: order.get(_first(told), len(order)))

    def _field(self, one: ColumnSeen, word: WordOfAttribute) -> Field | None:
        """How a column becomes a word; None when what it holds cannot be one."""
        if word.codes:
            return self._coded(one, word)
        if word.json_type in ("number", "integer"):
            return self._number(one, word)
        if word.json_type in ("object", "array") or "Geo" in word.kind:
            return None
        kind: FieldKind = "text"
        if word.format:
            kind = "date" if word.format == "date" else "time"
        elif word.json_type == "boolean":
            kind = "yes_no"
        return Field(to=word.name, source=one.name, kind=kind)

    def _number(self, one: ColumnSeen, word: WordOfAttribute) -> Field | None:
        kind: FieldKind = "whole" if word.json_type == "integer" else "number"
        told = columns_of.numbers_in(one)
        if not told:
            named = [text for text in one.examples if text in COMPASS]
            if not named or word.unit != "DD":
                return None
            codes = {text: COMPASS[text] for text in _same_alphabet(named)}
            return Field(to=word.name, source=one.name, kind="number", codes=codes)
        _, unit = unit_in_header(one.name)
        if unit and conversion(unit, word.unit, word.other_units) is None:
            unit = ""
        if not unit:
            unit = self._unit(one, word, told)
        return Field(to=word.name, source=one.name, kind=kind, unit=unit)

    def _unit(self, one: ColumnSeen, word: WordOfAttribute, told: list[float]) -> str:
        """The unit that makes the usual of the values, where theirs is not the word's."""
        if word.usual is None:
            share = word.unit == "C62" and word.maximum == 1 and max(told) > 1
            return "P1" if share and "P1" in word.other_units else ""
        low, high = word.usual
        middle = median(told)
        if low <= middle <= high or middle == 0:
            return ""
        for other, factor in word.other_units.items():
            if low <= middle * factor <= high:
                self._questions.append(ask_unit(one.name, word, other, middle))
                return other
        return ""

    def _coded(self, one: ColumnSeen, word: WordOfAttribute) -> Field:
        labels = self._words.code_labels(self._kind, word.name)
        known = {same_value(code) for code in word.codes}
        known |= {same_value(text) for said in labels.values() for text in said.values()}
        for value in one.examples:
            if value and same_value(value) not in known:
                self._questions.append(ask_code(one.name, word, value, labels))
        return Field(to=word.name, source=one.name, kind="code")


def _first(field: Field) -> str:
    return field.source if isinstance(field.source, str) else field.source[0]


def _same_alphabet(named: list[str]) -> list[str]:
    """All sixteen winds as this source writes them."""
    latin = named[0].isascii()
    return [text for text in COMPASS if text.isascii() is latin]


def _table(
    table: TableSeen,
    name: str,
    persons: dict[str, Judgement],
    scores: Mapping[str, float],
    words: Words,
) -> Guess:
    """Every column as it is, into a table data set."""
    questions = [ask_person(one, "", judged) for one, judged in persons.items() if not judged.sure]
    if not persons and scores:
        likely = sorted(scores, key=lambda one: -scores[one])[:3]
        questions.append(ask_type("", likely, words))
    id_, _ = columns_of.find_id(table.columns, table.key, table.rows, observed=False)
    keys = set(table.key) or set(re.findall(r"\{([^{}]+)\}", id_))
    taken: set[str] = set()
    fields = []
    for number, one in enumerate(table.columns, 1):
        to = _column_name(one.name, number, taken)
        taken.add(to.casefold())
        plain, unit = unit_in_header(one.name)
        judged = persons.get(one.name)
        zh = title_of(one.name, judged.mark if judged is not None else "") if persons else ""
        title = {"zh": plain, "en": plain} if to != one.name else {}
        fields.append(
            Field(
                to=to,
                source=one.name,
                kind=_kind_in_table(one.type, judged),
                title={"zh": zh, "en": plain} if zh else title,
                unit=unit,
                person=judged.mark if judged is not None else "",
                key=one.name in keys,
            )
        )
    mapping = MappingFile(name=name, target="table", data_set=name, fields=fields)
    if table.frame:
        mapping = msgspec.structs.replace(mapping, frame=table.frame)
    return Guess(mapping=mapping, questions=questions, persons=persons)


def _kind_in_table(seen: str, judged: Judgement | None) -> FieldKind:
    """Numbers that count nothing stay texts: an identity or telephone number may begin with 0."""
    if judged is not None and judged.mark in ("id_number", "phone", "account"):
        return "text"
    return _KINDS.get(seen, "text")


def _column_name(name: str, number: int, taken: set[str]) -> str:
    """A column's name in a data set: the source's own as far as it can be one."""
    text = _CLEAN.sub("_", unit_in_header(name)[0]).strip("_")[:60]
    if not text or not (text[0].isalpha()):
        text = f"c_{text}" if text else f"c{number}"
    return text if text.casefold() not in taken else f"{text[:56]}_{number}"
