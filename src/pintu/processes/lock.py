"""One city a data folder: a lock that a second start cannot take, and that says who has it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

from pintu.kernel.errors import ConfigurationError, PintuError


class FolderInUse(PintuError):
    """Another city, or a command that writes, has this data folder."""


def prepare_folder(data: Path) -> None:
    """Make the data folder, or say in one sentence why it cannot be used."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe = data / f".writable-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            [f"The data folder {data} cannot be written ({reason}); choose another with --data"]
        ) from error


def take_lock(data: Path, *, address: str = "", patience_s: float = 12.0) -> int:
    """Lock the folder and return the descriptor that holds the lock until it is closed.

    A child that outlives a killed supervisor holds the lock too: when the process named in the
    file is gone we wait for its children to finish. Raises FolderInUse.
    """
    handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                os.close(handle)
                raise
            holder = read_holder(data)
            if time.monotonic() > deadline or (holder and _alive(holder["pid"])):
                os.close(handle)
                raise FolderInUse(_sentence(data, holder)) from None
            time.sleep(0.1)
    text = json.dumps({"pid": os.getpid(), "address": address}).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
    return handle


def read_holder(data: Path) -> dict[str, object]:
    """Who wrote the lock file last: `pid` and `address`, or {} when nobody can be read from it."""
    try:
        told = json.loads((data / "lock").read_text("utf-8"))
        return {"pid": int(told["pid"]), "address": str(told["address"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def running_city(data: Path) -> str | None:
    """The address of the city that runs on this folder now, or None."""
    try:
        handle = os.open(data / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except OSError:
        return str(read_holder(data).get("address") or "") or None
    finally:
        os.close(handle)


def _alive(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sentence(data: Path, holder: dict[str, object]) -> str:
    if holder.get("address"):
        return (
            f"The data folder {data} is in use by the city at {holder['address']} "
            f"(process {holder['pid']}); stop that one first or choose another --data"
        )
    return f"The data folder {data} is in use by process {holder.get('pid', '?')}; try again later"
