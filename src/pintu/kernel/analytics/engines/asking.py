"""The broker's side of a question about history as a whole: one at a time, in a process of its own,
with a limit on everything; nothing of Ibis or an engine is imported here.

The process begins with the first question (an engine takes a while to load), is kept while there
are more, and ends when nobody asked for a while, or at once when an answer takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from pintu.kernel.analytics.apart import ask_process, frame
from pintu.kernel.analytics.engines.editing import edited_samples
from pintu.kernel.analytics.engines.words import Answer, Question, checked, limits_of
from pintu.kernel.errors import DeadlineExceeded, TooComplex, TooManyRequests, Unavailable

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

MODULE: Final = "pintu.kernel.analytics.engines.answering"
START_S: Final = 120.0
"""An engine on a cluster has to be given workers first."""
IDLE_S: Final = 120.0
WAITING: Final = 8
PACK_S: Final = 20.0
"""How old what is packed may be; packing for each question would make packs of single rows."""


class Analyst:
    """Asks an engine about the history of one city."""

    def __init__(self, history: History, data: Path, store: str, engine: str = "duckdb") -> None:
        self.engine = engine
        self.limits = limits_of(engine)
        self._history = history
        self._data, self._store = data, store
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._packed_s = -PACK_S
        self._ending: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The process while there is one."""
        return None if self._process is None else self._process.pid

    async def ask(self, tenant: int, question: Question) -> Answer:
        """The answer: columns in order. Raises BadRequestData for what cannot be asked, TooComplex
        for too much of it, TooManyRequests while many wait, DeadlineExceeded, Unavailable."""
        checked(question)
        if self._waiting >= WAITING:
            raise TooManyRequests("Many questions about history wait: ask later", retryAfter=10)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(tenant, question)
        finally:
            self._waiting -= 1

    async def _ask(self, tenant: int, question: Question) -> Answer:
        history = self._history
        if history.packing.waiting and monotonic() - self._packed_s > PACK_S:
            await history.pack()
            self._packed_s = monotonic()
        edited, told = await edited_samples(history, tenant, question)
        order = {"tenant": tenant, "question": question, "edited": edited, "told": told}
        process = self._process or await self._begin()
        try:
            answer = await self._told(process, msgspec.msgpack.encode(order), self.limits.seconds)
        finally:
            self._rest()
        if answer.error:
            raise (TooComplex if answer.too_much else Unavailable)(answer.error)
        return answer

    async def _begin(self) -> asyncio.subprocess.Process:
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        where = {
            "data": str(self._data), "store": self._store, "engine": self.engine,
            "folder": str(self._history.filing.folder), "limits": self.limits,
        }  # fmt: skip
        ready = await self._told(process, msgspec.msgpack.encode(where), START_S)
        if ready.error:
            await self.close()
            raise Unavailable(ready.error)
        return process

    async def _told(
        self, process: asyncio.subprocess.Process, said: bytes, deadline_s: float
    ) -> Answer:
        """What the process answers; it is ended when it does not, and when nobody waits for it."""
        try:
            async with asyncio.timeout(deadline_s):
                told = await ask_process(process, frame(said))
            return msgspec.msgpack.decode(told, type=Answer)
        except TimeoutError as error:
            await self.close()
            raise DeadlineExceeded(f"No answer within {deadline_s:.0f} s: ask for less") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Unavailable(
                "The process that asks history ended, perhaps for want of memory: ask for less"
            ) from error
        except asyncio.CancelledError:
            await self.close()  # an answer that nobody waits for would be taken for the next one's
            raise

    def _rest(self) -> None:
        """Let the process go when nobody asked for a while."""
        if self._ending is not None:
            self._ending.cancel()
        loop = asyncio.get_running_loop()
        self._ending = loop.call_later(IDLE_S, self._kill)

    def _kill(self) -> None:
        if self._process is not None and not self._turn.locked():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process = None

    async def close(self) -> None:
        """End the process."""
        if self._ending is not None:
            self._ending.cancel()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
