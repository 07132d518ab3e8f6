"""The table `[backup]` of `pintu.toml`: where `pintu up` keeps backups, how often, how many.

```toml
[backup]
folder = "/srv/backup/pintu"          # better on another disk; made when it is not there
every_h = 24                          # a whole copy each so many hours
keep = 7                              # so many whole copies, and everything after the oldest
stream = true                         # what came after them, each second: any moment comes back
passphrase_file = "/etc/pintu/backup.passphrase"   # seals the keys; or
keys = "left out"                     # "left out", "open" (readable)
server = "postgresql://replicator@10.3.0.5/city?password_file=/etc/pintu/replicator.password"
# of a city on PostgreSQL: a role that may replicate, so that any moment comes back there, too
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import parse_address

NAMES = ("folder", "every_h", "keep", "stream", "passphrase_file", "keys", "server")
KEYS = ("sealed", "left out", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How backups are kept by a running city."""

    folder: Path
    every_h: float = 24.0
    keep: int = 7
    stream: bool = True
    passphrase_file: Path | None = None
    keys: str = "sealed"
    server: str = ""  # the address of a role that may replicate


def read_kept(told: Any) -> tuple[Kept | None, list[str]]:
    """What the table says; None without one. The sentences say what is wrong with it."""
    if not told:
        return None, []
    if not isinstance(told, dict):
        return None, ["backup is not a table; write [backup]"]
    wrong = [f"backup.{name} is not a setting of it" for name in sorted(set(told) - {*NAMES})]
    folder, file = told.get("folder"), told.get("passphrase_file")
    keys = told.get("keys", "sealed")
    every_h, keep, stream = told.get("every_h", 24), told.get("keep", 7), told.get("stream", True)
    if not isinstance(folder, str) or not Path(folder).is_absolute():
        wrong.append("backup.folder is not the absolute path of a folder")
    if isinstance(every_h, bool) or not isinstance(every_h, int | float) or not 0 < every_h <= 720:
        wrong.append("backup.every_h is not a number of hours from above 0 to 720")
    if isinstance(keep, bool) or not isinstance(keep, int) or not 1 <= keep <= 1000:
        wrong.append("backup.keep is not a whole number from 1 to 1000")
    if not isinstance(stream, bool):
        wrong.append("backup.stream is neither true nor false")
    if keys not in KEYS:
        wrong.append(f"backup.keys is none of {', '.join(KEYS)}")
    if file is not None and not (isinstance(file, str) and Path(file).is_file()):
        wrong.append("backup.passphrase_file is not a file that can be read")
    if keys == "sealed" and file is None:
        wrong.append('backup.passphrase_file is missing; or say keys = "left out" or "open"')
    server = told.get("server", "")
    try:
        wrong += (
            [f"backup.server: {one}" for one in parse_address(server).missing_files()]
            if server
            else []
        )
    except (ConfigurationError, AttributeError, TypeError) as error:
        wrong.append(f"backup.server is no address of PostgreSQL: {error}")
    if wrong:
        return None, wrong
    sealed = Path(file) if file is not None and keys == "sealed" else None
    return Kept(
        folder=Path(str(folder)),
        every_h=float(every_h),
        keep=keep,
        stream=stream,
        passphrase_file=sealed,
        keys=keys,
        server=server,
    ), []
