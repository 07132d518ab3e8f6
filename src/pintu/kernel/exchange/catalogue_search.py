"""Search in the catalogue: Chinese without words cut, English, whole pinyin and first letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pintu.kernel.exchange.finding.names import HAN, pinyin_of
from pintu.kernel.exchange.metadata import sharing_of
from pintu.kernel.exchange.words import DataSet

LONGEST: Final = 100
MOST_TERMS: Final = 8
NEARLY: Final = 0.6  # share of a Chinese term's neighbouring signs that must stand in a text
FACETS: Final[dict[str, Callable[[DataSet], str]]] = {
    "owner": lambda one: one.owner,
    "theme": lambda one: one.theme,
    "sharing": sharing_of,
    "provider": lambda one: one.provider,
}
"""What the catalogue is divided by, beside the search."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One data set as it is searched: (weight, text, pinyin, first letters) of each of its texts;
    the last two are empty where a text has no Chinese."""

    data_set: DataSet
    texts: tuple[tuple[float, str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What was found, best first, and how many there are a facet: facet → value → count. A facet's
    own choice does not narrow its own counts."""

    data_sets: tuple[DataSet, ...]
    facets: Mapping[str, Mapping[str, int]]


class Search:
    """Keeps each data set ready to be searched as long as its description is the same object."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def find(
        self, data_sets: Iterable[DataSet], text: str = "", chosen: Mapping[str, str] | None = None
    ) -> Hits:
        """Data sets that hold every word of the text somewhere, of the chosen facets."""
        terms = terms_of(text)
        scored = []
        for one in data_sets:
            score = score_of(self._entry(one), terms) if terms else 1.0
            if score > 0:
                scored.append((score, one))
        scored.sort(key=lambda pair: (-pair[0], pair[1].name))
        wanted = {name: value for name, value in (chosen or {}).items() if value and name in FACETS}
        facets = {
            name: Counter(read(one) for _, one in scored if _fits(one, wanted, but=name))
            for name, read in FACETS.items()
        }
        found = tuple(one for _, one in scored if _fits(one, wanted))
        return Hits(data_sets=found, facets=facets)

    def _entry(self, data_set: DataSet) -> Entry:
        known = self._entries.get(data_set.name)
        if known is None or known.data_set is not data_set:
            known = self._entries[data_set.name] = entry_of(data_set)
        return known


def _fits(data_set: DataSet, wanted: Mapping[str, str], but: str = "") -> bool:
    return all(name == but or FACETS[name](data_set) == value for name, value in wanted.items())


def plain(text: str) -> str:
    """Half-width, folded, trimmed: how a search is compared."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def terms_of(text: str) -> list[str]:
    """The words of a search."""
    return plain(text[:LONGEST]).split()[:MOST_TERMS]


def entry_of(data_set: DataSet) -> Entry:
    """A data set ready to be searched."""
    told: list[tuple[float, str]] = [(5.0, text) for text in data_set.title.values()]
    told += [(4.0, data_set.name), (4.0, data_set.type)]
    told += [(1.0, text) for text in data_set.summary.values()]
    told += [(1.5, data_set.owner), (1.0, data_set.area)]
    for column in data_set.columns:
        told += [(2.0, text) for text in (column.name, *column.title.values())]
    seen = dict.fromkeys((weight, plain(text)) for weight, text in told if text)
    return Entry(data_set, tuple(_text(weight, text) for weight, text in seen))


def _text(weight: float, text: str) -> tuple[float, str, str, str]:
    if not HAN.search(text):
        return (weight, text, "", "")
    letters = pinyin_of(text[:60])
    return (weight, text, "".join(letters), "".join(one[:1] for one in letters))


def score_of(entry: Entry, terms: Sequence[str]) -> float:
    """The sum of what each term earns where it fits best; 0 when one fits nowhere."""
    total = 0.0
    for term in terms:
        best = max((weight * _fit(term, text) for weight, *text in entry.texts), default=0.0)
        if best <= 0:
            return 0.0
        total += best
    return total


def _fit(term: str, texts: Sequence[str]) -> float:
    text, letters, initials = texts
    if term in text:
        return 2.0 if text == term else 1.5 if text.startswith(term) else 1.0
    if HAN.search(term):
        pairs = {term[n : n + 2] for n in range(len(term) - 1)}
        shared = sum(1 for one in pairs if one in text)
        return 0.5 * shared / len(pairs) if pairs and shared >= NEARLY * len(pairs) else 0.0
    if letters and term.isascii() and len(term) >= 2:
        flat = term.replace("'", "")
        if flat in letters:
            return 0.9
        return 0.7 if flat in initials else 0.0
    return 0.0
