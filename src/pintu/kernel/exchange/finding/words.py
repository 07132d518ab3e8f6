"""What the finder measures, compares and finds, as plain records."""

from __future__ import annotations

from typing import Literal

import msgspec


class FieldSketch(msgspec.Struct, frozen=True, kw_only=True):
    """One field as it was measured. `smallest` are the smallest keyed hashes of its values, sorted:
    equal values of two fields have equal hashes where both were measured with one salt."""

    name: str
    title: dict[str, str] = {}
    kind: str = "text"
    unit: str = ""
    codes: dict[str, str] = {}
    person: str = ""
    key: bool = False
    authority: bool = False
    filled: int = 0  # rows with a value
    distinct: int = 0  # different values, an estimate above 50,000
    smallest: bytes = b""  # uint64, little endian
    # of numbers and times (seconds since 1970) that tell of no person: eleven of them, 0 to 100 %
    quantiles: tuple[float, ...] = ()


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """One field's values in the rows of a sample, row by row; 0 and NaN where there is none."""

    name: str
    hashes: bytes  # uint64
    numbers: bytes = b""  # float64; empty for texts and for persons
    grams: bytes = b""  # uint32, GRAMS a row: what long texts are compared by


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a data set: those whose key has the smallest keyed hashes, so that two data sets
    about the same things sample the same of them. Nothing in it is a value of a person: texts are
    keyed hashes."""

    columns: tuple[str, ...]  # that identify a row
    told: bool  # they are the data set's key; otherwise measured to be one
    whole: bool  # every row is in it
    keys: bytes  # uint64, sorted
    cells: tuple[Cells, ...]


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """One data set as the finder knows it."""

    data_set: str
    at_us: int
    rows: int
    fields: tuple[FieldSketch, ...]
    samples: tuple[Sample, ...] = ()
    title: dict[str, str] = {}
    owner: str = ""
    source: str = ""
    node: str = ""  # of a joined node; empty: ours
    persons: bool = False
    theme: str = ""
    newest_us: int = 0
    salt: str = ""  # which salt it was measured with

    @property
    def name(self) -> str:
        """What it is called among all nodes: `NAME` or `NAME@NODE`."""
        return f"{self.data_set}@{self.node}" if self.node else self.data_set

    def field(self, name: str) -> FieldSketch:
        """One field by name; KeyError."""
        return next(one for one in self.fields if one.name == name)


How = Literal["values", "factor", "linear", "codes", "text", "names"]
"""How two fields were seen to be one: the same values, by a constant factor (another unit), by a
factor and an offset, one code list for another, texts that are nearly the same, names alone."""


class FieldTwin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two fields that hold one thing. `score` 0…1; `agree` the share of joined rows in which they
    say the same, None where nothing could be joined."""

    left: str
    right: str
    how: How
    score: float
    names: float = 0.0  # how alike they are called, 0…1
    joined: int = 0  # rows compared
    agree: float | None = None
    factor: float = 0.0  # right = factor × left (+ offset)
    offset: float = 0.0


class Twin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two data sets that hold the same thing, or fields of it."""

    id: str
    left: str
    right: str
    whole: bool  # the data set is held twice, not only some fields
    score: float
    keys: tuple[tuple[str, ...], tuple[str, ...]]  # by which their rows are joined
    overlap: float  # share of the smaller one's rows that the other has too
    rows: tuple[int, int]
    fields: tuple[FieldTwin, ...]
    owners: tuple[str, str] = ("", "")
    authority: str = ""  # the data set that is the source, as marked or as measured
    authority_marked: bool = False
    one_source: bool = False  # both are filled by one source, or belong to one owner
    since_us: int = 0
    seen_us: int = 0

    @property
    def differ(self) -> float | None:
        """The share of joined values that differ, over all fields that were joined."""
        known = [(one.joined, one.agree) for one in self.fields if one.agree is not None]
        total = sum(joined for joined, _ in known)
        if not total:
            return None
        return sum(joined * (1 - agree) for joined, agree in known) / total


Kind = Literal[
    "unconnected",  # a source or piece that nothing reads from and that brings nothing
    "unused",  # a data set without a consumer for 90 days
    "by_hand",  # a page fed by uploads alone
    "constant",  # values that never change, to look fresh
    "silent",  # a source silent beyond its interval
    "stale",  # a data set older than its update frequency says
]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that looks smart and is not, with its evidence as figures."""

    id: str
    kind: Kind
    about: str  # a data set, source, piece or page
    title: dict[str, str] = {}
    owner: str = ""
    since_us: int = 0
    seen_us: int = 0
    evidence: dict[str, str] = {}


class Use(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who uses a data set: an agreement, a page, a piece, a map layer, a joined node."""

    data_set: str
    kind: Literal["agreement", "page", "piece", "layer", "calls"]
    id: str
    consumer: str = ""
    fields: tuple[str, ...] = ()  # empty: any
    title: dict[str, str] = {}
    since_us: int = 0


class Day(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The island index of one day: what was counted, and the shares that follow from it."""

    day: str
    at_us: int
    fields: int = 0
    again: int = 0  # fields that somebody else held already
    twins: int = 0  # pairs of data sets
    data_sets: int = 0
    unused: int = 0
    systems: int = 0
    unconnected: int = 0
    agreements: int = 0
    values: int = 0  # of copies, joined
    differing: int = 0

    @property
    def index(self) -> float:
        """Fields collected again ÷ all fields, 0…1."""
        return self.again / self.fields if self.fields else 0.0
