"""The batch operations: what a source must be registered for to do its part (5.6.7 to 5.6.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pintu.kernel.context.read import read_entity
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.batches import read_addition, read_part
from pintu.web.ngsi_ld.distributed_write_parts import segment


@dataclass(frozen=True, slots=True)
class Step:
    """An operation on one entity that does what a batch does, for a source that takes no batches;
    `below` None: it makes the entity.
    """

    operation: str
    method: str
    below: str | None = ""

    def path(self, id: str) -> str:
        """Where it goes."""
        return "entities" if self.below is None else f"entities/{segment(id)}{self.below}"


MAKES = Step("createEntity", "POST", None)
ADDS = (Step("appendAttrs", "POST", "/attrs/"), Step("updateEntity", "PATCH", "/attrs/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One batch operation: what a source must be registered for, and how members are read."""

    batch: str
    steps: tuple[Step, ...]  # the first a source has; what makes an entity also where none was
    read: Callable[[Any, Terms], dict[str, Any]] | None = None  # None: members are ids
    whole: bool = False  # members are whole entities
    upserts: bool = False
    wipes: bool = False

    @property
    def able(self) -> frozenset[str]:
        """Operations of which a source needs one."""
        return frozenset((self.batch, *(one.operation for one in self.steps)))


CREATE = Kind(batch="createBatch", steps=(MAKES,), read=read_entity, whole=True)
REPLACE = Kind(
    batch="upsertBatch", steps=(Step("replaceEntity", "PUT"), MAKES), read=read_entity,
    whole=True, upserts=True, wipes=True,
)  # fmt: skip
ADD = Kind(batch="upsertBatch", steps=(*ADDS, MAKES), read=read_entity, whole=True, upserts=True)
UPDATE = Kind(batch="updateBatch", steps=ADDS, read=read_addition)
MERGE = Kind(batch="mergeBatch", steps=(Step("mergeEntity", "PATCH"),), read=read_part)
DELETE = Kind(batch="deleteBatch", steps=(Step("deleteEntity", "DELETE"),), wipes=True)
