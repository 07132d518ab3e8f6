"""What a snapshot is, as data (5.2.41), and how much of them there may be."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from pintu.kernel.clock import iso

Status = Literal["preparing", "success", "partial", "failure"]
"""success: every query yielded something; partial: some did; failure: none (5.16.1.4)."""

MOST_ENTITIES: Final = 20_000
"""Entities of one snapshot."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the documents of one snapshot."""
MOST_QUERIES: Final = 20
MOST_OF_TENANT: Final = 100
"""Snapshots of one tenant; of more the least important ones that were used longest ago go."""
USUAL_LIFE_S: Final = 24 * 3600
LONGEST_LIFE_S: Final = 30 * 24 * 3600
USUAL_PRIORITY: Final = 5


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot; its entities lie apart, under `held`, which clones share: they never change.

    `queries` are Query documents as they were sent, `details` say what became of each. `owner` is
    who made it.
    """

    id: str
    tenant: str
    held: str
    owner: str = ""
    queries: tuple[dict[str, Any], ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    status: Status = "preparing"
    priority: int = USUAL_PRIORITY
    entities: int = 0
    created_us: int = 0
    modified_us: int = 0
    used_us: int = 0
    expires_us: int = 0

    def lives(self, now_us: int) -> bool:
        """Whether its time is not over."""
        return self.expires_us > now_us

    def shown(self) -> dict[str, Any]:
        """As the standard shows it."""
        return {
            "id": self.id,
            "type": "Snapshot",
            "snapshotStatus": self.status,
            "snapshotPriority": self.priority,
            "snapshotQueries": list(self.queries),
            "snapshotQueriesDetails": list(self.details),
            "createdAt": iso(self.created_us),
            "modifiedAt": iso(self.modified_us),
            "lastUsedAt": iso(self.used_us),
            "expiresAt": iso(self.expires_us),
        }
