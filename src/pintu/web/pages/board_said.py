"""What a page's mistakes and refusals are called in the reader's language, where one is known."""

from __future__ import annotations

import re
from typing import Final

from pintu.web.words import Words, mark

_PATTERNS: Final = (
    (r"Block (?P<n>\d+) names no data set", mark("Block %(n)s: choose its data set")),
    (r"Block (?P<n>\d+) \(\w+\) needs x", mark("Block %(n)s: choose what is along")),
    (r"Block (?P<n>\d+) \(\w+\) needs y", mark("Block %(n)s: choose what is measured")),
    (r"Block (?P<n>\d+) names no column: .*", mark("Block %(n)s: choose a column")),
    (r"Filter (?P<n>\d+) names no column: .*", mark("Filter %(n)s: choose its column")),
    (r"The page's title is missing.*", mark("The page needs a title, in Chinese or English")),
    (
        r"Block (?P<n>\d+) shows '(?P<name>[^']*)', which tells of persons: .*",
        mark("Block %(n)s shows %(name)s, which tells of persons and cannot be put on a page"),
    ),
    (
        r"'(?P<name>\w+)' among the pages is at version (?P<n>\d+), .*",
        mark("Somebody saved this page meanwhile; it is at version %(n)s now"),
    ),
    (r"There is no data set called '(?P<name>.*)'", mark("There is no data set %(name)s")),
    (
        r"Column '(?P<name>.*)' is not in this data set",
        mark("The data set has no column %(name)s"),
    ),
    (
        r"Column '(?P<name>.*)' holds numbers; '(?P<n>.*)' is none",
        mark("Column %(name)s holds numbers, and %(n)s is none"),
    ),
    (
        r"Data set '(?P<name>[^']*)' tells of persons; .*",
        mark("Data set %(name)s tells of persons; only the administrator reads it"),
    ),
)  # fmt: skip


def said(sentence: str, words: Words) -> str:
    """The sentence in the reader's language; as it is where nobody translated its like."""
    for pattern, text in _PATTERNS:
        found = re.fullmatch(f"(?:Page '[^']*': )?{pattern}", sentence, re.DOTALL)
        if found is not None:
            return words.text(text) % found.groupdict()
    return sentence
