"""What an agreement says, in plain words of the visitor's language: pure, from its terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Mask, masked
from pintu.web.pages import labels
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement, Limits
    from pintu.kernel.exchange.words import Column, Condition, DataSet
    from pintu.web.words import Words

DAY_US: Final = 86_400_000_000
STATES: Final = {
    "requested": mark("waiting for the owner"),
    "escalated": mark("deadline passed: the deputy decides"),
    "approved": mark("approved; the consumer's signature is missing"),
    "active": mark("in force"),
    "suspended": mark("suspended"),
    "refused": mark("refused"),
    "withdrawn": mark("withdrawn"),
    "revoked": mark("revoked"),
    "expired": mark("expired"),
    "superseded": mark("replaced by a newer version"),
}
COMPARISONS: Final = {
    "=": mark("is"),
    "!=": mark("is not"),
    "<": mark("is less than"),
    "<=": mark("is at most"),
    ">": mark("is more than"),
    ">=": mark("is at least"),
    "contains": mark("contains"),
    "in": mark("is one of"),
    "empty": mark("is empty"),
    "filled": mark("is filled"),
}
EXAMPLES: Final[dict[str, Any]] = {
    "text": "演示文本",
    "code": "A01",
    "number": 37.6,
    "whole": 1234,
    "yes_no": True,
    "time": "2026-03-15T08:30:00Z",
    "date": "2026-03-15",
    "point": [120.21034, 30.20871],
}
OF_PERSONS: Final = {
    "name": "赵演示",
    "id_number": "990000201803150017",
    "phone": "10012345678",
    "address": "听澜路12号3幢2单元501室",
    "birth": "2018-03-15",
}
MASKS: Final[dict[str, Mask]] = {
    "plain": Mask(),
    "yes_no": Mask(kind="yes_no"),
    "first": Mask(kind="truncate", keep=1),
    "year": Mask(kind="generalise", keep=4),
    "month": Mask(kind="generalise", keep=7),
    "ten": Mask(kind="generalise", step=10),
    "hundred": Mask(kind="generalise", step=100),
    "area": Mask(kind="generalise", step=0.01),
    "pseudonym": Mask(kind="pseudonym"),
}
"""What a form offers, by the word it sends."""

SAID_MASKS: Final = {
    "plain": mark("as it is"),
    "yes_no": mark("only whether there is one: yes or no"),
    "first": mark("the first sign only"),
    "year": mark("the year only"),
    "month": mark("year and month only"),
    "ten": mark("rounded down to tens"),
    "hundred": mark("rounded down to hundreds"),
    "area": mark("blurred to about a kilometre"),
    "pseudonym": mark("a pseudonym that nobody else has"),
}
OFFERED: Final[dict[str, tuple[str, ...]]] = {
    "text": ("plain", "yes_no", "first", "pseudonym"),
    "code": ("plain", "yes_no", "pseudonym"),
    "number": ("plain", "ten", "hundred", "yes_no"),
    "whole": ("plain", "ten", "hundred", "yes_no"),
    "yes_no": ("plain",),
    "time": ("plain", "month", "year", "yes_no"),
    "date": ("plain", "month", "year", "yes_no"),
    "point": ("plain", "area", "yes_no"),
}


def state_said(state: str, words: Words) -> str:
    """How an agreement stands."""
    return words.text(STATES.get(state, state))


def said_mask(mask: Mask, words: Words) -> str:
    """What is shown of a value under a mask."""
    for name, known in MASKS.items():
        if known == mask:
            return words.text(SAID_MASKS[name])
    if mask.kind == "drop":
        return words.text("nothing: the field is there and empty")
    if mask.kind == "truncate":
        return words.text("the first %(n)s signs only") % {"n": mask.keep}
    if mask.step:
        return words.text("rounded down to steps of %(n)s") % {"n": words.number(mask.step)}
    return words.text("the first %(n)s signs only") % {"n": mask.keep}


def masks_of(column: Column, words: Words) -> list[tuple[str, str, str]]:
    """What a form offers for a column: the word it sends, what it says, an example of it."""
    offered = OFFERED.get(column.kind, ("plain", "yes_no"))
    if column.person == "birth" and "year" not in offered:
        offered = (*offered, "year", "month")
    example = example_of(column)
    return [
        (name, words.text(SAID_MASKS[name]), shown_example(MASKS[name], example, words))
        for name in offered
    ]


def example_of(column: Column) -> Any:
    """A made-up value of a column's kind."""
    return OF_PERSONS.get(column.person) or EXAMPLES.get(column.kind, "…")


def shown_example(mask: Mask, value: Any, words: Words) -> str:
    """A made-up value as a mask shows it."""
    seen = masked(mask, value, b"an example")
    if isinstance(seen, bool):
        return words.text("yes") if seen else words.text("no")
    if mask.kind == "pseudonym":
        return f"{seen[:8]}…"
    if isinstance(seen, list):
        return ", ".join(f"{one:g}" for one in seen)
    return "–" if seen is None else str(seen)


def said_condition(one: Condition, titles: dict[str, str], words: Words) -> str:
    """A row predicate as a sentence."""
    told = words.text(COMPARISONS.get(one.comparison, one.comparison))
    value = one.value
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    said = "" if value is None else f" {value}"
    return f"{titles.get(one.column, one.column)} {told}{said}"


def said_limits(limits: Limits, words: Words) -> list[str]:
    """How much may be asked, a sentence each."""
    figures = (
        (limits.calls_a_minute, words.text("at most %(n)s calls a minute")),
        (limits.rows_a_call, words.text("at most %(n)s rows a call")),
        (limits.rows_a_day, words.text("at most %(n)s rows a day")),
        (limits.subjects_a_day, words.text("at most %(n)s different persons a day")),
        (limits.looks_at_one, words.text("at most %(n)s looks at one person a day by one member")),
    )
    return [said % {"n": words.number(n)} for n, said in figures if n]


def said_retention(days: int, words: Words) -> str:
    """How long the consumer may keep what it got."""
    if not days:
        return words.text("Nothing may be kept: it is asked for again when it is needed.")
    return words.plural(
        "What was got may be kept for %(n)d day.", "What was got may be kept for %(n)d days.", days
    ) % {"n": days}


def code_said(code_list: str, value: str, words: Words) -> str:
    """A value of one of the vocabulary's lists; the value itself when no list has it."""
    book = labels.vocabulary()
    found = book.vocabulary().find_code(code_list, value) if book is not None else None
    return words.pick(found.label) if found is not None else value


def codes(code_list: str, words: Words) -> list[tuple[str, str]]:
    """Every value of one of the vocabulary's lists with what it is called."""
    book = labels.vocabulary()
    if book is None:
        return []
    for one in book.vocabulary().code_lists():
        if one.name == code_list:
            return [(code.value, words.pick(code.label)) for code in one.codes]
    return []


def left(at_us: int, words: Words) -> str:
    """How long until a moment, in its largest unit; or how long it is past."""
    if not at_us:
        return "–"
    seconds = (at_us - words.now_us) / 1e6
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= size:
            return _counted(int(abs(seconds) // size), unit, words, late=seconds < 0)
    return words.text("now")


def _counted(count: int, unit: str, words: Words, *, late: bool) -> str:
    if late:
        form = {
            "d": words.plural("%(n)d day too late", "%(n)d days too late", count),
            "h": words.plural("%(n)d hour too late", "%(n)d hours too late", count),
            "min": words.plural("%(n)d minute too late", "%(n)d minutes too late", count),
            "s": words.plural("%(n)d second too late", "%(n)d seconds too late", count),
        }
    else:
        form = {
            "d": words.plural("%(n)d day left", "%(n)d days left", count),
            "h": words.plural("%(n)d hour left", "%(n)d hours left", count),
            "min": words.plural("%(n)d minute left", "%(n)d minutes left", count),
            "s": words.plural("%(n)d second left", "%(n)d seconds left", count),
        }
    return form[unit] % {"n": count}


def title_of_column(column: Column, words: Words) -> str:
    """What a column is called."""
    return words.pick(column.title) or column.name


def titles_of(data_set: DataSet | None, words: Words) -> dict[str, str]:
    """Column → what it is called."""
    columns = data_set.columns if data_set is not None else []
    return {one.name: title_of_column(one, words) for one in columns}


def differences(old: Agreement, new: Agreement, words: Words) -> list[tuple[str, str, str]]:
    """What two versions say differently: what, before, after."""
    found = []
    for name, title in _PARTS:
        before, after = (_part(one, name, words) for one in (old, new))
        if before != after:
            found.append((words.text(title), before or "–", after or "–"))
    fields = sorted({*old.terms.fields, *new.terms.fields})
    for field in fields:
        told = [one.terms.fields.get(field) for one in (old, new)]
        if told[0] != told[1]:
            said = [said_mask(one, words) if one is not None else "–" for one in told]
            found.append((field, said[0], said[1]))
    return found


_PARTS: Final = (
    ("purpose", mark("Purpose")),
    ("basis", mark("Legal basis")),
    ("where", mark("Rows")),
    ("subject", mark("One person at a time by")),
    ("k", mark("Counts of at least")),
    ("limits", mark("Limits")),
    ("retention_days", mark("Days it may be kept")),
    ("until_us", mark("Until")),
)


def _part(agreement: Agreement, name: str, words: Words) -> str:
    value = getattr(agreement.terms, name)
    if name == "limits":
        return "; ".join(said_limits(value, words))
    if name == "where":
        return "; ".join(said_condition(one, {}, words) for one in value)
    if name.endswith("_us"):
        return words.time(value)
    if name in ("purpose", "basis"):
        return code_said({"purpose": "purpose", "basis": "legalBasis"}[name], value, words)
    return str(value) if value else ""


def person_masked(value: str) -> str:
    """An identity number as screens show it after it was typed: 330***********1234."""
    text = value.strip()
    return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}" if len(text) > 8 else "*" * len(text)


def list_said(parts: Sequence[str], words: Words) -> str:
    """Some names in a row, as the language separates them."""
    return ("、" if words.lang == "zh-CN" else ", ").join(parts)
