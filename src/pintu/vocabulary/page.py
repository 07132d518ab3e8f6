"""The vocabulary as a page to read, in Markdown: what `docs/words.md` holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pintu.vocabulary.book import AttributeWord, CodeList, TypeWord, Vocabulary

_HEAD = """# Words 词汇表

What a city shares: types of entities, their attributes, units and code lists. Names are those of
Smart Data Models where it has one (docs/decisions/0006). A tenant with `strict = true` refuses
anything else. This page is made by `python -m pintu.vocabulary > docs/words.md`; the words
themselves are JSON Schema files in `src/pintu/vocabulary`, and `/vocabulary/context.jsonld` serves
their @context.
"""
_TABLE = "| word 词 | 中文 | English | kind | unit | values |\n|---|---|---|---|---|---|"


def markdown(vocabulary: Vocabulary) -> str:
    """The whole page."""
    return "\n".join(_lines(vocabulary)) + "\n"


def _lines(vocabulary: Vocabulary) -> Iterator[str]:
    yield _HEAD
    types = vocabulary.types()
    for word in types:
        yield from _type(word, vocabulary)
    yield "## Every type 每种实体都有\n"
    yield _TABLE
    shared = [one for one in types[0].attributes.values() if one.shared]
    yield from (_row(one, vocabulary) for one in shared)
    yield "\n## Sub-attributes of any attribute 任何属性可带的子属性\n"
    yield _TABLE
    yield from (_row(one, vocabulary) for one in vocabulary.parts())
    yield "\n## Code lists 代码表\n"
    for codes in vocabulary.code_lists():
        yield from _codes(codes)


def _type(word: TypeWord, vocabulary: Vocabulary) -> Iterator[str]:
    yield f"## `{word.name}` {word.label['zh']}\n"
    yield f"{word.description['zh']} {word.description['en']}\n"
    yield f"Owner 归口：{word.owner['zh']} ({word.owner['en']}). Since {word.since}."
    if word.required:
        yield f"Must have 必填：{', '.join(f'`{name}`' for name in word.required)}."
    yield ""
    yield _TABLE
    own = [one for one in word.attributes.values() if not one.shared]
    yield from (_row(one, vocabulary) for one in own)
    yield ""


def _row(word: AttributeWord, vocabulary: Vocabulary) -> str:
    units = [word.unit, *word.other_units] if word.unit else []
    values = f"`{word.codes}`" if word.codes else f"→ `{word.target}`" if word.target else ""
    kinds = ", ".join(kind for kind in word.kinds if kind != "VocabProperty")
    signs = ", ".join(_sign(code, vocabulary) for code in units)
    label = word.label
    return _cells(f"`{word.name}`", label["zh"], label["en"], kinds, signs, values)


def _sign(code: str, vocabulary: Vocabulary) -> str:
    found = vocabulary.find_code("unit", code)
    sign = found.sign if found is not None else None
    return f"{sign} `{code}`" if sign else f"`{code}`"


def _codes(codes: CodeList) -> Iterator[str]:
    yield f"### `{codes.name}` {codes.label['zh']} {codes.label['en']}\n"
    yield f"{codes.source}. Dated {codes.published}.\n"
    yield "| code 代码 | 中文 | English |\n|---|---|---|"
    for code in codes.codes:
        yield _cells(f"`{code.value}`", code.label["zh"], code.label["en"])
    yield ""


def _cells(*cells: str) -> str:
    return _joined(cell.replace("|", "\\|") for cell in cells)


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
