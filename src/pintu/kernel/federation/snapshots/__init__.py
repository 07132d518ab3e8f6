"""Snapshots (5.16): sets of entities as they were at a moment, held apart from what changes."""

from pintu.kernel.federation.snapshots.frozen import Frozen
from pintu.kernel.federation.snapshots.keeping import Snapshots
from pintu.kernel.federation.snapshots.words import Snapshot

__all__ = ["Frozen", "Snapshot", "Snapshots"]
