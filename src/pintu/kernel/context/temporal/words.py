"""What a history is made of: instances in series, one series a data set of an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol
from zlib import crc32

import msgspec

from pintu.kernel.context.members import VALUE_OF
from pintu.kernel.context.record import Verb
from pintu.kernel.jsonld import NULL

Doc = dict[str, Any]
INSTANCE: Final = "urn:ngsi-ld:Instance:"


class Row(Protocol):
    """A row of the log, as far as a history needs it."""

    @property
    def position(self) -> int:
        """Its place in the log."""
        ...

    @property
    def previous(self) -> int:
        """The position of the entity's row before it."""
        ...

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the entity then."""
        ...

    @property
    def verb(self) -> Verb:
        """What was done."""
        ...

    @property
    def at_us(self) -> int:
        """When, in microseconds since 1970 UTC."""
        ...

    @property
    def changed(self) -> tuple[str, ...] | None:
        """Attributes written, None: the whole."""
        ...

    @property
    def source(self) -> str:
        """Who did it."""
        ...

    @property
    def payload(self) -> bytes:
        """What was written."""
        ...


class Instance(msgspec.Struct, gc=False):
    """One attribute instance at one time. `document` is its stored form and never changed; a
    deleted one holds the NGSI-LD Null.
    """

    document: Doc
    position: int  # of the row it came with
    place: int  # among those of its series in that row
    created_us: int
    modified_us: int
    deleted_us: int = 0


class Series(msgspec.Struct, gc=False):
    """Instances of one attribute and data set, in the order they were told."""

    name: str  # stored name, "scope" for the scopes
    dataset: str | None
    tag: str  # of its instance ids
    instances: list[Instance]

    def id_of(self, instance: Instance) -> str:
        """The instance's id: made of where it stands, so that it needs no room and never changes
        (4.5.6).
        """
        place = f"-{instance.place}" if instance.place else ""
        return f"{INSTANCE}{instance.position:x}-{self.tag}{place}"

    def of(self, instances: list[Instance]) -> Series:
        """The same series with other instances."""
        return Series(self.name, self.dataset, self.tag, instances)


def new_series(name: str, dataset: str | None) -> Series:
    """An empty series."""
    text = name if dataset is None else f"{name} {dataset}"
    return Series(name, dataset, f"{crc32(text.encode()):x}", [])


class Evolution(msgspec.Struct, gc=False):
    """What became of one entity over time: per attribute, per data set."""

    id: str
    types: tuple[str, ...] = ()
    series: dict[str, dict[str | None, Series]] = {}
    scope: Series = msgspec.field(default_factory=lambda: new_series("scope", None))
    created_us: int = 0
    modified_us: int = 0
    deleted_us: int = 0  # 0: the entity is there, or is known to history only
    unsure: bool = False  # rows were left out that might have said what had changed
    known: bool = False  # something was told of it that was not erased since

    @property
    def size(self) -> int:
        """How many instances there are."""
        return sum(len(one.instances) for one in self.all())

    def all(self) -> Iterator[Series]:
        """Every series of attributes that has instances."""
        for series in self.series.values():
            for one in series.values():
                if one.instances:
                    yield one

    def one(self, name: str, dataset: str | None) -> Series:
        """The series of an attribute and data set, made when it is new."""
        known = self.series.get(name)
        if known is None:
            known = self.series[name] = {}
        found = known.get(dataset)
        if found is None:
            found = known[dataset] = new_series(name, dataset)
        return found


def tombstone(kind: str, dataset: str | None) -> Doc:
    """The document of an instance that says: deleted (4.5.7)."""
    member = VALUE_OF.get(kind, "value")
    null: Any = NULL
    if kind == "LanguageProperty":
        null = {"@none": NULL}
    elif kind == "ListProperty":
        null = [NULL]
    elif kind == "ListRelationship":
        null = [{"object": NULL}]
    found: Doc = {"type": kind, member: null}
    if dataset is not None:
        found["datasetId"] = dataset
    return found
