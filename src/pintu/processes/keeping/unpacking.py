"""Takes archives apart, whoever made them. `tarfile` has filters for this from Python 3.11.4 on,
and Debian 12 has 3.11.2."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath


def unpack_into(place: Path, tar: tarfile.TarFile) -> None:
    """Its files and folders below `place`, with their times and modes and our owner. TarError for
    what would lie elsewhere, lies there twice, or is a link or a device.
    """
    for member in tar:
        inside = PurePosixPath(member.name)
        outside = inside.is_absolute() or ".." in inside.parts
        if outside or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name} is no file below the archive's folder")
        target = place / inside
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            _write(tar, member, target)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    body = tar.extractfile(member)
    assert body is not None  # it is a file
    try:
        with body, target.open("xb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
    except FileExistsError as error:
        raise tarfile.TarError(f"{member.name} is in it twice") from error
    target.chmod(member.mode & 0o755 | 0o600)
    os.utime(target, (member.mtime, member.mtime))
