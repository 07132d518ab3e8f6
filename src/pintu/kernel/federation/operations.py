"""The operations a source may be registered for, one by one and in groups (4.20)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pintu.kernel.errors import BadRequestData

READS: Final = frozenset(
    (
        "retrieveEntity", "queryEntity", "queryBatch", "retrieveTemporal", "queryTemporal",
        "retrieveEntityTypes", "retrieveEntityTypeDetails", "retrieveEntityTypeInfo",
        "retrieveAttrTypes", "retrieveAttrTypeDetails", "retrieveAttrTypeInfo",
    )
)  # fmt: skip
"""What asks and changes nothing: all that an auxiliary source may be registered for."""
WRITES: Final = frozenset(
    (
        "createEntity", "updateEntity", "appendAttrs", "updateAttrs", "deleteAttrs",
        "deleteEntity", "createBatch", "upsertBatch", "updateBatch", "deleteBatch",
        "mergeEntity", "replaceEntity", "replaceAttrs", "mergeBatch", "purgeEntity",
        "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal",
        "updateAttrInstanceTemporal", "deleteAttrInstanceTemporal", "deleteTemporal",
    )
)  # fmt: skip
SUBSCRIBES: Final = frozenset(
    (
        "createSubscription",
        "updateSubscription",
        "retrieveSubscription",
        "querySubscription",
        "deleteSubscription",
    )
)
KEEPS: Final = frozenset(
    (
        "createEntityMap", "retrieveEntityMap", "queryEntityMap", "updateEntityMap",
        "deleteEntityMap", "createSnapshot", "cloneSnapshot", "retrieveSnapshotStatus",
        "updateSnapshotStatus", "deleteSnapshot", "querySnapshot", "purgeSnapshot",
        "purgeSnapshots", "retrieveContextSourceIdentity",
    )
)  # fmt: skip
_TYPES: Final = frozenset(one for one in READS if one.startswith(("retrieveEntityT", "retrieveA")))

GROUPS: Final[dict[str, frozenset[str]]] = {
    "federationOps": frozenset(("retrieveEntity", "queryEntity")) | _TYPES | SUBSCRIBES,
    "updateOps": frozenset(("updateEntity", "updateAttrs", "replaceEntity", "replaceAttrs")),
    "retrieveOps": frozenset(("retrieveEntity", "queryEntity")),
    "redirectionOps": frozenset(
        (
            "createEntity", "updateEntity", "appendAttrs", "updateAttrs", "deleteAttrs",
            "deleteEntity", "mergeEntity", "replaceEntity", "replaceAttrs", "retrieveEntity",
            "queryEntity", "purgeEntity",
        )
    ) | _TYPES,
}  # fmt: skip
DEFAULT: Final = "federationOps"
"""What a registration that names no operations is for."""
EVERY: Final = READS | WRITES | SUBSCRIBES | KEEPS


def expand(names: Iterable[str]) -> frozenset[str]:
    """The operations that names and groups stand for; raises BadRequestData for an unknown one."""
    found: set[str] = set()
    for name in names:
        if name in GROUPS:
            found |= GROUPS[name]
        elif name in EVERY:
            found.add(name)
        else:
            raise BadRequestData(f"There is no operation {name[:60]!r} (4.20)")
    return frozenset(found)
