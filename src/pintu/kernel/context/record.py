"""What is stored of an entity, and what a write makes of it: the words every store understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

PresentVerb = Literal["created", "replaced", "updated", "deleted"]
Verb = Literal[PresentVerb, "recorded", "amended", "erased"]

PAST_VERBS = frozenset({"recorded", "amended", "erased"})
"""Verbs that only history knows: they leave the present as it is. Whoever shows or computes the
present passes over them."""

Times = dict[str, list[int]]
"""`{"attr": [created_us, modified_us], "attr datasetId": …, "*": …}`; names only what differs."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored entity.

    `body` is the stored document: normalized NGSI-LD JSON with stored names, without system times
    and @context. Times are microseconds since 1970 UTC. `times` is the JSON of `Times`: it names
    only what differs from (created, created) of the entity; "*" overrides that default for all not
    named.
    """

    number: int  # the store's own key of the entity
    id: str
    types: tuple[str, ...]
    body: bytes
    created_us: int
    modified_us: int
    times: bytes | None = None
    last_change: int = 0


class Put(msgspec.Struct, gc=False):
    """Store this document. `changed` are the attributes written or deleted (None: the whole)."""

    entity: dict[str, Any]  # the stored document, parsed
    verb: Verb
    changed: tuple[str, ...] | None = None
    body: bytes | None = (
        None  # the same document as bytes when the caller has it; else the store encodes
    )
    times: Times | None = None
    detail: Any = None  # handed back to the caller
    payload: bytes | None = None
    """What the log is to say instead of what is derived from `changed`: readings that came too late
    to be the present state are kept there, `{attr: instance(s)}` (updated only)."""


class Remove(msgspec.Struct, gc=False):
    """Delete the entity; `detail` is handed back to the caller."""

    detail: Any = None


class Tell(msgspec.Struct, gc=False):
    """Append to the log what only history is to know; the present entity, if there is one, stays.

    An entity that is not present hangs on its tombstone: `types` are those it is found by from then
    on. With `erased` and `changed` None nothing of its past is left to be found.
    """

    verb: Verb  # one of PAST_VERBS
    types: tuple[str, ...]  # sorted
    payload: bytes = b""
    changed: tuple[str, ...] | None = None
    detail: Any = None


class Keep(msgspec.Struct, gc=False):
    """Write nothing; `detail` is handed back to the caller."""

    detail: Any = None


Effect = Put | Remove | Tell | Keep
Transform = Callable[[Record | None, int], Effect]
"""(present record or None, now in µs) → effect. Raising a PintuError fails this operation only."""
