"""The whole log as one file of lines, for a stranger's `pintu-verify log`: rows with their numbers,
each head behind the row it covers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from pintu.kernel.audit.proofs import Proofs
from pintu.kernel.audit.sealing import Sealer, told_of
from pintu.kernel.errors import DiskFull
from pintu.kernel.store.port import Store, settled

FORMAT: Final = "pintu-log/1"
CHUNK: Final = 500
HEADS: Final = 1_000


async def lines_of(store: Store, proofs: Proofs, sealer: Sealer) -> AsyncIterator[bytes]:
    """The lines, a few hundred rows at a time; up to the newest head, which is the last line."""
    head = await sealer.seal()
    size = 0 if head is None else head.size
    told = {"format": FORMAT, "origin": sealer.origin, "key": sealer.public, "rows": size}
    yield _line(told)
    heads = _Heads(proofs)
    done = 0
    while done < size:
        rows = await settled(store.notes(done, min(CHUNK, size - done)))
        part: list[bytes] = []
        for number, body in rows:
            part.append(_line([number, body.decode()]))
            part += [_line({"head": one}) for one in await heads.at(number)]
        yield b"".join(part)
        done += len(rows)
        if not rows:
            return


async def export(path: Path, lines: AsyncIterator[bytes]) -> int:
    """Write the lines into a new file; bytes. DiskFull."""
    written = 0
    try:
        with path.open("wb") as file:
            async for part in lines:
                written += file.write(part)
    except OSError as error:
        raise DiskFull(f"The export {path} cannot be written: {error.strerror}") from error
    return written


class _Heads:
    """Heads in the order of their sizes, read some at a time."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs
        self._waiting: dict[int, str] = {}
        self._known = 0

    async def at(self, size: int) -> list[str]:
        """The head over so many rows, when it was kept."""
        if size > self._known:
            found = await self._proofs.heads_after(size - 1, HEADS)
            self._waiting = {one.size: told_of(one) for one in found}
            self._known = max(self._waiting, default=1 << 62) if len(found) == HEADS else 1 << 62
        told = self._waiting.pop(size, None)
        return [] if told is None else [told]


def _line(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
