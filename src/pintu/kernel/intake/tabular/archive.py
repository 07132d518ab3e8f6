"""A zip file is looked at before anything in it is read: how many members, how large, where."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.words import refused

MOST_MEMBERS: Final = 2_000
MOST_BYTES: Final = 4 << 30  # unpacked, all members
STEEPEST: Final = 250  # unpacked to packed, of a member above FREE_BYTES
FREE_BYTES: Final = 10 << 20
_LINK: Final = 0o120000


def members(path: Path) -> list[zipfile.ZipInfo]:
    """The members of an archive that is safe to open; BadRequestData or TooLarge in words.

    Refused: too many members, too much inside, a member packed too steeply, members that share
    bytes (a bomb that looks small), passwords, links, and names that lead out of the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
            begin = archive.start_dir
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, RuntimeError) as error:
        raise refused(
            "文件损坏，不是完整的压缩包", f"The file is a damaged archive: {error}"
        ) from error
    _sizes(found)
    behind = 0
    for one in sorted(found, key=lambda one: one.header_offset):
        if one.header_offset < behind or one.header_offset + one.compress_size > begin:
            raise refused(
                "压缩包的成员互相重叠（可能是压缩炸弹），已拒绝",
                "Members of the archive lie over each other: it may be a bomb",
            )
        behind = one.header_offset + one.compress_size
        _name(one)
    return found


def _sizes(found: list[zipfile.ZipInfo]) -> None:
    if len(found) > MOST_MEMBERS:
        raise TooLarge(
            f"The archive has {len(found)} members; at most {MOST_MEMBERS} are opened",
            zh=f"压缩包里有 {len(found)} 个文件，最多打开 {MOST_MEMBERS} 个",
        )
    if sum(one.file_size for one in found) > MOST_BYTES:
        raise TooLarge(
            f"The archive unpacks to more than {MOST_BYTES >> 30} GiB",
            zh=f"压缩包解开后超过 {MOST_BYTES >> 30} GiB",
        )
    for one in found:
        if one.file_size > FREE_BYTES and one.file_size > STEEPEST * max(1, one.compress_size):
            raise TooLarge(
                f"{one.filename[:80]!r} unpacks to more than {STEEPEST} times its size: a bomb?",
                zh=f"{one.filename[:80]!r} 解开后是原来的 {STEEPEST} 倍以上，可能是压缩炸弹",
            )


def _name(one: zipfile.ZipInfo) -> None:
    parts = one.filename.replace("\\", "/").split("/")
    if ".." in parts or one.filename.startswith(("/", "\\")) or ":" in parts[0]:
        raise refused(
            f"压缩包里的文件名 {one.filename[:80]!r} 指向压缩包之外，已拒绝",
            f"Member {one.filename[:80]!r} leads out of the archive",
        )
    if one.flag_bits & 1:
        raise refused("压缩包有密码", "The archive is locked with a password")
    if (one.external_attr >> 16) & 0o170000 == _LINK:
        raise refused(
            f"压缩包里的 {one.filename[:80]!r} 是链接，已拒绝",
            f"Member {one.filename[:80]!r} is a link",
        )


def unpacked(file: IO[bytes], limit: int, *, size: int = 1 << 16) -> Iterator[bytes]:
    """What a member really holds, in pieces; TooLarge as soon as it is more than it said."""
    total = 0
    while True:
        try:
            piece = file.read(size)
        except (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError) as error:
            raise refused(
                "压缩包里的数据损坏", f"A member of the archive is damaged: {error}"
            ) from error
        if not piece:
            return
        total += len(piece)
        if total > limit:
            raise TooLarge(
                "A member of the archive is larger than it says: it may be a bomb",
                zh="压缩包里的文件比声明的大，可能是压缩炸弹",
            )
        yield piece
