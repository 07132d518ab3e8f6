"""The only thing a piece may import: at most 40 names. Besides them `kit.views`, `kit.tables`,
`kit.work_list`, `kit.mqtt`, `kit.hj212`, `kit.protocols` and `kit.testing`.

A name is here because two pieces or a test need it.
"""

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import (
    BadInput,
    ConfigurationError,
    PintuError,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.intake.words import (
    Batch,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
    Unreadable,
    Update,
)
from pintu.kit.link import Changed, Link
from pintu.kit.manifest import CommandWord, Manifest, SettingWord, find_pieces, read_manifest
from pintu.kit.piece import (
    Action,
    Connector,
    Hands,
    Piece,
    Received,
    Service,
    Watcher,
    load_piece,
    settings_of,
)
from pintu.kit.runtime import run_piece

__all__ = [
    "Action",
    "BadInput",
    "Batch",
    "Changed",
    "Clock",
    "Command",
    "CommandReport",
    "CommandWord",
    "ConfigurationError",
    "Connector",
    "Envelope",
    "Hands",
    "Link",
    "Manifest",
    "Piece",
    "PintuError",
    "Receipt",
    "Received",
    "ResourceNotFound",
    "Service",
    "SettingWord",
    "SourceReport",
    "StateConflict",
    "Unavailable",
    "Unreadable",
    "Update",
    "Watcher",
    "find_pieces",
    "iso",
    "load_piece",
    "read_manifest",
    "run_piece",
    "settings_of",
]
