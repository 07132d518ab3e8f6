"""The one secret of a source: a password, token or key, in a file only the city may read."""

from __future__ import annotations

import os
from pathlib import Path

from pintu.kernel.configuration.folder import NAME
from pintu.kernel.errors import BadRequestData, DiskFull, TooLarge

LARGEST_SECRET = 20_000  # a private key is 3,000 or so


def read_secret(data: Path, source: str) -> str:
    """The secret of a source, without its last line end; empty when there is none."""
    try:
        return _path(data, source).read_text("utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return ""


def write_secret(data: Path, source: str, secret: str) -> None:
    """Keep a secret, 0600, durable when this returns; an empty one takes the file away."""
    path = _path(data, source)
    if len(secret) > LARGEST_SECRET:
        raise TooLarge(f"The secret of {source} is longer than {LARGEST_SECRET} characters")
    if not secret:
        path.unlink(missing_ok=True)
        return
    partial = path.with_name(f".{source}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DiskFull(f"The secret of {source} cannot be written: {error.strerror}") from error


def _path(data: Path, source: str) -> Path:
    if not NAME.fullmatch(source):
        raise BadRequestData(f"{source[:70]!r} is not a source's name")
    return data / "keys" / "sources" / source
