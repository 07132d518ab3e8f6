"""XML of an archive, read as it unpacks: no document type, no entity, no outside word is followed
(XXE), and no text grows beyond its bound."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import Final
from xml.parsers import expat

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.archive import unpacked
from pintu.kernel.intake.tabular.words import refused

LONGEST_TEXT: Final = 1 << 20
Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]


def read_markup(
    archive: zipfile.ZipFile, member: str, handlers: tuple[Start, End, Text | None], *, limit: int
) -> Iterator[None]:
    """Parse a member piece by piece; the handlers were called for one piece at each step.

    BadRequestData for what is no XML or has a document type, TooLarge above `limit` bytes.
    """
    start, end, text = handlers
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    if text is not None:
        parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.EntityDeclHandler = _no_doctype
    try:
        for piece in read_pieces(archive, member, limit=limit):
            parser.Parse(piece, not piece)
            yield
    except expat.ExpatError as error:
        raise _damaged(member, error) from error


def read_pieces(archive: zipfile.ZipFile, member: str, *, limit: int) -> Iterator[bytes]:
    """A member as it unpacks, an empty piece at its end; errors as of `read_markup`."""
    try:
        info = archive.getinfo(member)
        _fits(member, info.file_size, limit)
        with archive.open(info) as file:
            yield from unpacked(file, info.file_size)
        yield b""
    except KeyError as error:
        raise _lacking(member) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _damaged(member, error) from error


def _fits(member: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"{member} unpacks to {size} bytes; at most {limit} are read",
            zh=f"{member} 解开后有 {size} 字节，上限是 {limit}",
        )


def _lacking(member: str) -> Exception:
    return refused(f"工作簿不完整，缺少 {member}", f"The workbook is not whole: it lacks {member}")


def _damaged(member: str, error: Exception) -> Exception:
    return refused(f"工作簿里的 {member} 损坏", f"{member} of the workbook is damaged: {error}")


def _no_doctype(*_: object) -> None:
    raise refused(
        "工作簿的 XML 含有文档类型声明，已拒绝",
        "The XML of the workbook has a document type: it may read other files, so it is refused",
    )


def read_small(
    archive: zipfile.ZipFile, member: str, start: Start, *, limit: int = 1 << 24
) -> None:
    """Parse a small member for its elements alone."""
    for _ in read_markup(archive, member, (start, lambda _: None, None), limit=limit):
        pass
